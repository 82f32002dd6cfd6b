"""Puts a login's name into a distinguished name or a search filter, where it can change neither's meaning."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

_PLACEHOLDER: Final = re.compile(r"\{(address|local|domain)\}")
_IN_NAMES: Final = re.compile(r'[\0"+,;<>\\=]|^[# ]| $')
_IN_FILTERS: Final = re.compile(r"[\0()*\\]")


def distinguished_name(template: str, name: str) -> str:
    """Fill the placeholders of a distinguished name (RFC 4514 section 2.4).

    Args:
        template: with {address}, {local} and {domain}.
        name: of an account.
    """
    return _filled(template, name, lambda value: _IN_NAMES.sub(_escaped, value))


def search_filter(template: str, name: str) -> str:
    """Fill the placeholders of a search filter (RFC 4515 section 3).

    Args:
        template: with {address}, {local} and {domain}.
        name: of an account.
    """
    return _filled(template, name, lambda value: _IN_FILTERS.sub(_escaped, value))


def _filled(template: str, name: str, quote: Callable[[str], str]) -> str:
    """Fill all placeholders in one pass: a name that holds "{domain}" is a name."""
    local, _, domain = name.rpartition("@")
    values = {"address": name, "local": local, "domain": domain}
    return _PLACEHOLDER.sub(lambda found: quote(values[found[1]]), template)


def _escaped(found: re.Match[str]) -> str:
    return f"\\{ord(found[0]):02x}"
