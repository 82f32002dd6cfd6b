"""Limits on failed logins: by network, by account, and for those who are known."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.task import Clock

from twistedmail_mta.directory import throttle as module
from twistedmail_mta.directory.expiring import ExpiringMap
from twistedmail_mta.directory.throttle import Allowance, Allowances, Attempt, Buckets, LoginThrottle, OverLimit

TIM, TOM = "tim@example.org", "tom@example.org"
HERE, NEAR, FAR = "192.0.2.1", "192.0.2.99", "198.51.100.7"

SMALL = Allowances(
    network=Allowance(4, 10.0),
    neighbourhood=Allowance(8, 5.0),
    account=Allowance(6, 20.0),
    known=Allowance(3, 10.0),
    known_for=1000.0,
)


@pytest.fixture
def clock() -> Clock:
    """Return a clock that is turned by hand."""
    return Clock()


@pytest.fixture
def throttle(clock: Clock) -> LoginThrottle:
    """Return a throttle with small limits."""
    return LoginThrottle(clock, SMALL)


def failures(throttle: LoginThrottle, peers: list[str], accounts: list[str | None]) -> int:
    """Fail until it is refused; return how often it was let through."""
    for count in range(1000):
        if isinstance(throttle.admit(peers[count % len(peers)], accounts[count % len(accounts)]), OverLimit):
            return count
    raise AssertionError("no limit")


def test_limit_of_a_network(throttle: LoginThrottle) -> None:
    """One address that tries many accounts is stopped, others aren't."""
    assert failures(throttle, [HERE], [f"u{n}@x" for n in range(50)]) == 4
    assert isinstance(throttle.admit(FAR, TIM), Attempt)


def test_limit_of_a_neighbourhood(throttle: LoginThrottle) -> None:
    """Many addresses of one /24 share a wider limit."""
    assert failures(throttle, [f"192.0.2.{n}" for n in range(200)], [f"u{n}@x" for n in range(200)]) == 8
    assert isinstance(throttle.admit("192.0.3.1", TIM), Attempt)


def test_limit_of_an_account(throttle: LoginThrottle) -> None:
    """Many networks that try one account are stopped, for that account only."""
    assert failures(throttle, [f"10.{n}.0.1" for n in range(200)], [TIM]) == 6
    assert isinstance(throttle.admit("10.250.0.1", TOM), Attempt)


@pytest.mark.parametrize(
    ("one", "other", "count"),
    [
        ("2001:db8::1", "2001:db8::ffff:1:2:3", 4),
        ("2001:db8::1", "2001:db8:1::1", 6),
        ("::ffff:192.0.2.1", "192.0.2.1", 4),
        ("fe80::1%eth0", "fe80::2", 4),
    ],
)
def test_ipv6(throttle: LoginThrottle, one: str, other: str, count: int) -> None:
    """A /64 is one network, a /48 a neighbourhood, and a mapped address its IPv4 address."""
    assert failures(throttle, [one, other], [TIM] if count == 6 else [f"u{n}@x" for n in range(50)]) == count


def test_ipv6_neighbourhood(throttle: LoginThrottle) -> None:
    """Many /64 of one /48 share the wider limit."""
    assert failures(throttle, [f"2001:db8:0:{n:x}::1" for n in range(200)], [f"u{n}@x" for n in range(200)]) == 8


def test_no_address_at_all(throttle: LoginThrottle) -> None:
    """Clients without an address (a UNIX socket) are counted together."""
    assert failures(throttle, [""], [f"u{n}@x" for n in range(50)]) == 4


def test_name_that_no_account_can_have(throttle: LoginThrottle) -> None:
    """It counts for the network alone: there is no account to protect."""
    assert failures(throttle, ["10.1.0.1", "10.2.0.1"], [None]) == 8


def test_time_lets_failures_out(throttle: LoginThrottle, clock: Clock) -> None:
    """After the interval there is room for one more, and not for two."""
    failures(throttle, [HERE], [TIM])

    clock.advance(9.9)
    assert isinstance(throttle.admit(HERE, TIM), OverLimit)
    clock.advance(0.1)
    assert isinstance(throttle.admit(HERE, TIM), Attempt)
    assert isinstance(throttle.admit(HERE, TIM), OverLimit)


def test_refusals_are_not_charged(throttle: LoginThrottle, clock: Clock) -> None:
    """Whoever keeps knocking isn't kept out the longer for it."""
    failures(throttle, [HERE], [TIM])
    for _ in range(100):
        throttle.admit(HERE, TIM)

    clock.advance(10)
    assert isinstance(throttle.admit(HERE, TIM), Attempt)


def test_first_refusal_is_told_from_the_rest(throttle: LoginThrottle, clock: Clock) -> None:
    """One log line for each time the limit is reached, not for each try."""
    failures(throttle, [FAR], [TOM])
    for _ in range(4):
        throttle.admit(HERE, TIM)

    assert [throttle.admit(HERE, TIM) for _ in range(3)] == [OverLimit(True), OverLimit(False), OverLimit(False)]
    clock.advance(10)
    throttle.admit(HERE, TIM)
    assert throttle.admit(HERE, TIM) == OverLimit(True)


def test_forgiven_attempts_leave_no_trace(throttle: LoginThrottle) -> None:
    """Any number of right logins changes nothing for anybody."""
    for _ in range(100):
        attempt = throttle.admit(HERE, TIM)
        assert isinstance(attempt, Attempt)
        attempt.forgive()

    assert failures(throttle, [HERE], [TIM]) == 4


