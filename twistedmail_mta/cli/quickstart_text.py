"""What `mta quickstart` says: what was made, the password, what is wrong yet, the DNS records, and what to do next."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import click

from twistedmail_mta.checks.finding import Finding, as_object, errors_of
from twistedmail_mta.cli.quickstart_steps import Step, told
from twistedmail_mta.cli.site import Invocation, print_json, printable
from twistedmail_mta.config.endpoints import parse_endpoint
from twistedmail_mta.config.site import Site
from twistedmail_mta.founding.layout import Layout
from twistedmail_mta.founding.naming import Name
from twistedmail_mta.founding.site_file import Wanted
from twistedmail_mta.publishing.presence import Presence
from twistedmail_mta.publishing.zone import zone_lines

_FOUND_ANYWAY: Final = Path("/etc/mta/mta.toml")


@dataclass(frozen=True, slots=True)
class Outcome:
    """All that came of it.

    Attributes:
        name: of the host, and how it was found.
        layout: where the files are.
        wanted: what was asked for.
        site: what the site file says.
        steps: what was made, and what was there.
        password: of the account that was made, if one was.
        findings: what is wrong yet.
        presence: what the site is to others.
        whole: all was made, or there; else nothing was to be changed, or something stood in the way.
    """

    name: Name
    layout: Layout
    wanted: Wanted
    site: Site
    steps: Sequence[Step]
    password: str | None
    findings: Sequence[Finding]
    presence: Presence
    whole: bool


def print_outcome(invocation: Invocation, outcome: Outcome) -> None:
    """Print it, in words or as JSON."""
    if invocation.as_json:
        print_json(_as_object(outcome))
        return
    for line in _lines(outcome):
        click.echo(printable(line))


def _lines(outcome: Outcome) -> Iterator[str]:
    site, wanted = outcome.site, outcome.wanted
    yield f"Mail of {wanted.domain} on {site.server.hostname} ({outcome.name.source})"
    yield ""
    yield from told(outcome.steps)
    if outcome.password is not None:
        yield ""
        yield f"Password of {wanted.address}, shown this once: {outcome.password}"
        yield f"Another one: {_mta(outcome)} account password {wanted.address}"
    if outcome.findings:
        yield ""
        yield "To be mended before the start:" if errors_of(outcome.findings) else "Worth knowing:"
        yield from (line for finding in outcome.findings for line in str(finding).split("\n"))
    yield ""
    yield f"To be published in the DNS, `{_mta(outcome)} dns` prints it again:"
    yield ""
    yield from zone_lines(outcome.presence)
    yield ""
    yield from _next(outcome)


def _next(outcome: Outcome) -> Iterator[str]:
    if not outcome.whole:
        blocked = any(step.state == "made" for step in outcome.steps) or errors_of(outcome.findings)
        yield "Mend what is said above, and run this again: it isn't complete." if blocked else "Nothing was changed."
        return
    mta, address = _mta(outcome), outcome.wanted.address
    yield "Next:"
    yield from (f"  {command:<10}{words}" for command, words in _starts(outcome))
    yield f"  {'send':<10}{sending(outcome.site, address)}"
    yield f"  {'read':<10}{reading(outcome.site, address)}"
    yield f"  {'look':<10}{mta} check; {mta} dns --check; {mta} queue list"


def _starts(outcome: Outcome) -> Iterator[tuple[str, str]]:
    file, unit = outcome.layout.site_file, outcome.layout.unit
    if unit is not None and file == _FOUND_ANYWAY:
        yield "start", "systemctl daemon-reload; systemctl enable --now mta"
        return
    yield "start", f"twistd -n mta --config {file}"
    if unit is None:
        yield "for good", f"mta quickstart {outcome.wanted.address}, as root, installs /etc/systemd/system/mta.service"


def sending(site: Site, address: str) -> str:
    """Return a command that sends a first message."""
    text = r"printf 'Subject: hello\r\n\r\nmy first message\r\n'"
    way = f"smtps://{_place(site, 'submission')}"
    return f"{text} | curl -k {way} -u {address} --mail-from {address} --mail-rcpt {address} -T -"


def reading(site: Site, address: str) -> str:
    """Return a command that reads it."""
    return f"curl -k 'imaps://{_place(site, 'imap')}/INBOX;MAILINDEX=1' -u {address}"


def _place(site: Site, role: str) -> str:
    """Return where a listener with TLS from the first octet is reached from here."""
    for table in site.listen.values():
        if table.role == role and table.tls == "implicit":
            for text in table.endpoint:
                endpoint = parse_endpoint(text)
                if "port" in endpoint.arguments:
                    return f"{endpoint.arguments.get('interface', '127.0.0.1')}:{endpoint.arguments['port']}"
    return site.server.hostname


def _mta(outcome: Outcome) -> str:
    file = outcome.layout.site_file
    return "mta" if file == _FOUND_ANYWAY else f"mta --config {file}"


def _as_object(outcome: Outcome) -> dict[str, object]:
    return {
        "ok": not errors_of(outcome.findings),
        "changed": any(step.state == "made" for step in outcome.steps),
        "hostname": outcome.site.server.hostname,
        "site_file": str(outcome.layout.site_file),
        "state_dir": str(outcome.site.server.state_dir),
        "account": outcome.wanted.address,
        "password": outcome.password,
        "steps": [{"state": step.state, "what": step.what, "text": step.text} for step in outcome.steps],
        "findings": list(map(as_object, outcome.findings)),
        "records": list(zone_lines(outcome.presence)),
    }
