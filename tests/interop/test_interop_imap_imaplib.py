"""Python's own IMAP client, as scripts use it: every login, every kind of message, and what is done with them."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from imaplib import IMAP4, Internaldate2tuple, ParseFlags
from time import mktime

import pytest
from interop_daemons import PATIENCE
from interop_imap_imaplib import WAYS, bodies, connect, done, logged_in
from interop_imap_messages import kinds, note
from interop_imap_site import HOST, SPECIAL, Account

MESSAGES = kinds()
APPENDED_AT = datetime(2026, 11, 21, 4, tzinfo=UTC).timestamp()


@pytest.mark.parametrize("way", WAYS)
def test_login(account: Account, way: str) -> None:
    """LOGIN and AUTHENTICATE both let in, the wrong password doesn't, and the connection survives it."""
    with connect(account, way) as client:
        with pytest.raises(IMAP4.error, match="AUTHENTICATIONFAILED"):
            client.login(account.user, "wrong")
        done(client.login(account.user, account.password))
        done(client.select())
    with connect(account, way) as client:
        assert "AUTH=PLAIN" in client.capabilities
        plain = f"\0{account.user}\0{account.password}".encode()
        done(client.authenticate("PLAIN", lambda _: plain))
        done(client.noop())


def test_login_in_clear(account: Account) -> None:
    """Where it isn't allowed, that is announced, and said before the password is looked at."""
    with IMAP4(HOST, account.starttls, timeout=PATIENCE) as client:
        assert "LOGINDISABLED" in client.capabilities
        assert "STARTTLS" in client.capabilities
        with pytest.raises(IMAP4.error, match="PRIVACYREQUIRED"):
            client.login(account.user, account.password)


def test_folders_as_a_new_account_has_them(account: Account) -> None:
    """INBOX, and a folder for each special use, all subscribed."""
    with logged_in(account) as client:
        listed = [line.decode() for line in done(client.list())]
        assert {name.rpartition(" ")[2].strip('"') for name in listed} == {"INBOX", *SPECIAL.values()}
        for use, name in SPECIAL.items():
            assert any(use in line and line.strip('"').endswith(name) for line in listed)
        subscribed = b" ".join(done(client.lsub()))
        assert all(name.encode() in subscribed for name in SPECIAL.values())
        assert done(client.namespace()) == [b'(("" "/")) NIL NIL']


def test_folders_come_and_go(account: Account) -> None:
    """Create, subscribe, rename with what is below, unsubscribe, delete."""
    with logged_in(account) as client:
        done(client.create("Work/Reports/2026"))
        done(client.subscribe("Work/Reports"))
        done(client.rename("Work", '"Old work"'))
        names = [line.decode().partition(' "/" ')[2].strip('"') for line in done(client.list('""', '"Old*"'))]
        assert sorted(names) == ["Old work", "Old work/Reports", "Old work/Reports/2026"]
        done(client.unsubscribe("Work/Reports"))
        assert client.create('"Old work/Reports/2026"')[0] == "NO"
        done(client.delete('"Old work/Reports/2026"'))
        assert client.select('"Old work/Reports/2026"')[0] == "NO"
        assert client.delete("INBOX")[0] == "NO"


@pytest.mark.parametrize("way", WAYS)
def test_octets_that_were_appended(account: Account, way: str) -> None:
    """Whatever is appended is read as it was."""
    with logged_in(account, way) as client:
        for message in MESSAGES.values():
            (said,) = done(client.append("Archive", r"(\Seen)", '"21-Nov-2026 05:00:00 +0100"', message))
            assert said.startswith(b"[APPENDUID ")
        done(client.select("Archive"))

        assert bodies(client) == list(MESSAGES.values())
        told = done(client.fetch("1:*", "(INTERNALDATE FLAGS)"))
        assert [mktime(Internaldate2tuple(line)) for line in told] == [APPENDED_AT] * len(MESSAGES)
        assert [b"\\Seen" in ParseFlags(line) for line in told] == [True] * len(MESSAGES)


def test_octets_that_were_delivered(account: Account) -> None:
    """Below the trace fields a message is as it was sent."""
    sent = {name: message for name, message in MESSAGES.items() if name != "unfinished"}
    for message in sent.values():
        account.deliver(message)

    with logged_in(account, "implicit") as client:
        assert done(client.select()) == [str(len(sent)).encode()]
        for number, message in enumerate(sent.values(), 1):
            (stored,) = bodies(client, str(number))
            assert stored.endswith(message)
            assert stored.startswith(b"Return-Path: <joe@elsewhere.test>\r\nDelivered-To: ")
            (sizes, *_) = done(client.fetch(str(number), "(RFC822.SIZE)"))
            assert f"RFC822.SIZE {len(stored)})".encode() in sizes


