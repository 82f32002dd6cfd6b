"""Whether there is room in an account, with what is on its way."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from directory_in_memory import now
from hosting_in_memory import Hosting, reply_of
from hypothesis import given, settings
from hypothesis import strategies as st

from twistedmail_mta.directory.domains import HostedDomain
from twistedmail_mta.directory.limits import Limits
from twistedmail_mta.directory.quotas import FULL, FULL_NOW, TOO_LARGE, Quotas, Usage, refusal_of
from twistedmail_mta.errors import TemporaryError
from twistedmail_mta.interfaces import IQuotas
from twistedmail_mta.model import Address, Delivery, Expansion, Reply
from twistedmail_mta.tasks import Promise, Task


@dataclass
class Rooms:
    """A directory with quotas, and what its accounts hold."""

    hosting: Hosting

    def __post_init__(self) -> None:
        self.hosting.tables.execute(
            "CREATE TABLE usage (account INTEGER PRIMARY KEY, octets INTEGER, messages INTEGER)"
        )
        self.quotas = Quotas(self.hosting.database, self.hosting.directory)

    def holds(self, account: int, octets: int, messages: int = 1) -> None:
        self.hosting.tables.execute("INSERT OR REPLACE INTO usage VALUES (?, ?, ?)", (account, octets, messages))

    def reserve(self, size: int, *accounts: int) -> Reply | None:
        return now(self.quotas.reserve(deliveries(*accounts), size))

    def release(self, size: int, *accounts: int) -> None:
        self.quotas.release(deliveries(*accounts), size)


def deliveries(*accounts: int) -> list[Delivery]:
    return [Delivery(account, Address(f"a{account}", "example.org")) for account in accounts or (1,)]


def rooms(**quotas: int) -> Rooms:
    """Return one account, of id 1."""
    hosting = Hosting()
    hosting.account("tim@example.org", **quotas)
    return Rooms(hosting)


def test_no_quota_costs_nothing() -> None:
    """Once an address was resolved its account needs no read at all."""
    made = rooms()
    made.hosting.resolve("tim@example.org")
    reads = made.hosting.database.reads

    assert made.reserve(1 << 40) is None
    made.release(1 << 40)
    assert made.hosting.database.reads == reads
    assert IQuotas.providedBy(made.quotas)


def test_room_for_octets() -> None:
    """What isn't full takes a message up to a tenth over the quota; what is full takes none."""
    made = rooms(quota=1000)

    assert made.reserve(1100) is None
    made.release(1100)
    made.holds(1, 900)
    assert made.reserve(200) is None
    made.release(200)
    assert made.reserve(201) == FULL_NOW
    made.holds(1, 1000)
    assert made.reserve(0) == FULL_NOW
    assert str(FULL_NOW).startswith("452 4.2.2 ")


def test_message_that_never_fits() -> None:
    """It is refused for good, however empty the mailbox."""
    assert rooms(quota=1000).reserve(1101) == TOO_LARGE
    assert str(TOO_LARGE).startswith("552 5.2.3 ")


def test_room_for_messages() -> None:
    """Messages are counted exactly."""
    made = rooms(quota_messages=2)

    assert made.reserve(0) is None
    made.holds(1, 5, 1)
    assert made.reserve(0) == FULL_NOW
    made.release(0)
    assert made.reserve(0) is None


def test_reservations() -> None:
    """What is on its way takes room; what was given back doesn't."""
    made = rooms(quota=1000)
    assert made.reserve(600) is None
    assert made.reserve(501) == FULL_NOW
    assert made.reserve(500) is None

    made.release(600)
    assert made.reserve(600) is None


def test_refused_reserves_nothing() -> None:
    """Of several accounts one without room is enough to refuse, and the others keep their room."""
    made = rooms(quota=1000)
    made.hosting.account("ann@example.org", quota=500)
    assert made.reserve(600, 1, 2) == TOO_LARGE
    assert made.reserve(1100, 1) is None
    assert made.reserve(500, 2) is None


def test_refused_for_good() -> None:
    """552 5.2.2 where the domain says so, which also has the quota for accounts without one."""
    hosting = Hosting(HostedDomain("example.org", quota=100, quota_messages=3, over_quota="reject"))
    hosting.account("tim@example.org")
    hosting.account("ann@example.org", quota=0, quota_messages=0)
    hosting.account("eve@example.org", quota=200)
    made = Rooms(hosting)
    for account in (1, 2, 3):
        made.holds(account, 150, 2)

    assert made.reserve(10, 1) == FULL
    assert made.reserve(10, 2) is None
    assert made.reserve(10, 3) is None
    made.holds(3, 10, 3)
    assert made.reserve(10, 3) == FULL
    assert str(FULL).startswith("552 5.2.2 ")


def test_account_of_no_hosted_domain() -> None:
    """Its own quota holds."""
    made = rooms()
    made.hosting.account("x@away.example", quota=10)

    assert made.reserve(20, 2) == TOO_LARGE


def test_quota_that_changes() -> None:
    """It counts from the next message on, and what is on its way is given back rightly."""
    made = rooms()
    made.hosting.resolve("tim@example.org")
    assert made.reserve(600) is None
    made.hosting.tables.execute("UPDATE accounts SET quota = 1000")
    made.hosting.changes.tell()

    assert made.reserve(600) == FULL_NOW
    made.release(600)
    assert made.reserve(600) is None
    made.hosting.tables.execute("UPDATE accounts SET quota = NULL")
    made.hosting.changes.tell()
    made.release(600)
    assert made.reserve(1 << 30) is None


