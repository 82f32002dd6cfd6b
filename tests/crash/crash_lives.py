"""Lives of a site in which everything happens once; each step is acknowledged when it is over."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any, Literal

from crash_site import LATER, NEVER, NOW, OK, CrashSite, State, content, local, state_of

from twistedmail_mta.mailbox.appending import Incoming
from twistedmail_mta.mailbox.flags import ANSWERED, SEEN
from twistedmail_mta.mailbox.mailboxes import Mailbox
from twistedmail_mta.model import (
    NULL_PATH,
    Address,
    Body,
    Claim,
    Deferred,
    Delivered,
    Detention,
    Failed,
    InlineBody,
    Report,
    Settlement,
    Withdrawn,
)
from twistedmail_mta.spool.operator_selection import Selection

Kind = Literal["spool", "mailboxes", "tree", "quarantine"]
KINDS: tuple[Kind, ...] = ("spool", "mailboxes", "tree", "quarantine")


SPAM, ODD = Detention("quarantine", "spam", "rspamd"), Detention("hold", "odd", "rules")


class SpoolLife:
    """Mail is accepted, tried, settled and deleted: the steps, one method each, in the order of `SPOOL_STEPS`."""

    def __init__(self, site: CrashSite) -> None:
        self._site = site
        self._spool = site.spool
        self._claims: list[Claim] = []
        self._first = 0

    async def accept_small(self) -> None:
        """One row for the body, four recipients, claimed at birth."""
        names = [f"{name}@example.net" for name in "abcde"]
        message = self._site.message(InlineBody(content(1, 4096)), *names)
        self._claims = list(await self._spool.accept(message, claim=True))
        self._first = message.id

    async def hold(self) -> None:
        """A wish about a claimed recipient."""
        await self._site.control.change("hold", Selection(to="d@*"))

    async def settle_each_way(self) -> None:
        """Delivered, deferred, failed, held: in one transaction."""
        outcomes = (Delivered(OK), Deferred(LATER), Failed(NEVER), Withdrawn())
        await self._spool.settle(
            [
                Settlement(claim, outcome, NOW, NOW + 60 if isinstance(outcome, Deferred) else None)
                for claim, outcome in zip(self._claims, outcomes, strict=False)
            ],
            None,
        )

    async def settle_with_bounce(self) -> None:
        """The last claim fails, and the bounce for both that failed is spooled."""
        bounce = self._site.message(InlineBody(content(2, 9000)), "ann@example.org", sender=NULL_PATH)
        settlement = Settlement(self._claims[4], Failed(NEVER), NOW)
        assert await self._spool.settle([settlement], Report(self._first, frozenset({2, 4}), bounce))

    async def accept_large(self) -> None:
        """A file and its row."""
        body = await self._site.write_body(content(3, 300_000))
        await self._spool.accept(self._site.message(body, "x@example.com"), claim=False)

    async def accept_inline_at_the_limit(self) -> None:
        """A row of many pages."""
        body = await self._site.write_body(content(4, 65_536))
        await self._spool.accept(self._site.message(body, "y@example.com"), claim=False)

    async def claim(self) -> None:
        """Whatever is due."""
        self._claims = list(await self._spool.claim(10, frozenset()))
        assert len(self._claims) == 3

    async def settle_large(self) -> None:
        """Rows and file go."""
        await self._spool.settle([Settlement(self._claims[1], Delivered(OK), NOW)], None)
        await self._site.tasks.finish()

    async def release_claims(self) -> None:
        """The rest goes back."""
        await self._spool.release_claims([self._claims[0], self._claims[2]])

    async def delete(self) -> None:
        """The operator wants none of it."""
        assert await self._site.control.change("delete", Selection()) == 4


class QuarantineLife:
    """Mail is kept back, released and deleted: the steps, one method each, in the order of `QUARANTINE_STEPS`."""

    def __init__(self, site: CrashSite) -> None:
        self._site = site
        self._ids: list[int] = []

    async def _detain(self, body: Body, detention: Detention, *names: str) -> None:
        message = self._site.message(body, *names)
        await self._site.spool.accept(message, claim=False, detention=detention)
        self._ids.append(message.id)

    async def quarantine_small(self) -> None:
        """One row for the body, two recipients."""
        await self._detain(InlineBody(content(1, 4096)), SPAM, "a@example.net", "b@example.net")

    async def quarantine_large(self) -> None:
        """A file and its row."""
        await self._detain(await self._site.write_body(content(2, 300_000)), SPAM, "c@example.net")

    async def hold(self) -> None:
        """Its reason is kept, too."""
        await self._detain(InlineBody(content(3, 100)), ODD, "d@example.net")

    async def quarantine_more(self) -> None:
        """For the steps that follow."""
        number = len(self._ids)
        await self._detain(InlineBody(content(number, 3000)), SPAM, f"e{number}@example.net")

    async def release(self) -> None:
        """Its recipients are waiting, and its row is gone."""
        assert await self._site.quarantine.release(self._ids[:1]) == 1

    async def release_to_another(self) -> None:
        """Who takes the place of its recipients."""
        assert await self._site.quarantine.release(self._ids[3:4], Address("abuse", "example.org")) == 1

    async def release_the_held(self) -> None:
        """The queue's own way."""
        assert await self._site.control.change("release", Selection()) == 1

    async def delete_large(self) -> None:
        """Rows and file go."""
        assert await self._site.quarantine.delete(self._ids[1:2]) == 1

    async def claim(self) -> None:
        """What was released is like any other mail."""
        self._claims = await self._site.spool.claim(10, frozenset())
        assert len(self._claims) == 4

    async def deliver(self) -> None:
        """It goes, and so does all that was known of it."""
        await self._site.spool.settle([Settlement(claim, Delivered(OK), NOW) for claim in self._claims], None)

    async def expire(self) -> None:
        """The rest, in one transaction."""
        assert await self._site.quarantine.expire(0.0) == 2


