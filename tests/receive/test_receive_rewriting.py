"""Plugins that put another text in a message's place, or fields at places: what is kept, and what isn't."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

import pytest
from reception import Client, Reception
from zope.interface import implementer

from twistedmail_mta import stages
from twistedmail_mta.errors import TemporaryError
from twistedmail_mta.model import Address, FileBody, InlineBody, Reply
from twistedmail_mta.plugin_record import Plugin
from twistedmail_mta.receive.rewriting import Drafts
from twistedmail_mta.stages import (
    AddHeader,
    AddRecipient,
    Arriving,
    InsertHeader,
    RemoveHeader,
    RemoveRecipient,
    ReplaceBody,
    ReplaceHeader,
)

Answer = Callable[[Arriving], Coroutine[Any, Any, Any]]

TEXT = b"Subject: hi\r\nX-Old: 1\r\nX-Old: 2\r\n\r\nold text\r\n"


@implementer(stages.IMessagePolicy)
class Judge:
    """Answers as it is told."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer

    async def message(self, client: stages.Client, message: Arriving) -> Any:
        return await self._answer(message)


@dataclass
class Words:
    """A text of a plugin's own."""

    data: bytes

    @property
    def size(self) -> int:
        return len(self.data)

    async def read(self, offset: int, size: int) -> bytes:
        return self.data[offset : offset + min(size, 7)]  # shorter pieces than asked for


def reception_with(*answers: Answer, **options: Any) -> Reception:
    """A listener that asks plugins about messages."""
    plugins = [Plugin(f"p{number}", Judge(answer), 10.0, False) for number, answer in enumerate(answers)]
    return Reception(plugins=plugins, **options)


def send(client: Client, *recipients: str, text: bytes = TEXT) -> str:
    """Send a message; return the last answer."""
    client.type("EHLO client.test", "MAIL FROM:<ann@sender.test>")
    for recipient in recipients or ("bob@relayed.test", "u1@home.test"):
        client.type(f"RCPT TO:<{recipient}>")
    client.type("DATA")
    return client.send(text + b".\r\n")


def changed(*changes: Any, text: bytes = TEXT) -> Reception:
    """What comes of a message that a plugin changes."""

    async def change(message: Arriving) -> Any:
        return changes

    reception = reception_with(change)
    assert send(reception.connect(), text=text).startswith("250")
    return reception


def kept(reception: Reception) -> tuple[bytes, bytes]:
    """Header, without our trace field, and body of the message that was taken."""
    (message,) = reception.acceptance.messages
    assert isinstance(message.body, InlineBody)
    assert message.header.startswith(b"Received: ")
    return message.header.partition(b"+0000\r\n")[2], message.body.data


# Header fields


@pytest.mark.parametrize(
    ("change", "header"),
    [
        (InsertHeader(0, "N", "0"), b"N: 0\r\nSubject: hi\r\nX-Old: 1\r\nX-Old: 2\r\n\r\n"),
        (InsertHeader(1, "N", "0"), b"Subject: hi\r\nN: 0\r\nX-Old: 1\r\nX-Old: 2\r\n\r\n"),
        (InsertHeader(7, "N", "0"), b"Subject: hi\r\nX-Old: 1\r\nX-Old: 2\r\nN: 0\r\n\r\n"),
        (RemoveHeader("x-old", 1), b"Subject: hi\r\nX-Old: 2\r\n\r\n"),
        (RemoveHeader("x-old", 3), b"Subject: hi\r\nX-Old: 1\r\nX-Old: 2\r\n\r\n"),
        (ReplaceHeader("X-Old", "n", 2), b"Subject: hi\r\nX-Old: 1\r\nX-Old: n\r\n\r\n"),
        (ReplaceHeader("X-New", "n", 1), b"Subject: hi\r\nX-Old: 1\r\nX-Old: 2\r\nX-New: n\r\n\r\n"),
        (AddHeader("N", b"\xe9\xc3\xa4".decode("utf-8", "surrogateescape")), b"N: \xe9\xc3\xa4\r\n" + TEXT[:-10]),
    ],
)
def test_fields_at_places(change: Any, header: bytes) -> None:
    """Only the field that is meant; octets that are no UTF-8 stay as they are."""
    assert kept(changed(change)) == (header, b"old text\r\n")


@pytest.mark.parametrize("change", [InsertHeader(-1, "N", "0"), InsertHeader(0, "N", "0\r\n\r\ntext")])
def test_fields_that_would_break_the_message(change: Any) -> None:
    """They count as a failure of the plugin."""

    async def answer(message: Arriving) -> Any:
        return (change,)

    assert send(reception_with(answer).connect()).startswith("451 4.3.0")


def test_a_field_with_octets_above_127() -> None:
    """The next hop must be told of them."""
    (message,) = changed(AddHeader("N", "ä")).acceptance.messages
    assert message.envelope.eight_bit


