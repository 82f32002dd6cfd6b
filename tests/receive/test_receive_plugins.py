"""Plugins at every stage of a mail's way in: what they are told, what comes of their answers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from reception import Client, Reception
from twisted.logger import formatEvent, globalLogPublisher
from zope.interface import directlyProvides

from twistedmail_mta import stages
from twistedmail_mta.model import Address, Delivery, Detention, Recipient, Reply, Via
from twistedmail_mta.plugin_record import Plugin
from twistedmail_mta.stages import (
    AddHeader,
    AddRecipient,
    Changes,
    ChangeSender,
    FileInto,
    Hold,
    Quarantine,
    RemoveHeader,
    RemoveRecipient,
    ReplaceHeader,
    SetNextHop,
    Tag,
)
from twistedmail_mta.tasks import Promise

NO = Reply(550, "5.7.1", "not here")
LATER = Reply(450, "4.7.1", "not now")
BOB = Address("bob", "relayed.test")
U1, U2 = Address("u1", "home.test"), Address("u2", "home.test")
FILTER = SetNextHop("smtp://127.0.0.1:10024")


@pytest.fixture
def logged() -> Iterator[list[dict[str, Any]]]:
    """What is logged meanwhile."""
    events: list[dict[str, Any]] = []
    globalLogPublisher.addObserver(events.append)
    yield events
    globalLogPublisher.removeObserver(events.append)


class Says:
    """A plugin that answers every stage's method the same way, and remembers what it was told."""

    def __init__(self, stage: Any, answer: Any) -> None:
        self.told: list[tuple[Any, ...]] = []
        (method,) = stage.names()

        async def act(*values: Any) -> Any:
            self.told.append(values)
            return answer(*values) if callable(answer) else answer

        setattr(self, method, act)
        directlyProvides(self, stage)


def with_plugin(stage: Any, answer: Any, **options: Any) -> tuple[Reception, Says]:
    """A listener that asks one plugin."""
    says = Says(stage, answer)
    abstains, anywhere = options.pop("abstains", False), options.pop("anywhere", False)
    return Reception(plugins=(Plugin("test", says, 10.0, abstains, anywhere),), **options), says


def send(client: Client, *recipients: str, text: str = "Subject: hi\r\nX-Old: 1\r\n\r\ntext\r\n") -> str:
    """Send a message; return the last answer."""
    client.type("EHLO client.test", "MAIL FROM:<ann@sender.test> SIZE=100")
    for recipient in recipients or ("bob@relayed.test",):
        client.type(f"RCPT TO:<{recipient}>")
    client.type("DATA")
    return client.send(text.encode() + b".\r\n")


# Forwards


FORGED = Tag("auth.dmarc", "fail bank.test p=reject dis=quarantine")


@pytest.mark.parametrize("recipients", [("away@home.test",), ("team@home.test",), ("u1@home.test", "away@home.test")])
def test_forgeries_are_not_forwarded(recipients: tuple[str, ...]) -> None:
    """Whatever the site makes of them here: the message is refused, and its sender hears why."""
    reception, _ = with_plugin(stages.IMessagePolicy, (FORGED, FileInto("Junk")))

    said = send(reception.connect(), *recipients)

    assert said.startswith("550-5.7.1 This message would be forwarded elsewhere, and fails the DMARC policy")
    assert reception.acceptance.messages == []
    assert reception.quotas.held == 0


@pytest.mark.parametrize(
    ("tag", "recipient"),
    [
        (FORGED, "u1@home.test"),
        (FORGED, "bob@relayed.test"),
        (Tag("auth.dmarc", "fail bank.test p=reject dis=none override=arc"), "away@home.test"),
        (Tag("auth.dmarc", "fail bank.test p=quarantine dis=quarantine"), "away@home.test"),
        (Tag("auth.dmarc", "pass bank.test"), "away@home.test"),
    ],
)
def test_what_is_no_forgery_or_no_forward(tag: Tag, recipient: str) -> None:
    """Mailboxes get what the site lets them have, next hops of relayed domains judge for themselves."""
    reception, _ = with_plugin(stages.IMessagePolicy, (tag,))

    assert send(reception.connect(), recipient).startswith("250")


