"""What is told of an account that was stopped: to whoever sends with it, and to those who look after it."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from twistedmail_mta.model import Reply

STOPPED: Final = Reply(
    450,
    "4.7.0",
    "This account sends nothing for now: what was sent with it looks as if its password had been stolen; "
    "please ask your postmaster",
)
_WIDTH: Final = 76


@dataclass(frozen=True, slots=True)
class Stop:
    """An account that was stopped.

    Attributes:
        account: its name.
        at: when.
        reasons: why, in words.
        seen: the last strangers it wrote to: when, from where, who.
    """

    account: str
    at: float
    reasons: tuple[str, ...]
    seen: tuple[tuple[int, str, str], ...]

    def written(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return {"account": self.account, "at": self.at, "reasons": self.reasons, "seen": self.seen}

    @classmethod
    def of(cls, written: dict[str, Any]) -> Stop:
        """Return what `written` returned."""
        seen = tuple((at, host, address) for at, host, address in written["seen"])
        return cls(written["account"], written["at"], tuple(written["reasons"]), seen)


def notice(stop: Stop, host: str, waiting: int) -> tuple[str, str]:
    """Return subject and text of the mail to the administrator and the owner.

    Args:
        stop: the account.
        host: this host's name.
        waiting: how many recipients wait in the queue.
    """
    paragraphs = [
        f"This is the mail server at {host}.",
        _filled(
            f"The account {stop.account} was stopped at {_moment(stop.at)}: it looks as if somebody else sent mail "
            "with it. It sends nothing more for now, and what it has in the queue waits there "
            f"({waiting} recipient{'' if waiting == 1 else 's'}). It can still read its mail."
        ),
        "Why:\n\n" + "\n".join(_listed(each) for each in stop.reasons),
        "The last recipients that were new to it:\n\n" + _recipients(stop.seen),
        _filled(
            "If it was somebody else: give the account another password, then delete what waits and let it send "
            "again. If it was its owner: let it go on; what it did then counts as its normal."
        ),
        f"    mta account password {stop.account}\n    mta account brake discard {stop.account}",
        f"    mta account brake release {stop.account}",
    ]
    return f"{stop.account} was stopped: its mail isn't its own", "\n\n".join(paragraphs) + "\n"


def _recipients(seen: Sequence[tuple[int, str, str]]) -> str:
    return "\n".join(f"    {_moment(at)}  {host or 'this host':<24} {address}" for at, host, address in seen) or "    -"


def _listed(text: str) -> str:
    return textwrap.fill(text + ".", _WIDTH, initial_indent="  * ", subsequent_indent="    ")


def _filled(text: str) -> str:
    return textwrap.fill(text, _WIDTH)


def _moment(at: float) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M} UTC"
