"""What becomes of plugins when the site file is read again: who goes on, who follows whom, who stops when."""

from __future__ import annotations

import gc
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, cast
from weakref import ref

import pytest
from ledger_kit import Bench
from ledger_kit import client as login
from zope.interface import implementer

from twistedmail_mta.config.plugging import Found, PluginTable, files_in
from twistedmail_mta.config.values import FilePath, Table
from twistedmail_mta.model import Reply
from twistedmail_mta.plugins import Kit, PluginError, UnusablePlugins, find, kind_of, options_of
from twistedmail_mta.policy.brake import Brake
from twistedmail_mta.policy.limits import Limits
from twistedmail_mta.policy.running import Plugins
from twistedmail_mta.policy.supplies import Supplies
from twistedmail_mta.stages import Client, IConnectPolicy
from twistedmail_mta.tasks import Promise, Stalled, TaskGroup, WorkerPool
from twistedmail_mta.testing.rig import Asked
from twistedmail_mta.testing.surroundings import AtOnce, Surroundings
from twistedmail_mta.testing.values import client

NEVER = Reply(550, "5.1.1", "no")


@implementer(IConnectPolicy)
class Counts:
    """Counts clients, and notes what happens to it."""

    class Options(Table):
        text: str = ""
        file: FilePath | None = None
        start_fails: bool = False
        inherit_fails: bool = False
        inherit_stalls: bool = False

    life: ClassVar[list[str]] = []

    def __init__(self, options: Options, kit: Kit) -> None:
        self.options, self.kit = options, kit
        self.seen: list[str] = []
        self._note("made")

    def _note(self, what: str) -> None:
        self.life.append(f"{what} {self.kit.name}{self.options.text}")

    def inherit(self, old: Counts) -> None:
        if self.options.inherit_fails:
            raise LookupError("nothing there")
        if self.options.inherit_stalls:
            raise Stalled("too long")
        self.seen = old.seen
        self._note("inherit")

    async def start(self) -> None:
        if self.options.start_fails:
            raise OSError("the service is gone")
        self._note("start")
        self.kit.tasks.start("wait", self._wait())

    async def _wait(self) -> None:
        await Promise[None]()

    async def stop(self) -> None:
        self._note("stop")

    async def connected(self, client: Client) -> Reply | None:
        self.seen.append(client.host)
        return None


@pytest.fixture(autouse=True)
def _life() -> None:
    Counts.life.clear()


def found(name: str, use: Any = Counts, **table: Any) -> Found:
    """What a site file says of a plugin, read now."""
    text = use if isinstance(use, str) else "test"
    kind = find(use) if isinstance(use, str) else kind_of(use, "test")
    read = PluginTable.model_validate({"use": text, **table})
    options = options_of(kind, read.options, {"folder": Path("/")})
    return Found(name, read, kind, options, files=files_in(options))


class Site:
    """Plugins that are read again and again."""

    def __init__(self, *plugins: Found) -> None:
        around = self.around = Surroundings()
        self.supplies = Supplies(
            "mail.example.org",
            around.clock,
            around.now,
            around.names,
            around.web,
            around.database,
            lambda _: cast(WorkerPool, AtOnce()),
        )
        self.now = self.read(*plugins)

    def read(self, *plugins: Found) -> Plugins:
        """Read, and start what is new; if that fails nothing is left of it."""
        new = Plugins(plugins, self.supplies, getattr(self, "now", None))
        try:
            Asked(new.start()).answer  # noqa: B018 - raises what it raised
        except PluginError:
            self.stop(new)
            raise
        self.now = new
        return new

    def stop(self, plugins: Plugins) -> None:
        Asked(plugins.stop()).answer  # noqa: B018 - as above


def acts(plugins: Plugins, name: str) -> Any:
    running = plugins.find(name)
    assert running is not None
    return running.plugin.acts


# Who goes on


def test_what_is_the_same_goes_on() -> None:
    """It doesn't notice the reading, nor do its coroutines; it stops with the last reading that has it."""
    site = Site(found("a"), found("b"))
    first = site.now
    second = site.read(found("b"), found("a"))

    assert acts(second, "a") is acts(first, "a")
    assert second.names == ("b", "a")
    assert first.missing_in(second) == ()
    site.stop(first)
    assert Counts.life == ["made a", "made b", "start a", "start b"]
    assert len(acts(second, "a").kit.tasks) == 1
    site.stop(second)
    assert Counts.life[4:] == ["stop a", "stop b"]


