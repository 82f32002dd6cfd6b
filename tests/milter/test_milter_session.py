"""A connection to a filter: the octets of every command, and which answers it may get."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twistedmail_mta.milter.answers import AddHeader, InsertHeader, Quarantine, Verdict
from twistedmail_mta.milter.commands import body
from twistedmail_mta.milter.errors import MilterError, TooLarge
from twistedmail_mta.milter.packets import PacketReader, encode
from twistedmail_mta.milter.session import FilterSession, State
from twistedmail_mta.milter.terms import ALL_ACTIONS, MAX_CHUNK, Action, Agreement, Step
from twistedmail_mta.model import Reply

CLIENT = ip_address("127.0.0.9")

# What Postfix 3.7.11 and libmilter 8.17.1 said to one another of a message, recorded between them.
NEGOTIATION = (
    b"\x00\x00\x00\rO\x00\x00\x00\x06\x00\x00\x01\xff\x00\x1f\xff\xff",
    b"\x00\x00\x00\rO\x00\x00\x00\x06\x00\x00\x01\xff\x00\x00\x04\x00",
)
POSTFIX: list[tuple[bytes, bytes]] = [
    (
        (
            b"\x00\x00\x00yDCj\x00postfix.peers.test\x00{daemon_name}\x00postfix.peers.test\x00{daemon_addr}\x00"
            b"127.0.77.77\x00v\x00Postfix 3.7.11\x00_\x00unknown [127.0.0.9]\x00"
            b"\x00\x00\x00\x1aC[127.0.0.9]\x004\xb1\x19127.0.0.9\x00"
        ),
        b"\x00\x00\x00\x01c",
    ),
    (b"\x00\x00\x00\x02DH\x00\x00\x00\rHclient.test\x00", b"\x00\x00\x00\x01c"),
    (
        (
            b"\x00\x00\x00IDM{mail_addr}\x00ann@sender.test\x00{mail_host}\x00sender.test\x00{mail_mailer}\x00smtp\x00"
            b"\x00\x00\x002M<ann@sender.test>\x00size=89\x00BODY=8BITMIME\x00SIZE=100\x00"
        ),
        b"\x00\x00\x00\x01c",
    ),
    (
        (
            b"\x00\x00\x00NDR{rcpt_addr}\x00bob@postfix.test\x00{rcpt_host}\x00postfix.test\x00{rcpt_mailer}\x00virtual\x00"
            b"\x00\x00\x00!R<bob@postfix.test>\x00NOTIFY=NEVER\x00"
        ),
        b"\x00\x00\x00\x01c",
    ),
    (b"\x00\x00\x00\x10DTi\x0029D12212872\x00\x00\x00\x00\x01T", b"\x00\x00\x00\x01c"),
    (b"\x00\x00\x00\x10DLi\x0029D12212872\x00\x00\x00\x00\x0cLSubject\x00hi\x00", b"\x00\x00\x00\x01c"),
    (
        b"\x00\x00\x00\x10DLi\x0029D12212872\x00\x00\x00\x00\x16LX-Old\x00 two\n\tfolded \xe9\x00",
        b"\x00\x00\x00\x01c",
    ),
    (b"\x00\x00\x00\x10DLi\x0029D12212872\x00\x00\x00\x00\tLX-None\x00\x00", b"\x00\x00\x00\x01c"),
    (b"\x00\x00\x00\x10DLi\x0029D12212872\x00\x00\x00\x00\nLX-Tab\x00\tx\x00", b"\x00\x00\x00\x01c"),
    (b"\x00\x00\x00\x10DNi\x0029D12212872\x00\x00\x00\x00\x01N", b"\x00\x00\x00\x01c"),
    (b"\x00\x00\x00\x10DBi\x0029D12212872\x00\x00\x00\x00\tBbody \xe9\r\n", b"\x00\x00\x00\x01c"),
    (
        b"\x00\x00\x00\x10DEi\x0029D12212872\x00\x00\x00\x00\x01E",
        (
            b"\x00\x00\x00\x01p\x00\x00\x00\rhX-Added\x00a b\x00\x00\x00\x00\x0fi\x00\x00\x00\x00X-First\x001\x00"
            b"\x00\x00\x00\x0bqlooks odd\x00\x00\x00\x00\x01c"
        ),
    ),
]


def commands_in(octets: bytes) -> list[tuple[bytes, bytes]]:
    """The packets, but for macros, whose choice is the server's own."""
    reader = PacketReader()
    reader.receive(octets)
    found = []
    while (packet := reader.next_packet()) is not None:
        if packet.letter != b"D":
            found.append(tuple(packet))
    return found


