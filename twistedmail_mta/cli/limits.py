"""`mta limits`: what an account has used of what it may send."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import click

from twistedmail_mta.cli.asking import ask
from twistedmail_mta.cli.hosting import as_account, report
from twistedmail_mta.cli.site import Invocation, pass_invocation, print_json, print_table
from twistedmail_mta.config.units import format_size

_EACH: Final = {"hour": "an hour", "day": "a day"}

_account = click.argument("account", metavar="ACCOUNT", callback=as_account)


@click.group()
def limits() -> None:
    """Show and reset what an account has used of its limits."""


@limits.command()
@_account
@pass_invocation
def show(invocation: Invocation, account: str) -> None:
    """Show what an account has used."""
    used = [each for answer in ask(invocation, "limits", {"show": account}) for each in answer["limits"]]
    if invocation.as_json:
        print_json({"account": account, "limits": used})
    else:
        print_table(["Limit", ">Used", ">Allowed"], [_row(each) for each in used], f"{account} has no limits.")


@limits.command()
@_account
@pass_invocation
def reset(invocation: Invocation, account: str) -> None:
    """Let an account begin anew; whom it has written to stays known."""
    ask(invocation, "limits", {"reset": account})
    report(invocation, f"{account} has used nothing of its limits now.", {"reset": account})


def _row(each: Mapping[str, Any]) -> list[str]:
    amount = format_size if each["measure"] == "octets" else str
    words = f"{each['measure'].replace('_', ' ')} {_EACH[each['period']]}"
    return [words, amount(int(each["used"])), amount(int(each["allowed"]))]
