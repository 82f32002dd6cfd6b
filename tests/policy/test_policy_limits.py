"""Limits: who is refused, when, and what is told; what is given back; what a restart changes."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from typing import Any

import pytest
from ledger_kit import START, Bench, client, run
from pydantic import ValidationError

from twistedmail_mta.model import Reply
from twistedmail_mta.plugins import PluginError
from twistedmail_mta.policy.limits import Limits

NO = Reply(550, "5.1.1", "no")
STRANGER = client(account=None)


def bench(**options: Any) -> Bench:
    return Bench(Limits, options)


def account(**day: Any) -> Bench:
    """An account with limits of a day, and no others."""
    return bench(account={"day": {"messages": "none", "new_recipients": "none", **day}})


def accepted(reply: Reply | None) -> bool:
    assert reply is None or reply.status in ("4.7.1", "5.7.1"), reply
    return reply is None


def used(site: Bench, name: str = "ann@example.org") -> dict[str, float]:
    answer = run(site.plugin.answer({"show": name}))
    return {f"{each['measure']} {each['period']}": each["used"] for each in answer["limits"]}


def test_defaults() -> None:
    """1,000 messages and 200 new recipients a day for each account."""
    site = bench()

    assert sum(accepted(site.send(client(), f"u{n}@else.test")) for n in range(300)) == 200
    assert sum(accepted(site.send(client(), "u1@else.test")) for _ in range(1000)) == 800
    assert accepted(site.send(client(account="bob@example.org"), "u1@else.test"))


def test_strangers_are_not_limited_by_default() -> None:
    """Whoever brings mail for us has no account."""
    site = bench()
    assert all(accepted(site.send(STRANGER, "u1@else.test")) for _ in range(1500))


def test_when_to_come_back() -> None:
    """In minutes and by the clock; and then it works, and not earlier."""
    site = account(messages=24)
    while accepted(reply := site.send(client(), "u1@else.test")):
        pass

    again = datetime.fromtimestamp(START + 3600, UTC)
    assert reply == Reply(
        450,
        "4.7.1",
        "Too many messages from your account: at most 24 messages a day; "
        f"please try again in 60 minutes, at {again:%H:%M} UTC",
    )
    site.clock.advance(3540)
    assert not accepted(site.send(client(), "u1@else.test"))
    site.clock.advance(60)
    assert accepted(site.send(client(), "u1@else.test"))
    assert not accepted(site.send(client(), "u1@else.test"))


def test_for_good() -> None:
    """Where the site file says so, the code is another; the text is the same."""
    site = bench(account={"hour": {"messages": 1}}, permanent=True)
    site.send(client(), "u1@else.test")

    reply = site.send(client(), "u1@else.test")
    assert reply is not None
    assert (reply.code, reply.status) == (550, "5.7.1")
    assert "at most 1 message an hour; please try again in 60 minutes" in reply.text


def test_recipients_at_rcpt() -> None:
    """A message for several counts as several; those that fit are taken."""
    site = account(recipients=5)
    sending = site.begin(client())
    assert sending.mail() is None

    assert [accepted(sending.to(f"u{n}@else.test")) for n in range(7)] == [True] * 5 + [False] * 2
    assert accepted(sending.end())
    assert used(site) == {"recipients day": 5.0}


def test_octets_at_mail_and_at_the_end() -> None:
    """What SIZE announces, and what came."""
    site = account(octets="1MB")
    assert accepted(site.send(client(), "u1@else.test", size=900_000))

    announced, reply = site.begin(client(), size=200_000), None
    reply = announced.mail()
    assert reply is not None
    assert "Too much mail from your account: at most 1.0 MB a day; please try again in" in reply.text
    silent = site.begin(client())
    assert silent.mail() is None
    silent.to("u1@else.test")
    assert not accepted(silent.end(200_000))


@pytest.mark.parametrize(
    ("day", "text"),
    [
        ({"octets": "1MB"}, "Too much at once from your account: at most 1.0 MB a day"),
        ({"messages": 0}, "No messages can be sent from your account"),
        ({"octets": "0B"}, "No mail can be sent from your account"),
    ],
)
def test_what_never_fits(day: dict[str, Any], text: str) -> None:
    """Nobody is told to try that again."""
    assert account(**day).send(client(), "u1@else.test", size=2 << 20) == Reply(550, "5.7.1", text)


def test_refused_messages_cost_nothing() -> None:
    """Whoever refused them, and whenever."""
    site = bench(account={"day": {"messages": 10, "recipients": 10, "new_recipients": 10, "octets": "10MB"}})
    for n in range(5):
        gone = site.begin(client())
        gone.mail()
        gone.to(f"a{n}@else.test")
        gone.to(f"b{n}@else.test", then=NO)
        gone.give_up()
        refused = site.begin(client())
        refused.mail()
        refused.to(f"a{n}@else.test")
        refused.end(then=NO)

    assert set(used(site).values()) == {0.0}


def test_recipients_refused_by_others_cost_nothing() -> None:
    """Nor do they become known."""
    site = account(recipients=10, new_recipients=1)
    for _ in range(3):
        sending = site.begin(client())
        sending.mail()
        assert sending.to("a@else.test", then=NO) is NO
        assert sending.to("a@else.test", then=NO) is NO
        sending.to("known@else.test", then=NO)
        sending.give_up()
    sending = site.begin(client())
    sending.mail()
    sending.to("a@else.test", then=NO)
    assert sending.end() is None

    assert used(site) == {"recipients day": 0.0, "new_recipients day": 0.0}


def test_new_recipients_once() -> None:
    """Also in another spelling, and after a restart; they are everybody's own."""
    site = account(new_recipients=1)
    assert accepted(site.send(client(), "Bob@else.test"))
    assert accepted(site.send(client(), "bob@else.test"))
    assert not accepted(site.send(client(), "eve@else.test"))
    run(site.plugin.stop())

    site = Bench(Limits, {"account": {"day": {"new_recipients": 1}}}, before=site)
    assert accepted(site.send(client(), "bob@else.test"))
    assert not accepted(site.send(client(), "eve@else.test"))
    assert accepted(site.send(client(account="tim@example.org"), "eve@else.test"))
    site.clock.advance(86400)
    assert accepted(site.send(client(), "eve@else.test"))


