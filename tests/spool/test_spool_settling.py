"""Settlements, reports, and the races around them."""

from __future__ import annotations

from dataclasses import replace

import pytest
from spool_in_memory import LATER, NEVER, START, Site, deferred, delivered, failed, message, run

from twistedmail_mta.errors import TemporaryError
from twistedmail_mta.model import (
    NULL_PATH,
    Address,
    Claim,
    Deferred,
    Delivered,
    Failed,
    FailedRecipient,
    Message,
    Recipient,
    Reply,
    Report,
    Settlement,
    Unconfirmed,
    Withdrawn,
)
from twistedmail_mta.spool.operator_selection import Selection
from twistedmail_mta.spool.rows import REPLY_KEPT
from twistedmail_mta.spool.spool import REPORT_PATIENCE, Spool

EVERYTHING = Selection()


def accepted(spool: Spool, *recipients: str) -> tuple[Message, list[Claim]]:
    sent = message(spool, *recipients)
    return sent, list(run(spool.accept(sent, claim=True)))


def bounce(spool: Spool) -> Message:
    return message(spool, "ann@example.org", sender=NULL_PATH)


def test_settle_with_mixed_outcomes(spool: Spool, site: Site) -> None:
    """Each recipient goes its own way; the message stays for those that stay."""
    sent, claims = accepted(spool, "a@example.net", "b@example.net", "c@example.net", "d@example.net")

    kept = run(
        spool.settle(
            [
                delivered(claims[0]),
                deferred(claims[1]),
                failed(claims[2]),
                Settlement(claims[3], Unconfirmed(LATER), START, due=START + 60),
            ],
            None,
        )
    )

    assert kept
    read = run(spool.message(sent.id))
    assert read is not None
    assert [str(recipient.address) for recipient in read.envelope.recipients] == [
        "b@example.net",
        "c@example.net",
        "d@example.net",
    ]
    assert run(spool.next_due()) == START + 60
    site.assert_sound()


FORWARD = Recipient(
    Address("ann", "else.test"), frozenset({"FAILURE"}), "rfc822;all@example.net", forwarded_by="b.test"
)


def forwarded(claim: Claim, *recipients: Recipient) -> Settlement:
    settlement = delivered(claim)
    return replace(settlement, outcome=Delivered(Reply(250, "2.0.0", "Forwarded"), forwards=recipients))


def test_forwards_take_the_place_of_their_recipient(spool: Spool, site: Site) -> None:
    """With its end, in one transaction: due at once, on the same message, which doesn't go before they do."""
    sent, (claim,) = accepted(spool, "all@example.net")
    others = [Recipient(Address(f"u{n}", "else.test")) for n in range(3)]

    run(spool.settle([forwarded(claim, FORWARD, *others)], None))

    read = run(spool.message(sent.id))
    assert read is not None
    assert read.envelope.recipients == (FORWARD, *others)
    assert read.body == sent.body
    claims = run(spool.claim(10, frozenset()))
    assert [each.recipient for each in sorted(claims, key=lambda each: each.index)] == [FORWARD, *others]
    assert {(each.attempts, each.age) for each in claims} == {(0, 0.0)}
    run(spool.settle([delivered(claim)], None))
    assert site.count("recipient") == 4, "the claim that ended isn't theirs, though one has its place"
    site.assert_sound()
    run(spool.settle([delivered(each) for each in claims], None))
    assert site.count("message") == site.count("body") == 0


def test_forwards_of_a_lost_claim_are_not_kept(spool: Spool, site: Site) -> None:
    """Whoever holds it now makes them; the result of two attempts would be two copies."""
    _, (claim, other) = accepted(spool, "all@example.net", "team@example.net")

    run(spool.settle([forwarded(replace(claim, epoch=9), FORWARD), forwarded(other, FORWARD)], None))
    assert site.count("recipient") == 2
    run(spool.settle([forwarded(claim, FORWARD), forwarded(other, FORWARD)], None))

    assert site.count("recipient") == 2


def test_forwards_and_a_report_of_success(spool: Spool, site: Site) -> None:
    """The report that an alias was expanded, and what it was expanded to, are kept together."""
    sent, (claim, other) = accepted(spool, "all@example.net", "b@example.net")
    report = Report(sent.id, frozenset(), bounce(spool), frozenset({0}))

    assert run(spool.settle([forwarded(claim, FORWARD)], report))
    assert not run(spool.settle([forwarded(other, FORWARD)], replace(report, message=bounce(spool))))

    assert site.count("recipient") == 3  # two forwards and the one who is told
    site.assert_sound()


