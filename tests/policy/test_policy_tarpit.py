"""Slow answers for those who are refused again and again."""

from __future__ import annotations

from typing import Any

import pytest
from repute_kit import Lab, mail, result, stranger, to

from twistedmail_mta.model import Reply
from twistedmail_mta.policy.tarpit import Tarpit, TarpitOptions

NO = Reply(550, "5.1.1", "no such address")
LATER = Reply(450, "4.2.0", "later")


def tarpit(lab: Lab, **options: Any) -> Tarpit:
    """A plugin as a site file has it."""
    return Tarpit(TarpitOptions.model_validate(options), lab.kit)


def waits(lab: Lab, coroutine: Any) -> float:
    """How many seconds an answer takes."""
    task, begun = lab.started(coroutine), lab.clock.seconds()
    while not task.done:
        lab.clock.advance(0.5)
    assert result(task) is None
    return lab.clock.seconds() - begun


def test_the_wait_grows() -> None:
    """A few refusals cost nothing; each further one more, up to a bound."""
    lab = Lab()
    plugin = tarpit(lab, after=2, delay="1s", longest="3s")

    assert [waits(lab, plugin.refused(stranger(), NO)) for _ in range(7)] == [0, 0, 1, 2, 3, 3, 3]


def test_other_answers_wait_as_well() -> None:
    """Who was refused too often waits at MAIL and at RCPT, in the next session too, until it is forgotten."""
    lab = Lab()
    plugin = tarpit(lab, after=0, delay="2s", forget="1h")
    waits(lab, plugin.refused(stranger("192.0.2.1"), NO))

    assert waits(lab, plugin.sender(stranger("192.0.2.1"), mail())) == 2
    assert waits(lab, plugin.recipient(stranger("192.0.2.1"), mail(), to())) == 2
    assert waits(lab, plugin.sender(stranger("192.0.2.2"), mail())) == 0
    lab.clock.advance(3600)
    assert waits(lab, plugin.sender(stranger("192.0.2.1"), mail())) == 0


@pytest.mark.parametrize(
    ("client", "reply"),
    [
        (stranger(), LATER),
        (stranger(account="ann@example.org"), NO),
        (stranger("127.0.0.1"), NO),
        (stranger(""), NO),
    ],
)
def test_who_is_let_be(client: Any, reply: Reply) -> None:
    """A login, this host; and what is refused for now isn't counted."""
    lab = Lab()
    plugin = tarpit(lab, after=0)

    assert [waits(lab, plugin.refused(client, reply)) for _ in range(3)] == [0, 0, 0]
    assert waits(lab, plugin.sender(client, mail())) == 0


def test_the_held_are_bounded() -> None:
    """In all, and of one network."""
    lab = Lab()
    plugin = tarpit(lab, after=0, held=3, held_of_network=2)
    hosts = ["192.0.2.1", "192.0.2.1", "192.0.2.1", "2001:db8::1", "192.0.2.3"]

    held = [not lab.started(plugin.refused(stranger(host), NO)).done for host in hosts]

    assert held == [True, True, False, True, False]
    lab.clock.advance(10)
    assert not lab.started(plugin.refused(stranger("192.0.2.3"), NO)).done
    lab.clock.advance(10)
    assert lab.clock.getDelayedCalls() == []
    assert len(plugin._holding) == 0


def test_nothing_is_left_of_those_who_leave() -> None:
    """Their place is free again."""
    lab = Lab()
    plugin = tarpit(lab, after=0, held=1)

    lab.started(plugin.refused(stranger(), NO)).cancel()

    assert len(plugin._holding) == 0
    assert lab.clock.getDelayedCalls() == []
    assert plugin._holding._held == {}
