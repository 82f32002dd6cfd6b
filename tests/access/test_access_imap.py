"""IMAP sessions from the greeting to the end: logins, APPEND, IDLE, what others do, limits."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from typing import Any

import imap_access
import pytest
from imap_access import NAME, PASSWORD, Desk
from mail_access import Client
from memory_bodies import MemoryBodies, MemoryWriter

from twistedmail_mta.access.imap import appending
from twistedmail_mta.access.imap.turns import APART
from twistedmail_mta.directory.quotas import TOO_LARGE
from twistedmail_mta.errors import TemporaryError
from twistedmail_mta.interfaces import IMailAccess
from twistedmail_mta.mailbox import view
from twistedmail_mta.mailbox.view import MailboxView
from twistedmail_mta.model import FileBody, Reply
from twistedmail_mta.tasks import Promise

MAIL = b"Subject: hello\r\n\r\ntext\r\n"
ELSEWHERE = {"plaintext_login": ()}
PLAIN = base64.b64encode(f"\0{NAME}\0{PASSWORD}".encode()).decode()


@pytest.fixture
def desk() -> Desk:
    return Desk()


# Logins


def test_greeting(desk: Desk) -> None:
    """It tells the capabilities, so that nobody has to ask (RFC 9051 section 7.1)."""
    client = Client(desk)  # type: ignore[arg-type]

    said = client.said()

    assert said.startswith("* OK [CAPABILITY IMAP4rev1 IMAP4rev2 ")
    assert "AUTH=PLAIN AUTH=LOGIN] " in said
    assert "STARTTLS" not in said
    assert "LOGINDISABLED" not in said


def test_login(desk: Desk) -> None:
    """The name and where it comes from go to the authenticator; the answer has the new capabilities."""
    client = desk.connect()

    said = client.type(f"a login {NAME} {PASSWORD}")

    assert said.startswith("a OK [CAPABILITY IMAP4rev1 IMAP4rev2 ")
    assert " IDLE " in said
    assert " APPENDLIMIT=1000]" in said
    assert desk.gatekeeper.asked == [(NAME, "", "192.168.1.1", "imap", False, "1", IMailAccess)]
    assert (
        client.type("b CAPABILITY").splitlines()[0] == "* CAPABILITY " + said[said.index("IMAP4rev1") : said.index("]")]
    )


def test_authenticate(desk: Desk) -> None:
    """With an initial response, without, and step by step (RFC 4959)."""
    assert desk.connect().type(f"a AUTHENTICATE PLAIN {PLAIN}").startswith("a OK [CAPABILITY")
    client = desk.connect()
    assert client.type("a AUTHENTICATE PLAIN") == "+ \r\n"
    assert client.type(PLAIN).startswith("a OK [CAPABILITY")


def test_authenticate_cancelled(desk: Desk) -> None:
    """RFC 9051 section 6.2.2; the session goes on."""
    client = desk.connect()

    assert client.type("a AUTHENTICATE LOGIN") == "+ VXNlcm5hbWU6\r\n"
    assert client.type("*") == "a BAD Cancelled\r\n"
    assert client.type(f"b LOGIN {NAME} {PASSWORD}").startswith("b OK")


@pytest.mark.parametrize("command", [f"LOGIN {NAME} {PASSWORD}", f"AUTHENTICATE PLAIN {PLAIN}"])
def test_no_login_in_clear(command: str) -> None:
    """The password isn't even looked at (RFC 5530 section 3)."""
    desk = Desk(options=ELSEWHERE)
    client = Client(desk)  # type: ignore[arg-type]
    assert " LOGINDISABLED]" in client.said()

    assert client.type(f"a {command}").startswith("a NO [PRIVACYREQUIRED] ")
    assert desk.gatekeeper.asked == []


def test_unknown_mechanism(desk: Desk) -> None:
    """It is said to be unknown, not wrong."""
    assert desk.connect().type("a AUTHENTICATE KERBEROS_V4").startswith("a NO [CANNOT]")


