"""The resolver: answers from the cache, from this host's own knowledge, or from the servers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal, Protocol, cast

import dns.rdata
import dns.rdtypes.ANY.CNAME
import dns.rdtypes.ANY.MX
import dns.rdtypes.ANY.PTR
import dns.rdtypes.ANY.TLSA
import dns.rdtypes.ANY.TXT
import dns.rdtypes.IN.A
import dns.rdtypes.IN.AAAA
from dns.rdataclass import IN
from dns.rdatatype import RdataType
from zope.interface import implementer

from twistedmail_mta.dane.records import TLSA
from twistedmail_mta.dns.cache import Cache
from twistedmail_mta.dns.codec import Question, Response, is_name, name_text
from twistedmail_mta.dns.exchange import IReactorDNS, ReactorExchange
from twistedmail_mta.dns.nameservers import Nameserver
from twistedmail_mta.dns.upstream import Upstream
from twistedmail_mta.errors import TemporaryError
from twistedmail_mta.interfaces import ISecureResolver
from twistedmail_mta.model import Answer, MXRecord, Reply
from twistedmail_mta.networks import reverse_name
from twistedmail_mta.observe.figures import Spreads
from twistedmail_mta.tasks import Task

Records = Answer[dns.rdata.Rdata]

ALIAS_LOOP: Final = Reply(451, "4.4.3", "The DNS leads in a circle")
TOO_MANY_QUESTIONS: Final = Reply(451, "4.3.2", "Too many DNS questions at once")

MIN_TTL: Final = 5.0
"""Even "do not cache" is kept that long: a burst of mail asks once."""
MAX_TTL: Final = 86400
MAX_NEGATIVE_TTL: Final = 900.0
"""Shorter than RFC 2308 section 5 allows: a domain that was just repaired is soon seen."""
FAILURE_TTL: Final = 15.0
"""How long a failure stands (RFC 2308 section 7 allows five minutes)."""

MAX_QUESTIONS: Final = 4096
MAX_ALIASES: Final = 8
"""CNAMEs followed by further queries; those within an answer count apart."""

NO_ADDRESS: Final = "invalid"
"""What is asked of the names of what is no address: nobody is (RFC 6761 section 6.4)."""

MISSING: Final[Records] = Answer((), "missing", authentic=False)
EMPTY: Final[Records] = Answer((), "empty", authentic=False)
_LOOPBACK: Final[dict[RdataType, Records]] = {
    RdataType.A: Answer((dns.rdata.from_text(IN, RdataType.A, "127.0.0.1"),), "found", authentic=False),
    RdataType.AAAA: Answer((dns.rdata.from_text(IN, RdataType.AAAA, "::1"),), "found", authentic=False),
}


class Asker(Protocol):
    """Who is asked what the cache doesn't know: `Upstream`."""

    async def ask(self, question: Question) -> Response:
        """Return an answer."""


@dataclass(slots=True)
class _Inquiry:
    """A question under way, and how many wait for its answer."""

    task: Task[Records | Reply]
    waiting: int = 0


def make_resolver(
    reactor: IReactorDNS, servers: Sequence[Nameserver], timeout: float = 5.0, asked: Spreads | None = None
) -> Resolver:
    """Return a resolver that asks `servers` over real sockets.

    Args:
        reactor: for sockets and time.
        servers: see `nameservers.nameservers`.
        timeout: seconds for a question, all tries and servers included.
        asked: takes how long answers took; see `Upstream`.
    """
    upstream = Upstream(reactor, ReactorExchange(reactor), servers, timeout=timeout, asked=asked)
    return Resolver(upstream, Cache(reactor.seconds))


