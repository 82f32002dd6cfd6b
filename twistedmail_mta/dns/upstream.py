"""Asks the configured servers in turn until one of them answers."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import ClassVar, Final

from twisted.internet.defer import DeferredSemaphore
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from twistedmail_mta.dns.codec import Question, Response, encode
from twistedmail_mta.dns.exchange import Exchange, Unreachable
from twistedmail_mta.dns.nameservers import Nameserver
from twistedmail_mta.errors import TemporaryError
from twistedmail_mta.model import Reply
from twistedmail_mta.observe.catalogue import DNS
from twistedmail_mta.observe.figures import Spreads
from twistedmail_mta.tasks import Cancelled, promise_of, within

UNANSWERED: Final = Reply(451, "4.4.3", "No answer from the DNS in time")
SERVER_FAILED: Final = Reply(451, "4.4.3", "The DNS servers report a failure")

SHUNNED: Final = 30.0
"""Seconds for which a silent server is asked after the others."""
PATIENCE: Final = 3
"""Silent tries in a row that make a server a silent one: a single question may
go unanswered because of the domain asked about."""

_ROUNDS: Final = (0.25, 0.5, 1.0)
"""How long a server is waited for in each round, as parts of the whole timeout."""


def random_id() -> int:
    """Return a query id that nobody can guess (RFC 5452 section 9.2)."""
    return secrets.randbelow(1 << 16)


class Upstream:
    """The recursive resolvers of the site.

    A server that is silent is tried again in the next round, with a new socket
    and a new id; one that reports a failure isn't asked this question again.
    """

    log: ClassVar[Logger] = Logger()

    def __init__(  # noqa: PLR0913 - the clock, the sockets and the ids are arguments so that tests can choose them
        self,
        clock: IReactorTime,
        exchange: Exchange,
        servers: Sequence[Nameserver],
        *,
        timeout: float = 5.0,
        max_sockets: int = 256,
        query_id: Callable[[], int] = random_id,
        asked: Spreads | None = None,
    ) -> None:
        """Make an upstream.

        Args:
            clock: for the timeouts.
            exchange: the sockets.
            servers: in the order of preference.
            timeout: seconds for a question, all tries and servers included.
            max_sockets: how many queries are under way at once; others wait.
            query_id: where ids come from.
            asked: takes how long answers took, in seconds, by the type of record and what came of it.
        """
        self._clock = clock
        self._exchange = exchange
        self._servers = tuple(servers)
        self._timeout = timeout
        self._sockets = DeferredSemaphore(max_sockets)
        self._query_id = query_id
        self._asked = Spreads(DNS.bounds) if asked is None else asked
        self._silent_tries: dict[Nameserver, int] = {}
        self._shunned: dict[Nameserver, float] = {}

    async def ask(self, question: Question) -> Response:
        """Return what the first server that answers says, CNAMEs followed within that answer only.

        The AD bit is kept from trusted servers, and cleared from all others.

        Raises:
            TemporaryError: none answered in time, or all reported a failure.
            ValueError: there can't be such a name.
        """
        outcome, since = "unanswered", self._clock.seconds()
        try:
            response = await within(self._clock, self._timeout, self._ask_in_turn(question))
            outcome = response.status
            return response
        except TimeoutError:
            raise TemporaryError(UNANSWERED) from None
        except TemporaryError as error:
            outcome = "failed" if error.reply is SERVER_FAILED else outcome
            raise
        except Cancelled:
            outcome = "given up"
            raise
        finally:
            self._asked.note((question.rdtype.name, outcome), self._clock.seconds() - since)

    async def _ask_in_turn(self, question: Question) -> Response:
        servers = self._in_order()
        for part in _ROUNDS:
            for server in tuple(servers):
                response = await self._try(server, question, part * self._timeout)
                if response is None:
                    continue
                if response.status != "failed":
                    return replace(response, authentic=response.authentic and server.trusted)
                servers.remove(server)
            if not servers:
                raise TemporaryError(SERVER_FAILED)
        raise TemporaryError(UNANSWERED)

    def _in_order(self) -> list[Nameserver]:
        now = self._clock.seconds()
        return sorted(self._servers, key=lambda server: self._shunned.get(server, 0.0) > now)

    async def _try(self, server: Nameserver, question: Question, wait: float) -> Response | None:
        """Return the server's answer, or None when it was silent for `wait` seconds."""
        await promise_of(self._sockets.acquire())
        try:
            response = await self._converse(server, question, wait)
        except TimeoutError:
            self._silent_tries[server] = self._silent_tries.get(server, 0) + 1
            if self._silent_tries[server] >= PATIENCE:
                self._shun(server, "silent")
            return None
        except Unreachable as error:
            self._shun(server, str(error))
            return Response("failed", detail=str(error))
        finally:
            self._sockets.release()
        if response.status == "failed":
            self.log.debug(
                "{server} answers {name} {rdtype} with {detail}",
                event="dns.failed",
                server=server.address,
                name=question.name,
                rdtype=question.rdtype.name,
                detail=response.detail,
            )
        self._silent_tries.pop(server, None)
        self._shunned.pop(server, None)
        return response

    async def _converse(self, server: Nameserver, question: Question, wait: float) -> Response:
        query = encode(question, self._query_id(), dnssec=server.trusted)
        response = await within(self._clock, wait, self._exchange.udp(server, query))
        if response.status == "truncated":
            response = await within(self._clock, wait, self._exchange.tcp(server, query))
        return Response("failed", detail="truncated") if response.status == "truncated" else response

    def _shun(self, server: Nameserver, detail: str) -> None:
        if self._shunned.get(server, 0.0) <= self._clock.seconds():
            self.log.warn(
                "name server {server} does not answer: {detail}",
                event="dns.server.silent",
                server=server.address,
                detail=detail,
            )
        self._shunned[server] = self._clock.seconds() + SHUNNED