class MailboxLife:
    """Mail goes into mailboxes, is flagged and removed: the steps, one method each, in the order of `MAILBOX_STEPS`."""

    def __init__(self, site: CrashSite) -> None:
        self._site = site
        self._spool = site.spool

    async def accept_into_mailboxes(self) -> None:
        """A file that a mailbox and the spool share; the account had no mailboxes before."""
        body = await self._site.write_body(content(5, 300_000))
        self._list = self._site.message(body, "list@example.org")
        self._claims = list(await self._spool.accept(self._list, claim=True, local=local((1, "INBOX"))))

    async def deliver_a_chunk(self) -> None:
        """Another mailbox gets what is spooled."""
        await self._site.mailboxes.deliver(self._list, local((1, "Lists")), (self._list.id, 0))

    async def deliver_a_chunk_again(self) -> None:
        """Of two mailboxes one has it already."""
        await self._site.mailboxes.deliver(self._list, local((1, "Lists"), (2, "INBOX")), (self._list.id, 0))

    async def settle_the_list(self) -> None:
        """The spool gives up its share, and what was delivered is forgotten."""
        await self._spool.settle([Settlement(claim, Delivered(OK), NOW) for claim in self._claims], None)

    async def accept_into_mailboxes_alone(self) -> None:
        """Nothing goes into the spool."""
        message = self._site.message(InlineBody(content(6, 3000)))
        await self._spool.accept(message, claim=True, local=local((1, "INBOX"), (1, "Lists")))

    async def append(self) -> None:
        """Three messages at once, with flags."""
        self._lists = (await self._site.mailboxes.make(1, "Lists")).id
        bodies = [InlineBody(content(n, 500)) for n in range(3)]
        messages = [
            Incoming(self._spool.new_id(), b"\r\n", body, local().structure, 1, flags=n, uidl=f"u{n}")
            for n, body in enumerate(bodies)
        ]
        await self._site.mailboxes.append(self._lists, messages)

    async def set_flags(self) -> None:
        """Of some."""
        await self._site.mailboxes.set_flags(self._lists, [1, 3, 4], add=SEEN, remove=ANSWERED)

    async def remove_some(self) -> None:
        """Of two messages one is shared."""
        await self._remove(self._lists, [1, 3])

    async def remove_more(self) -> None:
        """Another share of the file goes."""
        await self._remove((await self._site.mailboxes.make(1, "INBOX")).id, [1])

    async def remove_the_last(self) -> None:
        """The file goes with the last mailbox that has it."""
        await self._remove((await self._site.mailboxes.make(2, "INBOX")).id, [1])

    async def _remove(self, mailbox: int, uids: list[int]) -> None:
        await self._site.mailboxes.remove(mailbox, uids)
        await self._site.tasks.finish()