@pytest.mark.parametrize(
    "more", [{"text": "2"}, {"timeout": "3s"}, {"on_error": "abstain"}, {"may_send_anywhere": True}]
)
def test_whatever_the_site_file_says_anew_makes_a_new_one(more: Mapping[str, Any]) -> None:
    """It follows the old one, which goes on until its reading ends, and knows what that knew."""
    site = Site(found("a"), found("b"))
    first, second = site.now, site.read(found("a", **more), found("b"))

    assert first.missing_in(second) == second.missing_in(first) == ("a",)
    acts(first, "a").seen.append("192.0.2.1")
    assert acts(second, "a").seen == ["192.0.2.1"]
    assert "stop a" not in Counts.life
    site.stop(first)
    assert Counts.life.count("stop a") == 1
    assert not len(acts(first, "a").kit.tasks)
    assert len(acts(second, "a").kit.tasks) == 1


def test_a_file_that_options_name(tmp_path: Path) -> None:
    """What it holds is as good as what the site file says."""
    file = tmp_path / "words"
    file.write_text("one")
    site = Site(found("a", file=str(file)))
    first, second = site.now, site.read(found("a", file=str(file)))
    assert first.missing_in(second) == ()

    file.write_text("one two")

    assert second.missing_in(site.read(found("a", file=str(file)))) == ("a",)


def test_another_plugin_under_the_same_name_inherits_nothing() -> None:
    """It couldn't know what to make of it."""
    site = Site(found("a", "early"))
    site.read(found("a"))

    assert Counts.life == ["made a", "start a"]


def test_one_that_several_readings_have() -> None:
    """It is stopped with the last of them, whichever that is."""
    site = Site(found("a"))
    first, second = site.now, site.read(found("a"), found("b"))
    third = site.read(found("b"))

    site.stop(second)
    assert "stop a" not in Counts.life
    site.stop(first)
    assert Counts.life[-1] == "stop a"
    assert third.names == ("b",)


# What goes wrong


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        ({"inherit_fails": True}, "plugin b can't take over from the one that runs: LookupError: nothing there"),
        ({"inherit_stalls": True}, "plugin b can't take over from the one that runs: Stalled: too long"),
        ({"start_fails": True}, "plugin b can't start: OSError: the service is gone"),
    ],
)
def test_nothing_is_left_of_a_reading_that_fails(bad: Mapping[str, Any], reason: str) -> None:
    """Those that were made for it are stopped; the old ones go on, and nobody else is touched."""
    site = Site(found("a"), found("b"), found("c"))
    before = site.now
    Counts.life.clear()

    with pytest.raises(UnusablePlugins) as error:
        site.read(found("a", text="2"), found("b", **bad), found("c"))

    assert error.value.reasons == (("plugins.b", reason),)
    assert Counts.life.count("stop a2") == Counts.life.count("start a2")
    assert "stop a" not in Counts.life
    assert "stop c" not in Counts.life
    assert [len(acts(before, name).kit.tasks) for name in "abc"] == [1, 1, 1]
    site.stop(site.read(found("a"), found("b"), found("c")))
    assert "stop c" not in Counts.life
    site.stop(before)
    assert Counts.life[-3:] == ["stop c", "stop b", "stop a"]


def test_all_that_cannot_be_made_are_told_of() -> None:
    """Not only the first."""
    site = Site(found("a"), found("b"))

    with pytest.raises(UnusablePlugins) as error:
        site.read(found("a", inherit_fails=True), found("b", inherit_fails=True))

    assert [path for path, _ in error.value.reasons] == ["plugins.a", "plugins.b"]


def test_no_garbage() -> None:
    """After fifty readings only the last plugin is there."""
    site = Site(found("a", text="0"))
    old = []
    for number in range(1, 51):
        before = site.now
        old.append(ref(acts(before, "a")))
        site.read(found("a", text=str(number)))
        site.stop(before)
    del before

    gc.collect()

    assert [each() for each in old] == [None] * 50
    assert acts(site.now, "a").options.text == "50"


