"""`mta plugin`, and what `mta check` says of plugins."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from mta_command import CHECK, SITE, Command

CHECKOUT = Path(__file__).parents[2]

PLUGINS = """\
from zope.interface import implementer
from twistedmail_mta.stages import IConnectPolicy, IDeliveredObserver, IMessagePolicy, IRelayGrant, IRoutePolicy

@implementer(IConnectPolicy, IMessagePolicy)
class Judge:
    on_error = "abstain"
    def __init__(self, options, kit):
        pass
    async def connected(self, client): ...
    async def message(self, client, message): ...

@implementer(IDeliveredObserver)
class Notes:
    def __init__(self, options, kit):
        self.ask = kit.resolver.texts
    async def delivered(self, attempt): ...

class Bad(Notes):
    def __init__(self, options, kit):
        raise OSError("no such list")

class Early(Notes):
    def __init__(self, options, kit):
        kit.database.write(print)

class Plain(Notes):
    def delivered(self, attempt): ...

@implementer(IRelayGrant)
class Office:
    def __init__(self, options, kit):
        pass
    async def may_relay(self, client, mail, recipient): ...

@implementer(IRoutePolicy)
class Ways:
    def __init__(self, options, kit):
        pass
    async def routed(self, leaving): ...
"""


@pytest.fixture
def with_plugins(command: Command) -> Command:
    """A site with two plugins that work, one of which a listener asks."""
    folder = command.file.parent / "plugins"
    folder.mkdir()
    (folder / "cli_test_plugins.py").write_text(PLUGINS)
    folder.chmod(0o755)
    (folder / "cli_test_plugins.py").chmod(0o644)
    write(command, 'plugins = ["judge"]\n', use(judge="Judge", notes="Notes"))
    return command


def use(**names: str) -> str:
    return "".join(f'[plugins.{name}]\nuse = "cli_test_plugins:{kind}"\n' for name, kind in names.items())


def write(command: Command, listener: str, tables: str) -> None:
    command.file.write_text('plugin_path = ["plugins"]\n' + SITE + listener + tables)


def test_list(with_plugins: Command) -> None:
    """What they are called, where they act, who asks them, and what their failures mean."""
    assert with_plugins.json("plugin", "list") == [
        {
            "name": "judge",
            "use": "cli_test_plugins:Judge",
            "stages": ["connected", "message"],
            "listeners": ["mx"],
            "timeout": 10.0,
            "on_error": "abstain",
            "may_send_anywhere": False,
            "relay": None,
            "counts": None,
        },
        {
            "name": "notes",
            "use": "cli_test_plugins:Notes",
            "stages": ["delivered"],
            "listeners": [],
            "timeout": 10.0,
            "on_error": "refuse",
            "may_send_anywhere": False,
            "relay": None,
            "counts": None,
        },
    ]
    lines = with_plugins("plugin", "list").output.splitlines()
    assert lines[0].split() == ["NAME", "USE", "STAGES", "LISTENERS", "TIMEOUT", "ON", "ERROR", "ASKED", "FAILED"]
    assert lines[1].split() == [
        "judge",
        "cli_test_plugins:Judge",
        "connected",
        "message",
        "mx",
        "10s",
        "abstain",
        "-",
        "-",
    ]


def test_no_plugins(command: Command) -> None:
    """Nothing to list, nothing wrong."""
    assert command("plugin", "list").output == "The site file has no plugins.\n"
    assert command.json("plugin", "list") == []
    assert command("plugin", "check").output == "The site file has no plugins.\n"


def test_check(with_plugins: Command) -> None:
    """All can be made; one that only takes note need not be asked by anybody."""
    assert with_plugins("plugin", "check").output == "All 2 plugins can be used.\n"
    assert with_plugins.json("plugin", "check") == {"file": str(with_plugins.file), "ok": True, "findings": []}
    assert with_plugins.worries() == []


def test_nobody_asks(with_plugins: Command) -> None:
    """Worth a warning, no more."""
    write(with_plugins, "", use(judge="Judge"))

    for command in (("plugin", "check"), CHECK):
        result = with_plugins(*command)
        assert result.exit_code == 0
        assert "warning: plugins.judge: is asked by no listener\n    name it in the plugins of one\n" in result.output


def test_one_that_says_which_way_mail_goes(with_plugins: Command) -> None:
    """The queue asks it, though no listener names it."""
    write(with_plugins, "", use(ways="Ways"))

    assert with_plugins.worries() == []
    (item,) = with_plugins.json("plugin", "list")
    assert (item["stages"], item["listeners"]) == (["routed"], [])


def test_one_that_may_let_mail_be_sent_on(with_plugins: Command) -> None:
    """Named under [relay] it is asked, though no listener names it."""
    write(with_plugins, "", use(office="Office") + '[relay]\nplugins = ["office"]\n')

    assert with_plugins.worries() == []
    (item,) = with_plugins.json("plugin", "list")
    assert (item["stages"], item["relay"]) == (["may_relay"], True)


def test_one_that_could(with_plugins: Command) -> None:
    """What nobody asks is said, by the list, too: a listener's list doesn't count."""
    write(with_plugins, 'plugins = ["office"]\n', use(office="Office"))

    for command in (("plugin", "check"), CHECK):
        result = with_plugins(*command)
        assert result.exit_code == 0
        text = "can let strangers' mail be sent on, and never does: relay.plugins doesn't name it"
        assert f"warning: plugins.office: {text}\n" in result.output
    assert with_plugins.json("plugin", "list")[0]["relay"] is False
    assert "may_relay (not asked: not in relay.plugins)" in with_plugins("plugin", "list").output


def test_one_that_can_not(with_plugins: Command) -> None:
    """A name that came under [relay] by mistake keeps the server from starting."""
    tables = use(office="Office", judge="Judge") + '[relay]\nplugins = ["office", "judge"]\n'
    write(with_plugins, 'plugins = ["judge"]\n', tables)

    for command in (("plugin", "check"), CHECK):
        result = with_plugins(*command)
        assert result.exit_code == 1
        assert "error: relay.plugins[1]: judge provides no IRelayGrant" in result.output


def test_relay_without_a_listener_that_asks(with_plugins: Command) -> None:
    """Where only logins and LMTP come in, nobody is asked."""
    site = SITE.replace('role = "mx"', 'role = "lmtp"').replace("tcp:2525", "tcp:2424:interface=127.0.0.1")
    with_plugins.file.write_text(
        'plugin_path = ["plugins"]\n' + site + use(office="Office") + '[relay]\nplugins = ["office"]\n'
    )

    result = with_plugins(*CHECK)

    assert result.exit_code == 0
    assert (
        "warning: relay.plugins: are asked by nobody: only listeners of role mx ask whether to relay" in result.output
    )


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("Bad", "plugin x can't be made: OSError: no such list"),
        ("Early", "plugin x can't be made: RuntimeError: write is used before the plugin is started"),
        ("Plain", "plugin x: delivered, of IDeliveredObserver, must be an async method"),
    ],
)
def test_what_the_server_would_not_start_with(with_plugins: Command, kind: str, words: str) -> None:
    """Named by both commands, with exit status 1; the list shows it without stages."""
    write(with_plugins, "", use(x=kind, notes="Notes"))

    for command in (("plugin", "check"), CHECK):
        result = with_plugins(*command)
        assert result.exit_code == 1
        assert f"error: plugins.x: {words}\n" in result.output
    assert with_plugins("plugin", "check").output.endswith("The server won't start with these plugins.\n")
    assert [item["stages"] for item in with_plugins.json("plugin", "list")] == [[], ["delivered"]]
    assert "(can't be made)" in with_plugins("plugin", "list").output


def test_what_is_not_there(with_plugins: Command) -> None:
    """The site file can't be read then, as `mta check` says at length."""
    write(with_plugins, "", use(x="None"))

    result = with_plugins(*CHECK)

    assert result.exit_code == 1
    assert "error: plugins.x.use: cli_test_plugins, which is " in result.output
    assert with_plugins("plugin", "check").exit_code == 1


