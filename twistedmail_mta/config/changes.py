"""What differs between two readings of a site file, and what of it a running server can take up."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from twistedmail_mta.config.listening import ListenTable
from twistedmail_mta.config.problems import key_path
from twistedmail_mta.config.site import Site

Said = Mapping[str, Any]
"""What a site file says, as JSON has it: see `said_by`."""

_LIVE: Final = frozenset(
    {
        *("acme", "domains", "history", "listen", "limits", "mta_sts", "plugin_path", "plugins", "quarantine", "relay"),
        *("route", "tls"),
    }
)
"""The tables that count at once, but for what stands below."""

_FIXED: Final = {"acme": ("challenge",), "limits": ("memory",), "quarantine": ("keep", "max_size")}
"""What stands in them and is used at the start."""

_FIXED_OF_LISTENER: Final = frozenset({"endpoint", "role", "tls"})
"""What a listener is bound with, or was made for."""


@dataclass(frozen=True, slots=True)
class Difference:
    """A key that isn't as it was.

    Attributes:
        path: the key, or a table that came or went.
        is_live: a running server can take it up; else it needs a restart.
        steps: what the path consists of.
        before: its value, as `said_by` has it; None: there was none.
        after: the value that it has now.
    """

    path: str
    is_live: bool
    steps: tuple[str, ...] = field(default=(), compare=False)
    before: Any = field(default=None, compare=False)
    after: Any = field(default=None, compare=False)


def said_by(site: Site) -> Said:
    """Return all keys of a site with their values, defaults too, as JSON has them.

    Options of plugins stand beside their other keys, as in the file.
    """
    said = site.model_dump(mode="json", by_alias=True)
    said["plugins"] = {name: {**table.pop("options"), **table} for name, table in said["plugins"].items()}
    return said


def differences(old: Site, new: Site) -> list[Difference]:
    """Return what differs, in the order of the model."""
    return differences_in(said_by(old), said_by(new))


def differences_in(old: Said, new: Said) -> list[Difference]:
    """Return what differs in what two files say."""
    return [
        Difference(key_path(steps), _is_live(steps, old, new), steps, before, after)
        for steps, before, after in _differing(old, new, ())
    ]


def in_effect(old: Site, new: Site) -> Site:
    """Return what a server that runs with one site file can make of another; the rest stays as it is.

    Args:
        old: what it runs with.
        new: what the file says now.
    """
    fixed = {name: getattr(old, name) for name in Site.model_fields if name not in _LIVE}
    for table, keys in _FIXED.items():
        said, says = getattr(old, table), getattr(new, table)
        if said is not None and says is not None:
            fixed[table] = says.model_copy(update={key: getattr(said, key) for key in keys})
    if _comes_or_goes(said_by(old), said_by(new)):
        fixed |= {"tls": old.tls, "acme": old.acme}
    listen = {name: _listener(table, new.listen.get(name)) for name, table in old.listen.items()}
    needed = {name for table in listen.values() for name in table.plugins} - new.plugins.keys()
    plugins = new.plugins | {name: old.plugins[name] for name in needed}
    site = new.model_copy(update={**fixed, "listen": listen, "plugins": plugins})
    site.take_plugins([*new.found_plugins, *(each for each in old.found_plugins if each.name in needed)])
    return site


def _listener(old: ListenTable, new: ListenTable | None) -> ListenTable:
    """Return a listener as it can be: one that was taken away, or has another role, stays as it was."""
    if new is None or new.role != old.role:
        return old
    return new.model_copy(update={name: getattr(old, name) for name in _FIXED_OF_LISTENER})


def _comes_or_goes(old: Said, new: Said) -> bool:
    """Whether there is TLS in one of them only, or from elsewhere: what listeners offer depends on it."""
    return any((old[name] is None) != (new[name] is None) for name in ("tls", "acme"))


def _is_live(steps: Sequence[str], old: Said, new: Said) -> bool:
    match steps:
        case [table, key] if key in _FIXED.get(table, ()):
            return False
        case ["tls" | "acme", *_]:
            return not _comes_or_goes(old, new)
        case ["listen", name, key, *_]:
            return bool(old["listen"][name]["role"] == new["listen"][name]["role"]) and key not in _FIXED_OF_LISTENER
        case ["listen", *_]:
            return False
    return steps[0] in _LIVE


def _differing(old: object, new: object, steps: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], object, object]]:
    """Yield the keys that lead to what differs, and both values."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for name in {**old, **new}:
            if name in old and name in new:
                yield from _differing(old[name], new[name], (*steps, name))
            else:
                yield (*steps, name), old.get(name), new.get(name)
    elif old != new:
        yield steps, old, new
