"""Domain names as SPF asks for them: which there can be, and how long ones are cut."""

from __future__ import annotations

import re
from typing import Final

from twistedmail_mta.smtp.domain import parse_domain
from twistedmail_mta.smtp.errors import AddressError

MAX_NAME: Final = 253

_LABELS: Final = re.compile(r"[^.]{1,63}(?:\.[^.]{1,63})*")


def a_labels(domain: str) -> str:
    """Return a domain as the DNS and macros have it: in A-labels (RFC 8616 section 4), without a final dot.

    What isn't ASCII and no domain either is returned as it is: nothing leads there.
    """
    if not domain.isascii():
        try:
            domain = parse_domain(domain.removesuffix("."))
        except AddressError:
            return domain
    return domain.removesuffix(".")


def can_be_asked(name: str) -> bool:
    """Return whether there can be such a name in the DNS; characters that no host name has are fine."""
    return len(name) <= MAX_NAME and name.isascii() and name.isprintable() and _LABELS.fullmatch(name) is not None


def can_have_record(domain: str) -> bool:
    """Return whether a domain may be checked: it has several labels, and is no address (RFC 7208 section 4.3)."""
    return "." in domain and not domain.startswith("[") and can_be_asked(domain)


def is_below(name: str, domain: str) -> bool:
    """Return whether a name is a domain, or lies in it; both in lower case."""
    return name == domain or name.endswith("." + domain)


def shortened(name: str) -> str:
    """Return a name of at most 253 characters, as it is asked for (RFC 7208 section 7.3).

    Labels are taken off at its left until it fits; perhaps none is left.
    """
    if len(name) <= MAX_NAME:
        return name
    dot = name.find(".", len(name) - MAX_NAME - 1)
    return name[dot + 1 :] if dot >= 0 else ""
