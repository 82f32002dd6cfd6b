"""Who has to come back, and who hasn't."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest
from pydantic import ValidationError
from repute_kit import Lab, arriving, mail, status, stranger, to

from twistedmail_mta.errors import TemporaryError
from twistedmail_mta.interfaces import Transaction
from twistedmail_mta.model import Reply
from twistedmail_mta.networks import wide_network
from twistedmail_mta.policy import greylist_memory as memory
from twistedmail_mta.policy.greylist import Greylist, GreylistOptions, spelling
from twistedmail_mta.policy.triplets import MIGRATIONS, Triplets, digest
from twistedmail_mta.smtp.address import parse_address
from twistedmail_mta.stages import Attempted, Client

MINUTE, HOUR, DAY = 60.0, 3600.0, 86400.0
WAIT = Reply(450, "4.7.1", "You are new here (greylisted); please try again in 5 minutes")
NO_ACCOUNT: Any = None


class Counting:
    """A database that counts; `broken` fails."""

    def __init__(self, database: Any) -> None:
        self._database = database
        self.reads, self.writes, self.broken = 0, 0, False

    async def read(self, function: Callable[[Transaction], Any]) -> Any:
        self.reads += 1
        return await self._database.read(function)

    async def write(self, function: Callable[[Transaction], Any], urgent: bool = False, size: int = 0) -> Any:
        self.writes += 1
        if self.broken:
            raise TemporaryError(Reply(451, "4.3.0", "disk full"))
        return await self._database.write(function)


class Garden:
    """A server that greylists, and strangers."""

    def __init__(self, folder: Path) -> None:
        self.lab = Lab(folder)
        self.database = Counting(self.lab.kit.database)
        self.kit = self.lab.kit_with(self.database)  # type: ignore[arg-type]
        self.triplets = Triplets(self.kit.prefix)
        self.run("".join(MIGRATIONS))

    def run(self, sql: str) -> None:
        """Run statements."""
        statements = [each for each in sql.replace("{plugin}", self.kit.prefix).split(";") if each.strip()]
        self.lab.ask(self.database.write(lambda tx: [list(tx.execute(each)) for each in statements]))

    def plugin(self, **options: Any) -> Greylist:
        """A plugin as a site file has it."""
        return Greylist(GreylistOptions.model_validate(options), self.kit)

    def told(self, plugin: Greylist, client: Client | str = "192.0.2.99", sender: str = "ann@sender.test",
             recipient: str = "bob@example.org") -> str:  # fmt: skip
        """What is answered to RCPT."""
        who = stranger(client) if isinstance(client, str) else client
        return status(self.lab.ask(plugin.recipient(who, mail(sender), to(recipient)), within=0))

    def rows(self, table: Any) -> int:
        """How many there are."""
        return self.lab.ask(self.database.read(self.triplets.count(table)), within=0)

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self.lab.clock.advance(seconds)

    def close(self) -> None:
        """Close the files."""
        self.lab._database.close()  # type: ignore[union-attr]


@pytest.fixture
def garden(tmp_path: Path) -> Iterator[Garden]:
    garden = Garden(tmp_path)
    yield garden
    garden.close()


def test_who_comes_back(garden: Garden) -> None:
    """Is let in after the delay, and from then on at once; the answer says how long it is."""
    plugin = garden.plugin()

    assert garden.lab.ask(plugin.recipient(stranger(), mail(), to()), within=0) == WAIT
    garden.wait(4 * MINUTE + 1)
    reply = garden.lab.ask(plugin.recipient(stranger(), mail(), to()), within=0)
    assert reply is not None
    assert reply.text.endswith("try again in 1 minute")
    garden.wait(MINUTE)
    assert [garden.told(plugin) for _ in range(3)] == [""] * 3
    assert garden.told(plugin, sender="eve@sender.test") == "450 4.7.1"
    assert garden.told(plugin, recipient="eve@example.org") == "450 4.7.1"
    assert garden.told(plugin, "192.0.3.99") == "450 4.7.1"


def test_neighbours_and_changing_senders(garden: Garden) -> None:
    """Large sites come back from a host nearby, and lists with another number: they are the same."""
    plugin = garden.plugin()
    garden.told(plugin, "192.0.2.1", "list+17@sender.test")
    garden.told(plugin, "2001:db8::1", "prvs=1234abcdef=ann@sender.test")
    garden.wait(5 * MINUTE)

    assert garden.told(plugin, "::ffff:192.0.2.2", "LIST+18@sender.test", "BOB@example.org") == ""
    assert garden.told(plugin, "2001:db8::2", "prvs=5678abcdef=ann@sender.test") == ""


@pytest.mark.parametrize(
    ("address", "spelt"),
    [
        ("Ann@sender.test", "ann@sender.test"),
        ("bounce-123-4@sender.test", "bounce-#-#@sender.test"),
        ("ann+tag+more@sender.test", "ann@sender.test"),
        ("+ann@sender.test", "+ann@sender.test"),
        ("prvs=1234abcdef=Ann@sender.test", "ann@sender.test"),
        ("btv1==1234abcdef==ann@sender.test", "ann@sender.test"),
        ("SRS0=HHHH=TT=x.test=ann@sender.test", "x.test=ann@sender.test"),
        ("", "@"),
    ],
)
def test_spelling(address: str, spelt: str) -> None:
    """Of senders, as they are remembered."""
    assert spelling(parse_address(address)) == spelt


def test_too_late(garden: Garden) -> None:
    """Who comes back after the window is new again."""
    plugin = garden.plugin(window="1d")
    garden.told(plugin)
    garden.wait(DAY)

    assert garden.told(plugin) == "450 4.7.1"
    garden.wait(5 * MINUTE)
    assert garden.told(plugin) == ""


def test_triplets_that_are_used_live_on(garden: Garden) -> None:
    """From their last mail on; what isn't used is forgotten."""
    plugin = garden.plugin(lifetime="10d", window="1d")
    garden.told(plugin)
    garden.wait(5 * MINUTE)
    for _ in range(3):
        assert garden.told(plugin) == ""
        garden.wait(9 * DAY)
    garden.wait(2 * DAY)
    assert garden.told(plugin) == "450 4.7.1"


