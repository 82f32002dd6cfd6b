"""Sessions whose login ends while they go on: told once, soon, and only those it concerns."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from directory_in_memory import TIM, Directory
from hypothesis import given, settings
from hypothesis import strategies as st
from zope.interface import implementer
from zope.interface.verify import verifyObject

from twistedmail_mta.directory.accounts import Standing
from twistedmail_mta.directory.live_logins import AT_ONCE, RECENT, LiveLogins
from twistedmail_mta.directory.tables import change_account, remove_account, set_password
from twistedmail_mta.errors import TemporaryError
from twistedmail_mta.interfaces import IChanges, ILogins
from twistedmail_mta.model import Reply

ANN = "ann@example.org"


@implementer(IChanges)
class Changes:
    def __init__(self) -> None:
        self.notice: Callable[[], None] = lambda: None

    def subscribe(self, changed: Callable[[], None]) -> None:
        self.notice = changed


@dataclass(frozen=True)
class Avatar:
    account: str
    standing: Standing


@dataclass
class Sessions:
    """Live logins over a directory in memory; each session that ends is counted by its name."""

    directory: Directory = field(default_factory=Directory)

    def __post_init__(self) -> None:
        self.changes = Changes()
        self.logins = LiveLogins(self.directory.database, self.changes, self.directory.clock)
        self.ended: list[str] = []
        for name in (TIM, ANN):
            self.directory.add(name, protocols=("smtp", "pop3"))

    def begin(self, name: str, protocol: str = "smtp", label: str = "") -> Callable[[], None]:
        """Log in and watch; return what stops that."""
        (row,) = self.directory.database.connection.execute(
            "SELECT id, credential_version FROM accounts WHERE address = ?", (name,)
        )
        avatar = Avatar(name, Standing(*row, protocol))
        return self.logins.watch(avatar, lambda: self.ended.append(label or name))

    def tell(self) -> None:
        """Let the server hear of what was changed, and look."""
        self.changes.notice()
        self.directory.clock.advance(0)


@pytest.fixture
def sessions() -> Sessions:
    """Return sessions of tim and ann."""
    return Sessions()


def test_the_seam_is_kept(sessions: Sessions) -> None:
    """It is what the roles expect."""
    assert verifyObject(ILogins, sessions.logins)


CHANGES: list[Callable[[Any, Directory], None]] = [
    lambda tables, directory: set_password(tables, TIM, directory.store("new")),
    lambda tables, directory: set_password(tables, TIM, None),
    lambda tables, _: change_account(tables, TIM, enabled=False),
    lambda tables, _: change_account(tables, TIM, protocols=["pop3"]),
    lambda tables, _: remove_account(tables, TIM),
]


@pytest.mark.parametrize("change", CHANGES, ids=["password", "external", "disabled", "protocol", "removed"])
def test_what_ends_a_login(sessions: Sessions, change: Callable[[Any, Directory], None]) -> None:
    """Each session of that account is told, once; others aren't."""
    sessions.begin(TIM, label="one")
    sessions.begin(TIM, label="two")
    sessions.begin(ANN)

    change(sessions.directory.database.connection, sessions.directory)
    sessions.tell()
    sessions.tell()

    assert sorted(sessions.ended) == ["one", "two"]


def test_other_protocols_go_on(sessions: Sessions) -> None:
    """A protocol that is withdrawn ends the sessions of that protocol alone."""
    sessions.begin(TIM, "smtp", "smtp")
    sessions.begin(TIM, "pop3", "pop3")

    change_account(sessions.directory.database.connection, TIM, protocols=["smtp"])
    sessions.tell()

    assert sessions.ended == ["pop3"]


def test_removed_and_added_anew(sessions: Sessions) -> None:
    """An account of the same name is another one."""
    sessions.begin(TIM)
    remove_account(sessions.directory.database.connection, TIM)
    sessions.directory.add(TIM)

    sessions.tell()

    assert sessions.ended == [TIM]


def test_what_ends_no_login(sessions: Sessions) -> None:
    """Rights to send and other people's accounts are no reason."""
    sessions.begin(TIM)
    change_account(sessions.directory.database.connection, TIM, send_as=["*@example.net"])
    change_account(sessions.directory.database.connection, ANN, enabled=False)

    sessions.tell()

    assert sessions.ended == []


def test_session_that_is_over(sessions: Sessions) -> None:
    """Nobody is told after the session has ended, also when one session ends another."""
    stop = sessions.begin(TIM)
    stop()
    stop()
    others: list[Callable[[], None]] = []

    def end_the_others() -> None:
        sessions.ended.append("first")
        for other in others:
            other()

    (row,) = sessions.directory.database.connection.execute("SELECT id, credential_version FROM accounts LIMIT 1")
    others += [sessions.logins.watch(Avatar(TIM, Standing(*row, "smtp")), end_the_others) for _ in range(3)]

    change_account(sessions.directory.database.connection, TIM, enabled=False)
    sessions.tell()

    assert sessions.ended == ["first"]


def test_changes_elsewhere_cost_one_row(sessions: Sessions) -> None:
    """Each commit of another process is noticed; only those that touch logins make accounts be read."""
    for _ in range(3):
        sessions.begin(TIM)
    sessions.tell()
    sessions.directory.clock.advance(RECENT)
    before = sessions.directory.database.reads

    for _ in range(10):
        sessions.tell()

    assert sessions.directory.database.reads == before + 10


