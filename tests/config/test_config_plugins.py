"""[plugins]: each mistake with its key path, and all of them at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from twistedmail_mta.config.load import parse_site
from twistedmail_mta.config.problems import ConfigError
from twistedmail_mta.config.site import Site

BASE = """\
config_version = 1
plugin_path = ["plugins"]
[server]
hostname = "mail.example.org"
state_dir = "/var/lib/mta"
admin = "postmaster@example.org"
"""
LISTENER = '[listen.mx]\nendpoint = "tcp:25"\nrole = "mx"\n'

PLUGIN = """\
from pydantic import Field
from twistedmail_mta.config.values import Duration, FilePath, Size, Table

class Depth(Table):
    most: int = 1

class Plugin:
    on_error = "abstain"

    class Options(Table):
        words: str = "no"
        file: FilePath | None = None
        wait: Duration = 1.0
        size: Size = 0
        depth: Depth = Depth()

class Bare:
    pass
"""


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path) -> None:
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins" / "config_test_plugin.py").write_text(PLUGIN)


def site(tmp_path: Path, text: str = "", names: str = '["a"]', base: str = BASE) -> Site:
    return parse_site(f"{base}{LISTENER}plugins = {names}\n{text}", tmp_path, "mta.toml")


def problems(tmp_path: Path, text: str, names: str = '["a"]', base: str = BASE) -> list[str]:
    with pytest.raises(ConfigError) as error:
        site(tmp_path, text, names, base)
    return [str(each) for each in error.value.problems]


A = '[plugins.a]\nuse = "config_test_plugin:Plugin"\n'


def test_a_plugin(tmp_path: Path) -> None:
    """Its own options are read by its own model, relative paths from the site file's folder."""
    text = A + 'timeout = "3s"\nfile = "list"\nwait = "1m"\nsize = "2KB"\ndepth = { most = 3 }\n'

    (found,) = site(tmp_path, text).found_plugins

    assert (found.name, found.table.timeout, found.table.on_error) == ("a", 3.0, None)
    assert found.options.model_dump() == {
        "words": "no", "file": tmp_path / "list", "wait": 60.0, "size": 2048, "depth": {"most": 3},
    }  # fmt: skip
    assert found.kind.abstains


def test_their_order(tmp_path: Path) -> None:
    """That of the file for starting, that of the list for asking."""
    text = A + A.replace(".a]", ".b]") + A.replace(".a]", ".c]")

    read = site(tmp_path, text, '["c", "a"]')

    assert [each.name for each in read.found_plugins] == ["a", "b", "c"]
    assert read.listen["mx"].plugins == ("c", "a")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[plugins.a]\n", "plugins.a.use: is missing"),
        ("[plugins]\na = 1\n", "plugins.a: must be a table"),
        (A.replace("Plugin", "Plugn"), "plugins.a.use: config_test_plugin, which is "),
        (A.replace("_plugin:", "_plugn:"), "plugins.a.use: config_test_plugn:Plugin can't be imported: ModuleNotFound"),
        ('[plugins.a]\nuse = "no such"\n', "plugins.a.use: no such is offered by no installed package; "),
        (A + "timeout = 5\n", "plugins.a.timeout: "),
        (A + 'timeout = "0s"\n', "plugins.a.timeout: "),
        (A + 'on_error = "ignore"\n', 'plugins.a.on_error: must be "refuse" or "abstain"'),
        (A + 'may_send_anywhere = "yes"\n', "plugins.a.may_send_anywhere: must be true or false"),
        (A + "words = 1\n", "plugins.a.words: must be a text, in quotes"),
        (A + 'word = "x"\n', "plugins.a.word: is unknown; did you mean words?"),
        (A + 'tiemout = "1s"\n', "plugins.a.tiemout: is unknown; did you mean timeout?"),
        (A + "most = 2\n", "plugins.a.most: is unknown; did you mean plugins.a.depth.most?"),
        (A + 'zzz = "x"\n', "plugins.a.zzz: is unknown"),
        (A + "depth = { mist = 2 }\n", "plugins.a.depth.mist: is unknown; did you mean most?"),
        (A + "depth = 2\n", "plugins.a.depth: must be a table"),
        (A.replace("Plugin", "Bare") + "x = 1\n", "plugins.a.x: is unknown"),
        (A + A.replace(".a]", ".A]"), "plugins.A: would have the tables of plugins.a: give it another name"),
    ],
)
def test_one_mistake(tmp_path: Path, text: str, problem: str) -> None:
    """Its key path, what is wrong, and what would be right."""
    (found,) = problems(tmp_path, text)

    assert found.startswith(problem)


