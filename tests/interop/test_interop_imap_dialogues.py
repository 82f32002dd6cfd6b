"""The commands of graphical mail programs, in their words and order, with answers read strictly.

Those programs can't run here.  What they send is public: their logs, and for
Thunderbird its source.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager

from imap_client import Client, Literal, SocketWire
from imap_responses import Listed, Numbered
from interop_imap_messages import note, with_attachments
from interop_imap_site import SPECIAL, Account

THUNDERBIRD = (
    "BODY.PEEK[HEADER.FIELDS (From To Cc Bcc Resent-Message-ID Subject Date Message-ID Priority X-Priority References "
    "Newsgroups In-Reply-To Content-Type Reply-To)]"
)
APPLE = (
    "BODY.PEEK[HEADER.FIELDS (date subject from to cc message-id in-reply-to references content-type x-priority "
    "x-uniform-type-identifier x-universally-unique-identifier list-id list-unsubscribe)]"
)


@contextmanager
def session(account: Account, *, tls: bool, mechanism: str) -> Iterator[Client]:
    """Log in as those programs do, and out."""
    wire = SocketWire(account.implicit if tls else account.starttls, tls=tls)
    with Client(wire) as client:
        client.ok("CAPABILITY")
        if not tls:
            client.ok("STARTTLS")
            wire.start_tls()
            client.ok("capability")
        assert {"IMAP4REV1", f"AUTH={mechanism}"} <= {name.upper() for name in client.capabilities}
        if mechanism == "PLAIN":
            login = f"\0{account.user}\0{account.password}".encode()
            client.ok(f"AUTHENTICATE PLAIN {b64encode(login).decode()}")
        else:
            client.ok(f'LOGIN "{account.user}" "{account.password}"')
        yield client
        client.logout()


def incoming(client: Client, account: Account, token: str) -> int:
    """Wait in IDLE for a message that comes in meanwhile; return how many there are then."""
    client.idle()
    account.deliver(note(token))
    while not (isinstance(told := client.read(), Numbered) and told.kind == "EXISTS"):
        pass
    assert client.done().ok
    return told.number


def test_thunderbird(account: Account) -> None:
    """A new account, a message read and thrown away, an answer filed, and a folder opened again."""
    account.deliver(with_attachments("parts"))
    with session(account, tls=True, mechanism="PLAIN") as client:
        client.ok('ID ("name" "Thunderbird" "version" "128.5.0")')
        client.ok("namespace")
        listed = client.ok('list (subscribed) "" "*" return (special-use)').of(Listed)
        assert {SPECIAL.get(use, "") for each in listed for use in _special(each)} == set(SPECIAL.values())
        client.ok('list "" "INBOX"')
        client.ok("ENABLE CONDSTORE")
        modseq = client.select('"INBOX"', "(CONDSTORE)").codes()["HIGHESTMODSEQ"]
        client.ok('getquotaroot "INBOX"')
        assert client.ok("UID fetch 1:* (FLAGS)").by_uid().keys() == {1}
        client.ok(f"UID fetch 1 (UID RFC822.SIZE FLAGS {THUNDERBIRD})")
        client.ok("UID fetch 1 (BODYSTRUCTURE)")
        client.ok("UID fetch 1 (UID RFC822.SIZE BODY.PEEK[])")
        assert client.ok("UID fetch 1 (UID BODY.PEEK[HEADER] BODY.PEEK[1.MIME] BODY.PEEK[1])").ok
        assert incoming(client, account, "news") == 2
        client.ok(f"UID fetch 1:* (FLAGS) (CHANGEDSINCE {modseq})")
        client.ok(f"UID fetch 2:* (UID RFC822.SIZE FLAGS {THUNDERBIRD})")
        client.ok(r"uid store 1:2 +Flags (\Seen)")
        client.ok('uid move 1 "Trash"')
        client.ok(r"uid store 2 +Flags (\Answered)")
        client.ok('append "Sent" (\\Seen) ', Literal(note("answer")))
        client.ok('create "Work"')
        client.ok('subscribe "Work"')
        client.ok('list "" "Work"')
        client.ok('STATUS "Sent" (UIDNEXT MESSAGES UNSEEN RECENT)')
        client.select('"Sent"', "(CONDSTORE)")
        assert len(client.learn()) == 1
        client.ok("close")


def test_apple_mail(account: Account) -> None:
    """Counts of all folders, headers, parts one by one, flags with colours, and a message thrown away."""
    account.deliver(with_attachments("parts"))
    with session(account, tls=False, mechanism="PLAIN") as client:
        client.ok(
            'ID ("name" "Mac OS X Mail" "version" "16.0" "os" "Mac OS X" "os-version" "14.0" "vendor" "Apple Inc.")'
        )
        client.ok('LIST "" ""')
        names = client.ok('LIST "" "*"').listed()
        for name in names:
            client.ok(f'STATUS "{name.decode()}" (MESSAGES UNSEEN UIDNEXT UIDVALIDITY)')
        client.select("INBOX")
        client.ok("FETCH 1:* (FLAGS UID)")
        client.ok(f"UID FETCH 1 (INTERNALDATE UID RFC822.SIZE FLAGS {APPLE})")
        client.ok("UID FETCH 1 (BODYSTRUCTURE BODY.PEEK[HEADER])")
        for part in ("1", "2", "3"):
            client.ok(f"UID FETCH 1 (BODY.PEEK[{part}.MIME] BODY.PEEK[{part}]<0.512000>)")
        client.ok(r"UID STORE 1 +FLAGS.SILENT (\Seen \Flagged $MailFlagBit0 $NotJunk NotJunk)")
        assert incoming(client, account, "news") == 2
        client.ok("UID SEARCH 1:* NOT DELETED")
        client.ok(f"UID FETCH 2:* (INTERNALDATE UID RFC822.SIZE FLAGS {APPLE})")
        client.ok('UID COPY 1 "Trash"')
        client.ok(r"UID STORE 1 +FLAGS.SILENT (\Deleted)")
        client.ok("UID EXPUNGE 1")
        client.ok("CHECK")
        client.ok("NOOP")
        assert client.learn().keys() == {2}


def test_outlook(account: Account) -> None:
    """Folders by LSUB, whole messages at once, a search for what is left, and EXPUNGE."""
    account.deliver(with_attachments("parts"))
    with session(account, tls=True, mechanism="LOGIN") as client:
        client.ok('LIST "" ""')
        client.ok('LIST "" "*"')
        client.ok('LSUB "" "*"')
        client.ok('STATUS "INBOX" (UIDNEXT UIDVALIDITY UNSEEN)')
        client.select('"INBOX"')
        client.ok("UID FETCH 1:* (UID FLAGS)")
        client.ok("UID FETCH 1 (UID FLAGS RFC822.SIZE RFC822.HEADER INTERNALDATE)")
        client.ok("UID FETCH 1 (UID FLAGS RFC822.SIZE BODY.PEEK[] INTERNALDATE)")
        assert incoming(client, account, "news") == 2
        client.ok("UID SEARCH UID 2:* UNDELETED")
        client.ok(r"UID STORE 1 +FLAGS (\Seen \Deleted)")
        client.ok("EXPUNGE")
        client.ok('APPEND "Sent" (\\Seen) "21-Nov-2026 05:00:00 +0000" ', Literal(note("sent"), plus=True))
        client.ok("CLOSE")


def _special(listed: Listed) -> set[str]:
    return {use for use in SPECIAL if use.lower() in {attribute.lower() for attribute in listed.attributes}}
