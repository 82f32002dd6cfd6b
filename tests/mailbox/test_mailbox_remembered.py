"""Flags changed only where nobody else did, what vanished, and what is recent."""

from __future__ import annotations

import pytest
from mail_at_rest import Rest, run

from twistedmail_mta.errors import TemporaryError
from twistedmail_mta.mailbox import remembered, snapshot, store, views
from twistedmail_mta.mailbox.flags import DELETED, SEEN


def filled(count: int) -> tuple[Rest, int]:
    rest = Rest()
    mailbox = rest.inbox().id
    run(rest.store.append(mailbox, [rest.incoming() for _ in range(count)]))
    return rest, mailbox


@pytest.mark.parametrize("at_once", [2, 100])
def test_flags_change_only_where_nobody_changed_anything(monkeypatch: pytest.MonkeyPatch, at_once: int) -> None:
    """RFC 7162 section 3.1.3: the others are named; those that had the flag already neither change nor are refused."""
    monkeypatch.setattr(store, "FLAGGED_AT_ONCE", at_once)
    rest, mailbox = filled(6)
    view = run(rest.store.open(mailbox))
    run(rest.store.set_flags(mailbox, [6], add=SEEN))
    known = view.modseq
    run(rest.store.set_flags(mailbox, [2, 5], add=DELETED))

    done = run(rest.store.set_flags(mailbox, [1, 2, 3, 5, 6, 9], add=SEEN, unchanged_since=known))

    assert list(done.refused) == [2, 5]
    assert [(uid, flags) for each in done.changed for uid, flags in zip(each.uids, each.flags, strict=True)] == [
        (1, SEEN),
        (3, SEEN),
    ]
    assert [each.modseq for each in done.changed][-1] == view.modseq
    assert list(view.flags) == [SEEN, DELETED, SEEN, 0, DELETED, SEEN]
    rest.assert_view(view)


def test_nothing_is_older_than_a_mailbox() -> None:
    rest, mailbox = filled(2)

    assert list(run(rest.store.set_flags(mailbox, [1, 2], add=SEEN, unchanged_since=0)).refused) == [1, 2]
    assert list(run(rest.store.set_flags(mailbox, [1, 2], add=SEEN)).refused) == []


def test_what_vanished_is_told_as_ranges() -> None:
    """Of changes after one MODSEQ up to another; those that follow one another as one."""
    rest, mailbox = filled(9)
    view = run(rest.store.open(mailbox))
    run(rest.store.remove(mailbox, [1]))
    since = view.modseq
    run(rest.store.remove(mailbox, [3, 4]))
    run(rest.store.remove(mailbox, [2, 7]))
    until = view.modseq
    run(rest.store.remove(mailbox, [9]))

    assert run(rest.store.vanished(mailbox, since, until)) == [(2, 4), (7, 7)]
    assert run(rest.store.vanished(mailbox, until, until)) == []


def test_what_was_forgotten_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also when it would be too much to tell, and of a mailbox that is gone."""
    monkeypatch.setattr(snapshot, "VANISHED_KEPT", 1)
    monkeypatch.setattr(views, "SNAPSHOT_AFTER", 1)
    rest, mailbox = filled(8)
    view = run(rest.store.open(mailbox))
    begun = view.modseq
    for uid in (1, 3, 5):
        run(rest.store.remove(mailbox, [uid]))
    rest.store.leave(view)

    assert run(rest.store.vanished(mailbox, begun, view.modseq)) is None
    assert run(rest.store.vanished(mailbox, view.modseq - 1, view.modseq)) == [(5, 5)]
    monkeypatch.setattr(remembered, "MOST_RANGES", 0)
    assert run(rest.store.vanished(mailbox, view.modseq - 1, view.modseq)) is None
    assert run(rest.store.vanished(77, 1, 2)) is None


def test_each_message_is_recent_once() -> None:
    """RFC 3501 section 2.3.2; nothing is written where nothing is new."""
    rest, mailbox = filled(2)

    assert run(rest.store.tell_recent(mailbox, 3)) == 1
    writes = len(rest.database.sizes)
    assert run(rest.store.tell_recent(mailbox, 3)) == 3
    assert len(rest.database.sizes) == writes
    run(rest.store.append(mailbox, [rest.incoming() for _ in range(3)]))
    assert run(rest.store.tell_recent(mailbox, 5)) == 3
    assert run(rest.store.tell_recent(mailbox, 4)) == 5
    assert rest.inbox().recent_from == 5
    with pytest.raises(TemporaryError):
        run(rest.store.tell_recent(77, 1))