# Refusals


@pytest.mark.parametrize(("answer", "begin"), [(NO, "554 5.7.1 not here"), (LATER, "421 4.7.1 not now")])
def test_connect(answer: Reply, begin: str) -> None:
    """Whoever isn't let in is told so instead of a greeting, and the connection ends."""
    reception, says = with_plugin(stages.IConnectPolicy, answer)

    client = reception.connect()

    assert client.said().startswith(begin)
    assert not client.transport.connected
    assert says.told[0][0].host == "192.168.1.1"


def test_connect_is_awaited() -> None:
    """What a client sends before the greeting waits for it, and is told to the plugin."""
    spoke: list[bool] = []
    gate: Promise[None] = Promise()
    reception, says = with_plugin(stages.IConnectPolicy, None)

    async def connected(client: stages.Client) -> None:
        await gate
        spoke.append(client.has_spoken())

    says.connected = connected  # type: ignore[attr-defined]
    reception = Reception(plugins=reception.plugins)
    client = reception.connect()
    assert client.said() == ""
    assert client.type("EHLO early.test") == ""

    gate.resolve(None)

    assert spoke == [True]
    said = client.said()
    assert said.startswith("220 ")
    assert "250-mail.example.org" in said


@pytest.mark.parametrize(
    ("stage", "expected"),
    [
        (stages.IHelloPolicy, "EHLO client.test"),
        (stages.IMailPolicy, "MAIL FROM:<ann@sender.test>"),
        (stages.IRecipientPolicy, "RCPT TO:<bob@relayed.test>"),
    ],
)
def test_commands_are_refused(stage: Any, expected: str) -> None:
    """The plugin's reply is the command's; those before it went well."""
    reception, says = with_plugin(stage, NO)
    client = reception.connect()
    client.said()

    for command in ("EHLO client.test", "MAIL FROM:<ann@sender.test>", "RCPT TO:<bob@relayed.test>"):
        answer = client.type(command)
        if command == expected:
            assert answer == "550 5.7.1 not here\r\n"
            break
        assert answer.startswith("250")
    assert len(says.told) == 1


@pytest.mark.parametrize("stage", [stages.IHeaderPolicy, stages.IMessagePolicy])
def test_messages_are_refused_at_their_end(stage: Any) -> None:
    """Earlier, the rest of the text would be taken for commands."""
    reception, _ = with_plugin(stage, NO)
    client = reception.connect()

    assert send(client) == "550 5.7.1 not here\r\n"
    assert reception.acceptance.messages == []
    assert client.type("NOOP").startswith("250")


def test_what_plugins_are_told() -> None:
    """The session, the envelope, the header as it came, the body in pieces."""
    read: list[bytes] = []

    def look(client: stages.Client, message: stages.Arriving) -> None:
        assert (client.helo, client.extended, client.role, client.account) == ("client.test", True, "mx", None)
        assert message.envelope.sender == Address("ann", "sender.test")
        assert [each.address for each in message.envelope.recipients] == [BOB]
        assert message.header.get(b"Subject") == b"hi"
        assert not message.header.has(b"Received")
        assert (message.body.size, message.size) == (6, len("Subject: hi\r\nX-Old: 1\r\n\r\ntext\r\n"))
        read.append(b"told")

    reception, _ = with_plugin(stages.IMessagePolicy, look)

    assert send(reception.connect()).startswith("250")
    assert read == [b"told"]


def test_the_size_that_was_announced() -> None:
    """And the id by which the log knows the message."""
    reception, says = with_plugin(stages.IMailPolicy, None)
    send(reception.connect())

    (_, mail) = says.told[0]
    assert (mail.size, mail.sender) == (100, Address("ann", "sender.test"))
    assert mail.id


