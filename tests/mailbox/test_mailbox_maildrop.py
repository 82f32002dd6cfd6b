"""INBOX as POP3 sees it."""

from __future__ import annotations

import pytest
from mail_at_rest import Rest, run, to
from zope.interface.verify import verifyObject

from twistedmail_mta.interfaces import IMaildrop
from twistedmail_mta.mailbox.maildrop import FETCHED_AT_ONCE, Maildrop, open_maildrop
from twistedmail_mta.model import DropMessage, InlineBody

PREFIX = b"Return-Path: <ann@example.org>\r\nDelivered-To: user1@example.org\r\n"
HEADER = b"Subject: test\r\n\r\n"


def opened(rest: Rest) -> Maildrop:
    return run(open_maildrop(rest.store, 1))


def whole(body: bytes) -> bytes:
    return PREFIX + HEADER + body


def test_a_maildrop_is_one() -> None:
    verifyObject(IMaildrop, opened(Rest()))


def test_an_account_without_mail_has_an_empty_one() -> None:
    assert list(opened(Rest()).messages) == []


def test_sizes_are_octets_and_names_stay() -> None:
    """After a restart the same messages have the same ids; one that was imported has its old one."""
    rest = Rest()
    rest.accept(to(1), body=InlineBody(b"12345"))
    run(rest.store.append(rest.inbox().id, [rest.incoming(uidl="000000075ab")]))
    before = list(opened(rest).messages)

    rest.restart()

    assert list(opened(rest).messages) == before
    assert before[0].size == len(whole(b"12345"))
    assert before[1] == DropMessage(2, len(b"Subject: old\r\n\r\nHello\r\n"), "000000075ab")
    assert len(before[0].uidl) == 16
    assert before[0].uidl != opened(rest).messages[1].uidl


def test_the_snapshot_stays_as_it_was() -> None:
    rest = Rest()
    rest.accept(to(1))
    drop = opened(rest)

    rest.accept(to(1))
    assert len(drop.messages) == len(drop.sizes) == 1
    run(rest.store.remove(rest.inbox().id, [1]))

    assert [message.uid for message in drop.messages] == [1]
    assert run(drop.fetch([1], 1000)) == [None]
    assert run(drop.read(1, 0, 10)) == b""
    assert [message.uid for message in opened(rest).messages] == [2]


@pytest.mark.parametrize("file", [False, True])
def test_fetch_returns_what_fits_but_at_least_one(file: bool) -> None:
    rest = Rest()
    bodies = [bytes([65 + n]) * 100 for n in range(4)]
    for body in bodies:
        rest.accept(to(1), body=rest.body(body, file=file))
    drop, size = opened(rest), len(whole(bodies[0]))

    assert run(drop.fetch([1, 2, 3, 4], 2 * size)) == [whole(bodies[0]), whole(bodies[1])]
    assert run(drop.fetch([3, 4], 2 * size - 1)) == [whole(bodies[2])]
    assert run(drop.fetch([4, 1], 1)) == [whole(bodies[3])]
    assert run(drop.fetch([], 1)) == []


def test_fetch_returns_octets_whatever_they_are() -> None:
    """Messages are read as one row of text: NUL, and what is no UTF-8, comes as it is, and every message for itself."""
    rest = Rest()
    bodies = [
        bytes(range(256)),
        b"",
        b"\0",
        "\N{EURO SIGN}".encode()[:2],
        "\N{EURO SIGN}".encode()[2:],
        b"\xef\xbb\xbf",
    ]
    for number, body in enumerate(bodies):
        rest.accept(to(1), body=rest.body(body, file=number == 1))
    drop = opened(rest)
    run(rest.store.remove(rest.inbox().id, [3]))

    wanted = [5, 4, 6, 1, 2, 3]
    assert run(drop.fetch(wanted, 10_000)) == [None if n == 3 else whole(bodies[n - 1]) for n in wanted]


def test_fetch_takes_a_hundred_at_most() -> None:
    """A transaction on a reader's thread is short."""
    rest = Rest()
    run(rest.store.append(rest.inbox().id, [rest.incoming() for _ in range(FETCHED_AT_ONCE + 1)]))

    assert len(run(opened(rest).fetch(range(1, FETCHED_AT_ONCE + 2), 10**9))) == FETCHED_AT_ONCE


@pytest.mark.parametrize("file", [False, True])
@pytest.mark.parametrize("step", [1, 7, 64, 10_000])
def test_pieces_make_up_the_message(file: bool, step: int) -> None:
    rest = Rest()
    body = bytes(range(256))
    rest.accept(to(1), body=rest.body(body, file=file))
    drop, pieces = opened(rest), [b""]

    while piece := run(drop.read(1, sum(map(len, pieces)), step)):
        pieces.append(piece)

    assert b"".join(pieces) == whole(body)
    assert {len(piece) for piece in pieces[1:-1]} <= {step}


def test_remove_is_one_transaction() -> None:
    rest = Rest()
    for _ in range(4):
        rest.accept(to(1))
    drop = opened(rest)
    writes = len(rest.database.sizes)

    run(drop.remove([1, 3, 9]))

    assert [message.uid for message in opened(rest).messages] == [2, 4]
    assert len(rest.database.sizes) == writes + 2  # and one gives back what they used
    assert rest.database.urgent[-2:] == [True, True]  # a full disk doesn't keep them from it
    assert rest.rows("SELECT first_uid, last_uid FROM vanished") == [(1, 1), (3, 3)]
    rest.assert_sound()


def test_slices_and_places_from_the_end() -> None:
    rest = Rest()
    run(rest.store.append(rest.inbox().id, [rest.incoming() for _ in range(3)]))
    messages = opened(rest).messages

    assert [message.uid for message in messages[1:]] == [2, 3]
    assert messages[-1].uid == 3
    with pytest.raises(IndexError):
        messages[3]