def test_sender_domains_and_networks() -> None:
    """Of whoever sends; a whole IPv6 /64 is one client, and some networks aren't counted."""
    site = bench(
        sender_domain={"hour": {"messages": 2}}, network={"hour": {"recipients": 3}}, exempt_networks=["10.0.0.0/8"]
    )
    here, there, ours = (client(host, None) for host in ("2001:db8::1", "2001:db8::2", "10.1.2.3"))
    assert accepted(site.send(here, "a@else.test", "b@else.test", sender="x@one.test"))
    assert accepted(site.send(there, "a@else.test", sender="x@two.test"))
    reply = site.send(there, "a@else.test", sender="x@three.test")
    assert reply is not None
    assert "Too many recipients from your network" in reply.text
    assert accepted(site.send(ours, "a@else.test", sender="y@one.test"))
    reply = site.send(ours, "a@else.test", sender="z@one.test")
    assert reply is not None
    assert "Too many messages from senders at one.test" in reply.text
    assert accepted(site.send(ours, "a@else.test", "b@else.test", "c@else.test", "d@else.test", sender=""))


def test_overrides() -> None:
    """The account's own, then its domain's; where they say nothing, everybody's count."""
    site = bench(
        account={"day": {"messages": 3}, "hour": {"recipients": 2}},
        accounts={"list@example.org": {"day": {"messages": "none"}}, "*@example.org": {"day": {"messages": 1}}},
    )

    def sent(name: str) -> int:
        site.clock.advance(7200)
        return sum(accepted(site.send(client(account=name), "u1@else.test")) for _ in range(5))

    assert [sent(name) for name in ("ann@example.org", "list@example.org", "ann@example.net")] == [1, 2, 2]