def test_nobody_is_granted_anything() -> None:
    """A plugin's 2xx for a recipient that the core refuses isn't even asked for."""
    reception, says = with_plugin(stages.IRecipientPolicy, Reply(250, "2.1.5", "welcome"))
    client = reception.connect()
    client.type("EHLO client.test", "MAIL FROM:<ann@sender.test>")

    assert client.type("RCPT TO:<victim@elsewhere.test>").startswith("550 5.7.1")
    assert says.told == []
    assert client.type("RCPT TO:<bob@relayed.test>").startswith("250")


def test_refusals_are_told_before_the_client_hears_of_them() -> None:
    """Those of the core, of plugins and of the grammar; the answer waits."""
    gate: Promise[None] = Promise()

    def no(_: stages.Client, __: stages.MailFrom, recipient: Any) -> Reply | None:
        return NO if recipient.address == BOB else None

    refuses, notes = Says(stages.IRecipientPolicy, no), Says(stages.IRefusalObserver, None)
    reception = Reception(plugins=(Plugin("one", refuses, 10.0, False), Plugin("two", notes, 10.0, False)))
    client = reception.connect()
    client.type("EHLO client.test", "MAIL FROM:<ann@sender.test>", "RCPT TO:<eve@relayed.test>")

    assert client.type("RCPT TO:<bob@relayed.test>") == "550 5.7.1 not here\r\n"
    assert client.type("RCPT TO:<bob@elsewhere.test>").startswith("550 5.7.1 Relaying denied")
    assert client.type("HELLO").startswith("500 5.5.")
    assert [(seen.helo, reply.code) for seen, reply in notes.told] == [
        ("client.test", each) for each in (550, 550, 500)
    ]

    async def refused(*_: Any) -> None:
        await gate

    notes.refused = refused  # type: ignore[attr-defined]
    reception = Reception(plugins=(Plugin("two", notes, 10.0, False),))
    client = reception.connect()
    client.type("EHLO client.test", "MAIL FROM:<ann@sender.test>")
    assert client.type("RCPT TO:<bob@elsewhere.test>") == ""
    gate.resolve(None)
    assert client.said().startswith("550 5.7.1 Relaying denied")


# Failures


def _raises(*_: Any) -> None:
    raise ZeroDivisionError


@pytest.mark.parametrize("answer", [_raises, "yes", True, Reply(354, "", "go on"), ("x",)])
@pytest.mark.parametrize(
    "stage", [stages.IHelloPolicy, stages.IMailPolicy, stages.IRecipientPolicy, stages.IHeaderPolicy]
)
def test_what_fails_delays_mail(stage: Any, answer: Any) -> None:
    """An exception, or an answer that is none, is 451."""
    reception, _ = with_plugin(stage, answer)
    client = reception.connect()

    answers = [
        client.type("EHLO client.test"),
        client.type("MAIL FROM:<ann@sender.test>"),
        client.type("RCPT TO:<bob@relayed.test>"),
        client.type("DATA"),
    ]
    answers.append(client.send(b"Subject: hi\r\n\r\ntext\r\n.\r\n"))

    assert "451 4.3.0" in "".join(answers)
    assert reception.acceptance.messages == []


@pytest.mark.parametrize("stage", [stages.IMailPolicy, stages.IRecipientPolicy, stages.IMessagePolicy])
def test_what_fails_may_count_for_nothing(stage: Any) -> None:
    """Where the site file says so."""
    reception, _ = with_plugin(stage, _raises, abstains=True)

    assert send(reception.connect()).startswith("250")
    assert reception.plugins[0].failures == 1


# Changes


def changed(*changes: Any, **options: Any) -> Reception:
    """What comes of a message that a plugin changes."""
    reception, _ = with_plugin(stages.IMessagePolicy, tuple(changes), **options)
    assert send(reception.connect()).startswith("250")
    return reception


