"""Rewrites addresses by rules: of the sender, of recipients, and in fields of the header."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import chain
from typing import Annotated, Final

from pydantic import BeforeValidator, Field
from zope.interface import implementer

from twistedmail_mta.config.values import Table, Wait, sequence
from twistedmail_mta.header_changes import value_of
from twistedmail_mta.mail.readdressing import readdressed
from twistedmail_mta.model import Address
from twistedmail_mta.plugins import Kit
from twistedmail_mta.policy.map_files import MapFiles
from twistedmail_mta.policy.rewrite_rules import MAIL, RCPT, RewriteRule, rewriter
from twistedmail_mta.soundness import is_sound
from twistedmail_mta.stages import (
    Answer,
    Arriving,
    Change,
    ChangeHeader,
    ChangeRecipient,
    ChangeSender,
    Client,
    IMessagePolicy,
)

MOST_FIELDS: Final = 20
"""Fields of a message that are looked at; RFC 5322 section 3.6 knows each of them once."""
SMALL: Final = 4096
FEW: Final = 200
"""Octets of values that are read at once, and questions to rules that are asked; more goes to a thread."""

New = Callable[[Address], Address | None]


class RewriteOptions(Table):
    """Options of `rewrite`.

    Attributes:
        rules: asked in order, for each address.
        look_every: seconds between two looks at the files of the rules.
    """

    rules: Annotated[tuple[RewriteRule, ...], BeforeValidator(sequence), Field(min_length=1)]
    look_every: Wait = 10.0


@implementer(IMessagePolicy)
class Rewrite:
    """Puts other addresses into the places that the rules name, each once."""

    Options = RewriteOptions

    def __init__(self, options: RewriteOptions, kit: Kit) -> None:
        self._options = options
        self._kit = kit
        self._maps = MapFiles([rule.file for rule in options.rules if rule.file is not None], kit)

    async def start(self) -> None:
        """Look at the files from now on, if there are any."""
        if any(rule.file is not None for rule in self._options.rules):
            self._kit.tasks.start("rewrite.look", self._maps.keep_up(self._options.look_every))

    async def message(self, client: Client, message: Arriving) -> Answer:
        """Ask for what the rules want changed."""
        envelope = message.envelope
        account = None if client.account is None else _account(client.account)
        rules = [rule for rule in self._options.rules if rule.concerns(envelope.sender, account)]
        if not rules:
            return None
        places = {place: self._new(rules, place) for rule in rules for place in rule.where}
        changes: list[Change] = []
        if (new := places.pop(MAIL, None)) is not None:
            changes += [ChangeSender(each) for each in _others([envelope.sender], new).values()]
        if (new := places.pop(RCPT, None)) is not None:
            changes += await self._recipients([each.address for each in envelope.recipients], new, len(rules))
        changes += await self._fields(message, places)
        return tuple(changes) or None

    def _new(self, rules: Sequence[RewriteRule], place: str) -> New:
        return rewriter([rule for rule in rules if place in rule.where], self._maps.new)

    async def _recipients(self, recipients: Sequence[Address], new: New, rules: int) -> list[ChangeRecipient]:
        many = len(recipients) * rules > FEW
        found = await self._kit.run_in_thread(_others, recipients, new) if many else _others(recipients, new)
        return [ChangeRecipient(old, other) for old, other in found.items()]

    async def _fields(self, message: Arriving, places: dict[str, New]) -> list[ChangeHeader]:
        """Return what is to be changed in the header."""
        if not places:
            return []
        lower = {name.lower().encode(): name for name in places}
        found = message.header.collect(tuple(lower), MOST_FIELDS)
        values = {lower[name]: found[name] for name in found}
        if sum(map(len, chain.from_iterable(values.values()))) > SMALL:
            return await self._kit.run_in_thread(_changes, values, places)
        return _changes(values, places)


def _changes(values: Mapping[str, Sequence[bytes]], places: Mapping[str, New]) -> list[ChangeHeader]:
    """Return the changes of fields, those left out that can't be made without harm."""
    changes = []
    for name, fields in values.items():
        for occurrence, value in enumerate(fields, 1):
            other = readdressed(value, places[name])
            if other is not None:
                changes.append(ChangeHeader(name, value_of(value), value_of(other), occurrence))
    return [change for change in changes if is_sound(change)]


def _others(addresses: Sequence[Address], new: New) -> dict[Address, Address]:
    """Return the addresses that become others; the null reverse-path has no form that a rule could mean."""
    found = {address: new(address) for address in addresses}
    return {old: other for old, other in found.items() if other is not None and other != old}


def _account(name: str) -> Address:
    local, _, domain = name.rpartition("@")
    return Address(local, domain)
