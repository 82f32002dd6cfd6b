"""ImapFlow, a client for Node.js that uses CONDSTORE, QRESYNC, IDLE and special folders by itself."""

from __future__ import annotations

import pytest
from interop_imap_imapflow import IMAPFLOW, NODE, ImapFlowError, imapflow, number
from interop_imap_many import MANY, fill
from interop_imap_messages import kinds, note, with_attachments
from interop_imap_site import SPECIAL, Account

pytestmark = pytest.mark.skipif(
    NODE is None or not IMAPFLOW.exists(), reason="not installed: imapflow (tests/interop/install-peers.sh, with npm)"
)
BY_UID = {"uid": True}


def test_login(account: Account) -> None:
    """Over STARTTLS, with what the server says about itself; not with a wrong password."""
    starttls = {"port": account.starttls, "secure": False}
    with imapflow(account, **starttls, doSTARTTLS=True) as client:
        assert client.call("property", "secureConnection") is True
        assert client.call("property", "serverInfo")["name"]
        assert client.call("property", "namespace") == {"prefix": "", "delimiter": "/"}
    wrong = {"user": account.user, "pass": "wrong"}
    with pytest.raises(ImapFlowError) as caught, imapflow(account, auth=wrong):
        pass
    assert caught.value.code == "AUTHENTICATIONFAILED"


def test_folders(account: Account) -> None:
    """They are found by their use, made with what is above them, renamed and removed."""
    name = "Gr\u00fc\u00dfe & \u4f60\u597d"
    with imapflow(account) as client:
        found = {folder.get("specialUse"): folder["path"] for folder in client.call("list")}
        assert SPECIAL.items() <= found.items()
        made = client.call("mailboxCreate", ["Work", name])
        assert (made["path"], made["created"]) == (f"Work/{name}", True)
        assert client.call("mailboxCreate", ["Work", name])["created"] is False
        client.call("mailboxSubscribe", f"Work/{name}")
        client.call("mailboxRename", f"Work/{name}", "Play \U0001f600")
        listed = client.call("list", {"statusQuery": {"messages": True, "unseen": True}})
        (folder,) = [folder for folder in listed if folder["path"] == "Play \U0001f600"]
        assert folder["status"] == {"path": folder["path"], "messages": 0, "unseen": 0}
        client.call("mailboxDelete", folder["path"])
        with pytest.raises(ImapFlowError) as caught:
            client.call("mailboxDelete", folder["path"])
        assert caught.value.code == "NONEXISTENT"


def test_octets(account: Account) -> None:
    """What is appended is read as it was, whole and piece by piece."""
    with imapflow(account) as client:
        for message in kinds().values():
            appended = client.call("append", "Archive", message, ["\\Seen", "$Label1"], "2026-11-21T05:00:00Z")
            assert appended["uid"]
        assert client.call("mailboxOpen", "Archive")["exists"] == len(kinds())
        fetched = client.call("fetchAll", "1:*", {"source": True, "size": True, "flags": True, "internalDate": True})
        assert [message["source"] for message in fetched] == list(kinds().values())
        assert [message["size"] for message in fetched] == [len(message) for message in kinds().values()]
        assert all({"\\Seen", "$Label1"} <= set(message["flags"]) for message in fetched)
        assert {message["internalDate"] for message in fetched} == {"2026-11-21T05:00:00.000Z"}
        longest = max(fetched, key=lambda message: message["size"])
        assert client.call("download", longest["uid"], None, BY_UID)["content"] == longest["source"]


def test_parts(account: Account) -> None:
    """The envelope, the tree of parts, and an attachment decoded."""
    with imapflow(account) as client:
        client.call("append", "INBOX", with_attachments("parts"))
        client.call("mailboxOpen", "INBOX")
        message = client.call("fetchOne", "*", {"envelope": True, "bodyStructure": True, "headers": ["subject"]})
        assert message["envelope"]["subject"] == "parts"
        assert message["envelope"]["to"] == [{"name": "", "address": "ann@hosted.test"}]
        parts = message["bodyStructure"]["childNodes"]
        assert [part["type"] for part in parts] == ["text/plain", "image/png", "message/rfc822"]
        assert message["headers"].strip() == b"Subject: parts"
        picture = client.call("download", "1", "2")
        assert (picture["meta"]["filename"], picture["content"]) == ("dot.png", bytes(range(256)) * 40)