def test_good_networks(garden: Garden) -> None:
    """After so many triplets that came back nobody from there waits."""
    plugin = garden.plugin(good_after=2)
    for sender in ("a@x.test", "b@x.test", "a@x.test", "b@x.test"):
        garden.told(plugin, sender=sender)
        garden.wait(5 * MINUTE)

    assert garden.told(plugin, "192.0.2.7", "new@else.test") == ""
    assert garden.told(plugin, "192.0.3.7", "new@else.test") == "450 4.7.1"
    assert garden.told(garden.plugin(good_after=3), sender="new@else.test") == "450 4.7.1"
    assert garden.told(garden.plugin(good_after=0), sender="newer@else.test") == "450 4.7.1"


def test_good_networks_live_on_while_they_are_used(garden: Garden) -> None:
    """In the background: nothing is written for them when they send."""
    plugin = garden.plugin(good_after=1, lifetime="10d", window="1d")
    garden.lab.ask(plugin.start(), within=0)
    garden.told(plugin)
    garden.wait(5 * MINUTE)
    garden.told(plugin)
    for _ in range(3):
        garden.wait(9 * DAY)
        writes = garden.database.writes
        assert garden.told(plugin, sender="else@x.test") == ""
        assert garden.database.writes == writes
        garden.wait(HOUR)
    garden.wait(10 * DAY)
    assert garden.told(plugin, sender="else@x.test") == "450 4.7.1"
    garden.lab.ask(plugin.stop(), within=0)
    assert garden.lab.clock.getDelayedCalls() == []


def test_a_network_that_was_long_away_begins_anew(garden: Garden) -> None:
    """One mail doesn't make it good again, whether its row was swept or not."""
    plugin = garden.plugin(good_after=2, lifetime="10d", window="1d")
    for sender in ("a@x.test", "b@x.test", "a@x.test", "b@x.test"):
        garden.told(plugin, sender=sender)
        garden.wait(5 * MINUTE)
    garden.wait(10 * DAY)
    garden.told(plugin)
    garden.wait(5 * MINUTE)
    assert garden.told(plugin) == ""

    assert garden.told(plugin, sender="c@x.test") == "450 4.7.1"


def attempt(recipient: str, account: str | None = "bob@example.org") -> Attempted:
    """Mail that went out."""
    ok = Reply(250, "2.0.0", "ok")
    return Attempted("id", parse_address("bob@example.org"), parse_address(recipient), account, ok, "mx.test", 1)


def test_known_senders(garden: Garden) -> None:
    """Whom an account here has written to, for a while; strangers' mail that is sent on tells nothing."""
    plugin = garden.plugin(known_for="90d")
    garden.lab.ask(plugin.delivered(attempt("Ann@sender.test")), within=0)
    garden.lab.ask(plugin.delivered(attempt("eve@sender.test", None)), within=0)

    assert garden.told(plugin, sender="ann+x@sender.test") == ""
    assert garden.told(plugin, sender="eve@sender.test") == "450 4.7.1"
    garden.wait(90 * DAY)
    assert garden.told(plugin) == "450 4.7.1"


