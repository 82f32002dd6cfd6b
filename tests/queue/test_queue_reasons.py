"""What hosts say decides when they are tried again, and is kept with the recipient."""

from __future__ import annotations

import pytest
from queue_fakes import START, World, address

from twistedmail_mta.model import Deferred, Failed, Reply, Settlement, Unconfirmed

HOST = "mx.example [192.0.2.1]"
GREYLISTED = Deferred(Reply(451, "4.7.1", "Greylisting in action, please come back in 00:20:00"), HOST)


def settlements(world: World) -> list[Settlement]:
    return [settlement for settled, _ in world.spool.settled for settlement in settled]


def test_a_greylisting_host_is_tried_when_it_says(world: World) -> None:
    """Not after the five minutes that are usual: it would refuse again, and perhaps count anew."""
    world.agent.outcomes["bob@x.example"] = [GREYLISTED, world.agent.default]
    world.send("bob@x.example")

    world.pass_time(1199, steps=10)
    assert len(world.agent.calls) == 1
    world.pass_time(1200 * 0.1 + 2, steps=30)
    assert len(world.agent.calls) == 2
    assert world.spool.rows == {}


@pytest.mark.parametrize(
    ("outcome", "reason"),
    [
        (GREYLISTED, "greylisted"),
        (Deferred(Reply(421, "4.7.28", "unusual rate"), HOST), "throttled"),
        (Deferred(Reply(452, "4.2.2", "over quota"), HOST), "full"),
        (Deferred(Reply(451, "4.4.1", "Connection refused"), HOST), "unreachable"),
        (Unconfirmed(Reply(451, "4.4.2", "The connection was lost"), HOST), "unreachable"),
        (Deferred(Reply(454, "4.9.9", "who knows"), HOST), "trouble"),
        (Deferred(Reply(459, "", "who knows"), HOST), None),
    ],
)
def test_the_class_of_a_deferral_is_kept(world: World, outcome: Deferred | Unconfirmed, reason: str | None) -> None:
    """Operators count the queue by it; what isn't understood has none."""
    world.agent.default = outcome
    world.send("bob@x.example")

    assert [settlement.reason for settlement in settlements(world)] == [reason]


def test_a_hint_does_not_outlast_the_mail(world: World) -> None:
    """A host that always puts mail off for a day doesn't keep it for longer than mail is tried."""
    world.agent.default = Deferred(Reply(451, "4.7.1", "Greylisted, try again in 24 hours"), HOST)
    world.send("bob@x.example", account=None)

    world.pass_time(6 * 86_400, steps=6000)

    (given_up,) = (
        each
        for each in settlements(world)
        if each.claim.recipient.address == address("bob@x.example") and isinstance(each.outcome, Failed)
    )
    assert START + 432_000 <= given_up.attempted_at <= START + 432_000 + 16_000
