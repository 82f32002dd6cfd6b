"""Which server is asked when, and for how long; on a clock that stands still."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise

import dns.message
import pytest
from dns.rdatatype import RdataType
from twisted.internet.task import Clock

from twistedmail_mta.dns.codec import Query, Question, Response
from twistedmail_mta.dns.exchange import Unreachable
from twistedmail_mta.dns.nameservers import Nameserver
from twistedmail_mta.dns.upstream import PATIENCE, SERVER_FAILED, SHUNNED, UNANSWERED, Upstream, random_id
from twistedmail_mta.errors import TemporaryError
from twistedmail_mta.observe.catalogue import DNS
from twistedmail_mta.observe.figures import Spreads
from twistedmail_mta.tasks import Cancelled, Promise, Task

QUESTION = Question("example.org", RdataType.MX)
FOUND = Response("found", authentic=True)
FIRST, SECOND = Nameserver("192.0.2.1"), Nameserver("192.0.2.2", trusted=True)


@dataclass
class ScriptedExchange:
    """Servers that answer as told, or never; remembers who was asked and who still waits."""

    answers: dict[tuple[Nameserver, str], Response | Unreachable] = field(default_factory=dict)
    asked: list[tuple[str, str]] = field(default_factory=list)
    queries: list[Query] = field(default_factory=list)
    open: int = 0

    async def udp(self, server: Nameserver, query: Query) -> Response:
        return await self._ask(server, query, "udp")

    async def tcp(self, server: Nameserver, query: Query) -> Response:
        return await self._ask(server, query, "tcp")

    async def _ask(self, server: Nameserver, query: Query, over: str) -> Response:
        self.asked.append((server.address, over))
        self.queries.append(query)
        known = self.answers.get((server, over))
        if isinstance(known, Unreachable):
            raise known
        if known is not None:
            return known
        self.open += 1
        try:
            return await Promise()
        finally:
            self.open -= 1


def upstream(clock: Clock, exchange: ScriptedExchange, *servers: Nameserver, max_sockets: int = 9) -> Upstream:
    return Upstream(clock, exchange, servers or (FIRST, SECOND), timeout=4.0, max_sockets=max_sockets)


def failure(task: Task[Response]) -> object:
    assert task.done
    error = task._outcome._failure
    return error.reply if isinstance(error, TemporaryError) else error


def result(task: Task[Response]) -> Response:
    assert task.done
    assert task._outcome._result is not None
    return task._outcome._result


def test_servers_are_asked_in_turn_until_time_is_up() -> None:
    """Silence costs a quarter of the time a server, then half; nothing stays open at the end."""
    clock, exchange = Clock(), ScriptedExchange()
    task = Task("ask", upstream(clock, exchange).ask(QUESTION))

    seen = []
    for _ in range(4):
        seen.append([address for address, _ in exchange.asked])
        clock.advance(1.0)

    assert seen == [["192.0.2.1"], ["192.0.2.1", "192.0.2.2"]] + [["192.0.2.1", "192.0.2.2", "192.0.2.1"]] * 2
    assert failure(task) == UNANSWERED
    assert exchange.open == 0
    assert clock.getDelayedCalls() == []


def test_single_server_is_asked_again() -> None:
    """A lost datagram is sent again, under a new id."""
    clock, exchange = Clock(), ScriptedExchange()
    task = Task("ask", upstream(clock, exchange, FIRST).ask(QUESTION))
    clock.advance(1.0)
    exchange.answers[FIRST, "udp"] = FOUND

    clock.advance(2.0)

    assert result(task).status == "found"
    assert len({query.wire[:2] for query in exchange.queries}) > 1


def test_failing_server_is_asked_once() -> None:
    """SERVFAIL moves on at once; when all have failed the question has, without waiting."""
    clock, exchange = Clock(), ScriptedExchange()
    exchange.answers = {(FIRST, "udp"): Response("failed"), (SECOND, "udp"): Unreachable("refused")}

    task = Task("ask", upstream(clock, exchange).ask(QUESTION))

    assert failure(task) == SERVER_FAILED
    assert exchange.asked == [("192.0.2.1", "udp"), ("192.0.2.2", "udp")]
    assert clock.getDelayedCalls() == []


def test_silent_server_is_asked_last_for_a_while() -> None:
    """A dead server costs its wait a few times, not with every question; later it is tried again."""
    clock, exchange = Clock(), ScriptedExchange()
    exchange.answers[SECOND, "udp"] = FOUND
    asker = upstream(clock, exchange)
    for _ in range(PATIENCE):
        Task("ask", asker.ask(QUESTION))
        clock.advance(1.0)

    Task("ask", asker.ask(QUESTION))
    clock.advance(SHUNNED)
    Task("ask", asker.ask(QUESTION))
    clock.advance(4.0)

    assert "".join(address[-1] for address, _ in exchange.asked) == "12" * PATIENCE + "2" + "12"


def test_silence_about_one_domain_is_no_silence() -> None:
    """A server that answers other questions in between keeps its place."""
    clock, exchange = Clock(), ScriptedExchange()
    asker = upstream(clock, exchange)
    for _ in range(PATIENCE):
        exchange.answers = {(SECOND, "udp"): FOUND}
        Task("ask", asker.ask(QUESTION))
        clock.advance(1.0)
        exchange.answers = {(FIRST, "udp"): FOUND}
        Task("ask", asker.ask(QUESTION))

    assert "".join(address[-1] for address, _ in exchange.asked) == "121" * PATIENCE


def test_truncated_answer_is_fetched_over_tcp() -> None:
    """The same server is asked over TCP; what is truncated there too is a failure."""
    clock, exchange = Clock(), ScriptedExchange()
    exchange.answers = {(FIRST, "udp"): Response("truncated"), (FIRST, "tcp"): FOUND}
    whole = Task("ask", upstream(clock, exchange, FIRST).ask(QUESTION))
    exchange.answers[FIRST, "tcp"] = Response("truncated")
    broken = Task("ask", upstream(clock, exchange, FIRST).ask(QUESTION))

    assert result(whole).status == "found"
    assert failure(broken) == SERVER_FAILED
    assert [over for _, over in exchange.asked] == ["udp", "tcp", "udp", "tcp"]


def test_authentic_only_from_trusted_servers() -> None:
    """The AD bit of a server that is not trusted is neither asked for nor believed."""
    clock, exchange = Clock(), ScriptedExchange({(FIRST, "udp"): FOUND, (SECOND, "udp"): FOUND})

    answers = [result(Task("ask", upstream(clock, exchange, server).ask(QUESTION))) for server in (FIRST, SECOND)]

    assert [answer.authentic for answer in answers] == [False, True]
    assert [bool(dns.message.from_wire(query.wire).flags & 0x20) for query in exchange.queries] == [False, True]


def test_cancel_ends_the_try_and_asks_nobody_else() -> None:
    """`Cancelled` is an Exception; no retry swallows it, and no timer or socket stays."""
    clock, exchange = Clock(), ScriptedExchange()
    task = Task("ask", upstream(clock, exchange).ask(QUESTION))

    task.cancel()

    assert isinstance(failure(task), Cancelled)
    assert exchange.open == 0
    assert clock.getDelayedCalls() == []
    assert len(exchange.asked) == 1


def test_sockets_are_bounded() -> None:
    """Past the limit questions wait for a socket, within their own time."""
    clock, exchange = Clock(), ScriptedExchange()
    asker = upstream(clock, exchange, FIRST, max_sockets=2)
    tasks = [Task("ask", asker.ask(QUESTION)) for _ in range(5)]

    assert exchange.open == 2
    tasks[0].cancel()
    assert exchange.open == 2
    tasks[4].cancel()
    clock.advance(4.0)

    assert [task.done for task in tasks] == [True] * 5
    assert exchange.open == 0
    assert clock.getDelayedCalls() == []
    assert asker._sockets.tokens == 2


def test_impossible_name() -> None:
    """A name that can't be encoded is the asker's mistake; nothing is sent."""
    exchange = ScriptedExchange()

    task = Task("ask", upstream(Clock(), exchange).ask(Question("a..b", RdataType.MX)))

    assert isinstance(failure(task), ValueError)
    assert exchange.asked == []


def test_ids_use_all_16_bits() -> None:
    """Ids are spread over the whole range and don't follow one another."""
    ids = [random_id() for _ in range(2000)]

    assert min(ids) < 0x1000
    assert 0xF000 < max(ids) < 0x10000
    assert sum(after - before == 1 for before, after in pairwise(ids)) < 20


