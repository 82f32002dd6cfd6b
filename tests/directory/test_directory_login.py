"""Logging in: who gets in, who doesn't, and that nobody outside learns why."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from directory_in_memory import PASSWORD, TIM, Directory, outcome
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.cred.checkers import ICredentialsChecker
from twisted.cred.error import UnauthorizedLogin
from twisted.cred.portal import IRealm, Portal
from twisted.internet.defer import fail
from twisted.internet.task import Clock
from zope.interface import implementer
from zope.interface.verify import verifyClass, verifyObject

from twistedmail_mta.directory import authenticator as authenticator_module
from twistedmail_mta.directory.authenticator import Authenticator
from twistedmail_mta.directory.comparisons import BACKLOG
from twistedmail_mta.directory.credentials import IPeerPassword, PeerPassword
from twistedmail_mta.directory.passwords import Cost, PasswordHash
from twistedmail_mta.directory.realm import MailRealm, Submitter
from twistedmail_mta.directory.replies import BAD_CREDENTIALS, CANNOT_JUDGE, TOO_MANY_FAILURES
from twistedmail_mta.directory.tables import change_account, find_login, remove_account, set_password
from twistedmail_mta.directory.throttle import Allowance, Allowances
from twistedmail_mta.errors import TemporaryError
from twistedmail_mta.interfaces import IAuthenticator
from twistedmail_mta.model import Address, Reply
from twistedmail_mta.tasks import POOL_FULL

DISK_FULL = Reply(452, "4.3.1", "Disk full")


def named(events: list[dict[str, Any]], name: str) -> list[dict[str, Any]]:
    return [event for event in events if event.get("event") == name]


def test_the_seams_are_kept(directory: Directory) -> None:
    """Authenticator, checker, realm and credentials are what Twisted and the roles expect."""
    assert verifyClass(IAuthenticator, Authenticator)
    assert verifyObject(ICredentialsChecker, directory.checker)
    assert verifyObject(IRealm, MailRealm())
    assert verifyObject(IPeerPassword, PeerPassword("a", "", b"p", "192.0.2.1", "smtp", True))


def test_right_password(directory: Directory, events: list[dict[str, Any]]) -> None:
    """The login gets its avatar; the log says who came from where."""
    change_account(directory.database.connection, TIM, send_as=["*@example.net"])

    avatar = directory.log_in()

    assert isinstance(avatar, Submitter)
    assert avatar.account == TIM
    assert avatar.may_send_as(Address("tim", "example.org"))
    assert avatar.may_send_as(Address("x", "example.net"))
    (event,) = named(events, "auth.ok")
    assert (event["account"], event["peer"], event["protocol"], event["tls"]) == (TIM, "192.0.2.1", "smtp", True)


@pytest.mark.parametrize("name", ["Tim@Example.ORG", "TIM@example.org", " tim@example.org "])
def test_name_in_any_spelling(directory: Directory, name: str) -> None:
    """Case and stray spaces don't matter in the name."""
    assert isinstance(directory.log_in(name), Submitter)


def test_password_in_another_form(directory: Directory) -> None:
    """The same letters from another keyboard are the same password."""
    directory.add("eve@example.org", "\u00e9t e")

    assert isinstance(directory.log_in("eve@example.org", "e\u0301t\u00a0e"), Submitter)


REFUSED: dict[str, tuple[Callable[[Directory], Any], dict[str, Any]]] = {
    "password": (lambda _: None, {"password": "wrong"}),
    "unknown": (lambda _: None, {"name": "tom@example.org"}),
    "disabled": (lambda d: change_account(d.database.connection, TIM, enabled=False), {}),
    "protocol": (lambda _: None, {"protocol": "pop3"}),
    "authzid": (lambda d: d.add("tom@example.org"), {"authzid": "tom@example.org"}),
}


@pytest.mark.parametrize("reason", REFUSED)
def test_refusals_are_alike(directory: Directory, events: list[dict[str, Any]], reason: str) -> None:
    """Whatever is wrong: one hash is computed, the reply and its delay are the same; only the log tells."""
    prepare, claim = REFUSED[reason]
    prepare(directory)

    task = directory.begin(**claim)
    directory.clock.advance(0.49)
    assert not task.done
    directory.clock.advance(0.01)

    assert outcome(task) == BAD_CREDENTIALS
    assert directory.pool.calls == ["matches"]
    assert directory.database.reads == 2
    (event,) = named(events, "auth.failed")
    assert event["reason"] == reason


