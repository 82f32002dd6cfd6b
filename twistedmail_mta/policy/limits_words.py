"""What clients are told when a limit is reached: how much is allowed, and when to come back."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Final

from twistedmail_mta.config.units import format_size
from twistedmail_mta.model import Reply
from twistedmail_mta.policy.buckets import Rule

_MANY: Final = {
    "messages": "Too many messages",
    "recipients": "Too many recipients",
    "new_recipients": "Too many new recipients",
    "octets": "Too much mail",
}
_ONE: Final = {"messages": "message", "recipients": "recipient", "new_recipients": "new recipient"}
_EACH: Final = {"hour": "an hour", "day": "a day"}


def refusal(rule: Rule, whose: str, excess: float, amount: float, now: float) -> Reply:
    """Return the reply when a bucket has no room.

    Args:
        rule: the limit.
        whose: "your account" and the like.
        excess: by how much the bucket would run over.
        amount: how much was to be put in.
        now: seconds since the epoch.
    """
    if amount > rule.allowed:
        return Reply(550, "5.7.1", _never(rule, whose))
    minutes = math.ceil(rule.wait(excess) / 60)
    again = datetime.fromtimestamp(math.ceil((now + minutes * 60) / 60) * 60, UTC)
    in_time = f"in {minutes} minute{'' if minutes == 1 else 's'}"
    text = (
        f"{_MANY[rule.measure]} from {whose}: at most {amount_text(rule)} {_EACH[rule.period]}; "
        f"please try again {in_time}, at {again:%H:%M} UTC"
    )
    return Reply(450, "4.7.1", text)


def _never(rule: Rule, whose: str) -> str:
    if not rule.allowed:
        return f"No {_ONE.get(rule.measure, 'mail')}{'s' if rule.measure in _ONE else ''} can be sent from {whose}"
    return f"Too much at once from {whose}: at most {amount_text(rule)} {_EACH[rule.period]}"


def amount_text(rule: Rule) -> str:
    """Return how much is allowed: "200 new recipients", "50.0 MB"."""
    if rule.measure == "octets":
        return format_size(int(rule.allowed))
    return f"{rule.allowed:.0f} {_ONE[rule.measure]}{'' if rule.allowed == 1 else 's'}"