def test_new(command: Command, tmp_path: Path) -> None:
    """What is written passes its own test as it is, and can be used as it is said."""
    folder = tmp_path / "mine"
    folder.mkdir()

    result = command("plugin", "new", "cli_test_new", "--folder", str(folder))

    assert result.exit_code == 0
    assert sorted(path.name for path in folder.iterdir()) == ["cli_test_new.py", "test_cli_test_new.py"]
    environment = {**os.environ, "PYTHONPATH": str(CHECKOUT)}
    environment.pop("PYTEST_ADDOPTS", None)
    options = ["-q", "-p", "no:cacheprovider", f"--rootdir={folder}", "-c", os.devnull]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options, str(folder)],
        cwd=folder, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "5 passed" in done.stdout
    assert 'use = "cli_test_new:CliTestNew"' in result.output
    command.file.write_text(
        f'plugin_path = ["{folder}"]\n{SITE}plugins = ["x"]\n[plugins.x]\nuse = "cli_test_new:CliTestNew"\n'
    )
    assert command("plugin", "check").output == "The plugin can be used.\n"


def test_new_is_in_style(command: Command, tmp_path: Path) -> None:
    """Nobody has to mend what was given."""
    command("plugin", "new", "cli_test_style", "--folder", str(tmp_path))
    for path in tmp_path.glob("*.py"):
        text = path.read_text()
        assert "@" not in text.replace("@implementer", "").replace("@pytest", "").replace("@home", "").replace(
            "@sender", ""
        )
        assert max(map(len, text.splitlines())) <= 120


def test_new_overwrites_nothing(command: Command, tmp_path: Path) -> None:
    """Neither the plugin nor its test."""
    (tmp_path / "test_cli_test_kept.py").write_text("kept")

    result = command("plugin", "new", "cli_test_kept", "--folder", str(tmp_path))

    assert result.exit_code == 1
    assert "exists already" in result.output
    assert not (tmp_path / "cli_test_kept.py").exists()


@pytest.mark.parametrize("name", ["a-b", "1a", "A", "class", "", "a.b", "../x", "\u00e4"])
def test_new_names_that_are_none(command: Command, tmp_path: Path, name: str) -> None:
    """It becomes a module."""
    result = command("plugin", "new", name, "--folder", str(tmp_path))

    assert result.exit_code == 2
    assert "must be letters" in result.output


def test_new_names_that_are_taken(command: Command, tmp_path: Path) -> None:
    """Such a module would never be found."""
    assert "Python has a module email already" in command("plugin", "new", "email", "--folder", str(tmp_path)).output


def test_folders_that_others_can_write_to(with_plugins: Command) -> None:
    """Their modules are imported as root: worth a warning, as is a folder that isn't there."""
    folder = with_plugins.file.parent / "plugins"
    (folder / "cli_test_plugins.py").chmod(0o664)
    with_plugins.file.write_text(with_plugins.file.read_text().replace('["plugins"]', '["plugins", "none"]'))

    result = with_plugins(*CHECK)

    assert result.exit_code == 0
    assert f"warning: plugin_path[0]: {folder / 'cli_test_plugins.py'} can be changed by others" in result.output
    assert f"warning: plugin_path[1]: there is no folder {folder.parent / 'none'}" in result.output
    folder.chmod(0o777)
    assert f"warning: plugin_path[0]: {folder} can be changed by others" in with_plugins(*CHECK).output
