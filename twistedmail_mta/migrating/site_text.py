"""The text of a new site file: what came from where stands behind each line (PURE)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final

from twistedmail_mta.migrating.draft import Draft, Entry, Path, Value

_BARE: Final = re.compile(r"[A-Za-z0-9_-]+")
_ORDER: Final = (
    "server",
    "tls",
    "domains",
    "listen",
    "limits",
    "outbound",
    "queue",
    "reports",
    "checker",
    "plugins",
    "relay",
    "route",
    "lane",
)
"""The tables in the order in which people read them."""
_ESCAPES: Final = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"}


def site_text(draft: Draft, source: str) -> str:
    """Return the text of the site file.

    Args:
        draft: the site.
        source: what was imported, for the first line.
    """
    lines = [f"# The site file begun by `mta import {_line(source)}`: behind each line stands where it comes from."]
    lines += ["# `mta check` says what is wrong with it; etc/mta.toml explains every key.", "", "config_version = 1"]
    for name in _ORDER:
        for path in sorted((path for path in draft.tables if path[0] == name), key=_depth):
            comment = draft.comments.get(path, "")
            lines += ["", _remarked(f"[{_dotted(path)}]", comment), *_entries(draft.tables[path])]
        for table in draft.arrays.get(name, []):
            lines += ["", f"[[{name}]]", *_entries(table)]
    return "\n".join(lines) + "\n"


def _depth(path: Path) -> bool:
    """Order the tables of one kind: those that stand above others first, else as they came."""
    return len(path) > 2


def _entries(table: Mapping[str, Entry]) -> Iterator[str]:
    for key, entry in table.items():
        yield _remarked(f"{_key(key)} = {toml_value(entry.value)}", entry.comment)


def _remarked(line: str, comment: str) -> str:
    return f"{line}   # {_line(comment)}" if comment else line


def _line(text: str) -> str:
    """Return a text as one line that can stand in a comment."""
    return "".join(letter if letter.isprintable() else " " for letter in text)


def _dotted(path: Path) -> str:
    return ".".join(map(_key, path))


def _key(name: str) -> str:
    return name if _BARE.fullmatch(name) else _quoted(name)


def toml_value(value: Value) -> str:
    """Return a value as TOML writes it, in one line."""
    match value:
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case str():
            return _quoted(value)
        case list():
            return f"[{', '.join(map(toml_value, value))}]"
    return f"{{ {', '.join(f'{_key(key)} = {toml_value(item)}' for key, item in value.items())} }}"


def _quoted(text: str) -> str:
    return f'"{"".join(map(_escaped, text))}"'


def _escaped(letter: str) -> str:
    if letter in _ESCAPES:
        return _ESCAPES[letter]
    if "\ud800" <= letter <= "\udfff":
        return "\\uFFFD"
    if letter.isprintable():
        return letter
    return f"\\u{ord(letter):04X}" if letter <= "\uffff" else f"\\U{ord(letter):08X}"