@pytest.mark.parametrize(
    ("change", "header"),
    [
        (AddHeader("X-New", "2"), b"X-New: 2\r\nSubject: hi\r\nX-Old: 1\r\n\r\n"),
        (AddHeader("X-New", "2", last=True), b"Subject: hi\r\nX-Old: 1\r\nX-New: 2\r\n\r\n"),
        (AddHeader("X-New", "2\r\n folded"), b"X-New: 2\r\n folded\r\nSubject: hi\r\nX-Old: 1\r\n\r\n"),
        (RemoveHeader("x-old"), b"Subject: hi\r\n\r\n"),
        (ReplaceHeader("Subject", "ho"), b"Subject: ho\r\nX-Old: 1\r\n\r\n"),
        (ReplaceHeader("X-Old", "2"), b"Subject: hi\r\nX-Old: 2\r\n\r\n"),
        (ReplaceHeader("X-New", "2"), b"X-New: 2\r\nSubject: hi\r\nX-Old: 1\r\n\r\n"),
    ],
)
def test_headers(change: Any, header: bytes) -> None:
    """Below our own trace field."""
    (message,) = changed(change).acceptance.messages

    assert message.header.startswith(b"Received: ")
    assert message.header.endswith(b"\r\n" + header)


@pytest.mark.parametrize(
    "change",
    [
        AddHeader("X New", "1"),
        AddHeader("X-New:", "1"),
        AddHeader("", "1"),
        AddHeader("X-New", "1\r\nBcc: evil@elsewhere.test"),
        AddHeader("X-New", "1\n 2"),
        AddHeader("X-New", "1\r\n\r\ntext"),
        AddHeader("X-New", "a\0b"),
        ReplaceHeader("X-New", "1\r\n"),
        RemoveHeader("X Old"),
    ],
)
def test_headers_that_would_break_the_message(change: Any) -> None:
    """Nothing that a plugin was fed with becomes a field of its own, or the text: it counts as a failure."""
    reception, _ = with_plugin(stages.IMessagePolicy, (change,))

    assert send(reception.connect()).startswith("451 4.3.0")


def test_sender() -> None:
    """The reverse-path alone; the header stays."""
    (message,) = changed(ChangeSender(Address("list", "relayed.test"))).acceptance.messages
    assert str(message.envelope.sender) == "list@relayed.test"


def test_a_recipient_less() -> None:
    """The others get their copies."""
    reception, _ = with_plugin(stages.IMessagePolicy, (RemoveRecipient(BOB),))
    assert send(reception.connect(), "bob@relayed.test", "eve@relayed.test").startswith("250")

    (message,) = reception.acceptance.messages
    assert [str(each.address) for each in message.envelope.recipients] == ["eve@relayed.test"]


def test_no_recipient_is_left() -> None:
    """The message is taken, and discarded."""
    assert changed(RemoveRecipient(BOB)).acceptance.messages == []


def test_a_recipient_more() -> None:
    """Whoever is kept here; others only where the site file lets the plugin."""
    here, there = AddRecipient(Address("u1", "home.test")), AddRecipient(Address("log", "elsewhere.test"))

    local = changed(here).acceptance.local[0]
    assert local is not None
    assert [delivery.account for delivery in local.deliveries] == [1]
    (message,) = changed(there).acceptance.messages
    assert [str(each.address) for each in message.envelope.recipients] == ["bob@relayed.test"]
    (message,) = changed(there, anywhere=True).acceptance.messages
    assert [str(each.address) for each in message.envelope.recipients] == ["bob@relayed.test", "log@elsewhere.test"]


@pytest.mark.parametrize(("said", "name"), [("Junk", "Junk"), ("inbox", "INBOX"), ("Entwu\u0308rfe", "Entw\u00fcrfe")])
def test_another_mailbox(said: str, name: str) -> None:
    """Of one recipient, or of all that are kept here; under the one spelling that its name has."""
    reception, _ = with_plugin(stages.IMessagePolicy, (FileInto(said),))
    assert send(reception.connect(), "u1@home.test").startswith("250")

    local = reception.acceptance.local[0]
    assert local is not None
    assert [delivery.mailbox for delivery in local.deliveries] == [name]