def test_settle_that_fails_changes_nothing(spool: Spool, site: Site) -> None:
    """The claim stays, for the queue to settle again."""
    _, (claim,) = accepted(spool, "a@example.net")
    site.database.refuse = True
    with pytest.raises(TemporaryError):
        run(spool.settle([delivered(claim)], None))
    site.database.refuse = False

    run(spool.settle([delivered(claim)], None))

    assert site.count("recipient") == 0


def test_deferred_needs_a_due_time(spool: Spool) -> None:
    """A recipient that is never due again would be lost silently."""
    _, (claim,) = accepted(spool, "a@example.net")

    with pytest.raises(ValueError):
        run(spool.settle([Settlement(claim, Deferred(LATER), START)], None))


def test_unreported_failures_are_listed(spool: Spool) -> None:
    """What the bounce needs is kept until it is sent: who, why, who said so, when."""
    sent, claims = accepted(spool, "a@example.net", "b@example.net")

    run(spool.settle([failed(claims[1], at=START + 5), deferred(claims[0])], None))

    outcome = Failed(NEVER, "mx.example.net [192.0.2.9]")
    assert run(spool.unreported(sent.id)) == [FailedRecipient(1, claims[1].recipient, outcome, START + 5)]


def test_long_replies_are_cut(spool: Spool) -> None:
    """A peer decides about its reply, not about our rows."""
    sent, (claim,) = accepted(spool, "a@example.net")

    run(spool.settle([Settlement(claim, Failed(Reply(550, "5.0.0", "x" * 100_000), "y" * 100_000), START)], None))

    (failure,) = run(spool.unreported(sent.id))
    assert len(failure.outcome.reply.text) == len(failure.outcome.remote) == REPLY_KEPT


def test_failure_and_bounce_in_one_transaction(spool: Spool, site: Site) -> None:
    """The failed message is gone exactly when its bounce is there, due at once."""
    sent, (claim,) = accepted(spool, "a@example.net")
    report = bounce(spool)

    assert run(spool.settle([failed(claim)], Report(sent.id, frozenset({0}), report)))

    assert run(spool.message(sent.id)) is None
    assert run(spool.message(report.id)) == report
    assert run(spool.next_due()) == START
    site.assert_sound()


def test_failure_of_a_bounce_is_told_to_nobody(spool: Spool, site: Site) -> None:
    """The null sender's failure goes without a trace in the spool."""
    sent, (claim,) = accepted(spool, "a@example.net")

    assert run(spool.settle([failed(claim)], Report(sent.id, frozenset({0}), None)))

    assert site.count("message") == site.count("body") == site.count("recipient") == 0


def test_bounce_is_refused_when_failures_changed(spool: Spool, site: Site) -> None:
    """A recipient that failed while the bounce was composed would never be reported."""
    sent, claims = accepted(spool, "a@example.net", "b@example.net")
    run(spool.settle([failed(claims[0])], None))
    run(spool.settle([failed(claims[1])], None))

    assert not run(spool.settle([], Report(sent.id, frozenset({0}), bounce(spool))))
    assert site.count("message") == 1

    assert run(spool.settle([], Report(sent.id, frozenset({0, 1}), bounce(spool))))
    assert run(spool.message(sent.id)) is None
    site.assert_sound()


def test_bounce_is_sent_once(spool: Spool, site: Site) -> None:
    """Two reports of the same failures, composed at the same time: the second is refused."""
    sent, claims = accepted(spool, "a@example.net", "b@example.net")
    run(spool.settle([failed(claims[0]), deferred(claims[1])], None))
    reports = [Report(sent.id, frozenset({0}), bounce(spool)) for _ in range(2)]

    kept = [run(spool.settle([], report)) for report in reports]

    assert kept == [True, False]
    assert site.count("message") == 2


