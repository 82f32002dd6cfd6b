"""What the brake takes for an account's own, one rule at a time: networks, friends, the most of a day."""

from __future__ import annotations

from dataclasses import replace

from ledger_kit import Bench, client

from twistedmail_mta.model import Address
from twistedmail_mta.policy.brake import Brake
from twistedmail_mta.policy.brake_options import BrakeOptions
from twistedmail_mta.policy.places import Places
from twistedmail_mta.policy.suspicion import Conduct, Kin, Weight, reasons, take, take_back, weigh

DAY, HOUR = 86400.0, 3600.0
NOON = 20_000 * DAY + 12 * HOUR
HOME, AWAY = "192.0.2.1", "203.0.113.7"
OPTIONS = BrakeOptions()
FRIEND = Address("friend", "else.test")


def learnt(strangers: int = 0, host: str = HOME) -> Conduct:
    """An account that wrote to a friend each day of a month, and to so many strangers."""
    conduct = Conduct()
    for day in range(30):
        write(conduct, NOON - (30 - day) * DAY, 10, strangers, host, learning=True)
    return conduct


def write(conduct: Conduct, now: float, friends: int, strangers: int, host: str, *, learning: bool = False) -> None:
    kinds = [Kin.FRIEND] * friends + [Kin.STRANGER] * strangers
    weights = [weigh(conduct, host, FRIEND, kin, now, learning=learning) for kin in kinds]
    take(conduct, host, weights, now, learning=learning)


def until_stopped(conduct: Conduct, now: float, host: str, kin: Kin = Kin.STRANGER) -> int:
    """Return how many of a kind get a message each."""
    for number in range(2000):
        weight = weigh(conduct, host, FRIEND, kin, now, learning=False)
        if list(reasons(conduct, OPTIONS, now)):
            return number
        take(conduct, host, [weight], now, learning=False)
    return 2000


def test_what_was_done_before_midnight_is_not_normal_after_it() -> None:
    """A thief on the owner's computer, who begins in the evening."""
    conduct, evening = learnt(strangers=1), NOON + 11.5 * HOUR

    for _ in range(39):
        write(conduct, evening, 0, 1, HOME)

    assert not list(reasons(conduct, OPTIONS, evening))
    assert until_stopped(conduct, evening + HOUR, HOME) <= 2


def test_who_writes_to_strangers_each_day_may_have_a_sale() -> None:
    """A shop with forty orders a day may have seven times as many."""
    assert until_stopped(learnt(strangers=40), NOON, HOME) > 280
    assert until_stopped(learnt(strangers=4), NOON, HOME) == 40


def test_a_line_that_changes_its_address() -> None:
    """Two networks of one region are enough to know it; one isn't, but it isn't counted as strange."""
    conduct = learnt(host="198.51.1.1")
    assert not conduct.places.is_home("198.51.77.1", NOON)
    conduct.places.visit("198.51.77.1", NOON, friend=False)
    assert conduct.places.unknown(NOON) == 0

    write(conduct, NOON - DAY, 1, 0, "198.51.2.1", learning=True)

    assert conduct.places.is_home("198.51.77.1", NOON)
    assert not conduct.places.is_home("198.52.77.1", NOON)


def test_writing_to_friends_does_not_make_a_network_somebodys_own() -> None:
    """A thief has the owner's letters, and answers them first; a month of it is another thing."""
    conduct = learnt()
    for day in range(5):
        write(conduct, NOON + day * DAY, 40, 0, AWAY)
    assert not conduct.places.is_home(AWAY, NOON + 5 * DAY)
    assert until_stopped(replace(conduct), NOON + 5 * DAY, AWAY) <= 40

    honest = learnt()
    for day in range(31):
        write(honest, NOON + day * DAY, 10, 1, AWAY)
    assert honest.places.is_home(AWAY, NOON + 31 * DAY)


