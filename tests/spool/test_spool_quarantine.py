"""Mail in quarantine: what touches it, what doesn't, and how it gets out."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from typing import Any

import pytest
from spool_in_memory import ANN, START, Site, failed, message, run

from twistedmail_mta.errors import TemporaryError
from twistedmail_mta.model import (
    NULL_PATH,
    Address,
    Detention,
    FileBody,
    Message,
    Notify,
    Recipient,
    Suspended,
    id_text,
)
from twistedmail_mta.spool import detentions, quarantine
from twistedmail_mta.spool.operator_selection import Selection
from twistedmail_mta.spool.spool import QUARANTINE_FULL, Spool

NOTHING = frozenset[str]()
EVERYTHING = Selection()
SPAM, ODD = Detention("quarantine", "99 points of spam", "rspamd"), Detention("hold", "looks odd", "rules")


def detain(
    spool: Spool, *recipients: str | Recipient, detention: Detention = SPAM, sender: Address = ANN, **options: Any
) -> Message:
    sent = message(spool, *recipients, sender=sender, **options)
    assert run(spool.accept(sent, claim=True, detention=detention)) == ()
    return sent


def states(site: Site) -> list[tuple[str, str]]:
    shown, _ = run(site.control.messages(EVERYTHING))
    return [(recipient.address, recipient.state) for each in shown for recipient in each.recipients]


def in_quarantine(site: Site, selection: Selection = EVERYTHING) -> list[int]:
    ids: list[int] = []
    after: int | None = -1
    while after is not None:
        page, after = run(site.quarantine.page(selection, after))
        ids += page
    return ids


def claimed(spool: Spool) -> list[str]:
    return [str(claim.recipient.address) for claim in run(spool.claim(100, NOTHING))]


def test_it_waits(spool: Spool, site: Site) -> None:
    """Nothing is due, however late it is and however often the server starts; the reason is there to be seen."""
    sent = detain(spool, "a@example.net", "b@example.org")
    site.clock.advance(86400 * 20)
    spool = site.start()

    assert claimed(spool) == []
    assert run(spool.next_due()) is None
    assert run(spool.reports_due(4e9)) == []
    shown = run(site.control.message(sent.id))
    assert shown is not None
    assert shown.detention == SPAM
    assert (shown.helo, shown.listener, shown.peer) == ("client.example", "submission", "192.0.2.1")
    assert {each.state for each in shown.recipients} == {"quarantined"}
    assert json.loads(json.dumps(asdict(shown)))["detention"] == {
        "kind": "quarantine", "reason": "99 points of spam", "plugin": "rspamd",
    }  # fmt: skip
    site.assert_sound()


@pytest.mark.parametrize("action", ["retry", "hold", "release", "delete", "bounce"])
@pytest.mark.parametrize(
    "selection", [EVERYTHING, Selection(domain="example.net"), Selection(account="ann@example.org")]
)
def test_the_hand_on_the_queue_doesnt_reach_it(spool: Spool, site: Site, action: Any, selection: Selection) -> None:
    """Whatever is meant: neither does it get out with others, nor is anybody told of it."""
    detain(spool, "a@example.net")
    detain(spool, "b@example.net", detention=ODD)
    before = site.rows("SELECT * FROM recipient WHERE local = 'a'")

    run(site.control.change(action, selection))
    run(site.control.reroute("smtp://relay.example:25", "none", selection))
    run(site.control.suspend(Suspended("all")))
    run(site.control.resume(Suspended("all")))

    assert site.rows("SELECT * FROM recipient WHERE local = 'a'") == before
    assert ("a@example.net", "quarantined") in states(site)
    site.assert_sound()


def test_neither_does_its_id(spool: Spool, site: Site) -> None:
    """The command says so before; this is for whoever calls it otherwise."""
    sent = detain(spool)

    for action in ("release", "delete", "bounce"):
        assert run(site.control.change(action, Selection(ids=(sent.id,)))) == 0

    assert in_quarantine(site) == [sent.id]


def test_release(spool: Spool, site: Site) -> None:
    """To all of its recipients, due at once, as old as if it had come now; others stay."""
    sent, other = detain(spool, "a@example.net", "b@example.org"), detain(spool, "c@example.net")
    site.clock.advance(86400 * 6)
    run(spool.renew())

    assert run(site.quarantine.release([sent.id, 4711])) == 1

    claims = run(spool.claim(9, NOTHING))
    assert [str(claim.recipient.address) for claim in claims] == ["a@example.net", "b@example.org"]
    assert [(claim.age, claim.attempts) for claim in claims] == [(0.0, 0), (0.0, 0)]
    assert len(site.looks) == 1
    assert run(site.quarantine.release([sent.id])) == 0
    assert len(site.looks) == 1
    assert in_quarantine(site) == [other.id]
    shown = run(site.control.message(sent.id))
    assert shown is not None
    assert shown.detention is None
    site.assert_sound()


@pytest.mark.parametrize(("account", "notify"), [("ann@example.org", "NEVER"), (None, "FAILURE")])
def test_release_to_another(spool: Spool, site: Site, account: str | None, notify: Notify) -> None:
    """Instead of all its recipients; whatever its sender asked for, only the administrator hears of a failure."""
    asked = Recipient(Address("a", "example.net"), frozenset({"SUCCESS"}), "rfc822;a")
    sent = message(spool, asked, "b@example.org")
    sent = replace(sent, origin=replace(sent.origin, account=account))
    run(spool.accept(sent, claim=False, detention=SPAM))

    assert run(site.quarantine.release([sent.id], Address("abuse", "example.org"))) == 1

    (claim,) = run(spool.claim(9, NOTHING))
    assert claim.recipient == Recipient(Address("abuse", "example.org"), frozenset({notify}))
    site.assert_sound()
    assert run(spool.settle([failed(claim)], None))
    assert [each.recipient for each in run(spool.unreported(sent.id))] == [claim.recipient]


def test_delete(spool: Spool, site: Site) -> None:
    """The message, its body and its file go; what isn't in quarantine is left alone."""
    large = detain(spool, body=FileBody("big", 100_000))
    held = detain(spool, "b@example.net", detention=ODD)

    assert run(site.quarantine.delete([large.id, held.id, 4711])) == 1

    assert site.files.removed == ["big"]
    assert states(site) == [("b@example.net", "held")]
    site.assert_sound()


