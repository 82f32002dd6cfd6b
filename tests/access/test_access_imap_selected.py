"""A session tells its client what happened, and the client's picture comes out right, whatever happened when."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from twistedmail_mta.access.imap.selected import Selected
from twistedmail_mta.imap.sequences import parse_set
from twistedmail_mta.mailbox.change import Added, Flagged, Removed
from twistedmail_mta.mailbox.mailboxes import Mailbox
from twistedmail_mta.mailbox.reading import Arrays
from twistedmail_mta.mailbox.view import REMEMBERED, MailboxView


def a_view(count: int) -> MailboxView:
    """A view of so many messages, with UIDs from 1 on."""
    uids = array("I", range(1, count + 1))
    zeros = array("q", bytes(8 * count))
    return MailboxView(7, Arrays(1, count + 1, uids, array("q", [1] * count), zeros, zeros[:]))


def a_mailbox() -> Mailbox:
    return Mailbox(7, 1, "INBOX", 1, None, 0, 0, 1, 1, 1)


class Client:
    """A client that believes what it is told, and nothing else."""

    def __init__(self, view: MailboxView) -> None:
        self.selected = Selected(a_mailbox(), view, lambda: None, read_only=False)
        self.uids = list(view.uids)
        self.flags = dict(zip(view.uids, view.flags, strict=True))

    def hear(self, *, expunges: bool) -> None:
        news = self.selected.take_news(expunges=expunges)
        assert expunges or not news.removed
        removed = [self.uids.pop(number - 1) for number in news.numbers]
        assert sorted(removed) == list(news.removed)
        if news.exists is not None:
            assert news.exists > len(self.uids)
            self._look_at_new(news.exists)
        assert list(news.flagged) == sorted(set(news.flagged))
        for number in news.flagged:
            place = self.selected.place(number - 1)
            if place is not None:  # nothing is said of a message that is gone
                self.flags[self.uids[number - 1]] = self.selected.view.flags[place]

    def _look_at_new(self, exists: int) -> None:
        """Fetch UID and flags of what is new."""
        columns = self.selected.columns()
        for index in range(len(self.uids), exists):
            self.uids.append(columns.uids[index])
            self.flags[columns.uids[index]] = columns.flags[index]

    def check(self) -> None:
        """The picture is that of the view, gone messages that weren't told of apart."""
        selected, view = self.selected, self.selected.view
        assert self.uids == list(selected.known_uids())
        columns = selected.columns()
        for index, uid in enumerate(self.uids):
            place = view.place(uid)
            assert (place is None) == (index in columns.gone)
            if place is not None:
                assert columns.flags[index] == view.flags[place] == self.flags[uid]


class Host:
    """Changes a view as commits do."""

    def __init__(self, view: MailboxView) -> None:
        self.view = view

    def add(self, count: int) -> None:
        uids = range(self.view.uid_next, self.view.uid_next + count)
        self.view.apply(Added(7, self.view.modseq + 1, uids, [0] * count, [10] * count))

    def flag(self, uids: Sequence[int], bits: int) -> None:
        self.view.apply(Flagged(7, self.view.modseq + 1, uids, [bits] * len(uids)))

    def remove(self, uids: Sequence[int]) -> None:
        self.view.apply(Removed(7, self.view.modseq + 1, uids))


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.integers(1, 3)),
        st.tuples(st.just("flag"), st.sets(st.integers(0, 30), min_size=1, max_size=5), st.integers(0, 31)),
        st.tuples(st.just("remove"), st.sets(st.integers(0, 30), min_size=1, max_size=5)),
        st.tuples(st.just("many")),
        st.tuples(st.just("hear"), st.integers(0, 2), st.booleans()),
    ),
    max_size=30,
)


@settings(max_examples=300, derandomize=True, deadline=None)
@given(st.integers(0, 10), STEPS)
def test_the_picture_comes_out_right(count: int, steps: list[tuple[Any, ...]]) -> None:
    """Three clients listen at different times; each ends with the mailbox as it is."""
    view = a_view(count)
    host, clients = Host(view), [Client(view) for _ in range(3)]

    for step in steps:
        match step:
            case "add", number:
                host.add(number)
            case "flag", places, bits:
                if uids := sorted({view.uids[place % len(view)] for place in places} if len(view) else ()):
                    host.flag(uids, bits)
            case "remove", places:
                if uids := sorted({view.uids[place % len(view)] for place in places} if len(view) else ()):
                    host.remove(uids)
            case ("many",):
                host.add(REMEMBERED + 1)
                host.remove(range(view.uid_next - REMEMBERED, view.uid_next))
            case "hear", which, expunges:
                clients[which].hear(expunges=expunges)
                clients[which].check()
    for client in clients:
        client.hear(expunges=True)
        client.check()
        assert client.uids == list(view.uids)
        assert client.selected.aligned
        assert not client.selected.has_news


