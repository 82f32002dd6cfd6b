"""Several processes, crashes, time down: who may hold claims, and what age means."""

from __future__ import annotations

from spool_in_memory import START, Site, deferred, delivered, message, run

from twistedmail_mta.model import Claim, FileBody
from twistedmail_mta.spool import owners
from twistedmail_mta.spool.operator_selection import Selection
from twistedmail_mta.spool.spool import Spool
from twistedmail_mta.spool.stretch import START as START_KEY
from twistedmail_mta.spool.tenure import LEASE, boot_name

NOTHING = frozenset[str]()


def claim_one(spool: Spool) -> Claim:
    (claim,) = run(spool.claim(1, NOTHING))
    return claim


def due_later(spool: Spool, due: float) -> None:
    (claim,) = run(spool.accept(message(spool), claim=True))
    run(spool.settle([deferred(claim, due=due)], None))


def test_restart_gives_back_the_claims_of_the_process_before(site: Site) -> None:
    """After kill -9 its own number says that it is dead: nothing waits for the lease."""
    spool = site.start()
    run(spool.accept(message(spool), claim=True))

    spool = site.start()
    released = run(site.sweep.give_back_claims())

    assert released == 1
    assert run(spool.next_due()) == START
    assert claim_one(spool).attempts == 0


def test_restart_keeps_every_due_time(site: Site) -> None:
    """A retry in two hours is in two hours, restart or not."""
    due_later(site.start(), START + 7200)

    site.clock.advance(600)
    spool = site.start()
    run(site.sweep.give_back_claims())

    assert run(spool.next_due()) == START + 7200


def test_another_boot_is_dead(site: Site) -> None:
    """A lease of before the reboot holds nobody up, whatever the clock since boot says."""
    run(site.start(process=1).renew())
    spool = site.start(process=1)
    run(spool.accept(message(spool), claim=True))

    site.boot = "second-boot"
    spool = site.start(process=2)
    run(site.sweep.give_back_claims())

    assert run(spool.next_due()) == START
    assert site.count("owner") == 1


def test_a_living_process_keeps_its_claims(site: Site) -> None:
    """Who renews in time loses nothing to the start or sweep of another."""
    first = site.start(process=1)
    run(first.accept(message(first), claim=True))
    site.clock.advance(LEASE - 1)
    run(first.renew())

    second = site.start(process=2)
    site.clock.advance(LEASE - 1)

    assert run(site.sweep.give_back_claims()) == 0
    assert run(second.next_due()) is None


def test_an_expired_lease_frees_the_claims(site: Site) -> None:
    """A process that hangs is taken for dead; the next sweep of another gives its claims back."""
    hanging = site.start(process=1)
    (claim,) = run(hanging.accept(message(hanging), claim=True))
    second = site.start(process=2)
    assert run(site.sweep.give_back_claims()) == 0

    site.clock.advance(LEASE + 1)
    assert run(site.sweep.give_back_claims()) == 1

    again = claim_one(second)
    assert again.epoch > claim.epoch


def test_settle_of_an_old_epoch_is_refused(site: Site) -> None:
    """Once another has claimed it, what the first one says doesn't count."""
    hanging = site.start(process=1)
    (old,) = run(hanging.accept(message(hanging), claim=True))
    second = site.start(process=2)
    site.clock.advance(LEASE + 1)
    run(site.sweep.give_back_claims())
    new = claim_one(second)

    run(hanging.settle([delivered(old)], None))
    assert site.count("recipient") == 1
    run(second.settle([delivered(new)], None))

    assert site.count("recipient") == 0


def test_a_stalled_process_may_still_settle_what_nobody_claimed(site: Site) -> None:
    """Its delivery is true, and forgetting it would deliver twice."""
    stalled = site.start(process=1)
    (claim,) = run(stalled.accept(message(stalled), claim=True))
    second = site.start(process=2)
    site.clock.advance(LEASE + 1)
    run(site.sweep.give_back_claims())

    run(stalled.renew())
    run(stalled.settle([delivered(claim)], None))

    assert run(second.next_due()) is None
    assert site.count("message") == 0


def test_a_stalled_process_doesn_t_bury_itself(site: Site) -> None:
    """Awake again, it renews before it looks for the dead."""
    spool = site.start()
    run(site.sweep.give_back_claims())
    run(spool.accept(message(spool), claim=True))
    site.clock.advance(LEASE + 1)

    assert run(site.sweep.give_back_claims()) == 0
    assert run(spool.next_due()) is None


def test_claims_that_came_back_to_life_are_left(site: Site) -> None:
    """Between the look and the change their owner has renewed: they are its own still."""
    stalled = site.start(process=1)
    kept = message(stalled, "keep@example.net", "delete@example.net")
    run(stalled.accept(kept, claim=True))
    run(site.control.change("delete", Selection(to="delete@*")))
    site.clock.advance(LEASE + 1)
    site.start(process=2)
    keys, _ = run(site.database.read(lambda tx: owners.orphaned(tx, START_KEY, 100)))
    run(stalled.renew())

    files = run(site.database.write(lambda tx: owners.give_back(tx, keys, START)))

    assert len(keys) == 2
    assert files == ()
    assert site.rows("SELECT count(*) FROM recipient WHERE owner IS NOT NULL") == [(2,)]