def test_a_password_that_is_tried_and_kept() -> None:
    """Letters to the thief himself, weeks before he begins: there were few, on few days."""
    conduct = learnt()
    for day in (0, 10, 20, 31):
        write(conduct, NOON + day * DAY, 5, 0, AWAY)
    assert not conduct.places.is_home(AWAY, NOON + 32 * DAY)


def test_new_readers_of_a_newsletter() -> None:
    """One stranger among ten friends isn't weighed, also from a network that is new; without the friends he is."""
    conduct, alone = learnt(strangers=100), learnt(strangers=100)

    write(conduct, NOON, 300, 0, AWAY)

    assert until_stopped(conduct, NOON, AWAY) == until_stopped(alone, NOON, AWAY) + 15
    later = learnt(strangers=100)
    write(later, NOON, 300, 0, AWAY)
    assert until_stopped(later, NOON + 3 * HOUR, AWAY) == until_stopped(learnt(strangers=100), NOON + 3 * HOUR, AWAY)


def test_what_covered_is_given_back() -> None:
    """A recipient who got nothing has used nothing up."""
    conduct = learnt()
    write(conduct, NOON, 20, 0, AWAY)
    for _ in range(50):
        weight = weigh(conduct, AWAY, FRIEND, Kin.STRANGER, NOON, learning=False)
        assert (weight.covered, weight.away) == (True, 0.0)
        take_back(conduct, weight, NOON)
    assert conduct.habits.cover.level == 2.0
    assert conduct.habits.near.level == 0.0


def test_colleagues_nobody_wrote_to() -> None:
    """From a network that is known they are nothing; from elsewhere, all of a house are too many."""
    assert until_stopped(learnt(), NOON, HOME, Kin.COLLEAGUE) == 1000
    assert 200 <= until_stopped(learnt(), NOON, AWAY, Kin.COLLEAGUE) <= 260


def test_a_new_account_is_nowhere_away() -> None:
    """It has no network of its own yet."""
    assert until_stopped(Conduct(), NOON, AWAY) == OPTIONS.strangers
    assert until_stopped(learnt(), NOON, AWAY) == OPTIONS.strangers_away


def test_own_networks_are_forgotten_last() -> None:
    """Whoever travels through a hundred networks is at home when he is back."""
    conduct = learnt()
    for n in range(200):
        write(conduct, NOON + n * 60, 1, 0, f"203.{n}.113.7")
    assert conduct.places.is_home(HOME, NOON + DAY)
    assert len(conduct.places.written()["places"]) == 64
    assert len(conduct.places.written()["unknown"]) == 32


def test_released_on_a_line_that_changes() -> None:
    """The region of what was released is the account's own, too."""
    conduct = Conduct()
    write(conduct, NOON, 0, 30, AWAY)
    conduct.places.trust(NOON)
    assert conduct.places.is_home("203.0.200.1", NOON + DAY)


def test_it_is_written_and_read() -> None:
    """All of it, in every part."""
    conduct = learnt(strangers=3)
    write(conduct, NOON, 20, 1, AWAY)
    written = conduct.places.written()
    assert Places.of(written).written() == written
    assert type(conduct.habits).of(conduct.habits.written()) == replace(
        conduct.habits, hours=[int(10 * each) / 10 for each in conduct.habits.hours]
    )


def test_weights_of_friends_are_nothing() -> None:
    """Whatever the network."""
    for host in (HOME, AWAY):
        weight = weigh(learnt(), host, FRIEND, Kin.FRIEND, NOON, learning=False)
        assert weight == Weight(Kin.FRIEND, at_home=host == HOME)


def test_a_colleague_becomes_a_friend() -> None:
    """Once he was written to, as everybody; over a restart, too."""
    site = Bench(Brake)
    site.clock.advance(36 * DAY)
    for _ in range(3):
        for n in range(350):
            assert site.send(client(AWAY), f"colleague{n % 300}@example.org") is None
        site.clock.advance(DAY)
