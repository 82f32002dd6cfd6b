"""What differs between two readings of a site file, and what of it a running server can take up."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from pydantic import BaseModel

from twistedmail_mta.config.listening import ListenTable
from twistedmail_mta.config.plugging import PluginTable
from twistedmail_mta.config.problems import key_path
from twistedmail_mta.config.site import Site

_LIVE: Final = frozenset(
    {
        *("acme", "domains", "listen", "limits", "mta_sts", "plugin_path", "plugins", "quarantine", "relay"),
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
    """

    path: str
    is_live: bool


def differences(old: Site, new: Site) -> list[Difference]:
    """Return what differs, in the order of the model."""
    return [Difference(key_path(steps), _is_live(steps, old, new)) for steps in _differing(old, new, ())]


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
    if _comes_or_goes(old, new):
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


def _comes_or_goes(old: Site, new: Site) -> bool:
    """Whether there is TLS in one of them only, or from elsewhere: what listeners offer depends on it."""
    return (old.tls is None, old.acme is None) != (new.tls is None, new.acme is None)


def _is_live(steps: Sequence[str], old: Site, new: Site) -> bool:
    match steps:
        case [table, key] if key in _FIXED.get(table, ()):
            return False
        case ["tls" | "acme", *_]:
            return not _comes_or_goes(old, new)
        case ["listen", name, key, *_]:
            return old.listen[name].role == new.listen[name].role and key not in _FIXED_OF_LISTENER
        case ["listen", *_]:
            return False
    return steps[0] in _LIVE


def _differing(old: object, new: object, steps: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """Yield the keys that lead to what differs."""
    if isinstance(old, BaseModel) and type(old) is type(new):
        for name in type(old).model_fields:
            inside = isinstance(old, PluginTable) and name == "options"  # which stand beside its other keys
            yield from _differing(getattr(old, name), getattr(new, name), steps if inside else (*steps, name))
    elif isinstance(old, Mapping) and isinstance(new, Mapping):
        for name in {**old, **new}:
            if name in old and name in new:
                yield from _differing(old[name], new[name], (*steps, name))
            else:
                yield (*steps, name)
    elif old != new:
        yield steps
