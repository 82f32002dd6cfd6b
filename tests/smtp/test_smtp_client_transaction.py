"""Transactions of the client: what each reply means for each recipient."""

from __future__ import annotations

from dataclasses import replace

import pytest
from client_talk import GREETING, MESSAGE, PIPELINING, PLAIN_EHLO, SENDER, SENT, Talk, envelope_to, talk

from twistedmail_mta.model import (
    NULL_PATH,
    Address,
    Deferred,
    Delivered,
    Envelope,
    Failed,
    Outcome,
    Recipient,
    Reply,
    Unconfirmed,
)
from twistedmail_mta.sasl.client import Credentials
from twistedmail_mta.smtp.client_steps import Event

REMOTE = "mx.example.net [192.0.2.1]"


def ready(*envelopes: Envelope, ehlo: bytes = PIPELINING, **options: object) -> Talk:
    session = talk(*envelopes, **options)
    session.hear(GREETING)
    session.hear(ehlo)
    return session


def brief(outcomes: list[Outcome]) -> list[tuple[type[Outcome], int]]:
    return [(type(outcome), outcome.reply.code) for outcome in outcomes]


def test_pipelined_transaction() -> None:
    """MAIL, RCPT and DATA leave in one write, then the message, stuffed."""
    session = talk(envelope_to("bob", "eve"))
    session.hear(GREETING)

    group = session.hear(PIPELINING)
    assert group == (
        b"MAIL FROM:<ann@example.org> SIZE=%d\r\nRCPT TO:<bob@example.net>\r\nRCPT TO:<eve@example.net>\r\nDATA\r\n"
        % len(MESSAGE)
    )
    assert session.hear(b"250 a\r\n250 b\r\n550 5.1.1 no eve\r\n354 go\r\n") == SENT
    session.hear(b"250 2.0.0 taken\r\n")

    assert session.outcomes == [
        [Delivered(Reply(250, "2.0.0", "taken"), REMOTE), Failed(Reply(550, "5.1.1", "no eve"), REMOTE)]
    ]


def test_one_by_one_without_pipelining() -> None:
    """A server without PIPELINING gets one command at a time."""
    session = talk(envelope_to("bob", "eve"))
    session.hear(GREETING)

    assert session.hear(PLAIN_EHLO) == b"MAIL FROM:<ann@example.org>\r\n"
    assert session.hear(b"250 ok\r\n") == b"RCPT TO:<bob@example.net>\r\n"
    assert session.hear(b"450 4.2.1 later\r\n") == b"RCPT TO:<eve@example.net>\r\n"
    assert session.hear(b"251 will forward\r\n") == b"DATA\r\n"
    assert session.hear(b"354 go\r\n") == SENT
    session.hear(b"250 ok\r\n")

    assert brief(session.outcomes[0]) == [(Deferred, 450), (Delivered, 250)]


@pytest.mark.parametrize("offered", [True, False])
def test_success_is_owed_where_the_host_never_tells(offered: bool) -> None:
    """Without DSN there, who asked to hear of success hears it from us; nobody else does (RFC 3461 section 5.2.2)."""
    asked = Recipient(Address("bob", "example.net"), frozenset({"SUCCESS"}))
    silent = Recipient(Address("eve", "example.net"), frozenset({"FAILURE"}))
    unasked = Recipient(Address("joe", "example.net"))
    session = ready(
        Envelope(SENDER, (asked, silent, unasked)), ehlo=PIPELINING if offered else PIPELINING.replace(b"DSN", b"HELP")
    )
    session.hear(b"250 a\r\n250 b\r\n250 c\r\n250 d\r\n354 go\r\n250 2.0.0 taken\r\n")

    owed = [outcome.owed for outcome in session.outcomes[0] if isinstance(outcome, Delivered)]
    assert owed == [None if offered else "relayed", None, None]


