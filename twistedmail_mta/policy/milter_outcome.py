"""What comes of what a filter was told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from twistedmail_mta.mail.header import Header
from twistedmail_mta.milter.answers import Modification, Verdict
from twistedmail_mta.milter.errors import MilterError
from twistedmail_mta.milter.terms import Agreement
from twistedmail_mta.model import Envelope, Reply
from twistedmail_mta.stages import Body, Draft

REJECTED: Final = Reply(550, "5.7.1", "Command rejected")
DELAYED: Final = Reply(451, "4.7.1", "Service unavailable - try again later")
CLOSING: Final = Reply(421, "4.7.0", "Server closing connection")
Outcome = Reply | Verdict | None
"""A refusal; `ACCEPT` or `DISCARD`, and nothing more is asked; None goes on."""

_OUTCOMES: Final[dict[Verdict, Outcome]] = {
    Verdict.CONTINUE: None,
    Verdict.SKIP: None,
    Verdict.ACCEPT: Verdict.ACCEPT,
    Verdict.DISCARD: Verdict.DISCARD,
    Verdict.REJECT: REJECTED,
    Verdict.DELAY: DELAYED,
    Verdict.SHUT_DOWN: CLOSING,
}


@dataclass(frozen=True, slots=True)
class Shown:
    """A message as a filter is shown it.

    Attributes:
        id: as the log shows it.
        envelope: as it came; filters aren't told of what others make of it.
        header: as the filters before left it.
        body: likewise.
        draft: begins another text for the body's place.
    """

    id: str
    envelope: Envelope
    header: Header
    body: Body
    draft: Callable[[], Draft]


@dataclass(frozen=True, slots=True)
class Judged:
    """What a filter wants.

    Attributes:
        outcome: of the message.
        agreement: by which its changes are to be understood.
        changes: in its order, a body apart.
        body: what stands in the body's place; None if it stays.
    """

    outcome: Outcome
    agreement: Agreement = field(default_factory=Agreement)
    changes: tuple[Modification, ...] = ()
    body: Body | None = None


def outcome_of(answer: object) -> Outcome:
    """Return what an answer to a command means for what follows.

    Raises:
        MilterError: it is none, or the filter says that it has failed.
    """
    if isinstance(answer, Reply):
        return answer
    if isinstance(answer, Verdict) and answer in _OUTCOMES:
        return _OUTCOMES[answer]
    raise MilterError(f"it says {answer!r:.100}")


def refusal_in(outcome: Outcome) -> Reply | None:
    """Return what a client is told; None if it isn't refused."""
    return outcome if isinstance(outcome, Reply) else None
