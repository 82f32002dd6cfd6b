"""Who sends most."""

from __future__ import annotations

from twisted.internet.task import Clock

from twistedmail_mta.observe.busiest import MOST_NAMES, PERIOD, Busiest


def test_accounts_and_domains() -> None:
    """Mail of a login is that account's, other mail its sender's domain's; other events count for nobody."""
    clock = Clock()
    busiest = Busiest(clock)
    for account, sender in [
        ("ann@here.example", "x@y.example"),
        (None, "a@b.example"),
        (None, "c@b.example"),
        (None, ""),
    ]:
        busiest({"event": "smtp.accepted", "account": account, "sender": sender})
    busiest({"event": "smtp.refused", "account": "eve@here.example"})
    clock.advance(7.0)

    assert busiest.most(10) == (7.0, [("b.example", 2), ("ann@here.example", 1), ("<>", 1)])
    assert busiest.most(1) == (7.0, [("b.example", 2)])


def test_what_is_long_ago_is_forgotten() -> None:
    """The period before still counts, that before it doesn't."""
    clock = Clock()
    busiest = Busiest(clock)
    busiest.count("early")
    clock.advance(PERIOD)
    busiest.count("late")
    assert busiest.most(10) == (PERIOD, [("early", 1), ("late", 1)])

    clock.advance(PERIOD)
    assert busiest.most(10) == (PERIOD, [("late", 1)])

    clock.advance(10 * PERIOD)
    assert busiest.most(10) == (0.0, [])


def test_names_are_bounded() -> None:
    """A stranger who makes up a domain for each message fills no memory, and whoever is busy stays."""
    busiest = Busiest(Clock())
    for n in range(5 * MOST_NAMES):
        busiest.count(f"d{n}.example")
        busiest.count("busy.example")
        assert len(busiest._now) <= MOST_NAMES

    assert busiest.most(1)[1] == [("busy.example", 5 * MOST_NAMES)]
