"""`mta auth message`: SPF, DKIM, ARC and DMARC of a message in a file, as the plugin finds them."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, BinaryIO, Final, TypeVar

import click

from twistedmail_mta.cli.auth_values import PATIENCE, as_ip, as_sender
from twistedmail_mta.cli.circumstances import Circumstances, Message, circumstances, message_in
from twistedmail_mta.cli.reacting import waited_for
from twistedmail_mta.cli.site import Invocation, pass_invocation, print_json, printable
from twistedmail_mta.composition.settings import nameservers_of
from twistedmail_mta.config.site import Site
from twistedmail_mta.dmarc.evaluation import Result
from twistedmail_mta.dns.exchange import IReactorDNS
from twistedmail_mta.dns.resolver import make_resolver
from twistedmail_mta.mail.authentication_results import line_of, written
from twistedmail_mta.model import Address
from twistedmail_mta.policy.authenticity import Examiner, Findings
from twistedmail_mta.policy.authenticity_words import statements
from twistedmail_mta.spf.identity import Checked, Visit

T = TypeVar("T")

STATUSES: Final[dict[Result, int]] = {"pass": 0, "none": 10, "fail": 13, "temperror": 14, "permerror": 15}
"""Exit statuses, by what DMARC says; those of `mta auth spf`, where there are such."""


@dataclass(frozen=True, slots=True)
class _Octets:
    """A body in memory."""

    octets: bytes

    @property
    def size(self) -> int:
        return len(self.octets)

    async def read(self, offset: int, size: int) -> bytes:
        return self.octets[offset : offset + size]


async def _at_once(function: Callable[..., T], *arguments: Any) -> T:  # noqa: ANN401 - the function's
    """Call what takes long: nobody else waits for this process."""
    return function(*arguments)


@click.command()
@click.argument("file", type=click.File("rb"))
@click.option("--ip", default=None, metavar="ADDRESS", callback=as_ip, help="The client's address; else from Received.")
@click.option(
    "--from",
    "sender",
    default=None,
    metavar="ADDRESS",
    callback=as_sender,
    help="The reverse-path, <> for none; else from Return-Path.",
)
@click.option("--helo", default="", metavar="NAME", help="What the client says in EHLO; else from Received.")
@pass_invocation
def message(invocation: Invocation, file: BinaryIO, ip: str | None, sender: Address | None, helo: str) -> None:
    """Say what SPF, DKIM, ARC and DMARC find of a message in a FILE, or - for standard input.

    It is what the plugin `authentication` would find now: keys and records may
    have been others when the message came.  What isn't said of the client and
    the sender is looked for in the header, and told as assumed.  Exit status,
    by DMARC: 0: pass, 10: none, 13: fail, 14: temperror, 15: permerror; 1 and
    2: it couldn't be found out, by the site file or the command line.
    """
    site = invocation.chosen_site().site
    mail = message_in(file.read())
    came = circumstances(mail.header, ip or "", helo, sender)
    findings = waited_for(lambda reactor: _found(reactor, site, mail, came))
    assumed = (*mail.assumed, *came.assumed)
    if invocation.as_json:
        print_json(_as_json(findings, came, assumed, site.server.hostname))
    else:
        for line in _lines(findings, came, assumed):
            click.echo(printable(line))
    sys.exit(STATUSES[findings.dmarc.result])


async def _found(reactor: IReactorDNS, site: Site, mail: Message, came: Circumstances) -> Findings:
    resolver = make_resolver(reactor, nameservers_of(site), site.dns.timeout)
    visit = Visit(came.ip, came.helo, site.server.hostname, time.time())
    try:
        examiner = Examiner(resolver, reactor, PATIENCE, _at_once)
        return await examiner.findings(visit, came.sender, mail.header, _Octets(mail.body))
    finally:
        resolver.stop()


def _lines(findings: Findings, came: Circumstances, assumed: tuple[str, ...]) -> list[str]:
    lines = [line_of(each) for each in statements(findings, came.ip)]
    if findings.dmarc.wanted != "none":
        lines.append(f"{findings.dmarc.found_at} wants such mail to be treated so: {findings.dmarc.wanted}")
    return lines + [f"assumed: {each}" for each in assumed]


def _as_json(findings: Findings, came: Circumstances, assumed: tuple[str, ...], hostname: str) -> dict[str, Any]:
    dmarc = findings.dmarc
    return {
        "spf": [_spf(each) for each in (findings.sender, findings.helo) if each is not None],
        "dkim": [
            {
                "result": each.word,
                "reason": each.reason,
                "domain": each.domain,
                "selector": each.selector,
                "identity": each.identity,
                "algorithm": each.algorithm,
            }
            for each in findings.signatures
        ],
        "arc": {
            "result": findings.chain.validation,
            "reason": findings.chain.reason,
            "sealers": findings.chain.sealers,
        },
        "dmarc": {
            "result": dmarc.result,
            "reason": dmarc.reason,
            "author": dmarc.author,
            "found_at": dmarc.found_at,
            "policy": dmarc.policy,
            "tag": dmarc.tag,
            "wanted": dmarc.wanted,
            "aligned": [each.identifier.domain for each in dmarc.alignments if each.is_aligned],
        },
        "client": {"ip": came.ip, "helo": came.helo, "sender": str(came.sender)},
        "assumed": assumed,
        "authentication_results": written(hostname, statements(findings, came.ip)),
    }


def _spf(checked: Checked) -> dict[str, Any]:
    return {
        "result": checked.verdict.result,
        "identity": checked.identity,
        "value": checked.value,
        "domain": checked.verdict.domain,
        "problem": checked.verdict.problem,
    }
