"""`mta reload`: the running server reads its site file again."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any, Final

import click

from twistedmail_mta.cli.site import Invocation, pass_invocation, print_json
from twistedmail_mta.config.problems import ConfigError
from twistedmail_mta.control.client import ControlClient, NotRunningError

WITHIN: Final = 300.0
"""Seconds for the answer: plugins may take a minute each to start."""


@click.command()
@pass_invocation
def reload(invocation: Invocation) -> None:
    """Let the running server read its site file again.

    Everything is looked at first: if anything is wrong, it is said, and
    nothing changes.  Sessions that run finish under the old rules.  Keys that
    only count after a restart are named.  Exit status 0: done; 1: nothing has
    changed.
    """
    answer = _ask(invocation)
    if invocation.as_json:
        print_json(answer)
    else:
        for line in _words(answer):
            click.echo(line)
    sys.exit(0 if answer["reloaded"] else 1)


def _ask(invocation: Invocation) -> Mapping[str, Any]:
    try:
        state_dir = invocation.state_dir()
    except ConfigError as error:  # it says where the server is; what is wrong with it would be wrong there, too
        problems = [{"path": problem.path, "text": problem.text} for problem in error.problems]
        return {"reloaded": False, "problems": problems}
    try:
        with ControlClient(state_dir, WITHIN) as client:
            return client.call("site.reload")
    except NotRunningError:
        raise click.ClickException(f"no server runs in {state_dir}") from None


def _words(answer: Mapping[str, Any]) -> Sequence[str]:
    if not answer["reloaded"]:
        problems = [_problem(each) for each in answer["problems"]]
        return [*problems, "Nothing has changed: the server goes on as before."]
    lines = [f"Changed: {', '.join(answer['changed'])}" if answer["changed"] else "No key has changed."]
    if answer["begun"]:
        lines.append(f"Plugins that were begun: {', '.join(answer['begun'])}")
    if answer["ended"]:
        lines.append(f"Plugins that end with the sessions that run: {', '.join(answer['ended'])}")
    if answer["restart"]:
        lines.append(f"Needs a restart: {', '.join(answer['restart'])}")
    return lines


def _problem(problem: Mapping[str, str]) -> str:
    return f"error: {problem['path']}: {problem['text']}" if problem["path"] else f"error: {problem['text']}"