@pytest.mark.parametrize(
    ("ehlo", "orcpt"),
    [
        (PIPELINING, "utf-8;j\\x{F6}rg\\x{2B}\\x{1F600}@x"),
        (PIPELINING.replace(b"8BITMIME", b"SMTPUTF8"), "utf-8;j\\x{F6}rg\\x{2B}\\x{1F600}@x"),
    ],
)
def test_international_orcpt_is_seven_bit_without_smtputf8(ehlo: bytes, orcpt: str) -> None:
    """Where MAIL doesn't say SMTPUTF8 the parameter takes its ASCII form (RFC 6533 section 3)."""
    given = Recipient(Address("bob", "example.net"), None, "utf-8;jörg\\x{2B}😀@x")
    session = ready(Envelope(SENDER, (given,)), ehlo=ehlo)

    assert f"RCPT TO:<bob@example.net> ORCPT={orcpt}\r\n".encode() in session.said


def test_international_orcpt_goes_as_it_came_with_smtputf8() -> None:
    """Where MAIL says SMTPUTF8 nothing of it changes."""
    given = Recipient(Address("bob", "example.net"), None, "utf-8;jörg\\x{2B}@x")
    session = ready(Envelope(SENDER, (given,), smtputf8=True), ehlo=PIPELINING.replace(b"SIZE 1000", b"SMTPUTF8"))

    assert "ORCPT=utf-8;jörg\\x{2B}@x\r\n".encode() in session.said


def test_no_data_without_recipients() -> None:
    """Without PIPELINING, DATA isn't even said when nobody was taken; the next transaction begins with RSET."""
    session = ready(envelope_to("bob"), envelope_to("eve"), ehlo=PLAIN_EHLO)
    session.hear(b"250 ok\r\n")

    assert session.hear(b"550 no\r\n") == b"RSET\r\n"
    assert session.hear(b"250 ok\r\n") == b"MAIL FROM:<ann@example.org>\r\n"
    assert brief(session.outcomes[0]) == [(Failed, 550)]


def test_lone_dot_when_nobody_was_taken() -> None:
    """A server that says 354 although it refused everybody gets an empty message, whose answer is nobody's."""
    session = ready(envelope_to("bob", "eve"))

    assert session.hear(b"250 ok\r\n550 no\r\n450 later\r\n354 go\r\n") == b".\r\n"
    session.hear(b"250 taken, whatever it was\r\n")

    assert brief(session.outcomes[0]) == [(Failed, 550), (Deferred, 450)]


@pytest.mark.parametrize(("reply", "kind"), [(b"550 5.7.1 not you\r\n", Failed), (b"451 4.3.0 later\r\n", Deferred)])
@pytest.mark.parametrize("after", [b"503 no\r\n503 no\r\n503 no\r\n", b"250 ok\r\n250 ok\r\n354 go\r\n"])
def test_mail_refused(reply: bytes, kind: type[Outcome], after: bytes) -> None:
    """The answer to MAIL is everybody's, whatever follows."""
    session = ready(envelope_to("bob", "eve"))

    said = session.hear(reply + after)
    session.hear(b"554 empty\r\n" if said else b"")

    assert said == (b".\r\n" if b"354" in after else b"")
    assert brief(session.outcomes[0]) == [(kind, int(reply[:3]))] * 2


def test_mail_refused_without_pipelining() -> None:
    """Nothing more is said of that message, and the next may follow at once."""
    session = ready(envelope_to("bob"), envelope_to("eve"), ehlo=PLAIN_EHLO)

    assert session.hear(b"550 no\r\n") == b"MAIL FROM:<ann@example.org>\r\n"
    assert brief(session.outcomes[0]) == [(Failed, 550)]


