"""What a listener is: what its clients may do, within which limits, and who serves them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Literal

from twisted.internet.interfaces import IOpenSSLServerConnectionCreator, IReactorTime
from twisted.logger import Logger
from zope.interface import Interface

from twistedmail_mta import stages
from twistedmail_mta.config.limits import ListenerLimits
from twistedmail_mta.config.roles import Role
from twistedmail_mta.errors import MailError
from twistedmail_mta.history.scribe import History
from twistedmail_mta.interfaces import (
    IAcceptance,
    IAuthenticator,
    IBodyStore,
    IDatabase,
    IFilteredMail,
    ILogins,
    IQuotas,
    ISigning,
)
from twistedmail_mta.model import Address, LocalMail, Message, Reply
from twistedmail_mta.networks import Network, is_among, is_in
from twistedmail_mta.pipeline import Pipeline
from twistedmail_mta.receive.admission import Admission
from twistedmail_mta.receive.client import Client
from twistedmail_mta.receive.presence import Presence
from twistedmail_mta.receive.replies import BEHIND_GATEWAY, NOT_TRUSTED
from twistedmail_mta.tasks import TaskGroup

_LOG: Final = Logger()


@dataclass(frozen=True, slots=True)
class Listener:
    """One listener of the site file, with everything its sessions need.

    Attributes:
        name: as in the site file.
        role: what the site file's role allows and demands.
        hostname: our name in greeting, EHLO and Received.
        limits: what one client may ask for.
        tls: makes the server side of a TLS connection; None without certificate.
        implicit_tls: TLS from the first octet.
        plaintext_login: networks whose clients may log in without TLS.
        strict: refuse bare CR and LF instead of repairing them.
        admission: decides whose mail is taken.
        quotas: decide whether mailboxes have room.
        now: seconds since the epoch.
        offset: local time minus UTC then, in seconds.
        hide_client: leave the client's name and address out of Received.
        vrfy: who is told by VRFY whether an address exists.
        plugins: who is asked at each stage.
        trusted: networks from which clients may connect; None: from anywhere.
        gateways: addresses that stand for clients unknown, who may not connect.
        filtered_mail: know what is with a content filter.
        grants: who may let strangers' mail be sent on, as [relay] says.
        stored: told what went into mailboxes; must not raise.
        presence: the sessions that are here.
        shortage: says why no mail is taken for now; None: it is.
        quarantine_mailbox: whose mailbox gets what plugins want quarantined; None: it waits for an operator.
        signing: signs what logins submit; None: nobody does.
        history: takes note of what is taken and refused; None: nobody does.
        log: is told what its sessions do.
    """

    name: str
    role: Role
    hostname: str
    limits: ListenerLimits
    tls: IOpenSSLServerConnectionCreator | None
    implicit_tls: bool
    plaintext_login: tuple[Network, ...]
    strict: bool
    hide_client: bool
    vrfy: Literal["never", "login", "always"]
    admission: Admission
    quotas: IQuotas
    authenticator: IAuthenticator
    logins: ILogins
    acceptance: IAcceptance
    bodies: IBodyStore
    database: IDatabase
    new_id: Callable[[], int]
    now: Callable[[], float]
    offset: Callable[[float], int]
    clock: IReactorTime
    tasks: TaskGroup
    plugins: Pipeline
    trusted: tuple[Network, ...] | None
    filtered_mail: IFilteredMail
    grants: Pipeline
    stored: Callable[[Message, LocalMail], None]
    shortage: Callable[[], Reply | None]
    quarantine_mailbox: Address | None = None
    presence: Presence = field(default_factory=Presence)
    signing: ISigning | None = None
    history: History | None = None
    gateways: frozenset[str] = frozenset()
    log: Logger = _LOG

    def barred(self, host: str) -> Reply | None:
        """Return why a client may not connect; None: it may."""
        if self.trusted is not None and not is_in(host, self.trusted):
            return NOT_TRUSTED
        if is_among(host, self.gateways):
            return BEHIND_GATEWAY
        return None

    def seen(self, client: Client) -> stages.Client:
        """Return a client as plugins are told of it."""
        return client.as_seen(self.name, self.role.name)

    async def ask(self, client: Client, stage: type[Interface], *values: object) -> None:
        """Ask the plugins of a stage.

        Args:
            client: whom it is about.
            stage: its interface.
            values: what its method is told besides the client.

        Raises:
            MailError: one of them refuses.
        """
        if self.plugins.asks(stage):
            refusal = await self.plugins.refusal(stage, self.seen(client), *values, heard=client.hear)
            if refusal is not None:
                raise MailError(refusal)