def agreed(*steps: Step, actions: Action = ALL_ACTIONS, version: int = 6, symbols: bytes = b"") -> FilterSession:
    """A session that begins with a filter's terms."""
    session = FilterSession()
    assert session.negotiate()
    session.bytes_to_send()
    value = 0
    for step in steps:
        value |= step
    terms = b"".join(number.to_bytes(4, "big") for number in (version, actions, value))
    session.receive_bytes(encode(b"O", terms, symbols))
    assert isinstance(session.next_answer(), Agreement)
    return session


def answered(session: FilterSession, asked: bool, octets: bytes = encode(b"c")) -> object:
    """What a filter's answer to a command means."""
    assert asked
    session.receive_bytes(octets)
    return session.next_answer()


def in_message(*steps: Step, **terms: int) -> FilterSession:
    """A session within a message that nothing was sent of yet."""
    session = agreed(*steps, **terms)  # type: ignore[arg-type]
    if session.connect(b"[127.0.0.9]", CLIENT, 0, {}):
        answered(session, True)
    if session.hello(b"client.test", {}):
        answered(session, True)
    if session.mail(b"<ann@sender.test>", (), {}):
        answered(session, True)
    session.bytes_to_send()
    return session


def test_as_postfix_speaks() -> None:
    """The same commands, octet by octet; the same answers are understood."""
    session = FilterSession()
    session.negotiate()
    asked = bytearray(NEGOTIATION[0])
    asked[-2] &= ~8  # recipients that were refused aren't told here
    assert session.bytes_to_send() == asked
    session.receive_bytes(NEGOTIATION[1])
    assert session.next_answer() == Agreement(6, ALL_ACTIONS, Step.SKIP)

    path, parameters = b"<ann@sender.test>", (b"size=89", b"BODY=8BITMIME", b"SIZE=100")
    told: list[Callable[[], bool]] = [
        lambda: session.connect(b"[127.0.0.9]", CLIENT, 45337, {}),
        lambda: session.hello(b"client.test", {}),
        lambda: session.mail(path, parameters, {}),
        lambda: session.recipient(b"<bob@postfix.test>", (b"NOTIFY=NEVER",), {}),
        lambda: session.data({}),
        lambda: session.header(b"Subject", b" hi"),
        lambda: session.header(b"X-Old", b"  two\r\n\tfolded \xe9"),
        lambda: session.header(b"X-None", b""),
        lambda: session.header(b"X-Tab", b"\tx"),
        lambda: session.end_of_header({}),
        lambda: session.body(b"body \xe9\r\n"),
        lambda: session.end_of_message({}),
    ]
    for tell, (sent, received) in zip(told, POSTFIX, strict=True):
        assert tell()
        assert commands_in(session.bytes_to_send()) == commands_in(sent)
        session.receive_bytes(received)
        if tell is not told[-1]:
            assert session.next_answer() is Verdict.CONTINUE

    answers = [session.next_answer() for _ in range(6)]
    assert answers == [
        Verdict.PROGRESS,
        AddHeader(b"X-Added", b"a b"),
        InsertHeader(0, b"X-First", b"1"),
        Quarantine(b"looks odd"),
        Verdict.CONTINUE,
        None,
    ]
    assert session.state is State.CLIENT
    assert session.part()
    session.quit()
    assert session.bytes_to_send() == b"\0\0\0\x01K\0\0\0\x01Q"


