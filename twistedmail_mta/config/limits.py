"""The limits of one listener, put together from the listener, [limits] and the role."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Any, Final

from twistedmail_mta.config.listening import LEAST_AUTOLOGOUT
from twistedmail_mta.config.site import Site

GROWS: Final = 2
"""How many times as large as it was a message may be when a content filter gives it back."""


@dataclass(frozen=True, slots=True)
class ListenerLimits:
    """As `SessionLimits` of the site file, every value decided."""

    message_size: int
    header_size: int
    line_length: int
    recipients: int
    connections_per_client: int
    commands: int
    errors_before_delay: int
    errors: int
    hops: int
    idle: float
    transaction: float


def limits_of(site: Site, name: str) -> ListenerLimits:
    """Return the limits of the listener `name`: its own first, then [limits], then its role's.

    What a content filter gives back is larger than it was when it was taken: it adds fields, or wraps the message.
    """
    listener = site.listen[name]
    role = listener.preset
    decided = {"recipients": role.recipients, "connections_per_client": role.connections_per_client}
    known = {field.name for field in fields(ListenerLimits)}
    for table in (site.limits, listener.limits):
        decided |= table.model_dump(include=known, exclude_none=True)
        if role.takes_back and table is site.limits:
            decided |= {name: GROWS * decided[name] for name in ("message_size", "header_size")}
    return ListenerLimits(**decided)


@dataclass(frozen=True, slots=True)
class POP3Limits:
    """What of `SessionLimits` concerns POP3, every value decided."""

    connections_per_client: int
    errors_before_delay: int
    errors: int
    failed_logins: int = 3
    sessions_per_account: int = 20
    idle: float = LEAST_AUTOLOGOUT["pop3"]


def pop3_limits_of(site: Site, name: str) -> POP3Limits:
    """Return the limits of a listener of role pop3: its own first, then [limits], where that doesn't mean SMTP."""
    return POP3Limits(**_decided(site, name, ("connections_per_client", "errors_before_delay", "errors")))


@dataclass(frozen=True, slots=True)
class IMAPLimits:
    """What of `SessionLimits` concerns IMAP, every value decided."""

    connections_per_client: int
    errors_before_delay: int
    errors: int
    message_size: int
    header_size: int
    failed_logins: int = 3
    sessions_per_account: int = 100
    idle: float = LEAST_AUTOLOGOUT["imap"]


def imap_limits_of(site: Site, name: str) -> IMAPLimits:
    """Return the limits of a listener of role imap, found as those of POP3."""
    shared = ("connections_per_client", "errors_before_delay", "errors", "message_size", "header_size")
    return IMAPLimits(**_decided(site, name, shared))


def _decided(site: Site, name: str, shared: Iterable[str]) -> dict[str, Any]:
    """Return what a listener says, else [limits] of those that it shares with SMTP, else its role."""
    listener = site.listen[name]
    decided = {"connections_per_client": listener.preset.connections_per_client}
    decided |= site.limits.model_dump(include=set(shared), exclude_none=True)
    return decided | listener.limits.model_dump(exclude_none=True)
