"""What a POP3 listener is: what its clients may do, within which limits, and who serves them."""

from __future__ import annotations

from dataclasses import dataclass

from twistedmail_mta.access.terms import Terms
from twistedmail_mta.access.visits import Rules, Visits
from twistedmail_mta.interfaces import IAuthenticator, ILogins
from twistedmail_mta.networks import Network
from twistedmail_mta.pop3.standing import SessionSettings


@dataclass(frozen=True, slots=True)
class POP3Listener:
    """One listener of the site file, with everything its sessions need.

    Attributes:
        terms: of its connections.
        settings: what its sessions say of us.
        plaintext_login: networks whose clients may log in without TLS.
        failed_logins: of a session, before the connection is closed.
        errors_before_delay: senseless commands before each further one is answered slowly.
        errors: senseless commands before the connection is closed.
        rules: how often an account may come.
        visits: the sessions of all listeners.
    """

    terms: Terms
    settings: SessionSettings
    plaintext_login: tuple[Network, ...]
    failed_logins: int
    errors_before_delay: int
    errors: int
    rules: Rules
    visits: Visits
    authenticator: IAuthenticator
    logins: ILogins