def test_a_crash_in_the_sweep_leaves_claims_to_be_found(site: Site) -> None:
    """The dead owner's row went, its claims did not: the next start finds them."""
    first = site.start(process=1)
    run(first.accept(message(first), claim=True))
    site.clock.advance(LEASE + 1)
    second = site.start(process=2)  # buries the first, and stops here

    third = site.start(process=2)
    run(site.sweep.give_back_claims())

    assert second is not third
    assert run(third.next_due()) == START


def test_an_operator_s_wish_outlives_the_process(site: Site) -> None:
    """Hold and delete of claimed recipients happen when their claims are given back."""
    first = site.start()
    for domain in ("hold.example", "delete.example", "free.example"):
        run(first.accept(message(first, f"a@{domain}", body=FileBody(domain, 100_000)), claim=True))
    run(site.control.change("hold", Selection(domain="hold.example")))
    run(site.control.change("delete", Selection(domain="delete.example")))

    site.start()
    run(site.sweep.give_back_claims())

    assert site.rows("SELECT domain, state FROM recipient ORDER BY n, message") == [
        ("hold.example", "held"),
        ("free.example", "waiting"),
    ]
    assert site.files.removed == ["delete.example"]
    site.assert_sound()


def test_many_claims_are_given_back_in_slices(site: Site) -> None:
    """More than a slice, less than all rows: none is forgotten."""
    first = site.start()
    run(first.accept(message(first, *(f"u{n}@example.net" for n in range(1200))), claim=True))

    spool = site.start()

    assert run(site.sweep.give_back_claims()) == 1200
    assert len(run(spool.claim(5000, NOTHING))) == 1200


def test_time_down_makes_nobody_older(site: Site) -> None:
    """Two hours without a server don't count towards the lifetime."""
    spool = site.start()
    run(spool.accept(message(spool), claim=False))
    site.clock.advance(100)
    run(spool.renew())
    site.clock.advance(7200)

    spool = site.start()
    site.clock.advance(10)

    assert claim_one(spool).age == 110.0


def test_downtime_adds_up(site: Site) -> None:
    """Every time down counts, those before a message was accepted don't."""
    spool = site.start()
    for _ in range(3):
        run(site.tenure.end())
        site.clock.advance(1000)
        spool = site.start()
    run(spool.accept(message(spool), claim=False))
    for _ in range(2):
        run(site.tenure.end())
        site.clock.advance(50)
        spool = site.start()
    site.clock.advance(7)

    assert claim_one(spool).age == 7.0
    assert site.rows("SELECT seconds FROM downtime") == [(3100.0,)]


def test_a_second_process_is_no_downtime(site: Site) -> None:
    """While one process runs the site is up, however late another joins."""
    first = site.start(process=1)
    run(first.accept(message(first), claim=False))
    site.clock.advance(LEASE / 2)

    second = site.start(process=2)

    assert claim_one(second).age == LEASE / 2


def test_a_clock_set_back_makes_no_negative_age(site: Site) -> None:
    """Ages and downtime are never below zero."""
    spool = site.start()
    run(spool.accept(message(spool), claim=False))
    site.clock.rightNow -= 50
    site.start()

    rows = site.rows("SELECT seconds FROM downtime")

    assert rows == [(0.0,)]
    assert run(site.start().claim(1, NOTHING)) == ()


def test_time_on_hold_makes_nobody_older(site: Site) -> None:
    """An hour on hold doesn't count, time down meanwhile isn't left out twice."""
    spool = site.start()
    run(spool.accept(message(spool), claim=False))
    site.clock.advance(100)
    run(site.control.change("hold", Selection()))
    site.clock.advance(1800)
    run(site.tenure.end())
    site.clock.advance(5000)
    spool = site.start()
    site.clock.advance(1800)
    run(spool.renew())
    run(site.control.change("release", Selection()))
    site.clock.advance(10)

    assert claim_one(spool).age == 110.0


def test_hold_and_release_without_a_server(site: Site) -> None:
    """The command works while nobody runs: the age is as if the server had done it."""
    spool = site.start()
    for name in ("a", "b"):
        run(spool.accept(message(spool, f"{name}@example.net"), claim=False))
    run(site.control.change("hold", Selection(to="b@*")))
    site.clock.advance(100)
    run(site.tenure.end())

    site.clock.advance(1000)
    run(site.control.change("hold", Selection(to="a@*")))
    run(site.control.change("release", Selection(to="b@*")))
    site.clock.advance(1000)
    spool = site.start()
    site.clock.advance(30)
    run(site.control.change("release", Selection(to="a@*")))

    ages = {claim.recipient.address.local: claim.age for claim in run(spool.claim(2, NOTHING))}
    assert ages == {"a": 100.0, "b": 30.0}


def test_sweep_spares_files_that_rows_name(site: Site) -> None:
    """A body's file goes only when no row names it."""
    spool = site.start()
    run(spool.accept(message(spool, body=FileBody("named", 100_000)), claim=False))
    site.files.present = {"named", "orphan", "quote'd"}

    assert run(site.sweep.remove_orphans()) == 2

    assert site.files.present == {"named"}


def test_ids_go_on_after_those_in_store(site: Site) -> None:
    """With a clock that was set back, ids still follow the stored ones."""
    spool = site.start()
    sent = message(spool)
    run(spool.accept(sent, claim=False))

    site.clock.rightNow -= 86_400

    assert site.start(process=3).new_id() > sent.id


def test_boot_name_is_the_machine_s() -> None:
    """Two processes of one boot know one another."""
    assert boot_name() == boot_name() != ""
