"""Bounce, reroute, the later predicates and the summary."""

from __future__ import annotations

from dataclasses import replace

import pytest
from spool_in_memory import START, Site, deferred, delivered, failed, message, run

from twistedmail_mta.model import Reply, Settlement, Via, Withdrawn
from twistedmail_mta.spool.operator_selection import Selection
from twistedmail_mta.spool.operator_summary import AGES
from twistedmail_mta.spool.spool import Spool

NOTHING = frozenset[str]()
REJECTED = Reply(550, "5.7.1", "Rejected by the administrator of this mail system")


def accept(spool: Spool, *recipients: str, account: str | None = None, claim: bool = False) -> list:
    sent = message(spool, *recipients)
    sent = replace(sent, origin=replace(sent.origin, account=account))
    return list(run(spool.accept(sent, claim=claim)))


def failures(site: Site, spool: Spool) -> dict[str, Reply]:
    return {
        str(each.recipient.address): each.outcome.reply
        for message_id in run(spool.reports_due(START))
        for each in run(spool.unreported(message_id))
    }


def test_bounce_fails_what_waits(spool: Spool, site: Site) -> None:
    """Waiting, held and suspended alike; what failed before keeps its own reason."""
    claims = accept(spool, "a@example.net", "b@example.net", "f@example.net", claim=True)
    run(spool.settle([deferred(claims[0]), deferred(claims[1]), failed(claims[2])], None))
    run(site.control.change("hold", Selection(to="b@*")))
    site.clock.advance(5)

    assert run(site.control.change("bounce", Selection())) == 2

    found = failures(site, spool)
    assert found["a@example.net"] == found["b@example.net"] == REJECTED
    assert found["f@example.net"].status == "5.1.1"
    assert run(spool.next_due()) is None
    site.assert_sound()


@pytest.mark.parametrize("ending", ["deferred", "withdrawn", "released", "crashed"])
def test_bounce_of_a_claimed_recipient(spool: Spool, site: Site, ending: str) -> None:
    """However an attempt ends without delivery, it is the last."""
    (claim,) = accept(spool, "a@example.net", claim=True)

    assert run(site.control.change("bounce", Selection())) == 1
    assert not spool.wanted(claim)
    if ending == "deferred":
        run(spool.settle([deferred(claim)], None))
    elif ending == "withdrawn":
        run(spool.settle([Settlement(claim, Withdrawn(), START)], None))
    elif ending == "released":
        run(spool.release_claims([claim]))
    else:
        site.boot = "second-boot"
        spool = site.start()
        run(site.sweep.give_back_claims())

    assert failures(site, spool) == {"a@example.net": REJECTED}
    site.assert_sound()


def test_delivery_goes_before_bounce(spool: Spool, site: Site) -> None:
    """What arrived is not reported as failed."""
    (claim,) = accept(spool, "a@example.net", claim=True)
    run(site.control.change("bounce", Selection()))

    run(spool.settle([delivered(claim)], None))

    assert site.count("recipient") == site.count("message") == 0


def test_reroute_goes_with_the_claim(spool: Spool, site: Site) -> None:
    """From the next attempt on, which is due now, until it is taken back."""
    (claim,) = accept(spool, "a@example.net", claim=True)
    run(spool.settle([deferred(claim, due=START + 900)], None))

    assert run(site.control.reroute("smtp://relay.example.net:26", "required", Selection())) == 1
    (again,) = run(spool.claim(5, NOTHING))
    assert again.recipient.via == Via("smtp://relay.example.net:26", "required")

    run(spool.settle([deferred(again, due=START)], None))
    (third,) = run(spool.claim(5, NOTHING))
    assert third.recipient == again.recipient

    run(spool.release_claims([third]))
    assert run(site.control.reroute(None, "opportunistic", Selection())) == 1
    assert [each.recipient.via for each in run(spool.claim(5, NOTHING))] == [None]


def test_reroute_of_a_claimed_recipient(spool: Spool, site: Site) -> None:
    """An attempt that has not begun doesn't: it goes the new way."""
    (claim,) = accept(spool, "a@example.net", claim=True)

    assert run(site.control.reroute("smtp://relay.example.net", "none", Selection())) == 1
    assert not spool.wanted(claim)
    run(spool.settle([Settlement(claim, Withdrawn(), START)], None))

    (again,) = run(spool.claim(5, NOTHING))
    assert again.recipient.via == Via("smtp://relay.example.net", "none")
    assert spool.wanted(again)