def test_another_content_type() -> None:
    """The parts are found anew, though the text is the same."""
    text = b"Subject: hi\r\n\r\n--x\r\n\r\none\r\n--x\r\n\r\ntwo\r\n--x--\r\n"
    reception = changed(AddHeader("Content-Type", 'multipart/mixed; boundary="x"'), text=text)

    local = reception.acceptance.local[0]
    assert local is not None
    assert local.structure.body.startswith(b'(("text" "plain"')
    assert local.structure.body.count(b'"plain"') == 2


def test_a_recipient_with_parameters() -> None:
    """What its reports depend on."""
    added = AddRecipient(Address("eve", "relayed.test"), frozenset({"NEVER"}), "rfc822;eve@old.test")

    async def add(message: Arriving) -> Any:
        return (added,)

    reception = Reception(plugins=[Plugin("test", Judge(add), 10.0, False, may_send_anywhere=True)])
    assert send(reception.connect()).startswith("250")
    (message,) = reception.acceptance.messages
    recipient = message.envelope.recipients[-1]
    assert (str(recipient.address), recipient.notify, recipient.orcpt) == (
        "eve@relayed.test",
        frozenset({"NEVER"}),
        "rfc822;eve@old.test",
    )


# Another text


def writing(*blocks: bytes) -> Answer:
    """A plugin that writes another text."""

    async def write(message: Arriving) -> Any:
        draft = message.draft()
        for block in blocks:
            await draft.write(block)
        return (ReplaceBody(await draft.finish()),)

    return write


@pytest.mark.parametrize(
    ("blocks", "body"),
    [
        ((b"new ", b"text\r\n"), b"new text\r\n"),
        ((b"no end",), b"no end\r\n"),
        ((b"bare\nends\r", b"\nand\r", b"so on\n", b".\n"), b"bare\r\nends\r\nand\r\nso on\r\n.\r\n"),
        ((b"a CR at the end\r",), b"a CR at the end\r\n"),
        ((b"\xff\x00\r\n",), b"\xff\x00\r\n"),
        ((), b""),
        ((b"",), b""),
    ],
)
def test_a_text_that_was_written(blocks: tuple[bytes, ...], body: bytes) -> None:
    """Cut anywhere; its line ends are CRLF, or it would be another message at the next hop."""
    reception = reception_with(writing(*blocks))
    assert send(reception.connect()).startswith("250")

    assert kept(reception) == (TEXT[:-10], body)
    (message,) = reception.acceptance.messages
    assert message.envelope.eight_bit is (b"\xff" in body)


def test_a_text_of_the_plugins_own() -> None:
    """It is copied, however long the pieces are that can be read of it."""
    assert kept(changed(ReplaceBody(Words(b"a text from elsewhere\n")))) == (TEXT[:-10], b"a text from elsewhere\r\n")


def test_the_old_text_again() -> None:
    """What came can be asked for as well."""

    async def same(message: Arriving) -> Any:
        return (ReplaceBody(message.body), AddHeader("N", "0"))

    reception = reception_with(same)
    assert send(reception.connect()).startswith("250")
    assert kept(reception) == (b"N: 0\r\n" + TEXT[:-10], b"old text\r\n")


def test_a_text_of_an_earlier_message() -> None:
    """It is copied: the file that it may be in belongs to that message, and goes with it."""
    texts: list[stages.Body] = []

    async def the_first(message: Arriving) -> Any:
        if not texts:
            draft = message.draft()
            await draft.write(b"for all\r\n")
            texts.append(await draft.finish())
        return (ReplaceBody(texts[0]),)

    reception = reception_with(the_first)
    for _ in range(2):
        assert send(reception.connect()).startswith("250")

    first, second = [each.body for each in reception.acceptance.messages]
    assert first == second == InlineBody(b"for all\r\n")
    assert first is not second


@dataclass
class Broken:
    """A text that is none."""

    answer: Any
    size: int = 3

    async def read(self, offset: int, size: int) -> Any:
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@pytest.mark.parametrize("abstains", [False, True])
@pytest.mark.parametrize("broken", [Broken("abc"), Broken(7), Broken(KeyError("gone"))], ids=repr)
def test_a_text_that_is_none(broken: Broken, *, abstains: bool) -> None:
    """It is a failure of the plugin that asked for it, as any other; what came is kept, where that means nothing."""

    async def asks(message: Arriving) -> Any:
        return (ReplaceBody(broken),)

    plugin = Plugin("p", Judge(asks), 10.0, abstains)
    reception = Reception(plugins=[plugin])

    assert send(reception.connect()).startswith("250" if abstains else "451 4.3.0 Mail can't be judged")

    assert plugin.failures == 1
    if abstains:
        assert kept(reception) == (TEXT[:-10], b"old text\r\n")


def test_the_last_text_counts() -> None:
    """Also of two plugins, of which none sees the other's."""
    reception = reception_with(writing(b"first\r\n"), writing(b"second\r\n"))
    assert send(reception.connect()).startswith("250")
    assert kept(reception)[1] == b"second\r\n"


def test_the_parts_of_another_text() -> None:
    """Clients of mailboxes are told of those that are there now."""
    text = b"".join(b"--x\r\nContent-Type: text/%b\r\n\r\n%b\r\n" % (kind, kind) for kind in (b"html", b"css"))
    body = ReplaceBody(Words(text + b"--x--\r\n"))
    reception = changed(ReplaceHeader("Content-Type", 'multipart/mixed; boundary="x"'), body)

    local = reception.acceptance.local[0]
    assert local is not None
    assert b'"html"' in local.structure.body
    assert b'"css"' in local.structure.body
    assert b'"plain"' not in local.structure.body


