"""Operators look at the queue and change it."""

from __future__ import annotations

import json
from dataclasses import asdict

import pytest
from spool_in_memory import START, Site, deferred, failed, message, run

from twistedmail_mta.errors import TemporaryError
from twistedmail_mta.model import NULL_PATH, Address, FileBody, Message, Recipient, id_text
from twistedmail_mta.spool import stretch
from twistedmail_mta.spool.operator import QueueCounts, QueuedRecipient
from twistedmail_mta.spool.operator_selection import Selection
from twistedmail_mta.spool.spool import Spool

NOTHING = frozenset[str]()


def accept(spool: Spool, *recipients: str | Recipient, **options: object) -> Message:
    sent = message(spool, *recipients, **options)  # type: ignore[arg-type]
    run(spool.accept(sent, claim=False))
    return sent


@pytest.fixture
def three(spool: Spool) -> list[Message]:
    return [
        accept(spool, "a@example.net", "b@example.org"),
        accept(spool, "c@sub.example.net", sender=NULL_PATH),
        accept(spool, "A_d@example.net", sender=Address("Tim", "example.com")),
    ]


@pytest.mark.parametrize(
    ("selection", "found"),
    [
        (Selection(), [0, 1, 2]),
        (Selection(to="*@example.net"), [0, 2]),
        (Selection(to="a@example.net"), [0]),
        (Selection(to="a?d@example.net"), [2]),
        (Selection(to="a_d@EXAMPLE.net"), [2]),
        (Selection(to="%"), []),
        (Selection(domain="example.net"), [0, 2]),
        (Selection(domain="example.org", to="a@*"), []),
        (Selection(sender="tim@*"), [2]),
        (Selection(sender="<>"), [1]),
        (Selection(sender="<ann@example.org>"), [0]),
        (Selection(ids=()), []),
    ],
)
def test_selections(site: Site, three: list[Message], selection: Selection, found: list[int]) -> None:
    """Patterns are those of a shell, in any case; all that is given must apply."""
    messages, rest = run(site.control.messages(selection))

    assert [one.id for one in messages] == [id_text(three[index].id) for index in found]
    assert rest is None


def test_selection_by_id(site: Site, three: list[Message]) -> None:
    """Ids that are gone are passed over; other conditions still count."""
    ids = (three[2].id, 4711, three[0].id)

    messages, _ = run(site.control.messages(Selection(ids=ids)))
    filtered, _ = run(site.control.messages(Selection(ids=ids, sender="tim@*")))

    assert [one.id for one in messages] == [id_text(three[0].id), id_text(three[2].id)]
    assert [one.id for one in filtered] == [id_text(three[2].id)]


def test_a_pattern_with_brackets_is_literal(spool: Spool, site: Site) -> None:
    """Address literals can be asked for."""
    accept(spool, Recipient(Address("a", "[192.0.2.1]")))

    messages, _ = run(site.control.messages(Selection(to="*@[192.0.2.1]")))

    assert len(messages) == 1


@pytest.mark.parametrize("rows", [1, 2, 3, 10_000])
def test_pages_are_complete_whatever_their_size(
    spool: Spool, site: Site, monkeypatch: pytest.MonkeyPatch, rows: int
) -> None:
    """Wherever a stretch or a page ends, each message comes once and whole."""
    monkeypatch.setattr("twistedmail_mta.spool.operator_selection.STRETCH", rows)
    sent = [accept(spool, *(f"u{n}@d{count}.example" for n in range(count))) for count in (1, 3, 2, 4, 1, 5)]

    for limit in (1, 2, 4, 100):
        for selection, expected in ((Selection(), sent), (Selection(to="u2@*"), [sent[1], sent[3], sent[5]])):
            found, place = [], -1
            while place is not None:
                page, place = run(site.control.messages(selection, place, limit))
                assert len(page) <= limit
                found.extend(page)
            assert [one.id for one in found] == [id_text(one.id) for one in expected]
            assert all(len(one.recipients) in {1, 2, 3, 4, 5} for one in found)
            assert [len(one.recipients) for one in found] == [len(one.envelope.recipients) for one in expected]


def test_show_says_everything(spool: Spool, site: Site) -> None:
    """Who, when, how often, and what the far end said; ready for JSON."""
    sent = accept(spool, "a@example.net", "b@example.net", "c@example.net", "d@example.net")
    claims = run(spool.claim(3, NOTHING))
    run(spool.settle([deferred(claims[0], due=START + 300), failed(claims[1])], None))
    run(site.control.change("hold", Selection(to="c@*")))
    run(site.control.change("hold", Selection(to="d@*")))

    shown = run(site.control.message(sent.id))

    assert shown is not None
    assert (shown.id, shown.sender, shown.size) == (id_text(sent.id), "ann@example.org", sent.size)
    assert (shown.account, shown.peer, shown.received_at) == ("ann@example.org", "192.0.2.1", START)
    remote = "mx.example.net [192.0.2.9]"
    assert shown.recipients == (
        QueuedRecipient(
            "a@example.net", "waiting", 1, START + 300, START, "451 4.3.0 Try again later", remote, None, 0
        ),
        QueuedRecipient("b@example.net", "failed", 1, START, START, "550 5.1.1 No such user", remote, None, 0),
        QueuedRecipient("c@example.net", "active", 0, START, None, "", "", "hold", 0),
        QueuedRecipient("d@example.net", "held", 0, START, None, "", "", None, 0),
    )
    assert json.loads(json.dumps(asdict(shown)))["recipients"][0]["state"] == "waiting"