def test_expiry(spool: Spool, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is older than it may be goes, in small transactions; holds have no end of their own."""
    monkeypatch.setattr(quarantine, "AT_ONCE", 2)
    detain(spool, "held@example.net", detention=ODD)
    for n in range(5):
        detain(spool, f"old{n}@example.net")
    site.clock.advance(100)
    detain(spool, "new@example.net")
    site.clock.advance(100)
    site.database.urgent.clear()

    assert run(site.quarantine.expire(150)) == 5

    assert site.database.urgent == [True] * 3
    assert states(site) == [("held@example.net", "held"), ("new@example.net", "quarantined")]
    assert run(site.quarantine.expire(150)) == 0
    site.assert_sound()


def test_release_of_many(spool: Spool, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """In small transactions; a running server looks once, also if it doesn't come to its end."""
    monkeypatch.setattr(quarantine, "AT_ONCE", 2)
    ids = [detain(spool).id for _ in range(5)]
    site.database.urgent.clear()
    write = site.database.write

    async def fails_at_last(function: Any, **options: Any) -> Any:
        site.database.refuse = len(site.database.urgent) == 2
        return await write(function, **options)

    monkeypatch.setattr(site.database, "write", fails_at_last)
    with pytest.raises(TemporaryError):
        run(site.quarantine.release(ids))

    assert site.database.urgent == [True] * 2
    assert len(site.looks) == 1
    assert in_quarantine(site) == ids[4:]


def test_released_in_time(spool: Spool, site: Site) -> None:
    """Whoever takes a message out of quarantine first decides: time doesn't delete what was released."""
    sent = detain(spool)
    site.clock.advance(1000)
    late = run(site.database.read(lambda tx: detentions.old(tx, START + 500, 10)))
    run(site.quarantine.release([sent.id]))

    assert run(site.quarantine.delete(late)) == 0

    assert claimed(spool) == ["bob@example.net"]


def test_a_full_quarantine_refuses(site: Site) -> None:
    """For now, keeping nothing of it; what fits exactly is taken, and there is room again when something went."""
    size = message(site.start()).size
    spool = site.start(quarantine_size=2 * size)
    first = detain(spool)
    detain(spool)

    with pytest.raises(TemporaryError) as caught:
        detain(spool, body=FileBody("big", 1))

    assert caught.value.reply == QUARANTINE_FULL
    assert QUARANTINE_FULL.code == 452
    assert site.files.removed == ["big"]
    assert site.count("message") == 2
    detain(spool, detention=ODD)
    run(site.quarantine.delete([first.id]))
    detain(spool)
    site.assert_sound()


@pytest.mark.parametrize(
    ("selection", "found"),
    [
        (EVERYTHING, [0, 1, 2]),
        (Selection(to="*@example.net"), [0, 2]),
        (Selection(sender="<>"), [1]),
        (Selection(reason="POINTS"), [0, 1]),
        (Selection(reason="99*spam"), [0, 1]),
        (Selection(reason="virus"), [2]),
        (Selection(before=START), [0, 1]),
        (Selection(account="ann@example.org", to="b@*"), [0]),
        (Selection(ids=(4711,)), []),
    ],
)
@pytest.mark.parametrize("page", [1, 2, 1000])
def test_selections(  # noqa: PLR0917 - fixtures and cases
    site: Site, spool: Spool, monkeypatch: pytest.MonkeyPatch, selection: Any, found: Any, page: int
) -> None:
    """A message is meant once, if one of its recipients is; in pages of any size, and none that is only held."""
    monkeypatch.setattr(detentions, "PAGE", page)
    sent = [detain(spool, "a@example.net", "b@example.net"), detain(spool, "c@example.org", sender=NULL_PATH)]
    detain(spool, "d@example.net", detention=ODD)
    site.clock.advance(10)
    sent.append(detain(spool, "e@example.net", detention=Detention("quarantine", "holds a virus: X", "clamav")))

    assert in_quarantine(site, selection) == [sent[n].id for n in found]


def test_summary(spool: Spool, site: Site) -> None:
    """It is counted apart, by a reason that it can be listed by."""
    detain(spool, "a@example.net", "b@example.net")
    detain(spool, "c@example.net", detention=ODD)

    groups = run(site.control.summary("reason", EVERYTHING))

    assert {name: sum(numbers) for name, numbers in groups.items()} == {"quarantined": 2, "not tried yet": 1}
    assert len(run(site.control.messages(Selection(reason="quarantined")))[0]) == 1


def test_why_something_is_held(spool: Spool, site: Site) -> None:
    """Plugins' words are shown, and can be asked for, until the last recipient is released."""
    sent = detain(spool, "a@example.net", "b@example.net", detention=ODD)
    name = id_text(sent.id)

    def because(reason: str) -> list[str]:
        return [each.id for each in run(site.control.messages(Selection(reason=reason)))[0]]

    assert because("looks*") == because("LOOKS ODD") == [name]
    assert because("odd") == []
    assert run(site.control.change("release", Selection(to="a@*"))) == 1
    assert because("looks odd") == [name]
    assert run(site.control.change("release", Selection(to="b@*"))) == 1
    assert because("looks odd") == []
    run(site.control.change("hold", EVERYTHING))
    shown = run(site.control.message(sent.id))
    assert shown is not None
    assert shown.detention is None
    site.assert_sound()


def test_functions_may_run_twice(spool: Spool, site: Site) -> None:
    """As those of a group of commits do that failed once."""
    site.database.twice = True
    sent, other = detain(spool, "a@example.net"), detain(spool, "b@example.net")

    assert run(site.quarantine.release([sent.id])) == 1
    assert run(site.quarantine.delete([other.id])) == 1

    assert states(site) == [("a@example.net", "waiting")]
    site.assert_sound()