@pytest.mark.parametrize(("reply", "kind"), [(b"554 5.6.0 no\r\n", Failed), (b"451 later\r\n", Deferred)])
def test_data_refused(reply: bytes, kind: type[Outcome]) -> None:
    """The answer to DATA is that of every recipient who was taken."""
    session = ready(envelope_to("bob", "eve"))
    session.hear(b"250 ok\r\n250 ok\r\n550 5.1.1 no\r\n" + reply)

    assert brief(session.outcomes[0]) == [(kind, int(reply[:3])), (Failed, 550)]


@pytest.mark.parametrize(("reply", "kind"), [(b"554 5.6.0 no\r\n", Failed), (b"452 4.3.1 full\r\n", Deferred)])
def test_message_refused(reply: bytes, kind: type[Outcome]) -> None:
    """So is the answer to the final dot."""
    session = ready(envelope_to("bob", "eve"))
    session.hear(b"250 ok\r\n250 ok\r\n450 4.2.1 later\r\n354 go\r\n")
    session.hear(reply)

    assert brief(session.outcomes[0]) == [(kind, int(reply[:3])), (Deferred, 450)]


@pytest.mark.parametrize(
    "reply", [b"552 5.5.3 too many\r\n", b"452 4.5.3 too many\r\n", b"552 too many\r\n", b"452 x\r\n"]
)
def test_too_many_recipients_go_at_once(reply: bytes) -> None:
    """Who was too many is sent in a new transaction on the same session (RFC 5321 section 4.5.3.1.10)."""
    session = ready(envelope_to("bob", "eve", "joe"))
    session.hear(b"250 ok\r\n250 ok\r\n" + reply + reply + b"354 go\r\n")

    group = session.hear(b"250 first\r\n")
    assert b"RCPT TO:<eve@example.net>\r\nRCPT TO:<joe@example.net>\r\nDATA\r\n" in group
    assert b"bob" not in group
    assert b"RSET" not in group
    assert session.hear(b"250 ok\r\n250 ok\r\n550 no\r\n354 go\r\n") == SENT
    session.hear(b"250 second\r\n")

    assert brief(session.outcomes[0]) == [(Delivered, 250), (Delivered, 250), (Failed, 550)]
    assert session.outcomes[0][1].reply.text == "second"


def test_too_many_although_nobody_was_taken() -> None:
    """A server that takes nobody at all is not asked for ever."""
    session = ready(envelope_to("bob"))
    session.hear(b"250 ok\r\n452 4.5.3 too many\r\n503 no\r\n")

    assert brief(session.outcomes[0]) == [(Deferred, 452)]


def test_full_mailbox_is_not_too_many() -> None:
    """452 with another status is deferred, and 552 is read as 452."""
    session = ready(envelope_to("bob", "eve"))
    session.hear(b"250 ok\r\n250 ok\r\n552 5.2.2 full\r\n354 go\r\n")
    session.hear(b"250 ok\r\n")

    assert session.outcomes[0][1] == Deferred(Reply(452, "4.2.2", "full"), REMOTE)


STAGES = [
    b"",
    b"250 mail\r\n",
    b"250 mail\r\n250 bob\r\n",
    b"250 mail\r\n250 bob\r\n550 5.1.1 eve\r\n",
]


@pytest.mark.parametrize("answers", STAGES)
def test_421_ends_the_session(answers: bytes) -> None:
    """421 may come at any point: who has no answer yet is deferred (RFC 5321 section 3.8)."""
    session = ready(envelope_to("bob", "eve"))
    session.hear(answers)
    session.hear(b"421 4.3.2 going down\r\n")

    outcomes = brief(list(session.session.outcomes))
    assert session.events[-1] is Event.CLOSED
    assert outcomes[0] == (Deferred, 421)
    assert outcomes[1] == ((Failed, 550) if b"eve" in answers else (Deferred, 421))


def test_421_to_the_final_dot_is_an_answer() -> None:
    """Then the message was surely not taken."""
    session = ready(envelope_to("bob"))
    session.hear(b"250 a\r\n250 b\r\n354 c\r\n")
    session.hear(b"421 4.3.2 going down\r\n")

    assert brief(list(session.session.outcomes)) == [(Deferred, 421)]


