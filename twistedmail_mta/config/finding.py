"""Finds the plugins of a site file, and what is wrong with its words about them."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from pydantic import TypeAdapter, ValidationError

from twistedmail_mta.config.plugging import Found, PluginPath, PluginTable, files_in
from twistedmail_mta.config.problems import Part, Problem, key_path, problems_of
from twistedmail_mta.plugin_code import bring_back, code_of, forget_changed
from twistedmail_mta.plugins import OWN_KEYS, PluginError, find, options_of, table_prefix

_PATH: Final[TypeAdapter[tuple[Path, ...]]] = TypeAdapter(PluginPath)


def find_plugins(document: Mapping[str, Any], folder: Path) -> tuple[list[Found], list[Problem]]:
    """Return the plugins of a site file, and what is wrong with them and with the lists of them.

    It is looked for in the raw file, so that it is told with all the other
    mistakes; those that the model of the file finds aren't told again.
    Modules of `plugin_path` are imported anew if one of them has changed.

    Args:
        document: the file.
        folder: where relative paths begin.
    """
    found: list[Found] = []
    problems: list[Problem] = []
    context = {"folder": folder}
    try:
        path = _PATH.validate_python(document.get("plugin_path", ()), context=context)
    except ValidationError:
        path = ()
    forgotten = forget_changed(path)
    for name, value in _tables(document, "plugins").items():
        try:
            table = PluginTable.model_validate(value)
        except ValidationError:
            continue
        try:
            found.append(_found(name, table, path, context))
        except PluginError as error:
            problems.append(Problem(key_path(("plugins", name, "use")), str(error)))
        except _Mistaken as mistaken:
            problems += mistaken.problems
    problems += _same_tables(found)
    problems += _lists(document)
    if problems:
        bring_back(forgotten)
    return found, problems


class _Mistaken(Exception):
    """The options of a plugin can't be read."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__()
        self.problems = problems


def _found(name: str, table: PluginTable, path: Sequence[Path], context: Mapping[str, Any]) -> Found:
    kind = find(table.use, path)
    try:
        options = options_of(kind, table.options, context)
    except ValidationError as error:
        part = Part(kind.options, ("plugins", name), OWN_KEYS)
        raise _Mistaken(list(problems_of(error, part))) from error
    module, colon, _ = table.use.partition(":")
    return Found(name, table, kind, options, code_of(module) if colon else frozenset(), files_in(options))


def _same_tables(found: Sequence[Found]) -> Iterator[Problem]:
    """Yield the names of which SQL would make one."""
    names: dict[str, str] = {}
    for each in found:
        other = names.setdefault(table_prefix(each.name), each.name)
        if other != each.name:
            text = f"would have the tables of {key_path(('plugins', other))}: give it another name"
            yield Problem(key_path(("plugins", each.name)), text)


def _lists(document: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield what is wrong with the lists of listeners, and with that of [relay]."""
    known = _tables(document, "plugins")
    places: dict[tuple[str, ...], Any] = {
        ("listen", name): table for name, table in _tables(document, "listen").items()
    }
    for steps, table in {**places, ("relay",): document.get("relay")}.items():
        names = table.get("plugins") if isinstance(table, dict) else None
        names = [name for name in names if isinstance(name, str)] if isinstance(names, list) else []
        path = key_path((*steps, "plugins"))
        for place, name in enumerate(names):
            if name not in known:
                near = difflib.get_close_matches(name, known, n=1)
                hint = f"did you mean {near[0]}?" if near else f"{key_path(('plugins', name))} is missing"
                yield Problem(path, f"{name} is unknown; {hint}")
            elif name in names[:place]:
                yield Problem(path, f"{name} is named twice")
            elif _role(table) == "reinject" and _use(known[name]) == "content_filter":
                text = f"{name} would send mail that comes back from a content filter there again, without end"
                yield Problem(path, text)


def _role(table: object) -> object:
    return table.get("role") if isinstance(table, dict) else None


def _use(table: object) -> object:
    return table.get("use") if isinstance(table, dict) else None


def _tables(document: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = document.get(name)
    return found if isinstance(found, dict) else {}