@pytest.mark.parametrize("when", ["held", "many", "success", "elsewhere first"])
def test_another_mailbox_by_way_of_the_queue(when: str) -> None:
    """It is kept with the recipients that the queue serves, if they are kept here."""
    changes = [FileInto("Junk"), FileInto("Lists", U2)]
    changes += [Hold("odd")] if when == "held" else [FILTER] if when == "elsewhere first" else []
    reception, _ = with_plugin(stages.IMessagePolicy, tuple(changes))
    client = reception.connect()
    client.type("EHLO client.test", "MAIL FROM:<ann@sender.test>", "RCPT TO:<bob@relayed.test>")
    client.type("RCPT TO:<u2@home.test>" + (" NOTIFY=SUCCESS" if when == "success" else ""))
    client.type("RCPT TO:<all@home.test>" if when == "many" else "RCPT TO:<u1@home.test>", "DATA")

    assert client.send(b"Subject: hi\r\n\r\ntext\r\n.\r\n").startswith("250")

    (message,) = reception.acceptance.messages
    filed = [(str(each.address), each.mailbox) for each in message.envelope.recipients]
    last = "all@home.test" if when == "many" else "u1@home.test"
    assert filed == [("bob@relayed.test", None), ("u2@home.test", "Lists"), (last, "Junk")]


def test_no_mailbox() -> None:
    """One without a name counts as a failure."""
    reception, _ = with_plugin(stages.IMessagePolicy, (FileInto(""),))

    assert send(reception.connect(), "u1@home.test").startswith("451 4.3.0")


def test_tags(logged: list[dict[str, Any]]) -> None:
    """The last of a name counts; more than there may be aren't noted, which the log says."""
    tags = [Tag("score", "1"), Tag("list", "news"), Tag("score", "7"), *(Tag(f"n{n}") for n in range(30)), Tag("list")]

    (message,) = changed(*tags).acceptance.messages

    assert message.tags == (("score", "7"), ("list", ""), *((f"n{n}", "") for n in range(18)))
    undone = [event for event in logged if event.get("undone")]
    assert [event["change"] for event in undone] == [repr(Tag(f"n{n}")) for n in range(18, 30)]


def test_tags_are_told_and_logged(logged: list[dict[str, Any]]) -> None:
    """To who is told of messages in mailboxes, and in the line that says it was accepted."""
    reception, _ = with_plugin(stages.IMessagePolicy, (Tag("score", "7.1"), Tag("list", "the news")))
    assert send(reception.connect(), "u1@home.test").startswith("250")
    reception.clock.advance(1)

    ((message, _),) = reception.stored
    assert message.tags == (("score", "7.1"), ("list", "the news"))
    (line,) = [formatEvent(event) for event in logged if event.get("event") == "smtp.accepted"]
    assert ' for 1, delivered to <u1@home.test>, tagged score=7.1 list="the news": ' in line


def test_no_tag() -> None:
    """What could break the log counts as a failure."""
    reception, _ = with_plugin(stages.IMessagePolicy, (Tag("score", "7\n8"),))

    assert send(reception.connect()).startswith("451 4.3.0")


def test_held_messages_wait() -> None:
    """In the queue, also those for mailboxes here."""
    reception, _ = with_plugin(stages.IMessagePolicy, (Hold("looks odd"),))
    assert send(reception.connect(), "u1@home.test", "bob@relayed.test").startswith("250")

    acceptance = reception.acceptance
    assert acceptance.detained == [Detention("hold", "looks odd", "test")]
    assert acceptance.local == [None]
    assert len(acceptance.messages[0].envelope.recipients) == 2


def sent(
    *changes: Any, to: tuple[str, ...], text: str = "Subject: hi\r\n\r\ntext\r\n"
) -> tuple[dict[str, Via | None], list[int]]:
    """By which way each recipient goes that the queue serves, and the accounts that got it at once."""
    reception, _ = with_plugin(stages.IMessagePolicy, tuple(changes))
    assert send(reception.connect(), *to, text=text).startswith("250")
    (message,), (local,) = reception.acceptance.messages, reception.acceptance.local
    accounts = [each.account for each in local.deliveries] if local is not None else []
    return {str(each.address): each.via for each in message.envelope.recipients}, accounts


