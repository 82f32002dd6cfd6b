"""What a login gets: the realm at the end of `twisted.cred`'s portal, and its avatars."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from twisted.cred.portal import IRealm
from zope.interface import Interface, implementer

from twistedmail_mta.directory.accounts import Account, Standing
from twistedmail_mta.directory.patterns import NO_SYNONYMS, SenderRights, rights_of
from twistedmail_mta.interfaces import IMailAccess, IMaildrop, IMaildropAccess, ISubmitter
from twistedmail_mta.model import Address

PLUS_EVERYWHERE: Final[Mapping[str, str]] = MappingProxyType({})

OpenMaildrop = Callable[[int], Awaitable[IMaildrop]]
"""Takes a snapshot of the INBOX of an account, given its id; fails as `IMaildropAccess.open` does."""


@implementer(ISubmitter)
@dataclass(frozen=True, slots=True)
class Submitter:
    """The avatar of a login that may submit mail.

    Attributes:
        account: the account's address.
        rights: what it may send as.
        standing: what the login rests on.
    """

    account: str
    rights: SenderRights
    standing: Standing

    def may_send_as(self, address: Address) -> bool:
        """Return whether the login may use `address` as envelope sender or From.

        The null path needs a pattern of its own here; read receipts, whose
        From is the login's, are the business of whoever sees the header.
        """
        return self.rights.allow(address)


@implementer(IMaildropAccess)
@dataclass(frozen=True, slots=True)
class MaildropAccess:
    """The avatar of a login that may fetch mail by POP3.

    Attributes:
        account: the account's address.
        account_id: its id.
        standing: what the login rests on.
    """

    account: str
    account_id: int
    standing: Standing
    _open: OpenMaildrop = field(repr=False)

    async def open(self) -> IMaildrop:
        """Take a snapshot of the account's INBOX.

        Raises:
            TemporaryError: it can't be read now.
        """
        return await self._open(self.account_id)


@implementer(IMailAccess)
@dataclass(frozen=True, slots=True)
class MailAccess:
    """The avatar of a login that may use IMAP.

    Attributes:
        account: the account's address.
        account_id: its id, by which its mailboxes are found.
        standing: what the login rests on.
    """

    account: str
    account_id: int
    standing: Standing


@implementer(IRealm)
class MailRealm:
    """Makes the avatar that a protocol asks for from the account that logged in."""

    def __init__(
        self,
        separators: Mapping[str, str] = PLUS_EVERYWHERE,
        open_maildrop: OpenMaildrop | None = None,
        synonyms: Mapping[str, str] = NO_SYNONYMS,
    ) -> None:
        """Make the realm.

        Args:
            separators: what sets off subaddresses, for each domain where it
                isn't "+"; empty where nothing does.
            open_maildrop: opens what POP3 reads; None where there are no mailboxes.
            synonyms: by other names of domains, the names that their addresses are known by.
        """
        self._separators = separators
        self._synonyms = synonyms
        self._avatars: dict[type[Interface], Callable[[Account], object]] = {
            ISubmitter: self._submitter,
            IMailAccess: _mail_access,
        }
        if open_maildrop is not None:
            self._avatars[IMaildropAccess] = lambda account: _maildrop_access(account, open_maildrop)

    def requestAvatar(  # noqa: N802 - Twisted's name
        self,
        avatarId: object,  # noqa: N803 - Twisted's name
        mind: object,  # noqa: ARG002 - part of the interface
        *interfaces: type[Interface],
    ) -> tuple[type[Interface], object, Callable[[], None]]:
        """Return the first of `interfaces` that can be had, its avatar, and what to call at the end.

        Raises:
            NotImplementedError: none of them can be had.
        """
        if isinstance(avatarId, Account):
            for interface in interfaces:
                if interface in self._avatars:
                    return interface, self._avatars[interface](avatarId), _log_out
        raise NotImplementedError(f"no avatar provides {interfaces}")

    def _submitter(self, account: Account) -> Submitter:
        rights = rights_of(account.address, account.send_as, self._separators, self._synonyms)
        return Submitter(account.address, rights, account.standing("smtp"))


def _mail_access(account: Account) -> MailAccess:
    return MailAccess(account.address, account.id, account.standing("imap"))


def _maildrop_access(account: Account, open_maildrop: OpenMaildrop) -> MaildropAccess:
    return MaildropAccess(account.address, account.id, account.standing("pop3"), open_maildrop)


def _log_out() -> None:
    """Nothing is kept for an avatar; sessions that should hear of the login's end watch it."""
