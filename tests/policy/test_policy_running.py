"""The running of plugins: made and started in the order of the site file, stopped in the other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, TypeVar, cast

import pytest
from twisted.logger import globalLogPublisher
from zope.interface import implementer

from twistedmail_mta.config.plugging import Found, PluginTable
from twistedmail_mta.config.values import Table
from twistedmail_mta.errors import TemporaryError
from twistedmail_mta.model import Reply
from twistedmail_mta.plugins import Kit, PluginError, kind_of, options_of
from twistedmail_mta.policy.running import START_WITHIN, Plugins
from twistedmail_mta.policy.supplies import Supplies
from twistedmail_mta.stages import Client, IConnectPolicy, IDeliveredObserver, IMailPolicy
from twistedmail_mta.tasks import Cancelled, Promise, Stalled, WorkerPool
from twistedmail_mta.testing.rig import Asked
from twistedmail_mta.testing.surroundings import AtOnce, Surroundings
from twistedmail_mta.testing.values import client

T = TypeVar("T")

NO = Reply(554, "5.7.1", "no")


@implementer(IConnectPolicy)
class Acts:
    """Notes what happens to it."""

    class Options(Table):
        text: str = ""

    life: ClassVar[list[str]] = []

    def __init__(self, options: Options, kit: Kit) -> None:
        self.options, self.kit = options, kit
        self.life.append(f"made {kit.name}")

    async def start(self) -> None:
        self.life.append(f"start {self.kit.name}")

    async def stop(self) -> None:
        self.life.append(f"stop {self.kit.name}")

    async def connected(self, client: Client) -> Reply | None:
        self.life.append(f"ask {self.kit.name}")
        return None


@pytest.fixture(autouse=True)
def _life() -> None:
    Acts.life.clear()


def found(name: str, make: Any = Acts, **table: Any) -> Found:
    """What a site file says of a plugin."""
    kind, read = kind_of(make, "test"), PluginTable.model_validate({"use": "test", **table})
    return Found(name, read, kind, options_of(kind, read.options, {}))


class Site:
    """Some plugins, and what they are given."""

    def __init__(self, *plugins: Found, around: Surroundings | None = None) -> None:
        self.around = around or Surroundings()
        self.clock, self.database = self.around.clock, self.around.database
        self.supplies = Supplies(
            "mail.example.org",
            self.clock,
            self.around.now,
            self.around.names,
            self.around.web,
            self.database,
            lambda _: cast(WorkerPool, AtOnce()),
            self.around.account_mail,
            self.around.notices,
        )
        self.plugins = Plugins(plugins, self.supplies)

    def start(self) -> None:
        Asked(self.plugins.start()).answer  # noqa: B018 - raises what it raised

    def stop(self) -> None:
        Asked(self.plugins.stop()).answer  # noqa: B018 - likewise

    def kit(self, name: str) -> Kit:
        kit: Kit = self.plugins._all[name].plugin.acts.kit
        return kit


def changed(**methods: Any) -> Any:
    """A kind of plugin that differs in something."""
    return type("Changed", (Acts,), methods)


# Order


def test_start_and_stop() -> None:
    """As in the site file; the last that was started is stopped first."""
    site = Site(found("b"), found("a"))
    site.start()
    site.stop()

    assert Acts.life == ["made b", "made a", "start b", "start a", "stop a", "stop b"]


def test_who_is_asked_where() -> None:
    """A listener asks those it names, in its order; all of them observe."""
    site = Site(found("a"), found("b"), found("c"))
    Acts.life.clear()

    Asked(site.plugins.pipeline(["c", "a"]).refusal(IConnectPolicy, client())).answer  # noqa: B018

    assert Acts.life == ["ask c", "ask a"]
    assert site.plugins.observers.asks(IConnectPolicy)
    assert not site.plugins.pipeline([]).asks(IConnectPolicy)


def test_what_they_are_given() -> None:
    """Each its own name, tables, coroutines and log; the rest is shared."""
    site = Site(found("one", text="hi"), found("t-wo"))
    one, two = site.kit("one"), site.kit("t-wo")

    assert (one.name, one.prefix, one.hostname) == ("one", "plugin_one_", "mail.example.org")
    assert two.prefix == "plugin_t_wo_"
    assert one.tasks is not two.tasks
    assert one.database is two.database
    assert (one.log.namespace, two.log.namespace) == ("plugin.one", "plugin.t-wo")
    assert Asked(one.run_in_thread(sum, [1, 2])).answer == 3


def test_what_the_site_file_says_of_errors() -> None:
    """Else what the plugin says."""
    quiet = changed(on_error="abstain")
    site = Site(
        found("a"),
        found("b", on_error="abstain"),
        found("c", quiet),
        found("d", quiet, on_error="refuse", timeout="3s"),
    )

    assert [each.plugin.abstains for each in site.plugins._all.values()] == [False, True, True, False]
    assert [each.plugin.timeout for each in site.plugins._all.values()] == [10.0, 10.0, 10.0, 3.0]


# Tables

FIRST = "CREATE TABLE {plugin}word (text TEXT PRIMARY KEY) STRICT; CREATE INDEX {plugin}x ON {plugin}word (text);"
SECOND = """
ALTER TABLE {plugin}word ADD COLUMN size INTEGER NOT NULL DEFAULT 0; -- octets; of the text
CREATE TRIGGER {plugin}sized AFTER INSERT ON {plugin}word BEGIN
    UPDATE {plugin}word SET size = length(new.text) WHERE text = new.text;
