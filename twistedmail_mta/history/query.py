"""What is looked for in the history (PURE)."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from twistedmail_mta.history.keys import (
    MESSAGE_ID,
    RECIPIENT,
    SENDER,
    account_key,
    bare,
    client_key,
    domain_keys,
    key_of,
    outcome_key,
)
from twistedmail_mta.history.story import Kind, Outcome, Step, Story, act_outcome
from twistedmail_mta.model import parse_id

OUTCOMES: Final = ("delivered", "deferred", "bounced", "refused", "held", "deleted", "discarded", "abandoned")
_BY_TERM: Final = frozenset(OUTCOMES) - {"delivered"}
_DOMAIN: Final = re.compile(r"[^\s@]+\.[^\s@]+")


@dataclass(frozen=True, slots=True)
class Condition:
    """Something that must be true of a story.

    Attributes:
        keys: a story has one of these terms; empty: terms don't help to find it.
        holds: looks at the story itself, since terms only nearly tell.
    """

    keys: tuple[int, ...]
    holds: Callable[[Story], bool]


@dataclass(frozen=True, slots=True)
class Query:
    """Stories that are looked for.

    Attributes:
        conditions: all must be true.
        ids: only these; None: any.
        since: at that time or later, in seconds since the epoch.
        until: before that time, likewise.
    """

    conditions: tuple[Condition, ...] = ()
    ids: tuple[int, ...] | None = None
    since: float | None = None
    until: float | None = None

    def wants(self, story: Story) -> bool:
        """Return whether a story is one of them."""
        return (
            (self.since is None or story.at >= self.since)
            and (self.until is None or story.at < self.until)
            and all(each.holds(story) for each in self.conditions)
        )


def sender(address: str) -> Condition:
    """Return the condition that mail is from an address; "<>" or nothing is the null sender."""
    wanted = address.strip("<>").lower()
    return Condition((key_of(SENDER + wanted),), lambda story: (story.sender or "").lower() == wanted)


def recipient(address: str) -> Condition:
    """Return the condition that mail is for an address: as it was named, or as aliases led there."""
    wanted = address.strip("<>").lower()
    return Condition((key_of(RECIPIENT + wanted),), lambda story: wanted in _recipients(story))


def message_id(text: str) -> Condition:
    """Return the condition of a Message-ID, with or without its angle brackets."""
    wanted = bare(text)
    return Condition((key_of(MESSAGE_ID + wanted),), lambda story: bare(story.message_id) == wanted)


def domain(name: str) -> Condition:
    """Return the condition that the sender or a recipient is at a domain."""
    end = f"@{name.lower()}"

    def holds(story: Story) -> bool:
        return (story.sender or "").lower().endswith(end) or any(each.endswith(end) for each in _recipients(story))

    return Condition(domain_keys(name), holds)


def client(address: str) -> Condition:
    """Return the condition that mail came from a client's address."""
    return Condition((client_key(address),), lambda story: story.peer == address)


def account(name: str) -> Condition:
    """Return the condition that a login submitted the mail."""
    return Condition((account_key(name),), lambda story: story.account == name)


def outcome(name: str) -> Condition:
    """Return the condition of what became of the mail, one of `OUTCOMES`."""
    return Condition((outcome_key(name),) if name in _BY_TERM else (), lambda story: name in outcomes_of(story))


def anything(text: str) -> Query:
    """Return what somebody means who says just that: an id, an address, a Message-ID, a client's address, a domain.

    Raises:
        ValueError: it is nothing of all that.
    """
    text = text.strip()
    try:
        return Query(ids=(parse_id(text),))
    except ValueError:
        pass
    if (host := _host(text)) is not None:
        return Query((client(host),))
    if "@" in text:
        return Query((_either(sender(text), recipient(text), message_id(text)),))
    if text == "<>":
        return Query((sender(""),))
    if _DOMAIN.fullmatch(text):
        return Query((domain(text),))
    raise ValueError("is no queue id, address, Message-ID, client's address or domain")


def _either(*conditions: Condition) -> Condition:
    keys = tuple(key for each in conditions for key in each.keys)
    return Condition(keys, lambda story: any(each.holds(story) for each in conditions))


def _host(text: str) -> str | None:
    try:
        return str(ipaddress.ip_address(text.strip("[]")))
    except ValueError:
        return None


def _recipients(story: Story) -> frozenset[str]:
    untaken, kept = (each.recipient for each in story.refused), (each.recipient for each in story.filed)
    named = (*story.recipients, *untaken, *kept)
    later = (step.recipient for step in story.steps if step.recipient is not None)
    filed = (each[0] for step in story.steps if step.kind == Kind.filed for each in step.extra or ())
    return frozenset(each.lower() for each in (*named, *later, *filed))


def outcomes_of(story: Story) -> frozenset[str]:
    """Return what became of a message at any time, as `OUTCOMES` name it; of several recipients all."""
    return frozenset(_begun(story)) | {name for step in story.steps if (name := _name(step))}


def latest_of(story: Story) -> frozenset[str]:
    """Return what became of a message at last, of each recipient one."""
    latest = {step.recipient: name for step in story.steps if (name := _name(step))}
    return frozenset(_begun(story)) | frozenset(latest.values())


def _begun(story: Story) -> Iterator[str]:
    if story.outcome in (Outcome.refused, Outcome.abandoned, Outcome.discarded):
        yield story.outcome.name
    if story.refused:
        yield "refused"
    if story.detained:
        yield "held"
    if story.filed:
        yield "delivered"


def _name(step: Step) -> str | None:
    return act_outcome(step.extra[0]) if step.kind == Kind.operator else _STEPS.get(step.kind)


_STEPS: Final = {
    Kind.delivered: "delivered",
    Kind.filed: "delivered",
    Kind.deferred: "deferred",
    Kind.unconfirmed: "deferred",
    Kind.failed: "bounced",
}
