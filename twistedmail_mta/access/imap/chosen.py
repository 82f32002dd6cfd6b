"""The messages that a command names, in the mailbox that is open."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from twistedmail_mta.access.imap.selected import Selected
from twistedmail_mta.imap.response import Response, bad, no
from twistedmail_mta.imap.sequences import SequenceSet

NO_SUCH_NUMBER: Final = bad("There is no message of such a number")
GONE: Final = no("Some of these messages are gone", b"EXPUNGEISSUED")


@dataclass(frozen=True, slots=True)
class Chosen:
    """What a command is about.

    Attributes:
        uids: of the messages that are there, ascending.
        octets: how large these are together.
        some_gone: others are gone, though the client wasn't told (RFC 5530 section 3).
    """

    uids: Sequence[int]
    octets: int
    some_gone: bool


def choose(selected: Selected, messages: SequenceSet, *, by_uid: bool) -> Chosen | Response:
    """Return the messages of a set, or what is wrong with it.

    Args:
        selected: where.
        messages: which.
        by_uid: they are called by their UIDs; else by numbers, of which all must be there.
    """
    if not by_uid and messages.exceeds(selected.exists):
        return NO_SUCH_NUMBER
    columns, uids, octets = selected.columns(), array("I"), 0
    for positions in selected.positions(messages, by_uid=by_uid):
        uids.extend(columns.uids[positions.start : positions.stop])
        octets += sum(columns.sizes[positions.start : positions.stop])
    gone = {columns.uids[index] for index in columns.gone}
    here = array("I", (uid for uid in uids if uid not in gone)) if gone else uids
    return Chosen(here, octets, some_gone=len(here) < len(uids))


def numbers_of(selected: Selected, uids: Iterable[int]) -> list[int]:
    """Return the numbers of messages that the client knows, by their UIDs."""
    known = selected.known_uids()
    return [bisect_left(known, uid) + 1 for uid in uids]