@pytest.mark.parametrize("reason", REFUSED)
def test_delays_grow_alike(directory: Directory, reason: str) -> None:
    """How long the answer takes doesn't tell a right password that is of no use from a wrong one."""
    prepare, claim = REFUSED[reason]
    prepare(directory)
    directory.throttle.admit("192.0.2.1", "eve@example.org")

    for _ in range(2):
        task = directory.begin(**claim)
        directory.clock.advance(0.9)
        assert not task.done
        directory.clock.advance(0.1)
        assert outcome(task) == BAD_CREDENTIALS


def test_unknown_name_costs_the_same_hash(directory: Directory) -> None:
    """The hash that is checked for nobody has the cost of a real one."""
    directory.log_in(password="wrong")
    directory.log_in("tom@example.org")

    real, dummy = directory.pool.hashes
    assert dummy == directory.hashes.dummy
    assert real.rsplit("$", 2)[0] == dummy.rsplit("$", 2)[0]


@pytest.mark.parametrize(
    ("name", "password"),
    [
        ("tim", PASSWORD),
        ("", PASSWORD),
        ("t\nm@example.org", PASSWORD),
        (TIM, ""),
        (TIM, "a\tb"),
        (TIM, b"\xff"),
        (TIM, "x" * 2000),
        ("x" * 9000, "y"),
    ],
)
def test_what_no_account_can_have(
    directory: Directory, events: list[dict[str, Any]], name: str, password: str | bytes
) -> None:
    """A bare user name or an impossible password is wrong without any work, whoever exists."""
    assert directory.log_in(name, password) == BAD_CREDENTIALS

    assert directory.pool.calls == []
    (event,) = named(events, "auth.failed")
    assert event["reason"] == "malformed"
    assert len(event["account"]) <= 320


def test_acting_for_oneself(directory: Directory) -> None:
    """Naming oneself as authorization identity is no more than leaving it out."""
    assert isinstance(directory.log_in(authzid="TIM@example.org"), Submitter)
    assert directory.log_in(authzid="tim") == BAD_CREDENTIALS


def test_no_password_is_logged(directory: Directory, events: list[dict[str, Any]]) -> None:
    """Neither right nor wrong ones, in no field of no line."""
    directory.log_in(password=PASSWORD)
    directory.log_in(password="a wrong guess")
    directory.log_in("nobody", password="a wrong guess")

    assert len(events) == 3
    assert PASSWORD not in repr(events)
    assert "wrong guess" not in repr(events)
    assert PASSWORD not in repr(PeerPassword(TIM, "", PASSWORD.encode(), "", "smtp", True))


def test_second_login_needs_no_hash(directory: Directory) -> None:
    """A client that comes again is recognised, from another network and in another spelling too."""
    directory.log_in()
    for name, peer in [(TIM, "192.0.2.1"), ("TIM@example.org", "198.51.100.1")]:
        assert isinstance(directory.log_in(name, peer=peer), Submitter)

    assert directory.pool.calls == ["matches"]


def test_what_is_remembered_is_the_password_too(directory: Directory) -> None:
    """A remembered login opens nothing to another password or name."""
    directory.add("tom@example.org", "other")
    directory.log_in()

    assert directory.log_in(password="correct hors") == BAD_CREDENTIALS
    assert directory.log_in("tom@example.org") == BAD_CREDENTIALS


def test_remembering_ends(directory: Directory) -> None:
    """After five minutes the hash is checked again."""
    directory.log_in()
    directory.clock.advance(299)
    directory.log_in()
    assert directory.pool.calls == ["matches"]

    directory.clock.advance(1)
    directory.log_in()
    assert directory.pool.calls == ["matches", "matches"]


def test_new_password_ends_what_is_remembered(directory: Directory) -> None:
    """The old password is out at once, and the new one in."""
    directory.log_in()
    set_password(directory.database.connection, TIM, directory.store("new"))

    assert directory.log_in() == BAD_CREDENTIALS
    assert isinstance(directory.log_in(password="new"), Submitter)


def test_going_back_to_the_old_password(directory: Directory) -> None:
    """A password that was wrong a minute ago may be right now, remembered or not."""
    assert directory.log_in(password="new") == BAD_CREDENTIALS
    set_password(directory.database.connection, TIM, directory.store("new"))

    assert isinstance(directory.log_in(password="new"), Submitter)


