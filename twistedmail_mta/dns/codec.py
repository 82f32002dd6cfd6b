"""Questions to octets and octets to answers: dnspython at work, nothing else.

What arrives is hostile.  An answer is compared octet by octet with what was
asked before any of it is parsed, its number of records is bounded, and no
content makes these functions raise.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final, Literal

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdata
import dns.rdatatype

MAX_DATAGRAM: Final = 1232
"""What we say we take (RFC 6891 section 6.2.3): fits every path unfragmented."""

MAX_RECORDS: Final = 512
"""More in one message is taken for an attack."""

_HEADER: Final = struct.Struct("!HHHHHH")
_OPT_SIZE: Final = 11
_ROOT: Final = (b"",)
_RESPONSE_MASK: Final = dns.flags.QR | 0x7800
_UNDERSTOOD: Final = (dns.rcode.NOERROR, dns.rcode.NXDOMAIN)


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked, of class IN; equal questions have equal answers.

    Attributes:
        name: in lower case, without the final dot.
        rdtype: the record type.
    """

    name: str
    rdtype: dns.rdatatype.RdataType


@dataclass(frozen=True, slots=True)
class Response:
    """What a server answered.

    Attributes:
        status: "found", "empty" and "missing" as in `Answer`; "alias": the
            records end in a CNAME to `name`, which is to be asked next;
            "truncated": ask over TCP; "failed": no use, `detail` says why.
        records: of the type asked for, CNAMEs followed.
        name: the end of the chain of CNAMEs.
        ttl: seconds, the least of the chain; for a negative answer that of
            RFC 2308 section 5, and 0 without SOA.
        authentic: the AD bit, as received.
        size: of the message, in octets.
    """

    status: Literal["found", "empty", "missing", "alias", "truncated", "failed"]
    records: tuple[dns.rdata.Rdata, ...] = ()
    name: str = ""
    ttl: int = 0
    authentic: bool = False
    size: int = 0
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Query:
    """A question under way: its octets, and what an answer must repeat of them."""

    wire: bytes

    def read(self, wire: bytes) -> Response | None:
        """Return what `wire` answers; None when it is no answer to this query.

        An answer repeats the id and the question.  Servers that understood
        nothing may leave the question out (RFC 6891 section 7).
        """
        if wire[:2] != self.wire[:2] or len(wire) < _HEADER.size:
            return None
        _, flags, questions, *counts = _HEADER.unpack_from(wire)
        rcode = dns.rcode.Rcode(flags & 0xF)
        if flags & _RESPONSE_MASK != dns.flags.QR:
            return None
        if not (self._is_repeated(wire) if questions == 1 else questions == 0 and rcode not in _UNDERSTOOD):
            return None
        if rcode not in _UNDERSTOOD:
            return _failed(dns.rcode.to_text(rcode))
        if flags & dns.flags.TC:
            return Response("truncated")
        return _failed("too many records") if sum(counts) > MAX_RECORDS else _parse(wire)

    def _is_repeated(self, wire: bytes) -> bool:
        question = self.wire[_HEADER.size : -_OPT_SIZE]
        repeated = wire[_HEADER.size : _HEADER.size + len(question)]
        return repeated[:-4].lower() == question[:-4].lower() and repeated[-4:] == question[-4:]


def encode(question: Question, query_id: int, *, dnssec: bool) -> Query:
    """Return the query for `question`.

    Args:
        question: what to ask; recursion is desired.
        query_id: 16 random bits.
        dnssec: ask for the AD bit (RFC 6840 section 5.7), which needs no signatures in the answer.

    Raises:
        ValueError: there can't be such a name.
    """
    flags = dns.flags.RD | dns.flags.AD if dnssec else dns.flags.RD
    name = parse_name(question.name)
    message = dns.message.make_query(
        name, question.rdtype, use_edns=0, payload=MAX_DATAGRAM, flags=int(flags), id=query_id
    )
    return Query(message.to_wire())


def parse_name(text: str) -> dns.name.Name:
    """Return the absolute name that `text` spells, label by label, without escapes.

    Raises:
        ValueError: there can't be such a name (RFC 1035 section 2.3.4).
    """
    if "\\" in text:
        raise ValueError(f"not a domain name: {text!r}")
    labels = tuple(text.encode("ascii").split(b".")) if text else ()
    try:
        return dns.name.Name(labels + _ROOT)
    except dns.exception.DNSException as error:
        raise ValueError(f"not a domain name: {text!r}") from error


def name_text(name: dns.name.Name) -> str:
    """Return a name as `Question` and `MXRecord` spell it; "" for the root."""
    return "" if name == dns.name.root else name.to_text(omit_final_dot=True).lower()


def _failed(detail: str) -> Response:
    return Response("failed", detail=detail)


def _parse(wire: bytes) -> Response:
    try:
        return _response(dns.message.from_wire(wire, ignore_trailing=True), len(wire))
    except Exception:  # noqa: BLE001 - foreign code on hostile octets; a traceback would help nobody
        return _failed("malformed")


def _response(message: dns.message.Message, size: int) -> Response:
    if not isinstance(message, dns.message.QueryMessage) or message.rcode() not in _UNDERSTOOD:
        return _failed(dns.rcode.to_text(message.rcode()))
    chain = message.resolve_chaining()
    name, authentic = name_text(chain.canonical_name), bool(message.flags & dns.flags.AD)
    if chain.answer is not None:
        return Response("found", tuple(chain.answer), name, chain.minimum_ttl, authentic, size)
    has_soa = _has_soa(message, chain.canonical_name)
    ttl = chain.minimum_ttl if has_soa else 0
    if message.rcode() == dns.rcode.NXDOMAIN:
        return Response("missing", (), name, ttl, authentic, size)
    if chain.cnames and not has_soa:
        alias_ttl = min(int(cname.ttl) for cname in chain.cnames)
        return Response("alias", (), name, alias_ttl, authentic, size)
    return Response("empty", (), name, ttl, authentic, size)


def _has_soa(message: dns.message.Message, name: dns.name.Name) -> bool:
    return any(rrset.rdtype == dns.rdatatype.SOA and name.is_subdomain(rrset.name) for rrset in message.authority)