def test_binary(account: Account) -> None:
    """Parts come decoded, and a message may hold NUL (RFC 3516)."""
    nul = note("nul") + b"a\0b\r\n"
    with imapflow(account) as client:
        client.call("append", "INBOX", with_attachments("parts"))
        client.call("append", "INBOX", nul)
        client.call("mailboxOpen", "INBOX")
        parts = client.call("fetchOne", "1", {"bodyParts": ["1", "2"]}, {"binary": True})["bodyParts"]
        assert parts == {"1": "Gr\u00fc\u00dfe\r\n".encode(), "2": bytes(range(256)) * 40}
        assert client.call("fetchOne", "2", {"source": True}, {"binary": True})["source"] == nul


def test_search(account: Account) -> None:
    """By conditions that the client puts into words of the protocol."""
    with imapflow(account) as client:
        for message in (note("gr\u00fc\u00dfe"), note("pears", "References: <apples@interop.test>"), note("apples")):
            client.call("append", "INBOX", message)
        client.call("mailboxOpen", "INBOX")
        assert client.call("search", {"subject": "GR\u00dc\u00dfE"}, BY_UID) == [1]
        assert client.call("search", {"or": [{"body": "text of pears"}, {"subject": "apples"}], "seen": False}) == [
            2,
            3,
        ]
        assert client.call("search", {"header": {"references": True}, "sentSince": "2026-11-20"}) == [2]


def test_flags_copies_and_moves(account: Account) -> None:
    """Each says where the messages went; a flag is changed only if nobody else changed it first."""
    with imapflow(account) as client:
        for token in ("first", "second", "third"):
            client.call("append", "INBOX", note(token))
        seen = client.call("mailboxOpen", "INBOX")["highestModseq"]
        assert client.call("messageFlagsAdd", "1", ["\\Flagged", "Project-X"], {"unchangedSince": number(seen)})
        assert client.call("messageCopy", "1", "Archive")["uidMap"] == {"1": 1}
        assert client.call("messageMove", "2", "Trash", BY_UID)["uidMap"] == {"2": 1}
        assert client.call("messageDelete", "3", BY_UID)
        (left,) = client.call("fetchAll", "1:*", {"flags": True})
        assert (left["uid"], {"\\Flagged", "Project-X"} <= set(left["flags"])) == (1, True)
        assert client.call("status", "Archive", {"messages": True, "uidNext": True})["uidNext"] == 2


def test_idle(account: Account) -> None:
    """Who waits hears of new mail, flags and removals at once."""
    with imapflow(account) as waiting, imapflow(account) as other:
        waiting.call("mailboxOpen", "INBOX")
        waiting.call("idle")
        account.deliver(note("news"))
        assert waiting.event("exists") == {"path": "INBOX", "count": 1, "prevCount": 0}
        other.call("mailboxOpen", "INBOX")
        other.call("messageFlagsAdd", "1", ["\\Answered"])
        assert "\\Answered" in waiting.event("flags")["flags"]
        other.call("messageDelete", "1")
        assert waiting.event("expunge")["path"] == "INBOX"
        assert waiting.call("search", {"all": True}) == []


def test_quick_resynchronisation(account: Account) -> None:
    """A client that comes back is told what changed and what is gone, and nothing else."""
    with imapflow(account, qresync=True) as client:
        for token in ("first", "second", "third", "fourth"):
            client.call("append", "INBOX", note(token))
        left = client.call("mailboxOpen", "INBOX")
        client.call("mailboxClose")
        with imapflow(account) as other:
            other.call("mailboxOpen", "INBOX")
            other.call("messageDelete", "2:3", BY_UID)
            other.call("messageFlagsAdd", "4", ["\\Flagged"], BY_UID)

        since = {"changedSince": number(left["highestModseq"]), "uidValidity": number(left["uidValidity"])}
        again = client.call("mailboxOpen", "INBOX", since)

        assert (again["qresync"], again["exists"]) == (True, 2)
        gone = [client.event("expunge") for _ in range(2)]
        assert [(event["uid"], event["vanished"], event["earlier"]) for event in gone] == [
            (2, True, True),
            (3, True, True),
        ]
        changed = client.event("flags")
        assert (changed["uid"], "\\Flagged" in changed["flags"]) == (4, True)


def test_many_messages(account: Account) -> None:
    """Two thousand messages are told in one answer."""
    fill(account, "Archive")
    with imapflow(account) as client:
        client.call("mailboxOpen", "Archive")
        told = client.call("fetchAll", "1:*", {"envelope": True, "flags": True, "bodyStructure": True})
        assert [message["envelope"]["subject"] for message in told] == [f"token-{number}" for number in range(MANY)]
        assert client.call("search", {"body": "text of token-77"}, BY_UID)[0] == 78


def test_quota(account: Account) -> None:
    """What the account may hold."""
    with imapflow(account) as client:
        assert client.call("getQuota", "INBOX")["storage"]["limit"] == 100 << 20
