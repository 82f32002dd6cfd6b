"""Questions to octets and octets to answers: dnspython at work, nothing else.

What arrives is hostile.  An answer is compared octet by octet with what was
asked before any of it is parsed, its number of records is bounded, and no
content makes these functions raise.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdata
from dns.rdataclass import RdataClass
from dns.rdatatype import RdataType

from twistedmail_mta.dns.packet import Names, Record, records

MAX_DATAGRAM: Final = 1232
"""What we say we take (RFC 6891 section 6.2.3): fits every path unfragmented."""

MAX_RECORDS: Final = 512
"""More in one message is taken for an attack."""
MAX_NAMED: Final = 32
"""How many records of a type that holds names are kept: names are slow to
build, and no delivery tries that many hosts."""
MAX_CNAMES: Final = 16
MAX_TTL: Final = 0x7FFFFFFF
"""Anything above counts as 0 (RFC 2181 section 8)."""

_HEADER: Final = struct.Struct("!HHHHHH")
_OPT_SIZE: Final = 11
_ROOT: Final = (b"",)
_RESPONSE_MASK: Final = dns.flags.QR | 0x7800
_NAMED: Final = frozenset({RdataType.MX, RdataType.NS, RdataType.PTR, RdataType.SRV, RdataType.CNAME, RdataType.SOA})
_UNDERSTOOD: Final = (dns.rcode.NOERROR, dns.rcode.NXDOMAIN)


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked, of class IN; equal questions have equal answers.

    Attributes:
        name: in lower case, without the final dot.
        rdtype: the record type.
    """

    name: str
    rdtype: RdataType


@dataclass(frozen=True, slots=True)
class Response:
    """What a server answered.

    Attributes:
        status: "found", "empty" and "missing" as in `Answer`; "alias": the
            records end in a CNAME to `name`, which is to be asked next;
            "truncated": ask over TCP; "failed": no use, `detail` says why.
        records: of the type asked for, CNAMEs followed.
        name: the end of the chain of CNAMEs, if there is one.
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
        return _failed("too many records") if sum(counts) > MAX_RECORDS else self._parse(wire, counts)

    def _parse(self, wire: bytes, counts: Sequence[int]) -> Response:
        question = self._question
        rdtype = RdataType.make(int.from_bytes(question[-4:-2], "big"))
        return _parse(wire, _HEADER.size + len(question), counts, rdtype)

    @property
    def _question(self) -> bytes:
        return self.wire[_HEADER.size : -_OPT_SIZE]

    def _is_repeated(self, wire: bytes) -> bool:
        question = self._question
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


def is_name(text: str) -> bool:
    """Return whether `parse_name` takes it."""
    try:
        parse_name(text)
    except ValueError:
        return False
    return True


def name_text(name: dns.name.Name) -> str:
    """Return a name as `Question` and `MXRecord` spell it; "" for the root."""
    return "" if name == dns.name.root else name.to_text(omit_final_dot=True).lower()


def _failed(detail: str) -> Response:
    return Response("failed", detail=detail)


def _parse(wire: bytes, start: int, counts: Sequence[int], rdtype: RdataType) -> Response:
    names = Names(wire)
    try:
        found = tuple(records(wire, start, counts, names))
        return _response(wire, found, names, rdtype)
    except Exception:  # noqa: BLE001 - foreign code on hostile octets; a traceback would help nobody
        return _failed("malformed")


def _response(wire: bytes, found: Sequence[Record], names: Names, rdtype: RdataType) -> Response:
    if any(record.rdtype == RdataType.OPT and record.ttl >> 24 for record in found):
        return _failed("extended error")
    chain = _follow(found, names, names.at(_HEADER.size), rdtype)
    if chain is None:
        return _failed("CNAMEs in a circle")
    flags = int.from_bytes(wire[2:4], "big")
    soa = next((one for one in found if _is_soa(one) and chain.name.endswith(one.owner)), None)
    status = _status(chain, flags & 0xF, has_soa=soa is not None)
    return Response(
        status,
        records=tuple(_rdata(wire, record) for record in chain.answer[: _kept(rdtype)]),
        name=name_text(dns.name.from_wire(chain.name, 0)[0]) if chain.cnames else "",
        ttl=_negative_ttl(wire, chain, soa) if status in {"missing", "empty"} else _least(chain),
        authentic=bool(flags & dns.flags.AD),
        size=len(wire),
    )


@dataclass(frozen=True, slots=True)
class _Chain:
    """The CNAMEs of an answer, the name at their end, and the records found there."""

    cnames: tuple[Record, ...]
    name: bytes
    answer: tuple[Record, ...]


def _follow(found: Sequence[Record], names: Names, name: bytes, rdtype: RdataType) -> _Chain | None:
    """Return the chain that begins at `name`; None when it has no end."""
    owned: dict[tuple[bytes, int], list[Record]] = {}
    for record in found:
        if record.section == "answer" and record.rdclass == RdataClass.IN:
            owned.setdefault((record.owner, record.rdtype), []).append(record)
    cnames: tuple[Record, ...] = ()
    while len(cnames) <= MAX_CNAMES:
        answer = owned.get((name, rdtype))
        alias = owned.get((name, RdataType.CNAME))
        if answer or not alias:
            return _Chain(cnames, name, tuple(answer or ()))
        cnames += (alias[0],)
        name = names.at(alias[0].start)
    return None


def _status(chain: _Chain, rcode: int, *, has_soa: bool) -> Literal["found", "missing", "alias", "empty"]:
    if chain.answer:
        return "found"
    if rcode == dns.rcode.NXDOMAIN:
        return "missing"
    return "alias" if chain.cnames and not has_soa else "empty"


def _least(chain: _Chain, *others: int) -> int:
    least = min(*others, MAX_TTL + 1, *(record.ttl for record in (*chain.cnames, *chain.answer)))
    return least if least <= MAX_TTL else 0


def _negative_ttl(wire: bytes, chain: _Chain, soa: Record | None) -> int:
    """Return the lifetime of RFC 2308 section 5: without SOA it is none."""
    if soa is None:
        return 0
    end = soa.start + soa.size
    return _least(chain, soa.ttl, int.from_bytes(wire[end - 4 : end], "big"))


def _is_soa(record: Record) -> bool:
    return record.section == "authority" and record.rdtype == RdataType.SOA


def _kept(rdtype: RdataType) -> int:
    return MAX_NAMED if rdtype in _NAMED else MAX_RECORDS


def _rdata(wire: bytes, record: Record) -> dns.rdata.Rdata:
    return dns.rdata.from_wire(RdataClass.IN, RdataType.make(record.rdtype), wire, record.start, record.size)
