"""A brake for accounts whose password was stolen: an account that does what it never did sends nothing more.

It learns what is normal for each account, and on a jump refuses its further
submissions, keeps what it has in the queue from going out, and tells the
administrator.  An operator releases or discards.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Final

from zope.interface import implementer

from twistedmail_mta.errors import TemporaryError
from twistedmail_mta.model import Address, Recipient, Reply
from twistedmail_mta.plugins import Kit, PluginError
from twistedmail_mta.policy.acquaintances import Acquaintances
from twistedmail_mta.policy.brake_options import BrakeOptions
from twistedmail_mta.policy.brake_words import STOPPED, Stop, notice
from twistedmail_mta.policy.ledger import Ledger, ledger_table
from twistedmail_mta.policy.stops import Stops
from twistedmail_mta.policy.suspicion import Conduct, ConductForm, Kin, Weight, fail, reasons, take, take_back, weigh
from twistedmail_mta.stages import (
    Arriving,
    Attempted,
    Client,
    IBouncedObserver,
    IEndedObserver,
    IMailPolicy,
    IMessagePolicy,
    IRecipientPolicy,
    IRefusalObserver,
    MailFrom,
)
from twistedmail_mta.tasks import sleep

MOST_AT_HAND: Final = 5000
MOST_ROWS: Final = 50_000
MOST_OPEN: Final = 20_000
KEEP: Final = 400 * 86400.0
TRY_AGAIN: Final = 10.0
NO_SUCH_RECIPIENT: Final = frozenset({"5.1.1", "5.1.2", "5.1.6", "5.1.10"})
"""RFC 3463 section 3.2; the last is of domains without mail (RFC 7505)."""


@dataclass(slots=True)
class Underway:
    """A transaction: what each recipient that was let through has added.

    Attributes:
        weights: by recipient.
    """

    weights: dict[Address, Weight] = field(default_factory=dict)


@implementer(IMailPolicy, IRecipientPolicy, IMessagePolicy, IRefusalObserver, IEndedObserver, IBouncedObserver)
class Brake:
    """Stops accounts."""

    Options = BrakeOptions
    on_error: ClassVar[str] = "abstain"
    migrations: ClassVar[tuple[str, ...]] = (ledger_table("conduct"), Acquaintances.migration, *Stops.migrations)

    def __init__(self, options: BrakeOptions, kit: Kit) -> None:
        self._options = options
        self._kit = kit
        self._refusal = replace(STOPPED, code=550, status="5.7.0") if options.permanent else STOPPED
        self._conduct: Ledger[Conduct] = Ledger(
            kit, "conduct", ConductForm(), most=MOST_AT_HAND, rows=MOST_ROWS, keep=KEEP
        )
        self._acquaintances = Acquaintances(kit)
        self._stops = Stops(kit)
        self._open: OrderedDict[str, Underway] = OrderedDict()

    def inherit(self, old: Brake) -> None:
        """Go on with the same knowledge; transactions under way are the old one's."""
        self._conduct, self._acquaintances, self._stops = old._conduct, old._acquaintances, old._stops

    def rehearse(self, live: Brake) -> None:
        """Judge by copies of what is known in a dry run, and stop nobody for good."""
        self._conduct.rehearse(live._conduct)
        self._acquaintances.rehearse(live._acquaintances)
        self._stops.rehearse(live._stops)

    async def start(self) -> None:
        """Read what is known, and who is stopped."""
        await self._conduct.start()
        await self._acquaintances.start()
        await self._stops.start()
        for stop in self._stops.take_unfinished():
            self._stops.tasks.start("policy.brake", self._hold(stop, TRY_AGAIN))

    async def stop(self) -> None:
        """Write what changed."""
        await self._conduct.stop()
        await self._acquaintances.stop()

    @property
    def _is_learning(self) -> bool:
        return self._kit.now() < self._stops.since + self._options.learn

    # The stages

    async def sender(self, client: Client, mail: MailFrom) -> Reply | None:
        """Refuse an account that is stopped."""
        if client.account is None or self._options.exempts(client.account):
            return None
        if client.account in self._stops:
            return self._refusal
        self._open[mail.id] = Underway()
        if len(self._open) > MOST_OPEN:
            self._open.popitem(last=False)
        return None

    async def recipient(self, client: Client, mail: MailFrom, recipient: Recipient) -> Reply | None:
        """Weigh a recipient; the one that is too much is refused, and all that come after it."""
        underway, account, address = self._open.get(mail.id), client.account, recipient.address
        if underway is None or account is None or address in underway.weights:
            return None
        kin = await self._kin(account, address)
        conduct = await self._conduct.open(account)
        if account in self._stops:
            return self._refusal
        now, learning = self._kit.now(), self._is_learning
        underway.weights[address] = weigh(conduct, client.host, address, kin, now, learning=learning)
        self._conduct.changed(account, conduct)
        return None if learning else self._judge(account, conduct)

    async def _kin(self, account: str, address: Address) -> Kin:
        if await self._acquaintances.knows(account, address):
            return Kin.FRIEND
        return Kin.COLLEAGUE if address.domain == account.rpartition("@")[2] else Kin.STRANGER

    async def message(self, client: Client, message: Arriving) -> Reply | None:
        """Refuse a message of an account that was stopped while it came; forget recipients that others refused."""
        underway, account = self._open.get(message.id), client.account
        if underway is None or account is None:
            return None
        conduct = await self._conduct.open(account)
        if account in self._stops:
            return self._refusal
        taken = {each.address for each in message.envelope.recipients}
        for address in underway.weights.keys() - taken:
            take_back(conduct, underway.weights.pop(address), self._kit.now())
        self._conduct.changed(account, conduct)
        return None

    async def ended(self, client: Client, mail: MailFrom, taken: bool) -> None:
        """Learn from a message that was taken; forget one that wasn't."""
        underway, account = self._open.pop(mail.id, None), client.account
        if underway is None or account is None or not underway.weights or account in self._stops:
            return
        conduct, now = await self._conduct.open(account), self._kit.now()
        if taken:
            take(conduct, client.host, underway.weights.values(), now, learning=self._is_learning)
        else:
            for weight in underway.weights.values():
                take_back(conduct, weight, now)
        self._conduct.changed(account, conduct)
        if taken:
            await self._acquaintances.meet(account, underway.weights)

    async def refused(self, client: Client, reply: Reply) -> None:
        """Count recipients that don't exist, as we say."""
        if client.account is not None and reply.status in NO_SUCH_RECIPIENT:
            await self._fail(client.account)

    async def bounced(self, attempt: Attempted) -> None:
        """Count recipients that failed."""
        if attempt.account is not None:
            await self._fail(attempt.account)

    async def _fail(self, account: str) -> None:
        if account in self._stops or self._options.exempts(account):
            return
        conduct = await self._conduct.open(account)
        fail(conduct, self._kit.now())
        self._conduct.changed(account, conduct)
        if not self._is_learning:
            self._judge(account, conduct)

    # Stopping

    def _judge(self, account: str, conduct: Conduct) -> Reply | None:
        """Stop an account if there is reason to; return the refusal."""
        why = tuple(reasons(conduct, self._options, self._kit.now()))
        if not why:
            return None
        if account not in self._stops:
            stop = Stop(account, self._kit.now(), why, tuple(conduct.habits.seen))
            self._stops.add(stop)
            self._kit.log.warn(
                "account {account} is stopped: {reasons}", event="account.stopped", account=account,
                reasons="; ".join(why),
            )  # fmt: skip
            self._stops.tasks.start("policy.brake", self._hold(stop))
        return self._refusal

    async def _hold(self, stop: Stop, after: float = 0.0) -> None:
        """Write down that an account is stopped, keep its queued mail, and tell; try until all of it is done."""
        if self._kit.rehearsal:
            return
        if after:
            await sleep(self._kit.clock, after)
        while stop.account in self._stops:
            try:
                await self._stops.write(stop)
                waiting = await self._kit.account_mail.suspend(stop.account) if self._kit.account_mail else 0
                await self._tell(stop, waiting)
                await self._stops.finish(stop)
            except TemporaryError as error:
                self._kit.log.warn(
                    "account {account} is stopped, its queued mail not yet: {reason}", event="account.stopping",
                    account=stop.account, reason=str(error),
                )  # fmt: skip
                await sleep(self._kit.clock, TRY_AGAIN)
            else:
                return

    async def _tell(self, stop: Stop, waiting: int) -> None:
        if self._kit.notices is not None:
            subject, text = notice(stop, self._kit.hostname, waiting)
            owner = self._options.owners.get(stop.account)
            await self._kit.notices.tell(subject, text, () if owner is None else (owner,))

    # Commands

    async def answer(self, question: Mapping[str, Any]) -> dict[str, Any]:
        """Answer `mta account brake`.

        Args:
            question: `list`, or `release` or `discard` with the name of an account.

        Raises:
            PluginError: it is something else, or the account isn't stopped.
            TemporaryError: the database can't be written; the account stays stopped.
        """
        match question:
            case {"list": _}:
                return {"stopped": [stop.written() for stop in self._stops]}
            case {"release": str(account)}:
                return await self._release(account, discard=False)
            case {"discard": str(account)}:
                return await self._release(account, discard=True)
        raise PluginError(f"the brake isn't asked {question!r}")

    async def _release(self, account: str, *, discard: bool) -> dict[str, Any]:
        if account not in self._stops:
            raise PluginError(f"{account} is not stopped")
        conduct, mail, number = await self._conduct.open(account), self._kit.account_mail, 0
        if mail is not None:
            number = await mail.discard(account) if discard else 0
            number += await mail.resume(account)
        await self._stops.remove(account)
        if discard:
            conduct.habits.relax()
        else:
            conduct.habits.accept()
            conduct.places.trust(self._kit.now())
        self._conduct.changed(account, conduct)
        await self._conduct.flush()
        return {"account": account, "recipients": number}
