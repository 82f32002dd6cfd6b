"""UIDs that vanished, as ranges: cut to what was asked for, and worked out where they aren't remembered."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from twistedmail_mta.imap.sequences import Range, format_ranges


def vanished_line(ranges: Sequence[Range]) -> bytes:
    """Return the response that tells of UIDs that vanished before (RFC 7162 section 3.2.10.1); nothing for none."""
    return b"* VANISHED (EARLIER) %b\r\n" % format_ranges(ranges) if ranges else b""


def gaps(uids: Sequence[int], uid_next: int) -> Iterator[Range]:
    """Yield the ranges of UIDs below UIDNEXT that no message has.

    Args:
        uids: of the messages, ascending.
        uid_next: the mailbox's.
    """
    following = 1
    for uid in uids:
        if uid > following:
            yield following, uid - 1
        following = uid + 1
    if uid_next > following:
        yield following, uid_next - 1


def common(some: Sequence[Range], others: Sequence[Range]) -> Iterator[Range]:
    """Yield what two ascending lists of ranges, each without overlaps, have in common."""
    here = there = 0
    while here < len(some) and there < len(others):
        first, last = max(some[here][0], others[there][0]), min(some[here][1], others[there][1])
        if first <= last:
            yield first, last
        if some[here][1] < others[there][1]:
            here += 1
        else:
            there += 1