@pytest.mark.parametrize(
    "options",
    [
        {"account": {"day": {"messages": -1}}},
        {"account": {"day": {"messages": True}}},
        {"account": {"day": {"octets": 5}}},
        {"accounts": {"nobody": {}}},
        {"accounts": {"<>": {}}},
        {"account": {"week": {}}},
    ],
)
def test_options_that_mean_nothing(options: dict[str, Any]) -> None:
    """They are told at the start."""
    with pytest.raises(ValidationError):
        bench(**options)


def test_restarts_reset_nothing() -> None:
    """An orderly end forgets nothing, a crash what came in the last two seconds."""
    site = account(messages=10)
    for _ in range(4):
        site.send(client(), "u1@else.test")
    site.clock.advance(2)
    site.send(client(), "u1@else.test")

    crashed = Bench(Limits, {"account": {"day": {"messages": 10}}}, before=site)
    assert used(crashed)["messages day"] == pytest.approx(4, abs=0.01)
    run(site.plugin.stop())
    stopped = Bench(Limits, {"account": {"day": {"messages": 10}}}, before=site)
    assert used(stopped)["messages day"] == pytest.approx(5, abs=0.01)


def test_no_read_in_the_steady_state() -> None:
    """Once for an account that was known before, never for one that wasn't."""
    site = bench()
    site.send(client(), "u1@else.test")
    run(site.plugin.stop())
    site = Bench(Limits, {}, before=site)
    before = site.database.reads

    for n in range(100):
        site.send(client(), "u1@else.test")
        site.send(client(account=f"new{n}@example.org"), "u1@else.test")
    assert site.database.reads - before == 2  # its buckets, and the one share of its acquaintances


def test_what_has_leaked_is_not_kept() -> None:
    """Rows are removed in time."""
    site = account(messages=10)
    site.send(client(), "u1@else.test")
    site.clock.advance(2)
    rows = "SELECT count(*) FROM plugin_test_bucket"
    assert site.database.connection.execute(rows).fetchall() == [(1,)]

    site.clock.advance(86500)
    site.send(client(account="bob@example.org"), "u1@else.test")
    site.clock.advance(2)
    assert site.database.connection.execute("SELECT name FROM plugin_test_bucket").fetchall() == [
        ("account bob@example.org",)
    ]


def test_show_and_reset() -> None:
    """As `mta limits` asks; who is new stays known."""
    site = bench()
    for n in range(7):
        site.send(client(), f"u{n}@else.test")
    assert used(site) == {"messages day": 7.0, "new_recipients day": 7.0}

    answer = run(site.plugin.answer({"reset": "ann@example.org"}))
    assert [each["used"] for each in answer["limits"]] == [7.0, 7.0]
    assert used(site) == {"messages day": 0.0, "new_recipients day": 0.0}
    site.send(client(), "u1@else.test")
    assert used(site) == {"messages day": 1.0, "new_recipients day": 0.0}
    with pytest.raises(PluginError):
        run(site.plugin.answer({"drop": "ann@example.org"}))


def test_never_more_than_allowed() -> None:
    """Against an oracle that knows of every message: in no span more goes out than one bucket and what leaked."""
    for seed in range(20):
        rng, site, sent = random.Random(seed), account(messages=48), []
        for _ in range(400):
            site.clock.advance(rng.expovariate(1 / 900))
            if accepted(site.send(client(), "u1@else.test")):
                sent.append(site.now())
        for first, at in enumerate(sent):
            for last in range(first, len(sent)):
                assert last - first + 1 <= 48 + 48 * (sent[last] - at) / 86400 + 1e-6
        spared = 48 * (sent[-1] - sent[0]) / 86400
        assert len(sent) >= min(400, spared) - 1