@pytest.mark.parametrize("ending", ["lost", "silence", "garbage", "nonsense"])
def test_lost_answer_to_the_final_dot(ending: str) -> None:
    """The host may have the message: an outcome of its own (RFC 1047)."""
    session = ready(envelope_to("bob", "eve"))
    session.hear(b"250 a\r\n250 b\r\n550 no\r\n354 c\r\n")
    {
        "lost": session.session.lost,
        "silence": session.session.timed_out,
        "garbage": lambda: session.hear(b"what?\r\n"),
        "nonsense": lambda: session.hear(b"354 go\r\n"),
    }[ending]()

    assert brief(list(session.session.outcomes)) == [(Unconfirmed, 451), (Failed, 550)]


@pytest.mark.parametrize("answers", STAGES)
@pytest.mark.parametrize("ending", [b"garbage\r\n", b"354 out of step\r\n", b"250-" + b"x" * 5000])
def test_nonsense_defers(answers: bytes, ending: bytes) -> None:
    """An answer that can't be one ends the session; nobody who has no answer is lost."""
    session = ready(envelope_to("bob", "eve"), ehlo=PLAIN_EHLO if answers == b"" else PIPELINING)
    session.hear(answers)
    if answers.endswith(b"eve\r\n") and ending.startswith(b"354"):
        ending = b"250 to DATA\r\n"
    session.hear(ending)

    assert session.events[-1] is Event.CLOSED
    assert brief(list(session.session.outcomes))[0] == (Deferred, 451)


def test_early_refusal_of_the_message() -> None:
    """A server that says why while the message is on its way is believed, and the session is over."""
    session = ready(envelope_to("bob"))
    session._act = lambda event: None  # type: ignore[method-assign] # the body waits
    session.hear(b"250 a\r\n250 b\r\n354 c\r\n")
    session.session.send_body(b"half")
    session.hear(b"552 5.3.4 too large\r\n")
    session.session.end_body()

    assert brief(list(session.session.outcomes)) == [(Failed, 552)]
    assert session.session.closed
    assert not session.session.bytes_to_send()


def test_early_acceptance_is_nonsense() -> None:
    """A 250 before the end of the message is not believed."""
    session = ready(envelope_to("bob"))
    session._act = lambda event: None  # type: ignore[method-assign]
    session.hear(b"250 a\r\n250 b\r\n354 c\r\n250 taken\r\n")

    assert brief(list(session.session.outcomes)) == [(Deferred, 451)]


def test_unasked_reply_between_messages() -> None:
    """A server that says 421 to an idle session, or anything else, isn't used again."""
    for reply in (b"421 idle\r\n", b"250 hello?\r\n"):
        session = ready(envelope_to("bob"))
        session.hear(b"250 a\r\n250 b\r\n354 c\r\n")
        session.hear(b"250 d\r\n")
        session.hear(reply)

        assert brief(session.outcomes[0]) == [(Delivered, 250)]
        assert session.session.closed


def test_several_messages_on_one_session() -> None:
    """A session carries several transactions; after a message that was taken no RSET is needed."""
    session = ready(envelope_to("bob"), envelope_to("eve"))
    session.hear(b"250 a\r\n250 b\r\n354 c\r\n")

    assert session.hear(b"250 d\r\n").startswith(b"MAIL FROM:<ann@example.org> ")
    session.hear(b"250 a\r\n250 b\r\n354 c\r\n")
    session.hear(b"250 e\r\n")

    assert [outcomes[0].reply.text for outcomes in session.outcomes] == ["d", "e"]