def test_attempts_under_way_count(throttle: LoginThrottle) -> None:
    """Trying everything at once doesn't get past the limit."""
    under_way = [throttle.admit(HERE, f"u{n}@x") for n in range(10)]

    assert sum(isinstance(attempt, Attempt) for attempt in under_way) == 4


def test_guessing_elsewhere_does_not_lock_the_owner_out(throttle: LoginThrottle) -> None:
    """A network with a recent good login keeps its own allowance for that account."""
    throttle.know(HERE, TIM)
    failures(throttle, [f"10.{n}.0.1" for n in range(200)], [TIM])
    failures(throttle, [HERE], [TOM])

    assert isinstance(throttle.admit(HERE, TIM), Attempt)
    assert isinstance(throttle.admit(HERE, TOM), OverLimit)
    assert isinstance(throttle.admit(FAR, TIM), OverLimit)


def test_old_password_at_home_locks_nobody_else_out(throttle: LoginThrottle) -> None:
    """Failures of a known pair are its own, and limited too."""
    throttle.know(HERE, TIM)

    assert failures(throttle, [HERE], [TIM]) == 3
    assert isinstance(throttle.admit(HERE, TOM), Attempt)
    assert isinstance(throttle.admit(FAR, TIM), Attempt)


def test_known_networks_are_forgotten(throttle: LoginThrottle, clock: Clock) -> None:
    """A login of long ago proves little."""
    throttle.know(HERE, TIM)
    assert throttle.knows(HERE, TIM)
    assert not throttle.knows(NEAR, TIM)
    assert not throttle.knows(HERE, TOM)

    clock.advance(1000)
    assert not throttle.knows(HERE, TIM)


@pytest.mark.parametrize(
    ("passed", "wait"), [(0.0, 0.5), (0.2, 0.3), (0.5, 0.0), (0.6, 0.4), (1.0, 0.0), (7.3, 0.2), (100.0, 0.0)]
)
def test_time_that_passed_is_part_of_the_delay(throttle: LoginThrottle, passed: float, wait: float) -> None:
    """Answers come at whole steps after the question, however long judging took."""
    assert throttle.delay(HERE, TIM, passed) == pytest.approx(wait)


def test_delay_grows_to_a_bound(throttle: LoginThrottle, clock: Clock) -> None:
    """Each failure that still counts makes the next answer slower."""
    assert throttle.delay(HERE, TIM) == 0.5
    throttle.admit(HERE, TIM)
    throttle.admit(HERE, TOM)
    throttle.admit(HERE, None)
    assert throttle.delay(HERE, TIM) == 1.5
    clock.advance(15)
    assert throttle.delay(HERE, TIM) == 0.75

    patient = LoginThrottle(clock)
    for number in range(40):
        patient.admit(HERE, f"u{number}@x")
    assert patient.delay(HERE, TIM) == 5.0


def test_nothing_allowed_at_all(clock: Clock) -> None:
    """A limit of zero refuses, and needs no bucket for it."""
    throttle = LoginThrottle(clock, Allowances(network=Allowance(0, 1.0)))

    assert isinstance(throttle.admit(HERE, TIM), OverLimit)


def test_a_clock_set_back(throttle: LoginThrottle, clock: Clock) -> None:
    """Time that runs backwards doesn't raise anybody's failures."""
    clock.advance(1000)
    throttle.admit(HERE, TIM)
    clock.rightNow = 0.0

    assert throttle.delay(HERE, TIM) == 0.5


def test_memory_is_bounded(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many networks come, only so many are remembered; the busiest stay."""
    monkeypatch.setattr(module, "MAX_REMEMBERED", 100)
    buckets = Buckets(Allowance(10, 1000.0), clock)

    for number in range(1000):
        buckets.add(f"stranger {number}", 1)
        buckets.add("busy", 1)

    assert len(buckets) == 100
    assert buckets.level("busy") == 1000


def test_right_logins_take_no_memory(clock: Clock) -> None:
    """A bucket without failures isn't kept."""
    buckets = Buckets(Allowance(10, 10.0), clock)
    buckets.add("somebody", 1)
    buckets.add("somebody", -1)

    assert len(buckets) == 0


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.lists(st.floats(0, 60), max_size=60))
def test_no_burst_beats_the_limit(pauses: list[float]) -> None:
    """Over any time, no more failures pass than the burst and what has leaked out since."""
    clock = Clock()
    throttle = LoginThrottle(clock, Allowances(network=Allowance(5, 10.0)))

    passed = 0
    for number, pause in enumerate(pauses):
        clock.advance(pause)
        passed += isinstance(throttle.admit(HERE, f"u{number}@x"), Attempt)
        assert passed <= 5 + clock.seconds() / 10.0 + 1e-6


def test_expiring_map(clock: Clock) -> None:
    """Values go after their time, and the oldest when there are too many."""
    remembered: ExpiringMap[str, int] = ExpiringMap(clock, 10.0, 3)
    for number, key in enumerate("abcd"):
        remembered.put(key, number)
        clock.advance(1)
    assert [remembered.get(key) for key in "abcd"] == [None, 1, 2, 3]

    remembered.put("b", 9)
    remembered.put("e", 4)
    assert [remembered.get(key) for key in "bcde"] == [9, None, 3, 4]

    clock.advance(9)
    assert [remembered.get(key) for key in "bde"] == [9, None, 4]
    remembered.drop("b")
    remembered.drop("b")
    assert len(remembered) == 1
