"""Messages that go into mailboxes as they are accepted."""

from __future__ import annotations

from mail_at_rest import STRUCTURE, Rest, run, to

from twistedmail_mta.model import NULL_PATH, InlineBody, LocalMail


def test_first_delivery_makes_the_mailboxes() -> None:
    """INBOX and the special ones are there with the first message; it has UID 1."""
    rest = Rest()

    rest.accept(to(1))

    names = rest.rows("SELECT name, special_use FROM mailbox WHERE account = 1 ORDER BY id")
    assert names == [
        ("INBOX", None),
        ("Drafts", r"\Drafts"),
        ("Sent", r"\Sent"),
        ("Junk", r"\Junk"),
        ("Trash", r"\Trash"),
        ("Archive", r"\Archive"),
    ]
    assert len(set(rest.rows("SELECT uid_validity FROM mailbox"))) == 6
    assert rest.rows("SELECT uid, flags FROM mail") == [(1, 0)]
    rest.assert_sound()


def test_all_mailboxes_share_one_content_and_the_spool_its_body() -> None:
    """Three mailboxes and a spooled recipient: one content, one body with two references."""
    rest = Rest()
    message = rest.message("bob@example.net")

    run(rest.spool.accept(message, claim=False, local=LocalMail(STRUCTURE, (to(1), to(2), to(1, "Junk")))))

    assert rest.rows("SELECT id, refs, body FROM content") == [(message.id, 3, message.id)]
    assert rest.rows("SELECT id, refs FROM body") == [(message.id, 2)]
    assert rest.rows("SELECT body FROM message") == [(message.id,)]
    rest.assert_sound()


def test_without_recipients_nothing_is_spooled() -> None:
    rest = Rest()

    rest.accept(to(1))

    assert rest.rows("SELECT count(*) FROM message") == [(0,)]
    assert rest.rows("SELECT refs FROM body") == [(1,)]


def test_a_mailbox_named_twice_gets_it_once() -> None:
    """Two recipients may stand for one mailbox; the first one is whom it was delivered to."""
    rest = Rest()

    rest.accept(to(1, name="info"), to(2), to(1, name="sales"))

    assert rest.rows("SELECT mailbox, count(*) FROM mail GROUP BY mailbox") == [(1, 1), (7, 1)]
    assert b"Delivered-To: info@example.org" in rest.rows("SELECT prefix FROM arrival WHERE mailbox = 1")[0][0]


def test_an_open_view_sees_what_arrives() -> None:
    rest = Rest()
    view = rest.view()
    heard: list[int] = []
    end = view.subscribe(lambda: heard.append(len(view)))

    rest.accept(to(1))
    rest.accept(to(1), to(2))
    end()
    rest.accept(to(1))

    assert heard == [1, 2]
    rest.assert_view(view)


def test_size_is_that_on_the_wire() -> None:
    rest = Rest()
    rest.accept(to(1), header=b"Subject: x\r\n\r\n", body=InlineBody(b"12345"), sender=NULL_PATH)

    prefix = b"Return-Path: <>\r\nDelivered-To: user1@example.org\r\n"
    assert rest.rows("SELECT prefix, size FROM arrival") == [(prefix, len(prefix) + 14 + 5)]
    assert rest.rows("SELECT octets, messages FROM usage WHERE account = 1") == [(len(prefix) + 19, 1)]
