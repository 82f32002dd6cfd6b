"""`mta account brake`: the accounts that were stopped because somebody else seemed to use them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from twistedmail_mta.cli.asking import ask
from twistedmail_mta.cli.hosting import as_account, report
from twistedmail_mta.cli.queue_selection import count_of
from twistedmail_mta.cli.queue_text import moment
from twistedmail_mta.cli.site import Invocation, pass_invocation, print_json, print_table

_account = click.argument("account", metavar="ADDRESS", callback=as_account)


@click.group()
def brake() -> None:
    """List, release and discard what accounts send that were stopped."""


@brake.command(name="list")
@pass_invocation
def list_(invocation: Invocation) -> None:
    """List the accounts that are stopped, and why."""
    stopped = [each for answer in ask(invocation, "brake", {"list": True}) for each in answer["stopped"]]
    if invocation.as_json:
        print_json([_as_object(each) for each in stopped])
        return
    rows = [[each["account"], moment(each["at"]), "; ".join(each["reasons"])] for each in stopped]
    print_table(["Account", "Since", "Why"], rows, "No account is stopped.")


@brake.command()
@_account
@pass_invocation
def release(invocation: Invocation, account: str) -> None:
    """Let an account go on, with what it has in the queue.

    What it did counts as its normal from now on.
    """
    number = _done(invocation, "release", account)
    report(invocation, f"{account} sends again; {count_of(number)} going on.", _result("release", account, number))


@brake.command()
@_account
@pass_invocation
def discard(invocation: Invocation, account: str) -> None:
    """Delete what an account has in the queue, and let it send again.

    Nobody is told of what is deleted.  Give the account another password
    first: whoever has the old one would send again.
    """
    number = _done(invocation, "discard", account)
    words = f"{count_of(number)} deleted; {account} sends again, so its password should be another by now."
    report(invocation, words, _result("discard", account, number))


def _done(invocation: Invocation, action: str, account: str) -> int:
    return sum(answer["recipients"] for answer in ask(invocation, "brake", {action: account}))


def _result(action: str, account: str, number: int) -> dict[str, object]:
    return {"action": action, "account": account, "recipients": number}


def _as_object(each: Mapping[str, Any]) -> dict[str, Any]:
    seen = [{"at": at, "host": host, "recipient": recipient} for at, host, recipient in each["seen"]]
    return {"account": each["account"], "since": each["at"], "reasons": list(each["reasons"]), "recipients": seen}