def test_new_sessions_cost_nothing_when_no_login_has_changed(sessions: Sessions) -> None:
    """However busy other processes are with the mail."""
    sessions.tell()
    sessions.directory.clock.advance(RECENT)
    sessions.tell()
    before = sessions.directory.database.reads

    sessions.begin(TIM)
    sessions.directory.clock.advance(1)

    assert sessions.directory.database.reads == before


def test_many_sessions_are_read_in_parts() -> None:
    """Ten thousand sessions are looked through some hundred accounts a read, and one of them is found."""
    sessions = Sessions()
    for number in range(10_000):
        avatar = Avatar(f"u{number}@example.org", Standing(1000 + number, 1, "smtp"))
        sessions.logins.watch(avatar, lambda: None)
    connection = sessions.directory.database.connection
    connection.execute(
        "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 9999)"
        " INSERT INTO accounts (id, address, enabled, protocols, credential_version, created_at)"
        " SELECT 1000 + i, 'u' || i || '@example.org', 1, 'smtp', 1, 1.0 FROM n"
    )
    sessions.begin(TIM)
    set_password(connection, TIM, None)
    reads = sessions.directory.database.reads

    sessions.tell()

    assert sessions.ended == [TIM]
    assert sessions.directory.database.reads - reads == 1 + -(-10_001 // AT_ONCE)


def test_login_judged_before_a_change(sessions: Sessions) -> None:
    """Who logged in with the old password, but is watched only after the change was heard of, is found all the same."""
    (row,) = sessions.directory.database.connection.execute("SELECT id, credential_version FROM accounts LIMIT 1")
    set_password(sessions.directory.database.connection, TIM, None)
    sessions.tell()
    sessions.directory.clock.advance(RECENT - 1)

    sessions.logins.watch(Avatar(TIM, Standing(*row, "smtp")), lambda: sessions.ended.append(TIM))
    assert sessions.ended == []
    sessions.directory.clock.advance(0)

    assert sessions.ended == [TIM]


def test_database_fails(sessions: Sessions) -> None:
    """What couldn't be read is read as soon as it can be; nothing is forgotten."""
    sessions.begin(TIM)
    set_password(sessions.directory.database.connection, TIM, None)
    sessions.directory.database.broken = TemporaryError(Reply(451, "4.3.0", "broken"))
    sessions.tell()
    sessions.directory.clock.pump([1.0] * 3)
    assert sessions.ended == []

    sessions.directory.database.broken = None
    sessions.directory.clock.advance(1)

    assert sessions.ended == [TIM]
    assert not sessions.directory.clock.getDelayedCalls()


def test_a_session_that_breaks(sessions: Sessions, events: list[dict[str, Any]]) -> None:
    """Its failure is logged and the others are told."""
    sessions.begin(TIM)
    (row,) = sessions.directory.database.connection.execute("SELECT id, credential_version FROM accounts LIMIT 1")
    sessions.logins.watch(Avatar(TIM, Standing(*row, "smtp")), lambda: 1 / 0)
    sessions.begin(TIM)

    set_password(sessions.directory.database.connection, TIM, None)
    sessions.tell()

    assert sessions.ended == [TIM, TIM]
    assert [event for event in events if event.get("event") == "auth.end.failed"]


def test_names_that_a_file_dropped(sessions: Sessions) -> None:
    """Who judged by a file that has changed can end logins by name."""
    sessions.begin(TIM)
    sessions.begin(ANN)

    sessions.logins.end(frozenset([TIM, "nobody@example.org"]))

    assert sessions.ended == [TIM]


def test_stop(sessions: Sessions) -> None:
    """No timer is left when the server ends."""
    sessions.begin(TIM)
    sessions.changes.notice()
    sessions.logins.stop()

    assert not sessions.directory.clock.getDelayedCalls()


steps = st.lists(
    st.tuples(st.sampled_from(["begin", "stop", "password", "disable", "enable", "tell"]), st.sampled_from([TIM, ANN])),
    max_size=30,
)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(steps)
def test_model(actions: list[tuple[str, str]]) -> None:
    """Whatever order things happen in: after a look those and only those go on whose password is still theirs."""
    sessions = Sessions()
    tables = sessions.directory.database.connection
    versions, enabled = {TIM: 1, ANN: 1}, {TIM: True, ANN: True}
    live: dict[str, tuple[str, int, Callable[[], None]]] = {}
    for number, (action, name) in enumerate([*actions, ("tell", TIM)]):
        match action:
            case "begin" if enabled[name]:
                live[str(number)] = (name, versions[name], sessions.begin(name, label=str(number)))
            case "stop" if live:
                live.pop(next(iter(live)))[2]()
            case "password":
                set_password(tables, name, None)
                versions[name] += 1
            case "disable" | "enable":
                enabled[name] = action == "enable"
                change_account(tables, name, enabled=enabled[name])
            case "tell":
                sessions.tell()
                fallen = {
                    key for key, (who, version, _) in live.items() if (version, True) != (versions[who], enabled[who])
                }
                assert sorted(sessions.ended) == sorted(fallen)
                for key in fallen:
                    del live[key]
                sessions.ended.clear()