def test_a_message_without_a_body_gets_one() -> None:
    """The empty line that parts it from the header comes with it."""
    reception = changed(ReplaceBody(Words(b"Not: a field\r\n")), text=b"Subject: hi\r\n")
    assert kept(reception) == (b"Subject: hi\r\n\r\n", b"Not: a field\r\n")


def test_a_text_that_is_too_large() -> None:
    """Twice what a client may send: what is added to its message isn't its own."""

    async def write(message: Arriving) -> Any:
        draft = message.draft()
        for _ in range(5):
            await draft.write(b"x" * 98 + b"\r\n")
        return (ReplaceBody(await draft.finish()),)

    assert send(reception_with(write, limits={"message_size": 249}).connect()).startswith("552 5.3.4")
    assert send(reception_with(write, limits={"message_size": 250}).connect()).startswith("250")


def test_a_text_that_cant_be_kept() -> None:
    """The message isn't taken, and the writer is left behind."""
    full = Reply(452, "4.3.1", "full")
    reception = reception_with(writing(b"x" * 100))
    reception.bodies.flush_after, reception.bodies.failure = 50, TemporaryError(full)

    assert send(reception.connect()).startswith("452 4.3.1")
    assert [writer.abandoned for writer in reception.bodies.writers] == [True, True]


@pytest.mark.parametrize("answer", [(), Reply(550, "5.7.1", "no"), (RemoveRecipient(Address("bob", "relayed.test")),)])
def test_texts_that_arent_used(answer: Any) -> None:
    """They are dropped, whether they were finished or not."""

    async def write(message: Arriving) -> Any:
        unfinished, finished = message.draft(), message.draft()
        await unfinished.write(b"a")
        await finished.write(b"b")
        await finished.finish()
        return answer

    reception = reception_with(write)
    send(reception.connect(), "bob@relayed.test")
    _, unfinished, finished = reception.bodies.writers
    assert unfinished.abandoned
    assert finished.abandoned
    assert not reception.quotas.held


def test_files_that_arent_needed() -> None:
    """Of the body as it came, and of every other text, all but the one that is kept."""
    bodies = Reception().bodies
    drafts = Drafts(bodies, 100)
    first, second = drafts.begin(), drafts.begin()
    first.body, second.body = FileBody("1", 5), FileBody("2", 5)  # type: ignore[attr-defined]

    assert drafts.leftovers(FileBody("0", 5), FileBody("2", 5)) == ["0", "1"]
    assert drafts.leftovers(FileBody("0", 5), FileBody("0", 5)) == ["1", "2"]


# The end of a session


@implementer(stages.IDisconnectObserver)
class Host:
    """Takes note of who is gone."""

    def __init__(self) -> None:
        self.gone: list[stages.Client] = []

    async def disconnected(self, client: stages.Client) -> None:
        self.gone.append(client)


def test_the_end_of_a_session() -> None:
    """However it ends, once, with what was known of the client."""
    host = Host()
    reception = Reception(plugins=[Plugin("test", host, 10.0, False)])
    for command in ("QUIT", None):
        client = reception.connect()
        client.type("EHLO client.test", *([command] if command else []))
        if client.connected:
            client.hang_up()

    assert [(each.helo, each.listener, each.tls) for each in host.gone] == [("client.test", "mx", "")] * 2
    assert len({each.session for each in host.gone}) == 2


def test_who_was_turned_away_is_nobodys_business() -> None:
    """No plugin was asked about that one."""
    host = Host()
    reception = Reception(plugins=[Plugin("test", host, 10.0, False)], limits={"connections_per_client": 1})
    first, second = reception.connect(), reception.connect()
    assert not second.connected
    assert host.gone == []
    first.hang_up()
    assert len(host.gone) == 1


@implementer(stages.IMailPolicy)
class Looks:
    """Remembers what it was told at MAIL."""

    def __init__(self) -> None:
        self.seen: list[tuple[stages.Client, stages.MailFrom]] = []

    async def sender(self, client: stages.Client, mail: stages.MailFrom) -> None:
        self.seen.append((client, mail))


def test_what_else_is_known() -> None:
    """The ends of the connection, how the client logged in, the parameters of MAIL."""
    looks = Looks()
    reception = Reception("submission", plugins=[Plugin("test", looks, 10.0, False)])
    client = reception.connect()
    client.type("EHLO me", "AUTH PLAIN AHVAZXhhbXBsZS5vcmcAc2VjcmV0", "MAIL FROM:<u@example.org> SIZE=5 RET=HDRS")

    ((seen, mail),) = looks.seen
    assert (seen.account, seen.mechanism) == ("u@example.org", "PLAIN")
    assert (seen.port, seen.local_host, seen.local_port) == (54321, "10.0.0.1", 12345)
    assert mail.parameters == ("SIZE=5", "RET=HDRS")
