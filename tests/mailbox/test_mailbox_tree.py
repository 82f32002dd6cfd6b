"""Mailboxes made, renamed, deleted and subscribed to, as IMAP says it."""

from __future__ import annotations

import pytest
from mail_at_rest import Rest, run, to

from twistedmail_mta.errors import TemporaryError
from twistedmail_mta.mailbox import hierarchy, purging, transfers
from twistedmail_mta.mailbox.flags import SEEN
from twistedmail_mta.mailbox.mailboxes import Mailbox
from twistedmail_mta.mailbox.problem import Problem
from twistedmail_mta.store.replies import STORE_FAILED

FIRST = ["Archive", "Drafts", "INBOX", "Junk", "Sent", "Trash"]
"""What an account has from the start."""


def names(rest: Rest, account: int = 1) -> list[str]:
    """Return what mailboxes an account has beside its first ones."""
    return [name for name, _ in run(rest.store.tree.names(account)).mailboxes if name not in FIRST]


def create(rest: Rest, *wanted: str) -> None:
    for name in wanted:
        assert isinstance(run(rest.store.tree.create(1, name)), Mailbox)


def fill(rest: Rest, name: str, count: int) -> int:
    """Put messages into a mailbox; return its id."""
    mailbox = run(rest.store.make(1, name)).id
    run(rest.store.append(mailbox, [rest.incoming(body=rest.body(b"%d" % n)) for n in range(count)]))
    return mailbox


def test_those_above_are_made_too() -> None:
    """RFC 9051 section 6.3.4; each with a UIDVALIDITY of its own."""
    rest = Rest()

    made = run(rest.store.tree.create(1, "a/b/c"))

    assert isinstance(made, Mailbox)
    assert (made.name, made.messages, made.uid_next, made.recent_from) == ("a/b/c", 0, 1, 1)
    assert names(rest) == ["a", "a/b", "a/b/c"]
    validities = [validity for (validity,) in rest.rows("SELECT uid_validity FROM mailbox")]
    assert len(validities) == len(set(validities)) == 9


def test_a_new_account_has_its_first_mailboxes_before_any_other() -> None:
    """So that nobody takes the name or the use of one of them before the first message comes."""
    rest = Rest()

    assert run(rest.store.tree.create(1, "Sent")) is Problem.EXISTS
    assert run(rest.store.tree.create(1, "Gesendet", ["\\Sent"])) is Problem.USE_TAKEN
    assert run(rest.store.tree.create(1, "inbox")) is Problem.EXISTS
    assert names(rest) == []


@pytest.mark.parametrize("name", ["", "a//b", "/a", "a/", "a\x01b", "x" * 1001])
def test_names_that_no_mailbox_can_have(name: str) -> None:
    rest = Rest()
    create(rest, "a")

    assert run(rest.store.tree.create(1, name)) is Problem.BAD_NAME
    assert run(rest.store.tree.rename(1, "a", name)) is Problem.BAD_NAME
    assert run(rest.store.tree.subscribe(1, name)) is Problem.BAD_NAME
    assert run(rest.store.tree.delete(1, name)) is Problem.MISSING
    assert run(rest.store.tree.rename(1, name, "b")) is Problem.MISSING
    run(rest.store.tree.unsubscribe(1, name))


def test_a_mailbox_can_be_for_one_thing_and_a_thing_has_one_mailbox() -> None:
    rest = Rest()
    tree = rest.store.tree

    assert run(tree.delete(1, "Junk")) is Problem.MISSING
    create(rest, "x")
    assert run(tree.delete(1, "Junk")) is None
    made = run(tree.create(1, "Lists/Spam", ["\\JUNK"]))
    assert isinstance(made, Mailbox)
    assert made.special_use == "\\Junk"
    assert run(rest.store.mailbox(1, "Lists")).special_use is None  # type: ignore[union-attr]
    assert run(tree.create(1, "y", ["\\Junk"])) is Problem.USE_TAKEN
    for uses in (["\\All"], ["\\Important"], ["\\Junk", "\\Sent"], ["Junk"]):
        assert run(tree.create(1, "y", uses)) is Problem.BAD_USE
    assert names(rest) == ["Lists", "Lists/Spam", "x"]


def test_the_use_stays_with_the_mailbox() -> None:
    rest = Rest()
    create(rest, "x")

    assert run(rest.store.tree.rename(1, "Sent", "x/Gesendet")) is None

    assert ("x/Gesendet", "\\Sent") in run(rest.store.tree.names(1)).mailboxes


