"""Time for questions to the DNS: one for all that a purpose has."""

from __future__ import annotations

import pytest
from repute_kit import Lab, result
from zope.interface.verify import verifyObject

from twistedmail_mta.errors import TemporaryError
from twistedmail_mta.interfaces import IResolver
from twistedmail_mta.policy.asking import TimedResolver
from twistedmail_mta.spf.identity import Visit, check_helo
from twistedmail_mta.tasks import Task


def test_hands_on() -> None:
    """It is a resolver, whose answers are those of the one behind it, its errors too."""
    lab = Lab()
    lab.names.add("a.example", "MX", "mx")
    lab.names.add("a.example", "A", "192.0.2.1")
    lab.names.add("192.0.2.1", "PTR", "a.example")
    lab.names.add("a.example", "TXT", b"text")
    lab.names.broken.add("broken.example")
    timed = TimedResolver(lab.names, lab.clock, 20)

    assert verifyObject(IResolver, timed)
    assert lab.ask(timed.mx("a.example")).records == ("mx",)
    assert lab.ask(timed.addresses("a.example", "A")).records == ("192.0.2.1",)
    assert lab.ask(timed.host_names("192.0.2.1")).records == ("a.example",)
    assert lab.ask(timed.texts("a.example")).records == (b"text",)
    with pytest.raises(TemporaryError):
        lab.ask(timed.texts("broken.example"))


def test_time_for_all() -> None:
    """What one question took the next doesn't have; when time is over, only what is known is told."""
    lab = Lab()
    lab.names.silent |= {"slow.example", "slower.example"}
    lab.names.add("known.example", "TXT", b"text")
    timed = TimedResolver(lab.names, lab.clock, 20)

    first = Task("test", timed.texts("slow.example"))
    lab.clock.advance(15)
    second = Task("test", timed.texts("slower.example"))
    lab.clock.advance(4.9)
    assert not first.done
    assert not second.done
    lab.clock.advance(0.1)

    assert first.done
    assert second.done
    assert lab.names.waiting == 0
    third = Task("test", timed.texts("slow.example"))
    lab.clock.advance(0)
    assert third.done
    assert lab.ask(timed.texts("known.example")).records == (b"text",)
    assert not lab.clock.getDelayedCalls()
    for task in (first, second, third):
        with pytest.raises(TemporaryError):
            result(task)


def test_end_of_a_check() -> None:
    """A check by SPF whose time is over is a temporary error, and knows what it asked (RFC 7208 section 4.6.4)."""
    lab = Lab()
    lab.names.add("a.example", "TXT", b"v=spf1 include:slow.example -all")
    lab.names.silent.add("slow.example")

    checking = Task("test", check_helo(Visit("192.0.2.1", "a.example"), TimedResolver(lab.names, lab.clock, 20)))
    lab.clock.advance(20)

    verdict = result(checking).verdict
    assert (verdict.result, verdict.problem) == ("temperror", "the DNS gives no answer about slow.example (TXT)")
    assert [each.outcome for each in verdict.asked] == ["found", "failed"]
