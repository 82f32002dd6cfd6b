"""IMAP commands about mailboxes as such, and quotas."""

from __future__ import annotations

from typing import Any

import pytest
from imap_access import Desk
from mail_access import Client
from mail_at_rest import run

from twistedmail_mta.directory.limits import Limits
from twistedmail_mta.directory.quotas import Usage
from twistedmail_mta.errors import TemporaryError
from twistedmail_mta.mailbox import hierarchy
from twistedmail_mta.store.replies import STORE_FAILED

MAIL = b"Subject: hello\r\n\r\ntext\r\n"
FIRST = {"INBOX", "Archive", "Drafts", "Junk", "Sent", "Trash"}


@pytest.fixture
def desk() -> Desk:
    return Desk()


def names(client: Client, command: str = 'LIST "" *') -> set[str]:
    """Return what mailboxes there are beside the first ones, with their attributes."""
    lines = client.type(f"n {command}").splitlines()
    assert lines.pop().startswith("n OK")
    told = {line.removeprefix("* LIST ").removeprefix("* LSUB ").replace('"/" ', "") for line in lines}
    return {line for line in told if line.split('"')[1] not in FIRST}


def test_mailboxes_come_and_go(desk: Desk) -> None:
    """RFC 9051 section 6.3.4 to 6.3.6: those above are made, those below are renamed and left."""
    client = desk.log_in()

    assert client.type("a CREATE owatagusiam/blurdybloop") == "a OK CREATE completed\r\n"
    assert client.type("b CREATE other/") == "b OK CREATE completed\r\n"
    assert names(client) == {
        '(\\HasChildren) "owatagusiam"',
        '(\\HasNoChildren) "owatagusiam/blurdybloop"',
        '(\\HasNoChildren) "other"',
    }
    assert client.type("c RENAME owatagusiam zap/x") == "c OK RENAME completed\r\n"
    assert client.type("d DELETE zap/x").startswith("d OK")
    assert client.type("e DELETE other").startswith("e OK")

    assert names(client) == {'(\\HasChildren) "zap"', '(\\HasNoChildren) "zap/x/blurdybloop"'}
    assert names(client, 'LIST "" zap/%') == {'(\\NonExistent \\Noselect \\HasChildren) "zap/x"'}


@pytest.mark.parametrize(
    ("command", "answer"),
    [
        ("CREATE inbox", "NO [ALREADYEXISTS]"),
        ("CREATE Sent", "NO [ALREADYEXISTS]"),
        ("CREATE a//b", "NO [CANNOT]"),
        ('CREATE ""', "NO [CANNOT]"),
        ("CREATE x (USE (\\All))", "NO [USEATTR]"),
        ("CREATE x (USE (\\Sent))", "NO [USEATTR]"),
        ("CREATE x (USE (\\Sent \\Drafts))", "NO [USEATTR]"),
        ("DELETE inbox", "NO [CANNOT]"),
        ("DELETE gone", "NO [NONEXISTENT]"),
        ("RENAME gone x", "NO [NONEXISTENT]"),
        ("RENAME Sent Trash", "NO [ALREADYEXISTS]"),
        ("RENAME Sent Sent/x", "NO [CANNOT]"),
        ("SUBSCRIBE a//b", "NO [CANNOT]"),
        ("UNSUBSCRIBE a//b", "OK "),
        ("SUBSCRIBE later", "OK "),
    ],
)
def test_what_is_refused_says_why(desk: Desk, command: str, answer: str) -> None:
    """RFC 5530 section 3, RFC 6154 section 3."""
    client = desk.log_in()

    assert client.type(f"a {command}").startswith(f"a {answer}")


def test_too_many_mailboxes(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hierarchy, "MOST_MAILBOXES", 6)

    assert desk.log_in().type("a CREATE x").startswith("a NO [LIMIT]")


def test_a_database_that_fails(desk: Desk) -> None:
    client = desk.log_in()
    desk.rest.database.refuse = TemporaryError(STORE_FAILED)

    for command in ("CREATE x", "DELETE x", "RENAME x y", "SUBSCRIBE x", "UNSUBSCRIBE x", 'LIST "" *', 'LSUB "" *'):
        assert client.type(f"a {command}").startswith("a NO [UNAVAILABLE]")


def test_special_uses(desk: Desk) -> None:
    """RFC 6154: told in LIST; one mailbox for each."""
    client = desk.log_in()

    assert client.type("a DELETE Junk").startswith("a OK")
    assert client.type("b CREATE Spam (USE (\\Junk))").startswith("b OK")

    assert names(client, 'LIST (SPECIAL-USE) "" *') == {'(\\Junk) "Spam"'}
    assert '* LIST (\\HasNoChildren \\Sent) "/" "Sent"' in client.type('c LIST "" Sent')