def test_wrong_passwords(desk: Desk) -> None:
    """After some the connection is closed."""
    client = desk.connect()

    answers = [client.type(f"{tag} LOGIN {NAME} wrong") for tag in "abc"]

    assert answers[0] == "a NO [AUTHENTICATIONFAILED] Authentication credentials invalid\r\n"
    assert answers[2].endswith("* BYE Too many failed logins\r\n")
    assert not client.transport.connected


def test_no_judgement(desk: Desk) -> None:
    """What may work later is UNAVAILABLE."""
    desk.gatekeeper.failure = TemporaryError(Reply(454, "4.7.0", "Too busy"))

    assert desk.connect().type(f"a LOGIN {NAME} x") == "a NO [UNAVAILABLE] Too busy\r\n"


def test_too_many_sessions(desk: Desk) -> None:
    """An account has so many at once; one that ends makes room."""
    first, _ = desk.log_in(), desk.log_in()
    third = desk.connect()

    assert third.type(f"a LOGIN {NAME} {PASSWORD}").startswith("a NO [LIMIT] ")
    assert desk.log_in("user2@example.org")
    first.hang_up()
    assert third.type(f"b LOGIN {NAME} {PASSWORD}").startswith("b OK")


def test_login_that_ends(desk: Desk) -> None:
    """A changed password ends the session."""
    client = desk.log_in()

    (ended,) = desk.logins.watchers
    ended()

    assert client.said() == "* BYE [EXPIRED] The login is no longer valid\r\n"
    assert not client.transport.connected


def test_logout(desk: Desk) -> None:
    """RFC 9051 section 6.1.3: nothing that follows is heard."""
    client = desk.log_in()

    assert client.type("a LOGOUT\r\nb NOOP") == "* BYE Good-bye\r\na OK LOGOUT completed\r\n"
    assert not client.transport.connected
    assert desk.logins.watchers == []


def test_starttls_without_tls(desk: Desk) -> None:
    """RFC 9051 section 6.2.1."""
    assert desk.connect().type("a STARTTLS") == "a BAD TLS is not available\r\n"


def test_the_mailboxes_of_everybody(desk: Desk) -> None:
    """They are there after the first login."""
    client = desk.log_in()

    for name in ("INBOX", "Drafts", "Sent", "Junk", "Trash", "Archive"):
        assert f'* STATUS "{name}" (MESSAGES 0)\r\n' in client.type(f"a STATUS {name} (MESSAGES)")


# Limits


def test_errors_are_answered_slowly_then_not_at_all(desk: Desk) -> None:
    """A client that talks nonsense isn't listened to for ever."""
    client = desk.connect()
    client.type(*"abcd")
    said = ""
    for _ in range(5):
        said += client.type("e")
        desk.rest.clock.advance(1.0)
        said += client.said()

    assert said.endswith("* BYE Too many errors\r\n")
    assert not client.transport.connected


def test_silence(desk: Desk) -> None:
    """Strangers may be silent for three minutes, others for thirty (RFC 9051 section 5.4)."""
    stranger, client = desk.connect(), desk.log_in()

    desk.rest.clock.advance(181.0)
    assert stranger.said() == "* BYE Idle for too long\r\n"
    assert client.said() == ""
    desk.rest.clock.advance(1500.0)
    assert client.said() == ""
    desk.rest.clock.advance(300.0)
    assert client.said() == "* BYE Idle for too long\r\n"