def test_known_senders_are_written_once_a_day(garden: Garden) -> None:
    """However often they are written to."""
    plugin = garden.plugin()
    writes = garden.database.writes
    for _ in range(5):
        garden.lab.ask(plugin.delivered(attempt("ann@sender.test")), within=0)
    assert garden.database.writes == writes + 1
    garden.wait(DAY)
    garden.lab.ask(plugin.delivered(attempt("ann@sender.test")), within=0)
    assert garden.database.writes == writes + 2


@pytest.mark.parametrize(
    ("client", "sender", "recipient"),
    [
        (stranger("198.51.100.1"), "ann@sender.test", "bob@example.org"),
        (stranger("127.0.0.1"), "ann@sender.test", "bob@example.org"),
        (stranger(""), "ann@sender.test", "bob@example.org"),
        (stranger(account="ann@example.org"), "ann@sender.test", "bob@example.org"),
        (stranger(), "ann@good.test", "bob@example.org"),
        (stranger(), "ann@sub.good.test", "bob@example.org"),
        (stranger(), "ann@sender.test", "bob@quick.test"),
        (stranger(), "ann@sender.test", "Postmaster@example.org"),
    ],
)
def test_who_never_waits(garden: Garden, client: Client, sender: str, recipient: str) -> None:
    """And costs nothing."""
    plugin = garden.plugin(
        exempt_networks=["127.0.0.0/8", "198.51.100.0/24"],
        exempt_sender_domains=["good.test", "*.good.test"],
        exempt_recipient_domains=["quick.test"],
    )
    before = (garden.database.reads, garden.database.writes)

    assert garden.told(plugin, client, sender, recipient) == ""
    assert (garden.database.reads, garden.database.writes) == before


def test_null_sender(garden: Garden) -> None:
    """Callouts are answered at once; a report waits when its text is here, once for the network."""
    plugin = garden.plugin()
    report = arriving(b"\r\n", "", "bob@example.org", "eve@example.org")

    def header(client: Client, sender: str = "", *recipients: str) -> str:
        message = arriving(b"\r\n", sender, *recipients) if recipients or sender else report
        return status(garden.lab.ask(plugin.header(client, message.envelope, message.header), within=0))

    assert garden.told(plugin, sender="") == ""
    assert header(stranger(), "ann@sender.test") == ""
    assert header(stranger(account="ann")) == ""
    assert header(stranger(), "", "postmaster@example.org") == ""
    assert garden.rows("triplet") == 0
    assert header(stranger()) == "450 4.7.1"
    garden.wait(5 * MINUTE)
    assert header(stranger()) == header(stranger(), "", "other@example.org") == ""


def test_one_write_a_decision(garden: Garden) -> None:
    """One for a new triplet, none while it waits, one when it comes back, none from then on, but once a day."""
    plugin = garden.plugin()
    written = []
    for seconds in (0, MINUTE, 5 * MINUTE, 0, HOUR, DAY, HOUR):
        garden.wait(seconds)
        before = garden.database.writes
        garden.told(plugin)
        written.append(garden.database.writes - before)

    assert written == [1, 0, 1, 0, 0, 1, 0]


def test_two_at_once(garden: Garden) -> None:
    """Functions that write may run twice, and beside others: a success counts once, a beginning stays the first."""
    triplet, network = digest("t"), digest("n")
    functions = garden.triplets
    for moment in (0.0, 10.0):
        garden.lab.ask(garden.database.write(functions.begin(triplet, moment, 100.0)))
    for _ in range(3):
        garden.lab.ask(garden.database.write(functions.succeed(triplet, network, 50.0, 200.0)))

    facts = garden.lab.ask(garden.database.read(functions.facts(digest("s"), network, triplet, 60.0)))

    assert (facts.first, facts.passed, facts.successes, facts.known) == (0.0, True, 1, False)


def test_what_has_expired_is_swept_in_slices(garden: Garden, monkeypatch: pytest.MonkeyPatch) -> None:
    """So many rows a transaction, with room for others between them; what lives stays."""
    monkeypatch.setattr(memory, "SLICE", 10)
    plugin = garden.plugin(window="1h", delay="1m", lifetime="1h")
    garden.lab.ask(plugin.start(), within=0)
    for number in range(35):
        garden.told(plugin, f"10.0.{number}.1")
    garden.wait(HOUR - 2 * memory.SWEEP_EVERY)
    garden.told(plugin, "10.1.0.1")
    garden.wait(2 * memory.SWEEP_EVERY)
    assert garden.rows("triplet") == 26

    for left in (16, 6, 1, 1):
        garden.wait(memory.BETWEEN)
        assert garden.rows("triplet") == left
    garden.lab.ask(plugin.stop(), within=0)


