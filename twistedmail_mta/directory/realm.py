"""What a login gets: the realm at the end of `twisted.cred`'s portal, and its avatars."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from twisted.cred.portal import IRealm
from zope.interface import Interface, implementer

from twistedmail_mta.directory.accounts import Account
from twistedmail_mta.directory.patterns import SenderRights, rights_of
from twistedmail_mta.interfaces import ISubmitter
from twistedmail_mta.model import Address

PLUS_EVERYWHERE: Final[Mapping[str, str]] = MappingProxyType({})


@implementer(ISubmitter)
@dataclass(frozen=True, slots=True)
class Submitter:
    """The avatar of a login that may submit mail.

    Attributes:
        account: the account's address.
        rights: what it may send as.
    """

    account: str
    rights: SenderRights

    def may_send_as(self, address: Address) -> bool:
        """Return whether the login may use `address` as envelope sender or From.

        The null path needs a pattern of its own here; read receipts, whose
        From is the login's, are the business of whoever sees the header.
        """
        return self.rights.allow(address)


@implementer(IRealm)
class MailRealm:
    """Makes the avatar that a protocol asks for from the account that logged in."""

    def __init__(self, separators: Mapping[str, str] = PLUS_EVERYWHERE) -> None:
        """Make the realm.

        Args:
            separators: what sets off subaddresses, for each domain where it
                isn't "+"; empty where nothing does.
        """
        self._separators = separators

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
        if isinstance(avatarId, Account) and ISubmitter in interfaces:
            rights = rights_of(avatarId.address, avatarId.send_as, self._separators)
            return ISubmitter, Submitter(avatarId.address, rights), _log_out
        raise NotImplementedError(f"no avatar provides {interfaces}")


def _log_out() -> None:
    """Nothing is kept for a login that submits mail."""