def test_message_that_comes_in_meanwhile() -> None:
    """Room that was counted before a message came in isn't given away a second time after it."""
    made = rooms(quota=1000)
    assert made.reserve(900) is None
    gate = made.hosting.database.gate = Promise[None]()
    task = Task("reserve", made.quotas.reserve(deliveries(1), 900))
    made.holds(1, 900)
    made.release(900)

    gate.resolve(None)
    made.hosting.database.gate = None

    assert result(task) == FULL_NOW
    made.holds(1, 100)
    assert made.reserve(900) is None


def test_two_that_ask_together() -> None:
    """One of them gets the room."""
    made = rooms(quota=1000)
    now(made.hosting.directory.limits([1]))
    gate = made.hosting.database.gate = Promise[None]()
    tasks = [Task("reserve", made.quotas.reserve(deliveries(1), 900)) for _ in range(2)]

    gate.resolve(None)

    assert [result(task) for task in tasks] == [None, FULL_NOW]


def test_client_that_leaves_while_asking() -> None:
    """It has reserved nothing."""
    made = rooms(quota=1000)
    now(made.hosting.directory.limits([1]))
    made.hosting.database.gate = Promise[None]()
    task = Task("reserve", made.quotas.reserve(deliveries(1), 900))

    task.cancel()
    made.hosting.database.gate = None

    assert task.done
    assert made.reserve(1000) is None


def test_database_that_fails() -> None:
    """Nothing is reserved then."""
    made = rooms(quota=1000)
    now(made.hosting.directory.limits([1]))
    made.hosting.database.broken = TemporaryError(Reply(451, "4.3.0", "no"))
    assert reply_of(made.quotas.reserve(deliveries(1), 900)).code == 451

    made.hosting.database.broken = None
    assert made.reserve(1000) is None


def test_shared_by_an_expansion() -> None:
    """Reserving for what an alias stands for reserves in each account."""
    made = rooms(quota=1000)
    made.hosting.account("ann@example.org", quota=1000)
    made.hosting.alias("all@example.org", "tim@example.org", "ann@example.org")
    found = made.hosting.resolve("all@example.org")
    assert isinstance(found, Expansion)
    assert now(made.quotas.reserve(found.deliveries, 600)) is None

    assert (made.reserve(600, 1), made.reserve(600, 2)) == (FULL_NOW, FULL_NOW)


def test_usage_is_told_beside_the_limits() -> None:
    """What is on its way isn't there yet."""
    made = rooms(quota=1000, quota_messages=5)
    made.holds(1, 700, 3)
    made.reserve(100)

    assert now(made.quotas.usage(1)) == Usage(Limits(1000, 5), 700, 3)
    assert now(made.quotas.usage(7)) == Usage(Limits(), 0, 0)


@pytest.mark.parametrize(
    ("octets", "messages", "refusal"),
    [(300, 1, None), (400, 1, FULL_NOW), (5000, 1, FULL), (100, 2, None), (100, 3, FULL_NOW), (9999, 0, None)],
)
def test_room_for_copies(octets: int, messages: int, refusal: Reply | None) -> None:
    """All of them together, and what is on its way; a tenth more than the quota is let pass as ever."""
    made = rooms(quota=1000, quota_messages=5)
    made.holds(1, 650, 2)
    assert made.reserve(100) is None

    assert now(made.quotas.refusal_of_copies(1, octets, messages)) == refusal
    assert now(made.quotas.refusal_of_copies(7, octets, messages)) is None


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.lists(st.tuples(st.integers(1, 3), st.integers(0, 60), st.sampled_from(["in", "out", "wait"])), max_size=30))
def test_like_a_ledger(steps: list[tuple[int, int, str]]) -> None:
    """However messages come in, are given up or wait, the room is that of a simple sum."""
    hosting = Hosting()
    limits = {1: Limits(100), 2: Limits(None, 3), 3: Limits(100, 3)}
    for account, limit in limits.items():
        hosting.account(f"a{account}@example.org", quota=limit.octets or 0, quota_messages=limit.messages or 0)
    made = Rooms(hosting)
    held = dict.fromkeys(limits, (0, 0))
    waiting: list[tuple[int, int]] = []
    for account, size, then in steps:
        octets, messages = held[account]
        octets += sum(each for owner, each in waiting if owner == account)
        messages += sum(owner == account for owner, _ in waiting)

        refusal = made.reserve(size, account)

        assert refusal == refusal_of(limits[account], octets, messages, size)
        if refusal is None:
            waiting.append((account, size))
            if then != "wait":
                owner, octets = waiting.pop(0)
                if then == "in":
                    held[owner] = (held[owner][0] + octets, held[owner][1] + 1)
                    made.holds(owner, *held[owner])
                made.release(octets, owner)


def result(task: Task[Reply | None]) -> Reply | None:
    assert task.done
    return now(_awaited(task))


async def _awaited(task: Task[Reply | None]) -> Reply | None:
    return await task


@pytest.mark.parametrize("size", [0, 5])
def test_limits_without_numbers(size: int) -> None:
    """No limit refuses nothing."""
    assert refusal_of(Limits(), 1 << 50, 1 << 20, size) is None