def test_no_room(garden: Garden) -> None:
    """Nobody new waits then, nothing grows, the operator is told, and who is known isn't forgotten."""
    plugin = garden.plugin(most=2, known_for="1d")
    for number in range(4):
        expected = "450 4.7.1" if number < 2 else ""
        assert garden.told(plugin, f"10.0.{number}.1") == expected
        garden.lab.ask(plugin.delivered(attempt(f"{chr(97 + number)}@x.test")), within=0)
    assert (garden.rows("triplet"), garden.rows("known")) == (2, 2)
    garden.wait(5 * MINUTE)
    assert garden.told(plugin, "10.0.0.1") == ""
    again = garden.plugin(most=2)
    garden.lab.ask(again.start(), within=0)
    garden.lab.ask(again.stop(), within=0)
    assert garden.told(again, "10.0.9.1") == ""
    assert any("triplet has 2 rows" in line for line in garden.lab.log.said)


def test_a_sweep_that_fails(garden: Garden) -> None:
    """Is tried again; the operator is told."""
    plugin = garden.plugin(window="10m", delay="1m", lifetime="10m")
    garden.lab.ask(plugin.start(), within=0)
    garden.told(plugin)
    garden.database.broken = True
    garden.wait(memory.SWEEP_EVERY)
    assert "greylisting forgets later: 451 4.3.0 disk full" in garden.lab.log.said
    garden.database.broken = False
    garden.wait(memory.SWEEP_EVERY)
    assert garden.rows("triplet") == 0
    garden.lab.ask(plugin.stop(), within=0)


def test_a_database_that_fails(garden: Garden) -> None:
    """Then nobody waits, unless the site file says otherwise."""
    plugin = garden.plugin()
    garden.database.broken = True

    with pytest.raises(TemporaryError):
        garden.told(plugin)
    assert Greylist.on_error == "abstain"


@pytest.mark.parametrize(
    "wrong", [{"delay": "0s"}, {"delay": "2d"}, {"window": "40d"}, {"good_after": -1}, {"most": 0}, {"spf": True}]
)
def test_mistakes(wrong: dict[str, Any]) -> None:
    """Told at the start."""
    with pytest.raises(ValidationError):
        GreylistOptions.model_validate(wrong)


# Against a model

HOSTS = ("192.0.2.1", "192.0.2.2", "192.0.3.1")
SENDERS = ("ann@x.test", "bob@x.test", "eve@x.test", "joe@x.test")
WAITS = (MINUTE, 6 * MINUTE, 6 * MINUTE, 6 * MINUTE, HOUR, 2 * HOUR, DAY, 2 * DAY)


class Model:
    """What is let in, told as simply as it can be."""

    def __init__(self) -> None:
        self.first: dict[Any, float] = {}
        self.passed: dict[Any, float] = {}
        self.good: dict[str, tuple[int, float]] = {}
        self.known: dict[str, float] = {}

    def waits(self, host: str, sender: str, now: float) -> bool:
        network, key = wide_network(host), (wide_network(host), sender)
        successes, until = self.good.get(network, (0, 0.0))
        successes = successes if until > now else 0
        if self.known.get(sender, 0.0) > now or successes >= 2:
            return False
        if self.passed.get(key, 0.0) > now:
            if self.passed[key] < now + 2 * DAY:
                self.passed[key] = now + 3 * DAY
            return False
        first = self.first.get(key)
        if key in self.passed or first is None or now >= first + DAY:
            self.first[key] = now
            self.passed.pop(key, None)
            return True
        if now < first + 5 * MINUTE:
            return True
        self.passed[key] = now + 3 * DAY
        self.good[network] = (successes + 1, now + 3 * DAY)
        return False


@pytest.mark.parametrize("seed", range(12))
def test_as_the_model_says(garden: Garden, seed: int) -> None:
    """Whatever comes in whatever order."""
    random = Random(seed)
    plugin, model = garden.plugin(good_after=2, lifetime="3d", window="1d", known_for="2d"), Model()
    for _ in range(200):
        step = random.choices(("mail", "wait", "write"), (10, 6, 1))[0]
        host, sender, now = random.choice(HOSTS), random.choice(SENDERS), garden.kit.now()
        if step == "wait":
            garden.wait(random.choice(WAITS))
        elif step == "write":
            if plugin._memory._known.get(parse_address(sender)) is None:
                model.known[sender] = now + 2 * DAY
            garden.lab.ask(plugin.delivered(attempt(sender)), within=0)
        else:
            assert garden.told(plugin, host, sender) == ("450 4.7.1" if model.waits(host, sender, now) else "")
