"""Octets to answers and back; what is hostile comes to nothing."""

from __future__ import annotations

import struct

import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import pytest
from dns.rdatatype import RdataType
from hypothesis import given, settings
from hypothesis import strategies as st

from twistedmail_mta.dns.codec import MAX_NAMED, MAX_RECORDS, Query, Question, encode, name_text, parse_name

MX = Question("example.org", RdataType.MX)
SOA = "ns.example.org. root.example.org. 1 3600 900 604800 120"


def query(question: Question = MX) -> Query:
    return encode(question, 0x1234, dnssec=True)


def reply(asked: Query, *answers: tuple[str, int, str, str], soa: str = "", code: int = dns.rcode.NOERROR) -> bytes:
    message = dns.message.make_response(dns.message.from_wire(asked.wire), recursion_available=True)
    message.set_rcode(code)
    message.answer = [dns.rrset.from_text(name, ttl, "IN", kind, text) for name, ttl, kind, text in answers]
    if soa:
        message.authority = [dns.rrset.from_text(soa, 600, "IN", "SOA", SOA)]
    return message.to_wire()


def test_query_on_the_wire() -> None:
    """Recursion and the AD bit are asked for, EDNS offers 1232 octets, the id is the one given."""
    message = dns.message.from_wire(query().wire)

    assert message.id == 0x1234
    assert message.flags == dns.flags.RD | dns.flags.AD
    assert (message.edns, message.payload, message.ednsflags) == (0, 1232, 0)
    assert message.question[0].to_text() == "example.org. IN MX"


def test_no_ad_is_asked_of_servers_that_are_not_believed() -> None:
    """Without DNSSEC the query is a plain one."""
    assert dns.message.from_wire(encode(MX, 1, dnssec=False).wire).flags == dns.flags.RD


def test_records_and_the_least_ttl() -> None:
    """Records come in the order received, with the least TTL of the chain."""
    asked = query()
    wire = reply(
        asked,
        ("EXAMPLE.org.", 300, "CNAME", "mail.example.net."),
        ("mail.example.net.", 40, "MX", "20 B.example.net."),
    )

    response = asked.read(wire)

    assert response is not None
    assert [record.to_text() for record in response.records] == ["20 B.example.net."]
    assert (response.status, response.ttl) == ("found", 40)


@pytest.mark.parametrize(("code", "status"), [(dns.rcode.NOERROR, "empty"), (dns.rcode.NXDOMAIN, "missing")])
def test_negative_ttl_is_that_of_the_soa(code: int, status: str) -> None:
    """RFC 2308 section 5: the lesser of the SOA's TTL and its MINIMUM."""
    asked = query()

    response = asked.read(reply(asked, soa="example.org.", code=code))

    assert response is not None
    assert (response.status, response.ttl) == (status, 120)


def test_negative_answer_without_soa() -> None:
    """It has no lifetime of its own."""
    asked = query()

    response = asked.read(reply(asked, code=dns.rcode.NXDOMAIN))

    assert response is not None
    assert (response.status, response.ttl) == ("missing", 0)


def test_alias_whose_target_was_not_looked_up() -> None:
    """A CNAME without records and without SOA of the target's zone asks for another query."""
    asked = query()

    response = asked.read(reply(asked, ("example.org.", 70, "CNAME", "mail.example.net.")))
    settled = asked.read(reply(asked, ("example.org.", 70, "CNAME", "mail.example.org."), soa="example.org."))

    assert response is not None
    assert settled is not None
    assert (response.status, response.name, response.ttl) == ("alias", "mail.example.net", 70)
    assert settled.status == "empty"


def test_circle_of_cnames_fails() -> None:
    """A circle within one answer ends."""
    asked = query()

    response = asked.read(reply(asked, ("example.org.", 1, "CNAME", "b."), ("b.", 1, "CNAME", "example.org.")))

    assert response is not None
    assert response.status == "failed"


@pytest.mark.parametrize("code", [dns.rcode.SERVFAIL, dns.rcode.REFUSED, dns.rcode.FORMERR, dns.rcode.NOTIMP])
def test_error_codes_fail(code: int) -> None:
    """Whatever says neither yes nor no is a failure, with or without the question."""
    asked = query()
    bare = struct.pack("!HHHHHH", 0x1234, dns.flags.QR | code, 0, 0, 0, 0)

    for wire in (reply(asked, code=code), bare):
        response = asked.read(wire)
        assert response is not None
        assert (response.status, response.detail) == ("failed", dns.rcode.to_text(code))


