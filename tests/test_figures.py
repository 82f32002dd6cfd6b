"""What `mta top` is told: rates out of what was counted, and how late the reactor was."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest
from twisted.internet.task import Clock

from twistedmail_mta.composition.figures import MOST_LANES, Figures, totals_of
from twistedmail_mta.control.wire import MAX_LINE, encode
from twistedmail_mta.observe import catalogue
from twistedmail_mta.observe.busiest import MOST_NAMES
from twistedmail_mta.observe.catalogue import Reading
from twistedmail_mta.observe.figures import Spread
from twistedmail_mta.queue.standing import LanesStanding, LaneStanding


class Queue:
    """Says how many lanes there are, and how each stands."""

    def __init__(self, lanes: int = 0, said: str = "250 Ok") -> None:
        self.lanes, self.said = lanes, said

    def standing(self, most: int) -> LanesStanding:
        one = LaneStanding("mx.example.net", 1, 2, 3, 4, 5.0, True, False, self.said)
        return LanesStanding(self.lanes, 1, 3, 4, (), (one,) * min(self.lanes, most))


class Site:
    """A site of which nothing is real but the numbers."""

    def __init__(self, queue: Queue | None = None) -> None:
        self.clock = Clock()
        self.readings: list[Reading] = []
        self.sessions = {"mx": (0, 0)}
        listen = {"mx": SimpleNamespace(role="mx")}
        site = SimpleNamespace(server=SimpleNamespace(hostname="mail.example.org"), listen=listen)
        parts: Any = SimpleNamespace(site=site, queue=queue or Queue(), most_memory=1)
        self.figures = Figures(self.clock, parts, lambda: self.readings, lambda: self.sessions)

    def tick(self, late: float = 0.0) -> None:
        self.clock.advance(1)
        self.figures.note(late)


def spread(*values: float) -> Spread:
    made = Spread(catalogue.COMMIT.bounds)
    for value in values:
        made.note(value)
    return made


def test_totals() -> None:
    """Listeners and providers are added up; what is put off unconfirmed is put off; other metrics don't count."""
    readings: list[Reading] = [
        (catalogue.ACCEPTED, ("mx", "none"), 2),
        (catalogue.ACCEPTED, ("submission", "TLSv1.3"), 3),
        (catalogue.REFUSED, ("mx", "RCPT", "5xx"), 7),
        (catalogue.REFUSED, ("mx", "connect", "4xx"), 1),
        (catalogue.FILED, ("mx",), 10),
        (catalogue.ATTEMPTS, ("here", "delivered"), 20),
        (catalogue.ATTEMPTS, ("google", "delivered"), 30),
        (catalogue.ATTEMPTS, ("none", "deferred"), 4),
        (catalogue.ATTEMPTS, ("none", "unconfirmed"), 1),
        (catalogue.ATTEMPTS, ("google", "failed"), 6),
        (catalogue.WAITED, (), spread(0.5, 1.0)),
        (catalogue.COMMIT, (), spread(0.1, 0.1, 0.1)),
        (catalogue.WRITES, (), 9),
        (catalogue.LANE_RECIPIENTS, (), 1000),
    ]

    assert totals_of(readings) == {
        "accepted": 5, "refused": 8, "delivered": 60, "deferred": 5, "failed": 6,
        "waited": 1.5, "writes": 2, "commits": 3, "waiting": 9,
    }  # fmt: skip


def test_rates() -> None:
    """What grew in ten seconds, in a minute and in five, for each second of it."""
    site = Site()
    for second in range(400):
        site.readings = [
            (catalogue.ACCEPTED, ("mx", "none"), 2 * second if second < 390 else 780 + 50 * (second - 390))
        ]
        site.sessions = {"mx": (3, second)}
        site.tick()

    told = site.figures.told()

    assert told["rates"]["accepted"] == {
        "total": 1230.0,
        "10s": pytest.approx(45.2),
        "1m": pytest.approx(9.2),
        "5m": pytest.approx(3.44),
    }
    assert told["rates"]["refused"] == {"total": 0.0, "10s": 0.0, "1m": 0.0, "5m": 0.0}
    (mx,) = told["sessions"]
    assert mx == {"listener": "mx", "role": "mx", "open": 3, "begun": 399, "rates": {"10s": 1.0, "1m": 1.0, "5m": 1.0}}


def test_before_anything_is_known() -> None:
    """A server that has just begun says so, and divides by nothing."""
    told = Site().figures.told()

    assert told["rates"]["accepted"] == {"total": 0, "10s": None, "1m": None, "5m": None}
    assert told["reactor"] == {"10s": None, "1m": None, "5m": None}
    assert told["database"]["wait"] == {"10s": None, "1m": None, "5m": None}


def test_how_late_the_reactor_was() -> None:
    """The most in each span; what is longer ago is forgotten."""
    site = Site()
    for second in range(1000):
        site.tick({100: 9.0, 800: 3.0, 970: 2.0, 995: 1.0}.get(second, 0.0))

    assert site.figures.told()["reactor"] == {"10s": 1.0, "1m": 2.0, "5m": 3.0}
    assert len(site.figures._late) <= 301


def test_writes() -> None:
    """How long a write waited on average, over those of the span alone."""
    site = Site()
    site.readings = [(catalogue.WAITED, (), spread(*[5.0] * 10)), (catalogue.WRITES, (), 4)]
    for _ in range(20):
        site.tick()
    site.readings = [(catalogue.WAITED, (), spread(*[5.0] * 10, 0.25, 0.75)), (catalogue.COMMIT, (), spread(0.1))]
    site.tick()

    database = site.figures.told()["database"]

    assert database["wait"]["10s"] == 0.5
    assert database["commits"] == {"total": 1, "10s": 0.1, "1m": 0.05, "5m": 0.05}
    assert database["waiting"] == 0


def test_it_is_one_line_however_much_there_is() -> None:
    """The control socket takes a megabyte: as many lanes and senders as there may be, with long answers, fit."""
    site = Site(Queue(10_000, "550 5.7.1 " + "x" * 2000))
    site.sessions = {f"listener {n}": (1, 1) for n in range(50)}
    for n in range(MOST_NAMES):
        site.figures.busiest.count(f"{n}".rjust(300, "x"))
    site.tick()

    told = site.figures.told()

    assert len(told["lanes"]["listed"]) == MOST_LANES
    assert told["lanes"]["number"] == 10_000
    assert len(encode({"result": told})) < MAX_LINE
    assert json.loads(json.dumps(told)) == told
