"""Words of FETCH responses."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from imap_commands import action

from twistedmail_mta.imap.fetch import Fetch
from twistedmail_mta.imap.fetch_words import date_time, label, literal


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        (b"FLAGS", b"FLAGS"),
        (b"rfc822.text", b"RFC822.TEXT"),
        (b"BODY.PEEK[]", b"BODY[]"),
        (b"BODY[1.2.mime]<5.7>", b"BODY[1.2.MIME]<5>"),
        (b"body.peek[3.HEADER.FIELDS.NOT (to)]<0.1>", b"BODY[3.HEADER.FIELDS.NOT (to)]<0>"),
        (b'BODY[HEADER.FIELDS ("From" Cc "a b" "%")]', b'BODY[HEADER.FIELDS (From Cc "a b" "%")]'),
        (b'BODY[HEADER.FIELDS ("a\\"b" a]b "")]', b'BODY[HEADER.FIELDS ("a\\"b" a]b "")]'),
        (b"BINARY.PEEK[1.2]<9.9>", b"BINARY[1.2]<9>"),
        (b"BINARY[]", b"BINARY[]"),
        (b"BINARY.SIZE[4]", b"BINARY.SIZE[4]"),
    ],
)
def test_label(asked: bytes, told: bytes) -> None:
    """An item is called as it was asked for, without what only concerns the asking."""
    command = action(b"FETCH 1 " + asked)

    assert isinstance(command, Fetch)
    assert label(command.items[0]) == told


@given(st.integers(-62_135_596_800, 253_402_300_799))
def test_date_time(seconds: int) -> None:
    """As the standard library writes it, the day in two columns."""
    text = date_time(seconds).decode()

    assert len(text) == 28
    assert text[1] in " 123"
    moment = datetime(1970, 1, 1, tzinfo=UTC).timestamp() + seconds
    assert datetime.strptime(text.strip('"').strip(), "%d-%b-%Y %H:%M:%S %z").timestamp() == moment


def test_date_time_bounds() -> None:
    """A single digit is padded by a space; what no date can say is the nearest that can."""
    assert date_time(0) == b'" 1-Jan-1970 00:00:00 +0000"'
    assert date_time(1_800_000_000) == b'"15-Jan-2027 08:00:00 +0000"'
    assert date_time(10**15) == b'"31-Dec-9999 23:59:59 +0000"'
    assert date_time(-(10**15)) == b'" 1-Jan-0001 00:00:00 +0000"'


@given(st.binary(max_size=50))
def test_literal(octets: bytes) -> None:
    """The count is exact, and NUL, which no literal may hold, is another octet of the same number."""
    assert literal(octets) == b"{%d}\r\n" % len(octets) + octets.replace(b"\0", b"\x80")
