"""Filters behind a listener: what they are told, when, and what comes of their answers."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from milter_kit import (
    ACCEPT,
    CLOSE,
    CONTINUE,
    DELAY,
    DISCARD,
    NOTHING,
    PROGRESS,
    REJECT,
    SKIP,
    ScriptedFilter,
    add,
    change,
    connected,
    ends,
    insert,
    rig,
    text,
)
from pydantic import ValidationError

from twistedmail_mta.milter.packets import encode
from twistedmail_mta.milter.terms import Action, Step
from twistedmail_mta.model import Address, Reply
from twistedmail_mta.policy.milter_filter import GONE_FOR, IDLE_FOR, MOST_IDLE
from twistedmail_mta.policy.milter_talk import FIELD_TOO_LARGE, FilterError
from twistedmail_mta.stages import (
    AddHeader,
    AddRecipient,
    ChangeSender,
    IConnectPolicy,
    IDisconnectObserver,
    IHelloPolicy,
    IMailPolicy,
    IMessagePolicy,
    InsertHeader,
    IRecipientPolicy,
    Quarantine,
    RemoveHeader,
    RemoveRecipient,
    ReplaceHeader,
)
from twistedmail_mta.testing.rig import Rig
from twistedmail_mta.testing.site import Site
from twistedmail_mta.testing.values import arriving, client, mail_from, recipient

BOB, EVE = Address("bob", "home.test"), Address("eve", "home.test")
NO = text(b"y", b"550 5.7.1 no 100%%")
MESSAGE = "Subject: hi\r\nX-Old:  1\r\n\tmore\r\n\r\ntext\r\n"
WHOLE = "CHMRTLLNBE"


def told_until_message(made: Rig, *recipients: str, host: str = "192.0.2.1") -> Any:
    """A client's whole session, up to its message; returns the client."""
    who = client(host)
    made.ask(IConnectPolicy, client(host, helo=""))
    made.ask(IHelloPolicy, who)
    made.ask(IMailPolicy, who, mail_from())
    for each in recipients or ("bob@home.test",):
        made.ask(IRecipientPolicy, who, mail_from(), recipient(each))
    return who


def judged(scripted: ScriptedFilter, *recipients: str, message: str | bytes = MESSAGE, **options: Any) -> Any:
    """What is answered to a message."""
    made = rig(scripted, **options)
    who = told_until_message(made, *recipients)
    return made.ask(IMessagePolicy, who, arriving(message, recipients=recipients))


def told_to_the_end(made: Rig) -> Any:
    """What comes of a client and its message."""
    return made.ask(IMessagePolicy, told_until_message(made), arriving(MESSAGE))


# What filters are told