def test_bounce_waits_for_recipients_still_tried(spool: Spool, site: Site) -> None:
    """Recipients that fail together share a bounce, but a slow one holds it up for a minute only."""
    sent, claims = accepted(spool, "a@example.net", "slow@example.net")
    report = Report(sent.id, frozenset({0}), bounce(spool))

    assert not run(spool.settle([failed(claims[0])], report))
    assert run(spool.reports_due(site.clock.seconds() - REPORT_PATIENCE)) == []
    assert [failure.index for failure in run(spool.unreported(sent.id))] == [0]

    site.clock.advance(REPORT_PATIENCE + 1)
    assert run(spool.reports_due(site.clock.seconds() - REPORT_PATIENCE)) == [sent.id]
    assert run(spool.settle([], report))


def test_reports_are_due_when_nothing_is_leased(spool: Spool, site: Site) -> None:
    """A deferred recipient doesn't hold up the report on those that failed."""
    sent, claims = accepted(spool, "a@example.net", "b@example.net")
    run(spool.settle([failed(claims[0])], None))
    assert run(spool.reports_due(0.0)) == []

    run(spool.settle([deferred(claims[1])], None))

    assert run(spool.reports_due(0.0)) == [sent.id]


def test_delay_warning_is_kept_with_its_settlement(spool: Spool, site: Site) -> None:
    """The warning is queued and counted in the same transaction."""
    sent, (claim,) = accepted(spool, "a@example.net")

    assert run(spool.settle([deferred(claim, warned=True)], Report(sent.id, frozenset(), bounce(spool))))

    assert site.count("message") == 2
    assert site.rows("SELECT warnings FROM recipient WHERE message = ?", sent.id) == [(1,)]


def test_success_is_reported_with_its_delivery(spool: Spool, site: Site) -> None:
    """The report is queued in the transaction in which the recipient goes."""
    sent, (asked, other) = accepted(spool, "a@example.net", "b@example.net")

    report = Report(sent.id, frozenset(), bounce(spool), frozenset({0}))
    assert run(spool.settle([delivered(asked), delivered(other)], report))

    assert site.rows("SELECT id FROM message WHERE id <> ?", sent.id) != []
    assert site.rows("SELECT id FROM message WHERE id = ?", sent.id) == []


def test_success_of_a_lost_claim_is_not_reported(spool: Spool, site: Site) -> None:
    """Who claimed it since will report by itself."""
    sent, (claim,) = accepted(spool, "a@example.net")
    run(spool.release_claims([claim]))
    run(spool.claim(1, frozenset()))

    assert not run(spool.settle([delivered(claim)], Report(sent.id, frozenset(), bounce(spool), frozenset({0}))))

    assert site.rows("SELECT id FROM message") == [(sent.id,)]


def test_delay_warning_of_a_lost_claim_is_refused(spool: Spool, site: Site) -> None:
    """Who claimed it since will warn by itself."""
    sent, (claim,) = accepted(spool, "a@example.net")
    run(spool.release_claims([claim]))
    run(spool.claim(1, frozenset()))

    assert not run(spool.settle([deferred(claim, warned=True)], Report(sent.id, frozenset(), bounce(spool))))

    assert site.count("message") == 1


def test_a_claim_settles_once(spool: Spool, site: Site) -> None:
    """Told twice, it counts once: the first settlement ended its epoch."""
    _, (claim,) = accepted(spool, "a@example.net")

    run(spool.settle([deferred(claim)], None))
    run(spool.settle([failed(claim)], None))

    assert site.rows("SELECT state, attempts FROM recipient") == [("waiting", 1)]


def test_withdrawn_is_no_attempt(spool: Spool) -> None:
    """Nothing was tried, nothing counts; without a wish it waits as before."""
    _, (claim,) = accepted(spool, "a@example.net")

    run(spool.settle([Settlement(claim, Withdrawn(), START)], None))

    (again,) = run(spool.claim(1, frozenset()))
    assert again.attempts == 0


@pytest.mark.parametrize(
    ("outcome", "state"),
    [("delivered", None), ("deferred", "held"), ("failed", "held"), ("withdrawn", "held")],
)
def test_hold_of_a_claimed_recipient(spool: Spool, site: Site, outcome: str, state: str | None) -> None:
    """It is held when the attempt ends, unless it was delivered; the runner is told meanwhile."""
    _, (claim,) = accepted(spool, "a@example.net")
    assert spool.wanted(claim)

    assert run(site.control.change("hold", EVERYTHING)) == 1
    assert not spool.wanted(claim)
    run(spool.settle([settlement(claim, outcome)], None))

    assert [row[0] for row in site.rows("SELECT state FROM recipient")] == ([] if state is None else [state])
    assert run(spool.reports_due(START + 1e6)) == []
    assert spool.wanted(claim)  # forgotten: it is nobody's any more
    site.assert_sound()