END;
"""


def test_migrations_once_each() -> None:
    """In order, under the plugin's own names; each plugin has its own."""
    around = Surroundings()
    Site(found("a", changed(migrations=(FIRST,))), around=around).start()
    around.database.rows("INSERT INTO plugin_a_word VALUES ('kept')")

    for _ in range(2):
        newer = changed(migrations=(FIRST, SECOND))
        Site(found("a", newer), found("b", newer), around=around).start()

    assert around.database.rows("SELECT text, size FROM plugin_a_word") == [("kept", 0)]
    around.database.rows("INSERT INTO plugin_b_word (text) VALUES ('b;b')")
    assert around.database.rows("SELECT text, size FROM plugin_b_word") == [("b;b", 3)]
    assert around.database.rows("SELECT name, version FROM plugin ORDER BY name") == [("a", 2), ("b", 2)]


def test_an_older_release_of_a_plugin() -> None:
    """It leaves newer tables as they are, and a newer one doesn't begin anew."""
    around = Surroundings()
    for migrations in ((FIRST, SECOND), (FIRST,), (FIRST, SECOND)):
        Site(found("a", changed(migrations=migrations)), around=around).start()

    assert around.database.rows("SELECT version FROM plugin") == [(2,)]


def test_a_migration_that_fails() -> None:
    """All of it is undone, and the plugin isn't started."""
    site = Site(found("a", changed(migrations=(FIRST, "CREATE TABLE {plugin}word (x)"))))

    with pytest.raises(
        PluginError, match=r"^plugins\.a: plugin a can't start: SQLError: table plugin_a_word already exists$"
    ):
        site.start()

    assert Acts.life == ["made a"]
    assert site.database.rows("SELECT name FROM sqlite_schema WHERE name LIKE 'plugin_a%'") == []


def test_no_migrations() -> None:
    """Nothing is written then."""
    site = Site(found("a"))
    site.database.failure = TemporaryError(NO)

    site.start()

    assert Acts.life[-1] == "start a"


# Those that can't


def _raise(error: BaseException) -> Callable[..., Any]:
    def act(*_: Any) -> Any:
        raise error

    return act


def _failing(error: BaseException) -> Any:
    async def act(*_: Any) -> Any:
        raise error

    return act