def test_everything_in_order() -> None:
    """Step by step, with the macros that belong to each."""
    scripted = ScriptedFilter()
    made = rig(scripted)
    made.surroundings.names.add("192.0.2.1", "PTR", "mx.sender.test")
    made.surroundings.names.add("mx.sender.test", "A", "192.0.2.1")
    who = client(port=1234, local_host="192.0.2.25", local_port=25, helo="")
    said = client(port=1234, local_host="192.0.2.25", local_port=25, tls="TLSv1.3 TLS_AES_256_GCM_SHA384")

    assert made.ask(IConnectPolicy, who) is None
    assert scripted.line.told[1:] == [("C", b"mx.sender.test\x004\x04\xd2192.0.2.1\0")]
    assert scripted.line.macros["C"] == {
        "j": "mail.example.org",
        "_": "mx.sender.test [192.0.2.1]",
        "v": "twistedmail-mta",
        "{daemon_name}": "mx",
        "{daemon_addr}": "192.0.2.25",
        "{daemon_port}": "25",
        "{if_name}": "mail.example.org",
        "{if_addr}": "192.0.2.25",
        "{client_addr}": "192.0.2.1",
        "{client_name}": "mx.sender.test",
        "{client_ptr}": "mx.sender.test",
        "{client_port}": "1234",
    }
    assert made.ask(IHelloPolicy, said) is None
    assert scripted.line.told[2:] == [("H", b"client.test\0")]
    assert scripted.line.macros["H"] == {"{tls_version}": "TLSv1.3", "{cipher}": "TLS_AES_256_GCM_SHA384"}
    assert made.ask(IMailPolicy, said, mail_from()) is None
    assert scripted.line.told[3:] == [("M", b"<ann@sender.test>\0")]
    assert scripted.line.macros["M"] == {
        "i": mail_from().id,
        "{mail_addr}": "ann@sender.test",
        "{mail_host}": "sender.test",
    }
    assert made.ask(IRecipientPolicy, said, mail_from(), recipient()) is None
    assert scripted.line.told[4:] == [("R", b"<bob@home.test>\0")]
    assert scripted.line.macros["R"] == {
        "i": mail_from().id,
        "{rcpt_addr}": "bob@home.test",
        "{rcpt_host}": "home.test",
    }
    assert made.ask(IMessagePolicy, said, arriving(MESSAGE)) == ()
    assert scripted.line.told[5:] == [
        ("T", b""),
        ("L", b"Subject\0hi\0"),
        ("L", b"X-Old\0 1\n\tmore\0"),
        ("N", b""),
        ("B", b"text\r\n"),
        ("E", b""),
    ]
    made.ask(IDisconnectObserver, said)
    assert scripted.line.told[11:] == [("K", b"")]


@pytest.mark.parametrize(
    ("host", "content"),
    [("192.0.2.1", b"[192.0.2.1]\x004\x00\x00192.0.2.1\0"), ("2001:db8::1", b"[2001:db8::1]\x006\0\x002001:db8::1\0")],
)
def test_clients_without_a_name(host: str, content: bytes) -> None:
    """Their address in brackets stands for it; a name that doesn't lead back is none."""
    scripted = ScriptedFilter()
    made = rig(scripted)
    made.surroundings.names.add(host, "PTR", "mx.sender.test")
    made.ask(IConnectPolicy, client(host))

    assert scripted.line.contents("C") == [content]
    assert scripted.line.macros["C"]["{client_name}"] == "unknown"


def test_clients_of_a_unix_socket() -> None:
    """They have no address."""
    scripted = ScriptedFilter()
    rig(scripted, look_up_names=False).ask(IConnectPolicy, client(""))
    assert scripted.line.contents("C") == [b"localhost\0U"]


def test_who_has_logged_in() -> None:
    """Signing filters go by it."""
    scripted = ScriptedFilter()
    who = client(account="ann@home.test", mechanism="PLAIN")
    rig(scripted).ask(IMailPolicy, who, mail_from())

    assert scripted.line.macros["M"]["{auth_type}"] == "PLAIN"
    assert scripted.line.macros["M"]["{auth_authen}"] == "ann@home.test"
    assert scripted.line.macros["C"]["{daemon_name}"] == "submission"


def test_macros_that_are_asked_for() -> None:
    """Any of them, at any stage."""
    scripted = ScriptedFilter(symbols=b"\0\0\0\x02{client_addr} j s nothing\0")
    rig(scripted).ask(IMailPolicy, client(), mail_from())
    assert scripted.line.macros["M"] == {"{client_addr}": "192.0.2.1", "j": "mail.example.org", "s": "client.test"}


def test_large_bodies_in_pieces() -> None:
    """Of 64 KiB at most; all of it, and nothing else."""
    scripted = ScriptedFilter()
    body = bytes(range(256)).replace(b"\r", b"x").replace(b"\n", b"y") * 1000
    judged(scripted, message=b"A: b\r\n\r\n" + body)

    pieces = scripted.line.contents("B")
    assert b"".join(pieces) == body
    assert max(map(len, pieces)) == 65535


def test_no_more_of_the_body() -> None:
    """Where the filter has seen enough."""
    scripted = ScriptedFilter({"B": SKIP})
    judged(scripted, message=b"A: b\r\n\r\n" + b"x" * 200_000)
    assert scripted.line.letters == "OCHMRTLNBE"