# What ships


def succeed(old: Bench, options: Mapping[str, Any]) -> Bench:
    """Return a bench with the plugin that follows at a reload; both are asked from then on."""
    kind = type(old.plugin)
    new: Bench = Bench.__new__(Bench)
    new.__dict__.update(old.__dict__)
    new._ids, new.tasks = 1000, TaskGroup()
    new.plugin = kind(kind.Options.model_validate(dict(options)), new.kit)
    new.plugin.inherit(old.plugin)
    Asked(new.plugin.start()).answer  # noqa: B018 - raises what it raised
    return new


def stop(bench: Bench) -> None:
    """Stop a plugin as the server does."""
    Asked(bench.plugin.stop()).answer  # noqa: B018 - as above
    bench.tasks.cancel()


def test_limits_are_counted_once() -> None:
    """What the old and the new let through counts together, before it is written and after the old has stopped."""
    old = Bench(Limits, {"account": {"hour": {"recipients": 6}}})
    open_one = old.begin(login())
    assert open_one.mail() is None
    assert open_one.to("a@far.test") is None
    assert old.send(login(), "b@far.test", "c@far.test") is None
    new = succeed(old, {"account": {"hour": {"recipients": 5}}})

    assert new.send(login(), "d@far.test") is None
    open_one.give_up()  # its charge is given back to the buckets of both
    assert old.send(login(), "e@far.test") is None
    stop(old)
    assert new.send(login(), "f@far.test") is None
    refused = new.send(login(), "g@far.test")
    assert refused is not None
    stop(new)

    after = Bench(Limits, {"account": {"hour": {"recipients": 5}}}, before=new)
    assert after.send(login(), "h@far.test") is not None


@pytest.mark.parametrize("before_reload", [True, False])
def test_an_account_that_is_stopped_stays_so(before_reload: bool) -> None:
    """Whichever brake stopped it; what was begun about it is finished once, although the old one has stopped."""
    old = Bench(Brake, {"learn": "1s"})
    old.clock.advance(2)
    changed = {"learn": "1s", "permanent": True}
    new = old if before_reload else succeed(old, changed)
    old.queue.broken = True
    while old.send(login(), *(f"{n}@far{n}.test" for n in range(50))) is None:
        pass
    new = succeed(old, changed) if before_reload else new
    refused = new.send(login(), "x@far.test")
    assert refused is not None
    assert refused.is_permanent
    stop(old)
    assert old.notices.told == []

    old.queue.broken = False
    old.clock.advance(10)
    old.clock.advance(10)

    assert len(old.notices.told) == 1
    assert old.queue.done == [("suspend", "ann@example.org")]
    assert [each["account"] for each in Asked(new.plugin.answer({"list": True})).answer["stopped"]] == [
        "ann@example.org"
    ]


@pytest.mark.parametrize("after", [3, 4])
def test_the_tarpit_goes_on_counting(after: int) -> None:
    """Refusals before the reload and those of sessions before it count for those after it."""
    site = Site(found("pit", "tarpit", after=2))
    first = acts(site.now, "pit")
    for _ in range(2):
        Asked(first.refused(client(), NEVER)).answer  # noqa: B018 - raises what it raised
    second = acts(site.read(found("pit", "tarpit", after=after)), "pit")
    Asked(first.refused(client(), NEVER)).cancel()

    asked = Asked(second.refused(client(), NEVER))

    assert asked.done == (after == 4)


def test_greylisting_forgets_nothing() -> None:
    """What the old one has noted for its next sweep the new one keeps."""
    site = Site(found("grey", "greylist"))
    first = acts(site.now, "grey")
    first._memory.note_good(b"network")
    second = acts(site.read(found("grey", "greylist", delay="1m")), "grey")
    first._memory.note_good(b"another")

    assert second._memory._good == {b"network", b"another"}


def test_who_has_waited_waits_no_more() -> None:
    """A client that was patient with the old one is greeted at once by the new one."""
    site = Site(found("early", "early"))
    asked = Asked(acts(site.now, "early").connected(client()))
    site.around.clock.advance(2)
    assert asked.done

    assert Asked(acts(site.read(found("early", "early", wait="3s")), "early").connected(client())).done
