"""How much an account may hold."""

from __future__ import annotations

from dataclasses import dataclass

from twistedmail_mta.directory.domains import HostedDomain, OverQuota


@dataclass(frozen=True, slots=True)
class Limits:
    """How much an account may hold.

    Attributes:
        octets: of all its messages; None: no limit.
        messages: how many; None: no limit.
        over_quota: whether what is too much is deferred or refused for good.
    """

    octets: int | None = None
    messages: int | None = None
    over_quota: OverQuota = "defer"

    @property
    def any(self) -> bool:
        """Whether there is a limit at all."""
        return self.octets is not None or self.messages is not None


NO_LIMITS = Limits()


def limits_of(quota: int | None, quota_messages: int | None, domain: HostedDomain | None) -> Limits:
    """Return the limits of an account.

    Args:
        quota: its own, in octets; None: what its domain says; 0: no limit.
        quota_messages: the same for the number of messages.
        domain: the domain it is at; None if that isn't hosted here.
    """
    if quota is None and domain is not None:
        quota = domain.quota
    if quota_messages is None and domain is not None:
        quota_messages = domain.quota_messages
    if not quota and not quota_messages:
        return NO_LIMITS
    return Limits(quota or None, quota_messages or None, "defer" if domain is None else domain.over_quota)
