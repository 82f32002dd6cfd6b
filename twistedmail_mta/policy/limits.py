"""Limits of what an account, a sender's domain, or a client's network may send in an hour and in a day.

Recipients are decided at RCPT, messages and octets at MAIL as far as they are
known there, and at the end of the message.  Whatever is charged is given back
when the message isn't accepted.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Final

from zope.interface import implementer

from twistedmail_mta.model import Address, Recipient, Reply
from twistedmail_mta.networks import client_network, is_in
from twistedmail_mta.plugins import Kit, PluginError
from twistedmail_mta.policy.acquaintances import Acquaintances
from twistedmail_mta.policy.buckets import SECONDS, BucketForm, Buckets, Measure, Rule
from twistedmail_mta.policy.ledger import Ledger, ledger_table
from twistedmail_mta.policy.limits_options import AccountRules, LimitsOptions
from twistedmail_mta.policy.limits_words import refusal
from twistedmail_mta.stages import (
    Arriving,
    Client,
    IEndedObserver,
    IMailPolicy,
    IMessagePolicy,
    IRecipientPolicy,
    MailFrom,
)

MOST_AT_HAND: Final = 20_000
MOST_ROWS: Final = 50_000
MOST_OPEN: Final = 20_000
"""Transactions that have something charged: more than there can be connections."""


@dataclass(frozen=True, slots=True)
class Payer:
    """Whose buckets a transaction fills.

    Attributes:
        name: of its buckets, such as "account ann@example.org".
        words: what the client is told it is.
        rules: what is limited.
    """

    name: str
    words: str
    rules: tuple[Rule, ...]

    def counts(self, measure: Measure) -> bool:
        """Return whether something is limited."""
        return any(rule.measure == measure for rule in self.rules)


Charge = tuple[Payer, Rule, float]


@dataclass(slots=True)
class Bill:
    """What a transaction was charged.

    Attributes:
        payers: who pays.
        recipients: for each recipient that was let through.
        new: the payers to whom each of those is new.
        message: for the message itself.
    """

    payers: Sequence[Payer]
    recipients: dict[Address, list[Charge]] = field(default_factory=dict)
    new: dict[Address, list[Payer]] = field(default_factory=dict)
    message: list[Charge] = field(default_factory=list)

    def forget(self, address: Address) -> list[Charge]:
        """Take a recipient off; return what was charged for it."""
        self.new.pop(address, None)
        return self.recipients.pop(address)

    def charges(self) -> Iterator[Charge]:
        """Yield all that was charged."""
        yield from self.message
        for charges in self.recipients.values():
            yield from charges


@implementer(IMailPolicy, IRecipientPolicy, IMessagePolicy, IEndedObserver)
class Limits:
    """Refuses what is too much, and says when to come back."""

    Options = LimitsOptions
    migrations: ClassVar[tuple[str, ...]] = (ledger_table("bucket"), Acquaintances.migration)

    def __init__(self, options: LimitsOptions, kit: Kit) -> None:
        self._options = options
        self._now = kit.now
        self._accounts = AccountRules(options.account, options.accounts)
        self._domain_rules = options.sender_domain.rules()
        self._network_rules = options.network.rules()
        form = BucketForm(kit.now)
        self._buckets: Ledger[Buckets] = Ledger(
            kit, "bucket", form, most=MOST_AT_HAND, rows=MOST_ROWS, keep=max(SECONDS.values())
        )
        self._acquaintances = Acquaintances(kit)
        self._open: OrderedDict[str, Bill] = OrderedDict()

    def inherit(self, old: Limits) -> None:
        """Go on with the same buckets; transactions under way are the old one's."""
        self._buckets, self._acquaintances = old._buckets, old._acquaintances

    def rehearse(self, live: Limits) -> None:
        """Charge copies of the buckets in a dry run."""
        self._buckets.rehearse(live._buckets)
        self._acquaintances.rehearse(live._acquaintances)

    async def start(self) -> None:
        """Read whose buckets aren't empty."""
        await self._buckets.start()
        await self._acquaintances.start()

    async def stop(self) -> None:
        """Write what changed."""
        await self._buckets.stop()
        await self._acquaintances.stop()

    # The stages

    async def sender(self, client: Client, mail: MailFrom) -> Reply | None:
        """Refuse a message that would be too much; nothing is charged for it yet."""
        payers = list(self._payers(client, mail.sender))
        if not payers:
            return None
        amounts: dict[Measure, float] = {"messages": 1.0, "octets": float(mail.size or 0)}
        reply = await self._charge(payers, amounts, None)
        if reply is None:
            self._open[mail.id] = Bill(payers)
            if len(self._open) > MOST_OPEN:
                self._open.popitem(last=False)
        return reply

    async def recipient(self, client: Client, mail: MailFrom, recipient: Recipient) -> Reply | None:  # noqa: ARG002 - as the stage has it
        """Charge a recipient, or refuse it."""
        bill, address = self._open.get(mail.id), recipient.address
        if bill is None or address in bill.recipients:
            return None
        new = [payer for payer in bill.payers if payer.counts("new_recipients")]
        new = [payer for payer in new if not await self._acquaintances.knows(payer.name, address)]
        charges: list[Charge] = []
        reply = await self._charge(bill.payers, {"recipients": 1.0, "new_recipients": 1.0}, charges, new)
        if reply is None:
            bill.recipients[address] = charges
            bill.new[address] = new
        return reply

    async def message(self, client: Client, message: Arriving) -> Reply | None:  # noqa: ARG002 - as above
        """Charge a message, or refuse it; recipients that others refused are given back."""
        bill = self._open.get(message.id)
        if bill is None:
            return None
        taken = {each.address for each in message.envelope.recipients}
        for address in bill.recipients.keys() - taken:
            await self._give_back(bill.forget(address))
        return await self._charge(bill.payers, {"messages": 1.0, "octets": float(message.size)}, bill.message)

    async def ended(self, client: Client, mail: MailFrom, taken: bool) -> None:  # noqa: ARG002 - as above
        """Give everything back, or make acquaintance."""
        bill = self._open.pop(mail.id, None)
        if bill is None:
            return
        if not taken:
            await self._give_back(bill.charges())
            return
        for address, payers in bill.new.items():
            for payer in payers:
                await self._acquaintances.meet(payer.name, (address,))

    # Charging

    def _payers(self, client: Client, sender: Address) -> Iterator[Payer]:
        """Yield whose buckets are filled; those of whom nothing is limited are left out."""
        if client.account is not None and (rules := self._accounts.of(client.account)):
            yield Payer(f"account {client.account}", "your account", rules)
        if self._domain_rules and sender.domain:
            yield Payer(f"domain {sender.domain}", f"senders at {sender.domain}", self._domain_rules)
        if self._network_rules and client.host and not is_in(client.host, self._options.exempt_networks):
            yield Payer(f"network {client_network(client.host)}", "your network", self._network_rules)

    async def _charge(
        self,
        payers: Sequence[Payer],
        amounts: Mapping[Measure, float],
        charges: list[Charge] | None,
        new: Sequence[Payer] = (),
    ) -> Reply | None:
        """Charge all payers, or none of them; return why.

        Args:
            payers: who pays.
            amounts: what for.
            charges: what was charged is added there; None: nothing is, it is only found out whether it could be.
            new: those of the payers who pay for new recipients.
        """
        due = [
            (payer, rule, amounts[rule.measure])
            for payer in payers
            for rule in payer.rules
            if amounts.get(rule.measure) and (rule.measure != "new_recipients" or payer in new)
        ]
        buckets = {payer.name: await self._buckets.open(payer.name) for payer, _, _ in due}
        now = self._now()
        for payer, rule, amount in due:
            excess = buckets[payer.name].excess(rule, amount, now)
            if excess > 0:
                reply = refusal(rule, payer.words, excess, amount, now)
                return replace(reply, code=550, status="5.7.1") if self._options.permanent else reply
        if charges is not None:
            for payer, rule, amount in due:
                buckets[payer.name].add(rule, amount, now)
            charges += due
            for name, each in buckets.items():
                self._buckets.changed(name, each)
        return None

    async def _give_back(self, charges: Iterable[Charge]) -> None:
        for payer, rule, amount in charges:
            buckets = await self._buckets.open(payer.name)
            buckets.add(rule, -amount, self._now())
            self._buckets.changed(payer.name, buckets)

    # Commands

    async def answer(self, question: Mapping[str, Any]) -> dict[str, Any]:
        """Answer `mta limits`.

        Args:
            question: `show` or `reset`, either with the name of an account.

        Raises:
            PluginError: it is something else.
        """
        match question:
            case {"show": str(account)}:
                return {"account": account, "limits": await self._used(account)}
            case {"reset": str(account)}:
                before = await self._used(account)
                self._buckets.forget(f"account {account}")
                await self._buckets.flush()
                return {"account": account, "limits": before}
        raise PluginError(f"limits aren't asked {question!r}")

    async def _used(self, account: str) -> list[dict[str, Any]]:
        buckets, now = await self._buckets.open(f"account {account}"), self._now()
        return [
            {
                "measure": rule.measure,
                "period": rule.period,
                "used": round(buckets.level(rule, now), 1),
                "allowed": rule.allowed,
            }
            for rule in self._accounts.of(account)
        ]