@pytest.mark.parametrize("change", [{"enabled": False}, {"protocols": ["imap"]}])
def test_withdrawn_rights_count_at_once(directory: Directory, change: dict[str, Any]) -> None:
    """A remembered login doesn't outlive what it was allowed, and gets it back with it."""
    directory.log_in()
    change_account(directory.database.connection, TIM, **change)
    assert directory.log_in() == BAD_CREDENTIALS

    change_account(directory.database.connection, TIM, enabled=True, protocols=["smtp"])
    assert isinstance(directory.log_in(), Submitter)
    assert directory.pool.calls == ["matches"]


def test_changed_patterns_count_at_once(directory: Directory) -> None:
    """Each login has the patterns of its time."""
    before = directory.log_in()
    change_account(directory.database.connection, TIM, send_as=["*@example.net"])
    after = directory.log_in()

    assert not before.may_send_as(Address("x", "example.net"))
    assert after.may_send_as(Address("x", "example.net"))


def test_removed_account_is_like_one_that_never_was(directory: Directory) -> None:
    """What is remembered of it neither lets in nor saves the work that any unknown name takes."""
    directory.log_in()
    remove_account(directory.database.connection, TIM)

    assert directory.log_in() == BAD_CREDENTIALS
    assert directory.pool.hashes[1:] == [directory.hashes.dummy]


def test_removed_and_added_anew(directory: Directory) -> None:
    """An account of the same name is not the one that was remembered."""
    directory.log_in()
    remove_account(directory.database.connection, TIM)
    directory.add(TIM, "another")

    assert directory.log_in() == BAD_CREDENTIALS
    assert isinstance(directory.log_in(TIM, "another"), Submitter)


def test_account_added_after_a_failure(directory: Directory) -> None:
    """That there was no such account is not remembered against a new one."""
    assert directory.log_in("tom@example.org") == BAD_CREDENTIALS
    directory.add("tom@example.org")

    assert isinstance(directory.log_in("tom@example.org"), Submitter)


def test_password_changed_while_it_is_compared(directory: Directory, events: list[dict[str, Any]]) -> None:
    """The old password doesn't slip in beside the change."""
    directory.pool.held = []
    task = directory.begin()
    set_password(directory.database.connection, TIM, directory.store("new"))
    directory.pool.let_go()
    directory.clock.advance(5)

    assert outcome(task) == BAD_CREDENTIALS
    assert named(events, "auth.failed")[0]["reason"] == "changed"


def test_many_at_once_cost_one_hash(directory: Directory) -> None:
    """A client that opens many connections is compared once and charged once."""
    directory.pool.held = []
    tasks = [directory.begin(peer=f"192.0.2.{number}") for number in range(200)]
    assert not any(task.done for task in tasks)

    directory.pool.let_go()

    assert all(isinstance(outcome(task), Submitter) for task in tasks)
    assert directory.pool.calls == ["matches"]


def test_old_password_in_a_telephone(directory: Directory) -> None:
    """The same wrong password again is no new guess: no hash, no charge, but the delay."""
    for _ in range(100):
        task = directory.begin(password="old")
        assert not task.done
        directory.clock.advance(0.5)
        assert outcome(task) == BAD_CREDENTIALS
    assert directory.pool.calls == ["matches"]

    assert isinstance(directory.log_in(), Submitter)


def guess(directory: Directory, count: int, **claim: Any) -> list[Reply]:
    return [directory.log_in(password=f"guess {number}", **claim) for number in range(count)]


TIGHT = Allowances(network=Allowance(3, 1000.0), account=Allowance(5, 1000.0), known=Allowance(2, 1000.0))


def test_guessing_is_stopped_before_any_work(events: list[dict[str, Any]]) -> None:
    """Past the limit there is neither a hash nor a read, at once, and one line in the log."""
    directory = Directory(TIGHT)
    directory.add()
    assert guess(directory, 3) == [BAD_CREDENTIALS] * 3
    reads = directory.database.reads

    for number in range(10):
        assert outcome(directory.begin(password=f"more {number}")) == TOO_MANY_FAILURES

    assert directory.pool.calls == ["matches"] * 3
    assert directory.database.reads == reads
    assert len(named(events, "auth.limited")) == 1