def test_silent_filters_arent_waited_for() -> None:
    """All is said at once."""
    steps = Step.SILENT_CONNECT | Step.SILENT_HELLO | Step.SILENT_MAIL | Step.SILENT_RECIPIENT | Step.SILENT_DATA
    scripted = ScriptedFilter(steps=steps | Step.SILENT_HEADER | Step.SILENT_END_OF_HEADER | Step.SILENT_BODY)
    assert judged(scripted) == ()
    assert scripted.line.letters == "O" + WHOLE


def test_leading_spaces() -> None:
    """They are part of the values, where the filter wants that; in both directions."""
    answers = {"E": ends(add(b"N", b" a"), add(b"M", b"b"))}
    scripted = ScriptedFilter(answers, steps=Step.LEADING_SPACE)
    assert judged(scripted) == (AddHeader("N", "a", last=True), AddHeader("M", "b", last=True))
    assert scripted.line.contents("L") == [b"Subject\0 hi\0", b"X-Old\0  1\n\tmore\0"]

    assert judged(ScriptedFilter(answers))[0] == AddHeader("N", " a", last=True)


def test_octets_above_127() -> None:
    """Whatever they mean, they stay what they are."""
    scripted = ScriptedFilter()
    judged(scripted, message=b"Subject: \xe9\xc3\xa4\r\n\r\n\xff\x80\r\n")
    assert scripted.line.contents("L") == [b"Subject\0\xe9\xc3\xa4\0"]
    assert scripted.line.contents("B") == [b"\xff\x80\r\n"]


# Refusals


@pytest.mark.parametrize(
    ("answer", "reply"),
    [
        (REJECT, Reply(550, "5.7.1", "Command rejected")),
        (DELAY, Reply(451, "4.7.1", "Service unavailable - try again later")),
        (NO, Reply(550, "5.7.1", "no 100%")),
        (encode(b"4"), Reply(421, "4.7.0", "Server closing connection")),
    ],
)
@pytest.mark.parametrize("letter", "CHMRTLNBE")
def test_refusals(letter: str, answer: bytes, reply: Reply) -> None:
    """Live where the client asks; of the text at its end, and nothing more is told then."""
    scripted = ScriptedFilter({letter: answer})
    made = rig(scripted)
    who = client()
    asked = [
        ("C", lambda: made.ask(IConnectPolicy, client(helo=""))),
        ("H", lambda: made.ask(IHelloPolicy, who)),
        ("M", lambda: made.ask(IMailPolicy, who, mail_from())),
        ("R", lambda: made.ask(IRecipientPolicy, who, mail_from(), recipient())),
        ("TLNBE", lambda: made.ask(IMessagePolicy, who, arriving(MESSAGE))),
    ]

    for letters, ask in asked:
        answered = ask()
        if letter in letters:
            assert answered == reply
            break
        assert not answered
    assert scripted.line.letters.endswith(letter)
    made.ask(IDisconnectObserver, who)
    assert scripted.line.closed


def test_a_refused_client_stays_refused() -> None:
    """Whatever it tries next."""
    scripted = ScriptedFilter({"C": REJECT})
    made = rig(scripted)
    for stage, *values in ((IConnectPolicy,), (IHelloPolicy,), (IMailPolicy, mail_from())):
        assert made.ask(stage, client(), *values).code == 550
    assert scripted.line.letters == "OC"


def test_refused_greetings_can_be_mended() -> None:
    """By another one."""
    scripted = ScriptedFilter({"H": lambda name: REJECT if name == b"client.test\0" else CONTINUE})
    made = rig(scripted)
    assert made.ask(IHelloPolicy, client()).code == 550
    assert made.ask(IMailPolicy, client(), mail_from()).code == 550
    assert made.ask(IHelloPolicy, client(helo="better.test")) is None
    assert made.ask(IMailPolicy, client(helo="better.test"), mail_from()) is None