@pytest.mark.parametrize(
    ("names", "problem"),
    [
        ('["a", "aa"]', "listen.mx.plugins: aa is unknown; did you mean a?"),
        ('["dns list"]', 'listen.mx.plugins: dns list is unknown; plugins."dns list" is missing'),
        ('["a", "a"]', "listen.mx.plugins: a is named twice"),
        ('"a"', "listen.mx.plugins: "),
        ("[1]", "listen.mx.plugins[0]: must be a text, in quotes"),
    ],
)
def test_lists_of_listeners(tmp_path: Path, names: str, problem: str) -> None:
    """Only what has a table can be asked, and once."""
    (found,) = problems(tmp_path, A, names)

    assert found.startswith(problem)


@pytest.mark.parametrize(
    ("table", "problem"),
    [
        ('plugins = ["a", "aa"]', "relay.plugins: aa is unknown; did you mean a?"),
        ('plugins = ["zzz"]', "relay.plugins: zzz is unknown; plugins.zzz is missing"),
        ('plugins = ["a", "a"]', "relay.plugins: a is named twice"),
        ('plugins = "a"', "relay.plugins: must be an array"),
        ("plugins = [true]", "relay.plugins[0]: must be a text, in quotes"),
        ('networks = ["10.0.0.0/8"]', "relay.networks: is unknown"),
        ('plugin = ["a"]', "relay.plugin: is unknown; did you mean plugins?"),
    ],
)
def test_the_list_of_relay(tmp_path: Path, table: str, problem: str) -> None:
    """As for listeners; and nothing else can be said there."""
    (found,) = problems(tmp_path, f"{A}[relay]\n{table}\n")

    assert found == problem


def test_relay_that_is_no_table(tmp_path: Path) -> None:
    """One mistake, not two."""
    assert problems(tmp_path, A, base=BASE.replace("[server]", 'relay = ["a"]\n[server]')) == ["relay: must be a table"]


def test_relay(tmp_path: Path) -> None:
    """Nobody grants anything unless it is said."""
    assert site(tmp_path, A).relay.plugins == ()
    assert site(tmp_path, A + '[relay]\nplugins = ["a"]\n').relay.plugins == ("a",)


def test_everything_at_once(tmp_path: Path) -> None:
    """What is wrong with plugins is told with all else, though their modules find it."""
    text = '[plugins.a]\nuse = "config_test_plugin:Plugin"\nword = 1\nsize = "x"\n[plugins.b]\nuse = "nobody"\n'

    found = problems(tmp_path, text + "[limits]\nhops = 0\n", '["c"]', BASE.replace("hostname", "hostnam"))

    assert [each.partition(": ")[0] for each in found] == [
        "server.hostname", "server.hostnam", "limits.hops", "plugins.a.size", "plugins.a.word",
        "plugins.b.use", "listen.mx.plugins",
    ]  # fmt: skip


def test_a_path_that_is_none(tmp_path: Path) -> None:
    """Modules are looked for elsewhere then."""
    found = problems(tmp_path, A, base=BASE.replace('["plugins"]', "[1]"))

    assert found[0] == "plugin_path[0]: must be a path, in quotes"


@pytest.mark.parametrize("role", ["pop3", "imap"])
def test_where_no_mail_comes_in(tmp_path: Path, role: str) -> None:
    """Nobody asks plugins there."""
    listener = (
        f'[tls]\ncertificate = "c"\nkey = "k"\n[listen.x]\nendpoint = "tcp:1"\nrole = "{role}"\nplugins = ["a"]\n'
    )

    (found,) = problems(tmp_path, A + listener)

    assert found == f"listen.x: plugins has no meaning on a listener of role {role}"


def test_the_shipped_sample() -> None:
    """What etc/mta.toml says of plugins, uncommented, is what it would be in a site file, with the plugin beside it."""
    sample = Path(__file__).parents[2] / "etc" / "mta.toml"
    part = sample.read_text().partition("# Plugins: ")[2].partition("# Routes ")[0]
    text = "\n".join(line.removeprefix("#   ") for line in part.splitlines() if line.startswith("#   "))
    top, _, tables = text.replace("[listen.mx]", LISTENER).partition("\n[")

    read = parse_site(BASE.replace('plugin_path = ["plugins"]', top) + "[" + tables, sample.parent, "sample")

    assert [each.name for each in read.found_plugins] == ["lists", "senders", "authentication", "scanners"]
    assert read.relay.plugins == ("scanners",)
    assert read.listen["mx"].plugins == ("lists", "senders", "authentication")
    assert not read.plugins["senders"].may_send_anywhere
