"""One list of the DNS (RFC 5782): how it is asked, and whether its answer can be believed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Final, Literal

from pydantic import BeforeValidator, Field

from twistedmail_mta.config.values import Domain, Table, sequence
from twistedmail_mta.errors import TemporaryError
from twistedmail_mta.networks import address_of, reverse_name
from twistedmail_mta.plugins import Kit
from twistedmail_mta.policy.asking import in_time
from twistedmail_mta.policy.list_code import Code, is_listing
from twistedmail_mta.policy.recent import Recent

Kind = Literal["client", "helo", "sender"]

REMEMBERED: Final = 60.0
"""Seconds for which an answer stands, or that there was none: a message of many recipients asks once."""
MOST_REMEMBERED: Final = 10_000
COMPLAIN_EVERY: Final = 3600.0

REASON_WITHIN: Final = 1.5
"""Seconds that a list has for its reason: the refusal goes without it then."""

MOST_REASON: Final = 160
"""Letters of a list's own words that are passed on."""

_UNPRINTABLE: Final = re.compile(r"[^!-~]+")
_NEVER_LISTED_IPV6: Final = "1.0.0.0.0.0.f.7.f.f.f.f" + ".0" * 20
"""::FFFF:7F00:1, which no list holds (RFC 5782 section 5)."""


class Zone(Table):
    """One list.

    Attributes:
        zone: its name in the DNS.
        name: what strangers are told it is called, where its name in the DNS holds a secret key; empty: the same.
        of: what it lists: addresses of clients, names in EHLO, or domains of senders.
        weight: what a listing counts; lists of the good have a negative one.
        codes: what single return codes count; where there are any, others count nothing.
    """

    zone: Domain
    name: str = Field(default="", pattern=r"^[!-~]{0,100}$")
    of: Kind = "client"
    weight: float = 1.0
    codes: Mapping[Code, float] = Field(default_factory=dict)

    @property
    def shown(self) -> str:
        """Return what strangers are told it is called."""
        return self.name or self.zone

    @property
    def greatest(self) -> float:
        """Return the most that its answer can count; 0 when that is less than none."""
        return max(0.0, *(self.codes.values() or (self.weight,)))

    @property
    def least(self) -> float:
        """Return the least that its answer can count; 0 when that is more than none."""
        return min(0.0, *(self.codes.values() or (self.weight,)))

    def weigh(self, codes: tuple[str, ...]) -> float:
        """Return what a listing with these codes counts.

        A list counts once, however many codes it answers with: the greatest
        weight of them, or the least where all are negative.
        """
        if not codes:
            return 0.0
        if not self.codes:
            return self.weight
        weights = [weight for code in codes for pattern, weight in self.codes.items() if pattern.matches(code)]
        return max(weights, key=lambda weight: (weight > 0, abs(weight)), default=0.0)


Zones = Annotated[tuple[Zone, ...], BeforeValidator(sequence), Field(min_length=1, max_length=50)]


@dataclass(frozen=True, slots=True)
class Listing:
    """What a list says.

    Attributes:
        zone: the list.
        subject: who or what was asked about.
        codes: its return codes; none where nothing is listed.
        failed: there is no answer that can be believed.
    """

    zone: Zone
    subject: str
    codes: tuple[str, ...] = ()
    failed: bool = False

    @property
    def weight(self) -> float:
        """Return what it counts."""
        return self.zone.weigh(self.codes)


class Lists:
    """Asks lists, each question once in a while."""

    def __init__(self, kit: Kit, patience: float) -> None:
        """Ask nothing yet.

        Args:
            kit: for the questions.
            patience: seconds that a list has for its answer, and for what shows that it can be believed.
        """
        self._kit = kit
        self._patience = patience
        seconds = kit.clock.seconds
        self._codes: Recent[str, tuple[str, ...] | None] = Recent(seconds, REMEMBERED, MOST_REMEMBERED)
        self._failed: Recent[str, bool] = Recent(seconds, REMEMBERED, MOST_REMEMBERED)
        self._complained: Recent[str, bool] = Recent(seconds, COMPLAIN_EVERY, 1000)

    async def ask(self, zone: Zone, subject: str) -> Listing:
        """Return what a list says of a client's address, or of a domain."""
        name = question(zone, subject)
        codes = self._codes.get(name)
        if codes is None and self._failed.get(name) is None:
            codes = await self._look_up(zone, subject, name)
        return Listing(zone, subject, codes or (), failed=codes is None)

    async def _look_up(self, zone: Zone, subject: str, name: str) -> tuple[str, ...] | None:
        """Return the codes of a list's answer, and remember them; None when there is none that can be believed."""
        try:
            codes, trouble = await in_time(self._kit.clock, self._patience, self._weighed(zone, subject, name))
        except TemporaryError as error:
            codes, trouble = (), str(error.reply)
        if trouble:
            self._failed.note(name, True)
            self._complain(zone, trouble)
            return None
        self._codes.note(name, codes)
        return codes

    async def _weighed(self, zone: Zone, subject: str, name: str) -> tuple[tuple[str, ...], str]:
        """Return the codes of a list's answer, and why they can't be believed; empty if they can."""
        codes = (await self._kit.resolver.addresses(name, "A")).records
        if not all(map(is_listing, codes)):
            return codes, f"it answers {', '.join(codes[:5])}, which is no listing"
        if codes and (await self._kit.resolver.addresses(_never_listed(zone, subject), "A")).records:
            return codes, "it lists what no list may hold (RFC 5782 section 5)"
        return codes, ""

    async def reason(self, listing: Listing) -> str:
        """Return why something is listed, in the list's words (RFC 5782 section 2.1); empty where it doesn't say."""
        kit, name = self._kit, question(listing.zone, listing.subject)
        try:
            answer = await in_time(kit.clock, REASON_WITHIN, kit.resolver.texts(name))
        except TemporaryError:
            return ""
        return printable(answer.records[0]) if answer.records else ""

    def _complain(self, zone: Zone, why: str) -> None:
        """Tell the operator of a list that can't be used, now and then."""
        if self._complained.get(zone.zone) is None:
            self._complained.note(zone.zone, True)
            self._kit.log.warn("list {zone} is of no use: {why}", event="dnsbl.useless", zone=zone.zone, why=why)


def question(zone: Zone, subject: str) -> str:
    """Return the name that is looked up (RFC 5782 section 2.1, section 2.4 and section 3)."""
    return reverse_name(subject, zone.zone) if zone.of == "client" else f"{subject}.{zone.zone}"


def _never_listed(zone: Zone, subject: str) -> str:
    """Return the name that exists in no list of this kind (RFC 5782 section 5)."""
    if zone.of != "client":
        return f"invalid.{zone.zone}"
    address = address_of(subject)
    is_ipv6 = address is not None and address.version == 6
    return f"{_NEVER_LISTED_IPV6}.{zone.zone}" if is_ipv6 else reverse_name("127.0.0.1", zone.zone)


def printable(octets: bytes) -> str:
    """Return foreign words as they can stand in a reply: printable ASCII on one line, and not too many."""
    text = _UNPRINTABLE.sub(" ", octets[: 10 * MOST_REASON].decode("ascii", "replace")).strip()
    return text if len(text) <= MOST_REASON else text[: MOST_REASON - 3] + "..."