def test_macros_go_before_their_command() -> None:
    """Those that have a value, in the usual order; the packet is left out where none has."""
    session = agreed()
    session.connect(b"client.test", CLIENT, 25, {b"j": b"mail.test", b"_": b"", b"i": b"x", b"{client_addr}": b"::"})

    assert session.bytes_to_send() == (
        encode(b"D", b"Cj\0mail.test\0{client_addr}\0::\0") + encode(b"C", b"client.test\0004\0\x19127.0.0.9\0")
    )
    answered(session, True)
    session.hello(b"me", {})
    assert session.bytes_to_send() == encode(b"H", b"me\0")


def test_macros_that_the_filter_names() -> None:
    """Of the stages that it names some for; also without their braces."""
    session = agreed(symbols=b"\0\0\0\x02mail_addr i\0\0\0\0\x03\0")
    values = {b"i": b"x", b"{mail_addr}": b"a@b.test", b"{mail_host}": b"b.test", b"{rcpt_addr}": b"c@d.test"}
    answered(session, session.connect(b"client.test", None, 0, {b"j": b"mail.test"}))
    assert session.bytes_to_send() == encode(b"D", b"Cj\0mail.test\0") + encode(b"C", b"client.test\0U")

    answered(session, session.mail(b"<a@b.test>", (), values))
    assert session.bytes_to_send() == encode(b"D", b"Mmail_addr\0a@b.test\0i\0x\0") + encode(b"M", b"<a@b.test>\0")
    answered(session, session.recipient(b"<c@d.test>", (), values))
    assert session.bytes_to_send() == encode(b"R", b"<c@d.test>\0")


def test_ipv6() -> None:
    """The family is a 6, the address as people write it."""
    session = agreed()
    session.connect(b"[2001:db8::1]", ip_address("2001:db8::1"), 0x1234, {})
    assert session.bytes_to_send() == encode(b"C", b"[2001:db8::1]\0006\x12\x342001:db8::1\0")


def test_what_isnt_wanted_isnt_sent() -> None:
    """The end of the message is the only command that can't be left out."""
    session = in_message(
        Step.NO_CONNECT, Step.NO_HELLO, Step.NO_MAIL, Step.NO_RECIPIENT, Step.NO_DATA, Step.NO_HEADERS,
        Step.NO_END_OF_HEADER, Step.NO_BODY, Step.NO_UNKNOWN,
    )  # fmt: skip

    assert not session.recipient(b"<bob@b.test>", (), {})
    assert not session.data({})
    assert not session.header(b"A", b"b")
    assert not session.end_of_header({})
    assert not session.wants_body
    assert not session.body(b"text")
    assert not session.unknown(b"WHAT")
    assert session.bytes_to_send() == b""
    assert session.end_of_message({})


def test_silent_steps_are_sent_and_not_answered() -> None:
    """So many of them can be sent at once."""
    session = in_message(
        Step.SILENT_CONNECT, Step.SILENT_HELLO, Step.SILENT_MAIL, Step.SILENT_RECIPIENT, Step.SILENT_DATA,
        Step.SILENT_HEADER, Step.SILENT_END_OF_HEADER, Step.SILENT_BODY, Step.SILENT_UNKNOWN, Step.LEADING_SPACE,
    )  # fmt: skip

    told = [
        session.recipient(b"<bob@b.test>", (), {}),
        session.data({}),
        session.header(b"A", b" b"),
        session.end_of_header({}),
        session.body(b"text"),
        session.unknown(b"WHAT"),
    ]
    assert not any(told)
    assert session.end_of_message({})
    assert session.bytes_to_send() == b"".join(
        [
            encode(b"R", b"<bob@b.test>\0"),
            encode(b"T"),
            encode(b"L", b"A\0 b\0"),
            encode(b"N"),
            encode(b"B", b"text"),
            encode(b"U", b"WHAT\0"),
            encode(b"E"),
        ]
    )


def test_old_filters() -> None:
    """DATA and unknown commands came with later versions."""
    session = in_message(version=2)
    assert not session.data({})
    assert not session.unknown(b"WHAT")


def test_nul_is_left_out() -> None:
    """Strings end with it."""
    session = in_message()
    session.header(b"A", b" b\0c")
    assert session.bytes_to_send() == encode(b"L", b"A\0bc\0")