def test_subscriptions(desk: Desk) -> None:
    """A name stays although its mailbox goes."""
    client = desk.log_in()
    client.type("a CREATE x/y", "b SUBSCRIBE x/y", "c SUBSCRIBE z", "d DELETE x/y")

    assert names(client, 'LSUB "" *') == {'(\\Noselect) "x/y"', '(\\Noselect) "z"'}
    assert names(client, 'LSUB "" x%') == {'(\\Noselect) "x"'}
    assert names(client, 'LIST (SUBSCRIBED) "" (x* z)') == {
        '(\\NonExistent \\Subscribed) "x/y"',
        '(\\NonExistent \\Subscribed) "z"',
    }
    assert client.type("e UNSUBSCRIBE x/y").startswith("e OK UNSUBSCRIBE completed")
    assert names(client, 'LSUB "" *') == {'(\\Noselect) "z"'}


def test_names_in_any_spelling_and_encoding(desk: Desk) -> None:
    """Composed or not a name is the same; who enabled nothing gets modified UTF-7."""
    client, modern = desk.log_in(), desk.log_in()
    modern.type("u ENABLE IMAP4rev2")

    assert client.type("a CREATE Entw&APw-rfe").startswith("a OK")
    assert modern.send('b SELECT "Entwu\u0308rfe"\r\n'.encode()).endswith("b OK [READ-WRITE] SELECT completed\r\n")

    assert names(client) == {'(\\HasNoChildren) "Entw&APw-rfe"'}
    assert names(modern) == {'(\\HasNoChildren) "Entwürfe"'}
    assert client.type("c CREATE a&b").startswith("c BAD")


def test_list_with_status(desk: Desk) -> None:
    """RFC 5819: each STATUS follows its LIST."""
    desk.put(MAIL, MAIL)
    client = desk.log_in()
    client.type("a CREATE x/y", "b DELETE x")

    said = client.type('c LIST "" (INBOX x%) RETURN (STATUS (MESSAGES UIDNEXT))').splitlines()

    assert said == [
        '* LIST () "/" "INBOX"',
        '* STATUS "INBOX" (MESSAGES 2 UIDNEXT 3)',
        '* LIST (\\NonExistent \\HasChildren) "/" "x"',
        "c OK LIST completed",
    ]


