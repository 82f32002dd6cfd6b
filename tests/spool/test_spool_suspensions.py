"""Suspensions in the spool: what waits, for what, and for how long."""

from __future__ import annotations

import pytest
from spool_in_memory import START, Site, deferred, delivered, message, run

from twistedmail_mta.errors import TemporaryError
from twistedmail_mta.model import FileBody, Suspended
from twistedmail_mta.spool.operator_selection import Selection
from twistedmail_mta.spool.spool import Spool

NOTHING = frozenset[str]()
DOMAIN = Suspended("domain", "example.net")


def accept(spool: Spool, *recipients: str, claim: bool = False) -> list:
    return list(run(spool.accept(message(spool, *recipients), claim=claim)))


def states(site: Site) -> list[str]:
    return [state for (state,) in site.rows("SELECT state FROM recipient ORDER BY message, n")]


@pytest.mark.parametrize(
    ("what", "expected"),
    [
        (Suspended("all"), ["suspended", "suspended"]),
        (DOMAIN, ["suspended", "waiting"]),
        (Suspended("account", "ann@example.org"), ["suspended", "suspended"]),
        (Suspended("account", "tim@example.org"), ["waiting", "waiting"]),
        (Suspended("lane", "example.net"), ["waiting", "waiting"]),
    ],
)
def test_what_waits_is_parked_at_once(spool: Spool, site: Site, what: Suspended, expected: list[str]) -> None:
    """Except for a lane: which recipients belong to it is known when their turn comes."""
    accept(spool, "a@example.net", "b@example.org")

    assert run(site.control.suspend(what)) == expected.count("suspended")

    assert states(site) == expected
    assert [claim.index for claim in run(spool.claim(5, NOTHING))] == [
        n for n, state in enumerate(expected) if state == "waiting"
    ]
    assert [each.what for each in run(spool.suspensions())] == [what]


def test_time_suspended_does_not_count(spool: Spool, site: Site) -> None:
    """As on hold, the age stands still; the due time stays as it was."""
    accept(spool, "a@example.net")
    site.clock.advance(40)
    run(site.control.suspend(DOMAIN))
    site.clock.advance(60)

    assert run(site.control.resume(DOMAIN)) == 1

    (claim,) = run(spool.claim(5, NOTHING))
    assert claim.age == pytest.approx(40)
    assert site.rows("SELECT due FROM recipient") == [(START,)]
    assert site.count("suspension") == 0
    site.assert_sound()


def test_claimed_recipients_are_parked_by_the_runner(spool: Spool, site: Site) -> None:
    """A claim ends without an attempt, and its time from then on doesn't count."""
    claims = accept(spool, "a@example.net", "b@example.net", claim=True)
    run(site.control.suspend(DOMAIN))
    (suspension,) = run(spool.suspensions())
    site.clock.advance(10)

    run(spool.park(claims, suspension.id))
    site.clock.advance(50)

    assert states(site) == ["suspended", "suspended"]
    assert run(site.control.suspended()) == [(suspension, 2)]
    assert run(site.control.resume(DOMAIN)) == 2
    assert [(claim.age, claim.attempts) for claim in run(spool.claim(5, NOTHING))] == [(10, 0), (10, 0)]
    site.assert_sound()


def test_a_parked_claim_is_gone(spool: Spool, site: Site) -> None:
    """Whoever settles it later is refused by its epoch."""
    claims = accept(spool, "a@example.net", claim=True)
    run(site.control.suspend(DOMAIN))
    run(spool.park(claims, run(spool.suspensions())[0].id))

    run(spool.settle([delivered(claims[0])], None))

    assert states(site) == ["suspended"]


def test_parking_for_a_suspension_that_ended_gives_back(spool: Spool, site: Site) -> None:
    """The runner may be late: nothing waits for what is over."""
    claims = accept(spool, "a@example.net", claim=True)
    run(site.control.suspend(DOMAIN))
    (suspension,) = run(spool.suspensions())
    run(site.control.resume(DOMAIN))

    run(spool.park(claims, suspension.id))

    assert states(site) == ["waiting"]
    assert len(run(spool.claim(5, NOTHING))) == 1