def test_numbers_stay_until_they_may_change() -> None:
    """A message that another session removed keeps its place, and those behind it theirs."""
    view = a_view(3)
    client, host = Client(view), Host(view)

    host.remove([2])
    host.add(1)
    client.hear(expunges=False)

    assert client.uids == [1, 2, 3, 4]
    assert client.selected.columns().gone == {1}
    assert client.selected.positions(parse_set(b"3:*"), by_uid=False) == [range(2, 4)]
    assert client.selected.positions(parse_set(b"2:3"), by_uid=True) == [range(1, 3)]


def test_own_changes_are_not_told_twice() -> None:
    """Flags that the client set silently are told again only if somebody else changed them since."""
    view = a_view(3)
    client, host = Client(view), Host(view)

    host.flag([1, 2, 3], 1)
    client.selected.told(view.modseq)
    host.flag([2], 4)
    news = client.selected.take_news(expunges=True)

    assert news.flagged == [1, 2, 3]
    assert news.silent == {1, 3}


def test_what_others_changed_before_is_told() -> None:
    """Who sets flags silently doesn't know what somebody else set just before (RFC 3501 section 6.4.6)."""
    view = a_view(3)
    client, host = Client(view), Host(view)

    host.flag([2], 4)
    host.flag([1, 2, 3], 1)
    client.selected.told(view.modseq)
    news = client.selected.take_news(expunges=True)

    assert news.flagged == [1, 2, 3]
    assert news.silent == {1, 3}


def test_what_others_changed_before_is_told_although_it_is_forgotten() -> None:
    """So it is where the view doesn't remember who changed what: what went before the client's own change counts."""
    view = a_view(REMEMBERED + 1)
    client, host = Client(view), Host(view)
    everything = range(1, REMEMBERED + 2)

    host.flag(everything, 1)
    client.selected.told(view.modseq)
    first = client.selected.take_news(expunges=True)
    host.flag([2], 4)
    host.flag(everything, 5)
    client.selected.told(view.modseq)
    second = client.selected.take_news(expunges=True)

    assert first.silent == set(everything)
    assert 2 not in second.silent


def test_what_is_silent_need_not_be_looked_at_one_by_one() -> None:
    """Who isn't told mod-sequences hears of large changes of its own nothing, and of others' all."""
    view = a_view(REMEMBERED + 1)
    client, host = Client(view), Host(view)

    host.flag(range(1, REMEMBERED + 1), 1)
    client.selected.told(view.modseq)
    host.flag([2, REMEMBERED + 1], 4)
    news = client.selected.take_news(expunges=True, modseqs=False)

    assert (news.flagged, news.silent) == ([2, REMEMBERED + 1], set())


def test_what_others_changed_before_all_was_told() -> None:
    """Once all flags of a message were told, what somebody else set before is known too; what follows isn't."""
    view = a_view(3)
    client, host = Client(view), Host(view)

    host.flag([1, 2, 3], 4)
    host.flag([1, 2], 1)
    client.selected.told(view.modseq, {1, 2}, modseq_too=True)
    host.flag([2], 8)
    news = client.selected.take_news(expunges=True)

    assert news.flagged == [2, 3]
    assert news.silent == set()


def test_some_of_a_change_was_told() -> None:
    """What FETCH has told of its own change isn't told again; the rest of it is."""
    view = a_view(3)
    client, host = Client(view), Host(view)

    host.flag([1, 3], 1)
    client.selected.told(view.modseq, {3})
    news = client.selected.take_news(expunges=False)

    assert (news.flagged, news.silent) == ([1, 3], {3})


def test_saved_results_lose_what_is_gone() -> None:
    """ "$" never names a message that was expunged (RFC 5182 section 2.1)."""
    view = a_view(4)
    client, host = Client(view), Host(view)
    client.selected.saved = [1, 3, 4]

    host.remove([3])
    client.hear(expunges=True)

    assert list(client.selected.saved) == [1, 4]
    assert client.selected.positions(parse_set(b"$"), by_uid=False) == [range(1), range(2, 3)]


def test_recent_counts_from_the_first_untold() -> None:
    """RFC 3501 section 2.3.2."""
    view = a_view(4)
    selected = Selected(a_mailbox(), view, lambda: None, read_only=False, recent_from=4)

    assert selected.recent == 1
    Host(view).add(2)
    assert selected.take_news(expunges=True).recent == 3
