"""What an IMAP listener is: what its clients may do, within which limits, and who serves them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from twistedmail_mta.access.imap.attendance import Attendance
from twistedmail_mta.access.imap.turns import Turns
from twistedmail_mta.access.terms import Terms
from twistedmail_mta.directory.quotas import Quotas
from twistedmail_mta.interfaces import IAuthenticator, IBodyStore, ILogins
from twistedmail_mta.mailbox.store import MailboxStore
from twistedmail_mta.networks import Network


@dataclass(frozen=True, slots=True)
class IMAPListener:
    """One listener of the site file, with everything its sessions need.

    Attributes:
        terms: of its connections.
        version: of this program, told after a login (RFC 2971).
        plaintext_login: networks whose clients may log in without TLS.
        failed_logins: of a session, before the connection is closed.
        errors_before_delay: senseless commands before each further one is answered slowly.
        errors: senseless commands before the connection is closed.
        sessions_per_account: at once.
        message_size: octets of the largest message that APPEND takes.
        header_size: octets of its header.
        attendance: the sessions of all listeners.
        store: the mailboxes.
        bodies: where large bodies are.
        quotas: how much accounts may hold.
        new_id: makes message ids.
        now: seconds since the epoch.
        turns: keeps sessions apart that have much to find out at the same time.
    """

    terms: Terms
    version: str
    plaintext_login: tuple[Network, ...]
    failed_logins: int
    errors_before_delay: int
    errors: int
    sessions_per_account: int
    message_size: int
    header_size: int
    attendance: Attendance
    store: MailboxStore
    bodies: IBodyStore
    quotas: Quotas
    authenticator: IAuthenticator
    logins: ILogins
    new_id: Callable[[], int]
    now: Callable[[], float]
    turns: Turns = field(default_factory=Turns)
