"""IMAPClient, which many programs in Python use: folders of all names, search in any language, IDLE, quota."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from typing import Any

import pytest
from imapclient import IMAPClient
from interop_daemons import PATIENCE, eventually
from interop_imap_messages import kinds, note, with_attachments
from interop_imap_site import HOST, SPECIAL, Account

NAMES = (
    "Entw\u00fcrfe",
    "\u65e5\u672c\u8a9e/\u30c6\u30b9\u30c8",
    "Tom & Jerry",
    "&-",
    'say "hello"',
    "back\\slash",
    " blanks ",
    "(brackets) {5}",
    "\U0001f600",
    "~home",
    "../up",
    "inbox below/INBOX",
)
THAT_DAY = datetime(2026, 11, 21, 5, 0, 7, tzinfo=UTC)


@contextmanager
def logged_in(account: Account, *, tls: bool = False) -> Iterator[IMAPClient]:
    """A session that ends with LOGOUT, over TLS from the start or after STARTTLS."""
    port = account.implicit if tls else account.starttls
    with IMAPClient(HOST, port, ssl=tls, ssl_context=account.context() if tls else None, timeout=PATIENCE) as client:
        if not tls:
            client.starttls(account.context())
        client.login(account.user, account.password)
        client.normalise_times = False
        yield client


def changes(client: IMAPClient, word: bytes) -> list[Any]:
    """Wait in IDLE until something with `word` is told; return all that was told until then."""
    told: list[Any] = []
    eventually(lambda: told.extend(client.idle_check(1)) or any(word in line for line in told), f"IDLE tells {word!r}")
    return told


def test_special_folders(account: Account) -> None:
    """Each is found by its use."""
    with logged_in(account) as client:
        assert {use: client.find_special_folder(use.encode()) for use in SPECIAL} == SPECIAL


@pytest.mark.parametrize("name", NAMES)
def test_names_of_folders(account: Account, name: str) -> None:
    """A folder may be called anything, and is found, used, renamed and deleted by that name."""
    with logged_in(account, tls=True) as client:
        client.create_folder(name)
        client.subscribe_folder(name)
        client.append(name, note("token"))
        assert name in [folder for _, _, folder in client.list_folders()]
        assert name in [folder for _, _, folder in client.list_sub_folders()]
        assert client.folder_status(name, ["MESSAGES", "UNSEEN"]) == {b"MESSAGES": 1, b"UNSEEN": 1}
        client.rename_folder(name, f"{name} (old)")
        assert client.select_folder(f"{name} (old)")[b"EXISTS"] == 1
        client.unselect_folder()
        client.unsubscribe_folder(name)
        client.delete_folder(f"{name} (old)")
        assert not client.folder_exists(f"{name} (old)")


def test_octets(account: Account) -> None:
    """Messages appended one by one and at once are read as they were."""
    messages = list(kinds().values())
    with logged_in(account, tls=True) as client:
        for message in messages:
            client.append("Archive", message, [rb"\Seen", b"$Label1"], THAT_DAY)
        if client.has_capability("MULTIAPPEND"):
            client.multiappend("Archive", messages)
        else:
            messages = [message for message in messages for _ in range(2)]
        client.select_folder("Archive", readonly=True)
        answers = client.fetch(client.search(), ["BODY.PEEK[]", "RFC822.SIZE", "FLAGS", "INTERNALDATE"])

    stored = [answers[uid] for uid in sorted(answers)]
    assert [answer[b"BODY[]"] for answer in stored] == messages * 2
    assert [answer[b"RFC822.SIZE"] for answer in stored] == [len(message) for message in messages * 2]
    assert {answer[b"INTERNALDATE"] for answer in stored[: len(messages)]} == {THAT_DAY}
    assert all({rb"\Seen", b"$Label1"} <= set(answer[b"FLAGS"]) for answer in stored[: len(messages)])


def test_what_a_message_is_made_of(account: Account) -> None:
    """The envelope, and the tree of parts, as this client reads them."""
    with logged_in(account) as client:
        client.append("INBOX", with_attachments("parts"))
        client.select_folder("INBOX")
        (answer,) = client.fetch([1], ["ENVELOPE", "BODYSTRUCTURE", "BODY"]).values()

    envelope = answer[b"ENVELOPE"]
    assert (envelope.subject, envelope.message_id) == (b"parts", b"<parts@interop.test>")
    assert [str(address) for address in envelope.to] == ["ann@hosted.test"]
    assert envelope.date == datetime(2026, 11, 21, 5, tzinfo=UTC)
    for item in (b"BODYSTRUCTURE", b"BODY"):
        parts = answer[item][0]
        assert answer[item].is_multipart
        assert [part[:2] for part in parts] == [(b"text", b"plain"), (b"image", b"png"), (b"message", b"rfc822")]
        assert parts[2][7][1] == b"inner"


def test_search(account: Account) -> None:
    """By any mixture of conditions, in any language."""
    with logged_in(account) as client:
        for message in (*kinds().values(), note("gr\u00fc\u00dfe"), note("\u4f60\u597d")):
            client.append("INBOX", message)
        client.select_folder("INBOX")
        names = dict(enumerate([*kinds(), "gr\u00fc\u00dfe", "\u4f60\u597d"], 1))

        def found(*criteria: Any, charset: str | None = None) -> set[str]:
            return {names[number] for number in client.search(list(criteria), charset)}

        assert found("SUBJECT", "Gr\u00dc\u00dfe", charset="UTF-8") == {"gr\u00fc\u00dfe"}
        assert found("TEXT", "\u4f60\u597d", charset="UTF-8") == {"\u4f60\u597d", "eight-bit"}
        assert found("OR", ["SUBJECT", "dots"], ["LARGER", 1 << 20]) == {"dots", "megabyte"}
        assert found("SENTON", date(2026, 11, 21), "NOT", ["SMALLER", 5000]) >= {"megabyte", "long-lines"}
        client.add_flags(client.search(["SUBJECT", "spaces"]), [b"$Junk", rb"\Flagged"])
        assert found("KEYWORD", "$Junk", "FLAGGED") == {"spaces"}


def test_sort_and_thread(account: Account) -> None:
    """The server puts messages in order and finds out which belong together."""
    with logged_in(account) as client:
        for token, fields in (("b", ()), ("c", ("References: <b@interop.test>",)), ("a", ())):
            client.append("INBOX", note(token, *fields))
        client.select_folder("INBOX")
        assert client.sort("SUBJECT") == [3, 1, 2]
        assert client.sort(["REVERSE", "SUBJECT"]) == [2, 1, 3]
        assert client.thread() == ((1, 2), (3,))


def test_copy_move_expunge(account: Account) -> None:
    """Messages change their place, with their flags, and only those meant are removed."""
    with logged_in(account, tls=True) as client:
        for token in ("first", "second", "third", "fourth"):
            client.append("INBOX", note(token))
        client.select_folder("INBOX")
        assert client.set_flags([1], [rb"\Answered", b"Mark"])[1] >= (rb"\Answered", b"Mark")
        client.remove_flags([1], [b"Mark"])
        client.copy([1], "Archive")
        client.move([2], "Trash")
        client.delete_messages([3, 4])
        client.uid_expunge([3])
        assert client.search() == [1, 4]
        client.expunge()
        assert client.search() == [1]
        assert client.select_folder("Archive")[b"EXISTS"] == 1
        assert rb"\Answered" in client.get_flags(client.search())[1]
        client.select_folder("Trash")
        assert client.fetch([1], ["BODY[]"])[1][b"BODY[]"] == note("second")


def test_idle(account: Account) -> None:
    """Who waits hears of a message that comes in, and of what another client does with it."""
    with logged_in(account, tls=True) as waiting, logged_in(account) as other:
        waiting.select_folder("INBOX")
        other.select_folder("INBOX")
        waiting.idle()
        account.deliver(note("news"))
        assert (1, b"EXISTS") in changes(waiting, b"EXISTS")
        other.noop()
        other.add_flags([1], [rb"\Flagged"])
        told = changes(waiting, b"FETCH")
        assert any(line[0] == 1 and rb"\Flagged" in str(line).encode() for line in told if line[1] == b"FETCH")
        other.move([1], "Archive")
        assert (1, b"EXPUNGE") in changes(waiting, b"EXPUNGE")
        waiting.idle_done()
        assert waiting.search() == []


def test_condstore(account: Account) -> None:
    """After ENABLE each change has a higher number, and only what changed is fetched."""
    with logged_in(account) as client:
        assert b"CONDSTORE" in client.enable("CONDSTORE", "QRESYNC")
        for token in ("first", "second"):
            client.append("INBOX", note(token))
        seen = client.select_folder("INBOX")[b"HIGHESTMODSEQ"]
        client.add_flags([2], [rb"\Flagged"])
        (changed,) = client.fetch(client.search(), ["FLAGS"], [f"CHANGEDSINCE {seen}"]).values()
        assert changed[b"MODSEQ"][0] > seen
        assert client.search(["MODSEQ", str(seen + 1)]) == [2]


def test_about_the_account(account: Account) -> None:
    """NAMESPACE, ID and QUOTA."""
    with logged_in(account) as client:
        assert client.namespace().personal == (("", "/"),)
        assert client.id_({"name": "IMAPClient"})
        (storage,) = [quota for quota in client.get_quota() if quota.resource == "STORAGE"]
        assert (storage.usage, storage.limit) == (0, 102400)
        client.append("INBOX", kinds()["megabyte"])
        assert client.get_quota_root("INBOX")[1][0].usage in range(1000, 1100)
