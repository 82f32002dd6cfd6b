"""Sessions and the readings of the site file they run under: who is asked, who is seen off, and when plugins stop."""

from __future__ import annotations

import gc
from collections.abc import Callable
from dataclasses import replace
from typing import Any, ClassVar, cast
from weakref import ref

import pytest
from zope.interface import implementer

from twistedmail_mta.composition.generations import END_AFTER, MOST_EARLIER, PART_AFTER, Generation, Generations
from twistedmail_mta.composition.reloading import Reloaded, Turns
from twistedmail_mta.config.plugging import Found, PluginTable
from twistedmail_mta.config.values import Table
from twistedmail_mta.model import Recipient, Reply
from twistedmail_mta.pipeline import Pipeline
from twistedmail_mta.plugins import Kit, kind_of, options_of
from twistedmail_mta.policy.running import Plugins
from twistedmail_mta.policy.supplies import Supplies
from twistedmail_mta.stages import (
    Arriving,
    Client,
    IDisconnectObserver,
    IEndedObserver,
    IMessagePolicy,
    IRecipientPolicy,
    MailFrom,
)
from twistedmail_mta.tasks import Cancelled, Promise, Task, WorkerPool
from twistedmail_mta.testing.rig import Asked, Rig
from twistedmail_mta.testing.site import Session
from twistedmail_mta.testing.site import Site as Listening
from twistedmail_mta.testing.surroundings import AtOnce

LIFE: list[str] = []


@implementer(IRecipientPolicy, IMessagePolicy, IEndedObserver, IDisconnectObserver)
class Names:
    """Refuses with its name, and notes what it is told."""

    class Options(Table):
        word: str = ""

    slow: ClassVar[Promise[None] | None] = None

    def __init__(self, options: Options, kit: Kit) -> None:
        self.word = options.word

    async def stop(self) -> None:
        LIFE.append(f"stop {self.word}")

    async def recipient(self, client: Client, mail: MailFrom, recipient: Recipient) -> Reply | None:
        return Reply(450, "4.7.1", self.word) if recipient.address.local == "who" else None

    async def message(self, client: Client, message: Arriving) -> None:
        LIFE.append(f"judge {self.word}")

    async def ended(self, client: Client, mail: MailFrom, taken: bool) -> None:
        if self.slow is not None:
            await self.slow
        LIFE.append(f"ended {self.word}")

    async def disconnected(self, client: Client) -> None:
        LIFE.append(f"disconnected {self.word}")


def found(word: str) -> Found:
    kind, table = kind_of(Names, "test"), PluginTable.model_validate({"use": "test", "word": word})
    return Found("names", table, kind, options_of(kind, table.options, {}))


class Site:
    """A listener that is reloaded again and again."""

    def __init__(self, word: str) -> None:
        LIFE.clear()
        rig = Rig(Names)
        around, self.clock = rig.surroundings, rig.clock
        self.listening = Listening(rig, limits={"idle": 1e6})
        self.supplies = Supplies(
            "mail.example.org",
            around.clock,
            around.now,
            around.names,
            around.web,
            around.database,
            lambda _: cast(WorkerPool, AtOnce()),
        )
        first = self.read(word, None)
        self.generations = Generations(first, self.clock)
        self.serve()

    def read(self, word: str, before: Plugins | None) -> Generation:
        plugins = Plugins([found(word)], self.supplies, before)
        Asked(plugins.start()).answer  # noqa: B018 - raises what it raised
        site: Any = None
        return Generation(site, plugins, Pipeline([], self.clock), {})

    def serve(self) -> None:
        now = self.generations.now
        plugins = now.plugins.pipeline(["names"])
        listener = self.listening._listener
        self.listening._serve(replace(listener, plugins=plugins, presence=now.presence, tasks=now.presence.tasks))

    def reload(self, word: str) -> None:
        self.generations.follow(self.read(word, self.generations.now.plugins))
        self.serve()

    def session(self) -> Session:
        """A client in the middle of a transaction."""
        session = self.listening.connect()
        session.type("EHLO me", "MAIL FROM:<joe@strangers.test>", "RCPT TO:<ann@home.test>")
        return session


def test_old_sessions_ask_the_old_plugin_to_their_end() -> None:
    """New ones the new; the old one stops when it has been told of the last end."""
    site = Site("old")
    old = site.session()
    site.reload("new")
    new = site.session()

    assert old.type("RCPT TO:<who@home.test>").startswith("450 4.7.1 old")
    assert new.type("RCPT TO:<who@home.test>").startswith("450 4.7.1 new")
    old.type("DATA")
    assert old.type("Subject: x", "", ".").startswith("250")
    assert LIFE == ["judge old", "ended old"]
    old.type("QUIT")
    assert LIFE == ["judge old", "ended old", "disconnected old", "stop old"]


def test_what_is_told_comes_before_the_stop(monkeypatch: pytest.MonkeyPatch) -> None:
    """Although the session is gone."""
    site = Site("old")
    old = site.session()
    site.reload("new")
    gate: Promise[None] = Promise()
    monkeypatch.setattr(Names, "slow", gate)

    old.type("QUIT")
    assert LIFE == ["disconnected old"]
    gate.resolve(None)

    assert LIFE == ["disconnected old", "ended old", "stop old"]


