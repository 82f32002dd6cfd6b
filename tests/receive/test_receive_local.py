"""Mail for hosted domains on its way in: whom it stands for, what room is kept, where the copies go."""

from __future__ import annotations

import base64
from dataclasses import replace

import pytest
from reception import FULL, Client, Reception, mailboxes, open_gate

from twistedmail_mta.errors import TemporaryError
from twistedmail_mta.model import Address, Delivery, Expansion, LocalMail, Message, Recipient, Reply
from twistedmail_mta.receive.addressees import MOST_AT_ONCE
from twistedmail_mta.receive.transaction import ACCEPT_WITHIN
from twistedmail_mta.tasks import Promise

LOGIN = "AUTH PLAIN " + base64.b64encode(b"\0ann@example.org\0secret").decode()
TEXT = ("DATA", "Subject: x", "", "Hello", ".")


def begin(reception: Reception, *recipients: str, size: int | None = None) -> Client:
    """A stranger's transaction with recipients."""
    client = reception.connect()
    announced = "" if size is None else f" SIZE={size}"
    client.type("EHLO me", f"MAIL FROM:<joe@strangers.test>{announced}", *(f"RCPT TO:<{each}>" for each in recipients))
    return client


def taken(reception: Reception) -> tuple[Message, LocalMail | None]:
    """The message taken last."""
    return reception.acceptance.messages[-1], reception.acceptance.local[-1]


def spooled(message: Message) -> list[str]:
    return [str(recipient.address) for recipient in message.envelope.recipients]


def test_mail_goes_into_the_mailbox() -> None:
    """With the acceptance: nothing is left for the queue, and what IMAP will ask is worked out."""
    reception = Reception()

    assert begin(reception, "u1@home.test").type(*TEXT).startswith("250 2.0.0")

    message, local = taken(reception)
    assert spooled(message) == []
    assert local is not None
    assert local.deliveries == mailboxes(1)
    assert b'"text" "plain"' in local.structure.body
    assert b'"x"' in local.structure.envelope
    assert b"for <u1@home.test>;" in message.header


@pytest.mark.parametrize("looked_up", [False, True])
def test_unknown_recipient_is_refused(looked_up: bool) -> None:
    """At RCPT, from memory or after a look into the database."""
    reception = Reception()
    if looked_up:
        reception.directory.later.add("nobody@home.test")

    said = begin(reception).type("RCPT TO:<nobody@home.test>")

    assert said.startswith("550 5.1.1")


def test_looking_up_takes_its_time() -> None:
    """The answer to RCPT waits for the directory, and the commands behind it wait too."""
    reception = Reception()
    reception.directory.later.add("u1@home.test")
    reception.directory.gate = Promise()
    client = begin(reception)

    assert client.send(b"RCPT TO:<u1@home.test>\r\nNOOP\r\n") == ""
    reception.directory.gate.resolve(None)

    assert client.said().startswith("250 2.1.5")


def test_trouble_of_the_directory_is_temporary() -> None:
    """Nobody is taken in who may not exist."""
    reception = Reception()
    reception.directory.later.add("u1@home.test")
    reception.directory.gate = Promise()
    reception.directory.gate.fail(TemporaryError(Reply(451, "4.3.0", "later")))

    assert begin(reception).type("RCPT TO:<u1@home.test>").startswith("451 4.3.0")


def test_logins_write_anywhere_but_not_to_nobody() -> None:
    """A login's mail leaves for other domains, and addresses that are ours are looked up for it too."""
    reception = Reception(role="submission")
    client = reception.connect()
    client.type("EHLO me", LOGIN, "MAIL FROM:<ann@example.org>")

    assert client.type("RCPT TO:<x@else.test>").startswith("250")
    assert client.type("RCPT TO:<u1@home.test>").startswith("250")
    assert client.type("RCPT TO:<nobody@home.test>").startswith("550 5.1.1")


@pytest.mark.parametrize("path", ["x%else.test@home.test", "else.test!x@home.test", '"x@else.test"@home.test'])
def test_routes_in_local_parts_are_denied(path: str) -> None:
    """Also at a hosted domain whose catch-all would take them."""
    reception = Reception()
    reception.directory.addresses[path] = Expansion(mailboxes(1))

    assert begin(reception).type(f"RCPT TO:<{path}>").startswith("550 5.7.1")


def test_postmaster_of_a_hosted_admin() -> None:
    """`<postmaster>` is the administrator, whose mailbox may be here."""
    reception = Reception(admin="u2@home.test")

    begin(reception, "postmaster").type(*TEXT)

    message, local = taken(reception)
    assert local is not None
    assert local.deliveries == mailboxes(2)
    assert spooled(message) == []


def test_each_mailbox_gets_one_copy() -> None:
    """However many aliases lead there."""
    reception = Reception()

    begin(reception, "u1@home.test", "both@home.test").type(*TEXT)

    _, local = taken(reception)
    assert local is not None
    assert local.deliveries == mailboxes(1, 2)