def test_an_account_has_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of those above a new one, too; what isn't made leaves nothing behind."""
    monkeypatch.setattr(hierarchy, "MOST_MAILBOXES", 8)
    rest = Rest()

    assert run(rest.store.tree.create(1, "a/b/c")) is Problem.TOO_MANY
    create(rest, "a/b")
    assert run(rest.store.tree.rename(1, "a/b", "c/b")) is Problem.TOO_MANY
    assert run(rest.store.tree.create(1, "c")) is Problem.TOO_MANY

    assert names(rest) == ["a", "a/b"]
    assert isinstance(run(rest.store.tree.create(2, "c")), Mailbox)


def test_what_is_deleted_is_out_of_sight_at_once_and_then_purged(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever has it open learns of it; those below it stay; the name is free, with a new UIDVALIDITY."""
    monkeypatch.setattr(purging, "PURGED_AT_ONCE", 3)
    rest = Rest()
    create(rest, "a/b")
    mailbox = fill(rest, "a", 10)
    run(rest.store.keywords(mailbox, ["k"]))
    run(rest.store.remove(mailbox, [2, 4]))
    view = run(rest.store.open(mailbox))
    heard: list[bool] = []
    view.subscribe(lambda: heard.append(view.gone))

    assert run(rest.store.tree.delete(1, "a")) is None

    assert heard[-1]
    assert names(rest) == ["a/b"]
    assert run(rest.store.mailbox(1, "a")) is None
    for table in ("mail", "keyword", "vanished", "body"):
        assert rest.rows(f"SELECT count(*) FROM {table}") == [(0,)]
    with pytest.raises(TemporaryError):
        run(rest.store.open(mailbox))
    assert run(rest.store.tree.delete(1, "a")) is Problem.MISSING
    again = run(rest.store.tree.create(1, "a"))
    assert isinstance(again, Mailbox)
    assert again.uid_validity == max(rest.rows("SELECT uid_validity FROM mailbox"))[0]
    rest.assert_sound()


def test_what_waits_to_be_purged_counts_for_nobody() -> None:
    """Nothing can be put into it, nobody can name it, its octets count no more; the next start goes on."""
    rest = Rest()
    mailbox, other = fill(rest, "a", 3), fill(rest, "b", 1)
    refuse_after(rest, 1)

    assert run(rest.store.tree.delete(1, "a")) is None

    (name,) = rest.rows("SELECT name FROM mailbox WHERE id = ?", mailbox)[0]
    rest.restart()
    assert rest.rows("SELECT messages FROM usage WHERE account = 1") == [(1,)]
    assert run(rest.store.mailbox(1, name)) is None
    assert names(rest) == ["b"]
    with pytest.raises(TemporaryError):
        run(rest.store.append(mailbox, [rest.incoming()]))
    assert run(rest.store.copy(other, [1], mailbox)) is Problem.MISSING
    assert run(rest.store.move(other, [1], mailbox)) is Problem.MISSING
    with pytest.raises(TemporaryError):
        run(rest.store.open(mailbox))
    rest.assert_sound()

    run(rest.store.release())

    assert rest.rows("SELECT count(*) FROM mail") == [(1,)]
    assert rest.rows("SELECT count(*) FROM mailbox WHERE id = ?", mailbox) == [(0,)]
    rest.assert_sound()


def refuse_after(rest: Rest, writes: int) -> None:
    """Let so many writes succeed, and no more."""
    real = rest.database.write
    left = writes

    async def write(function: object, urgent: bool = False, size: int = 0) -> object:
        nonlocal left
        left -= 1
        if left < 0:
            raise TemporaryError(STORE_FAILED)
        return await real(function, urgent, size)  # type: ignore[arg-type]

    rest.database.write = write  # type: ignore[method-assign, assignment]
    restart = rest.restart

    def put_back() -> None:
        rest.database.write = real  # type: ignore[method-assign]
        restart()

    rest.restart = put_back  # type: ignore[method-assign]


def test_mail_for_a_mailbox_that_was_deleted_makes_it_anew() -> None:
    rest = Rest()
    create(rest, "Lists")
    run(rest.store.tree.delete(1, "Lists"))

    rest.accept(to(1, "Lists"))

    assert run(rest.store.mailbox(1, "Lists")).messages == 1  # type: ignore[union-attr]
    rest.assert_sound()


def test_inbox_is_never_deleted() -> None:
    rest = Rest()
    create(rest, "INBOX/a")

    assert run(rest.store.tree.delete(1, "inBox")) is Problem.IS_INBOX
    assert run(rest.store.tree.delete(1, "Inbox/a")) is None


def test_those_below_are_renamed_too() -> None:
    """And those above the new name are made; names that only begin alike are left alone."""
    rest = Rest()
    create(rest, "a", "a/b/c", "a/b0", "a b", "a0", "A/b")
    mailbox = fill(rest, "a/b/c", 2)
    view = run(rest.store.open(mailbox))

    assert run(rest.store.tree.rename(1, "a", "x/y")) is None

    assert names(rest) == ["A", "A/b", "a b", "a0", "x", "x/y", "x/y/b", "x/y/b/c", "x/y/b0"]
    run(rest.store.set_flags(mailbox, [1], add=SEEN))
    assert list(view.flags) == [SEEN, 0]
    assert not view.gone


def test_a_name_that_has_only_others_below_it_can_be_renamed() -> None:
    rest = Rest()
    create(rest, "a/b")
    run(rest.store.tree.delete(1, "a"))

    assert run(rest.store.tree.rename(1, "a", "x")) is None

    assert names(rest) == ["x/b"]


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("missing", "x", Problem.MISSING),
        ("a", "a", Problem.EXISTS),
        ("a", "b", Problem.EXISTS),
        ("a", "INBOX", Problem.EXISTS),
        ("a", "a/b", Problem.INTO_ITSELF),
        ("a", "n", Problem.EXISTS),
        ("a", "y" * 999, Problem.BAD_NAME),
        ("INBOX", "a", Problem.EXISTS),
    ],
)
def test_what_cannot_be_renamed(old: str, new: str, problem: Problem) -> None:
    """Nothing is overwritten, be it below the new name; and nothing is half done."""
    rest = Rest()
    create(rest, "a/c", "b", "n/c")
    run(rest.store.tree.delete(1, "n"))
    before = names(rest)

    assert run(rest.store.tree.rename(1, old, new)) is problem

    assert names(rest) == before


def test_a_mailbox_may_take_the_place_of_one_above_it() -> None:
    """On the way no two have the same name."""
    rest = Rest()
    create(rest, "a/a/a/a")
    run(rest.store.tree.delete(1, "a"))

    assert run(rest.store.tree.rename(1, "a/a", "a")) is None

    assert names(rest) == ["a", "a/a", "a/a/a"]


def test_renaming_inbox_moves_its_messages(monkeypatch: pytest.MonkeyPatch) -> None:
    """RFC 9051 section 6.3.6: INBOX stays, and those below it."""
    monkeypatch.setattr(transfers, "MOVED_AT_ONCE", 2)
    rest = Rest()
    create(rest, "INBOX/a")
    inbox = fill(rest, "INBOX", 5)
    view = run(rest.store.open(inbox))

    assert run(rest.store.tree.rename(1, "inbox", "old/inbox")) is None

    assert names(rest) == ["INBOX/a", "old", "old/inbox"]
    assert len(view) == 0
    assert run(rest.store.mailbox(1, "old/inbox")).messages == 5  # type: ignore[union-attr]
    rest.assert_view(view)
    rest.assert_sound()


def test_subscriptions_are_names_whatever_becomes_of_the_mailbox() -> None:
    rest = Rest()
    tree = rest.store.tree
    create(rest, "a")

    for _ in range(2):
        assert run(tree.subscribe(1, "a")) is None
    assert run(tree.subscribe(1, "inbox/later")) is None
    run(tree.delete(1, "a"))
    run(tree.unsubscribe(1, "Junk"))
    run(tree.unsubscribe(1, "never"))

    first = set(FIRST) - {"Junk"}
    assert set(run(tree.names(1)).subscriptions) == first | {"a", "INBOX/later"}
    assert run(tree.names(2)) == hierarchy.Names([], [])


def test_subscriptions_have_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hierarchy, "MOST_SUBSCRIPTIONS", 2)
    rest = Rest()

    assert [run(rest.store.tree.subscribe(1, name)) for name in "aab"] == [None, None, None]
    assert run(rest.store.tree.subscribe(1, "c")) is Problem.TOO_MANY
