"""A message's life as values: what is written down of it, and what is read back."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any, Final, Self

MOST_RECIPIENTS: Final = 100
"""Of one message that are written down."""
LONGEST: Final = 1000
"""Characters of a text from outside that are kept."""

Row = tuple[Any, ...]


class Outcome(IntEnum):
    """How a story begins; the numbers are in the file."""

    accepted = 0
    refused = 1
    abandoned = 2
    discarded = 3
    own = 4
    unknown = 5


class Kind(IntEnum):
    """What a step is; the numbers are in the file."""

    delivered = 0
    deferred = 1
    unconfirmed = 2
    failed = 3
    parked = 4
    told = 5
    untold = 6
    filed = 7
    operator = 8


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a plugin answered.

    Attributes:
        plugin: as the site file calls it.
        stage: at which it was asked.
        answer: its reply, or what it changed.
    """

    plugin: str
    stage: str
    answer: str


@dataclass(frozen=True, slots=True)
class Refused:
    """A recipient that wasn't taken."""

    recipient: str
    reply: str


@dataclass(frozen=True, slots=True)
class Filed:
    """A copy in a mailbox of this host."""

    recipient: str
    mailbox: str
    uid: int


@dataclass(frozen=True, slots=True)
class Step:
    """What happened to a message after it was taken.

    Attributes:
        at: seconds since the epoch.
        kind: what.
        recipient: to whom; None where it concerns several.
        hop: where it was sent, as operators write it.
        remote: who answered; empty when it was nobody.
        tls: the message went over TLS.
        proof: how the host proved who it is.
        reply: the answer, in the other's own words.
        attempt: which, from 1 on.
        due: when it is tried again, in seconds since the epoch.
        extra: what there is only of this kind.
    """

    at: float
    kind: Kind
    recipient: str | None
    hop: str
    remote: str
    tls: bool
    proof: str
    reply: str
    attempt: int
    due: float | None
    extra: Any

    @classmethod
    def of(cls, row: Row) -> Self:
        """Read one of `STEP_COLUMNS`."""
        _, moment, kind, recipient, hop, remote, tls, proof, reply, attempt, due, extra = row
        texts = (hop or "", remote or "", bool(tls), proof or "", reply or "")
        return cls(moment / 1e6, Kind(kind), recipient, *texts, attempt or 0, due, json.loads(extra) if extra else None)


@dataclass(frozen=True, slots=True)
class Story:
    """A message, or what was refused; see the columns of `tables.SCHEMA`."""

    id: int
    at: float
    outcome: Outcome
    sender: str | None
    recipients: tuple[str, ...]
    message_id: str
    size: int
    protocol: str
    peer: str
    helo: str
    listener: str
    session: str
    tls: str
    account: str
    mechanism: str
    command: str
    reply: str
    verdicts: tuple[Verdict, ...]
    refused: tuple[Refused, ...]
    filed: tuple[Filed, ...]
    signed: str
    detained: str
    tags: str
    about: int | None
    asked: str
    steps: tuple[Step, ...] = field(default=())

    @classmethod
    def of(cls, row: Row, steps: Sequence[Step]) -> Self:
        """Read one of `STORY_COLUMNS`, and its steps."""
        said = dict(zip(cls.__slots__, row, strict=False))
        texts = {name: said[name] or "" for name in _TEXTS}
        return cls(
            id=said["id"],
            at=said["at"],
            outcome=Outcome(said["outcome"]),
            sender=said["sender"],
            recipients=tuple(said["recipients"].split("\n")) if said["recipients"] else (),
            size=said["size"] or 0,
            verdicts=tuple(Verdict(*each) for each in _listed(said["verdicts"])),
            refused=tuple(Refused(*each) for each in _listed(said["refused"])),
            filed=tuple(Filed(*each) for each in _listed(said["filed"])),
            about=said["about"],
            steps=tuple(steps),
            **texts,
        )


def unknown_row(story: int, at: float) -> Row:
    """Return the row of a story of which only steps are known: it began before the history did."""
    return (story, at, Outcome.unknown, *(None,) * (len(Story.__slots__) - 4))


_TEXTS: Final = (
    *("message_id", "protocol", "peer", "helo", "listener", "session", "tls", "account", "mechanism"),
    *("command", "reply", "signed", "detained", "tags", "asked"),
)


def act_outcome(act: str) -> str | None:
    """Return what becomes of mail by an operator's act, as queries name it; None for what it was before."""
    return _ACTS.get(act.split(maxsplit=1)[0])


_ACTS: Final = {"bounce": "bounced", "hold": "held", "delete": "deleted"}


def _listed(text: str | None) -> list[list[Any]]:
    return json.loads(text) if text else []


def packed(values: Sequence[object]) -> str | None:
    """Return values as a column of JSON holds them; NULL for none."""
    return _encoded(values) if values else None


_encoded: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def lines(recipients: Sequence[str]) -> str:
    """Return addresses as the column of recipients holds them; of many the first, and how many more there are."""
    if len(recipients) == 1:
        return recipients[0]
    more = len(recipients) - MOST_RECIPIENTS
    shown = recipients[:MOST_RECIPIENTS]
    return "\n".join([*shown, f"and {more} more"] if more > 0 else shown)


def short(text: str) -> str:
    """Return a text from outside, bounded."""
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}..."
