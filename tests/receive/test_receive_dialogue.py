"""What commands mean: who may send what where, and what becomes of the message."""

from __future__ import annotations

import base64

import pytest
from reception import ENVELOPE, Reception, SlowCheck

from twistedmail_mta.errors import TemporaryError
from twistedmail_mta.model import Address, Reply
from twistedmail_mta.tasks import Promise

LOGIN = "AUTH PLAIN " + base64.b64encode(b"\0ann@example.org\0secret").decode()
LOGGED_IN = ("EHLO me", LOGIN)
SUBMISSION = (*LOGGED_IN, "MAIL FROM:<ann@example.org>", "RCPT TO:<bob@else.test>", "DATA")


def header_of(reception: Reception) -> bytes:
    return reception.acceptance.messages[-1].header


def test_message_is_kept_octet_for_octet() -> None:
    """Below the trace field is what was sent, stuffing undone."""
    reception = Reception()
    client = reception.connect()
    sent = b"Subject: x\r\nX-Odd : \xe9\r\n\r\n.one dot\r\n\r\n..two\r\n"

    client.type(*ENVELOPE, "DATA")
    said = client.send(sent.replace(b"\r\n.", b"\r\n..") + b".\r\n")

    (message,) = reception.acceptance.messages
    assert said.startswith("250 2.0.0 Ok: queued as ")
    trace, _, rest = (message.header + message.body.data).partition(b"\r\nSubject")
    assert b"Subject" + rest == sent
    assert trace.startswith(b"Received: from me ([192.168.1.1])\r\n\tby mail.example.org with ESMTP id ")
    assert b"for <ann@relayed.test>;" in trace
    assert message.envelope.sender == Address("joe", "strangers.test")
    assert message.envelope.eight_bit
    assert not message.envelope.smtputf8
    assert message.origin.account is None


def test_text_without_header() -> None:
    """If the first line is no field, an empty line follows the trace field."""
    reception = Reception()
    reception.connect().type(*ENVELOPE, "DATA", "Dear Ann,", "hello", ".")

    (message,) = reception.acceptance.messages
    assert message.header.endswith(b"\r\n\r\n")
    assert message.body.data == b"Dear Ann,\r\nhello\r\n"


def test_empty_message() -> None:
    """Nothing at all is a message too."""
    reception = Reception()
    assert reception.connect().type(*ENVELOPE, "DATA", ".").startswith("250")
    assert reception.acceptance.messages[0].body.data == b""


def test_recipients_are_kept_once() -> None:
    """The same recipient twice is one; several recipients aren't told in the trace field."""
    reception = Reception()
    client = reception.connect()
    client.type(*ENVELOPE, "RCPT TO:<ann@relayed.test>", "RCPT TO:<bob@relayed.test>", "DATA", "Subject: x", "", ".")

    assert [str(r.address) for r in reception.acceptance.messages[0].envelope.recipients] == [
        "ann@relayed.test",
        "bob@relayed.test",
    ]
    assert b"for <" not in header_of(reception)


def test_recipients_are_limited() -> None:
    """Past the limit a recipient is put off, those before it stand."""
    client = Reception().connect()
    client.type(*ENVELOPE, "RCPT TO:<b@relayed.test>", "RCPT TO:<c@relayed.test>")

    assert client.type("RCPT TO:<d@relayed.test>").startswith("452 4.5.3")


def test_relaying_is_denied() -> None:
    """A stranger's mail goes nowhere but to our domains."""
    client = Reception().connect()

    assert client.type("EHLO me", "MAIL FROM:<>", "RCPT TO:<x@else.test>").startswith("550 5.7.1")


@pytest.mark.parametrize("path", ["x%else.test@relayed.test", "else.test!x@relayed.test", '"x@else.test"@relayed.test'])
def test_routes_in_local_parts(path: str) -> None:
    """A next hop that trusts us might follow them: strangers can't have that, a login may write to whom it likes."""
    assert Reception().connect().type(*ENVELOPE, f"RCPT TO:<{path}>").startswith("550 5.7.1")
    submission = Reception(role="submission").connect()
    assert submission.type(*LOGGED_IN, "MAIL FROM:<ann@example.org>", f"RCPT TO:<{path}>").startswith("250")