def test_without_sessions_it_stops_at_once() -> None:
    """Nobody can ask it."""
    site = Site("old")
    site.reload("new")

    assert LIFE == ["stop old"]
    assert not site.clock.getDelayedCalls()


def test_questions_of_the_queue_keep_plugins() -> None:
    """The old ones stop when what they were asked about mail in the queue is answered; the new ones are asked."""
    site = Site("old")
    with site.generations.lent() as old:
        site.reload("new")
        site.clock.advance(PART_AFTER + END_AFTER)

        assert LIFE == []
        assert site.generations.pipeline() is not old

    assert LIFE == ["stop old"]
    with site.generations.lent() as now:
        assert now is site.generations.now.plugins.observers


def test_sessions_are_seen_off() -> None:
    """After five minutes at the next command, or when the text has come; no plugin judges that has stopped."""
    site = Site("old")
    idle, asking, sending, stuck = site.listening.connect(), site.session(), site.session(), site.session()
    for session in (sending, stuck):
        session.type("DATA")
        session.send(b"Subject: x\r\n")
    site.reload("new")
    idle.said()

    site.clock.advance(PART_AFTER)

    assert idle.said().startswith("421 4.3.2 The rules of this server have changed")
    assert asking.type("RCPT TO:<who@home.test>").startswith("421 4.3.2")
    assert sending.send(b"\r\n.\r\n").startswith("250")
    assert LIFE.count("judge old") == 1
    assert "stop old" not in LIFE
    site.clock.advance(END_AFTER)
    assert stuck.said().startswith("421 4.3.2")
    assert LIFE.count("judge old") == 1
    assert LIFE[-1] == "stop old"


def test_sessions_whose_plugins_go_on_are_left_alone() -> None:
    """However long, and however often the site file is read; until one of the plugins changes."""
    site = Site("same")
    old = site.session()
    for _ in range(MOST_EARLIER + 3):
        site.reload("same")
    site.clock.advance(10 * PART_AFTER)
    assert old.type("RCPT TO:<who@home.test>").startswith("450 4.7.1 same")

    site.reload("new")
    site.clock.advance(PART_AFTER)

    assert old.type("RCPT TO:<who@home.test>").startswith("421 4.3.2")
    assert "stop same" in LIFE


def test_not_many_old_plugins_at_once() -> None:
    """The sessions of the first readings leave earlier where there are many."""
    site = Site("0")
    sessions = [site.session()]
    for number in range(1, MOST_EARLIER + 2):
        site.reload(str(number))
        sessions.append(site.session())

    assert [session.type("RCPT TO:<who@home.test>")[:3] for session in sessions[:2]] == ["421", "450"]


def test_an_end_in_order() -> None:
    """At the end of the server all plugins are stopped, each once, the earlier ones first or last as it comes."""
    site = Site("old")
    site.session()
    site.reload("new")

    Asked(site.generations.close()).answer  # noqa: B018 - raises what it raised

    assert sorted(LIFE) == ["stop new", "stop old"]


def test_no_garbage() -> None:
    """Fifty reloads leave nothing behind, sessions or not."""
    site = Site("0")
    old: list[Any] = []
    for number in range(1, 51):
        now = site.generations.now
        old += [ref(now.presence), ref(now.plugins), ref(now.plugins.running[0].acts)]
        del now
        session = site.session()
        site.reload(str(number))
        session.type("QUIT")
        del session

    gc.collect()

    assert [each() for each in old] == [None] * 150


# Turns


class Readings:
    """Readings that end when a test wants it."""

    def __init__(self) -> None:
        self.gates: list[Promise[Reloaded]] = []
        self.turns = Turns(self._read)

    async def _read(self) -> Reloaded:
        gate: Promise[Reloaded] = Promise()
        self.gates.append(gate)
        return await gate


DONE = Reloaded((), (), (), ())


@pytest.mark.parametrize("ends", [lambda gate: gate.resolve(DONE), lambda gate: gate.fail(ValueError("bad"))])
def test_who_asks_while_one_is_read_gets_the_next(ends: Callable[[Promise[Reloaded]], None]) -> None:
    """For what is read now may have been read before the change; all of them share one."""
    readings = Readings()
    first = readings.turns.ask()
    second, third = readings.turns.ask(), readings.turns.ask()
    assert len(readings.gates) == 1
    assert second is third

    ends(readings.gates[0])
    assert first.done
    assert len(readings.gates) == 2
    fourth = readings.turns.ask()
    readings.gates[1].resolve(DONE)

    assert second.done
    assert len(readings.gates) == 3
    readings.gates[2].resolve(DONE)
    assert fourth.done
    readings.turns.ask()
    assert len(readings.gates) == 4


def test_none_while_the_server_stops() -> None:
    """What is under way breaks off, what waits doesn't begin, and nobody waits for ever."""
    readings = Readings()
    first, second = readings.turns.ask(), readings.turns.ask()

    assert Task("stop", readings.turns.stop()).done

    assert first.done
    assert second.done
    assert len(readings.gates) == 1
    with pytest.raises(Cancelled):
        readings.turns.ask()
