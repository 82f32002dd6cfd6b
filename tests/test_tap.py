"""`twistd mta`: refusals at the start, the order of the start, and SIGHUP."""

from __future__ import annotations

import gc
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from twisted.application.service import Service

from twistedmail_mta.config.load import parse_site
from twistedmail_mta.config.problems import ConfigError
from twistedmail_mta.config.site import Site
from twistedmail_mta.config.trial import ChosenSite
from twistedmail_mta.privileges import running_user
from twistedmail_mta.tap import COLLECT_AFTER, Options, check_log, raise_file_limit, service_of

ROOT = Path(__file__).parents[1]
TWISTD = "from twisted.scripts.twistd import run; run()"
UNSERVABLE = """\
config_version = 1
[server]
hostname = "a.b"
state_dir = "s"
admin = "a@b.c"
user = "no-such-user"
[tls]
certificate = "none"
key = "none"
[listen.mx]
endpoint = "tcp:0"
role = "mx"
"""


class Recorder(Service):
    """A service that remembers how it was started."""

    def __init__(self) -> None:
        self.steps: list[str] = []

    def privilegedStartService(self) -> None:  # noqa: N802 - Twisted's name
        self.steps.append("bind")

    def startService(self) -> None:  # noqa: N802 - Twisted's name
        self.steps.append(f"start as {os.geteuid()}")

    def reload(self) -> None:
        self.steps.append("reload")


class ThreadCalls:
    """A reactor that calls at once."""

    def callFromThread(self, function: Callable[[], object]) -> None:  # noqa: N802
        function()


@pytest.fixture(autouse=True)
def _keep_sighup() -> Iterator[None]:
    before = signal.getsignal(signal.SIGHUP)
    yield
    signal.signal(signal.SIGHUP, before)


def test_config_option() -> None:
    """Both spellings; without it the search order decides."""
    for arguments, config in ((["--config", "x"], "x"), (["-c", "y"], "y"), ([], None)):
        options = Options()
        options.parseOptions(arguments)
        assert options["config"] == config


def test_sighup_reloads() -> None:
    """The signal reaches the site's reload, on the reactor's thread."""
    recorder = Recorder()
    whole = service_of(recorder, recorder.reload, running_user(), ThreadCalls())
    whole.startService()

    os.kill(os.getpid(), signal.SIGHUP)
    whole.stopService()

    assert recorder.steps[-1] == "reload"


def test_garbage_is_searched_for_less_often_while_the_site_runs() -> None:
    """What the program is made of is exempt; afterwards the interpreter is as before."""
    usual, recorder = gc.get_threshold(), Recorder()
    whole = service_of(recorder, recorder.reload, running_user(), ThreadCalls())

    whole.startService()
    running = gc.get_threshold()[0], gc.get_freeze_count() > 0
    whole.stopService()

    assert running == (COLLECT_AFTER, True)
    assert (gc.get_threshold(), gc.get_freeze_count()) == (usual, 0)


@pytest.mark.parametrize(
    ("twistd", "ours"),
    [
        (["--nodaemon", "--pidfile="], True),
        (["--nodaemon", "--pidfile=", "--logfile=-"], True),
        (["--nodaemon", "--pidfile=", "--logfile=x"], False),
        (["--nodaemon", "--pidfile=", "--logger=twisted.logger.LogPublisher"], False),
    ],
)
def test_who_writes_the_log(twistd: list[str], ours: bool, tmp_path: Path) -> None:
    """Standard output gets our lines; what twistd's options name elsewhere stays Twisted's business."""
    script = (
        "import sys\n"
        "from twisted.scripts.twistd import ServerOptions\n"
        "from twistedmail_mta.tap import logs_to_stdout\n"
        "options = ServerOptions(); options.parseOptions(sys.argv[1:])\n"
        "print(logs_to_stdout(options.subOptions))\n"
    )

    assert run("-c", script, *twistd, "mta", folder=tmp_path).stdout == f"{ours}\n"


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_root_is_given_up_between_binding_and_starting() -> None:
    """Ports are bound as root; files are opened as the user of the site file."""
    script = (
        "from test_tap import *; from twistedmail_mta.privileges import find_user\n"
        "recorder, user = Recorder(), find_user('nobody')\n"
        "whole = service_of(recorder, recorder.reload, user, ThreadCalls())\n"
        "whole.privilegedStartService(); whole.startService()\n"
        "print(recorder.steps == ['bind', f'start as {user.uid}'])\n"
    )

    assert run("-c", script).stdout == "True\n"


def run(*arguments: str, folder: Path = ROOT) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join((str(ROOT / "plugins"), str(ROOT), str(ROOT / "tests")))
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": path},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.mark.parametrize(
    ("text", "reasons"),
    [
        ("config_version = 1\n[server]\nhostnam = 3\n", ["server.hostname: is missing", "server.hostnam: is unknown"]),
        (UNSERVABLE, ["server.user: there is no user no-such-user", "none can't be read: No such file"]),
    ],
)
def test_a_site_that_cannot_be_served(tmp_path: Path, text: str, reasons: list[str]) -> None:
    """Every reason on standard error, exit status 1, no traceback."""
    (tmp_path / "mta.toml").write_text(text)

    done = run("-c", TWISTD, "-n", "--pidfile=", "mta", folder=tmp_path)

    assert done.returncode == 1
    assert all(reason in done.stderr for reason in reasons)
    assert "Traceback" not in done.stderr + done.stdout
    assert not (tmp_path / "s").exists()


def test_as_many_files_as_may_be() -> None:
    """A shell's low limit doesn't become the limit of connections."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(soft, 256), hard))
    try:
        raise_file_limit()
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == (hard, hard)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.parametrize("said", ['format = "json"', 'addresses = "hash"'])
def test_a_log_that_others_write(tmp_path: Path, said: str) -> None:
    """Addresses aren't written in clear because twistd was told to write the log itself: the start is refused."""
    chosen = ChosenSite(parsed_site(said), Path("mta.toml"))

    with pytest.raises(ConfigError, match="log: counts where twistd writes to standard output"):
        check_log(chosen, to_stdout=False)

    check_log(chosen, to_stdout=True)
    check_log(ChosenSite(parsed_site(""), Path("mta.toml")), to_stdout=False)


def parsed_site(log: str) -> Site:
    text = (
        'config_version = 1\n[server]\nhostname = "a.test"\nstate_dir = "s"\nadmin = "p@a.test"\n'
        f'[listen.mx]\nendpoint = "tcp:25"\nrole = "mx"\n[log]\n{log}\n'
    )
    return parse_site(text, Path(), "mta.toml")
