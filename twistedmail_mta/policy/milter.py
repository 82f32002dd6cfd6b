"""Filters that speak the milter protocol of Sendmail and Postfix: OpenDKIM, OpenDMARC, SpamAssassin's, and others."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated, Final

from pydantic import AfterValidator, BeforeValidator, Field
from zope.interface import implementer

from twistedmail_mta.config.values import Table, Wait, one_or_more
from twistedmail_mta.header_changes import with_change
from twistedmail_mta.milter.answers import Verdict
from twistedmail_mta.milter.errors import MilterError
from twistedmail_mta.model import Recipient, Reply
from twistedmail_mta.plugins import Kit
from twistedmail_mta.policy.milter_changes import change_of
from twistedmail_mta.policy.milter_filter import Filter, Patience, endpoint_of
from twistedmail_mta.policy.milter_outcome import Judged, Shown
from twistedmail_mta.policy.milter_talk import FilterError, Talk
from twistedmail_mta.policy.scanned import verified_name
from twistedmail_mta.stages import (
    AddHeader,
    Answer,
    Arriving,
    Change,
    Client,
    IConnectPolicy,
    IDisconnectObserver,
    IHelloPolicy,
    IMailPolicy,
    IMessagePolicy,
    InsertHeader,
    IRecipientPolicy,
    MailFrom,
    RemoveHeader,
    RemoveRecipient,
    ReplaceBody,
    ReplaceHeader,
)

MOST_CLIENTS: Final = 20_000
"""Clients that are remembered, more than there can be: each is forgotten when it is gone."""


def _endpoint(text: str) -> str:
    endpoint_of(text, object())
    return text


Endpoint = Annotated[str, AfterValidator(_endpoint)]


class MilterOptions(Table):
    """Options of `milter`.

    Attributes:
        endpoint: where the filter listens, or several, asked in order: each is shown what those before made of a
            message.
        connect_timeout: seconds for it to be there, and to say what it wants.
        command_timeout: seconds for each command of a client.
        content_timeout: seconds for each piece of a message.
        end_timeout: seconds to judge it; they begin anew whenever it asks for patience.
        look_up_names: tell it the names of clients, which the DNS is asked for.
    """

    endpoint: Annotated[tuple[Endpoint, ...], BeforeValidator(one_or_more), Field(min_length=1)]
    connect_timeout: Wait = 5.0
    command_timeout: Wait = 15.0
    content_timeout: Wait = 15.0
    end_timeout: Wait = 40.0
    look_up_names: bool = True


@implementer(IConnectPolicy, IHelloPolicy, IMailPolicy, IRecipientPolicy, IMessagePolicy, IDisconnectObserver)
class Milter:
    """Tells filters of each step of a client, and does what they want."""

    Options = MilterOptions
    timeout = 45.0
    rehearses = False  # what a filter does with what it is told nobody knows

    def __init__(self, options: MilterOptions, kit: Kit) -> None:
        patience = Patience(
            options.connect_timeout, options.command_timeout, options.content_timeout, options.end_timeout
        )
        self._kit = kit
        self._looks_up = options.look_up_names
        self._filters = [Filter(text, patience, kit.clock) for text in options.endpoint]
        self._clients: dict[str, list[Talk]] = {}

    async def stop(self) -> None:
        """Let the filters go."""
        while self._clients:
            self._forget(next(iter(self._clients)))
        for one in self._filters:
            one.close()

    async def connected(self, client: Client) -> Reply | None:
        """Tell of a client."""
        return await self._first(client, lambda talk: talk.connected(client))

    async def greeted(self, client: Client) -> Reply | None:
        """Tell of EHLO, HELO or LHLO."""
        return await self._first(client, lambda talk: talk.greeted(client))

    async def sender(self, client: Client, mail: MailFrom) -> Reply | None:
        """Tell of MAIL."""
        return await self._first(client, lambda talk: talk.sender(client, mail))

    async def recipient(self, client: Client, mail: MailFrom, recipient: Recipient) -> Reply | None:
        """Tell of RCPT."""
        return await self._first(client, lambda talk: talk.recipient(client, mail, recipient))

    async def message(self, client: Client, message: Arriving) -> Answer:
        """Show the filters a message, each as the one before wants it."""
        shown = Shown(message.id, message.envelope, message.header, message.body, message.draft)
        changes: list[Change] = []
        for talk in await self._talks(client):
            judged = await talk.message(client, shown)
            if isinstance(judged.outcome, Reply):
                return judged.outcome
            if judged.outcome is Verdict.DISCARD:
                return tuple(RemoveRecipient(each.address) for each in message.envelope.recipients)
            shown = self._changed(shown, judged, changes)
        if shown.body is not message.body:
            changes.append(ReplaceBody(shown.body))
        return tuple(changes)

    async def disconnected(self, client: Client) -> None:
        """Forget a client."""
        self._forget(client.session)

    def _changed(self, shown: Shown, judged: Judged, changes: list[Change]) -> Shown:
        """Return a message as a filter wants it, for the next one; note the changes."""
        header = shown.header
        for modification in judged.changes:
            try:
                change = change_of(modification, judged.agreement)
            except MilterError as error:
                raise FilterError(str(error)) from error
            changes.append(change)
            if isinstance(change, AddHeader | InsertHeader | RemoveHeader | ReplaceHeader):
                header = with_change(header, change)
        return Shown(shown.id, shown.envelope, header, judged.body or shown.body, shown.draft)

    async def _first(self, client: Client, ask: Callable[[Talk], Awaitable[Reply | None]]) -> Reply | None:
        """Return the first refusal."""
        for talk in await self._talks(client):
            refusal = await ask(talk)
            if refusal is not None:
                return refusal
        return None

    async def _talks(self, client: Client) -> list[Talk]:
        """Return what is said of a client, begun when it is asked about first."""
        talks = self._clients.get(client.session)
        if talks is None:
            kit = self._kit
            name = await verified_name(kit.resolver, kit.clock, client.host) if self._looks_up else ""
            talks = self._clients[client.session] = [Talk(each, kit.hostname, name) for each in self._filters]
            if len(self._clients) > MOST_CLIENTS:
                self._forget(next(iter(self._clients)))
        return talks

    def _forget(self, session: str) -> None:
        for talk in self._clients.pop(session, ()):
            talk.end()