def test_extended_error_is_no_empty_answer() -> None:
    """BADVERS has the low bits of NOERROR (RFC 6891 section 6.1.3)."""
    asked = query()

    response = asked.read(reply(asked, code=dns.rcode.BADVERS))

    assert response is not None
    assert response.status == "failed"


def test_answer_is_compared_with_the_question() -> None:
    """Another id, name, type, opcode, a query, or no question at all: not our answer; case doesn't matter."""
    asked = query()
    good = reply(asked)
    name = good.index(b"example")
    bare = struct.pack("!HHHHHH", 0x1234, dns.flags.QR, 0, 0, 0, 0)
    foreign = [
        b"\x12\x35" + good[2:],
        good.replace(b"example", b"exomple"),
        good[: name + 12] + b"\x00\x10" + good[name + 14 :],
        good[:2] + bytes([good[2] | 0x08]) + good[3:],
        asked.wire,
        bare,
        good[:11],
        b"",
    ]

    assert [asked.read(wire) for wire in foreign] == [None] * len(foreign)
    assert asked.read(good.replace(b"example", b"eXaMpLe")) is not None


def test_too_many_records_fail() -> None:
    """A message with more records than any site has isn't parsed at all."""
    asked = query()
    good = reply(asked)

    response = asked.read(good[:6] + struct.pack("!H", MAX_RECORDS + 1) + good[8:])

    assert response is not None
    assert response.detail == "too many records"


def test_few_of_many_long_names_are_built() -> None:
    """Hundreds of names of 125 labels would block the reactor for most of a second."""
    asked = query()
    name = b"\x01a" * 125 + b"\x00"
    records = b"".join(
        b"\xc0\x0c" + struct.pack("!HHIH", 15, 1, 300, 2 + len(name)) + struct.pack("!H", number) + name
        for number in range(200)
    )
    head = struct.pack("!HHHHHH", 0x1234, 0x8180, 1, 200, 0, 0)

    response = asked.read(head + asked.wire[12:-11] + records)

    assert response is not None
    assert len(response.records) == MAX_NAMED


@settings(max_examples=300, derandomize=True, deadline=None)
@given(st.binary(max_size=300), st.integers(0, 3), st.integers(0, 40), st.integers(0, 0xFFFF))
def test_hostile_octets_never_raise(junk: bytes, questions: int, records: int, flags: int) -> None:
    """Behind a right id and question anything may follow."""
    asked = query()
    head = struct.pack("!HHHHHH", 0x1234, flags | dns.flags.QR, questions, records, records // 2, records // 3)

    response = asked.read(head + asked.wire[12:-11] + junk)

    assert response is None or response.status in {"found", "empty", "missing", "alias", "truncated", "failed"}


@settings(max_examples=300, derandomize=True, deadline=None)
@given(st.lists(st.tuples(st.integers(12, 10_000), st.integers(0, 255)), max_size=6), st.integers(0, 10_000))
def test_damaged_answers_never_raise(damage: list[tuple[int, int]], cut: int) -> None:
    """Nor does a good answer with octets changed or cut off."""
    asked = query()
    wire = bytearray(
        reply(asked, ("example.org.", 9, "CNAME", "a.example."), ("a.example.", 9, "MX", "1 b."), soa="example.org.")
    )
    for place, octet in damage:
        wire[place % len(wire)] = octet

    asked.read(bytes(wire[: max(12, cut % (2 * len(wire)))]))


@pytest.mark.parametrize(
    "text", ["a..b", ".a", "a" * 64 + ".example", "a." * 127 + "ab", "b\u00fccher.example", "a\\.b", "\\065.example"]
)
def test_impossible_names(text: str) -> None:
    """Empty, too long and non-ASCII labels and escapes are no names."""
    with pytest.raises(ValueError, match=r"."):
        parse_name(text)


def test_names_as_text() -> None:
    """Names are told in lower case, without the final dot; the root is empty."""
    assert name_text(parse_name("_25._tcp.MX.Example")) == "_25._tcp.mx.example"
    assert name_text(parse_name("")) == ""