def test_status_of_what_goes_meanwhile(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    r"""It is told as \Noselect; what can't be read for now is told without its STATUS (RFC 5819 section 2)."""
    client, tree = desk.log_in(), desk.rest.store.tree
    client.type("a CREATE x", "b CREATE y")
    real = tree.names
    opening = desk.rest.store.open

    async def and_then_delete(account: int) -> Any:
        found = await real(account)
        await tree.delete(account, "x")
        return found

    async def fail_once(mailbox: int) -> Any:
        monkeypatch.setattr(desk.rest.store, "open", opening)
        raise TemporaryError(STORE_FAILED)

    monkeypatch.setattr(tree, "names", and_then_delete)
    monkeypatch.setattr(desk.rest.store, "open", fail_once)

    said = client.type('c LIST "" (x y) RETURN (STATUS (UNSEEN))').splitlines()

    assert said == ['* LIST (\\Noselect) "/" "x"', '* LIST () "/" "y"', "c OK LIST completed"]


def test_the_mailbox_that_is_open_can_be_deleted(desk: Desk) -> None:
    """Whoever does it goes on, whatever it is called by then; others hear that it is gone."""
    one, other = desk.log_in(), desk.log_in()
    one.type("a CREATE x", "b SELECT x")
    other.type("a SELECT x")
    other.type("b RENAME x y")

    said = one.type("c DELETE y")

    assert said == "* OK [CLOSED] The mailbox is closed\r\nc OK DELETE completed\r\n"
    assert one.type("d FETCH 1 FLAGS").startswith("d BAD")
    assert one.type("e NOOP") == "e OK NOOP completed\r\n"
    assert "* BYE" in other.said() + other.type("c NOOP")


def test_a_mailbox_that_another_deletes_ends_the_session(desk: Desk) -> None:
    """Its message numbers mean nothing any more (RFC 2180 section 3.3)."""
    client, other = desk.log_in(), desk.log_in()
    client.type("a CREATE x", "b SELECT x")

    other.type("c DELETE x")

    assert client.type("d FETCH 1 FLAGS") == (
        "* BYE The selected mailbox was deleted\r\nd NO [NONEXISTENT] The selected mailbox was deleted\r\n"
    )
    assert not client.connected


@pytest.mark.parametrize(("command", "begin"), [("SELECT INBOX", "* OK [CLOSED]"), ("UNSELECT", "d OK")])
def test_who_leaves_a_deleted_mailbox_goes_on(desk: Desk, command: str, begin: str) -> None:
    """Nothing of it is needed for that."""
    client, other = desk.log_in(), desk.log_in()
    client.type("a CREATE x", "b SELECT x")
    other.type("c DELETE x")

    said = client.type(f"d {command}")

    assert said.startswith(begin)
    assert "d OK" in said
    assert client.type("e STATUS INBOX (MESSAGES)").endswith("e OK STATUS completed\r\n")


@pytest.mark.parametrize(
    "names", [("user1@example.org", "user2@example.org"), ("user2@example.org", "user1@example.org")]
)
def test_accounts_see_nothing_of_one_another(desk: Desk, names: tuple[str, str]) -> None:
    """Whoever of them was there first."""
    owner, stranger = (desk.log_in(name) for name in names)
    owner.send(b"a CREATE private\r\nb SUBSCRIBE private\r\nc APPEND private {24+}\r\n" + MAIL + b"\r\n")
    stranger.send(b"a APPEND INBOX {24+}\r\n" + MAIL + b"\r\nb SELECT INBOX\r\n")

    for command in ("STATUS private (MESSAGES)", "DELETE private", "RENAME private mine"):
        assert stranger.type(f"c {command}").startswith("c NO [NONEXISTENT]")
    for command in ("COPY 1 private", "MOVE 1 private", "APPEND private {24+}\r\n" + MAIL.decode()):
        assert stranger.type(f"d {command}").startswith("d NO [TRYCREATE]")
    for command in ('LIST "" *', 'LIST (SUBSCRIBED) "" *', 'LSUB "" *'):
        assert "private" not in stranger.type(f"e {command}")
    for command in ("SELECT private", "EXAMINE private"):
        assert "f NO [NONEXISTENT]" in stranger.type(f"f {command}")
    assert stranger.type("g CREATE private").startswith("g OK")
    assert "(MESSAGES 1)" in owner.type("d STATUS private (MESSAGES)")


def test_a_renamed_mailbox_stays_open(desk: Desk) -> None:
    client = desk.log_in()
    client.type("a CREATE x", "b SELECT x", "c RENAME x y")

    assert "* 1 EXISTS" in client.send(b"d APPEND y {%d+}\r\n%b\r\n" % (len(MAIL), MAIL))
    assert client.type("e DELETE Trash") == "e OK DELETE completed\r\n"
    assert client.type("f STORE 1 +FLAGS (\\Seen)").startswith("* 1 FETCH")


def test_renaming_inbox(desk: Desk) -> None:
    """Its messages move, and whoever has it open is told (RFC 9051 section 6.3.6)."""
    desk.put(MAIL, MAIL)
    client = desk.select()

    said = client.type("a RENAME INBOX old/mail")

    assert said == "* 2 EXPUNGE\r\n* 1 EXPUNGE\r\na OK RENAME completed\r\n"
    assert "MESSAGES 2" in client.type("b STATUS old/mail (MESSAGES)")


def test_many_mailboxes_are_told_in_turns(desk: Desk) -> None:
    client = desk.log_in()
    for number in range(120):
        run(desk.rest.store.tree.create(1, f"n{number}"))

    said = client.type('a LIST "" n*')
    while "a OK" not in said:
        desk.rest.clock.advance(0)
        said += client.said()

    assert said.count("* LIST") == 120


def test_namespace(desk: Desk) -> None:
    assert desk.log_in().type("a NAMESPACE") == '* NAMESPACE (("" "/")) NIL NIL\r\na OK NAMESPACE completed\r\n'


# Quotas


def test_quota(desk: Desk) -> None:
    """RFC 9208: units of 1,024 octets, what is begun counts."""
    desk.quotas.usages[1] = Usage(Limits(512 * 1024, 100), 10 * 1024 + 1, 7)
    client = desk.log_in()
    quota = '* QUOTA "" (STORAGE 11 512 MESSAGE 7 100)\r\n'

    assert client.type('a GETQUOTA ""') == f"{quota}a OK GETQUOTA completed\r\n"
    assert client.type("b GETQUOTAROOT not/there") == (
        f'* QUOTAROOT "not/there" ""\r\n{quota}b OK GETQUOTAROOT completed\r\n'
    )
    assert client.type("c GETQUOTA other").startswith("c NO [NONEXISTENT]")
    assert client.type('d SETQUOTA "" (STORAGE 1)').startswith("d NO [NOPERM]")


@pytest.mark.parametrize(
    ("limits", "told"), [(Limits(1024), "(STORAGE 0 1)"), (Limits(None, 5, "reject"), "(MESSAGE 0 5)")]
)
def test_only_what_is_limited_is_told(desk: Desk, limits: Limits, told: str) -> None:
    desk.quotas.usages[1] = Usage(limits)

    assert desk.log_in().type('a GETQUOTA ""').startswith(f'* QUOTA "" {told}\r\n')


def test_no_quota_root_of_what_is_no_name(desk: Desk) -> None:
    """It would be told as it was said, and what follows a line end is a response of its own."""
    client = desk.log_in()
    client.type("a ENABLE UTF8=ACCEPT")

    assert client.send(b"b GETQUOTAROOT {9+}\r\na\r\n* BYE \r\n").startswith("b NO [CANNOT]")


def test_without_a_quota_there_is_no_root(desk: Desk) -> None:
    client = desk.log_in()

    assert client.type("a GETQUOTAROOT INBOX") == '* QUOTAROOT "INBOX"\r\na OK GETQUOTAROOT completed\r\n'
    assert client.type('b GETQUOTA ""').startswith("b NO [NONEXISTENT]")
