"""Views: opened from rows or a snapshot, kept current, cached and let go."""

from __future__ import annotations

from typing import Any

import pytest
from mail_at_rest import Rest, run, to

from twistedmail_mta.errors import TemporaryError
from twistedmail_mta.mailbox import reading, snapshot, views
from twistedmail_mta.mailbox.accounts import remove_mail
from twistedmail_mta.mailbox.change import Added
from twistedmail_mta.mailbox.flags import FLAGGED, SEEN
from twistedmail_mta.mailbox.replies import MAILBOX_GONE
from twistedmail_mta.mailbox.store import MailboxStore
from twistedmail_mta.mailbox.view import MailboxView
from twistedmail_mta.tasks import TaskGroup


def other_process(rest: Rest) -> MailboxStore:
    """Return the mailboxes as another process sees and changes them."""
    return MailboxStore(rest.database, rest.files, TaskGroup(), rest.clock.seconds)


def filled(rest: Rest, count: int = 5) -> int:
    inbox = rest.inbox().id
    run(rest.store.append(inbox, [rest.incoming() for _ in range(count)]))
    return inbox


def saved(rest: Rest, inbox: int) -> int:
    """Have a snapshot written; return its MODSEQ."""
    view = run(rest.store.open(inbox))
    snapshot_row = snapshot.snapshot_row(view)
    run(rest.database.write(lambda tx: snapshot.keep_snapshot(tx, snapshot_row)))
    rest.store.leave(view)
    return view.modseq


def test_sessions_share_a_view_and_it_stays() -> None:
    rest = Rest()
    inbox = filled(rest)
    first, second = run(rest.store.open(inbox)), run(rest.store.open(inbox))
    rest.store.leave(first)
    rest.store.leave(second)
    rest.accept(to(1))

    assert run(rest.store.open(inbox)) is first is second
    rest.assert_view(first)


def test_what_another_process_did_is_caught_up_with() -> None:
    """A notice, a look at all, or the next change of ours: each brings everything."""
    rest = Rest()
    inbox = filled(rest)
    view, other = run(rest.store.open(inbox)), other_process(rest)

    run(other.append(inbox, [rest.incoming()]))
    run(other.set_flags(inbox, [2], add=SEEN))
    run(other.remove(inbox, [1, 3]))
    assert len(view) == 5
    rest.store.look(inbox, view.modseq + 3)
    rest.assert_view(view)

    run(other.remove(inbox, [2]))
    rest.store.look_at_all()
    rest.assert_view(view)

    run(other.set_flags(inbox, [4, 5], add=FLAGGED))
    rest.accept(to(1))
    rest.assert_view(view)


def test_a_notice_of_more_than_there_is_does_no_harm() -> None:
    rest = Rest()
    inbox = filled(rest)
    view = run(rest.store.open(inbox))

    rest.store.look(inbox, 10**9)
    run(other_process(rest).append(inbox, [rest.incoming()]))
    rest.store.look(inbox, view.modseq + 1)

    rest.assert_view(view)


def test_sessions_are_told_once_of_all_that_was_caught_up_with() -> None:
    rest = Rest()
    inbox = filled(rest)
    view, other = run(rest.store.open(inbox)), other_process(rest)
    heard: list[int] = []
    view.subscribe(lambda: heard.append(len(view)))
    run(other.append(inbox, [rest.incoming()]))
    run(other.append(inbox, [rest.incoming()]))

    rest.store.look_at_all()
    rest.store.look_at_all()

    assert heard == [7]


def test_a_session_that_fails_on_news_harms_nobody() -> None:
    """The message is accepted, and the others hear of it."""
    rest = Rest()
    view = rest.view()
    heard: list[int] = []
    view.subscribe(lambda: heard.insert(0, heard[1]))
    view.subscribe(lambda: heard.append(len(view)))

    rest.accept(to(1))

    assert heard == [1]