def test_reroute_leaves_held_mail_held(spool: Spool, site: Site) -> None:
    """It takes the new way when it is released."""
    accept(spool, "a@example.net")
    run(site.control.change("hold", Selection()))
    run(site.control.reroute("smtp://relay.example.net", "none", Selection()))

    assert not run(spool.claim(5, NOTHING))
    run(site.control.change("release", Selection()))
    assert run(spool.claim(5, NOTHING))[0].recipient.via is not None


def test_operators_take_back_what_a_plugin_chose(spool: Spool, site: Site) -> None:
    """The way of the site file is that of the router again."""
    sent = message(spool, "a@example.net")
    (recipient,) = sent.envelope.recipients
    chosen = replace(recipient, via=Via("smtp://filter.example.net"))
    run(spool.accept(replace(sent, envelope=replace(sent.envelope, recipients=(chosen,))), claim=False))

    assert run(site.control.reroute(None, "opportunistic", Selection())) == 1

    assert [each.recipient for each in run(spool.claim(5, NOTHING))] == [recipient]


@pytest.fixture
def mixed(spool: Spool, site: Site) -> None:
    """Mail of three ages, with and without logins, one tried."""
    accept(spool, "old@example.net", account="ann@example.org")
    site.clock.advance(7000)
    (claim,) = accept(spool, "tried@example.net", account="tim@example.org", claim=True)
    run(spool.settle([deferred(claim, due=START + 90_000)], None))
    site.rows("UPDATE recipient SET reason = 'full' WHERE local = 'tried'")
    site.clock.advance(900)
    accept(spool, "new@example.org", "more@example.org")


@pytest.mark.parametrize(
    ("selection", "found"),
    [
        (Selection(account="ann@example.org"), ["old"]),
        (Selection(reason="full"), ["tried"]),
        (Selection(reason="*TRY again*"), ["tried"]),
        (Selection(reason="451*"), ["tried"]),
        (Selection(reason="not tried yet"), ["old", "new", "more"]),
        (Selection(before=START + 7000), ["old", "tried"]),
        (Selection(before=START - 1), []),
        (Selection(reason="full", account="ann@example.org"), []),
        (Selection(domain="example.org", before=START + 8000), ["new", "more"]),
    ],
)
@pytest.mark.usefixtures("mixed")
def test_later_predicates(site: Site, selection: Selection, found: list[str]) -> None:
    """By login, by what the last answer was, by age; together they all apply."""
    assert run(site.control.change("hold", selection)) == len(found)

    assert [
        local for (local,) in site.rows("SELECT local FROM recipient WHERE state = 'held' ORDER BY message, n")
    ] == found


@pytest.mark.parametrize(
    ("by", "expected"),
    [
        ("domain", {"example.net": (0, 1, 1), "example.org": (2, 0, 0)}),
        ("account", {"ann@example.org": (0, 0, 1), "tim@example.org": (0, 1, 0), "": (2, 0, 0)}),
        ("reason", {"not tried yet": (2, 0, 1), "full": (0, 1, 0)}),
        ("age", {"": (2, 1, 1)}),
        ("lane", {"example.net": (0, 1, 0), "way smtp://relay:25": (0, 0, 1), "example.org": (2, 0, 0)}),
    ],
)
@pytest.mark.parametrize("rows", [1, 2, 10_000])
@pytest.mark.usefixtures("mixed")
def test_summaries(
    site: Site, monkeypatch: pytest.MonkeyPatch, by: str, expected: dict[str, tuple[int, ...]], rows: int
) -> None:
    """Groups, each with its recipients by age; wherever the table is cut."""
    monkeypatch.setattr("twistedmail_mta.spool.operator_selection.STRETCH", rows)
    run(site.control.reroute("smtp://relay:25", "none", Selection(to="old@*")))

    groups = run(site.control.summary(by, Selection()))  # type: ignore[arg-type]

    empty = [0] * (len(AGES) - 2)
    assert groups == {name: [*numbers, *empty] for name, numbers in expected.items()}


@pytest.mark.usefixtures("mixed")
def test_summary_of_a_selection(site: Site) -> None:
    """Only what is meant counts, by id too."""
    ((old,),) = site.rows("SELECT message FROM recipient WHERE local = 'old'")

    assert run(site.control.summary("domain", Selection(ids=(old,)))) == {"example.net": [0, 0, 1, 0, 0, 0, 0]}
    assert run(site.control.summary("domain", Selection(to="nobody@*"))) == {}
