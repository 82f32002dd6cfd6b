"""Names of mailboxes, and the mailboxes that have them."""

from __future__ import annotations

import pytest
from mail_at_rest import Rest, run, to

from twistedmail_mta.errors import TemporaryError
from twistedmail_mta.mail.mailbox_names import mailbox_name


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("inbox", "INBOX"),
        ("Inbox/Sub", "INBOX/Sub"),
        ("Lists/inbox", "Lists/inbox"),
        ("\u0131nbox", "\u0131nbox"),
        ("Entwu\u0308rfe", "Entw\u00fcrfe"),
        ("..", ".."),
        ("a b\\c%*", "a b\\c%*"),
    ],
)
def test_names_have_one_spelling(text: str, name: str) -> None:
    assert mailbox_name(text) == name


@pytest.mark.parametrize("text", ["", "/a", "a/", "a//b", "a\nb", "\x00", "a\u2028", "\ud800", "ä" * 501])
def test_some_names_are_refused(text: str) -> None:
    with pytest.raises(ValueError):
        mailbox_name(text)


def test_make_returns_what_is_there() -> None:
    rest = Rest()

    lists = run(rest.store.make(1, "Lists/python", r"\Flagged"))

    assert run(rest.store.make(1, "Lists/python")) == lists
    assert lists.special_use == r"\Flagged"
    assert run(rest.store.mailbox(1, "Lists")) is None
    names = ["Archive", "Drafts", "INBOX", "Junk", "Lists/python", "Sent", "Trash"]
    assert [each.name for each in run(rest.store.mailboxes(1))] == names


def test_nobody_has_no_mailboxes() -> None:
    rest = Rest()

    with pytest.raises(TemporaryError):
        run(rest.store.make(99, "INBOX"))

    assert not rest.rows("SELECT 1 FROM mailbox")


def test_uid_validity_grows_even_if_the_clock_stands_or_steps_back() -> None:
    """A mailbox that is made anew must not look like the old one (RFC 9051 section 2.3.1.1)."""
    rest = Rest()
    rest.accept(to(1))
    before = rest.rows("SELECT max(uid_validity) FROM mailbox")[0][0]

    rest.clock.rightNow -= 1e6
    rest.accept(to(2))

    assert rest.rows("SELECT min(uid_validity) FROM mailbox WHERE account = 2")[0][0] > before
    assert all(value < 1 << 32 for (value,) in rest.rows("SELECT uid_validity FROM mailbox"))


def test_first_mailboxes_are_subscribed() -> None:
    rest = Rest()
    rest.accept(to(1, "Lists"))

    names = [name for (name,) in rest.rows("SELECT name FROM subscription WHERE account = 1 ORDER BY name")]
    assert names == ["Archive", "Drafts", "INBOX", "Junk", "Sent", "Trash"]
