"""DKIM keys as the commands show them; private keys are never shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from twistedmail_mta.directory.accounts import DirectoryError
from twistedmail_mta.directory.dkim_rows import StoredKey
from twistedmail_mta.dkim.making import zone_text
from twistedmail_mta.dkim.showing import Shown

_SEEN: Final[Mapping[Shown, str]] = {
    "yes": "the DNS shows it",
    "no": "the DNS doesn't show it",
    "differs": "the DNS shows another record",
    "unknown": "the DNS doesn't answer",
}


def as_object(key: StoredKey, seen: Shown | None = None) -> dict[str, Any]:
    """Return a key as JSON has it; `in_dns` only where the DNS was asked."""
    told = {
        "domain": key.domain,
        "pair": key.generation,
        "selector": key.selector,
        "kind": key.kind,
        "state": key.state,
        "made_at": _time(key.made_at),
        "since": _time(key.changed_at),
        "name": key.name,
        "record": key.record,
    }
    return told if seen is None else {**told, "in_dns": seen}


def row(key: StoredKey) -> list[str]:
    """Return a key as a table has it."""
    return [key.domain, key.generation, key.selector, key.kind, key.state, _time(key.changed_at)]


def records(keys: Sequence[StoredKey], seen: Mapping[str, Shown]) -> str:
    """Return records as a zone file has them, with a comment for each."""
    lines: list[str] = []
    for key in keys:
        told = f"; {_SEEN[seen[key.name]]}" if key.name in seen else ""
        lines.append(f"; {key.generation}, {key.kind}: {key.state}{told}")
        lines.append(zone_text(key.name, key.record))
    return "\n".join(lines) + "\n"


def named(keys: Sequence[StoredKey], generation: str) -> list[StoredKey]:
    """Return the keys of a pair.

    Raises:
        DirectoryError: there is none of that name.
    """
    found = [key for key in keys if key.generation == generation]
    if not found:
        raise DirectoryError(f"there are no keys {generation}; mta dkim list shows all")
    return found


def _time(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