@pytest.mark.parametrize("outcome", ["delivered", "deferred", "failed", "withdrawn"])
def test_delete_of_a_claimed_recipient(spool: Spool, site: Site, outcome: str) -> None:
    """It goes when the attempt ends, without a bounce; body and file go with the last."""
    _, (claim,) = accepted(spool, "a@example.net")

    assert run(site.control.change("delete", EVERYTHING)) == 1
    assert not spool.wanted(claim)
    assert site.count("recipient") == 1
    run(spool.settle([settlement(claim, outcome)], None))

    assert site.count("message") == site.count("body") == site.count("recipient") == 0


def settlement(claim: Claim, outcome: str) -> Settlement:
    if outcome == "withdrawn":
        return Settlement(claim, Withdrawn(), START)
    return {"delivered": delivered, "deferred": deferred, "failed": failed}[outcome](claim)


def test_bounce_composed_for_a_recipient_that_was_deleted(spool: Spool, site: Site) -> None:
    """The operator wished it away while the bounce was composed: no bounce."""
    sent, (claim,) = accepted(spool, "a@example.net")
    run(site.control.change("delete", EVERYTHING))

    assert not run(spool.settle([failed(claim)], Report(sent.id, frozenset({0}), bounce(spool))))

    assert site.count("message") == 0


def test_a_claim_given_back_is_held_as_wished(spool: Spool, site: Site) -> None:
    """The wish is carried out and forgotten also when no attempt was made."""
    _, claims = accepted(spool, "a@example.net", "b@example.net")
    run(site.control.change("hold", Selection(to="a@*")))
    run(site.control.change("delete", Selection(to="b@*")))

    run(spool.release_claims(claims))

    assert site.rows("SELECT local, state FROM recipient") == [("a", "held")]
    assert all(spool.wanted(claim) for claim in claims)


def test_released_wish_lets_the_attempt_count(spool: Spool, site: Site) -> None:
    """Hold and release during one attempt leave things as they were."""
    _, (claim,) = accepted(spool, "a@example.net")
    run(site.control.change("hold", EVERYTHING))

    assert run(site.control.change("release", EVERYTHING)) == 1

    assert spool.wanted(claim)
    run(spool.settle([deferred(claim)], None))
    assert site.rows("SELECT state FROM recipient") == [("waiting",)]


def test_delete_between_claim_and_settle_of_another(spool: Spool, site: Site) -> None:
    """A settle finds its row gone, and says nothing about it."""
    _, claims = accepted(spool, "a@example.net", "b@example.net")
    run(spool.release_claims(claims))
    run(site.control.change("delete", Selection(to="a@*")))

    run(spool.settle([deferred(claims[0])], None))

    assert site.rows("SELECT local FROM recipient") == [("b",)]


def test_sender_of_reports_is_kept_apart(spool: Spool, site: Site) -> None:
    """A bounce shares nothing with its cause: deleting one leaves the other."""
    sent, claims = accepted(spool, "a@example.net", "b@example.net")
    run(spool.settle([failed(claims[0]), deferred(claims[1])], Report(sent.id, frozenset({0}), bounce(spool))))

    assert run(site.control.change("delete", Selection(sender="<>"))) == 1

    assert run(spool.message(sent.id)) is not None
    assert Address("b", "example.net") in {r.address for r in run(spool.message(sent.id)).envelope.recipients}


def test_the_class_of_a_deferral_is_kept_until_the_next_attempt(spool: Spool, site: Site) -> None:
    """The queue can be counted by it; an answer that has no class leaves none behind."""
    _, (claim,) = accepted(spool, "a@example.net")

    run(spool.settle([replace(deferred(claim, START), reason="greylisted")], None))
    assert site.rows("SELECT reason, warnings FROM recipient") == [("greylisted", 0)]

    (again,) = run(spool.claim(1, frozenset()))
    run(spool.settle([replace(deferred(again), warned=True)], None))
    assert site.rows("SELECT reason, warnings FROM recipient") == [(None, 1)]
