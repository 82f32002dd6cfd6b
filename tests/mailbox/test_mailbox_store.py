"""Messages put into mailboxes, flagged and removed, and what is left of them."""

from __future__ import annotations

from typing import Any

import pytest
from mail_at_rest import START, STRUCTURE, Rest, run, to

from twistedmail_mta.errors import TemporaryError
from twistedmail_mta.mailbox import release, store
from twistedmail_mta.mailbox.flags import DELETED, SEEN
from twistedmail_mta.model import LocalMail
from twistedmail_mta.store.replies import STORE_FAILED


def test_append_gives_uids_that_follow_one_another() -> None:
    rest = Rest()
    view = rest.view()
    rest.accept(to(1))

    uids = run(rest.store.append(view.id, [rest.incoming(flags=SEEN), rest.incoming(uidl="x1")]))

    assert list(uids) == [2, 3]
    assert list(view.flags) == [0, SEEN, 0]
    assert rest.rows("SELECT uid, internal_date, saved_at FROM arrival WHERE uid > 1") == [
        (2, 1_500_000_000, START),
        (3, 1_500_000_000, START),
    ]
    assert rest.rows("SELECT uid, uidl FROM uidl") == [(3, "x1")]
    rest.assert_view(view)
    rest.assert_sound()


def test_keywords_have_bits_of_their_mailbox() -> None:
    """A name has one bit whatever its case; when no bit is left the flag is passed over."""
    rest = Rest()
    view = rest.view()

    run(rest.store.append(view.id, [rest.incoming(keywords=frozenset({"$Junk"}))]))
    bits = run(rest.store.keywords(view.id, ["$junk", *(f"k{n}" for n in range(60))]))

    assert list(view.flags) == [1 << 5]
    assert bits["$junk"] == 5
    assert sorted(bits.values()) == list(range(5, 63))
    assert rest.rows("SELECT name FROM keyword WHERE bit = 5") == [("$Junk",)]


def test_flags_change_what_they_say_and_nothing_else() -> None:
    rest = Rest()
    view = rest.view()
    run(rest.store.append(view.id, [rest.incoming(flags=SEEN) for _ in range(3)]))
    before = view.modseq

    run(rest.store.set_flags(view.id, [1, 3, 9], add=DELETED, remove=SEEN))
    run(rest.store.set_flags(view.id, [1, 3], add=DELETED))

    assert list(view.flags) == [DELETED, SEEN, DELETED]
    assert view.modseq == before + 1
    rest.assert_view(view)


def test_removed_messages_give_back_all_they_used() -> None:
    """Content, body and file go with the last mailbox that has the message, not before."""
    rest = Rest()
    rest.accept(to(1), to(2), body=rest.body(b"x" * 100, file=True))
    first, second = rest.view(1), rest.view(2)

    assert run(rest.store.remove(first.id, [1, 7])) == [1]
    assert len(rest.files.octets) == 1
    rest.assert_sound()
    assert run(rest.store.remove(second.id, [1])) == [1]

    assert not rest.files.octets
    assert rest.rows("SELECT count(*) FROM body") == [(0,)]
    assert len(first) == len(second) == 0
    rest.assert_view(first)
    rest.assert_sound()


def test_a_body_stays_while_the_spool_needs_it() -> None:
    rest = Rest()
    message = rest.message("bob@example.net")
    run(rest.spool.accept(message, claim=False, local=LocalMail(STRUCTURE, (to(1),))))

    run(rest.store.remove(rest.view().id, [1]))

    assert rest.rows("SELECT id, refs FROM body") == [(message.id, 1)]
    rest.assert_sound()


def test_nothing_goes_into_mailboxes_of_nobody() -> None:
    """The account was removed after RCPT: the message isn't taken, and nothing of it is kept."""
    rest = Rest()

    with pytest.raises(TemporaryError):
        rest.accept(to(1), to(77))

    assert rest.rows("SELECT count(*) FROM body") == [(0,)]
    assert rest.rows("SELECT count(*) FROM mail") == [(0,)]


def test_large_bodies_are_given_up_a_few_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each page of a row costs the writer time, and others wait for it."""
    monkeypatch.setattr(release, "OCTETS_AT_ONCE", 250)
    rest = Rest()
    view = rest.view()
    run(rest.store.append(view.id, [rest.incoming(body=rest.body(b"x" * 100)) for _ in range(7)]))
    writes = len(rest.database.sizes)

    run(rest.store.remove(view.id, range(1, 8)))

    assert len(rest.database.sizes) == writes + 1 + 3
    assert rest.rows("SELECT count(*) FROM body") == [(0,)]
    rest.assert_sound()


def test_what_was_not_given_up_is_after_the_next_start() -> None:
    rest = Rest()
    rest.accept(to(1), body=rest.body(file=True))
    view = rest.view()
    writes = 0

    async def refuse_second(function: Any, urgent: bool = False, size: int = 0) -> Any:
        nonlocal writes
        writes += 1
        if writes == 2:
            raise TemporaryError(STORE_FAILED)
        return await real(function, urgent, size)

    real, rest.database.write = rest.database.write, refuse_second  # type: ignore[method-assign]
    run(rest.store.remove(view.id, [1]))
    assert len(rest.files.octets) == 1

    rest.restart()
    run(rest.store.release())

    assert not rest.files.octets
    rest.assert_sound()


def test_very_many_are_removed_and_flagged_in_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever order, and whatever kind of sequence, they are named in."""
    monkeypatch.setattr(store, "REMOVED_AT_ONCE", 3)
    monkeypatch.setattr(store, "FLAGGED_AT_ONCE", 3)
    rest = Rest()
    view = rest.view()
    run(rest.store.append(view.id, [rest.incoming() for _ in range(9)]))

    run(rest.store.set_flags(view.id, range(8, 0, -1), add=SEEN))
    assert run(rest.store.remove(view.id, {9, 1, 7, 8, 3})) == [1, 3, 7, 8, 9]

    assert list(view.uids) == [2, 4, 5, 6]
    assert set(view.flags) == {SEEN}
    rest.assert_view(view)
    rest.assert_sound()