def test_right_password_past_the_limit_is_not_told(events: list[dict[str, Any]]) -> None:
    """Past the limit even the right guess gets nothing but the limit."""
    directory = Directory(TIGHT)
    directory.add()
    guess(directory, 3)

    assert directory.log_in() == TOO_MANY_FAILURES
    assert isinstance(directory.log_in(peer="198.51.100.1"), Submitter)


def test_owner_is_not_locked_out() -> None:
    """An account that is guessed at from everywhere can still be used from where it was used."""
    directory = Directory(TIGHT)
    directory.add()
    directory.log_in()
    directory.clock.advance(300)
    for number in range(10):
        directory.log_in(password=f"guess {number}", peer=f"10.{number}.0.1")
    assert directory.log_in(peer="10.200.0.1") == TOO_MANY_FAILURES

    assert isinstance(directory.log_in(), Submitter)


def test_impossible_names_are_limited_too() -> None:
    """They cost no hash, but they are failures of their network."""
    directory = Directory(TIGHT)

    assert [directory.log_in("admin") for _ in range(4)] == [BAD_CREDENTIALS] * 3 + [TOO_MANY_FAILURES]


def test_right_logins_are_never_limited() -> None:
    """A busy client is no guesser, however often its verdict has been forgotten."""
    directory = Directory(TIGHT)
    directory.add()
    for _ in range(20):
        assert isinstance(directory.log_in(), Submitter)
        directory.clock.advance(301)

    assert directory.pool.calls == ["matches"] * 20


def test_answers_wait_longer_and_longer(directory: Directory) -> None:
    """Each failure adds half a second, up to five."""
    waited = []
    for number in range(12):
        task, before = directory.begin(password=f"guess {number}"), directory.clock.seconds()
        while not task.done:
            directory.clock.advance(0.25)
        waited.append(directory.clock.seconds() - before)

    assert waited == sorted(waited)
    assert waited[0] == 0.5
    assert waited[-1] == 5.0


def test_client_that_leaves_ends_its_delay(directory: Directory) -> None:
    """No timer outlives its connection."""
    task = directory.begin(password="wrong")
    assert directory.clock.getDelayedCalls()

    task.cancel()

    assert task.done
    assert directory.clock.getDelayedCalls() == []


def test_delayed_answers_are_bounded(directory: Directory, monkeypatch: pytest.MonkeyPatch) -> None:
    """When too many wait already, the next is answered at once; those who left make room."""
    monkeypatch.setattr(authenticator_module, "MAX_DELAYED", 2)
    tasks = [directory.begin(password=f"guess {number}") for number in range(4)]
    assert [task.done for task in tasks] == [False, False, True, True]

    tasks[0].cancel()
    assert not directory.begin(password="guess 5").done
    directory.clock.advance(5)


def test_leaving_early_saves_no_charge() -> None:
    """Guesses whose answer nobody waits for count like all others."""
    directory = Directory(TIGHT)
    directory.add()
    directory.pool.held = []
    for number in range(3):
        directory.begin(password=f"guess {number}").cancel()
    directory.pool.let_go()

    assert directory.log_in() == TOO_MANY_FAILURES


def test_pool_is_full(directory: Directory) -> None:
    """Too busy to compare is temporary, and nobody's failure."""
    directory.pool.full = TemporaryError(POOL_FULL)
    for number in range(60):
        assert directory.log_in(password=f"guess {number}") == CANNOT_JUDGE

    directory.pool.full = None
    assert isinstance(directory.log_in(), Submitter)


def test_remembered_logins_need_no_pool(directory: Directory) -> None:
    """While strangers keep the threads busy, whoever was here lately gets in."""
    directory.log_in()
    directory.pool.full = TemporaryError(POOL_FULL)

    assert isinstance(directory.log_in(), Submitter)