def test_wishes_go_before_parking(spool: Spool, site: Site) -> None:
    """What was held, deleted or bounced while claimed is just that."""
    sent = message(spool, "h@example.net", "d@example.net", "b@example.net", "p@example.net", body=FileBody("big", 9))
    claims = list(run(spool.accept(sent, claim=True)))
    for action in ("hold", "delete", "bounce"):
        run(site.control.change(action, Selection(to=f"{action[0]}@*")))
    run(site.control.suspend(DOMAIN))

    run(spool.park(claims, run(spool.suspensions())[0].id))

    assert states(site) == ["held", "failed", "suspended"]
    site.assert_sound()


def test_operators_act_on_what_is_suspended(spool: Spool, site: Site) -> None:
    """Hold, delete and bounce take it out; retry and release leave it where it is."""
    accept(spool, "h@example.net", "d@example.net", "b@example.net", "r@example.net")
    run(site.control.suspend(DOMAIN))

    assert run(site.control.change("retry", Selection())) == 0
    assert run(site.control.change("release", Selection())) == 0
    for action in ("hold", "delete", "bounce"):
        assert run(site.control.change(action, Selection(to=f"{action[0]}@*"))) == 1

    assert states(site) == ["held", "failed", "suspended"]
    assert run(site.control.resume(DOMAIN)) == 1
    assert states(site) == ["held", "failed", "waiting"]
    site.assert_sound()


def test_held_while_suspended_counts_once(spool: Spool, site: Site) -> None:
    """From the suspension to the release nothing counts."""
    accept(spool, "a@example.net")
    run(site.control.suspend(DOMAIN))
    site.clock.advance(30)
    run(site.control.change("hold", Selection()))
    site.clock.advance(30)
    run(site.control.resume(DOMAIN))
    site.clock.advance(30)
    run(site.control.change("release", Selection()))

    (claim,) = run(spool.claim(5, NOTHING))

    assert claim.age == pytest.approx(0)


def test_one_suspension_of_a_name(spool: Spool, site: Site) -> None:
    """Suspended twice is suspended once, resumed it is; what isn't suspended can't be resumed."""
    accept(spool, "a@example.net")

    assert run(site.control.suspend(DOMAIN)) == 1
    assert run(site.control.suspend(DOMAIN)) == 1
    assert len(run(spool.suspensions())) == 1
    assert run(site.control.resume(DOMAIN)) == 1
    assert run(site.control.resume(DOMAIN)) is None
    assert run(spool.suspensions()) == []
    assert run(site.control.suspend(DOMAIN)) == 1


def test_a_server_finishes_what_an_operator_began(spool: Spool, site: Site) -> None:
    """A command that dies after it ended the suspension leaves nobody waiting."""
    accept(spool, "a@example.net")
    run(site.control.suspend(DOMAIN))
    site.database.connection.execute("UPDATE suspension SET ended = 1")
    run(site.control.suspend(Suspended("account", "tim@example.org")))
    site.clock.advance(50)

    assert [each.what.kind for each in run(spool.suspensions())] == ["account"]

    assert states(site) == ["waiting"]
    assert site.count("suspension") == 1


def test_suspensions_outlive_processes(spool: Spool, site: Site) -> None:
    """They are rows."""
    accept(spool, "a@example.net")
    run(site.control.suspend(DOMAIN))

    after = site.start(process=1)

    assert [each.what for each in run(after.suspensions())] == [DOMAIN]
    assert not run(after.claim(5, NOTHING))


def test_a_full_disk_is_told(spool: Spool, site: Site) -> None:
    """Neither a suspension nor its end is only half known."""
    site.database.refuse = True

    with pytest.raises(TemporaryError):
        run(site.control.suspend(DOMAIN))

    assert run(site.control.suspended()) == []


def test_functions_that_run_twice(spool: Spool, site: Site) -> None:
    """A group of writes may be run again after it was rolled back."""
    site.database.twice = True
    claims = accept(spool, "a@example.net", claim=True)
    accept(spool, "b@example.net")

    assert run(site.control.suspend(DOMAIN)) == 1
    run(spool.park(claims, run(spool.suspensions())[0].id))
    assert run(site.control.resume(DOMAIN)) == 2
    site.assert_sound()


def test_deferred_while_suspended_waits_for_its_turn(spool: Spool, site: Site) -> None:
    """An attempt under way ends as it does; the runner parks what is due later."""
    (claim,) = accept(spool, "a@example.net", claim=True)
    run(site.control.suspend(DOMAIN))

    run(spool.settle([deferred(claim, due=START + 10)], None))

    assert states(site) == ["waiting"]
    assert run(spool.next_due()) == START + 10