@pytest.mark.parametrize("error", [ZeroDivisionError("x"), SystemExit("x"), Stalled("x")])
def test_one_that_cannot_be_made(error: BaseException) -> None:
    """It is named, with what it raised."""
    with pytest.raises(PluginError, match=f"^plugins.b: plugin b can't be made: {type(error).__name__}: x$"):
        Site(found("a"), found("b", changed(__init__=_raise(error))))


def test_one_that_is_no_plugin() -> None:
    """It is named, with what it should be."""
    with pytest.raises(PluginError, match=r"^plugins.b: plugin b provides none of the stages"):
        Site(found("a"), found("b", lambda _options, _kit: object()))


@pytest.mark.parametrize("error", [ZeroDivisionError("x"), SystemExit("x"), Cancelled("x")])
def test_one_that_cannot_start(error: BaseException) -> None:
    """Those before it have started, and are stopped; those behind it never were."""
    site = Site(found("a"), found("b", changed(start=_failing(error))), found("c"))
    with pytest.raises(PluginError, match=r"^plugins\.b: plugin b can't start: "):
        site.start()

    site.stop()

    assert Acts.life == ["made a", "made b", "made c", "start a", "stop a"]


@pytest.mark.parametrize("method", ["start", "stop"])
def test_one_that_does_not_end(method: str) -> None:
    """The server neither waits for ever to serve nor to end."""

    async def never(self: Any) -> None:
        await Promise[None]()

    site = Site(found("a", changed(**{method: never})), found("b"))
    asked = Asked(site.plugins.start())
    if method == "stop":
        asked = Asked(site.plugins.stop())
    assert not asked.done

    site.clock.advance(START_WITHIN)

    assert asked.done
    if method == "start":
        with pytest.raises(PluginError, match="plugin a can't start: TimeoutError: it took more than 60 seconds"):
            _ = asked.answer


def test_one_that_cannot_stop() -> None:
    """It is logged, and the others are stopped."""
    events: list[Any] = []
    globalLogPublisher.addObserver(events.append)
    site = Site(found("a"), found("b", changed(stop=_failing(ZeroDivisionError()))))
    site.start()

    site.stop()
    globalLogPublisher.removeObserver(events.append)

    assert Acts.life[-1] == "stop a"
    assert [event["plugin"] for event in events if event.get("event") == "plugin.failed"] == ["b"]


def test_no_coroutine_goes_on() -> None:
    """Stopping ends what a plugin has begun, once it has stopped: not before, and also where the start failed."""
    ended: list[str] = []

    async def work(name: str) -> None:
        try:
            await Promise[None]()
        finally:
            ended.append(name)

    class Works(Acts):
        async def start(self) -> None:
            self.kit.tasks.start("work", work(self.kit.name))

        async def stop(self) -> None:
            ended.append(f"stop {self.kit.name}")

    site = Site(found("a", Works), found("b", Works), found("c", changed(start=_failing(ZeroDivisionError()))))
    with pytest.raises(PluginError):
        site.start()
    site.kit("c").tasks.start("work", work("c"))

    site.stop()

    assert ended == ["c", "stop b", "b", "stop a", "a"]


# Questions of commands


def test_questions() -> None:
    """To a plugin that takes such."""

    class Answers(Acts):
        async def answer(self, question: Any) -> Any:
            return {"said": question["word"]}

    site = Site(found("a", Answers), found("b"))

    assert Asked(site.plugins.ask("a", {"word": "hi"})).answer == {"said": "hi"}
    for name in ("b", "none"):
        with pytest.raises(PluginError, match=f"there is no plugin {name} that answers"):
            _ = Asked(site.plugins.ask(name, {})).answer


def test_nothing_else_is_a_stage() -> None:
    """What a plugin doesn't provide it isn't asked."""
    pipeline = Site(found("a")).plugins.pipeline(["a"])

    assert not pipeline.asks(IMailPolicy)
    assert not pipeline.asks(IDeliveredObserver)
