"""`mta headers`: the way of a message, as its own header tells."""

from __future__ import annotations

import re
from dataclasses import asdict
from typing import Any, BinaryIO, Final

import click

from twistedmail_mta.cli.headers_text import described
from twistedmail_mta.cli.site import Invocation, pass_invocation, print_json
from twistedmail_mta.mail.authentication_results import line_of
from twistedmail_mta.mail.header import Header, split
from twistedmail_mta.mail.journey import Journey, journey

_MOST: Final = 4 << 20
"""Octets of a file that are looked at: more than any header has."""
_LINE_END: Final = re.compile(rb"\r?\n")
_BEFORE: Final = b"\xef\xbb\xbf \t\r\n"
"""What editors and the clipboard put in front."""


@click.command()
@click.argument("file", type=click.File("rb"))
@pass_invocation
def headers(invocation: Invocation, file: BinaryIO) -> None:
    """Show the way of a message in FILE, or - for standard input, from host to host.

    A whole message, or its header alone, by whatever programs.  It shows how
    long each hop took, where clocks can't be right, TLS, and what hosts found
    of SPF, DKIM, DMARC and ARC.  Nothing is asked of the DNS or of anybody:
    whoever had the message may have made up what stands below his own field.
    """
    found = journey(_header(file.read(_MOST)))
    if invocation.as_json:
        print_json(_as_json(found))
    else:
        click.echo(described(found))


def _header(octets: bytes) -> Header:
    """Return the header in a file, however its lines end.

    Raises:
        ClickException: there is none.
    """
    octets = _LINE_END.sub(b"\r\n", octets.lstrip(_BEFORE))
    if octets.startswith(b"From "):
        octets = octets.partition(b"\n")[2]
    block, _ = split(octets)
    if not block:
        raise click.ClickException("this is no message: its first line is no header field")
    return Header(block)


def _as_json(found: Journey) -> dict[str, Any]:
    """Return the same for programs; times in seconds since the epoch, delays in seconds."""
    return {
        "fields": dict(found.fields),
        "written_at": found.written_at,
        "total": found.total,
        "hops": [asdict(leg.hop) | {"delay": leg.delay, "clock": leg.clock} for leg in found.legs],
        "more_hops": found.more,
        "authentication": [
            {
                "field": each.field,
                "instance": each.instance,
                "service": each.results.service,
                "results": [
                    {
                        "method": said.method,
                        "result": said.result,
                        "reason": said.reason,
                        "properties": dict(said.properties),
                        "text": line_of(said),
                    }
                    for said in each.results.statements
                ],
            }
            for each in found.verdicts
        ],
        "received_spf": list(found.received_spf),
        "dkim_signatures": [{"domain": domain, "selector": selector} for domain, selector in found.signatures],
        "arc_seals": [{"instance": number, "domain": domain, "cv": cv} for number, domain, cv in found.seals],
    }