def test_reset_before_the_next_message() -> None:
    """After a transaction that ended early RSET comes first, in the same write."""
    session = ready(envelope_to("bob"), envelope_to("eve"))

    assert session.hear(b"250 a\r\n550 b\r\n503 c\r\n").startswith(b"RSET\r\nMAIL")
    session.hear(b"250 reset\r\n250 a\r\n250 b\r\n354 c\r\n")
    session.hear(b"250 e\r\n")

    assert brief(session.outcomes[1]) == [(Delivered, 250)]


def test_reset_is_not_forgotten() -> None:
    """A message that is never begun there doesn't stand for the RSET that is due."""
    session = ready(envelope_to("bob"), envelope_to("\u00f6"), envelope_to("eve"))

    assert session.hear(b"250 a\r\n550 b\r\n503 c\r\n").startswith(b"RSET\r\nMAIL")
    assert brief(session.outcomes[1]) == [(Failed, 553)]


def test_quit_in_one_write_with_the_end() -> None:
    """QUIT follows the last message at once where PIPELINING allows it (RFC 2920 section 3.1)."""
    session = ready(envelope_to("bob"), last=True)

    assert session.hear(b"250 a\r\n250 b\r\n354 c\r\n") == SENT + b"QUIT\r\n"
    session.hear(b"250 d\r\n")
    assert brief(session.outcomes[0]) == [(Delivered, 250)]
    session.hear(b"221 bye\r\n")

    assert session.session.closed
    assert session.session.failure is None


def test_lost_connection_after_quit_is_no_failure() -> None:
    """Whether QUIT is answered changes nothing."""
    session = ready(envelope_to("bob"), last=True)
    session.hear(b"250 a\r\n250 b\r\n354 c\r\n")
    session.hear(b"250 d\r\n")
    session.session.lost()

    assert session.session.failure is None
    assert brief(list(session.session.outcomes)) == [(Delivered, 250)]


def test_no_quit_while_recipients_wait() -> None:
    """QUIT waits for the transaction of those who were too many."""
    session = ready(envelope_to("bob", "eve"), last=True)

    assert session.hear(b"250 a\r\n250 b\r\n452 4.5.3 c\r\n354 c\r\n") == SENT
    assert session.hear(b"250 d\r\n").startswith(b"MAIL")
    assert session.hear(b"250 a\r\n250 b\r\n354 c\r\n") == SENT + b"QUIT\r\n"


def test_parameters_where_offered() -> None:
    """What sender and recipients asked for goes on exactly as it came (RFC 3461 section 5.2.1)."""
    envelope = Envelope(
        SENDER,
        (
            Recipient(Address("bob", "example.net"), frozenset({"FAILURE", "SUCCESS"}), "rfc822;Bob+2Bx@example.net"),
            Recipient(Address("eve", "example.net")),
        ),
        eight_bit=True,
        ret="HDRS",
        envid="QQ+2B",
        auth="ann+2Bx@example.org",
    )
    session = ready(envelope)

    lines = session.said.split(b"\r\n")
    assert b"MAIL FROM:<ann@example.org> SIZE=%d BODY=8BITMIME RET=HDRS ENVID=QQ+2B" % len(MESSAGE) in lines
    assert b"RCPT TO:<bob@example.net> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;Bob+2Bx@example.net" in lines
    assert b"RCPT TO:<eve@example.net>" in lines


def test_parameters_where_not_offered() -> None:
    """A server that knows no extension hears of none (RFC 3461 section 5.2.2)."""
    bob = Recipient(Address("bob", "example.net"), frozenset({"NEVER"}), "rfc822;bob@example.net")
    session = ready(Envelope(NULL_PATH, (bob,), ret="FULL", envid="x", auth="<>"), ehlo=PLAIN_EHLO)
    session.hear(b"250 ok\r\n")

    assert session.said.endswith(b"MAIL FROM:<>\r\nRCPT TO:<bob@example.net>\r\n")


