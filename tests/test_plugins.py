"""How plugins are found and looked at; one that can't be had is told of in words."""

from __future__ import annotations

import sys
from collections.abc import Callable
from configparser import ConfigParser
from importlib.metadata import EntryPoint, EntryPoints
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel
from zope.interface import directlyProvides

from twistedmail_mta import plugins, stages
from twistedmail_mta.config.plugging import PluginTable
from twistedmail_mta.plugins import GROUP, OWN_KEYS, PluginError, find, kind_of, table_prefix, verified
from twistedmail_mta.shipped import SHIPPED

ROOT = Path(__file__).parents[1]


# What ships


def test_what_ships_is_offered_to_others() -> None:
    """setup.cfg and the table of a checkout name the same plugins."""
    parser = ConfigParser(delimiters="=")
    parser.optionxform = str  # type: ignore[assignment, method-assign]
    parser.read(ROOT / "setup.cfg")
    lines = parser["options.entry_points"][GROUP].split("\n")

    offered = dict(line.replace(" ", "").split("=") for line in lines if line)

    assert offered == SHIPPED


def test_everything_that_ships_is_found() -> None:
    """By its name, without an installed package."""
    for name in SHIPPED:
        assert callable(find(name).make)


def test_nobody_takes_the_name_of_what_ships(monkeypatch: pytest.MonkeyPatch) -> None:
    """A plugin that ships is found first."""
    monkeypatch.setitem(SHIPPED, "ours", "twistedmail_mta.plugins:NoSuchPlugin")  # type: ignore[arg-type]

    with pytest.raises(PluginError, match=r"^twistedmail_mta\.plugins, .* has no NoSuchPlugin$"):
        find("ours")


# By name


def offer(monkeypatch: pytest.MonkeyPatch, *points: tuple[str, str]) -> None:
    """Let packages be installed that offer these."""
    offered = EntryPoints(EntryPoint(name, value, GROUP) for name, value in points)
    monkeypatch.setattr(plugins, "entry_points", offered.select)


def test_installed_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Their entry points are found by name."""
    offer(monkeypatch, ("other", "json:loads"), ("mine", "collections:OrderedDict"))

    assert find("mine").make is __import__("collections").OrderedDict


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("greylst", "greylst is offered by no installed package; did you mean greylist?"),
        ("zzz", "zzz is offered by no installed package; known are: broken, greylist, twice; what a file of plugin"),
        ("", " is offered by no installed package; known are"),
        ("twice", "twice is offered by several installed packages; choose one of a:b, json:loads"),
        ("broken", "broken can't be imported: ModuleNotFoundError: No module named 'no_such_module'"),
    ],
)
def test_names_that_cannot_be_had(monkeypatch: pytest.MonkeyPatch, name: str, words: str) -> None:
    """The operator is told what is there instead."""
    monkeypatch.setattr(plugins, "SHIPPED", {"greylist": "x:y"})
    offer(monkeypatch, ("broken", "no_such_module:Plugin"), ("twice", "json:loads"), ("twice", "a:b"))

    with pytest.raises(PluginError) as error:
        find(name)

    assert words in str(error.value)


# By module and attribute


Write = Callable[[str, str], Path]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """A function that writes a module into a folder of plugins, and returns that."""

    def write(name: str, text: str) -> Path:
        monkeypatch.delitem(sys.modules, name, raising=False)
        (tmp_path / f"{name}.py").write_text(text)
        return tmp_path

    return write


def test_folders_of_plugins(write: Write) -> None:
    """Modules there are found, and may import one another; elsewhere they aren't seen afterwards."""
    write("kit_test_below", "value = 1")
    folder = write("kit_test_found", "from kit_test_below import value\nclass A:\n  class B:\n    on_error='abstain'")

    kind = find("kit_test_found:A.B", [folder])

    assert kind.abstains
    assert kind.options.__name__ == "NoOptions"
    assert str(folder) not in sys.path
    with pytest.raises(PluginError, match="No module named"):
        find("kit_test_else:A")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("def Plugin(:", "can't be imported: SyntaxError: "),
        ("1 / 0", "can't be imported: ZeroDivisionError: division by zero"),
        ("raise SystemExit(3)", "can't be imported: SystemExit: 3"),
        ("import asyncio\nraise asyncio.CancelledError", "can't be imported: CancelledError: "),
        ("import no_such_module", "can't be imported: ModuleNotFoundError: "),
        ("Plugins = 1", "kit_test_bad.py, has no Plugin"),
        ("Plugin = 1", "is no class or function that makes a plugin"),
        ("class Plugin:\n  Options = dict", "Options must be a model of pydantic's"),
        ("class Plugin:\n  on_error = 'ignore'", 'on_error must be "refuse" or "abstain"'),
        ("class Plugin:\n  timeout = '5s'", "timeout must be seconds"),
        ("class Plugin:\n  migrations = 'CREATE TABLE {plugin}x (y)'", "migrations must be a tuple of texts"),
        ("class Plugin:\n  migrations = ('CREATE TABLE x (y)',)", "of tables that begin with {plugin}"),
        ("class Plugin:\n  migrations = (1,)", "migrations must be a tuple of texts"),
    ],
)
def test_modules_that_cannot_be_used(write: Write, text: str, words: str) -> None:
    """Each mistake in its words."""
    folder = write("kit_test_bad", text)

    with pytest.raises(PluginError) as error:
        find("kit_test_bad:Plugin", [folder])

    assert words in str(error.value)


