"""Rules of the site about headers: fields added, changed and removed; mail refused, filed, kept, copied, discarded."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Annotated

from pydantic import BeforeValidator
from zope.interface import implementer

from twistedmail_mta.config.values import Mailbox, Table, one_or_more, sequence
from twistedmail_mta.mail.header import Header
from twistedmail_mta.model import Address
from twistedmail_mta.plugins import Kit
from twistedmail_mta.policy.header_rules import MAX_VALUE, Rule, RuleTable, chosen
from twistedmail_mta.policy.verdict import field_value
from twistedmail_mta.stages import (
    AddHeader,
    AddRecipient,
    Answer,
    Arriving,
    Change,
    Client,
    FileInto,
    Hold,
    IMessagePolicy,
    Quarantine,
    RemoveHeader,
    RemoveRecipient,
    ReplaceHeader,
)

_VALUE = "{value}"


class HeadersOptions(Table):
    """Options of `headers`.

    Attributes:
        rules: asked in order; what all of them want that mean a message is done.
        always_bcc: who gets a copy of every message.
    """

    rules: Annotated[tuple[RuleTable, ...], BeforeValidator(sequence)] = ()
    always_bcc: Annotated[tuple[Mailbox, ...], BeforeValidator(one_or_more)] = ()


@implementer(IMessagePolicy)
class Headers:
    """Does what the rules say; they are looked for on a thread, since headers may be long."""

    Options = HeadersOptions

    def __init__(self, options: HeadersOptions, kit: Kit) -> None:
        self._options = options
        self._rules = tuple(map(Rule, options.rules))
        self._kit = kit

    async def message(self, client: Client, message: Arriving) -> Answer:
        """Refuse or change a message as the rules want it."""
        envelope = message.envelope
        recipients = [each.address for each in envelope.recipients]
        concerns = partial(
            Rule.concerns, sender=envelope.sender, recipients=recipients, stranger=client.account is None
        )
        rules = await self._chosen(message.header, [rule for rule in self._rules if concerns(rule)])
        for rule in rules:
            if (reply := rule.table.reply) is not None:
                return reply
        changes = [change for rule in rules for change in _changes(rule, message.header, recipients)]
        changes += [AddRecipient(each) for each in self._options.always_bcc if each not in recipients]
        return tuple(changes) or None

    async def _chosen(self, header: Header, rules: list[Rule]) -> list[Rule]:
        if all(rule.table.matches is None for rule in rules):
            return chosen(rules, header)
        return await self._kit.run_in_thread(chosen, rules, header)


def _changes(rule: Rule, header: Header, recipients: list[Address]) -> Iterator[Change]:
    """Yield what a rule wants changed."""
    table = rule.table
    yield from map(RemoveHeader, table.remove)
    for name, value in table.replace.items():
        yield ReplaceHeader(name, _filled(value, name, header))
    for name, value in table.add.items():
        yield AddHeader(name, value)
    if table.file is not None:
        whose = [each for each in recipients if rule.is_for(each)] if table.recipient else [None]
        yield from (FileInto(table.file, each) for each in whose)
    if table.hold is not None:
        yield Hold(table.hold)
    if table.quarantine is not None:
        yield Quarantine(table.quarantine)
    yield from (AddRecipient(each) for each in table.bcc if each not in recipients)
    if table.discard:
        yield from map(RemoveRecipient, recipients)


def _filled(value: str, name: str, header: Header) -> str:
    """Return a value with that of the first field of its name in it."""
    if _VALUE not in value:
        return value
    there = (header.get(name.encode()) or b"")[:MAX_VALUE].decode("utf-8", "replace")
    return field_value(value.replace(_VALUE, there))
