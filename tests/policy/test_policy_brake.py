"""The brake: what stops an account, what follows, and what an operator can do then."""

from __future__ import annotations

from typing import Any

import pytest
from ledger_kit import Bench, client, run
from pydantic import ValidationError

from twistedmail_mta.model import Address, Reply
from twistedmail_mta.plugins import PluginError
from twistedmail_mta.policy.brake import Brake

ANN = "ann@example.org"
HOME, AWAY = "192.0.2.1", "203.0.113.7"
GONE = Reply(550, "5.1.1", "No such user")
DAY = 86400.0


def bench(**options: Any) -> Bench:
    """A site that has learnt nothing, since there was nothing."""
    site = Bench(Brake, options)
    site.clock.advance(36 * DAY)
    return site


def settled(**options: Any) -> Bench:
    """A site whose account has written to ten friends each day for forty days."""
    site = Bench(Brake, options)
    for _ in range(40):
        site.clock.advance(DAY / 2)
        for n in range(10):
            site.clock.advance(600)
            assert site.send(client(HOME), f"friend{n}@else.test") is None
        site.clock.advance(DAY / 2 - 6000)
    site.clock.advance(DAY / 2)
    return site


def spam(site: Bench, number: int, host: str = AWAY, account: str = ANN) -> int:
    """Write to strangers, each by a message of his own; return how many got one."""
    site.clock.advance(1)
    return sum(site.send(client(host, account), f"{site.now()}{n}@victims.test") is None for n in range(number))


def stopped(site: Bench) -> list[str]:
    return [each["account"] for each in run(site.plugin.answer({"list": True}))["stopped"]]


def reasons(site: Bench) -> str:
    (stop,) = run(site.plugin.answer({"list": True}))["stopped"]
    return "; ".join(stop["reasons"])


# What stops an account


def test_strangers_from_elsewhere() -> None:
    """Few of them are enough; nobody else is concerned."""
    site = settled()

    assert 15 <= spam(site, 100) <= 25

    assert stopped(site) == [ANN]
    assert "from networks that aren't its own" in reasons(site)
    assert spam(site, 5, account="bob@example.org") == 5


def test_strangers_from_home() -> None:
    """Some more."""
    site = settled()
    assert 35 <= spam(site, 100, HOME) < 45
    assert "never wrote to before, more than it can get to know" in reasons(site)


def test_unusual_hours_weigh_more() -> None:
    """At three in the morning fewer strangers are too many."""
    by_day, by_night = settled(), settled()
    by_night.clock.advance(DAY * 0.5)
    assert spam(by_night, 100) < spam(by_day, 100)


@pytest.mark.parametrize(("number", "most"), [(10, 15), (1000, 7)])
def test_many_networks(number: int, most: int) -> None:
    """A stolen password may be used to write to friends, too; whose owner is on his way does so, in fewer networks."""
    site = settled()
    sent = 0
    while (
        site.send(client(f"203.{sent}.113.7"), f"friend{sent % number if number < 100 else 500 + sent}@else.test")
        is None
    ):
        sent += 1
    assert sent == most
    assert "from 8 networks within a day" in reasons(site)


def test_a_telephone_changes_its_address() -> None:
    """In the networks of one carrier as often as it likes."""
    site = settled()
    for n in range(200):
        site.clock.advance(600)
        assert site.send(client(f"203.0.{n}.7"), f"friend{n % 10}@else.test") is None


def test_failures() -> None:
    """Of many recipients a few always fail."""
    site = settled()
    for n in range(16):
        assert site.send(client(HOME), f"friend{n % 10}@else.test") is None
        site.tell("bounced", ANN, f"friend{n % 10}@else.test", GONE)
    assert stopped(site) == [ANN]
    assert "16 recipients failed today" in reasons(site)
    for n in range(20):
        site.tell("bounced", None, f"friend{n}@else.test", GONE)
    assert stopped(site) == [ANN]


def test_recipients_that_do_not_exist_here() -> None:
    """Our own refusals of them count as failures; other refusals don't."""
    site = settled()
    for n in range(16):
        run(site.plugin.refused(client(HOME), Reply(550, "5.7.1", "no")))
        run(site.plugin.refused(client(account=None), GONE))
        assert site.send(client(HOME), f"friend{n % 10}@else.test") is None
    for _ in range(16):
        run(site.plugin.refused(client(HOME), GONE))
    assert "16 recipients failed today" in reasons(site)