def test_everything_in_one_transaction() -> None:
    """Mailboxes, hosts elsewhere, forwards, and a refusal between them."""
    reception = Reception(limits={"recipients": 10})
    client = begin(reception, "u2@home.test", "ann@relayed.test", "team@home.test", "nobody@home.test")

    client.type("RCPT TO:<away@home.test> NOTIFY=FAILURE", *TEXT)

    message, local = taken(reception)
    assert local is not None
    assert sorted(local.deliveries, key=lambda each: each.account) == [*mailboxes(1, 2, 3)]
    assert sorted(spooled(message)) == ["ann@else.test", "ann@relayed.test"]
    assert b"for <" not in message.header


def test_forward_keeps_what_was_asked() -> None:
    """An alias for one address hands NOTIFY on, and says whom it stood for (RFC 3461 section 5.2.7.2)."""
    reception = Reception()
    begin(reception).type("RCPT TO:<away@home.test> NOTIFY=FAILURE,DELAY", *TEXT)
    message, _ = taken(reception)
    begin(reception).type("RCPT TO:<away@home.test> ORCPT=rfc822;first@old.test", *TEXT)
    other, _ = taken(reception)

    ann = Address("ann", "else.test")
    notify = frozenset({"FAILURE", "DELAY"})
    forward = Recipient(ann, notify, "rfc822;away@home.test", forwarded_by="home.test")
    assert message.envelope.recipients == (forward,)
    assert other.envelope.recipients == (replace(forward, notify=None, orcpt="rfc822;first@old.test"),)
    assert message.envelope.sender == Address("joe", "strangers.test")


def test_named_recipient_comes_before_a_forward_to_it() -> None:
    """It is one recipient then, with what was asked for it."""
    reception = Reception(checks={"else.test": None})
    begin(reception, "away@home.test").type("RCPT TO:<ann@else.test> NOTIFY=NEVER", *TEXT)

    message, _ = taken(reception)
    assert message.envelope.recipients == (Recipient(Address("ann", "else.test"), frozenset({"NEVER"})),)


def test_success_is_the_queues_to_tell() -> None:
    """Then it does the whole delivery, since it alone knows which mailbox has its copy."""
    reception = Reception()
    begin(reception, "both@home.test").type("RCPT TO:<u1@home.test> NOTIFY=SUCCESS", *TEXT)

    message, local = taken(reception)
    assert local is None
    assert spooled(message) == ["both@home.test", "u1@home.test"]


def test_many_mailboxes_are_the_queues_to_fill() -> None:
    """A thousand in one transaction would hold up everybody; no room is reserved in them."""
    reception = Reception()
    begin(reception, "all@home.test").type(*TEXT)

    message, local = taken(reception)
    assert local is None
    assert spooled(message) == ["all@home.test"]
    assert reception.quotas.asked == []


def test_as_many_as_fit_are_filled_at_once() -> None:
    """To the last one; one more, also by another recipient, and the queue does it."""
    reception = Reception()
    reception.directory.addresses["most@home.test"] = Expansion(mailboxes(*range(1, MOST_AT_ONCE + 1)))
    reception.directory.addresses["more@home.test"] = Expansion(mailboxes(MOST_AT_ONCE + 1))

    begin(reception, "most@home.test").type(*TEXT)
    assert reception.acceptance.local[-1] is not None
    begin(reception, "most@home.test", "more@home.test").type(*TEXT)
    assert reception.acceptance.local[-1] is None


# Room


def test_room_is_kept_from_rcpt_to_the_end() -> None:
    """With the size that MAIL announced; given back when the message is in."""
    reception = Reception()
    reception.acceptance.gate = Promise()
    client = begin(reception, "u1@home.test", "u1@home.test", size=700)

    assert reception.quotas.reserved == {(1, 700): 1}
    client.type(*TEXT)
    assert reception.quotas.held == 1, "until it is on disk"
    reception.acceptance.gate.resolve(None)

    assert reception.quotas.held == 0


@pytest.mark.parametrize("ending", ["RSET", "EHLO again", "QUIT"])
def test_room_is_given_back(ending: str) -> None:
    """However the transaction ends without a message."""
    reception = Reception()
    client = begin(reception, "u1@home.test", "both@home.test")
    assert reception.quotas.held == 3

    client.type(ending)
    if ending == "QUIT":
        client.hang_up()

    assert reception.quotas.held == 0


def test_room_is_given_back_when_the_client_goes() -> None:
    """Between commands, in the middle of the text, and while the directory is asked."""
    reception = Reception()
    begin(reception, "u1@home.test").hang_up()
    client = begin(reception, "u1@home.test")
    client.type("DATA", "Subject: x")
    client.hang_up()
    reception.quotas.gate = Promise()
    client = begin(reception, "u1@home.test")
    client.hang_up()
    reception.quotas.gate = open_gate()

    assert reception.quotas.held == 0


def test_room_is_kept_while_the_writer_has_the_message() -> None:
    """The client's going, or its losing patience, doesn't take back what is about to be used."""
    reception = Reception()
    reception.acceptance.gate = Promise()
    client = begin(reception, "u1@home.test")
    client.type(*TEXT)
    slow = begin(reception, "u2@home.test")
    slow.type(*TEXT)

    client.hang_up()
    reception.clock.advance(ACCEPT_WITHIN + 1)
    assert slow.said().startswith("451 4.3.2")
    assert reception.quotas.held == 2
    reception.acceptance.gate.resolve(None)

    assert reception.quotas.held == 0