def test_a_bug_is_the_servers(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """What nobody thought of is NO, and the session goes on."""
    client = desk.log_in()
    with monkeypatch.context() as broken:
        broken.setattr(desk.rest.store, "mailbox", None)
        assert client.type("a SELECT INBOX") == "a NO [SERVERBUG] Local error, please try again later\r\n"
    assert " OK " in client.type("b SELECT INBOX")


def test_a_login_that_the_database_fails(desk: Desk) -> None:
    """The first login makes mailboxes; when it can't, it is no wrong password, and the session goes on."""
    client = desk.connect()
    desk.rest.database.refuse = TemporaryError(Reply(451, "4.3.0", "Later"))

    for command in [f"LOGIN {NAME} {PASSWORD}", "AUTHENTICATE PLAIN AHVzZXIxQGV4YW1wbGUub3JnAHNlY3JldA=="] * 3:
        assert client.type(f"a {command}") == "a NO [UNAVAILABLE] Later\r\n"
    desk.rest.database.refuse = None
    assert client.type(f"b LOGIN {NAME} {PASSWORD}").startswith("b OK")


def test_a_database_that_fails(desk: Desk) -> None:
    """It is said to be for now."""
    client = desk.log_in()
    desk.rest.database.refuse = TemporaryError(Reply(451, "4.3.0", "Later"))

    assert client.type("a SELECT INBOX") == "a NO [UNAVAILABLE] Later\r\n"
    desk.rest.database.refuse = None
    assert client.type("b FETCH 1 FLAGS") == "b BAD Select a mailbox first\r\n"


# APPEND


def test_append(desk: Desk) -> None:
    """Flags, date and octets are kept; a client that waits is asked to go on."""
    client = desk.log_in()

    assert client.type('a APPEND INBOX (\\Seen foo) " 7-Feb-1994 21:52:25 -0800" {24}') == "+ OK\r\n"
    said = client.send(MAIL + b"\r\n")

    assert said.startswith("a OK [APPENDUID ")
    client.type("s SELECT INBOX")
    fetched = client.type("b FETCH 1 (FLAGS INTERNALDATE BODY.PEEK[])")
    assert "FLAGS (\\Seen foo \\Recent)" in fetched
    assert 'INTERNALDATE " 8-Feb-1994 05:52:25 +0000"' in fetched
    assert "BODY[] {24}\r\nSubject: hello\r\n\r\ntext\r\n" in fetched
    assert desk.quotas.held == 0


def test_append_to_the_open_mailbox(desk: Desk) -> None:
    """The client is told before the answer (RFC 9051 section 6.3.12)."""
    client = desk.select()

    said = client.send(b"a APPEND INBOX {24+}\r\n" + MAIL + b"\r\n")

    assert said.startswith("* 1 EXISTS\r\n* 1 RECENT\r\na OK [APPENDUID ")


class FileWriter(MemoryWriter):
    """Its body is in a file."""

    async def finish(self) -> FileBody:  # type: ignore[override]
        return FileBody("b1", len(self.data))


class FileBodies(MemoryBodies):
    """Bodies in files; remembers which were removed."""

    removed: Sequence[str] = ()

    def writer(self) -> MemoryWriter:
        return FileWriter(self)

    async def remove(self, names: Iterable[str]) -> None:
        self.removed = [*self.removed, *names]


@pytest.mark.parametrize("failure", [None, TemporaryError(Reply(452, "4.3.1", "Disk full"))])
def test_a_client_that_goes_away_while_its_messages_are_written(failure: Exception | None) -> None:
    """What is committed keeps its files, although nobody waits any more; what isn't has none."""
    bodies, gate = FileBodies(), Promise[None]()
    desk = Desk(options={"bodies": bodies})
    database, client = desk.rest.database, desk.log_in()
    write = database.write

    async def slowly(*asked: Any, **options: Any) -> Any:
        await gate
        database.refuse = failure
        return await write(*asked, **options)

    database.write = slowly  # type: ignore[method-assign]
    assert not client.send(b"a APPEND INBOX {24+}\r\n" + MAIL + b"\r\n")
    client.hang_up()
    assert desk.quotas.held == 24  # the transaction goes on
    gate.resolve(None)

    kept = list(database.connection.execute("SELECT file FROM body"))
    assert (kept, bodies.removed) == (([("b1",)], ()) if failure is None else ([], ["b1"]))
    assert desk.quotas.held == 0


def test_bare_line_feeds_are_mended(desk: Desk) -> None:
    """Everything that reads messages can rely on CRLF."""
    client = desk.select()
    client.send(b"a APPEND INBOX {21+}\r\nSubject: x\n\none\ntwo\rx\r\n")

    assert "BODY[] {25}\r\nSubject: x\r\n\r\none\r\ntwo\r\nx" in client.type("b FETCH 1 BODY.PEEK[]")


@pytest.mark.parametrize(
    ("command", "answer"),
    [
        (b"a APPEND None {24+}\r\n" + MAIL, "a NO [TRYCREATE] There is no such mailbox\r\n"),
        (b"a APPEND INBOX {0+}\r\n", "a NO A message isn't empty\r\n"),
        (b"a APPEND INBOX (k%b) {24+}\r\n%b" % (b"x" * 255, MAIL), "a NO [LIMIT] The keyword is too long\r\n"),
        (b"a APPEND INBOX {1001+}\r\n" + b"x" * 1001, "a NO [TOOBIG] The message is too large\r\n"),
        (b"a APPEND INBOX {3+}\r\nx\0y", "a NO [CANNOT] A message with NUL has to be sent as a literal8\r\n"),
        (b"a APPEND INBOX {610+}\r\nX: " + b"x" * 600 + b"\r\n\r\nyz", "a NO [TOOBIG] The message is too large\r\n"),
    ],
)
def test_append_refused(desk: Desk, command: bytes, answer: str) -> None:
    """Nothing is kept, and the stream stays in step (RFC 7888 section 4)."""
    client = desk.log_in()

    assert client.send(command + b"\r\nb NOOP\r\n") == answer + "b OK NOOP completed\r\n"
    assert "(MESSAGES 0)" in client.type("c STATUS INBOX (MESSAGES)")
    assert desk.quotas.held == 0


def test_append_over_quota(desk: Desk) -> None:
    """It is said before the message comes."""
    client = desk.log_in()
    desk.quotas.full = True

    assert client.type("a APPEND INBOX {24}") == "a NO [OVERQUOTA] Mailbox full\r\n"


def test_append_larger_than_the_quota(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor does it help there to come again, but it is the quota that is in the way (RFC 9208 section 4.3.1)."""
    monkeypatch.setattr(imap_access, "FULL", TOO_LARGE)
    client = desk.log_in()
    desk.quotas.full = True

    assert client.type("a APPEND INBOX {24}").startswith("a NO [OVERQUOTA] ")


def test_a_literal8_may_hold_nul(desk: Desk) -> None:
    """RFC 3516 section 4.4."""
    client = desk.log_in()

    assert client.send(b"a APPEND INBOX ~{3+}\r\nx\0y\r\n").startswith("a OK [APPENDUID ")


def test_several_messages_at_once(desk: Desk) -> None:
    """RFC 3502: their UIDs follow one another, in one answer."""
    client = desk.select()

    said = client.send(b"a APPEND INBOX {24+}\r\n" + MAIL + b" (\\Flagged) {24+}\r\n" + MAIL + b"\r\n")

    assert said.startswith("* 2 EXISTS\r\n")
    assert said.partition("APPENDUID ")[2].partition("]")[0].endswith(" 1:2")
    assert "* 2 FETCH (FLAGS (\\Flagged \\Recent))" in client.type("b FETCH 2 FLAGS")


def test_several_messages_or_none(desk: Desk) -> None:
    """One that is refused takes those before it back."""
    client = desk.log_in()

    assert client.send(b"a APPEND INBOX {24+}\r\n" + MAIL + b" {1001}\r\n").startswith("a NO [TOOBIG]")
    assert "(MESSAGES 0)" in client.type("b STATUS INBOX (MESSAGES)")
    assert desk.quotas.held == 0


@pytest.mark.parametrize("each", [b"{1+}\r\nx", b"(" + b" ".join(b"k%d" % n for n in range(20)) + b") {1+}\r\nx"])
def test_many_small_messages_have_a_limit_too(desk: Desk, monkeypatch: pytest.MonkeyPatch, each: bytes) -> None:
    """What is kept of a message costs memory, and its rows time, even if it is one octet with flags."""
    monkeypatch.setattr(appending, "HELD", 5 * appending.EACH)
    most = 5 if each.startswith(b"{") else 4
    client = desk.log_in()

    said = client.send(b"a APPEND INBOX " + b" ".join([each] * (most + 1)) + b"\r\n")
    assert said == "a NO [LIMIT] Too much in one command\r\n"
    assert desk.quotas.held == 0
    assert client.send(b"b APPEND INBOX " + b" ".join([each] * most) + b"\r\n").startswith("b OK")


def test_a_client_that_goes_away_in_the_middle(desk: Desk) -> None:
    """What came is forgotten, and the room given back."""
    client = desk.log_in()
    client.send(b"a APPEND INBOX {24+}\r\n" + MAIL[:10])
    assert desk.quotas.held == 24

    client.hang_up()

    assert desk.quotas.held == 0
    assert desk.bodies.writers[0].abandoned


# Mailboxes that are open


def test_select(desk: Desk) -> None:
    """RFC 3501 section 6.3.1, RFC 7162 section 3.1.2.1."""
    desk.put(MAIL, MAIL)
    client = desk.log_in()

    said = client.type("a SELECT inbox").splitlines()

    assert said[0] == "* FLAGS (\\Seen \\Answered \\Flagged \\Deleted \\Draft)"
    assert said[1].startswith("* OK [PERMANENTFLAGS (\\Seen \\Answered \\Flagged \\Deleted \\Draft \\*)]")
    assert said[2:4] == ["* 2 EXISTS", "* 2 RECENT"]
    codes = [line.partition("[")[2].partition(" ")[0].partition("]")[0] for line in said[4:]]
    assert codes == ["UNSEEN", "UIDVALIDITY", "UIDNEXT", "HIGHESTMODSEQ", "READ-WRITE"]
    assert "* 0 RECENT" in desk.log_in().type("a SELECT INBOX")


def test_select_in_rev2(desk: Desk) -> None:
    """No RECENT and no UNSEEN, but LIST (RFC 9051 section 6.3.2)."""
    desk.put(MAIL)
    client = desk.log_in()
    client.type("e ENABLE IMAP4rev2")

    said = client.type("a SELECT INBOX")

    assert "RECENT" not in said
    assert "UNSEEN" not in said
    assert '* LIST () "/" "INBOX"\r\n' in said


def test_examine(desk: Desk) -> None:
    """Nothing changes by looking."""
    desk.put(MAIL)
    client = desk.log_in()

    said = client.type("a EXAMINE INBOX")

    assert "* OK [PERMANENTFLAGS ()]" in said
    assert "a OK [READ-ONLY]" in said
    client.type("b FETCH 1 BODY[]")
    assert "FLAGS (\\Recent)" in client.type("c FETCH 1 FLAGS")
    assert "* 1 RECENT" in desk.log_in().type("a SELECT INBOX")


def test_another_mailbox(desk: Desk) -> None:
    """What follows is of the new one, which is said (RFC 9051 section 7.1); a wrong name closes the old one too."""
    client = desk.select()

    assert client.type("a SELECT Sent").startswith("* OK [CLOSED] ")
    assert client.type("b SELECT None").startswith("* OK [CLOSED] ")
    assert client.type("c CHECK") == "c BAD Select a mailbox first\r\n"


@pytest.mark.parametrize(("command", "left"), [("CLOSE", 1), ("UNSELECT", 2)])
def test_close_and_unselect(desk: Desk, command: str, left: int) -> None:
    r"""CLOSE takes messages with \Deleted away, without a word; UNSELECT doesn't."""
    client = desk.select()
    client.send(b"a APPEND INBOX (\\Deleted) {24+}\r\n" + MAIL + b" {24+}\r\n" + MAIL + b"\r\n")

    assert client.type(f"b {command}") == f"b OK {command} completed\r\n"
    assert f"(MESSAGES {left})" in client.type("c STATUS INBOX (MESSAGES)")


def test_views_of_mailboxes_are_given_back(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever opened one: they stay in memory for as long as somebody has them."""
    store, held = desk.rest.store, list[MailboxView]()
    really_open, really_leave = store.open, store.leave

    async def open_view(mailbox: int) -> MailboxView:
        held.append(await really_open(mailbox))
        return held[-1]

    def leave(left: MailboxView) -> None:
        held.remove(left)
        really_leave(left)

    monkeypatch.setattr(store, "open", open_view)
    monkeypatch.setattr(store, "leave", leave)
    client = desk.select()
    assert len(held) == 1
    for command in ("STATUS Sent (UNSEEN)", "SELECT Sent", "EXAMINE Sent", "CLOSE", "SELECT Sent", "SELECT none"):
        client.type(f"a {command}")
    assert not held
    client.type("b SELECT Sent", "c LOGOUT")
    desk.select().hang_up()
    assert not held


def test_close_after_examine(desk: Desk) -> None:
    """Nothing goes from what was opened read-only (RFC 9051 section 6.4.1)."""
    client = desk.log_in()
    client.send(b"a APPEND INBOX (\\Deleted) {24+}\r\n" + MAIL + b"\r\n")

    client.type("b EXAMINE INBOX", "c CLOSE")

    assert "(MESSAGES 1)" in client.type("d STATUS INBOX (MESSAGES)")


def test_news_of_others(desk: Desk) -> None:
    """What another session does is told before the next answer: new keywords, messages, flags."""
    desk.put(MAIL)
    one, other = desk.select(), desk.select()

    other.send(b"c APPEND INBOX (new) {24+}\r\n" + MAIL + b"\r\n")
    other.type("d FETCH 1 BODY[]")

    assert one.type("a NOOP") == (
        "* FLAGS (\\Seen \\Answered \\Flagged \\Deleted \\Draft new)\r\n"
        "* OK [PERMANENTFLAGS (\\Seen \\Answered \\Flagged \\Deleted \\Draft new \\*)] Flags that are kept\r\n"
        "* 2 EXISTS\r\n* 2 RECENT\r\n* 1 FETCH (FLAGS (\\Seen \\Recent))\r\na OK NOOP completed\r\n"
    )


def test_expunges_wait(desk: Desk) -> None:
    """Message numbers don't change under FETCH; NOOP tells (RFC 9051 section 7.5.1)."""
    client = desk.select()
    client.send(b"a APPEND INBOX (\\Deleted) {24+}\r\n" + MAIL + b" {24+}\r\n" + MAIL + b"\r\n")
    other = desk.select()
    assert other.type("a EXPUNGE") == "* 1 EXPUNGE\r\na OK EXPUNGE completed\r\n"

    assert "EXPUNGE\r\n" not in client.type("b FETCH 2 UID")
    assert client.type("c NOOP") == "* 1 EXPUNGE\r\nc OK NOOP completed\r\n"
    assert client.type("d FETCH 1 UID") == "* 1 FETCH (UID 2)\r\nd OK FETCH completed\r\n"


def test_vanished(desk: Desk) -> None:
    """A client that enabled QRESYNC hears UIDs (RFC 7162 section 3.2.10)."""
    client = desk.log_in()
    client.type("a ENABLE QRESYNC", "b SELECT INBOX")
    client.send(b"c APPEND INBOX (\\Deleted) {24+}\r\n" + MAIL + b" (\\Deleted) {24+}\r\n" + MAIL + b"\r\n")

    said = client.type("d EXPUNGE")

    assert said.startswith("* VANISHED 1:2\r\nd OK [HIGHESTMODSEQ ")


def resyncing(desk: Desk, messages: int) -> Client:
    """Return a client with QRESYNC that looks at messages 1 to `messages`, of which another has removed the first."""
    desk.put(*[MAIL] * messages)
    client = desk.log_in()
    client.type("a ENABLE QRESYNC", "b SELECT INBOX")
    other = desk.select()
    other.type("c STORE 1 FLAGS.SILENT (\\Deleted)", "d EXPUNGE", "e LOGOUT")
    return client


def test_a_client_is_told_up_to_where_it_knows_all(desk: Desk) -> None:
    """RFC 7162 section 6: a higher mod-sequence must not make it miss what vanished before, should it be cut off."""
    client = resyncing(desk, 3)  # at MODSEQ 6 the first one went

    assert client.type("f STORE 3 +FLAGS.SILENT (\\Seen)") == (
        "* 3 FETCH (UID 3 MODSEQ (7))\r\n* OK [HIGHESTMODSEQ 5] All until then was told\r\nf OK STORE completed\r\n"
    )
    assert client.type("g FETCH 2 UID") == (
        "* 2 FETCH (UID 2)\r\n* OK [HIGHESTMODSEQ 5] All until then was told\r\ng OK FETCH completed\r\n"
    )
    assert client.type("h NOOP") == (
        "* VANISHED 1\r\n* OK [HIGHESTMODSEQ 7] All until then was told\r\nh OK NOOP completed\r\n"
    )
    assert client.type("i STORE 2 FLAGS.SILENT ()") == "* 2 FETCH (UID 3 MODSEQ (8))\r\ni OK STORE completed\r\n"


def test_up_to_where_it_knows_all_also_where_that_is_long_ago(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the view doesn't remember may have gone at any time since."""
    monkeypatch.setattr(view, "REMEMBERED", 0)
    client = resyncing(desk, 2)

    assert "* OK [HIGHESTMODSEQ 3] " in client.type("f FETCH 2 UID")
    assert "* OK [HIGHESTMODSEQ 5] " in client.type("g NOOP")


@pytest.mark.parametrize("command", ["SEARCH", "SORT (DATE) UTF-8", "THREAD REFERENCES UTF-8"])
def test_numbers_in_a_search_for_uids_stay(desk: Desk, command: str) -> None:
    """RFC 7162 section 3.2.10: nothing is told to have vanished while a search by numbers is answered."""
    client = resyncing(desk, 2)

    assert "VANISHED" not in client.type(f"f UID {command} OR NOT 1:2 DELETED")
    assert client.type(f"g UID {command} UID 1:2").partition("\r\n")[2].startswith("* VANISHED 1\r\n")


def test_resynchronization(desk: Desk) -> None:
    """A client that comes back is told what vanished and what changed (RFC 7162 section 3.2.5)."""
    first = desk.select()
    first.send(b"a APPEND INBOX {24+}\r\n" + MAIL + b" (\\Deleted) {24+}\r\n" + MAIL + b" {24+}\r\n" + MAIL + b"\r\n")
    status = first.type("b STATUS INBOX (UIDVALIDITY HIGHESTMODSEQ)")
    validity, modseq = status.partition("(")[2].partition(")")[0].split()[1::2]
    first.type("c EXPUNGE", "d FETCH 2 BODY[]")
    client = desk.log_in()
    client.type("a ENABLE QRESYNC")

    said = client.type(f"b SELECT INBOX (QRESYNC ({validity} {modseq} 1:3))")

    assert "* VANISHED (EARLIER) 2\r\n" in said
    assert "* 2 FETCH (UID 3 FLAGS (\\Seen) MODSEQ (" in said
    assert "* 1 FETCH" not in said
    for known, answer in ((f"{validity} {modseq} 1,3", " FETCH "), (f"{validity} {modseq} 2", "* VANISHED ")):
        said = client.type(f"c SELECT INBOX (QRESYNC ({known}))")
        assert [each for each in (" FETCH ", "* VANISHED ") if each in said] == [answer]
    said = client.type(f"d SELECT INBOX (QRESYNC ({int(validity) - 1} {modseq}))")
    assert "VANISHED" not in said
    assert "FETCH" not in said


def test_qresync_must_be_enabled(desk: Desk) -> None:
    """RFC 7162 section 3.2.5."""
    assert desk.log_in().type("a SELECT INBOX (QRESYNC (1 1))") == "a BAD Enable QRESYNC first\r\n"


# IDLE


def test_idle(desk: Desk) -> None:
    """What happens is told as it happens, a burst at once."""
    client, other = desk.select(), desk.log_in()
    assert client.type("a IDLE") == "+ idling\r\n"

    other.send(b"b APPEND INBOX {24+}\r\n" + MAIL + b"\r\n")
    other.send(b"c APPEND INBOX {24+}\r\n" + MAIL + b"\r\n")
    desk.rest.clock.advance(0)

    assert client.said() == "* 2 EXISTS\r\n* 2 RECENT\r\n"
    assert client.type("DONE") == "a OK IDLE completed\r\n"


def test_idle_tells_what_goes(desk: Desk) -> None:
    """Message numbers may change at any time meanwhile (RFC 9051 section 7.5.1)."""
    desk.put(MAIL, MAIL)
    client, other = desk.select(), desk.select()
    client.type("a IDLE")

    other.type("b STORE 1 FLAGS.SILENT (\\Deleted)", "c EXPUNGE")
    desk.rest.clock.advance(0)

    assert "* 1 EXPUNGE\r\n" in client.said()


def test_idle_tells_what_happened_before(desk: Desk) -> None:
    """Nothing is held back for the end."""
    client, other = desk.select(), desk.log_in()
    other.send(b"b APPEND INBOX {24+}\r\n" + MAIL + b"\r\n")

    client.type("a IDLE")
    desk.rest.clock.advance(0)

    assert "* 1 EXISTS" in client.said()


def test_idle_with_a_client_that_takes_nothing(desk: Desk) -> None:
    """It is told when it has room, once, whatever happened meanwhile."""
    client, other = desk.select(), desk.log_in()
    client.type("a IDLE")
    client.connection.pauseProducing()
    for _ in range(3):
        other.send(b"b APPEND INBOX {24+}\r\n" + MAIL + b"\r\n")
        desk.rest.clock.advance(0)
    assert client.said() == ""

    client.connection.resumeProducing()
    desk.rest.clock.advance(0)

    assert client.said() == "* 3 EXISTS\r\n* 3 RECENT\r\n"


def test_idlers_of_a_large_change_take_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a view doesn't remember costs each session a look at all messages: not all of them at once."""
    monkeypatch.setattr("twistedmail_mta.mailbox.view.REMEMBERED", 0)
    desk = Desk(options={"sessions_per_account": 5})
    idlers, other = [desk.select() for _ in range(3)], desk.log_in()
    for idler in idlers:
        idler.type("a IDLE")

    other.send(b"b APPEND INBOX {24+}\r\n" + MAIL + b"\r\n")
    told = []
    for _ in range(3):
        told.append([idler.said() != "" for idler in idlers])
        desk.rest.clock.advance(APART)
    told.append([idler.said() != "" for idler in idlers])

    assert [sum(each) for each in told] == [0, 2, 1, 0]


def test_idle_without_a_mailbox(desk: Desk) -> None:
    """It is allowed, though nothing comes of it."""
    client = desk.log_in()

    assert client.type("a IDLE") == "+ idling\r\n"
    assert client.type("DONE") == "a OK IDLE completed\r\n"


def test_nobody_is_told_after_the_end(desk: Desk) -> None:
    """A session that is gone has left its mailbox."""
    client, other = desk.select(), desk.log_in()
    client.type("a IDLE")
    client.hang_up()

    other.send(b"b APPEND INBOX {24+}\r\n" + MAIL + b"\r\n")
    desk.rest.clock.advance(0)

    assert client.said() == ""
    assert len(desk.rest.tasks) == 0


# ENABLE, ID


def test_enable(desk: Desk) -> None:
    """Unknown ones are passed over, known ones told once (RFC 9051 section 6.3.1)."""
    client = desk.log_in()

    assert client.type("a ENABLE CONDSTORE X-GOOD") == "* ENABLED CONDSTORE\r\na OK ENABLE completed\r\n"
    assert client.type("b ENABLE CONDSTORE IMAP4rev2") == "* ENABLED IMAP4rev2\r\nb OK ENABLE completed\r\n"


@pytest.mark.parametrize(
    "command",
    [
        *("ENABLE CONDSTORE", "ENABLE QRESYNC", "STATUS Sent (HIGHESTMODSEQ)", "FETCH 1 MODSEQ", "SEARCH MODSEQ 1"),
        *("FETCH 1 FLAGS (CHANGEDSINCE 1)", "STORE 1 (UNCHANGEDSINCE 9) FLAGS ()"),
    ],
)
def test_who_turns_out_to_know_mod_sequences_is_told_the_highest(desk: Desk, command: str) -> None:
    """RFC 7162 section 3.1: once, with a mailbox selected; without one there is none to tell."""
    desk.put(MAIL)
    client = desk.select()

    assert client.type(f"a {command}").count("* OK [HIGHESTMODSEQ 2] ") == 1
    assert "* OK [HIGHESTMODSEQ" not in client.type(f"b {command}")
    client = desk.log_in()
    assert "* OK [HIGHESTMODSEQ" not in client.type("a ENABLE CONDSTORE", "b STATUS Sent (HIGHESTMODSEQ)")


def test_id(desk: Desk) -> None:
    """Strangers don't learn our version (RFC 2971 section 5)."""
    assert desk.connect().type("a ID NIL") == '* ID ("name" "twistedmail_mta")\r\na OK ID completed\r\n'
    assert '"version" "1.2.3"' in desk.log_in().type('a ID ("name" "test")')
