"""`twistd mta`: options, and the service that twistd starts."""

from __future__ import annotations

import atexit
import gc
import os
import resource
import signal
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import ClassVar, Final, NoReturn, TextIO, cast

from twisted.application.service import MultiService, Service
from twisted.internet.interfaces import IReactorFromThreads, IReactorTime
from twisted.logger import ILogObserver, Logger
from twisted.python.components import Componentized
from twisted.python.usage import Options as TwistdOptions

from twistedmail_mta.checks.finding import errors_of
from twistedmail_mta.checks.local import findings_of
from twistedmail_mta.config.load import read_site
from twistedmail_mta.config.logging import LogTable
from twistedmail_mta.config.problems import ConfigError, Problem
from twistedmail_mta.config.site import Site
from twistedmail_mta.config.trial import NAMES, ChosenSite, Trial, choose_site, open_trial, trial_site, welcome
from twistedmail_mta.observe.forms import Style, form_of, is_journal
from twistedmail_mta.observe.lines import IReactorLines, LineLog
from twistedmail_mta.observe.masking import KEY_SIZE
from twistedmail_mta.policy.stalls import StallWatch
from twistedmail_mta.privileges import PrivilegeError, User, become, find_user, running_user
from twistedmail_mta.store.owner import kept_secret, make_state_directory
from twistedmail_mta.tls.certificates import write_self_signed

log = Logger()

LOG_KEY_NAME: Final = "log.secret"
"""The file in the state directory with what addresses in the log are hashed with."""

SWITCH_INTERVAL: Final = 1e-4
"""Seconds a busy thread keeps the interpreter from the others.  With Python's
default of 5 ms the database's writer waits that long after every statement."""


COLLECT_AFTER: Final = 10_000
"""Objects that must come in excess of those that go before a search for garbage.
Hardly any message leaves cycles, so with Python's default of 700 most of the
searches, a tenth of all work, were for nothing."""


class Options(TwistdOptions):
    """The options of `twistd mta`."""

    optParameters: ClassVar[list[list[str | None]]] = [  # noqa: N815 - Twisted's name
        ["config", "c", None, "The site file (default: $MTA_CONFIG, ./mta.toml, /etc/mta/mta.toml, else a trial site)."]
    ]


def makeService(options: Options) -> MultiService:  # noqa: N802 - Twisted's name
    """Return the service of a site; a site that can't be served ends the program with a list of reasons."""
    from twisted.internet import reactor  # noqa: PLC0415 - importing it installs it

    from twistedmail_mta.app import SiteService  # noqa: PLC0415 - `twistd --help` doesn't wait for it
    from twistedmail_mta.composition.parts import IReactorSite  # noqa: PLC0415 - nor for this

    sys.setswitchinterval(SWITCH_INTERVAL)
    raise_file_limit()
    try:
        chosen = choose_site(options["config"], os.environ, Path.cwd())
        trial = _prepare_trial(chosen.site) if chosen.is_trial else None
        user = _prepare(chosen)
        to_stdout = logs_to_stdout(options)
        check_log(chosen, to_stdout=to_stdout)
        style = style_of(chosen.site, sys.stdout, os.environ)
    except (ConfigError, PrivilegeError, OSError) as error:
        _refuse(str(error))
    read = partial(read_again, chosen, Path.cwd())
    site_service = SiteService(cast(IReactorSite, reactor), chosen.site, trial, end_in_failure, read)
    whole = service_of(site_service, site_service.reload, user, cast(IReactorFromThreads, reactor))
    StallWatch(cast(IReactorTime, reactor), site_service.plugins).setServiceParent(whole)
    if to_stdout:
        whole.lines = LineLog(sys.stdout, cast(IReactorLines, reactor), form_of(style))
        reactor.callWhenRunning(whole.lines.start)
        reactor.addSystemEventTrigger("after", "shutdown", whole.lines.stop)
    return whole


def service_of(site_service: Service, reload: Callable[[], object], user: User, reactor: IReactorFromThreads) -> Whole:
    """Return the whole: ports are bound first, then root is given up, then the site starts.

    Args:
        site_service: binds its ports in `privilegedStartService`.
        reload: called at SIGHUP.
        user: whom the process becomes.
        reactor: calls `reload`.
    """
    whole = Whole()
    UserChange(user).setServiceParent(whole)  # before the site: services start in this order
    site_service.setServiceParent(whole)
    ReloadSignal(reactor, reload).setServiceParent(whole)
    RareCollection().setServiceParent(whole)
    return whole


class Whole(MultiService):
    """All that twistd starts.

    Attributes:
        lines: where log events go; None for what twistd's options say.
    """

    lines: LineLog | None = None

    def setServiceParent(self, parent: Componentized) -> None:  # noqa: N802 - Twisted's name
        """Become part of an application, which twistd asks where log events go."""
        if self.lines is not None:
            parent.setComponent(ILogObserver, self.lines)
        super().setServiceParent(parent)


