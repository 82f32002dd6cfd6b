"""What SORT compares of messages (RFC 5256 section 3)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from twistedmail_mta.imap.in_turns import Turns, sort_in_turns
from twistedmail_mta.imap.search import Criterion
from twistedmail_mta.mail import stored_envelope
from twistedmail_mta.mail.base_subject import BaseSubject, base_subject
from twistedmail_mta.mail.casemap import casemapped
from twistedmail_mta.mail.charset import decoded_text
from twistedmail_mta.mail.decoded_field import decoded_field
from twistedmail_mta.mail.sent_date import sent_date

Criteria = Sequence[tuple[Criterion, bool]]
"""The first counts most; each with whether it is reversed."""

SortKey = int | bytes | None
"""What messages are compared by, always of the same type for the same criterion; None for what is known anyway."""

_PLACES: Final = {
    Criterion.FROM: stored_envelope.AUTHORS,
    Criterion.TO: stored_envelope.RECIPIENTS,
    Criterion.CC: stored_envelope.COPIES,
}


def sent_at(internal_date: int, envelope: bytes) -> int:
    """Return when a message was sent, in seconds since the epoch; when it came, if it doesn't say."""
    value = stored_envelope.date(envelope)
    sent = None if value is None else sent_date(value)
    return internal_date if sent is None else sent.at


def subject_of(envelope: bytes) -> BaseSubject:
    """Return the base subject of a message."""
    return base_subject(decoded_field(stored_envelope.subject(envelope) or b""))


def sort_keys(criteria: Criteria) -> Callable[[int, bytes], tuple[SortKey, ...]]:
    """Return what makes of a message what it is sorted by, for each criterion; SIZE, which is known, is None."""
    return lambda internal_date, envelope: tuple([_key(one, internal_date, envelope) for one, _ in criteria])


def _key(criterion: Criterion, internal_date: int, envelope: bytes) -> SortKey:
    match criterion:
        case Criterion.ARRIVAL:
            return internal_date
        case Criterion.DATE:
            return sent_at(internal_date, envelope)
        case Criterion.SUBJECT:
            return casemapped(subject_of(envelope).text)
        case Criterion.SIZE:
            return None
        case _:
            return casemapped(decoded_text(None, stored_envelope.first_mailbox(envelope, _PLACES[criterion])))


def sort(
    indices: list[int],
    criteria: Criteria,
    key_of: Callable[[int], tuple[SortKey, ...]],
    sizes: Sequence[int],
) -> Turns[list[int]]:
    """Return indices of messages in order; those that nothing tells apart stay as they are.

    Args:
        indices: ascending.
        criteria: what they are sorted by.
        key_of: returns of an index what `sort_keys` made.
        sizes: of all messages.
    """
    for place, (criterion, reverse) in reversed(list(enumerate(criteria))):
        if criterion is Criterion.SIZE:
            indices = yield from sort_in_turns(indices, sizes.__getitem__, reverse=reverse)
        else:
            indices = yield from sort_in_turns(indices, lambda index, at=place: key_of(index)[at], reverse=reverse)  # type: ignore[misc]
    return indices