def test_one_of_several_recipients_is_refused() -> None:
    """The message is for the others."""
    scripted = ScriptedFilter({"R": lambda path: NO if b"eve" in path else CONTINUE})
    made = rig(scripted)
    who = told_until_message(made)
    assert made.ask(IRecipientPolicy, who, mail_from(), recipient("eve@home.test")) == Reply(550, "5.7.1", "no 100%")
    assert made.ask(IMessagePolicy, who, arriving(MESSAGE)) == ()
    assert scripted.line.letters == "OCHMRRTLLNBE"


@pytest.mark.parametrize("letter", "CHMRTLNBE")
def test_accepted_early(letter: str) -> None:
    """Nothing more is asked of the message; of a client, of none of its messages."""
    scripted = ScriptedFilter({letter: ACCEPT})
    assert not judged(scripted)
    assert scripted.line.letters.removesuffix("Q").endswith(letter)


def test_accepted_clients_need_no_filter() -> None:
    """Its connection isn't kept for them."""
    scripted = ScriptedFilter({"H": ACCEPT})
    made = rig(scripted)
    made.ask(IHelloPolicy, client())
    assert scripted.line.closed
    assert made.ask(IMailPolicy, client(), mail_from()) is None
    assert len(scripted.lines) == 1


@pytest.mark.parametrize("letter", "MRTLNBE")
def test_discarded(letter: str) -> None:
    """It is taken, and for nobody."""
    scripted = ScriptedFilter({letter: DISCARD})
    assert judged(scripted, "bob@home.test", "eve@home.test") == (RemoveRecipient(BOB), RemoveRecipient(EVE))


# Changes


@pytest.mark.parametrize(
    ("modification", "expected"),
    [
        (add(b"N", b"a b"), AddHeader("N", "a b", last=True)),
        (add(b"N", b"a\n b\r\nc\n\n"), AddHeader("N", "a\r\n b\r\n\tc", last=True)),
        (add(b"N", b"\xe9"), AddHeader("N", "\udce9", last=True)),
        (insert(1, b"N", b"a"), InsertHeader(1, "N", "a")),
        (change(1, b"X-Old", b""), RemoveHeader("X-Old", 1)),
        (change(2, b"X-Old", b"a"), ReplaceHeader("X-Old", "a", 2)),
        (change(0, b"X-Old", b"a"), ReplaceHeader("X-Old", "a", 1)),
        (text(b"+", b"<eve@home.test>"), AddRecipient(EVE)),
        (text(b"2", b"eve@home.test", b"NOTIFY=NEVER"), AddRecipient(EVE, frozenset({"NEVER"}))),
        (text(b"-", b"<bob@home.test>"), RemoveRecipient(BOB)),
        (text(b"e", b"<>"), ChangeSender(Address("", ""))),
        (text(b"e", b"<eve@home.test>", b"RET=HDRS"), ChangeSender(EVE)),
        (text(b"q", b"looks odd"), Quarantine("looks odd")),
    ],
)
def test_changes(modification: bytes, expected: Any) -> None:
    """Every one there is, as this server makes it."""
    assert judged(ScriptedFilter({"E": ends(modification)})) == (expected,)
    assert judged(ScriptedFilter({"E": ends(modification, last=ACCEPT)})) == (expected,)
    assert judged(ScriptedFilter({"E": ends(modification, last=REJECT)})).code == 550


@pytest.mark.parametrize(
    "modification",
    [
        add(b"N N", b"a"),
        add(b"", b"a"),
        add(b"N:", b"a"),
        text(b"+", b"<eve@home.test"),
        text(b"+", b"<eve@home.test> NOTIFY=NEVER"),
        text(b"+", b"\xff"),
        text(b"2", b"<eve@home.test>", b"WHAT=1"),
        text(b"-", b""),
        text(b"e", b"nobody"),
    ],
)
def test_changes_that_cant_be_made(modification: bytes) -> None:
    """They are a failure of the filter's: the message isn't let through without them."""
    with pytest.raises(FilterError):
        judged(ScriptedFilter({"E": ends(modification)}))