@implementer(ISecureResolver)
class Resolver:
    """Answers questions, each one asked once however many wait for it.

    A question whose last waiter is cancelled is given up, sockets and timers included.
    """

    def __init__(self, upstream: Asker, cache: Cache[Question, Records | Reply]) -> None:
        self._upstream = upstream
        self._cache = cache
        self._inquiries: dict[Question, _Inquiry] = {}

    async def mx(self, domain: str) -> Answer[MXRecord]:
        """Return the MX records of a domain; see `IResolver`."""
        answer = await self.query(domain, RdataType.MX)
        records = tuple(_mx_record(record) for record in answer.records)
        return Answer(records, answer.status, answer.authentic)

    async def addresses(self, host: str, family: str) -> Answer[str]:
        """Return the addresses of a host; see `IResolver`."""
        answer = await self.query(host, RdataType.AAAA if family == "AAAA" else RdataType.A)
        records = tuple(_address(record) for record in answer.records)
        return Answer(records, answer.status, answer.authentic, answer.alias)

    async def host_names(self, address: str) -> Answer[str]:
        """Return the names of an address; see `IResolver`."""
        answer = await self.query(reverse_name(address) or NO_ADDRESS, RdataType.PTR)
        records = tuple(name_text(cast(dns.rdtypes.ANY.PTR.PTR, record).target) for record in answer.records)
        return Answer(records, answer.status, answer.authentic)

    async def texts(self, name: str) -> Answer[bytes]:
        """Return the TXT records of a name; see `IResolver`."""
        answer = await self.query(name, RdataType.TXT)
        records = tuple(b"".join(cast(dns.rdtypes.ANY.TXT.TXT, record).strings) for record in answer.records)
        return Answer(records, answer.status, answer.authentic)

    async def tlsa(self, name: str) -> Answer[TLSA]:
        """Return the TLSA records of a name; see `ISecureResolver`."""
        answer = await self.query(name, RdataType.TLSA)
        records = tuple(_tlsa_record(record) for record in answer.records)
        return Answer(records, answer.status, answer.authentic)

    async def cname(self, name: str) -> Answer[str]:
        """Return the CNAME of a name; see `ISecureResolver`."""
        answer = await self.query(name, RdataType.CNAME)
        records = tuple(name_text(cast(dns.rdtypes.ANY.CNAME.CNAME, record).target) for record in answer.records)
        return Answer(records, answer.status, answer.authentic)

    async def query(self, name: str, rdtype: RdataType) -> Records:
        """Return the records of one type, CNAMEs followed.

        Args:
            name: in A-labels, the final dot optional.  One that can't exist is "missing".
            rdtype: any type of class IN.

        Raises:
            TemporaryError: no answer, or none that can be used.
        """
        question = Question(name.lower().removesuffix("."), rdtype)
        known = _known_here(question) or self._cache.get(question)
        if known is None:
            known = await self._inquire(question)
        if isinstance(known, Reply):
            raise TemporaryError(known)
        return known

    def stop(self) -> None:
        """Give up every question under way; their waiters see `Cancelled`."""
        for inquiry in tuple(self._inquiries.values()):
            inquiry.task.cancel()

    async def _inquire(self, question: Question) -> Records | Reply:
        inquiry = self._inquiries.get(question)
        if inquiry is None or inquiry.task.done:
            if len(self._inquiries) >= MAX_QUESTIONS:
                return TOO_MANY_QUESTIONS
            inquiry = self._inquiries[question] = _Inquiry(Task("dns", self._resolve(question)))
        inquiry.waiting += 1
        try:
            return await inquiry.task
        finally:
            inquiry.waiting -= 1
            if not inquiry.waiting:
                self._forget(question, inquiry)

    def _forget(self, question: Question, inquiry: _Inquiry) -> None:
        if self._inquiries.get(question) is inquiry:
            del self._inquiries[question]
        inquiry.task.cancel()

    async def _resolve(self, question: Question) -> Records | Reply:
        try:
            response = await self._follow(question)
        except TemporaryError as error:
            self._cache.put(question, error.reply, FAILURE_TTL, 0)
            return error.reply
        status = cast(Literal["found", "empty", "missing"], response.status)
        alias = response.name if response.name != question.name else ""
        answer = Answer(response.records, status, response.authentic, alias)
        self._cache.put(question, answer, _lifetime(response), response.size)
        return answer

    async def _follow(self, question: Question) -> Response:
        """Return the answer at the end of the CNAMEs, with the least TTL of the way."""
        ttl, authentic = MAX_TTL, True
        for _ in range(1 + MAX_ALIASES):
            if not is_name(question.name):
                return Response("missing")
            response = await self._upstream.ask(question)
            ttl, authentic = min(ttl, response.ttl), authentic and response.authentic
            if response.status != "alias":
                return replace(response, ttl=ttl, authentic=authentic, name=response.name or question.name)
            question = replace(question, name=response.name)
        raise TemporaryError(ALIAS_LOOP)


def _known_here(question: Question) -> Records | None:
    """Return what needs no question: names that RFC 6761 sections 6.3 and 6.4 reserve."""
    top = question.name.rpartition(".")[2]
    if top == "localhost":
        return _LOOPBACK.get(question.rdtype, EMPTY)
    return MISSING if top == "invalid" else None


def _lifetime(response: Response) -> float:
    return min(max(response.ttl, MIN_TTL), MAX_TTL if response.status == "found" else MAX_NEGATIVE_TTL)


def _mx_record(record: dns.rdata.Rdata) -> MXRecord:
    mx = cast(dns.rdtypes.ANY.MX.MX, record)
    return MXRecord(mx.preference, name_text(mx.exchange))


def _tlsa_record(record: dns.rdata.Rdata) -> TLSA:
    tlsa = cast(dns.rdtypes.ANY.TLSA.TLSA, record)
    return TLSA(tlsa.usage, tlsa.selector, tlsa.mtype, tlsa.cert)


def _address(record: dns.rdata.Rdata) -> str:
    return str(cast(dns.rdtypes.IN.A.A | dns.rdtypes.IN.AAAA.AAAA, record).address)