def test_another_next_hop_for_all() -> None:
    """Also for mailboxes here, and an alias: they get nothing, the next hop is told of them as RCPT named them."""
    ways, accounts = sent(FILTER, to=("u1@home.test", "all@home.test", "bob@relayed.test"))

    chosen = Via("smtp://127.0.0.1:10024")
    assert ways == dict.fromkeys(["u1@home.test", "all@home.test", "bob@relayed.test"], chosen)
    assert accounts == []


def test_another_next_hop_for_one() -> None:
    """The others go where they would; one that isn't among them changes nothing."""
    nobody = SetNextHop("smtp://a", recipient=Address("nobody", "home.test"))
    to_u1 = SetNextHop("lmtp+unix:/run/lmtp", recipient=U1)

    assert sent(to_u1, nobody, to=("u1@home.test", "u2@home.test", "bob@relayed.test")) == (
        {"u1@home.test": Via("lmtp+unix:/run/lmtp"), "bob@relayed.test": None},
        [2],
    )


def test_the_last_next_hop_counts() -> None:
    """And one for a recipient before one for all, whoever is asked first; also for who was added."""
    changes = (SetNextHop("smtp://a", recipient=U1), AddRecipient(U1), SetNextHop("smtp://b", "required", U1), FILTER)

    ways, _ = sent(*changes, SetNextHop("smtp://c", "none"), to=("bob@relayed.test",))

    assert ways == {"u1@home.test": Via("smtp://b", "required"), "bob@relayed.test": Via("smtp://c", "none")}


def test_held_on_the_way_elsewhere() -> None:
    """It waits first, and then goes there."""
    reception, _ = with_plugin(stages.IMessagePolicy, (Hold("odd"), FILTER, FileInto("Junk")))
    assert send(reception.connect(), "u1@home.test").startswith("250")

    assert reception.acceptance.detained == [Detention("hold", "odd", "test")]
    (recipient,) = reception.acceptance.messages[0].envelope.recipients
    assert recipient == Recipient(U1, via=Via("smtp://127.0.0.1:10024"), mailbox="Junk")


def test_circles_end_before_another_next_hop() -> None:
    """What its recipient had before isn't sent to a filter again: the queue fails it, or all of it is refused."""
    text = "Delivered-To: u1@home.test\r\nSubject: hi\r\n\r\ntext\r\n"

    ways, _ = sent(FILTER, to=("u1@home.test", "u2@home.test"), text=text)
    reception, _ = with_plugin(stages.IMessagePolicy, (FILTER,))

    assert ways == {"u1@home.test": None, "u2@home.test": Via("smtp://127.0.0.1:10024")}
    assert send(reception.connect(), "u1@home.test", text=text).startswith("554 5.4.6")
    assert reception.acceptance.messages == []


@pytest.mark.parametrize(
    "change",
    [
        SetNextHop("pigeon://roof"),
        SetNextHop("discard"),
        SetNextHop("error:550 5.1.2 no"),
        SetNextHop(None),  # type: ignore[arg-type]
        SetNextHop("smtp://a", "perhaps"),  # type: ignore[arg-type]
        SetNextHop("smtp://a", recipient="bob@relayed.test"),  # type: ignore[arg-type]
    ],
)
def test_no_next_hop(change: Any) -> None:
    """What can't be one counts as a failure."""
    reception, _ = with_plugin(stages.IMessagePolicy, (change,))

    assert send(reception.connect()).startswith("451 4.3.0")


def test_quarantine() -> None:
    """It waits in the queue, for everybody; what a filter says of it can be kept and shown."""
    reception, _ = with_plugin(stages.IMessagePolicy, (Quarantine("od\x1b[2J\udcff" + "d" * 1000), FileInto("Junk")))
    assert send(reception.connect(), "u1@home.test", "bob@relayed.test").startswith("250")

    acceptance = reception.acceptance
    (detention,) = acceptance.detained
    assert detention == Detention("quarantine", ("od\ufffd[2J\ufffd" + "d" * 1000)[:300], "test")
    assert acceptance.local == [None]
    assert len(acceptance.messages[0].envelope.recipients) == 2
    assert reception.stored == []