def test_too_many_changes() -> None:
    """A filter can't fill the memory."""
    with pytest.raises(FilterError):
        judged(ScriptedFilter({"E": ends(add(b"N", b"a") * 1001)}))
    with pytest.raises(FilterError):
        judged(ScriptedFilter({"E": ends(add(b"N", b"a" * 60_000) * 18)}))


def test_patience() -> None:
    """Each time that the filter asks for it, its time begins anew."""
    scripted = ScriptedFilter({"E": NOTHING})
    made = rig(scripted, end_timeout="10s")
    who = told_until_message(made)
    asked = made.begin(IMessagePolicy, who, arriving(MESSAGE))
    for _ in range(3):
        made.clock.advance(9)
        scripted.line.link.dataReceived(PROGRESS)
    assert not asked.done
    made.clock.advance(9)
    scripted.line.link.dataReceived(CONTINUE)
    assert asked.answer == ()


# Several filters


def test_one_after_the_other() -> None:
    """Each is shown what the ones before made of the message; all their changes are made."""
    first = ScriptedFilter({"E": ends(insert(0, b"Authentication-Results", b"ok"), change(1, b"X-Old", b""))})
    second = ScriptedFilter({"E": ends(change(1, b"Authentication-Results", b"better"))})
    made = rig(first, second)
    who = told_until_message(made)

    assert made.ask(IMessagePolicy, who, arriving(MESSAGE)) == (
        InsertHeader(0, "Authentication-Results", "ok"),
        RemoveHeader("X-Old", 1),
        ReplaceHeader("Authentication-Results", "better", 1),
    )
    assert second.line.contents("L") == [b"Authentication-Results\0ok\0", b"Subject\0hi\0"]


@pytest.mark.parametrize("letter", "CHMRE")
def test_the_first_refusal_counts(letter: str) -> None:
    """The second filter isn't asked then."""
    first, second = ScriptedFilter({letter: REJECT}), ScriptedFilter()
    made = rig(first, second)
    who = client()
    made.ask(IConnectPolicy, who)
    made.ask(IHelloPolicy, who)
    made.ask(IMailPolicy, who, mail_from())
    made.ask(IRecipientPolicy, who, mail_from(), recipient())
    assert made.ask(IMessagePolicy, who, arriving(MESSAGE)).code == 550
    assert not second.lines or letter not in second.line.letters


# Connections


def test_a_connection_for_one_client_after_another() -> None:
    """Where the filter hears of it: nothing is negotiated anew."""
    scripted = ScriptedFilter()
    made = rig(scripted)
    for number in range(3):
        who = told_until_message(made, host=f"192.0.2.{number}")
        made.ask(IMessagePolicy, who, arriving(MESSAGE))
        made.ask(IDisconnectObserver, who)
    assert scripted.line.letters == "O" + (WHOLE + "K") * 3


def test_a_kept_connection_that_is_lost() -> None:
    """Another one is made, and the client hears nothing of it."""
    scripted = ScriptedFilter()
    made = rig(scripted)
    told_to_the_end(made)
    made.ask(IDisconnectObserver, client())
    scripted.line.close()
    told_until_message(made)
    assert len(scripted.lines) == 2


@pytest.mark.parametrize("answer", [NOTHING, encode(b"x"), CLOSE])
def test_filters_that_know_of_no_other_clients(answer: bytes) -> None:
    """They say version 6, and don't answer about the second one: that is told on a new connection.

    And so is every other from then on, unless the filter may have been restarted.
    """
    clients: list[bytes] = []

    def connect(content: bytes) -> bytes:
        clients.append(content)
        return answer if len(clients) == 2 else CONTINUE

    scripted = ScriptedFilter({"C": connect})
    made = rig(scripted)
    for _ in range(3):
        assert told_to_the_end(made) == ()
        made.ask(IDisconnectObserver, client())
    rest = [WHOLE + "K" + WHOLE + "K"] if answer == CLOSE else [WHOLE + "K"] * 2
    assert [line.letters for line in scripted.lines] == ["O" + each for each in (WHOLE + "KC", *rest)]


