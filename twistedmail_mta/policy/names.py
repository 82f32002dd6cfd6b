"""What a client calls itself, and what the DNS calls it: checks of EHLO and of the reverse name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Final, Literal

from pydantic import Field
from zope.interface import implementer

from twistedmail_mta.config.values import Addresses, DomainPatterns, Wait
from twistedmail_mta.errors import TemporaryError
from twistedmail_mta.model import Recipient, Reply
from twistedmail_mta.plugins import Kit
from twistedmail_mta.policy.asking import in_time, together
from twistedmail_mta.policy.client_names import ClientNames, Fault, Own
from twistedmail_mta.policy.exempt import Exempt
from twistedmail_mta.policy.recent import Recent
from twistedmail_mta.stages import (
    AddHeader,
    Answer,
    Arriving,
    Client,
    IMessagePolicy,
    IRecipientPolicy,
    MailFrom,
    RemoveHeader,
)

Action = Literal["off", "tag", "defer", "refuse"]

REMEMBERED: Final = 60.0
"""Seconds for which what was found stands: a message of many recipients asks once."""

_TOLD: Final[Mapping[Fault, tuple[str, str]]] = {
    "own_name": ("7.1", "You call yourself by a name or an address of this server; say your own name in EHLO"),
    "syntax": ("7.1", "What you say in EHLO is no name; say your host's, such as mail.example.org"),
    "unqualified": ("7.1", "The name you say in EHLO has no domain; say it in full, such as mail.example.org"),
    "literal": ("7.1", "The address you say in EHLO is not yours; say your host's name"),
    "unresolvable": ("7.1", "The DNS doesn't know the name you say in EHLO; add an address for it"),
    "no_reverse": ("7.25", "The DNS has no name for your address; add a PTR record for it"),
    "unconfirmed": ("7.25", "The DNS's name for your address doesn't lead back to it; let PTR and address agree"),
}
"""The end of the enhanced status code (RFC 3463 section 3.8; X.7.25 is of RFC 7372 section 3.3), and what to do."""


class NamesOptions(Exempt):
    """[plugins.NAME] of the names: for each fault whether nothing, a header field, a 450 or a 550 follows.

    RFC 5321 section 4.1.4 forbids to refuse mail because a name in EHLO isn't
    that of the client's address; hosts whose names are in disorder send honest
    mail every day.  So all but one are off.

    Attributes:
        own_name: it says this server's name, another of `own_names`, or this server's address.
        syntax: it says what is neither a name nor an address in brackets.
        unqualified: it says a name without a dot.
        literal: it says an address in brackets that isn't its own.
        unresolvable: it says a name that has no address, nor a host for its mail.
        no_reverse: its address has no name.
        unconfirmed: none of its address's names has that address.
        own_names: besides that of the server; `*.example.org` is all below example.org.
        own_addresses: besides those that the DNS knows by the server's name.
        patience: how long the DNS has for the answers.
        header: the field's name.
    """

    own_name: Action = "refuse"
    syntax: Action = "off"
    unqualified: Action = "off"
    literal: Action = "off"
    unresolvable: Action = "off"
    no_reverse: Action = "off"
    unconfirmed: Action = "off"
    own_names: DomainPatterns = ()
    own_addresses: Addresses = ()
    patience: Wait = 6.0
    header: str = Field(default="X-Client-Check", pattern=r"^[!-9;-~]{1,60}$")


@dataclass(frozen=True, slots=True)
class _Found:
    """The faults of a client, and whether some of the checks could not be made."""

    faults: tuple[Fault, ...]
    unknown: Reply | None = None


@implementer(IRecipientPolicy, IMessagePolicy)
class Names:
    """Acts on faults when a recipient is named: logins are known then, and postmaster can always be written to.

    A fault that the DNS keeps to itself is none; what that means where mail
    would be refused for it, the site file's `on_error` says.
    """

    Options = NamesOptions
    on_error: ClassVar = "abstain"

    def __init__(self, options: NamesOptions, kit: Kit) -> None:
        self._options = options
        self._kit = kit
        self._names = ClientNames(kit.resolver, Own(kit.hostname, options.own_names, options.own_addresses))
        self._actions: dict[Fault, Action] = {fault: getattr(options, fault) for fault in _TOLD}
        self._recent: Recent[tuple[str, str], _Found] = Recent(kit.clock.seconds, REMEMBERED, 10_000)

    async def recipient(self, client: Client, mail: MailFrom, recipient: Recipient) -> Reply | None:  # noqa: ARG002 - as the stage has it
        """Refuse or defer a client for its faults."""
        options = self._options
        if options.exempts(client) or options.exempts_recipient(recipient.address):
            return None
        if not self._with_action("refuse", "defer"):
            return None
        found = await self._find(client)
        for action in ("refuse", "defer"):
            for fault in found.faults:
                if self._actions[fault] == action:
                    return _reply(fault, permanent=action == "refuse")
        if found.unknown is not None:
            raise TemporaryError(found.unknown)
        return None

    async def message(self, client: Client, message: Arriving) -> Answer:
        """Note the faults in the header; a field that does so already is a stranger's word."""
        options, noted = self._options, self._with_action("tag")
        if not noted or options.exempts(client):
            return None
        forged = (RemoveHeader(options.header),) if message.header.has(options.header.encode()) else ()
        faults = [fault for fault in (await self._find(client)).faults if fault in noted]
        return (*forged, AddHeader(options.header, ", ".join(faults))) if faults else forged or None

    def _with_action(self, *actions: Action) -> Sequence[Fault]:
        return [fault for fault, action in self._actions.items() if action in actions]

    async def _find(self, client: Client) -> _Found:
        """Return the faults of a client, as far as anything follows from them."""
        key = (client.host, client.helo)
        found = self._recent.get(key)
        if found is None:
            wanted = [fault for fault, action in self._actions.items() if action != "off"]
            found = await self._look(client, wanted)
            self._recent.note(key, found)
        return found

    async def _look(self, client: Client, wanted: Sequence[Fault]) -> _Found:
        """Make all checks at once."""
        outcomes = await together(self._has(fault, client) for fault in wanted)
        faults = tuple(fault for fault, outcome in zip(wanted, outcomes, strict=True) if outcome is True)
        unknown = (
            outcome
            for fault, outcome in zip(wanted, outcomes, strict=True)
            if isinstance(outcome, Reply) and self._actions[fault] != "tag"
        )
        return _Found(faults, next(unknown, None))

    async def _has(self, fault: Fault, client: Client) -> bool | Reply:
        """Return whether a client has a fault, or why the DNS doesn't say."""
        try:
            return await in_time(self._kit.clock, self._options.patience, self._names.has(fault, client))
        except TemporaryError as error:
            return error.reply


def _reply(fault: Fault, *, permanent: bool) -> Reply:
    status, text = _TOLD[fault]
    if permanent:
        return Reply(550, f"5.{status}", f"{text}, or write to our postmaster")
    return Reply(450, f"4.{status}", f"{text}, or write to our postmaster; then please try again in 15 minutes")