@pytest.mark.parametrize(
    ("changes", "kind", "reason"),
    [
        ((Hold("a"), Quarantine("b")), "quarantine", "b"),
        ((Quarantine("a"), Hold("b")), "quarantine", "a"),
        ((Quarantine("a"), Quarantine("b")), "quarantine", "a"),
        ((Hold("a"), Hold("b")), "hold", "a"),
    ],
)
def test_the_graver_detention_counts(changes: Changes, kind: str, reason: str) -> None:
    """Else a hold, which ends with a release of many, would let out what is quarantined."""
    (detention,) = changed(*changes).acceptance.detained
    assert detention is not None
    assert (detention.kind, detention.reason) == (kind, reason)


SPOOFED = "X-Envelope-From: <boss@home.test>\r\nx-quarantine-reason: none\r\nSubject: hi\r\n\r\ntext\r\n"


@pytest.mark.parametrize("by_site", [True, False])
def test_quarantine_into_a_mailbox(by_site: bool) -> None:
    """Of an address kept here, at once and alone, with what the envelope was; nobody hears of its delivery."""
    mailbox_of = Address("u2", "home.test")
    change = Quarantine("sp\u00e4m" if by_site else "spam", None if by_site else mailbox_of)
    site = mailbox_of if by_site else Address("u1", "home.test")
    reception, _ = with_plugin(
        stages.IMessagePolicy,
        (change, AddRecipient(Address("u1", "home.test")), FileInto("Junk"), FILTER),
        options={"quarantine_mailbox": site},
    )
    assert send(reception.connect(), "bob@relayed.test", "eve@relayed.test", text=SPOOFED).startswith("250")

    acceptance = reception.acceptance
    (message,), (local,) = acceptance.messages, acceptance.local
    assert message.envelope.recipients == ()
    assert local is not None
    assert local.deliveries == (Delivery(2, mailbox_of),)
    assert acceptance.detained == [None]
    reason = b"=?utf-8?b?c3DDpG0gKHRlc3Qp?=" if by_site else b"spam (test)"
    assert message.header.endswith(
        b"\r\nX-Quarantine-Reason: " + reason + b"\r\nX-Envelope-From: <ann@sender.test>\r\n"
        b"X-Envelope-To: <bob@relayed.test>,\r\n\t<eve@relayed.test>,\r\n\t<u1@home.test>\r\nSubject: hi\r\n\r\n"
    )


@pytest.mark.parametrize("mailbox_of", [Address("nobody", "home.test"), Address("log", "elsewhere.test")])
def test_no_mailbox_for_the_quarantine(mailbox_of: Address) -> None:
    """It waits for an operator then, as it came: it never gets through for that."""
    acceptance = changed(Quarantine("spam", mailbox_of)).acceptance

    assert acceptance.detained == [Detention("quarantine", "spam", "test")]
    assert b"X-Envelope" not in acceptance.messages[0].header
    assert [str(each.address) for each in acceptance.messages[0].envelope.recipients] == ["bob@relayed.test"]


def test_quarantine_of_what_has_no_recipient_left() -> None:
    """It is discarded, as it was asked for, and not put into a mailbox either."""
    change = Quarantine("spam", Address("u2", "home.test"))
    assert changed(change, RemoveRecipient(BOB)).acceptance.messages == []


def test_plugins_dont_see_each_others_changes() -> None:
    """All are told what came; all their changes are made, in their order."""
    seen: list[Callable[..., Any]] = []

    def look(_: stages.Client, message: stages.Arriving) -> Any:
        seen.append(message.header.get(b"X-New"))
        return (AddHeader("X-New", str(len(seen))),)

    first, second = Says(stages.IMessagePolicy, look), Says(stages.IMessagePolicy, look)
    reception = Reception(plugins=(Plugin("one", first, 1.0, False), Plugin("two", second, 1.0, False)))

    assert send(reception.connect()).startswith("250")
    assert seen == [None, None]
    assert reception.acceptance.messages[0].header.endswith(
        b"\r\nX-New: 2\r\nX-New: 1\r\nSubject: hi\r\nX-Old: 1\r\n\r\n"
    )
