"""Lookup tables of Postfix, read from the text that postmap(1) and postalias(1) read."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from twistedmail_mta.migrating.findings import Place
from twistedmail_mta.migrating.postfix.main_cf import words
from twistedmail_mta.migrating.texts import Line, Read, logical_lines

_TEXTS: Final = frozenset({"hash", "btree", "lmdb", "texthash", "cdb", "dbm", "sdbm"})
"""Types whose text stands beside them."""
_KEY: Final = re.compile(r'("(?:[^"\\]|\\.)*"|\S+)\s*(.*)', re.DOTALL)
_INSTEAD: Final = {
    "regexp": "rewrite it as a list of addresses, or write a plugin (docs/plugins.md)",
    "pcre": "rewrite it as a list of addresses, or write a plugin (docs/plugins.md)",
    "cidr": "see the plugins relay_networks, names and dnsbl (docs/policies.md)",
    "mysql": "print it as a file (SELECT address, destination), and import that: mta alias import, mta account import",
    "pgsql": "print it as a file (SELECT address, destination), and import that: mta alias import, mta account import",
    "sqlite": "print it as a file (SELECT address, destination), and import that: mta alias import, mta account import",
    "ldap": (
        'passwords: [[checker]] use = "ldap"; addresses: print them as a file for mta alias import, mta'
        " account import --external"
    ),
    "unix": 'accounts of the system: add each with mta account add --external and a [[checker]] use = "pam"',
    "nis": "print it as a file, and import that: ypcat, mta alias import",
}


@dataclass(frozen=True, slots=True)
class Row:
    """A line of a table.

    Attributes:
        key: what is looked up.
        value: what is found.
        place: where it stands.
    """

    key: str
    value: str
    place: Place


class UnreadableTable(Exception):
    """A table whose rows can't be had; the text says why, and what to do."""


def rows_of(table: str, read: Read, place: Place | None) -> Iterator[Row]:
    """Return the rows of a table such as `hash:/etc/postfix/virtual`.

    Args:
        table: its type and name.
        read: reads a file.
        place: where it is named.

    Raises:
        UnreadableTable: it isn't kept in a text, or that can't be read.
    """
    kind, _, name = table.removeprefix("proxy:").partition(":")
    if kind == "inline":
        return _inline(name, place or Place(table))
    if kind == "static":
        raise UnreadableTable("it finds the same for everything; say that by hand")
    if kind not in _TEXTS or not name:
        advice = _INSTEAD.get(kind, "print it as a file of hash: form, and import that")
        raise UnreadableTable(f"tables of type {kind} can't be read here: {advice}")
    try:
        text = read(name)
    except OSError as error:
        raise UnreadableTable(f"{name} can't be read: {error}; run the import where it is, or copy it along") from error
    return (_row(line) for line in logical_lines(text, name))


def _inline(text: str, place: Place) -> Iterator[Row]:
    for item in words(text.strip().removeprefix("{").removesuffix("}")):
        key, _, value = item.strip("{}").partition("=")
        yield Row(key.strip(), value.strip(), place)


def _row(line: Line) -> Row:
    found = _KEY.fullmatch(line.text)
    key, value = (line.text, "") if found is None else (found[1], found[2])
    return Row(key.strip('"') if key.startswith('"') and key.endswith('"') and len(key) > 1 else key, value, line.place)