def test_auth_parameter_only_for_those_who_trust_us() -> None:
    """AUTH= is handed on where we logged in (RFC 4954 section 5)."""
    envelope = replace(envelope_to("bob"), auth="<>")
    session = talk(envelope, encrypted=True, credentials=Credentials("relay", "secret"))
    session.hear(GREETING)
    session.hear(b"250-mx\r\n250 AUTH PLAIN\r\n")

    assert session.hear(b"235 in\r\n") == b"MAIL FROM:<ann@example.org> AUTH=<>\r\n"


@pytest.mark.parametrize(
    ("envelope", "ehlo", "status"),
    [
        (replace(envelope_to("bob"), eight_bit=True), PLAIN_EHLO, "5.6.3"),
        (replace(envelope_to("bob"), smtputf8=True), PIPELINING, "5.6.7"),
        (envelope_to("b\u00f6b"), PIPELINING, "5.6.7"),
        (envelope_to("bob"), b"250-mx\r\n250 SIZE 10\r\n", "5.3.4"),
        (envelope_to("bob\r\nDATA"), PLAIN_EHLO, "5.1.3"),
    ],
)
def test_what_a_host_can_never_take(envelope: Envelope, ehlo: bytes, status: str) -> None:
    """The message fails without a word of it, and the session can be used for another."""
    session = ready(envelope, envelope_to("eve"), ehlo=ehlo)

    assert [(type(outcome), outcome.reply.status) for outcome in session.outcomes[0]] == [(Failed, status)]
    assert b"DATA" not in session.said.split(b"eve")[0]
    assert not session.session.closed


@pytest.mark.parametrize("size", [b"SIZE", b"SIZE 0", b"SIZE x", b"SIZE " + b"9" * 5000, b"SIZE -1"])
def test_size_without_a_limit(size: bytes) -> None:
    """No limit, or none that can be understood, holds nothing up (RFC 1870 section 4)."""
    session = ready(envelope_to("bob"), ehlo=b"250-mx\r\n250 " + size[:400] + b"\r\n")

    assert b"MAIL FROM:<ann@example.org> SIZE=%d" % len(MESSAGE) in session.said


def test_smtputf8_only_where_needed() -> None:
    """SMTPUTF8 is asked for with non-ASCII alone (RFC 6531 section 3.4)."""
    ehlo = b"250-mx\r\n250-8BITMIME\r\n250 SMTPUTF8\r\n"
    plain, needed = ready(envelope_to("bob"), ehlo=ehlo), ready(envelope_to("b\u00f6b"), ehlo=ehlo)
    needed.hear(b"250 ok\r\n")

    assert b"SMTPUTF8" not in plain.said
    assert needed.said.endswith("SMTPUTF8\r\nRCPT TO:<b\u00f6b@example.net>\r\n".encode())


@pytest.mark.parametrize(
    ("mail", "rcpt", "kind"),
    [
        (b"250 ok\r\n", b"250 ok\r\n", Delivered),
        (b"250 ok\r\n", b"550 5.1.1 no\r\n", Failed),
        (b"250 ok\r\n", b"450 later\r\n", Deferred),
        (b"550 5.7.1 no null senders\r\n", b"503 no\r\n", Deferred),
    ],
)
def test_probe(mail: bytes, rcpt: bytes, kind: type[Outcome]) -> None:
    """A probe ends before DATA; a refused MAIL says nothing about the recipient."""
    session = ready()
    session.session.begin(envelope_to("bob"), 0, probe=True)
    session.hear(mail + rcpt)

    assert type(session.outcomes[0][0]) is kind
    assert b"DATA" not in session.said


def test_long_text_is_cut_in_outcomes() -> None:
    """A peer can't fill the database with its answers."""
    session = ready(envelope_to("bob"))
    session.hear(b"250 ok\r\n" + b"".join(b"550-" + b"x" * 900 + b"\r\n" for _ in range(50)) + b"550 x\r\n503 no\r\n")

    assert len(session.outcomes[0][0].reply.text) < 1100
