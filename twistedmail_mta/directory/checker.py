"""Decides who gets in: the checker at the end of `twisted.cred`'s portal."""

from __future__ import annotations

from typing import Any

from twisted.cred.checkers import ICredentialsChecker
from twisted.internet.defer import Deferred
from zope.interface import implementer

from twistedmail_mta.directory.accounts import Account, account_name
from twistedmail_mta.directory.credentials import IPeerPassword, LoginRefused, PeerPassword
from twistedmail_mta.directory.judge import Claim, PasswordJudge
from twistedmail_mta.directory.logins import Verdict
from twistedmail_mta.directory.replies import CANNOT_JUDGE
from twistedmail_mta.directory.tables import find_account
from twistedmail_mta.errors import TemporaryError
from twistedmail_mta.interfaces import IDatabase
from twistedmail_mta.sasl.preparation import opaque_string
from twistedmail_mta.tasks import deferred_of


@implementer(ICredentialsChecker)
class PasswordChecker:
    """Checks names and passwords against the accounts of the database.

    Every login reads the account: a changed password, a disabled account and a
    withdrawn protocol count at once, however lately the password was compared.
    """

    credentialInterfaces = (IPeerPassword,)  # noqa: N815 - Twisted's name

    def __init__(self, database: IDatabase, judge: PasswordJudge) -> None:
        self._database = database
        self._judge = judge

    def requestAvatarId(self, credentials: PeerPassword) -> Deferred[Any]:  # noqa: N802 - Twisted's name
        """Return the `Account` of a login: the portal hands an avatar id on as it is.

        Raises:
            LoginRefused: through the Deferred; the client is not to know why.
            TemporaryError: through the Deferred; it couldn't be judged.
        """
        return deferred_of(self._check(credentials))

    async def _check(self, login: PeerPassword) -> Account:
        claim, generation = self._claim(login), self._judge.generation
        verdict = self._judge.recall(claim)
        account = await self._account(claim.name) if verdict is not None else None
        if verdict is None or not verdict.fits(account):
            verdict = await self._judge.judge(login.peer, claim, lambda found: objection(login, found) is None)
            account = await self._account(claim.name)
        if self._judge.generation != generation:
            raise TemporaryError(CANNOT_JUDGE)
        if account is None:
            raise LoginRefused("unknown", claim.name)
        reason = _mistake(verdict, account) or objection(login, account)
        if reason is not None:
            raise LoginRefused(reason, claim.name)
        return account

    def _claim(self, login: PeerPassword) -> Claim:
        """Bring a login into the form in which it is compared; charge one that has none."""
        name = None
        try:
            name = account_name(login.authcid)
            return Claim(name, opaque_string(login.password.decode("utf-8")))
        except ValueError:
            self._judge.admit(login.peer, name)
            raise LoginRefused("malformed", name) from None

    async def _account(self, name: str) -> Account | None:
        return await self._database.read(lambda transaction: find_account(transaction, name))


def _mistake(verdict: Verdict, account: Account) -> str | None:
    """Return why the password isn't the account's, or None."""
    if not verdict.fits(account):
        return "changed"
    return None if verdict.is_right else "password"


def objection(login: PeerPassword, account: Account) -> str | None:
    """Return why a login is refused although its password is right, or None."""
    if not account.enabled:
        return "disabled"
    if login.protocol not in account.protocols:
        return "protocol"
    return None if _acts_for_itself(login, account) else "authzid"


def _acts_for_itself(login: PeerPassword, account: Account) -> bool:
    if not login.authzid:
        return True
    try:
        return account_name(login.authzid) == account.address
    except ValueError:
        return False