def test_postmaster_is_the_admin() -> None:
    """`<postmaster>` without a domain is taken (RFC 5321 section 4.5.1)."""
    reception = Reception()
    reception.connect().type("EHLO me", "MAIL FROM:<>", "RCPT TO:<Postmaster>", "DATA", "Subject: x", "", ".")

    assert str(reception.acceptance.messages[0].envelope.recipients[0].address) == "admin@example.org"


def test_hops_are_counted() -> None:
    """A message that has been everywhere is going in circles."""
    client = Reception().connect()
    client.type(*ENVELOPE, "DATA")

    said = client.send(b"Received: x\r\n" * 6 + b"\r\n.\r\n")

    assert said.startswith("554 5.4.6")
    client.type(*ENVELOPE[1:], "DATA")
    assert client.send(b"Received: x\r\n" * 5 + b"\r\n.\r\n").startswith("250")


def test_large_header_is_refused_at_the_end() -> None:
    """A refusal after 354 comes once, at the end of the data."""
    reception = Reception()
    client = reception.connect()
    client.type(*ENVELOPE, "DATA")

    assert client.send(b"X: " + b"y" * 20_000 + b"\r\n") == ""
    assert client.send(b"\r\ntext\r\n.\r\n").startswith("552 5.3.4")
    assert client.type("NOOP").startswith("250")
    assert not reception.acceptance.messages


def test_full_disk() -> None:
    """When there is no room, MAIL says so, and the server goes on."""
    reception = Reception()
    reception.disk.reply = Reply(452, "4.3.1", "full")
    client = reception.connect()

    assert client.type("EHLO me", "MAIL FROM:<>").startswith("452 4.3.1")
    reception.disk.reply = None
    assert client.type("MAIL FROM:<>").startswith("250")


def test_disk_fails_in_the_middle() -> None:
    """A body that can't be written is a 4xx at the end of the data, once."""
    reception = Reception()
    reception.bodies.flush_after, reception.bodies.failure = 10, TemporaryError(Reply(452, "4.3.1", "full"))
    client = reception.connect()
    client.type(*ENVELOPE, "DATA", "Subject: x", "")

    assert client.send(b"a long line of text\r\n" * 3) == ""
    assert client.send(b"more\r\n.\r\n").startswith("452 4.3.1")
    assert reception.bodies.writers[0].abandoned


def test_slow_disk_pauses_the_client() -> None:
    """While a block is being written no more than what is under way already is read."""
    reception = Reception()
    reception.bodies.flush_after, reception.bodies.gate = 10, Promise()
    client = reception.connect()
    client.type(*ENVELOPE, "DATA", "Subject: x", "")

    client.send(b"a long line of text\r\n")
    client.send(b"more\r\n")
    assert client.transport.producerState == "paused"
    reception.bodies.gate.resolve(None)
    assert client.transport.producerState == "producing"


def test_acceptance_fails() -> None:
    """What the spool can't take now stays with the client; the session goes on."""
    reception = Reception()
    reception.acceptance.gate = Promise()
    reception.acceptance.gate.fail(TemporaryError(Reply(451, "4.3.0", "broken")))
    client = reception.connect()

    assert client.type(*ENVELOPE, "DATA", "Subject: x", "", ".").startswith("451 4.3.0")
    assert client.type("MAIL FROM:<>").startswith("250")


def test_acceptance_breaks() -> None:
    """Anything unexpected is 451, never a loss and never an acceptance."""
    reception = Reception()
    reception.acceptance.gate = Promise()
    reception.acceptance.gate.fail(KeyError("bug"))

    assert reception.connect().type(*ENVELOPE, "DATA", "Subject: x", "", ".").startswith("451 4.3.0")