@pytest.mark.parametrize(("pause", "most", "words"), [(1, 1000, "this hour"), (20, 2000, "this day")])
def test_rates(pause: float, most: int, words: str) -> None:
    """Also of mail to friends."""
    site = settled()
    site.clock.advance(DAY / 2)  # so that the day is young
    sent = 0
    while site.send(client(HOME), f"friend{sent % 10}@else.test") is None:
        site.clock.advance(pause)
        sent += 1
    assert sent == most
    assert words in reasons(site)


def test_colleagues_are_no_strangers() -> None:
    """They have the same domain."""
    site = bench()
    for n in range(60):
        assert site.send(client(HOME), f"colleague{n}@example.org") is None


def test_those_who_were_written_to_are_no_strangers() -> None:
    """Each counts once, over a restart, too."""
    site = bench()
    spam(site, 10)
    for _ in range(5):
        assert site.send(client(), *(f"s{n}@else.test" for n in range(10))) is None
    run(site.plugin.stop())
    site = Bench(Brake, before=site)
    for _ in range(5):
        assert site.send(client(), *(f"s{n}@else.test" for n in range(10))) is None


def test_what_got_nothing_does_not_count() -> None:
    """Somebody tries again and again to send a message that is refused, or his connection breaks."""
    site = bench()
    for n in range(30):
        sending = site.begin(client())
        assert sending.mail() is None
        assert [sending.to(f"s{m}@else.test") for m in range(10)] == [None] * 10
        assert sending.to(f"refused{n}@else.test", then=GONE) is GONE
        sending.end(then=Reply(552, "5.3.4", "too large")) if n % 2 else sending.give_up()
    assert site.send(client(), *(f"s{m}@else.test" for m in range(10))) is None


def test_recipients_that_others_refuse_do_not_count() -> None:
    """Nor are they known later."""
    site = bench()
    for n in range(40):
        sending = site.begin(client())
        sending.mail()
        sending.to(f"typo{n}@else.test", then=GONE)
        sending.to("bob@else.test")
        assert sending.end() is None


def test_nobody_is_stopped_while_it_learns() -> None:
    """As long as the site file says; the time is the site's, not the account's, and restarts don't prolong it."""
    site = Bench(Brake, {"learn": "10d"})
    site.clock.advance(9 * DAY)
    assert spam(site, 100) == 100
    run(site.plugin.stop())
    site = Bench(Brake, {"learn": "10d"}, before=site)
    site.clock.advance(DAY)
    assert spam(site, 100, account="eve@example.org") == 40


def test_exempt() -> None:
    """An account, or all of a domain."""
    site = bench(exempt=["shop@example.org", "*@lists.example.org"])
    assert spam(site, 300, account="shop@example.org") == 300
    assert spam(site, 300, account="news@lists.example.org") == 300
    assert spam(site, 300) == 40


def test_strangers_who_log_in_nowhere() -> None:
    """Mail from elsewhere is none of its business."""
    site = bench()
    assert all(site.send(client(account=None), f"s{n}@example.org") is None for n in range(100))


@pytest.mark.parametrize("options", [{"strangers": 0}, {"factor": 0.5}, {"learn": "0s"}, {"owners": {ANN: "x"}}])
def test_options_that_mean_nothing(options: dict[str, Any]) -> None:
    """They are told at the start."""
    with pytest.raises(ValidationError):
        bench(**options)


# What follows


@pytest.mark.parametrize(("permanent", "code", "status"), [(False, 450, "4.7.0"), (True, 550, "5.7.0")])
def test_refusals(permanent: bool, code: int, status: str) -> None:
    """At MAIL from then on; and in what is under way at RCPT and at the end."""
    site = bench(permanent=permanent)
    before, named = site.begin(client()), site.begin(client())
    before.mail(), named.mail()
    named.to("friend@else.test")
    spam(site, 100)

    replies = [site.send(client()), before.to("friend@else.test"), named.end()]

    assert [(each.code, each.status) for each in replies if each] == [(code, status)] * 3
    assert replies[0] is not None
    assert "please ask your postmaster" in replies[0].text


def test_strangers_of_the_same_message_get_nothing() -> None:
    """One message for a hundred: those named first are spared, too."""
    site = bench()
    sending = site.begin(client())
    sending.mail()
    replies = [sending.to(f"s{n}@else.test") for n in range(100)]
    assert replies.count(None) == 40

    end = sending.end()
    assert end is not None
    assert end.status == "4.7.0"