@pytest.mark.parametrize("fault", ["refused", "broken", "hops", "timeout"])
def test_room_is_given_back_after_failures(fault: str) -> None:
    """The message isn't kept: neither is its room."""
    reception = Reception()
    client = begin(reception, "u1@home.test")
    if fault == "refused":
        reception.acceptance.gate = Promise()
        reception.acceptance.gate.fail(TemporaryError(Reply(452, "4.3.1", "full disk")))
    if fault == "broken":
        reception.acceptance.gate = Promise()
        reception.acceptance.gate.fail(ValueError("a bug"))
    hops = ["Received: x"] * 6 if fault == "hops" else []
    client.type("DATA", *hops, "Subject: x", "")
    if fault == "timeout":
        reception.clock.pump([60.0] * 70)
        client.hang_up()
    else:
        assert client.type(".")[0] in "45"

    assert reception.quotas.held == 0


def test_full_mailbox_is_refused() -> None:
    """At RCPT, so that the sender's own server says so."""
    reception = Reception()
    reception.quotas.full.add(1)

    client = begin(reception)

    assert client.type("RCPT TO:<u1@home.test>").startswith(f"{FULL.code} {FULL.status}")
    assert client.type("RCPT TO:<u2@home.test>").startswith("250")
    assert reception.quotas.held == 1


def test_alias_with_one_full_mailbox_is_taken() -> None:
    """The others shall have their mail; when all of them are full it is refused."""
    reception = Reception()
    reception.quotas.full.add(1)

    client = begin(reception, "both@home.test")
    assert reception.quotas.reserved == {(2, 0): 1}
    reception.quotas.full.add(2)

    assert client.type("RSET", "MAIL FROM:<>", "RCPT TO:<both@home.test>").startswith("452 4.2.2")
    assert reception.quotas.held == 0


# Loops


def looping(client: Client, *addresses: str) -> str:
    return client.type("DATA", *(f"Delivered-To: {each}" for each in addresses), "Subject: x", "", ".")


def test_mail_that_comes_back_is_refused() -> None:
    """It was delivered to that address before (RFC 9228 section 4), in whatever case it is written."""
    reception = Reception()

    assert looping(begin(reception, "u1@home.test"), "x@y.test", "U1@Home.test").startswith("554 5.4.6")
    assert looping(begin(reception, "u1@home.test"), "u2@home.test", "u1@home.test.example").startswith("250")


def test_mail_that_comes_back_for_one_of_several() -> None:
    """One answer serves all, so that one goes to the queue, which refuses it with a report."""
    reception = Reception()

    assert looping(begin(reception, "u1@home.test", "u2@home.test"), "u1@home.test").startswith("250")

    message, local = taken(reception)
    assert local is not None
    assert local.deliveries == mailboxes(2)
    assert spooled(message) == ["u1@home.test"]


@pytest.mark.parametrize("role", ["mx", "lmtp"])
def test_loops_through_what_the_queue_delivers(role: str) -> None:
    """It looks for them itself, mailbox by mailbox; here nobody is refused, and nobody gets lost."""
    reception = Reception(role=role)
    client = reception.connect()
    client.type("LHLO me" if role == "lmtp" else "EHLO me", "MAIL FROM:<joe@strangers.test>")
    client.type("RCPT TO:<all@home.test>", "RCPT TO:<u2@home.test>")

    said = looping(client, "u7@home.test")

    assert {line[:9] for line in said.splitlines()} == {"250 2.0.0"}
    message, local = taken(reception)
    assert local is None
    assert spooled(message) == ["all@home.test", "u2@home.test"]


def test_parts_are_found_however_the_text_is_cut() -> None:
    """The body is scanned as it streams by."""
    reception = Reception()
    text = (
        b'Content-Type: multipart/mixed; boundary="cut"\r\n\r\n'
        b"--cut\r\n\r\none\r\n--cut\r\nContent-Type: text/html\r\n\r\n<p>\r\n--cut--\r\n.\r\n"
    )
    structures = set()
    for size in (1, 7, 1000):
        client = begin(reception, "u1@home.test")
        client.type("DATA")
        for start in range(0, len(text), size):
            client.send(text[start : start + size])
        _, local = taken(reception)
        assert local is not None
        structures.add(local.structure.body)

    (structure,) = structures
    assert b'"mixed"' in structure
    assert b'"html"' in structure


def test_delivery_into_two_folders_is_two_deliveries() -> None:
    """A mailbox is an account's folder, not an account."""
    reception = Reception()
    lists = Delivery(1, Address("u1", "home.test"), "Lists")
    reception.directory.addresses["u1+lists@home.test"] = Expansion((lists,))

    begin(reception, "u1@home.test", "u1+lists@home.test").type(*TEXT)

    _, local = taken(reception)
    assert local is not None
    assert local.deliveries == (*mailboxes(1), lists)
