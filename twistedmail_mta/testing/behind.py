"""What stands behind the listener of a test: small, and content with everything."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from zope.interface import implementer

from twistedmail_mta.errors import PermanentError
from twistedmail_mta.interfaces import (
    IAcceptance,
    IAuthenticator,
    IDirectory,
    IFilteredMail,
    ILogins,
    IQuotas,
    ISubmitter,
)
from twistedmail_mta.mail.header import Header
from twistedmail_mta.model import (
    Address,
    Delivery,
    Detention,
    Expansion,
    Former,
    InlineBody,
    LocalMail,
    Message,
    Reply,
    Via,
    id_text,
)
from twistedmail_mta.smtp.address import parse_address
from twistedmail_mta.tags import NO_TAGS, mapping_of


@dataclass(frozen=True, slots=True)
class Accepted:
    """A message that was taken.

    Attributes:
        sender: the reverse-path.
        recipients: who gets it by way of the queue.
        ways: to which next hops, where plugins chose one.
        mailboxes: in which mailboxes it is, by the address whose they are.
        header: our own trace field first.
        body: what follows.
        held: it waits for an operator, on hold or in quarantine.
        quarantined: why it is in quarantine; None if it isn't.
        tags: what plugins noted.
        id: as the log shows it.
        account: the login that submitted it.
    """

    sender: str
    recipients: tuple[str, ...]
    ways: Mapping[str, Via]
    mailboxes: Mapping[str, str]
    header: Header
    body: bytes
    held: bool
    quarantined: str | None = None
    tags: Mapping[str, str] = field(default_factory=lambda: NO_TAGS)
    id: str = ""
    account: str | None = None


@implementer(IAcceptance)
class Acceptance:
    """Keeps what is taken."""

    def __init__(self, accepted: list[Accepted]) -> None:
        self._accepted = accepted

    async def accept(
        self, message: Message, local: LocalMail | None = None, detention: Detention | None = None
    ) -> None:
        """Take a message."""
        deliveries = local.deliveries if local is not None else ()
        self._accepted.append(
            Accepted(
                str(message.envelope.sender),
                tuple(str(each.address) for each in message.envelope.recipients),
                {str(each.address): each.via for each in message.envelope.recipients if each.via is not None},
                {str(each.address): each.mailbox for each in deliveries},
                Header(message.header),
                message.body.data if isinstance(message.body, InlineBody) else b"",
                detention is not None,
                detention.reason if detention is not None and detention.kind == "quarantine" else None,
                mapping_of(message.tags),
                id_text(message.id),
                message.origin.account,
            )
        )


@implementer(IFilteredMail)
class NothingFiltered:
    """Knows of nothing that is with a content filter."""

    async def former(self, message_id: int) -> Former | None:
        """Return None."""
        return None


@implementer(IDirectory)
class Directory:
    """Keeps mail for whatever address at some domains."""

    def __init__(self, domains: Sequence[str]) -> None:
        self._domains = frozenset(domains)
        self._accounts: dict[Address, int] = {}

    def hosts(self, domain: str) -> bool:
        """Say whether a domain's mail is kept here."""
        return domain in self._domains

    def known(self, recipient: Address) -> Expansion | Reply | None:
        """Return the INBOX of an account that is there from now on."""
        account = self._accounts.setdefault(recipient, len(self._accounts) + 1)
        return Expansion((Delivery(account, recipient),))

    async def resolve(self, recipient: Address) -> Expansion | Reply:
        """Nobody asks: all are known."""
        raise NotImplementedError


@implementer(IQuotas)
class Room:
    """There is room in every mailbox."""

    async def reserve(self, deliveries: Sequence[Delivery], size: int) -> Reply | None:
        """Keep some room."""
        return None

    def release(self, deliveries: Sequence[Delivery], size: int) -> None:
        """Keep it no longer."""


@implementer(ISubmitter)
@dataclass
class Submitter:
    """A login."""

    account: str
    senders: Sequence[str]

    def may_send_as(self, address: Address) -> bool:
        """Say whether the login may use an address."""
        return str(address) in (self.account, *self.senders)


@implementer(IAuthenticator, ILogins)
class Logins:
    """Knows one password, everybody's."""

    def __init__(self, senders: Mapping[str, Sequence[str]]) -> None:
        self._senders = senders

    async def password(self, authcid: str, authzid: str, password: bytes, *_: object, **__: object) -> Submitter:
        """Let in whoever knows it."""
        if password != b"secret":
            raise PermanentError(Reply(535, "5.7.8", "Name or password is wrong"))
        return Submitter(str(parse_address(authcid)), self._senders.get(authcid, ()))

    def watch(self, avatar: object, ended: Callable[[], None]) -> Callable[[], None]:
        """No login ends."""
        return lambda: None