def test_skip() -> None:
    """No more of this message's body; of the next one's again."""
    session = in_message(Step.SKIP)
    assert answered(session, session.body(b"text"), encode(b"s")) is Verdict.SKIP
    assert not session.wants_body
    session.abort()

    answered(session, session.mail(b"<ann@sender.test>", (), {}))
    assert session.wants_body


def test_abort() -> None:
    """Once, and only within a message that the filter was told of."""
    session = in_message()
    session.abort()
    session.abort()
    assert session.bytes_to_send() == encode(b"A")

    session = in_message(Step.NO_MAIL)
    session.abort()
    assert session.bytes_to_send() == b""


def judged(session: FilterSession, answer: bytes) -> FilterSession:
    """After the end of a message."""
    answered(session, session.end_of_message({}), encode(answer))
    session.bytes_to_send()
    return session


def aborted(session: FilterSession) -> FilterSession:
    """After a message that wasn't sent."""
    session.abort()
    session.bytes_to_send()
    return session


def begun(session: FilterSession) -> FilterSession:
    """After another MAIL."""
    answered(session, session.mail(b"<ann@sender.test>", (), {}))
    session.bytes_to_send()
    return session


def greeted(session: FilterSession) -> FilterSession:
    """After another EHLO."""
    answered(session, session.hello(b"again", {}))
    session.bytes_to_send()
    return session


# Found out with libmilter 8.17.1: where it says no, it answers the next client never.
@pytest.mark.parametrize(
    ("session", "last"),
    [
        (in_message(), b"AQ"),
        (aborted(in_message()), b"Q"),
        (judged(in_message(), b"c"), b"K"),
        (aborted(judged(in_message(), b"c")), b"K"),
        (begun(judged(in_message(), b"c")), b"AQ"),
        (judged(in_message(), b"a"), b"Q"),
        (judged(in_message(), b"r"), b"Q"),
        (judged(in_message(), b"t"), b"Q"),
        (judged(in_message(), b"d"), b"Q"),
        (greeted(judged(in_message(), b"c")), b"Q"),
        (judged(in_message(version=5), b"c"), b"Q"),
        (in_message(Step.NO_MAIL), b"Q"),
        (agreed(), b""),
    ],
)
def test_another_client(session: FilterSession, last: bytes) -> None:
    """Where the filter hears of it the connection goes on, else it ends."""
    stays = session.part()

    assert session.bytes_to_send() == b"".join(encode(bytes([letter])) for letter in last)
    assert stays is (not last.endswith(b"Q"))
    assert session.state is (State.AGREED if stays else State.ENDED)
    if stays:
        assert session.connect(b"x", CLIENT, 0, {})


@pytest.mark.parametrize("answer", [b"a", b"d", b"r", b"t", b"4"])
def test_answers_that_end_a_message(answer: bytes) -> None:
    """The filter has forgotten it: another one may follow at once."""
    session = in_message()
    answered(session, session.data({}), encode(answer))
    assert session.state is State.CLIENT
    assert session.mail(b"<ann@sender.test>", (), {})


@pytest.mark.parametrize(("answer", "state"), [(b"r", State.MESSAGE), (b"t", State.MESSAGE), (b"a", State.CLIENT)])
def test_a_recipient_that_is_refused(answer: bytes, state: State) -> None:
    """The message goes on without it."""
    session = in_message()
    answered(session, session.recipient(b"<bob@b.test>", (), {}), encode(answer))
    assert session.state is state


def test_replies_refuse_as_well() -> None:
    """A recipient, or what else was asked about."""
    session = in_message()
    no = encode(b"y", b"550 5.7.1 no\0")
    assert answered(session, session.recipient(b"<bob@b.test>", (), {}), no) == Reply(550, "5.7.1", "no")
    assert session.state is State.MESSAGE
    answered(session, session.end_of_message({}), no)
    assert session.state is State.CLIENT


