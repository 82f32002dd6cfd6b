"""What stands, in a dry run, in the place of parts of a site that keep something, or ask others."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from zope.interface import Interface, implementer

from twistedmail_mta.deliver.callout import Callout
from twistedmail_mta.directory.accounts import Account, account_name
from twistedmail_mta.directory.checker import objection
from twistedmail_mta.directory.credentials import PeerPassword
from twistedmail_mta.directory.realm import MailRealm
from twistedmail_mta.directory.replies import BAD_CREDENTIALS
from twistedmail_mta.directory.tables import find_account
from twistedmail_mta.errors import PermanentError
from twistedmail_mta.interfaces import (
    IAcceptance,
    IAuthenticator,
    IDatabase,
    ILogins,
    IRecipientCheck,
    ISubmitter,
)
from twistedmail_mta.model import Address, Detention, Expansion, LocalMail, Message, NextHop, Reply
from twistedmail_mta.receive.admission import Admission


@dataclass(frozen=True, slots=True)
class Admitted:
    """A recipient that was taken.

    Attributes:
        named: as RCPT named it.
        meant: who is meant by that.
        expansion: whom it stands for here; None when its mail is sent on.
    """

    named: Address
    meant: Address
    expansion: Expansion | None


class WatchedAdmission:
    """Admits as another one, and notes whom."""

    def __init__(self, admission: Admission, note: Callable[[Admitted], None]) -> None:
        """Note nobody yet."""
        self.directory = admission.directory
        self.admit_copy = admission.admit_copy
        self._admission = admission
        self._note = note

    async def admit(
        self,
        recipient: Address,
        submitter: ISubmitter | None,
        **how: Any,  # noqa: ANN401 - as Admission has it
    ) -> tuple[Address, Expansion | None]:
        """See `Admission.admit`."""
        meant, expansion = await self._admission.admit(recipient, submitter, **how)
        self._note(Admitted(recipient, meant, expansion))
        return meant, expansion


@dataclass(frozen=True, slots=True)
class Accepted:
    """A message that would have been accepted; see `IAcceptance.accept`."""

    message: Message
    local: LocalMail | None
    detention: Detention | None


@implementer(IAcceptance)
class NoAcceptance:
    """Takes messages and keeps none.

    Attributes:
        accepted: the last one.
    """

    def __init__(self) -> None:
        self.accepted: Accepted | None = None

    async def accept(
        self, message: Message, local: LocalMail | None = None, detention: Detention | None = None
    ) -> None:
        """Forget it when the dry run ends."""
        self.accepted = Accepted(message, local, detention)


@implementer(IAuthenticator)
class AnyPassword:
    """Lets whoever names an account log in as that, if it may log in there at all."""

    def __init__(self, database: IDatabase, realm: MailRealm) -> None:
        """Look at no account yet."""
        self._database = database
        self._realm = realm

    async def password(  # noqa: PLR0913, PLR0917 - the interface's
        self,
        authcid: str,
        authzid: str,
        password: bytes,
        peer: str,
        protocol: str,
        tls: bool,
        session: str = "",
        avatar: type[Interface] = ISubmitter,
    ) -> Any:  # noqa: ANN401 - of the interface that `avatar` names
        """Return the avatar of an account; refuse as for a wrong password if there is none that may."""
        login = PeerPassword(authcid, authzid, password, peer, protocol, tls, session)
        account = await self.account(authcid)
        if account is None or objection(login, account) is not None:
            raise PermanentError(BAD_CREDENTIALS)
        _, granted, _ = self._realm.requestAvatar(account, None, avatar)
        return granted

    async def account(self, name: str) -> Account | None:
        """Return the account of a name, or None.

        Raises:
            TemporaryError: it can't be read now.
        """
        try:
            spelt = account_name(name)
        except ValueError:
            return None
        return await self._database.read(partial(find_account, name=spelt))


@implementer(ILogins)
class NoLogins:
    """A dry run is over before any login ends."""

    def watch(self, avatar: Any, ended: Callable[[], None]) -> Callable[[], None]:  # noqa: ANN401, ARG002 - as ILogins has it
        """Watch nothing."""
        return _nothing


def _nothing() -> None:
    """There is nothing to end."""


@implementer(IRecipientCheck)
class Recollection:
    """Knows of recipients elsewhere what their hosts said before, and asks nobody."""

    def __init__(self, callout: Callout, note: Callable[[Address, NextHop], None]) -> None:
        """Answer for a callout.

        Args:
            callout: remembers answers.
            note: told of recipients of whom a host would have been asked.
        """
        self._callout = callout
        self._note = note

    async def verify(self, recipient: Address) -> Reply | None:
        """Return the refusal that is known; who would have to be asked is taken not to refuse."""
        known = self._callout.recalled(recipient)
        if isinstance(known, NextHop):
            self._note(recipient, known)
            return None
        return known


def recollected(
    checks: Mapping[str, IRecipientCheck | None], note: Callable[[Address, NextHop], None]
) -> dict[str, IRecipientCheck | None]:
    """Return checks of which none asks other hosts."""
    return {
        domain: Recollection(check, note) if isinstance(check, Callout) else check for domain, check in checks.items()
    }