@pytest.mark.parametrize("page", [1, 2, 3, 100])
def test_a_view_from_a_snapshot_is_that_from_rows(page: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever happened since, and however many rows are read at once."""
    monkeypatch.setattr(reading, "PAGE", page)
    rest = Rest()
    inbox = filled(rest, 7)
    saved(rest, inbox)
    run(rest.store.set_flags(inbox, [2, 5], add=SEEN))
    run(rest.store.remove(inbox, [1, 5, 6]))
    run(rest.store.append(inbox, [rest.incoming(flags=FLAGGED) for _ in range(4)]))
    run(rest.store.remove(inbox, [9]))
    rest.restart()

    with_snapshot = rest.view()
    rest.assert_view(with_snapshot)
    rest.restart()
    rest.database.connection.execute("DELETE FROM snapshot")
    rest.assert_view(rest.view())


def test_a_snapshot_older_than_what_is_remembered_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """Messages that vanished don't come back: a view that is open is read anew, such a snapshot isn't kept."""
    monkeypatch.setattr(snapshot, "VANISHED_KEPT", 2)
    rest = Rest()
    inbox = filled(rest, 20)
    view, other = run(rest.store.open(inbox)), other_process(rest)
    old = snapshot.snapshot_row(view)
    for uid in range(1, 20, 3):
        run(other.remove(inbox, [uid]))
    newer = snapshot.snapshot_row(run(other.open(inbox)))
    run(rest.database.write(lambda tx: snapshot.keep_snapshot(tx, newer)))
    assert rest.rows("SELECT count(*) FROM vanished") == [(2,)]

    rest.store.look_at_all()
    rest.assert_view(view)
    run(rest.database.write(lambda tx: snapshot.keep_snapshot(tx, old)))
    assert rest.rows("SELECT modseq FROM snapshot") == [(newer[1],)]
    rest.database.connection.execute("DELETE FROM snapshot")
    run(rest.database.write(lambda tx: snapshot.keep_snapshot(tx, old)))
    assert not rest.rows("SELECT 1 FROM snapshot")


def test_snapshots_are_written_when_much_has_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(views, "SNAPSHOT_AFTER", 10)
    rest = Rest()
    view = rest.view()
    run(rest.store.append(view.id, [rest.incoming() for _ in range(9)]))
    rest.store.leave(view)
    assert not rest.rows("SELECT 1 FROM snapshot")

    view = rest.view()
    rest.accept(to(1))
    rest.store.leave(view)

    assert rest.rows("SELECT mailbox, modseq FROM snapshot") == [(view.id, view.modseq)]


def test_views_nobody_looks_at_are_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    """The one that was left first goes first; one that is looked at stays."""
    rest = Rest(5)
    store = views.Views(rest.database, TaskGroup(), idle_views=2)
    ids = [rest.inbox(account).id for account in range(1, 6)]
    held = run(store.open(ids[0]))
    opened = [run(store.open(mailbox)) for mailbox in ids[1:]]
    for view in opened:
        store.leave(view)

    assert run(store.open(ids[0])) is held
    assert [run(store.open(mailbox)) is view for mailbox, view in zip(ids[1:], opened, strict=True)] == [
        False,
        False,
        True,
        True,
    ]


def test_many_messages_let_views_go_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(views, "IDLE_MESSAGES", 7)
    rest = Rest()
    first, second = filled(rest, 5), rest.inbox(2).id
    run(rest.store.append(second, [rest.incoming() for _ in range(3)]))
    one, two = run(rest.store.open(first)), run(rest.store.open(second))
    rest.store.leave(one)
    rest.store.leave(two)

    assert run(rest.store.open(second)) is two
    assert run(rest.store.open(first)) is not one


def test_a_mailbox_that_is_gone_says_so() -> None:
    rest = Rest()
    view = rest.view()
    heard: list[bool] = []
    view.subscribe(lambda: heard.append(view.gone))

    run(remove_mail(rest.database, rest.files, 1))
    rest.store.look_at_all()
    rest.store.look_at_all()

    assert heard == [True]
    with pytest.raises(TemporaryError):
        run(rest.store.open(view.id))
    rest.store.leave(view)


def test_an_unreadable_database_leaves_no_half_view() -> None:
    rest = Rest()
    inbox = filled(rest)
    rest.database.refuse = TemporaryError(MAILBOX_GONE)
    with pytest.raises(TemporaryError):
        run(rest.store.open(inbox))
    rest.database.refuse = None

    rest.assert_view(run(rest.store.open(inbox)))


def test_changes_that_come_while_reading_are_read_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """A message is accepted between two pages of a view: it is in the view in the end, once."""
    monkeypatch.setattr(reading, "PAGE", 2)
    rest = Rest()
    inbox = filled(rest, 6)
    rest.restart()
    real, reads = rest.database.read, 0

    async def read(function: Any) -> Any:
        nonlocal reads
        found = await real(function)
        reads += 1
        if reads in {2, 4}:
            await rest.store.remove(inbox, [reads])
            await rest.store.append(inbox, [rest.incoming()])
        return found

    monkeypatch.setattr(rest.database, "read", read)
    view = run(rest.store.open(inbox))

    assert reads > 4
    rest.assert_view(view)


def test_a_notice_that_comes_while_reading_is_not_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """What it is about was committed after the state that is being read."""
    rest = Rest()
    inbox = filled(rest)
    rest.restart()
    other, real, reads = other_process(rest), rest.database.read, 0

    async def read(function: Any) -> Any:
        nonlocal reads
        reads += 1
        found = await real(function)
        if reads == 2:
            await other.append(inbox, [rest.incoming()])
            rest.store.look(inbox, 10**6)
        return found

    monkeypatch.setattr(rest.database, "read", read)
    rest.assert_view(run(rest.store.open(inbox)))


def test_a_flood_keeps_nobody_from_opening() -> None:
    """A message comes with every read: those who wait for the view get it all the same, with all of them."""
    rest = Rest()
    inbox = filled(rest)
    rest.restart()
    real, reads = rest.database.read, 0

    async def read(function: Any) -> Any:
        nonlocal reads
        reads += 1
        assert reads < 10
        found = await real(function)
        rest.accept(to(1))
        return found

    rest.database.read = read  # type: ignore[method-assign]
    view = run(rest.store.open(inbox))

    assert len(view) > 5
    rest.assert_view(view)


def test_a_view_that_was_read_by_half_is_read_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """The database fails between two pages; the next message doesn't hide those in between."""
    monkeypatch.setattr(reading, "PAGE", 2)
    rest = Rest()
    inbox = filled(rest)
    view, other = run(rest.store.open(inbox)), other_process(rest)
    run(other.append(inbox, [rest.incoming() for _ in range(6)]))
    real, reads = rest.database.read, 0

    async def read(function: Any) -> Any:
        nonlocal reads
        reads += 1
        if reads > 2:
            raise TemporaryError(MAILBOX_GONE)
        return await real(function)

    with monkeypatch.context() as patch:
        patch.setattr(rest.database, "read", read)
        rest.store.look_at_all()
    assert reads == 3
    rest.accept(to(1))

    rest.assert_view(view)


def test_a_change_that_is_known_already_is_not_taken_twice() -> None:
    rest = Rest()
    inbox = filled(rest)
    view = run(rest.store.open(inbox))

    rest.store.note([Added(inbox, view.modseq, (5,), (0,), (9,))])

    rest.assert_view(view)


def test_arrays_in_hand_keep_their_messages() -> None:
    """A session that answers a command goes on with what it took, whatever is removed meanwhile."""
    view = MailboxView(1)
    view.add([1, 2, 3], [1, 1, 1], [0, 0, 0], [9, 9, 9])
    in_hand = view.uids

    view.remove([2])

    assert list(in_hand) == [1, 2, 3]
    assert list(view.uids) == [1, 3]
    assert view.place(2) is None
    assert view.place(3) == 1
