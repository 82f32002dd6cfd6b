"""The moment before the greeting."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError
from repute_kit import Lab, result, stranger

from twistedmail_mta.policy.early import TOO_EARLY, Early, EarlyOptions
from twistedmail_mta.stages import Client


def early(lab: Lab, **options: Any) -> Early:
    """A plugin as a site file has it."""
    return Early(EarlyOptions.model_validate(options), lab.kit)


def speaks(host: str = "192.0.2.99", *, early: bool = True) -> Client:
    """A client that says something before the greeting, or not."""
    return stranger(host, helo="", has_spoken=lambda: early)


def test_strangers_wait() -> None:
    """Two seconds, and are greeted."""
    lab = Lab()
    task = lab.started(early(lab).connected(speaks(early=False)))

    lab.clock.advance(1.9)
    assert not task.done
    lab.clock.advance(0.2)
    assert result(task) is None


def test_who_speaks_first_is_refused() -> None:
    """RFC 5321 section 4.3.1: a client waits for the greeting."""
    lab = Lab()

    reply = lab.ask(early(lab).connected(speaks()))

    assert reply == TOO_EARLY
    assert (reply.code, reply.status) == (554, "5.5.1")
    assert "Wait for the 220" in reply.text


def test_the_patient_are_remembered() -> None:
    """For a day; an IPv6 network by its /64, an IPv4 address by itself."""
    lab = Lab()
    plugin = early(lab)
    for host in ("192.0.2.99", "2001:db8::1"):
        lab.ask(plugin.connected(speaks(host, early=False)))

    for host, at_once in {"::ffff:192.0.2.99": True, "2001:db8::2": True, "192.0.2.98": False}.items():
        task = lab.started(plugin.connected(speaks(host, early=False)))
        assert task.done == at_once
        lab.clock.advance(2)
    lab.clock.advance(86400)
    assert not lab.started(plugin.connected(speaks(early=False))).done
    lab.clock.advance(2)


def test_the_patient_may_lose_it() -> None:
    """Whoever is remembered and speaks early is refused, and waits the next time."""
    lab = Lab()
    plugin = early(lab)
    lab.ask(plugin.connected(speaks(early=False)))

    assert lab.ask(plugin.connected(speaks())) == TOO_EARLY
    assert not lab.started(plugin.connected(speaks(early=False))).done
    lab.clock.advance(2)


def test_who_does_not_wait() -> None:
    """This host, a unix socket, listed networks; they may speak when they like."""
    lab = Lab()
    plugin = early(lab, exempt_networks=["127.0.0.0/8", "192.0.2.0/24"])

    for host in ("127.0.0.1", "", "192.0.2.99"):
        assert result(lab.started(plugin.connected(speaks(host)))) is None


def test_too_many_at_once() -> None:
    """They are greeted as they come, and not remembered; but who has spoken already is refused."""
    lab = Lab()
    plugin = early(lab, waiting=1)
    first = lab.started(plugin.connected(speaks("192.0.2.1", early=False)))

    assert result(lab.started(plugin.connected(speaks("192.0.2.2", early=False)))) is None
    assert result(lab.started(plugin.connected(speaks("192.0.2.3")))) == TOO_EARLY
    lab.clock.advance(2)
    assert first.done
    assert not lab.started(plugin.connected(speaks("192.0.2.2", early=False))).done
    lab.clock.advance(2)


def test_those_who_leave() -> None:
    """Their place is free again, and no timer is left."""
    lab = Lab()
    plugin = early(lab, waiting=1)
    lab.started(plugin.connected(speaks("192.0.2.1", early=False))).cancel()

    assert lab.clock.getDelayedCalls() == []
    assert not lab.started(plugin.connected(speaks("192.0.2.2", early=False))).done
    lab.clock.advance(2)


def test_mistakes() -> None:
    """Told at the start."""
    with pytest.raises(ValidationError):
        EarlyOptions.model_validate({"wait": "0s"})