@pytest.mark.parametrize("use", [":Plugin", "json:", "json:loads:x", "..json:loads", "json:1", "json: loads", "a b:c"])
def test_places_that_are_none(use: str) -> None:
    """A module and an attribute, with one colon between."""
    with pytest.raises(PluginError, match="must be a name, or module:attribute"):
        find(use)


def test_modules_that_are_somebody_elses() -> None:
    """A file of the name of a module of Python's isn't found; the words say which was."""
    with pytest.raises(PluginError, match=r"^email, which is /.*/email/__init__\.py, has no Plugin$"):
        find("email:Plugin")
    with pytest.raises(PluginError, match=r"^sys, which is Python itself, has no Plugin$"):
        find("sys:Plugin")


def test_options_that_could_never_be_given() -> None:
    """What the site file says of every plugin is none of its options."""

    class Plugin:
        class Options(BaseModel):
            timeout: float = 1.0
            fine: int = 0

    with pytest.raises(PluginError, match="timeout means something for every plugin"):
        kind_of(Plugin, "test")
    assert PluginTable.model_fields.keys() - {"options"} == OWN_KEYS


@pytest.mark.parametrize(("name", "prefix"), [("greylist", "plugin_greylist_"), ("My-List.2", "plugin_my_list_2_")])
def test_table_prefix(name: str, prefix: str) -> None:
    """Whatever a plugin is called, its tables have names that SQL takes."""
    assert table_prefix(name) == prefix


# What was made


def acting(*wanted: Any, **methods: Any) -> Any:
    plugin: Any = type("Acts", (), methods)()
    directlyProvides(plugin, *wanted)
    return plugin


async def _sender(self: Any, client: Any, mail: Any) -> None: ...


async def _one(self: Any, client: Any) -> None: ...


async def _three(self: Any, client: Any, mail: Any, more: Any) -> None: ...


async def _more(self: Any, client: Any, mail: Any, more: Any = None) -> None: ...


async def _any(self: Any, *values: Any) -> None: ...


def _plain(self: Any, client: Any = None, mail: Any = None) -> None: ...


@pytest.mark.parametrize("method", [_sender, _more, _any])
def test_whoever_acts_as_he_should(method: Any) -> None:
    """Further arguments that may be left out are nobody's business."""
    stage = stages.IMailPolicy

    assert verified("test", acting(stage, sender=method)) == (stage,)


@pytest.mark.parametrize(
    ("plugin", "words"),
    [
        (object(), "plugin test provides none of the stages' interfaces"),
        (acting(sender=_sender), "plugin test provides none of the stages' interfaces"),
        (acting(stages.IMailPolicy, sender=_plain), "sender, of IMailPolicy, must be an async method"),
        (acting(stages.IMailPolicy), "sender, of IMailPolicy, must be an async method"),
        (acting(stages.IMailPolicy, sender=3), "sender, of IMailPolicy, must be an async method"),
        (acting(stages.IMailPolicy, sender=_one), r"IMailPolicy wants sender\(client, mail\)"),
        (acting(stages.IMailPolicy, sender=_three), r"IMailPolicy wants sender\(client, mail\)"),
        (acting(stages.IMailPolicy, sender=_sender, start=_plain), "start must be an async method"),
        (acting(stages.IMailPolicy, sender=_sender, stop=_plain), "stop must be an async method"),
        (acting(stages.IMailPolicy, sender=_sender, answer=_plain), "answer must be an async method"),
    ],
)
def test_what_is_no_plugin(plugin: Any, words: str) -> None:
    """It is found out before any mail comes."""
    with pytest.raises(PluginError, match=words):
        verified("test", plugin)
