"""Greylisting: a host that was never seen comes back a little later, a program that only sends doesn't (RFC 6647)."""

from __future__ import annotations

import re
from math import ceil
from typing import ClassVar, Final

from pydantic import Field, model_validator
from zope.interface import implementer

from twistedmail_mta.config.values import Count, DomainPatterns, Wait
from twistedmail_mta.mail.header import Header
from twistedmail_mta.model import Address, Envelope, Recipient, Reply
from twistedmail_mta.networks import wide_network
from twistedmail_mta.plugins import Kit
from twistedmail_mta.policy.exempt import Exempt, matches
from twistedmail_mta.policy.greylist_memory import GreylistMemory
from twistedmail_mta.policy.triplets import MIGRATIONS, Facts, Triplets, digest
from twistedmail_mta.stages import Attempted, Client, IDeliveredObserver, IHeaderPolicy, IRecipientPolicy, MailFrom

REFRESH: Final = 86400.0
"""Seconds after which the life of what is still in use is made longer: not with each mail."""

_NUMBER: Final = re.compile("[0-9]+")
_SIGNATURE: Final = re.compile("^(?:(?:btv1|prvs|msprvs1)=+[^=]*=+|srs0[=+-][^=]*=[^=]*=)")
"""What precedes the rest of a local part that is signed, differently each day: BATV and SRS."""


class GreylistOptions(Exempt):
    """[plugins.NAME] of greylisting.

    Attributes:
        delay: how long a new triplet waits.
        window: until when it has to come back, from the first time on.
        lifetime: how long one that came back is let in at once, from its last mail on; networks likewise.
        good_after: so many triplets that came back make a network one that is never asked to wait; 0: none does.
        known_for: how long an address is let in that an account here has written to, from the last time on.
        exempt_sender_domains: domains of senders that don't wait.
        exempt_recipient_domains: domains here that don't let anybody wait.
        most: rows in each of the three tables; past that nobody who is new waits.
    """

    delay: Wait = 300.0
    window: Wait = 2 * 86400.0
    lifetime: Wait = 36 * 86400.0
    good_after: int = Field(default=5, ge=0)
    known_for: Wait = 180 * 86400.0
    exempt_sender_domains: DomainPatterns = ()
    exempt_recipient_domains: DomainPatterns = ()
    most: Count = 1_000_000

    @model_validator(mode="after")
    def _in_order(self) -> GreylistOptions:
        if not self.delay < self.window <= self.lifetime:
            raise ValueError("delay must be shorter than window, and window not longer than lifetime")
        return self


@implementer(IRecipientPolicy, IHeaderPolicy, IDeliveredObserver)
class Greylist:
    """Lets triplets of client network, sender and recipient wait that it sees for the first time.

    The null sender is asked to wait when the text is here, whoever it is for:
    hosts that only find out whether an address exists are answered at once,
    and so is the mail that waits for their answer.

    A decision reads once, and writes at most once; nothing is written for
    those that don't wait any more, but now and then in the background.
    """

    Options = GreylistOptions
    migrations: ClassVar = MIGRATIONS
    on_error: ClassVar = "abstain"

    def __init__(self, options: GreylistOptions, kit: Kit) -> None:
        self._options = options
        self._kit = kit
        self._triplets = Triplets(kit.prefix)
        self._memory = GreylistMemory(kit, self._triplets, options.most, options.lifetime)

    def inherit(self, old: Greylist) -> None:
        """Go on with what isn't in the tables yet."""
        self._memory.inherit(old._memory)

    def rehearse(self, live: Greylist) -> None:
        """Know in a dry run how much room there is."""
        self._memory.rehearse(live._memory)

    async def start(self) -> None:
        """Begin to forget what has expired."""
        await self._memory.start()

    async def stop(self) -> None:
        """Stop that."""
        self._memory.stop()

    async def recipient(self, client: Client, mail: MailFrom, recipient: Recipient) -> Reply | None:
        """Let a sender wait."""
        address = recipient.address
        if mail.sender.is_null or self._is_exempt(client, mail.sender, address):
            return None
        return await self._judge(client, spelling(mail.sender), f"{address.local}@{address.domain}".lower())

    async def header(self, client: Client, envelope: Envelope, header: Header) -> Reply | None:  # noqa: ARG002 - as the stage has it
        """Let the null sender wait."""
        sender = envelope.sender
        if not sender.is_null or all(self._is_exempt(client, sender, to.address) for to in envelope.recipients):
            return None
        return await self._judge(client, "", "")

    async def delivered(self, attempt: Attempted) -> None:
        """Note whom an account here has written to: the answer won't wait."""
        if attempt.account is not None and self._memory.is_news(attempt.recipient):
            expires = self._kit.now() + self._options.known_for
            known = digest(spelling(attempt.recipient))
            if self._memory.has_room("known"):
                await self._kit.database.write(self._triplets.know(known, expires))

    def _is_exempt(self, client: Client, sender: Address, recipient: Address) -> bool:
        options = self._options
        return (
            options.exempts(client)
            or options.exempts_recipient(recipient)
            or matches(sender.domain, options.exempt_sender_domains)
            or matches(recipient.domain, options.exempt_recipient_domains)
        )

    async def _judge(self, client: Client, sender: str, recipient: str) -> Reply | None:
        """Return that the client has to wait, or None; note what there is to note."""
        options, triplets, database, now = self._options, self._triplets, self._kit.database, self._kit.now()
        place = wide_network(client.host)
        network, triplet = digest(place), digest(place, sender, recipient)
        facts = await database.read(triplets.facts(digest(sender), network, triplet, now))
        if facts.known or 0 < options.good_after <= facts.successes:
            self._memory.note_good(network if not facts.known else None)
            return None
        left = self._left(facts, now)
        if facts.first is None:
            if not self._memory.has_room("triplet"):
                return None
            await database.write(triplets.begin(triplet, now, now + options.window))
        elif not facts.passed and left <= 0:
            await database.write(triplets.succeed(triplet, network, now, now + options.lifetime))
        elif facts.passed and facts.expires < now + options.lifetime - REFRESH:
            await database.write(triplets.extend(triplet, now + options.lifetime))
        return _wait(left) if left > 0 else None

    def _left(self, facts: Facts, now: float) -> float:
        """Return how many seconds a triplet has to wait still."""
        if facts.passed:
            return 0.0
        return self._options.delay - (0.0 if facts.first is None else now - facts.first)


def spelling(address: Address) -> str:
    """Return a sender as it is remembered: what changes from one mail to the next is left out.

    These are signatures, what follows a "+", and the numbers of mailing lists.
    """
    local = _SIGNATURE.sub("", address.local.lower())
    local = local.partition("+")[0] or local
    return f"{_NUMBER.sub('#', local)}@{address.domain}"


def _wait(seconds: float) -> Reply:
    minutes = max(1, ceil(seconds / 60))
    text = f"You are new here (greylisted); please try again in {minutes} minute{'s' if minutes > 1 else ''}"
    return Reply(450, "4.7.1", text)
