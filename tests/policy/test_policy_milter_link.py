"""One connection to a filter: who waits for whom, and that nothing grows."""

from __future__ import annotations

from typing import Any

import pytest
from milter_kit import CONTINUE, PROGRESS
from twisted.internet.error import ConnectionDone
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure

from twistedmail_mta.milter.answers import Verdict
from twistedmail_mta.milter.errors import MilterError
from twistedmail_mta.milter.packets import MOST, encode
from twistedmail_mta.policy.milter_link import MOST_UNREAD, Link, LinkLost
from twistedmail_mta.tasks import Task

TERMS = encode(b"O", b"\0\0\0\x06", b"\0\0\x01\xff", bytes(4))


def agreed() -> tuple[Link, StringTransport, Clock]:
    """A connection on which a client was told of, and the answer is awaited."""
    clock = Clock()
    link, transport = Link(clock), StringTransport()
    link.makeConnection(transport)
    link.session.negotiate()
    task = Task("test", link.answer(5))
    link.dataReceived(TERMS)
    assert task.done
    transport.clear()
    link.session.connect(b"x", None, 0, {})
    return link, transport, clock


def outcome(task: Task[Any]) -> Any:
    """What a coroutine that has ended returned."""
    found: list[Any] = []

    async def wait() -> None:
        found.append(await task)

    Task("test", wait())
    return found[0]


def raised(task: Task[Any]) -> type[BaseException]:
    """What it raised."""
    assert task.done
    with pytest.raises(Exception) as error:
        task.__await__().send(None)
    return error.type


def test_answers_come_in_pieces() -> None:
    """The command is sent at once, the answer is there when its last octet is."""
    link, transport, _ = agreed()
    task = Task("test", link.answer(5))
    assert transport.value() == encode(b"C", b"x\0U")
    for octet in CONTINUE:
        assert not task.done
        link.dataReceived(bytes([octet]))
    assert outcome(task) is Verdict.CONTINUE


def test_time_begins_anew_with_progress() -> None:
    """And ends."""
    link, _, clock = agreed()
    task = Task("test", link.answer(5))
    for _ in range(2):
        clock.advance(4)
        link.dataReceived(PROGRESS)
    clock.advance(4)
    assert not task.done
    clock.advance(1)
    assert raised(task) is TimeoutError
    assert clock.getDelayedCalls() == []


def test_a_lost_connection() -> None:
    """Is told to who waits, and to who writes afterwards."""
    link, _, _ = agreed()
    lost: list[Link] = []
    link.when_lost = lost.append
    task = Task("test", link.answer(5))
    link.connectionLost(Failure(ConnectionDone()))
    assert raised(task) is LinkLost
    assert lost == [link]
    assert raised(Task("test", link.answer(5))) is LinkLost
    link.drop()
    link.end()


def test_an_answer_that_is_none() -> None:
    """The same, whether somebody waits or not."""
    link, _, _ = agreed()
    link.dataReceived(encode(b"x"))
    assert raised(Task("test", link.answer(5))) is MilterError


def test_filters_that_take_nothing() -> None:
    """Who writes to them waits, but not for ever."""
    link, _, clock = agreed()
    link._flow.pauseProducing()
    task = Task("test", link.send(5))
    assert not task.done
    link._flow.resumeProducing()
    assert outcome(task) is None

    link._flow.pauseProducing()
    task = Task("test", link.send(5))
    clock.advance(5)
    assert raised(task) is TimeoutError


def test_filters_that_say_too_much() -> None:
    """They aren't read from until somebody wants to know."""
    link, transport, _ = agreed()
    outcome_of_connect = Task("test", link.answer(5))
    link.dataReceived(CONTINUE)
    assert outcome_of_connect.done
    link.session.hello(b"x", {})
    piece = encode(b"p") * 1000
    for _ in range(MOST_UNREAD // len(piece) + 1):
        assert transport.producerState == "producing"
        link.dataReceived(piece)
    assert transport.producerState == "paused"

    task = Task("test", link.answer(5))
    assert not task.done
    assert transport.producerState == "producing"
    link.dataReceived(CONTINUE)
    assert outcome(task) is Verdict.CONTINUE


def test_packets_without_an_end() -> None:
    """They end the connection's use before they fill the memory."""
    link, _, _ = agreed()
    task = Task("test", link.answer(5))
    link.dataReceived((MOST + 1).to_bytes(4, "big"))
    assert raised(task) is MilterError
