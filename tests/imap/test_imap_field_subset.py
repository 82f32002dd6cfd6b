"""HEADER.FIELDS and HEADER.FIELDS.NOT."""

from __future__ import annotations

import re

import pytest
from awkward_messages import messages
from hypothesis import given
from hypothesis import strategies as st

from twistedmail_mta.imap.field_subset import FieldSubset
from twistedmail_mta.mail.header import split

HEADERS = {name: split(message)[0] for name, message in messages()}
NAMES = [b"subject", b"FROM", b"Content-Type", b"x", b"", b"a b", b"Sub", b"subject:", b".*", b"Received", b"\xff"]
LINES = [b"Subject: a", b"subject : b", b" folded", b"\tmore", b"From:", b"broken", b"X:y", b"Sub: c", b": none", b"x"]


def naive(block: bytes, names: list[bytes], *, others: bool) -> bytes:
    """Go line by line; a line that begins no field belongs to the one before."""
    wanted = {name.lower() for name in names if re.fullmatch(rb"[!-9;-~]+", name)}
    kept, keeps = [], others
    for line in re.findall(rb"[^\n]*\n|[^\n]+\Z", block):
        field = re.match(rb"([!-9;-~]+)[ \t]*:", line)
        if line in (b"\r\n", b"\n"):
            keeps = True
        elif field is not None:
            keeps = (field[1].lower() in wanted) != others
        if keeps:
            kept.append(line)
    return b"".join(kept)


@pytest.mark.parametrize("name", HEADERS)
def test_awkward_headers(name: str) -> None:
    """Every field is in exactly one of the two; with it the lines that continue it."""
    block = HEADERS[name]
    for names in ([b"From"], [b"SUBJECT", b"content-type"], [b"to", b"X-None"], [b"none"]):
        chosen = FieldSubset(names, others=False).of(block)
        rest = FieldSubset(names, others=True).of(block)

        assert chosen == naive(block, names, others=False)
        assert rest == naive(block, names, others=True)
        both = block + (b"\r\n" if block == b"\r\n" or block.endswith(b"\n\r\n") else b"")
        assert sorted((chosen + rest).split(b"\n")) == sorted(both.split(b"\n"))


headers = st.lists(st.sampled_from(LINES), max_size=8).flatmap(
    lambda lines: st.sampled_from([b"\r\n", b"\n"]).map(lambda end: end.join([*lines, b""]))
)


@given(
    headers, st.sampled_from([b"", b"\r\n", b"\n", b"Subject: cut"]), st.lists(st.sampled_from(NAMES)), st.booleans()
)
def test_made_headers(block: bytes, end: bytes, names: list[bytes], others: bool) -> None:
    """Headers of any lines, with an empty line at their end or without, cut or not."""
    assert FieldSubset(names, others=others).of(block + end) == naive(block + end, names, others=others)


def test_rfc() -> None:
    """Case doesn't count, the order is that of the header, the empty line is there (RFC 9051 section 6.4.5.1)."""
    block = b"Date: 1\r\nFROM: a\r\n b\r\nSubject: s\r\nfrom: c\r\nFrom-X: d\r\n\r\n"

    assert FieldSubset([b"Subject", b"From"], others=False).of(block) == (
        b"FROM: a\r\n b\r\nSubject: s\r\nfrom: c\r\n\r\n"
    )
    assert FieldSubset([b"Subject", b"From"], others=True).of(block) == b"Date: 1\r\nFrom-X: d\r\n\r\n"
    assert FieldSubset([b"None"], others=False).of(block) == b"\r\n"


def test_linear() -> None:
    """Headers made to be slow are gone through once; more than once would outlast the test's time."""
    subset = FieldSubset([b"x" * n for n in range(1, 100)], others=True)

    for line in (b"x", b"x\n", b"x:\n", b"y: a\n \n", b"xx \t", b"\nx", b"\r\n", b" \n"):
        block = line * (2_000_000 // len(line))
        assert len(subset.of(block)) <= len(block)
        assert subset.of(b"y:" + block).startswith(b"y:")
