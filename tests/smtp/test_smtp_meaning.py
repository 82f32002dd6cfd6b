"""What replies mean: those of providers and of software, hints of times, and hostile texts."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twistedmail_mta.model import Reply
from twistedmail_mta.smtp.client_reply import ReplyReader
from twistedmail_mta.smtp.meaning import LONGEST_HINT, Meaning, meaning_of
from twistedmail_mta.smtp.reply_patterns import BY_STATUS, FALLBACK, PHRASES

REPLIES = {
    "throttled": [
        "421-4.7.28 [192.0.2.1] Our system has detected an unusual rate of|421 4.7.28 unsolicited mail.",
        "450-4.2.1 The user you are trying to contact is receiving mail too quickly.|450 4.2.1 Resend later.",
        "450 4.2.1 The user you are trying to contact is receiving mail at a rate that prevents delivery.",
        "421-4.7.0 Try again later, closing connection. (EHLO)|421 4.7.0 https://support.google.com/mail/",
        "421 RP-001 (BAY004) Unfortunately, some messages from 192.0.2.1 weren't sent. Please try again.",
        "451 4.7.650 The mail server [192.0.2.1] has been temporarily rate limited due to IP reputation.",
        "451 4.7.652 The mail server [192.0.2.1] has exceeded the maximum number of connections.",
        "451 4.7.500 Server busy. Please try again later from [192.0.2.1]. (S77719)",
        "421 4.7.0 [TSS04] Messages from 192.0.2.1 temporarily deferred due to unexpected volume or user complaints",
        "421 4.7.0 [TS01] Messages from 192.0.2.1 temporarily deferred due to user complaints",
        "421 4.3.2 All server ports are busy",
        "421 Too many concurrent SMTP connections from this IP address; please try again later.",
        "452 4.5.3 Error: too many recipients",
        "451 4.7.1 Ratelimit exceeded",
        "451 4.5.1 The recipient <a@b.example> has exceeded their message rate limit. Try again later.",
        "421 4.7.0 mx.example Error: too many errors",
        "451 The host refused us, the greeting was: 421 too many connections from your host",
    ],
    "blocked": [
        (
            "550-5.7.1 [192.0.2.1] Our system has detected that this message is suspicious due to the|"
            "550 5.7.1 very low reputation of the sending domain."
        ),
        (
            "550 5.7.1 Unfortunately, messages from [192.0.2.1] weren't sent, part of their net is on our block list "
            "(S3140)."
        ),
        "550 SC-001 (COL004) Unfortunately, messages from 192.0.2.1 weren't sent.",
        "550 5.7.606 Access denied, banned sending IP [192.0.2.1].",
        "550 5.7.511 Access denied, banned sender",
        (
            "554 5.7.1 Service unavailable; Client host [192.0.2.1] blocked using zen.spamhaus.org; "
            "https://www.spamhaus.org/query/ip/192.0.2.1"
        ),
        "553 5.7.1 [BL21] Connections not accepted from IP addresses on Spamhaus PBL",
        "421 4.7.1 [TS03] All messages from 192.0.2.1 will be permanently deferred; Retrying will NOT succeed.",
        "554-gmx.net Nemesis ESMTP Service not available|554-No SMTP service|554 IP address is black listed.",
        (
            "554 5.7.1 Client host [192.0.2.1] blocked using Barracuda Reputation; "
            "http://www.barracudanetworks.com/reputation/?r=1"
        ),
        "554 5.7.0 Blocked - see https://ipcheck.proofpoint.com/?ip=192.0.2.1",
        "550 5.7.1 Mail from 192.0.2.1 refused, see https://csi.cloudmark.com/en/reset/",
        "550 csi.mimecast.org Poor Reputation Sender. - https://community.mimecast.com/docs/DOC-1369#550",
        "554 IP=192.0.2.1 - A problem occurred. Ask your postmaster to contact tosa@rx.t-online.de to clarify.",
        "550 JunkMail rejected - mx [192.0.2.1]:53 is in an RBL on rbl.example.com",
        "554 5.7.1 <unknown[192.0.2.1]>: Client host rejected: Access denied",
        "554 5.7.1 192.0.2.1 listed at zen.rbl.example",
    ],
    "greylisted": [
        "450 4.2.0 <a@b.example>: Recipient address rejected: Greylisted, see http://postgrey.example/help/b.html",
        "450 4.3.2 Service currently unavailable",
        "451 4.7.1 Greylisting in action, please come back in 00:04:59",
        "451 greylisted, please try again in 5 minutes",
        "451 4.7.1 Try again later",
        "451 4.7.1 Sorry, the service is currently unavailable. Please come back later.",
        "451 Internal resources are temporarily unavailable - https://community.mimecast.com/docs/DOC-1369#451",
        "451 Temporary failure, please try again later.",
        "451 Message temporarily deferred - [GL01]",
    ],
    "full": [
        "452-4.2.2 The email account that you tried to reach is over quota.|452 4.2.2 Please direct the recipient",
        "552 5.2.2 mailbox full",
        "554 5.2.0 STOREDRV.Deliver.Exception:QuotaExceededException; mailbox is full",
        "552 Requested mail action aborted: exceeded storage allocation",
        "552 RCPT TO:<a@b.example> Mailbox disk quota exceeded",
        "550 Mailbox size limit exceeded",
        "452 <a@b.example> Mailbox over quota",
    ],
    "unknown": [
        "550-5.1.1 The email account that you tried to reach does not exist.|550 5.1.1 Please try double-checking",
        "550 5.2.1 The email account that you tried to reach is disabled.",
        "550 5.5.0 Requested action not taken: mailbox unavailable (S2017062302).",
        "550 5.4.1 Recipient address rejected: Access denied. AS(201806281)",
        "550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient not found by SMTP address lookup",
        "554 delivery error: dd This user doesn't have a yahoo.com account (a@yahoo.com) [0]",
        "550 Requested action not taken: mailbox unavailable",
        "550 Message was not accepted -- invalid mailbox. Local mailbox a@mail.example is unavailable: user not found",
        "550 Unrouteable address",
        "450 4.1.1 <a@b.example>: Recipient address rejected: unverified address: connect to b.example: refused",
        "550 No such user here",
        "550 <a@warbl.example>: Recipient address rejected: User unknown",
        "556 5.1.10 The recipient's domain accepts no mail",
        "550 User suspended, account disabled",
    ],
    "content": [
        (
            "550-5.7.1 [192.0.2.1] Our system has detected that this message is|550-5.7.1 likely unsolicited mail.|"
            "550 5.7.1 this message has been blocked."
        ),
        "552-5.7.0 This message was blocked because its content presents a potential|552 5.7.0 security issue.",
        "554 5.7.1 Spam message rejected",
        "554 5.7.1 Message rejected under suspicion of SPAM; https://ya.example/1IrBc",
        "550 spam message rejected. Please visit http://help.mail.ru/notspam-support/id?c=abc",
        "554 Message not allowed - [PH01] Email not accepted for policy reasons.",
        "550 permanent failure for one or more recipients (a@b.example:blocked)",
        "550 This message contains a virus (Eicar-Test-Signature)",
        "550-5.7.1 Messages missing a valid address in From:|550 5.7.1 header are not accepted",
        "554 5.6.0 Message content rejected",
        "554 5.7.1 Blocked by SpamAssassin",
        "550 5.7.1 Blacklisted URL in message. (example.com) in URIBL",
    ],
    "size": [
        "552 5.3.4 Message size exceeds fixed limit",
        "552-5.2.3 Your message exceeded Google's message size limits.",
        "552 Message size exceeds maximum permitted",
        "554 Message too large",
    ],
    "authentication": [
        "550-5.7.26 This mail has been blocked because the sender is unauthenticated.",
        "421-4.7.26 This mail has been rate limited because it is unauthenticated.|421 4.7.26 Gmail requires",
        "550 5.7.515 Access denied, sending domain EXAMPLE.ORG doesn't meet the required authentication level.",
        "550 5.7.509 Access denied, sending domain example.org does not pass DMARC verification",
        "554 5.7.9 Message not accepted for policy reasons. See https://postmaster.yahooinc.com/error-codes",
        "450-4.7.25 The IP address sending this message does not have a PTR record setup.",
        "554-gmx.net Nemesis ESMTP Service not available|554-No SMTP service|554 Bad DNS PTR resource record.",
        "450 4.7.1 Client host rejected: cannot find your reverse hostname, [192.0.2.1]",
        "550 5.7.1 SPF check failed: 192.0.2.1 is not allowed to send mail from example.org",
        "550 Rejected by header based Anti-Spoofing policy: a@b.example",
        "530 5.7.0 Authentication required",
        "535 5.7.8 Error: authentication failed",
    ],
    "policy": [
        "554 5.7.1 <a@b.example>: Relay access denied",
        "554 5.7.1 [HM08] Message rejected due to local policy. Please visit https://support.apple.com/en-us/HT204137",
        "450 4.1.8 <a@b.example>: Sender address rejected: Domain not found",
        "550 Administrative prohibition",
        "550 relaying not allowed",
        "550 Sender verify failed",
        "554 5.7.1 nothing that is known",
    ],
    "tls": [
        "530 5.7.0 Must issue a STARTTLS command first",
        "451 4.7.5 TLS could not be set up: certificate expired",
        "451 5.7.4 TLS is required",
        "550 5.7.323 tlsa-invalid: The domain failed DANE validation",
        "523 5.7.10 Encryption needed",
    ],
    "unreachable": [
        "451 4.4.1 Connection refused, no such luck",
        "451 4.4.2 The connection was lost",
        "451 4.4.3 No answer from the DNS in time",
    ],
    "trouble": [
        "451 Temporary local problem - please try later",
        "452 4.3.1 Insufficient system storage",
        "451 4.3.0 <a@b.example>: Temporary lookup failure",
        "451 4.7.0 Temporary server error. Please try again later. PRX2",
        "421 Service not available, closing transmission channel",
        "451 Requested action aborted: local error in processing",
        "450 Requested mail action not taken: mailbox unavailable",
    ],
    "other": ["554 Transaction failed", "550 no", "554 5.9.9 what", "554 5.4.7 Delivery time expired"],
}


def read(text: str) -> Reply:
    """Return the reply that a session makes of these lines."""
    reader = ReplyReader()
    lines = text.split("|")
    for line in lines[:-1]:
        reader.receive(line[:3].encode() + b"-" + line[4:].encode() + b"\r\n")
    reader.receive(lines[-1][:3].encode() + b" " + lines[-1][4:].encode() + b"\r\n")
    reply = reader.next_reply()
    assert reply is not None
    return reply


@pytest.mark.parametrize(("kind", "text"), [(kind, text) for kind, texts in REPLIES.items() for text in texts])
def test_known_replies(kind: str, text: str) -> None:
    """Each provider's and each program's reply is understood as it is meant."""
    assert meaning_of(read(text)).kind == kind


@pytest.mark.parametrize("kind", list(REPLIES))
def test_a_status_outweighs_every_text(kind: str) -> None:
    """A status that means one thing is believed, whatever phrase stands beside it."""
    for text in REPLIES[kind]:
        assert meaning_of(Reply(550, "5.1.1", text)).kind == "unknown"
        assert meaning_of(Reply(452, "4.2.2", text)).kind == "full"


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("Greylisted for 300 seconds", 300),
        ("greylisted, try again in 5 minutes", 300),
        ("Greylisting in action, please come back in 00:04:59", 299),
        ("please retry in 00:04:59", 299),
        ("Please retry in 4:59", 299),
        ("Greylisted. Please try again after 60s.", 60),
        ("Please wait 1 hour and 30 minutes before trying", 5400),
        ("try again later (retry after 2h)", 7200),
        ("Greylisting enabled, try again in 1 minute 5 seconds", 65),
        ("try again in 99 hours", LONGEST_HINT),
        ("try again in 9999999 hours", LONGEST_HINT),
        ("try again in 0 seconds", None),
        ("try again in 12345678901234567890 seconds", None),
        ("more than 100 messages in 60 minutes", None),
        ("Greylisted, see http://postgrey.example/help/300.html", None),
        ("try again in 5 minutests", None),
        ("try again at 10:15:33:12", None),
        ("try again in \u0665 minutes", None),
        ("", None),
    ],
)
def test_hints_of_time(text: str, seconds: float | None) -> None:
    """A time to come again is read where it is named so, and bounded."""
    assert meaning_of(Reply(451, "4.7.1", text)).retry_in == seconds


def test_no_hint_in_a_refusal_for_good() -> None:
    """Who refuses for good is not tried again, whatever else the text says."""
    assert meaning_of(Reply(550, "5.7.1", "Greylisted for 300 seconds")) == Meaning("greylisted")


def test_every_phrase_can_win() -> None:
    """No phrase is hidden behind an earlier one, nor is one written in upper case, or twice."""
    flat = [(kind, phrase) for kind, phrases in PHRASES for phrase in phrases]
    assert len({phrase for _, phrase in flat}) == len(flat)
    for kind, phrase in flat:
        assert phrase == phrase.lower()
        text = phrase.replace(" & ", " ")
        assert meaning_of(Reply(555, "5.9.0", text)).kind == kind, phrase


def test_the_tables_hold_status_codes() -> None:
    """Keys are status codes without their class, or with it; a typing error would never be found."""
    for key in (*BY_STATUS, *FALLBACK):
        assert all(part.isdigit() for part in key.split("."))
        assert 1 <= len(key.split(".")) <= 3
    assert not BY_STATUS.keys() & FALLBACK.keys()


@given(st.integers(400, 599), st.sampled_from(["", "4.7.1", "5.2.0", "4.x", "."]), st.text(max_size=300))
@settings(derandomize=True, max_examples=200)
def test_any_text_has_a_meaning(code: int, status: str, text: str) -> None:
    """Whatever a host says has a kind, and a hint within bounds."""
    meaning = meaning_of(Reply(code, status, text))

    assert meaning.kind in REPLIES
    assert meaning.retry_in is None or 1 <= meaning.retry_in <= LONGEST_HINT


def test_only_the_beginning_is_read() -> None:
    """A text of any length costs no more than the first part of it."""
    assert meaning_of(Reply(450, "4.2.0", "x" * 1000 + "greylisted")).kind != "greylisted"


def test_what_slows_a_lane() -> None:
    """Only what speaks of us, not of one recipient, is a reason to slow down."""
    assert meaning_of(Reply(421, "4.7.0", "go away")).is_about_us
    assert not meaning_of(Reply(452, "4.2.2", "full")).is_about_us
