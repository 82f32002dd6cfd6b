"""`mta check`: everything that is wrong with a site, before the server is started."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import UTC, datetime

import click

from twistedmail_mta.checks import Finding, errors_of, findings_of
from twistedmail_mta.cli.site import Invocation, pass_invocation, print_json
from twistedmail_mta.config.problems import ConfigError


@click.command()
@pass_invocation
def check(invocation: Invocation) -> None:
    """Validate the site file, the certificates and the directories.

    Exit status 0: the server can be started (there may be warnings); 1: it
    can't.  Run it as root, so that it can look with the eyes of the user whom
    the server runs as.
    """
    source, findings = _look(invocation)
    refused = bool(errors_of(findings))
    if invocation.as_json:
        items = [{"level": item.level, "path": item.path, "text": item.text} for item in findings]
        print_json({"file": source, "ok": not refused, "findings": items})
    else:
        for finding in findings:
            click.echo(str(finding))
        click.echo(_verdict(source, refused=refused))
    sys.exit(1 if refused else 0)


def _look(invocation: Invocation) -> tuple[str | None, Sequence[Finding]]:
    try:
        chosen = invocation.chosen_site()
    except ConfigError as error:
        return error.source, [Finding("error", item.path, item.text) for item in error.problems]
    if chosen.source is None:
        return None, []
    return str(chosen.source), list(findings_of(chosen.site, datetime.now(UTC)))


def _verdict(source: str | None, *, refused: bool) -> str:
    if source is None:
        return "There is no site file; `twistd -n mta` would start the trial site here."
    return f"{source} can't be used as it is." if refused else f"{source} is ready to be used."