@pytest.mark.parametrize(
    "octets",
    [
        encode(b"h", b"A\0b\0"),
        encode(b"s"),
        encode(b"O", bytes(12)),
        encode(b"q", b"odd\0"),
    ],
)
def test_answers_at_the_wrong_time(octets: bytes) -> None:
    """Changes before the end, a skip of what is no body, other terms."""
    session = in_message(Step.SKIP)
    session.header(b"A", b" b")
    session.receive_bytes(octets)
    with pytest.raises(MilterError):
        session.next_answer()


def test_answers_to_nothing() -> None:
    """Nothing was asked; or it was answered already."""
    session = in_message()
    session.receive_bytes(encode(b"c"))
    with pytest.raises(MilterError):
        session.next_answer()


@pytest.mark.parametrize("octets", [encode(b"c") * 2, encode(b"c") + b"\0"])
def test_more_answers_than_questions(octets: bytes) -> None:
    """No verdict may be taken for that on something else."""
    session = in_message()
    assert answered(session, session.data({}), octets) is Verdict.CONTINUE
    with pytest.raises(MilterError):
        session.end_of_message({})


@pytest.mark.parametrize(
    ("action", "octets"),
    [
        (Action.ADD_HEADER, encode(b"h", b"A\0b\0")),
        (Action.ADD_HEADER, encode(b"i", b"\0\0\0\0A\0b\0")),
        (Action.CHANGE_HEADER, encode(b"m", b"\0\0\0\x01A\0b\0")),
        (Action.CHANGE_BODY, encode(b"b", b"text")),
        (Action.ADD_RECIPIENT, encode(b"+", b"<a@b.test>\0")),
        (Action.ADD_RECIPIENT_WITH_PARAMETERS, encode(b"2", b"<a@b.test>\0")),
        (Action.DELETE_RECIPIENT, encode(b"-", b"<a@b.test>\0")),
        (Action.CHANGE_SENDER, encode(b"e", b"<a@b.test>\0")),
        (Action.QUARANTINE, encode(b"q", b"odd\0")),
    ],
)
def test_only_what_was_agreed_on(action: Action, octets: bytes) -> None:
    """A filter may do what it said it would, and nothing else."""
    session = in_message(actions=action)
    session.end_of_message({})
    session.receive_bytes(octets)
    assert session.next_answer() is not None
    assert session.state is State.MESSAGE

    session = in_message(actions=Action(0))
    session.end_of_message({})
    session.receive_bytes(octets)
    with pytest.raises(MilterError):
        session.next_answer()


@pytest.mark.parametrize(("version", "actions", "steps"), [(1, 0, 0), (7, 0, 0), (6, 0x200, 0), (6, 0, 0x800)])
def test_terms_that_werent_offered(version: int, actions: int, steps: int) -> None:
    """No other version, no action or step more."""
    with pytest.raises(MilterError):
        agreed(Step(steps), actions=Action(actions), version=version)


def test_the_order_is_kept() -> None:
    """What is told too early, or while an answer is awaited, is a mistake of ours."""
    with pytest.raises(RuntimeError):
        FilterSession().connect(b"x", None, 0, {})
    with pytest.raises(RuntimeError):
        agreed().mail(b"<>", (), {})
    session = in_message()
    session.data({})
    with pytest.raises(RuntimeError):
        session.header(b"A", b" b")


def test_what_no_packet_holds() -> None:
    """libmilter drops the connection when it gets more: nothing is sent then."""
    assert len(body(b"x" * MAX_CHUNK)) == MAX_CHUNK + 5
    session = in_message()
    with pytest.raises(TooLarge):
        session.header(b"A", b"x" * MAX_CHUNK)
    assert session.bytes_to_send() == b""


@given(st.lists(st.sampled_from([b"c", b"a", b"s", b"p", b"h", b"y", b"O", b"x"]), max_size=5), st.binary(max_size=20))
def test_hostile_filters(letters: list[bytes], content: bytes) -> None:
    """Whatever comes: answers to what was asked, or a MilterError; never two last answers to one command."""
    session = in_message(Step.SKIP)
    session.body(b"text")
    for letter in letters:
        session.receive_bytes(encode(letter, content))
    last = []
    with suppress(MilterError):
        while (answer := session.next_answer()) is not None:
            last += [answer] if answer is not Verdict.PROGRESS else []
    assert len(last) <= 1