def test_parts_of_messages(account: Account) -> None:
    """Sections and pieces are those of the message."""
    message = MESSAGES["attachments"]
    header, _, body = message.partition(b"\r\n\r\n")
    with logged_in(account) as client:
        done(client.append("INBOX", "", "", message))
        done(client.select())

        def section(name: str) -> bytes:
            return done(client.fetch("1", f"(BODY.PEEK[{name})"))[0][1]

        assert section("HEADER]") == header + b"\r\n\r\n"
        assert section("TEXT]") == body
        assert section("1]") == "Gr\u00fc\u00dfe\r\n".encode()
        assert section("3.HEADER.FIELDS (SUBJECT)]") == b"Subject: inner\r\n\r\n"
        assert section("3.TEXT]") == b"within\r\n"
        assert section("]<100.50>") == message[100:150]
        (structure,) = done(client.fetch("1", "(BODYSTRUCTURE)"))
        assert b'"attachment" ("filename" "dot.png")' in structure
        (envelope,) = done(client.fetch("1", "(ENVELOPE)"))
        assert b'"attachments" ((NIL NIL "joe" "elsewhere.test"))' in envelope
        assert b"\\Seen" not in done(client.fetch("1", "(FLAGS)"))[0]
        done(client.fetch("1", "(BODY[TEXT])"))
        assert b"\\Seen" in done(client.fetch("1", "(FLAGS)"))[0]


def test_flags_copies_and_moves(account: Account) -> None:
    """Flags and keywords stay; copies carry them; moved and expunged messages are gone."""
    with logged_in(account) as client:
        for token in ("first", "second", "third"):
            done(client.append("INBOX", "", "", note(token)))
        done(client.select())
        assert b"$Forwarded" in done(client.store("1", "+FLAGS", r"(\Flagged $Forwarded Project-X)"))[0]
        done(client.store("2", "FLAGS.SILENT", r"(\Deleted)"))
        assert done(client.search(None, "KEYWORD", "Project-X")) == [b"1"]
        done(client.copy("1", "Archive"))
        assert done(client.expunge()) == [b"2"]
        done(client.uid("MOVE", "3", "Trash"))
        assert done(client.search(None, "ALL")) == [b"1"]
        done(client.select("Archive"))
        assert b"$Forwarded" in done(client.fetch("1", "(FLAGS)"))[0]
        done(client.select("Trash"))
        assert bodies(client) == [note("third")]


def test_search_sort_thread(account: Account) -> None:
    """Words in headers and texts are found in any case and charset; threads follow References."""
    with logged_in(account) as client:
        for message in (
            note("pears", "X-Fruit: Birne"),
            note("apples", "References: <pears@interop.test>"),
            MESSAGES["eight-bit"],
        ):
            done(client.append("INBOX", "", "", message))
        done(client.select())
        assert done(client.search(None, "SUBJECT", "PEAR")) == [b"1"]
        assert done(client.search(None, "OR", "HEADER", "X-Fruit", "birne", "BODY", '"of apples"')) == [b"1 2"]
        assert done(client.search(None, "SINCE", "1-Jan-2020", "NOT", "SEEN", "LARGER", "4000")) == [b"3"]
        client.literal = "gr\u00fc\u00dfe".encode()  # type: ignore[attr-defined]
        assert done(client.search("UTF-8", "TEXT")) == [b"3"]
        assert done(client.sort("(SUBJECT)", "UTF-8", "ALL")) == [b"2 3 1"]
        assert done(client.thread("REFERENCES", "UTF-8", "ALL")) == [b"(1 2)(3)"]
        assert client.search("X-UNKNOWN", "ALL")[0] == "NO"


def test_names_in_utf_8(account: Account) -> None:
    """After ENABLE UTF8=ACCEPT names are in UTF-8, and others see the same folder."""
    name = 'Entw\u00fcrfe & "Skizzen"/\u65e5\u672c'
    quoted = '"' + name.replace('"', '\\"') + '"'
    message = note("gr\u00fc\u00dfe")
    account.deliver(message)
    with logged_in(account) as client:
        done(client.enable("UTF8=ACCEPT"))
        done(client.create(quoted))
        done(client.select())
        done(client.copy("1", quoted))
        done(client.select(quoted))
        assert bodies(client)[0].endswith(message)
        assert any(name.encode() in line for line in map(told_name, done(client.list())))
    with logged_in(account) as client:
        assert rb"Entw&APw-rfe &- \"Skizzen\"/&ZeVnLA-" in b" ".join(done(client.list('""', "Entw*")))


def told_name(line: bytes | tuple[bytes, bytes]) -> bytes:
    """Return a line of LIST, the name without backslashes."""
    return (line if isinstance(line, bytes) else b" ".join(line)).replace(b"\\", b"")


def test_two_clients_see_each_other(account: Account) -> None:
    """What one does, the other hears with its next NOOP: new mail, flags, what is gone."""
    with logged_in(account) as one, logged_in(account, "implicit") as other:
        assert done(one.select()) == done(other.select()) == [b"0"]
        one.response("EXISTS")
        account.deliver(note("news"))
        done(one.noop())
        assert one.response("EXISTS")[1] == [b"1"]
        done(other.noop())
        done(other.store("1", "+FLAGS", r"(\Answered)"))
        done(one.noop())
        assert rb"\Answered" in b"".join(one.response("FETCH")[1])
        done(other.store("1", "+FLAGS", r"(\Deleted)"))
        done(other.expunge())
        done(one.noop())
        assert one.response("EXPUNGE")[1] == [b"1"]


def test_quota_and_id(account: Account) -> None:
    """The quota is that of the domain; clients that tell their name are told one."""
    with logged_in(account) as client:
        _, (root,) = done(client.getquotaroot("INBOX"))
        assert re.search(rb"\(STORAGE \d+ 102400\)", root)
        done(client.xatom("ID", '("name" "imaplib")'))
        assert client.response("ID")[1] != [None]
