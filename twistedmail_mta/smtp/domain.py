"""Reads the right side of an address: a domain name or an address literal."""

from __future__ import annotations

import re
from ipaddress import IPv6Address
from typing import Final

import idna

from twistedmail_mta.smtp.errors import AddressError

MAX_DOMAIN: Final = 255

# Underscores are outside RFC 5321 section 4.1.2 but not outside the world.
_LABEL = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_DOMAIN = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")

_IPV4 = re.compile(r"([0-9]{1,3})\.([0-9]{1,3})\.([0-9]{1,3})\.([0-9]{1,3})")
_GENERAL = re.compile(r"([A-Za-z0-9-]*[A-Za-z0-9]):([!-Z^-~]+)")


def parse_domain(text: str) -> str:
    """Return a domain name in lower case, as A-labels (RFC 5890).

    Raises:
        AddressError: it is no domain name.
    """
    if not text.isascii():
        text = _to_a_labels(text)
    if len(text) > MAX_DOMAIN:
        raise AddressError("Domain too long")  # RFC 5321 section 4.5.3.1.2
    if _DOMAIN.fullmatch(text) is None:
        raise AddressError("Bad domain in address")
    return text.lower()


def _to_a_labels(text: str) -> str:
    if len(text) > MAX_DOMAIN:
        raise AddressError("Domain too long")
    try:
        mapped = idna.uts46_remap(text, std3_rules=False, transitional=False)
        labels = [label if label.isascii() else idna.alabel(label).decode("ascii") for label in mapped.split(".")]
    except (idna.IDNAError, UnicodeError) as error:
        raise AddressError("Bad internationalized domain in address", 553) from error
    return ".".join(labels)


def parse_literal(text: str) -> str:
    """Return an address literal (RFC 5321 section 4.1.3) in its shortest form, with its brackets.

    Raises:
        AddressError: it is no address literal.
    """
    inner = text[1:-1]
    if len(inner) > MAX_DOMAIN - 2:
        raise AddressError("Domain too long")
    if (ipv4 := _IPV4.fullmatch(inner)) is not None:
        return f"[{_ipv4(ipv4)}]"
    if inner[:5].lower() == "ipv6:":
        return f"[IPv6:{_ipv6(inner[5:])}]"
    if _GENERAL.fullmatch(inner) is None:
        raise AddressError("Bad address literal")
    return text


def _ipv4(found: re.Match[str]) -> str:
    numbers = [int(number) for number in found.groups()]
    if max(numbers) > 255:
        raise AddressError("Bad address literal")
    return ".".join(map(str, numbers))


def _ipv6(text: str) -> str:
    try:
        address = IPv6Address(text)
    except ValueError as error:
        raise AddressError("Bad address literal") from error
    if address.scope_id is not None:
        raise AddressError("Bad address literal")
    if address.ipv4_mapped is not None:
        return f"::ffff:{address.ipv4_mapped}"  # RFC 5952 section 5; Python writes it so from 3.13 on only
    return address.compressed
