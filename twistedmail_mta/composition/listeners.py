"""The listeners of a site file, each with all that its sessions need."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from twisted.internet.interfaces import IReactorTime

from twistedmail_mta.access import pop3_conversation
from twistedmail_mta.access.imap import conversation as imap_conversation
from twistedmail_mta.access.imap.attendance import Attendance
from twistedmail_mta.access.imap.listener import IMAPListener
from twistedmail_mta.access.pop3_listener import POP3Listener
from twistedmail_mta.access.terms import Terms
from twistedmail_mta.access.visits import Rules, Visits
from twistedmail_mta.composition.generations import Generation
from twistedmail_mta.composition.settings import utc_offset
from twistedmail_mta.config.limits import imap_limits_of, limits_of, pop3_limits_of
from twistedmail_mta.config.site import Site
from twistedmail_mta.directory.live_logins import LiveLogins
from twistedmail_mta.directory.quotas import Quotas
from twistedmail_mta.directory.resolution import Directory
from twistedmail_mta.history.scribe import History
from twistedmail_mta.interfaces import IAuthenticator, IDatabase, IReturnPaths, ISigning
from twistedmail_mta.mailbox.store import MailboxStore
from twistedmail_mta.model import LocalMail, Message, Reply, id_text
from twistedmail_mta.networks import LOOPBACK
from twistedmail_mta.pop3.standing import SessionSettings
from twistedmail_mta.queue.runner import QueueRunner
from twistedmail_mta.receive.admission import Admission
from twistedmail_mta.receive.listener import Listener
from twistedmail_mta.spool.filtered import FilteredMail
from twistedmail_mta.store.bodies import BodyStore
from twistedmail_mta.tasks import TaskGroup
from twistedmail_mta.tls.server import ServerTLS

STRANGERS_IDLE: Final = 180.0
"""Seconds that an IMAP client may take to log in; RFC 9051 section 5.4 bounds only sessions after that."""


@dataclass(frozen=True, slots=True)
class Behind:
    """What stands behind every listener, whatever the site file says of it.

    Attributes:
        tls: makes the server side of TLS connections; None without certificate.
        visits: who is there by POP3.
        attendance: who is there by IMAP.
        new_id: names messages and sessions.
        signing: signs what logins submit.
        return_paths: know the senders that mail was forwarded with; None: with none of ours.
        stored: told what went into mailboxes.
        shortage: says whether memory is too short for plugins to be asked.
        history: takes note of what is taken and refused.
        gateways: addresses that stand for clients unknown.
    """

    tls: ServerTLS | None
    database: IDatabase
    bodies: BodyStore
    directory: Directory
    quotas: Quotas
    mailboxes: MailboxStore
    authenticator: IAuthenticator
    logins: LiveLogins
    visits: Visits
    attendance: Attendance
    queue: QueueRunner
    new_id: Callable[[], int]
    signing: ISigning
    return_paths: IReturnPaths | None
    stored: Callable[[Message, LocalMail], None]
    shortage: Callable[[], Reply | None]
    history: History
    gateways: frozenset[str]
    clock: IReactorTime
    tasks: TaskGroup


def incoming_listener(generation: Generation, name: str, behind: Behind) -> Listener:
    """Return a listener where mail arrives.

    Args:
        generation: the reading of the site file that its sessions begin under.
        name: what that calls it.
        behind: serves its sessions.
    """
    site = generation.site
    table, server = site.listen[name], site.server
    return Listener(
        name=name,
        role=table.preset,
        hostname=server.hostname,
        limits=limits_of(site, name),
        tls=behind.tls,
        implicit_tls=table.tls == "implicit",
        plaintext_login=table.plaintext_login,
        strict=table.strict,
        hide_client=table.hide_client,
        vrfy=table.vrfy,
        admission=Admission(generation.checks, behind.directory, server.admin, behind.return_paths),
        quotas=behind.quotas,
        authenticator=behind.authenticator,
        logins=behind.logins,
        acceptance=behind.queue,
        bodies=behind.bodies,
        database=behind.database,
        new_id=behind.new_id,
        now=time.time,
        offset=utc_offset,
        clock=behind.clock,
        tasks=generation.presence.tasks,
        plugins=generation.plugins.pipeline(table.plugins),
        grants=generation.grants,
        trusted=(table.trusted or LOOPBACK) if table.preset.takes_back else None,
        gateways=behind.gateways if table.role == "mx" else frozenset(),
        filtered_mail=FilteredMail(behind.database),
        stored=behind.stored,
        shortage=behind.shortage if table.plugins else _no_shortage,
        quarantine_mailbox=site.quarantine.mailbox,
        signing=behind.signing,
        history=behind.history,
        presence=generation.presence,
    )


def _no_shortage() -> None:
    return None


def pop3_listener(site: Site, name: str, behind: Behind, version: str) -> POP3Listener:
    """Return a listener of role pop3.

    Args:
        site: the site file.
        name: what that calls it.
        behind: serves its sessions.
        version: of this program.
    """
    table, limits = site.listen[name], pop3_limits_of(site, name)
    delay = math.ceil(table.login_delay or 0)
    turned_away = pop3_conversation.turned_away
    return POP3Listener(
        terms=_terms(site, name, behind, "pop3", limits.connections_per_client, limits.idle, turned_away),
        settings=SessionSettings(site.server.hostname, delay, version=version),
        plaintext_login=table.plaintext_login,
        failed_logins=limits.failed_logins,
        errors_before_delay=limits.errors_before_delay,
        errors=limits.errors,
        rules=Rules(limits.sessions_per_account, table.exclusive, delay),
        visits=behind.visits,
        authenticator=behind.authenticator,
        logins=behind.logins,
    )


def imap_listener(site: Site, name: str, behind: Behind, version: str) -> IMAPListener:
    """Return a listener of role imap, as `pop3_listener` does."""
    table, limits = site.listen[name], imap_limits_of(site, name)
    turned_away = imap_conversation.turned_away
    terms = _terms(site, name, behind, "imap", limits.connections_per_client, limits.idle, turned_away)
    return IMAPListener(
        terms=replace(terms, idle_before_login=STRANGERS_IDLE),
        version=version,
        plaintext_login=table.plaintext_login,
        failed_logins=limits.failed_logins,
        errors_before_delay=limits.errors_before_delay,
        errors=limits.errors,
        sessions_per_account=limits.sessions_per_account,
        message_size=limits.message_size,
        header_size=limits.header_size,
        attendance=behind.attendance,
        store=behind.mailboxes,
        bodies=behind.bodies,
        quotas=behind.quotas,
        authenticator=behind.authenticator,
        logins=behind.logins,
        new_id=behind.new_id,
        now=time.time,
    )


def _terms(  # noqa: PLR0913, PLR0917 - what both have
    site: Site,
    name: str,
    behind: Behind,
    protocol: str,
    connections: int,
    idle: float,
    turned_away: Callable[[Reply], bytes],
) -> Terms:
    """Return what the connections of a listener have to know where mail is fetched."""
    return Terms(
        name=name,
        protocol=protocol,
        tls=behind.tls,
        implicit_tls=site.listen[name].tls == "implicit",
        connections_per_client=connections,
        idle=idle,
        idle_before_login=idle,
        turned_away=turned_away,
        new_session=lambda: id_text(behind.new_id()),
        clock=behind.clock,
        tasks=behind.tasks,
    )
