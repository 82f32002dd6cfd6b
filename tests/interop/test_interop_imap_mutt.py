"""mutt, typed at as a person does: reading, filing, answering, looking for mail, and waiting for it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from interop_daemons import eventually
from interop_imap_imaplib import done, folders, kept, logged_in
from interop_imap_many import MANY, fill
from interop_imap_messages import note, with_attachments
from interop_imap_programs import settings
from interop_imap_screen import TMUX, Screen, on_screen
from interop_imap_site import HOST, Account

MUTT = Path("/usr/bin/mutt")
pytestmark = pytest.mark.skipif(
    not (MUTT.exists() and TMUX.exists()), reason="not installed: mutt and tmux (tests/interop/install-peers.sh)"
)
SETTINGS = """
set folder="{scheme}://{host}:{port}/"
set imap_user="{account.user}" imap_pass="{account.password}"
set certificate_file="{account.trusted}" ssl_starttls=yes ssl_force_tls=yes
set spoolfile="+INBOX" record="+Sent" postponed="+Drafts" trash="+Trash"
set header_cache="{account.home}/headers/" message_cachedir="{account.home}/messages/"
set imap_idle=yes imap_qresync=yes timeout=1 mail_check=1
set realname="Ann" from="ann@hosted.test" sendmail="/bin/true" editor="/bin/true"
set quit=yes delete=yes confirmcreate=no confirmappend=no move=no mark_old=no abort_unmodified=no
set wait_key=no beep=no sleep_time=0 fast_reply=yes edit_headers=no postpone=yes
"""


@contextmanager
def mutt(account: Account, *, tls: bool = True) -> Iterator[Screen]:
    """Run mutt until the block ends, over TLS from the start or after STARTTLS."""
    port = account.implicit if tls else account.starttls
    text = SETTINGS.format(account=account, host=HOST, port=port, scheme="imaps" if tls else "imap")
    rc = settings(account.home / "muttrc", text)
    for name in ("headers", "messages"):
        (account.home / name).mkdir(exist_ok=True)
    with on_screen([MUTT, "-n", "-F", rc], account.home) as screen:
        screen.shows("Mutt: =INBOX")
        yield screen


def subjects(account: Account) -> dict[str, dict[str, frozenset[bytes]]]:
    """Return the flags of all messages by their subjects, by folder."""
    return {
        name: {body.partition(b"Subject: ")[2].partition(b"\r\n")[0].decode(): flags for _, flags, body in messages}
        for name, messages in kept(account).items()
    }


@pytest.mark.parametrize("tls", [False, True], ids=["starttls", "implicit"])
def test_reading(account: Account, tls: bool) -> None:
    """The list of messages, the text of one, its parts, and mail that comes in meanwhile."""
    account.deliver(note("first"))
    account.deliver(with_attachments("second"))
    with mutt(account, tls=tls) as screen:
        screen.shows("first", "second", "Msgs:2")
        screen.type("1", "Enter", "Enter")
        screen.shows("the text of first")
        screen.type("jv")
        screen.shows("dot.png", "image/png", "inner")
        screen.type("qi")
        account.deliver(note("news"))
        screen.shows("news", "Msgs:3")
        screen.type("q")
        screen.ended()

    flags = subjects(account)["INBOX"]
    assert [rb"\Seen" in flags[token] for token in ("first", "second", "news")] == [True, True, False]


def test_filing(account: Account) -> None:
    """Copied, moved to a new folder, flagged and thrown away."""
    for token in ("first", "second", "third", "fourth"):
        account.deliver(note(token))
    with mutt(account) as screen:
        screen.shows("fourth", "Msgs:4")
        screen.type("1", "Enter")
        screen.type("C=Archive", "Enter")
        eventually(lambda: "first" in subjects(account)["Archive"], "mutt copies")
        screen.type("2", "Enter")
        screen.type("s=Gr\u00fc\u00dfe&mehr", "Enter")
        screen.shows("Del:1")
        screen.type("3", "Enter")
        screen.type("d")
        screen.shows("Del:2")
        screen.type("4", "Enter")
        screen.type("F$")
        screen.shows("Msgs:2", "Flag:1")
        screen.type("c=Gr\u00fc\u00dfe&mehr", "Enter")
        screen.shows("second", "Msgs:1")
        screen.type("q")
        screen.ended()

    found = subjects(account)
    assert set(found["INBOX"]) == {"first", "fourth"}
    assert rb"\Flagged" in found["INBOX"]["fourth"]
    assert (set(found["Archive"]), set(found["Trash"])) == ({"first"}, {"third"})
    assert set(found["Gr&APwA3w-e&-mehr"]) == {"second"}


def test_writing(account: Account) -> None:
    """A draft is kept and taken up again; what is sent is in Sent, and what it answers is marked."""
    account.deliver(note("question"))
    with mutt(account) as screen:
        screen.shows("question", "Msgs:1")
        screen.type("mjoe@elsewhere.test", "Enter")
        screen.type("a draft", "Enter")
        screen.shows("Security:")
        screen.type("P")
        eventually(lambda: "a draft" in subjects(account)["Drafts"], "mutt keeps the draft")
        screen.shows("Mutt: =INBOX")
        screen.type("m")
        screen.shows("Recall postponed")
        screen.type("y")
        screen.shows("Security:", "a draft")
        screen.type("y")
        eventually(lambda: "a draft" in subjects(account)["Sent"], "mutt files what it sent")
        screen.shows("Mutt: =INBOX")
        screen.type("r")
        screen.shows("Include message")
        screen.type("y")
        screen.shows("Security:", "Re: question")
        screen.type("y")
        eventually(lambda: "Re: question" in subjects(account)["Sent"], "mutt files its answer")
        screen.shows("Mutt: =INBOX")
        screen.type("q")
        screen.ended()

    found = subjects(account)
    assert rb"\Answered" in found["INBOX"]["question"]
    assert (found["Drafts"], set(found["Sent"])) == ({}, {"a draft", "Re: question"})


def test_folders(account: Account) -> None:
    """The browser shows, makes, renames and removes folders."""
    with mutt(account) as screen:
        screen.type("c?")
        screen.shows("Archive", "Drafts", "INBOX", "Junk", "Sent", "Trash")
        screen.type("C")
        screen.shows("Create mailbox:")
        screen.type("\u4f60\u597d", "Enter")
        eventually(lambda: "&T2BZfQ-" in folders(account), "mutt makes a folder")
        screen.type("/\u4f60", "Enter")
        screen.type("r")
        screen.shows("Rename mailbox \u4f60\u597d to:")
        screen.type("", "C-u")
        screen.type("Gr\u00fc\u00dfe", "Enter")
        eventually(lambda: "Gr&APwA3w-e" in folders(account), "mutt renames it")
        screen.type("/Gr\u00fc", "Enter")
        screen.type("d")
        screen.shows("Really delete mailbox")
        screen.type("y")
        eventually(lambda: "Gr&APwA3w-e" not in folders(account), "mutt deletes it")
        screen.type("q")


def test_many_messages(account: Account) -> None:
    """The server looks into texts; the next time mutt is told only what has changed since (RFC 7162)."""
    fill(account, "Archive")
    with mutt(account) as screen:
        screen.type("c=Archive", "Enter")
        screen.shows(f"Msgs:{MANY}")
        screen.type('l=b "text of token-1777"', "Enter")
        screen.shows("Msgs:1/", "token-1777")
        screen.type("q")
        screen.ended()
    with logged_in(account) as client:
        done(client.select("Archive"))
        done(client.store("5:7,9", "+FLAGS", r"(\Deleted)"))
        done(client.expunge())
        done(client.store("1", "+FLAGS", r"(\Flagged)"))
        done(client.append("Archive", "", "", note("latest")))

    with mutt(account) as screen:
        screen.type("c=Archive", "Enter")
        screen.shows(f"Msgs:{MANY - 3}", "Flag:1")
        screen.type("*")
        screen.shows("latest")
        screen.type("q")
        screen.ended()