class TreeLife:
    """Mailboxes are made, renamed and deleted, mail is copied and moved: the order is that of `TREE_STEPS`."""

    def __init__(self, site: CrashSite) -> None:
        self._site = site
        self._store = site.mailboxes

    async def accept_large(self) -> None:
        """A file."""
        await self._accept(300_000)

    async def accept_small(self) -> None:
        """A row."""
        await self._accept(500)

    async def _accept(self, size: int) -> None:
        body = await self._site.write_body(content(size, size))
        await self._site.spool.accept(self._site.message(body), claim=False, local=local((1, "INBOX")))

    async def create(self) -> None:
        """With one above it."""
        self._inbox = (await self._store.make(1, "INBOX")).id
        made = await self._store.tree.create(1, "x/y")
        assert isinstance(made, Mailbox)
        self._other = made.id

    async def copy(self) -> None:
        """Two messages, one with a keyword that the other mailbox doesn't know."""
        await self._store.copy(self._inbox, [1, 2], self._other)

    async def name_keyword(self) -> None:
        """It has a bit from now on."""
        self._bit = (await self._store.keywords(self._inbox, ["kept"]))["kept"]

    async def set_keyword(self) -> None:
        """Unless somebody was here before."""
        await self._store.set_flags(self._inbox, [1, 2], add=1 << self._bit, unchanged_since=2)

    async def move(self) -> None:
        """Back, and within a mailbox."""
        await self._store.move(self._inbox, [1], self._other)

    async def move_within(self) -> None:
        """To its end."""
        await self._store.move(self._other, [1, 2], self._other)

    async def tell_recent(self) -> None:
        """Of some."""
        await self._store.tell_recent(self._other, 3)

    async def subscribe(self) -> None:
        """To what isn't there yet."""
        await self._store.tree.subscribe(1, "x2/y")

    async def rename(self) -> None:
        """With what is below."""
        await self._store.tree.rename(1, "x", "x2")

    async def rename_inbox(self) -> None:
        """Its message moves."""
        await self._store.tree.rename(1, "INBOX", "old")

    async def delete(self) -> None:
        """What is in it is purged afterwards."""
        await self._store.tree.delete(1, "x2/y")
        await self._site.tasks.finish()


SPOOL_STEPS = (
    SpoolLife.accept_small,
    SpoolLife.hold,
    SpoolLife.settle_each_way,
    SpoolLife.settle_with_bounce,
    SpoolLife.accept_large,
    SpoolLife.accept_inline_at_the_limit,
    SpoolLife.claim,
    SpoolLife.settle_large,
    SpoolLife.release_claims,
    SpoolLife.delete,
)

QUARANTINE_STEPS = (
    QuarantineLife.quarantine_small,
    QuarantineLife.quarantine_large,
    QuarantineLife.hold,
    *[QuarantineLife.quarantine_more] * 3,
    QuarantineLife.release,
    QuarantineLife.release_to_another,
    QuarantineLife.release_the_held,
    QuarantineLife.delete_large,
    QuarantineLife.claim,
    QuarantineLife.deliver,
    QuarantineLife.expire,
)

MAILBOX_STEPS = (
    MailboxLife.accept_into_mailboxes,
    MailboxLife.deliver_a_chunk,
    MailboxLife.deliver_a_chunk_again,
    MailboxLife.settle_the_list,
    MailboxLife.accept_into_mailboxes_alone,
    MailboxLife.append,
    MailboxLife.set_flags,
    MailboxLife.remove_some,
    MailboxLife.remove_more,
    MailboxLife.remove_the_last,
)

TREE_STEPS = (
    TreeLife.accept_large,
    TreeLife.accept_small,
    TreeLife.create,
    TreeLife.name_keyword,
    TreeLife.set_keyword,
    TreeLife.copy,
    TreeLife.move,
    TreeLife.move_within,
    TreeLife.tell_recent,
    TreeLife.subscribe,
    TreeLife.rename,
    TreeLife.rename_inbox,
    TreeLife.delete,
)


def begin_life(site: CrashSite, kind: Kind) -> list[Callable[[], Awaitable[None]]]:
    """Return the steps of a life, to be taken one after the other."""
    if kind == "spool":
        spool = SpoolLife(site)
        return [partial(step, spool) for step in SPOOL_STEPS]
    if kind == "quarantine":
        quarantine = QuarantineLife(site)
        return [partial(step, quarantine) for step in QUARANTINE_STEPS]
    if kind == "tree":
        tree = TreeLife(site)
        return [partial(step, tree) for step in TREE_STEPS]
    mailboxes = MailboxLife(site)
    return [partial(step, mailboxes) for step in MAILBOX_STEPS]


def live(site: CrashSite, kind: Kind, acknowledge: Callable[[int], None]) -> None:
    """Take every step, acknowledging its number when it is over; 0 is the start."""
    acknowledge(0)
    for number, step in enumerate(begin_life(site, kind), 1):
        site.hand.wait(step())
        acknowledge(number)


def states_of_a_life(site: Path, kind: Kind, **options: Any) -> list[State]:
    """Return what a site holds after each step when nothing goes wrong."""
    states: list[State] = []
    crash_site = CrashSite(site, **options)
    live(crash_site, kind, lambda _: states.append(state_of(site)))
    crash_site.close()
    return states