def test_strangers_leave_room_in_the_pool(directory: Directory) -> None:
    """Some places are kept for networks from which the account logged in lately."""
    directory.log_in()
    directory.clock.advance(300)
    directory.pool.held = []
    for number in range(BACKLOG - BACKLOG // 4):
        directory.begin(f"u{number}@example.org", peer=f"10.{number}.0.1")

    assert outcome(directory.begin("u@example.org", peer="10.200.0.1")) == CANNOT_JUDGE
    known = directory.begin()
    assert not known.done
    directory.pool.let_go()
    assert isinstance(outcome(known), Submitter)
    directory.clock.advance(5)


def test_database_fails(directory: Directory) -> None:
    """No database is temporary too, remembered or not, and nobody's failure."""
    directory.log_in()
    directory.database.broken = TemporaryError(DISK_FULL)
    assert directory.log_in() == CANNOT_JUDGE
    for number in range(60):
        assert directory.log_in(password=f"guess {number}") == CANNOT_JUDGE

    directory.database.broken = None
    assert isinstance(directory.log_in(), Submitter)


def test_damaged_row(directory: Directory, events: list[dict[str, Any]]) -> None:
    """A hash that can't be compared is the operator's business: temporary, told, and nobody's failure."""
    directory.database.connection.execute("UPDATE accounts SET password_hash = 'damaged'")

    for _ in range(60):
        assert directory.log_in() == CANNOT_JUDGE

    assert named(events, "auth.broken")[0]["account"] == TIM


def dearer(directory: Directory) -> PasswordHash:
    """Let passwords cost more from now on."""
    hashes = PasswordHash(Cost(passes=2, memory=16, scram_iterations=5000))
    directory.put_together(hashes)
    return hashes


def test_password_is_stored_anew_at_a_higher_cost(directory: Directory) -> None:
    """The first right login after a raise of the cost brings the row up to it, once, ending nothing."""
    hashes = dearer(directory)
    assert isinstance(directory.log_in(), Submitter)

    found = find_login(directory.database.connection, TIM)
    assert found is not None
    account, stored = found
    assert not hashes.is_outdated(stored)
    assert stored.scram.iterations == 5000
    assert account.credential_version == 1

    directory.clock.advance(300)
    assert isinstance(directory.log_in(), Submitter)
    assert directory.pool.calls == ["matches", "store", "matches"]


def test_wrong_password_is_never_stored(directory: Directory) -> None:
    """Only a password that was right replaces the row."""
    before = find_login(directory.database.connection, TIM)
    dearer(directory)

    directory.log_in(password="wrong")

    assert find_login(directory.database.connection, TIM) == before


def test_storing_anew_may_fail(directory: Directory, events: list[dict[str, Any]]) -> None:
    """A full disk keeps the old hash and lets the login through."""
    before = find_login(directory.database.connection, TIM)
    dearer(directory)
    directory.database.full = TemporaryError(DISK_FULL)

    assert isinstance(directory.log_in(), Submitter)

    assert find_login(directory.database.connection, TIM) == before
    (event,) = named(events, "auth.renew.failed")
    assert event["reply"] == DISK_FULL
    assert not named(events, "task.failed")


def test_logins_go_through_the_portal(directory: Directory) -> None:
    """Another checker in the portal decides as much as ours, and its refusal looks the same."""

    @implementer(ICredentialsChecker)
    class Nobody:
        credentialInterfaces = (IPeerPassword,)  # noqa: N815 - Twisted's name

        def __init__(self) -> None:
            self.asked: list[PeerPassword] = []

        def requestAvatarId(self, credentials: PeerPassword) -> Any:  # noqa: N802 - Twisted's name
            self.asked.append(credentials)
            return fail(UnauthorizedLogin("no"))

    checker, clock = Nobody(), Clock()
    directory.authenticator = Authenticator(Portal(MailRealm(), [checker]), directory.throttle, clock)
    task = directory.begin()
    clock.advance(0.5)

    assert outcome(task) == BAD_CREDENTIALS
    assert checker.asked == [PeerPassword(TIM, "", PASSWORD.encode(), "192.0.2.1", "smtp", True)]


@settings(max_examples=150, deadline=None, derandomize=True)
@given(
    st.text(max_size=30),
    st.text(max_size=30),
    st.one_of(st.binary(max_size=30), st.text(max_size=30)),
    st.text(max_size=20),
)
def test_nothing_but_replies(name: str, authzid: str, password: str | bytes, peer: str) -> None:
    """Whatever a client claims, from wherever: it gets a reply, and nothing breaks."""
    directory = Directory()
    directory.add()
    octets = password.encode("utf-8", "surrogatepass") if isinstance(password, str) else password

    for claimed in (name, TIM):
        assert directory.log_in(claimed, octets, authzid=authzid, peer=peer) == BAD_CREDENTIALS
    assert not directory.clock.getDelayedCalls()
