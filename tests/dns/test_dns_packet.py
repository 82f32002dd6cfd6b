"""Records and names found in a message, judged by dnspython."""

from __future__ import annotations

import struct

import dns.message
import dns.name
import dns.rrset
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twistedmail_mta.dns.packet import Names, Record, records

LABEL = st.text("abAB-_0", min_size=1, max_size=8)
NAME = st.lists(LABEL, min_size=1, max_size=5).map(lambda labels: ".".join(labels) + ".")
RECORDS = st.lists(st.tuples(NAME, st.integers(0, 2**31 - 1), NAME), max_size=8)


def read(wire: bytes) -> list[Record]:
    counts = struct.unpack_from("!HHHH", wire, 4)
    names = Names(wire)
    start = names.end(12) + 4 if counts[0] else 12
    return list(records(wire, start, counts[1:], names))


def canonical(name: dns.name.Name) -> bytes:
    return name.canonicalize().to_wire()


@settings(max_examples=200, derandomize=True, deadline=None)
@given(NAME, RECORDS, RECORDS)
def test_agrees_with_dnspython(
    question: str, answers: list[tuple[str, int, str]], others: list[tuple[str, int, str]]
) -> None:
    """Owner, type, TTL and target of every record are what dnspython reads, compression and all."""
    message = dns.message.make_query(question, "NS", use_edns=0)
    message.answer = [dns.rrset.from_text(owner, ttl, "IN", "NS", target) for owner, ttl, target in answers]
    message.authority = [dns.rrset.from_text(owner, ttl, "IN", "PTR", target) for owner, ttl, target in others]
    wire = message.to_wire()

    found = read(wire)

    names = Names(wire)
    expected = [("answer", 2, *one) for one in answers] + [("authority", 12, *one) for one in others]
    assert found.pop().rdtype == 41
    assert [(one.section, one.rdtype, one.owner, one.ttl, names.at(one.start)) for one in found] == [
        (section, rdtype, canonical(dns.name.from_text(owner)), ttl, canonical(dns.name.from_text(target)))
        for section, rdtype, owner, ttl, target in expected
    ]


@pytest.mark.parametrize(
    "wire",
    [
        b"",
        b"\x03ab",
        b"\xc0",
        b"\xc0\x00",
        b"\xc0\x05\x00",
        b"\x80a\x00",
        b"\x40a\x00",
        b"\x3f" + b"a" * 63,
        b"\x01a" * 128 + b"\x00",
    ],
)
def test_names_that_make_no_sense(wire: bytes) -> None:
    """Cut off, pointing forward or at themselves, of unknown label type, too long: all refused."""
    with pytest.raises(ValueError, match="name"):
        Names(wire).at(0)


def test_chain_of_pointers_is_bounded() -> None:
    """Pointers to pointers to pointers end after a few."""
    wire = b"\x01a\x00" + b"".join(struct.pack("!H", 0xC000 | (0 if i == 0 else 1 + 2 * i)) for i in range(100))

    assert Names(wire).at(3 + 2 * 20) == b"\x01a\x00"
    with pytest.raises(ValueError, match="nowhere"):
        Names(wire).at(3 + 2 * 99)


def test_too_long_by_pointers() -> None:
    """255 octets are the limit of the whole name (RFC 1035 section 2.3.4), not of its pieces."""
    long = b"\x3f" + b"a" * 63 + b"\x3f" + b"b" * 63 + b"\x3f" + b"c" * 63 + b"\x00"
    wire = long + b"\x3d" + b"d" * 61 + b"\xc0\x00" + b"\x3e" + b"d" * 62 + b"\xc0\x00"

    assert len(Names(wire).at(len(long))) == 255
    with pytest.raises(ValueError, match="too long"):
        Names(wire).at(len(long) + 64)


@settings(max_examples=300, derandomize=True, deadline=None)
@given(st.binary(max_size=200), st.tuples(*[st.integers(0, 5)] * 3))
def test_junk_is_a_value_error(junk: bytes, counts: tuple[int, int, int]) -> None:
    """Whatever the octets, reading ends, and the only error is ValueError."""
    names = Names(junk)
    try:
        found = list(records(junk, 0, counts, names))
    except ValueError:
        return

    assert len(found) == sum(counts)