def test_what_is_queued_is_kept_and_told() -> None:
    """To the administrator, and to the owner elsewhere."""
    site = bench(owners={ANN: "ann@elsewhere.test"})
    spam(site, 100)

    assert site.queue.done == [("suspend", ANN)]
    ((subject, text, also),) = site.notices.told
    assert subject == f"{ANN} was stopped: its mail isn't its own"
    assert also == (Address("ann", "elsewhere.test"),)
    for part in ("(3 recipients)", "mta account brake release ann@example.org", AWAY, "@victims.test"):
        assert part in text
    assert max(map(len, text.splitlines())) < 100


def test_trouble_with_the_disk() -> None:
    """It is stopped at once; the rest is done when that works, and told once."""
    site = bench()
    site.database.refuses = site.queue.broken = site.notices.broken = True
    assert spam(site, 100) == 40
    site.clock.advance(10)
    site.database.refuses = False
    site.clock.advance(10)
    assert site.queue.done == []
    site.queue.broken = False
    site.clock.advance(10)
    assert site.queue.done == [("suspend", ANN)]
    site.notices.broken = False
    site.clock.advance(10)
    site.clock.advance(100)

    assert len(site.notices.told) == 1


def test_restarts_change_nothing() -> None:
    """What was interrupted is done after the start."""
    site = bench()
    site.queue.broken = True
    spam(site, 100)
    site = Bench(Brake, before=site)
    assert stopped(site) == [ANN]
    assert spam(site, 5) == 0
    assert site.queue.done == []

    site.clock.advance(10)
    assert site.queue.done == [("suspend", ANN)]
    assert len(site.notices.told) == 1
    again = Bench(Brake, before=site)
    again.clock.advance(100)
    assert stopped(again) == [ANN]
    assert again.queue.done == []


def test_a_crash_forgets_seconds() -> None:
    """Who sends slowly isn't helped by it."""
    site = settled()
    sent = spam(site, 10)
    site.clock.advance(2)
    site = Bench(Brake, before=site)
    assert sent + spam(site, 100) <= 25


# What an operator can do


def test_release() -> None:
    """What it did is its normal from then on, and where it was its own network."""
    site = settled()
    spam(site, 100, HOME)

    assert run(site.plugin.answer({"release": ANN})) == {"account": ANN, "recipients": 3}
    assert site.queue.done[-1] == ("resume", ANN)
    assert stopped(site) == []
    assert spam(site, 60, HOME) == 60


def test_release_of_somebody_abroad() -> None:
    """He goes on from there."""
    site = settled()
    spam(site, 100)
    run(site.plugin.answer({"release": ANN}))
    assert spam(site, 35) == 35


def test_discard() -> None:
    """What it did was another's: it stays no normal."""
    site = settled()
    first = spam(site, 100)

    assert run(site.plugin.answer({"discard": ANN})) == {"account": ANN, "recipients": 6}
    assert site.queue.done[-2:] == [("discard", ANN), ("resume", ANN)]
    assert stopped(Bench(Brake, before=site)) == []
    assert spam(site, 100) <= first


def test_who_is_not_stopped() -> None:
    """That is said; nonsense, too."""
    site = bench()
    for question in ({"release": ANN}, {"discard": ANN}, {"forgive": ANN}):
        with pytest.raises(PluginError):
            run(site.plugin.answer(question))


def test_release_that_fails() -> None:
    """It stays stopped."""
    site = bench()
    spam(site, 100)
    site.queue.broken = True
    with pytest.raises(Exception, match="full"):
        run(site.plugin.answer({"release": ANN}))
    assert stopped(site) == [ANN]


def test_no_read_in_the_steady_state() -> None:
    """Whoever is known was read once."""
    site = settled()
    reads = site.database.reads
    for n in range(100):
        site.send(client(HOME), f"friend{n % 10}@else.test")
    assert site.database.reads == reads


def test_what_is_kept_of_an_account_is_bounded() -> None:
    """Whoever sends from everywhere has no larger row than others."""
    site = Bench(Brake)
    for n in range(3000):
        site.send(client(f"{n % 200 + 1}.{n % 251}.{n % 7}.1"), f"{'x' * 50}{n}@else.test")
    run(site.plugin.stop())
    ((size,),) = site.database.connection.execute("SELECT max(length(state)) FROM plugin_test_conduct").fetchall()
    assert size < 8000
