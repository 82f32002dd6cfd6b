"""What operators are told of certificates that an authority issues."""

from __future__ import annotations

import time
from typing import Any, Final, Literal

from cryptography import x509

from twistedmail_mta.acme.files import Standing

SOON: Final = 14.0
"""Days before its end at which a certificate should have been renewed long ago."""


def remark(standing: Standing, now: float) -> tuple[Literal["note", "warning"], str]:
    """Return what `mta check` says of a certificate, and whether an operator has to act.

    Args:
        standing: how it stands with it.
        now: seconds since the epoch.
    """
    days, error = standing.days_left(now), standing.record.error
    failed = f"; the last attempt failed: {error}; the next is at {moment(standing.next_at(), now)}" if error else ""
    if not standing.is_issued:
        if not error:
            return "note", "has no certificate of an authority yet; it is asked for when the server runs"
        return "warning", f"has no certificate of an authority yet, a self-signed one is shown{failed}"
    if days <= 0:
        return "warning", f"has a certificate that expired {-days:.0f} days ago{failed}"
    text = f"has a certificate of {issuer(standing)} for {days:.0f} more days"
    if error or days < SOON:
        return "warning", f"{text}{failed}"
    return "note", f"{text}, renewed from {moment(standing.next_at(), now)} on"


def as_object(standing: Standing, now: float) -> dict[str, Any]:
    """Return how it stands with a certificate as JSON has it; times are seconds since the epoch."""
    identity, record = standing.identity, standing.record
    return {
        "name": standing.name,
        "state": state(standing, now),
        "issuer": issuer(standing) if standing.is_issued else None,
        "expires_at": identity.certificate.not_valid_after_utc.timestamp() if identity is not None else None,
        "days_left": round(standing.days_left(now), 1) if standing.is_issued else None,
        "next_at": standing.next_at(),
        "failures": len(record.failed),
        "error": record.error or None,
    }


def state(standing: Standing, now: float) -> str:
    """Return in a word what is shown to clients."""
    if standing.identity is None:
        return "none"
    if not standing.is_issued:
        return "self-signed"
    return "issued" if standing.days_left(now) > 0 else "expired"


def issuer(standing: Standing) -> str:
    """Return who vouches for a certificate, as it calls itself."""
    if standing.identity is None:
        return ""
    name = standing.identity.certificate.issuer
    for kind in (x509.NameOID.COMMON_NAME, x509.NameOID.ORGANIZATION_NAME):
        if found := name.get_attributes_for_oid(kind):
            return str(found[0].value)
    return name.rfc4514_string()


def moment(at: float, now: float) -> str:
    """Return a time of day in local time; "now" for what is past."""
    return "now" if at <= now else time.strftime("%Y-%m-%d %H:%M", time.localtime(at))