def test_no_more_are_kept_than_are_used() -> None:
    """And none for long."""
    scripted = ScriptedFilter()
    made = rig(scripted)
    for number in range(MOST_IDLE + 2):
        made.ask(IMessagePolicy, client(session=str(number)), arriving(MESSAGE))
    for number in range(MOST_IDLE + 2):
        made.ask(IDisconnectObserver, client(session=str(number)))
    assert [line.closed for line in scripted.lines] == [True] * 2 + [False] * MOST_IDLE

    made.clock.advance(IDLE_FOR + 1)
    assert all(line.closed for line in scripted.lines)
    assert scripted.line.letters.endswith("KQ")


def test_the_end_of_the_server() -> None:
    """All connections are closed, and no timer stays."""
    scripted = ScriptedFilter()
    made = rig(scripted)
    told_until_message(made)
    made.ask(IMessagePolicy, client(session="x"), arriving(MESSAGE))
    made.ask(IDisconnectObserver, client(session="x"))
    made.stop()
    assert all(line.closed for line in scripted.lines)
    assert made.clock.getDelayedCalls() == []


def test_another_message() -> None:
    """The filter forgets the one that wasn't sent to its end."""
    scripted = ScriptedFilter()
    made = rig(scripted)
    who = told_until_message(made)
    made.ask(IMailPolicy, who, mail_from(id="2"))
    made.ask(IHelloPolicy, client(helo="again.test"))
    assert scripted.line.letters == "OCHMRAMAH"


def test_recipients_that_werent_taken_in_the_end() -> None:
    """By another plugin, or for want of room: the filter is told anew, with what MAIL said."""
    scripted = ScriptedFilter()
    made = rig(scripted)
    who = told_until_message(made, "bob@home.test", "eve@home.test")
    made.ask(IMessagePolicy, who, arriving(MESSAGE, recipients=["eve@home.test"]))
    assert scripted.line.letters == "OCHMRRAMRTLLNBE"
    assert scripted.line.contents("R")[2:] == [b"<eve@home.test>\0"]


def test_steps_that_nobody_told_of() -> None:
    """Another plugin may end the asking at a stage: at the next one all is told."""
    scripted = ScriptedFilter()
    made = rig(scripted)
    assert made.ask(IMessagePolicy, client(), arriving(MESSAGE)) == ()
    assert scripted.line.letters == "O" + WHOLE


def test_a_filter_that_is_restarted_meanwhile() -> None:
    """The session goes on with the new one, which is told all of it."""
    scripted = ScriptedFilter()
    made = rig(scripted)
    who = told_until_message(made, "bob@home.test", "eve@home.test")
    scripted.line.close()
    assert made.ask(IMessagePolicy, who, arriving(MESSAGE, recipients=["bob@home.test", "eve@home.test"])) == ()
    assert scripted.line.letters == "OCHMRRTLLNBE"


# Failures


@pytest.mark.parametrize("letter", "OCHMRTLNBE")
@pytest.mark.parametrize("answer", [CLOSE, NOTHING, encode(b"x"), encode(b"f"), add(b"A", b"b"), b"\xff\xff\xff\xff"])
def test_filters_that_fail(letter: str, answer: bytes) -> None:
    """At whatever step: an error in words, and nothing left behind but the client, who can try again."""
    if letter == "E" and answer[4:5] == b"h":
        answer = encode(b"s")
    scripted = ScriptedFilter({letter: answer})
    made = rig(scripted)
    with pytest.raises(FilterError, match=r"^unix:/0: ."):
        told_to_the_end(made)
    assert all(line.closed for line in scripted.lines)

    good = ScriptedFilter()
    connected(made, good)
    made.clock.advance(GONE_FOR)
    assert made.ask(IMessagePolicy, client(), arriving(MESSAGE)) == ()
    assert good.line.letters == "O" + WHOLE