def test_show_of_what_is_gone(site: Site, spool: Spool) -> None:
    """It is None, not an error."""
    assert run(site.control.message(4711)) is None


def test_counts_add_up(spool: Spool, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stretches are summed, and a message that is cut by one counts once."""
    monkeypatch.setattr("twistedmail_mta.spool.operator.STRETCH", 2)
    accept(spool, "a@example.net", "b@example.net", "c@example.net")
    accept(spool, "h@example.net", "i@example.net")
    run(site.control.change("hold", Selection(to="h@*")))
    claims = run(spool.claim(2, NOTHING))
    run(spool.settle([failed(claims[0])], None))

    assert run(site.control.counts()) == QueueCounts(messages=2, recipients=5, active=1, waiting=2, held=1, failed=1)


def test_counts_of_an_empty_queue(spool: Spool, site: Site) -> None:
    """Nothing is zero."""
    assert run(site.control.counts()) == QueueCounts()


def test_retry_makes_waiting_recipients_due(spool: Spool, site: Site) -> None:
    """Only those not tried now and not held; the attempts made still count."""
    accept(spool, "a@example.net", "b@example.net", "c@example.net")
    claims = run(spool.claim(2, NOTHING))
    run(spool.settle([deferred(claims[0], due=START + 300)], None))
    run(site.control.change("hold", Selection(to="c@*")))
    site.clock.advance(5)

    assert run(site.control.change("retry", Selection())) == 1

    (claim,) = run(spool.claim(5, NOTHING))
    assert (claim.index, claim.attempts) == (0, 1)


def test_retry_hastens_only(spool: Spool, site: Site) -> None:
    """What is overdue keeps its place in the order."""
    accept(spool)
    site.clock.advance(500)

    run(site.control.change("retry", Selection()))

    assert run(spool.next_due()) == START


def test_postpone(spool: Spool, site: Site) -> None:
    """Later or sooner; what is tried now, and what is on hold, is left alone."""
    accept(spool, "a@example.net", "b@example.net", "c@example.net")
    run(site.control.change("hold", Selection(to="c@*")))
    (claim,) = run(spool.claim(1, NOTHING))

    assert run(site.control.postpone(START + 900, Selection())) == 1
    assert run(spool.next_due()) == START + 900
    run(spool.settle([deferred(claim, due=START + 300)], None))
    assert run(site.control.postpone(START + 60, Selection(to="a@*"))) == 1
    assert run(spool.next_due()) == START + 60

    site.clock.advance(900)
    assert sorted(claim.index for claim in run(spool.claim(5, NOTHING))) == [0, 1]


def test_hold_and_release(spool: Spool, site: Site) -> None:
    """A held recipient is never due; released it is again, when it was."""
    accept(spool, "a@example.net", "b@example.net")

    assert run(site.control.change("hold", Selection())) == 2
    assert run(site.control.change("hold", Selection())) == 0
    assert run(spool.next_due()) is None
    assert run(site.control.change("release", Selection(to="a@*"))) == 1
    assert run(site.control.change("release", Selection(to="a@*"))) == 0

    assert [claim.index for claim in run(spool.claim(5, NOTHING))] == [0]
    site.assert_sound()


def test_delete_takes_message_and_file_with_the_last_recipient(spool: Spool, site: Site) -> None:
    """Failures nobody was told of go too: the operator knows."""
    accept(spool, "a@example.net", "b@example.net", body=FileBody("big", 100_000))
    (claim,) = run(spool.claim(1, NOTHING))
    run(spool.settle([failed(claim)], None))

    assert run(site.control.change("delete", Selection(to="b@*"))) == 1
    assert site.files.removed == []
    assert run(site.control.change("delete", Selection())) == 1

    assert site.files.removed == ["big"]
    assert site.count("message") == site.count("body") == 0


def test_a_change_of_many_is_made_in_slices(spool: Spool, site: Site) -> None:
    """More than one transaction can take: every one is changed, once."""
    accept(spool, *(f"u{n}@example.net" for n in range(2 * stretch.SLICE + 1)))
    site.database.urgent.clear()

    assert run(site.control.change("hold", Selection())) == 2 * stretch.SLICE + 1
    assert site.database.urgent == [True] * 3


def test_a_change_on_a_full_disk_says_so(spool: Spool, site: Site) -> None:
    """The error crosses; nothing changed."""
    accept(spool)
    site.database.refuse = True

    with pytest.raises(TemporaryError):
        run(site.control.change("delete", Selection()))

    assert site.count("message") == 1


def test_wishes_of_others_claims_are_not_remembered(site: Site) -> None:
    """What another process leases is not ours to remember, nor to forget."""
    other = site.start(process=1)
    (theirs,) = run(other.accept(message(other), claim=True))
    spool = site.start(process=2)

    run(site.control.change("hold", Selection()))

    assert spool.wanted(theirs)
    run(other.settle([deferred(theirs)], None))
    assert run(site.control.counts()).held == 1
