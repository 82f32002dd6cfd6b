"""The lines of final delivery."""

from __future__ import annotations

import pytest
from mail_at_rest import Rest, run, to

from twistedmail_mta.mailbox.prefix import delivered_before, delivery_prefix, is_looping, kept_header
from twistedmail_mta.model import NULL_PATH, Address, Delivery, InlineBody


@pytest.mark.parametrize(
    ("sender", "expected"),
    [
        (NULL_PATH, b"Return-Path: <>\r\n"),
        (Address("a b", "x.org"), b'Return-Path: <"a b"@x.org>\r\n'),
        (Address("jos\u00e9", "x.org"), b"Return-Path: <jos\xc3\xa9@x.org>\r\n"),
    ],
)
def test_the_sender_stands_first(sender: Address, expected: bytes) -> None:
    assert delivery_prefix(sender, Address("me", "x.org")) == expected + b"Delivered-To: me@x.org\r\n"


def test_return_paths_of_others_go() -> None:
    """RFC 5321 section 4.4: only the final delivery adds one; folded or oddly spelled, others go."""
    header = b"Received: x\r\nReturn-Path: <a@b>\r\nSubject: y\r\nRETURN-PATH :\r\n <c@d>\r\nX: Return-Path: z\r\n\r\n"

    assert kept_header(header) == b"Received: x\r\nSubject: y\r\nX: Return-Path: z\r\n\r\n"


@pytest.mark.parametrize("text", [b"Hello,\r\nhow are you\r\n", b"=_ no field\r\nSubject: y\r\n\r\n"])
def test_what_stands_behind_a_return_path_stays(text: bytes) -> None:
    """Whoever forgot the empty line loses nothing of the text."""
    assert kept_header(b"Received: x\r\nReturn-Path: <a@b>\r\n\t(folded)\r\n" + text) == b"Received: x\r\n" + text


@pytest.mark.parametrize("end", [b"", b"\r\n"])
def test_return_path_at_the_very_end(end: bytes) -> None:
    assert kept_header(b"Received: x\r\nReturn-Path: <a@b>" + end) == b"Received: x\r\n"


def test_text_without_a_header_stays_the_body() -> None:
    assert kept_header(b"") == b"\r\n"


def test_loops_are_seen_whatever_the_case() -> None:
    """A subaddress is kept as it was written, the other hosts may change its case (RFC 9228 section 4)."""
    delivery = Delivery(1, Address("ann+Tag", "x.org"))

    for value in (b"ann+Tag@x.org", b"<ANN+TAG@X.ORG>"):
        assert is_looping([delivery], delivered_before(b"Delivered-To: " + value + b"\r\n\r\n"))
    assert not is_looping([delivery], delivered_before(b"Delivered-To: ann@x.org\r\n\r\n"))


def test_what_is_read_is_what_was_sent_below_the_trace_lines() -> None:
    rest = Rest()
    header = b"Received: here\r\nReturn-Path: <old@x>\r\nSubject: a\r\n folded\r\nOdd line\r\n\r\n"
    rest.accept(to(1), header=header, body=InlineBody(b"\r\nbody\r\n.\r\n"))

    stored = run(rest.store.stored(1, [1]))[1]

    assert run(rest.store.read(stored, 0, 10_000)) == (
        b"Return-Path: <ann@example.org>\r\nDelivered-To: user1@example.org\r\n"
        b"Received: here\r\nSubject: a\r\n folded\r\nOdd line\r\n\r\n\r\nbody\r\n.\r\n"
    )