def test_filters_that_arent_there() -> None:
    """They aren't tried again at once, but soon."""
    scripted = ScriptedFilter()
    scripted.there = False
    made = rig(scripted)
    with pytest.raises(FilterError):
        made.ask(IConnectPolicy, client())
    scripted.there = True
    with pytest.raises(FilterError):
        made.call(made.plugin.greeted(client()), within=0)
    made.clock.advance(GONE_FOR)
    assert made.ask(IHelloPolicy, client()) is None


def test_who_is_gone_while_a_filter_thinks() -> None:
    """Its connection isn't used for anybody else."""
    scripted = ScriptedFilter({"M": NOTHING})
    made = rig(scripted)
    asked = made.begin(IMailPolicy, client(), mail_from())
    assert not asked.done
    asked.cancel()
    made.ask(IDisconnectObserver, client())
    assert scripted.line.closed
    assert made.clock.getDelayedCalls() == []


def test_fields_that_no_filter_takes() -> None:
    """Such a message can't be judged."""
    scripted = ScriptedFilter()
    with pytest.raises(Exception, match=FIELD_TOO_LARGE.text):
        judged(scripted, message=b"To: " + b"a" * 70_000 + b"\r\n\r\n")


@pytest.mark.parametrize("endpoint", [[], "", "nowhere", "tcp", 5, ["tcp:127.0.0.1:1", "what:1"]])
def test_places_that_are_none(endpoint: Any) -> None:
    """They are told of before the server starts."""
    with pytest.raises(ValidationError):
        Rig("milter", {"endpoint": endpoint})


@pytest.mark.parametrize("endpoint", ["unix:/run/x.sock", "tcp:127.0.0.1:8891", "tcp:host=localhost:port=5"])
def test_places(endpoint: str) -> None:
    """As Twisted writes them."""
    assert [each.name for each in Rig("milter", {"endpoint": endpoint}).plugin._filters] == [endpoint]


# With a listener


def test_another_body() -> None:
    """Piece by piece; it is kept as the body is."""
    pieces = ends(encode(b"b", b"new\r"), encode(b"b", b"\ntext \xe9\n"), encode(b"b", b""), add(b"N", b"a"))
    second = ScriptedFilter()
    site = Site(rig(ScriptedFilter({"E": pieces}), second))
    assert site.connect().mail("ann@sender.test", "bob@home.test", text=MESSAGE).startswith("250")

    (accepted,) = site.accepted
    assert accepted.body == b"new\r\ntext \xe9\r\n"
    assert accepted.header.block.endswith(b"\r\nSubject: hi\r\nX-Old:  1\r\n\tmore\r\nN: a\r\n\r\n")
    assert second.line.contents("B") == [b"new\r\ntext \xe9\r\n"]


def test_a_body_without_an_end() -> None:
    """No filter writes more than twice what a client may send."""
    scripted = ScriptedFilter({"E": ends(encode(b"b", b"x" * 65000) * 33)})
    site = Site(rig(scripted), limits={"message_size": 1 << 20})
    assert site.connect().mail("ann@sender.test", "bob@home.test").startswith("552 5.3.4")
    assert scripted.line.closed


@pytest.mark.parametrize(
    ("letter", "line"), [("H", "EHLO x"), ("M", "MAIL FROM:<a@b.test>"), ("R", "RCPT TO:<bob@relayed.test>")]
)
def test_clients_hear_the_filters_words(letter: str, line: str) -> None:
    """At the command that it is about."""
    session = Site(rig(ScriptedFilter({letter: text(b"y", b"550-5.7.1 one\r\n550 5.7.1 two")}))).connect()
    for each in ("EHLO x", "MAIL FROM:<a@b.test>", "RCPT TO:<bob@relayed.test>"):
        answer = session.type(each)
        assert answer.startswith("250" if each != line else "550-5.7.1 one\r\n550 5.7.1 two\r\n")
        if each == line:
            break