def test_without_servers() -> None:
    """A site without a server gets a temporary failure, not a hang."""
    asker = Upstream(Clock(), ScriptedExchange(), [])

    assert failure(Task("ask", asker.ask(QUESTION))) == SERVER_FAILED


@pytest.mark.parametrize("seconds", [0.5, 3.5])
def test_whole_time_counts(seconds: float) -> None:
    """An answer within the time is taken, whichever try it belongs to."""
    clock, exchange = Clock(), ScriptedExchange()
    task = Task("ask", upstream(clock, exchange, FIRST).ask(QUESTION))

    clock.advance(seconds)

    assert not task.done
    task.cancel()


def test_times_are_noted() -> None:
    """By the type of record and what came of it, as long as the answer took; a name never becomes a label."""
    clock, exchange, asked = Clock(), ScriptedExchange(), Spreads(DNS.bounds)
    asker = Upstream(clock, exchange, (FIRST,), timeout=4.0, asked=asked)

    Task("ask", asker.ask(QUESTION)).cancel()
    silent = Task("ask", asker.ask(QUESTION))
    for _ in range(16):
        clock.advance(0.25)
    exchange.answers[FIRST, "udp"] = FOUND
    assert result(Task("ask", asker.ask(QUESTION))).status == "found"
    exchange.answers[FIRST, "udp"] = Response("failed")
    assert failure(Task("ask", asker.ask(QUESTION))) == SERVER_FAILED

    assert failure(silent) == UNANSWERED
    assert {labels: (spread.number, spread.total) for labels, spread in asked} == {
        ("MX", "given up"): (1, 0.0),
        ("MX", "unanswered"): (1, 4.0),
        ("MX", "found"): (1, 0.0),
        ("MX", "failed"): (1, 0.0),
    }