def test_acceptance_takes_too_long() -> None:
    """Some clients wait only a minute for the last answer: so they get one."""
    reception = Reception()
    reception.acceptance.gate = Promise()
    client = reception.connect()
    client.type(*ENVELOPE, "DATA", "Subject: x", "", ".")

    reception.clock.advance(50)

    assert client.said().startswith("451 4.3.2")


def test_submission_needs_a_login() -> None:
    """Without one MAIL is refused."""
    assert Reception(role="submission").connect().type("EHLO me", "MAIL FROM:<>").startswith("530 5.7.0")


def test_login_is_not_offered_in_clear_to_others() -> None:
    """Where plain-text login isn't allowed, AUTH is neither offered nor taken."""
    client = Reception(role="submission", options={"plaintext_login": ()}).connect()

    assert "AUTH" not in client.type("EHLO me")
    assert client.type(LOGIN)[:3] in ("502", "538")


def test_submission_is_completed() -> None:
    """From, Date and Message-ID are added, Bcc goes, the rest stays."""
    reception = Reception(role="submission")
    reception.connect().type(*SUBMISSION, "Bcc: x@else.test", "Subject: x", "", "text", ".")

    header = header_of(reception)
    assert b"with ESMTPA id" in header
    assert b"From: <ann@example.org>\r\n" in header
    assert b"Date: Fri, 15 Jan 2027 08:00:00 +0000\r\n" in header
    assert b"Message-ID: <" in header
    assert header.endswith(b"Subject: x\r\n\r\n")
    assert b"Bcc" not in header
    assert reception.acceptance.messages[0].origin.account == "ann@example.org"


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ("From: Ann <ann@example.org>", "250"),
        ("From: alias@example.org", "250"),
        ("From: Ann <boss@example.org>", "550"),
        ("From: ann@example.org, boss@example.org", "550"),
        ("From: ann@example.org\r\nFrom: boss@example.org", "550"),
        ("From: nobody in particular", "550"),
        ("From: boss@example.org <ann@example.org>", "550"),
        ('From: "boss@example.org" <ann@example.org>', "250"),
        ("Subject: x\r\n\0From: boss@example.org", "550"),
        ("Subject: x\r\nFr\0om: boss@example.org", "550"),
    ],
)
def test_from_is_bound_to_the_login(fields: str, code: str) -> None:
    """Every address in From must be one that the login may use."""
    assert Reception(role="submission").connect().type(*SUBMISSION, fields, "", ".").startswith(code)


def test_sender_is_bound_to_the_login() -> None:
    """So must be the envelope sender; a null one is judged by From."""
    client = Reception(role="submission").connect()

    assert client.type(*LOGGED_IN, "MAIL FROM:<boss@example.org>").startswith("553 5.7.1")
    assert client.type("MAIL FROM:<alias@example.org>", "RSET", "MAIL FROM:<>").startswith("250")


def test_null_sender_needs_a_from() -> None:
    """A null sender without any From gets the login's, so nobody else is impersonated."""
    reception = Reception(role="submission")
    client = reception.connect()
    client.type(*LOGGED_IN, "MAIL FROM:<>", "RCPT TO:<bob@else.test>", "DATA", "Subject: read", "", ".")

    assert b"From: <ann@example.org>" in header_of(reception)


def test_client_can_be_hidden() -> None:
    """The trace field of a submission leaves out where its author sits, if so wished."""
    reception = Reception(role="submission", options={"hide_client": True})
    reception.connect().type(*SUBMISSION, "Subject: x", "", ".")

    assert b"192.168.1.1" not in header_of(reception)
    assert b"from me" not in header_of(reception)


def test_chunks_make_a_message() -> None:
    """BDAT needs no 354; the last chunk is answered with the queue id."""
    reception = Reception()
    client = reception.connect()
    client.type(*ENVELOPE)

    assert client.send(b"BDAT 12\r\nSubject: x\r\n").startswith("250 2.0.0 Chunk")
    assert client.send(b"BDAT 8 LAST\r\n\r\n.\r\nab\r").startswith("250 2.0.0 Ok: queued")
    assert reception.acceptance.messages[0].body.data == b".\r\nab\r\n"