def test_filters_that_end_the_session() -> None:
    """With 421, and the connection is closed."""
    session = Site(rig(ScriptedFilter({"M": encode(b"4")}))).connect()
    assert session.mail("ann@sender.test", "bob@home.test") == "421 4.7.0 Server closing connection\r\n"
    assert not session.connected


def test_what_is_said_unasked() -> None:
    """Between clients as well: that connection isn't used any more."""
    scripted = ScriptedFilter()
    made = rig(scripted)
    told_to_the_end(made)
    made.ask(IDisconnectObserver, client())
    scripted.line.link.dataReceived(CONTINUE)
    assert told_to_the_end(made) == ()
    assert [line.letters for line in scripted.lines] == ["O" + WHOLE + "K", "O" + WHOLE]


def test_failures_delay_mail() -> None:
    """Unless the site file says otherwise."""
    mail = ("ann@sender.test", "bob@home.test")
    assert Site(rig(ScriptedFilter({"E": CLOSE}))).connect().mail(*mail).startswith("451 4.3.0")

    site = Site(rig(ScriptedFilter({"C": encode(b"x")}), on_error="abstain"))
    assert site.connect().mail(*mail).startswith("250")
    assert len(site.accepted) == 1


def test_the_session_ends() -> None:
    """However: the filter can be told of another client."""
    scripted = ScriptedFilter()
    site = Site(rig(scripted))
    for _ in range(2):
        session = site.connect()
        assert session.mail("ann@sender.test", "bob@home.test", text=MESSAGE).startswith("250")
        session.hang_up()
    session = site.connect()
    session.type("EHLO client.test", "MAIL FROM:<ann@sender.test>")
    session.hang_up()
    assert scripted.line.letters == "O" + (WHOLE + "K") * 2 + "CHMAQ"


def test_thought_without_an_end() -> None:
    """The client is answered in time, whatever the filter does."""
    scripted = ScriptedFilter({"E": NOTHING})
    made = rig(scripted, end_timeout="5m")
    assert Site(made).connect().mail("ann@sender.test", "bob@home.test").startswith("451")
    assert made.clock.seconds() == pytest.approx(made.running.timeout, abs=0.2)
    assert made.running.timeout == 45.0
    assert scripted.line.closed


# Anything


answers = st.sampled_from(
    [
        CONTINUE, ACCEPT, REJECT, DELAY, DISCARD, SKIP, PROGRESS + CONTINUE, CLOSE, encode(b"x"), NO,
        ends(add(b"N", b"a"), change(1, b"Subject", b"b")), ends(text(b"+", b"<eve@home.test>"), last=REJECT),
        CONTINUE * 2, ends(encode(b"b", b"new\r\n")), b"\0\0\0\0", encode(b"y", b"what"),
    ]
)  # fmt: skip


@settings(max_examples=150, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.dictionaries(st.sampled_from("OCHMRTLNBE"), answers, max_size=4),
    st.integers(0, 0x1FF).map(Action),
    st.sets(st.sampled_from([each for each in Step if each is not Step.REFUSED_RECIPIENTS])),
)
def test_any_filter(said: dict[str, bytes], actions: Action, steps: set[Step]) -> None:
    """Two sessions end, each message taken or refused; no connection that failed is used again."""
    wanted = Step(0)
    for step in steps:
        wanted |= step
    scripted = ScriptedFilter(said, wanted, actions)
    made = rig(scripted, command_timeout="1s", content_timeout="1s", end_timeout="1s")
    site = Site(made)
    for _ in range(2):
        session = site.connect()
        answer = session.greeting
        if answer.startswith("220"):
            answer = session.mail("ann@sender.test", "bob@home.test", text=MESSAGE)
        assert answer[:1] in {"2", "4", "5"}
        if session.connected:
            session.hang_up()
    assert made.plugin._clients == {}
    assert all(line.closed for line in scripted.lines[:-1])