class UserChange(Service):
    """Becomes the user of the site file, once every port is bound."""

    def __init__(self, user: User) -> None:
        self._user = user

    def startService(self) -> None:  # noqa: N802 - Twisted's name
        """Give up root for good, unless twistd's --uid has done so."""
        super().startService()
        if os.geteuid() == 0:
            become(self._user)


class RareCollection(Service):
    """Searches for garbage less often, and never among what the program was made of."""

    def startService(self) -> None:  # noqa: N802 - Twisted's name
        """Exempt whatever lives now: modules, and the parts of the site."""
        super().startService()
        self._usual = gc.get_threshold()
        gc.collect()
        gc.freeze()
        gc.set_threshold(COLLECT_AFTER)

    def stopService(self) -> None:  # noqa: N802 - Twisted's name
        """Leave the interpreter as it was, for whoever goes on in it."""
        super().stopService()
        gc.unfreeze()
        gc.set_threshold(*self._usual)


class ReloadSignal(Service):
    """Calls a function whenever SIGHUP comes."""

    def __init__(self, reactor: IReactorFromThreads, reload: Callable[[], object]) -> None:
        self._reactor = reactor
        self._reload = reload

    def startService(self) -> None:  # noqa: N802 - Twisted's name
        """Begin to listen for the signal."""
        super().startService()
        signal.signal(signal.SIGHUP, lambda *_: self._reactor.callFromThread(self._reload))


def logs_to_stdout(options: Options) -> bool:
    """Whether twistd's own options leave the log on standard output."""
    twistd: Mapping[str, object] = options.parent or {}
    elsewhere = any(twistd.get(name) for name in ("logger", "syslog")) or twistd.get("logfile") not in {None, "-"}
    return bool(twistd.get("nodaemon")) and not elsewhere


def check_log(chosen: ChosenSite, *, to_stdout: bool) -> None:
    """See that what the site file says of the log is done.

    Args:
        chosen: the site.
        to_stdout: the log is ours to write, and not sent elsewhere by twistd's options.

    Raises:
        ConfigError: it isn't.
    """
    if not to_stdout and chosen.site.log != LogTable():
        text = "counts where twistd writes to standard output: with --nodaemon, without --logfile, --syslog, --logger"
        raise ConfigError(str(chosen.source), [Problem("log", text)])


def style_of(site: Site, stream: TextIO, environment: Mapping[str, str]) -> Style:
    """Return how the log is written.

    Args:
        site: the site file; its state directory is there.
        stream: where the log goes.
        environment: that of the process.

    Raises:
        OSError: the secret that addresses are hashed with can't be read or made.
    """
    secret = None
    if site.log.addresses == "hash":
        secret = kept_secret(site.server.state_dir / LOG_KEY_NAME, KEY_SIZE)
    return Style(site.log.format, secret, is_journal(stream, environment))


def raise_file_limit() -> None:
    """Let the process open as many files as it may: each connection is one, and shells allow few."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def end_in_failure() -> None:
    """Let the process end with status 1 whenever it ends: twistd knows of no failure once the reactor runs."""
    atexit.register(_leave)


def _leave() -> None:
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(1)


def _prepare_trial(site: Site) -> Trial:
    trial = open_trial(site.server.state_dir)
    if site.tls is not None and not (site.tls.certificate.exists() and site.tls.key.exists()):
        write_self_signed(site.tls.certificate, site.tls.key, NAMES, datetime.now(UTC))
    print(welcome(site, trial), flush=True)  # noqa: T201 - it is for the screen
    return trial


def read_again(chosen: ChosenSite, folder: Path) -> Site:
    """Read the site file of a server that runs; the trial site stays the trial site.

    Args:
        chosen: what the server was started with.
        folder: the working directory at its start.

    Raises:
        ConfigError: it can't be used.
    """
    return trial_site(folder) if chosen.source is None else read_site(folder / chosen.source)


def _prepare(chosen: ChosenSite) -> User:
    site = chosen.site
    findings = list(findings_of(site, datetime.now(UTC)))
    if errors := errors_of(findings):
        raise ConfigError(str(chosen.source or "the trial site"), [Problem(item.path, item.words) for item in errors])
    if not chosen.is_trial:
        for finding in findings:
            tell = log.info if finding.level == "note" else log.warn
            tell("{path}: {text}", path=finding.path, text=finding.words, event="site.warning")
    make_state_directory(site.server.state_dir, site.server.user)
    return find_user(site.server.user) if site.server.user else running_user()


def _refuse(reasons: str) -> NoReturn:
    print(reasons, file=sys.stderr)  # noqa: T201 - before any log
    raise SystemExit(1)