def test_smtputf8_is_demanded_only_when_needed() -> None:
    """The parameter alone needs nothing of the next hop; non-ASCII in header or envelope does."""
    reception = Reception()
    for subject in ("plain", "grün"):
        reception.connect().type(
            "EHLO me", "MAIL FROM:<> SMTPUTF8", "RCPT TO:<a@relayed.test>", "DATA", f"Subject: {subject}", "", "."
        )

    assert [message.envelope.smtputf8 for message in reception.acceptance.messages] == [False, True]
    assert b"with UTF8SMTP id" in header_of(reception)


def test_transaction_ends_with_rset_and_ehlo() -> None:
    """Both forget the envelope."""
    client = Reception().connect()
    for end in ("RSET", "EHLO me"):
        assert client.type(*ENVELOPE, end, "RCPT TO:<a@relayed.test>").startswith("503")


def test_verify_tells_nothing() -> None:
    """VRFY neither confirms nor denies, unless the site file says otherwise."""
    client = Reception().connect()

    for name in ("ann", "u1@home.test", "nobody@home.test"):
        assert client.type("EHLO me", f"VRFY {name}").splitlines()[-1].startswith("252 2.1.5")


def test_verify_tells_who_exists() -> None:
    """Where everybody may ask, addresses kept here are told; of others, also of relayed ones, nothing is known."""
    check = SlowCheck()
    client = Reception(checks={"relayed.test": check}, options={"vrfy": "always"}).connect()
    client.type("EHLO me")

    assert client.type("VRFY u1@home.test") == "250 2.1.5 <u1@home.test>\r\n"
    assert client.type("VRFY <both@home.test>") == "250 2.1.5 <both@home.test>\r\n"
    assert client.type("VRFY nobody@home.test").startswith("550 5.1.1")
    assert client.type("VRFY u1%else.test@home.test").startswith("550 5.7.1")
    for name in ("Ann Smith", "ann@else.test", "ann@relayed.test", "u1", "jos\u00e9@home.test"):
        assert client.type(f"VRFY {name}").startswith("252 2.1.5")


def test_verify_for_logins() -> None:
    """Where only logins may ask, strangers learn nothing."""
    client = Reception(role="submission", options={"vrfy": "login"}).connect()
    client.type("EHLO me")

    assert client.type("VRFY u1@home.test").startswith("252 ")
    client.type(LOGIN)
    assert client.type("VRFY u1@home.test").startswith("250 2.1.5 <u1@home.test>")


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("", None),
        (" AUTH=<>", "<>"),
        (" AUTH=ann@example.org", "ann@example.org"),
        (" AUTH=ann+40example.org", "ann+40example.org"),
        (" AUTH=boss@example.org", "<>"),
        (" AUTH=nobody", "<>"),
        (" AUTH=+FF", "<>"),
    ],
)
def test_author_is_bound_to_the_login(said: str, kept: str | None) -> None:
    """The AUTH parameter names an address of the login, or is handed on as `<>` (RFC 4954 section 5)."""
    reception = Reception("submission")

    reception.connect().type(*LOGGED_IN, f"MAIL FROM:<ann@example.org>{said}", "RCPT TO:<bob@else.test>", "DATA", ".")

    assert reception.acceptance.messages[0].envelope.auth == kept


def test_strangers_vouch_for_nobody() -> None:
    """Without a login the AUTH parameter is `<>`, whatever it says (RFC 4954 section 5)."""
    reception = Reception()

    reception.connect().type(
        "EHLO me", "MAIL FROM:<joe@strangers.test> AUTH=joe@strangers.test", "RCPT TO:<ann@relayed.test>", "DATA", "."
    )

    assert reception.acceptance.messages[0].envelope.auth == "<>"
