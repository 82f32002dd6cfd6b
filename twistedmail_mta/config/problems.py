"""Mistakes in a site file, each with its key path, in words for the person who wrote it."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import UnionType
from typing import Annotated, Any, Final, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from twistedmail_mta.config.acme import unanswered
from twistedmail_mta.config.hosting import misled
from twistedmail_mta.config.mta_sts import unserved
from twistedmail_mta.config.reporting import misplaced
from twistedmail_mta.config.site import Site

_CHOSEN_BY_USE = ("checker",)
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_SAID = {
    "missing": "is missing",
    "union_tag_not_found": "is missing",
    "bool_type": "must be true or false",
    "int_type": "must be a whole number, without quotes",
    "string_type": "must be a text, in quotes",
    "model_type": "must be a table",
    "dict_type": "must be a table",
    "tuple_type": "must be an array",
    "string_too_short": "must not be empty",
    "too_short": "must not be empty",
}


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake.

    Attributes:
        path: the key, such as `listen.mx.role`; empty for the file as a whole.
        text: what is wrong with it, and what would be right.
    """

    path: str
    text: str

    def __str__(self) -> str:
        """Return the mistake on one line."""
        return f"{self.path}: {self.text}" if self.path else self.text


class ConfigError(Exception):
    """A site file that can't be used.

    Attributes:
        source: the file.
        problems: every mistake found in it.
    """

    def __init__(self, source: str, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join([f"{source}: this site file can't be used:", *(f"  {item}" for item in problems)]))
        self.source = source
        self.problems = tuple(problems)


@dataclass(frozen=True, slots=True)
class Part:
    """What was read.

    Attributes:
        model: its model.
        above: the keys that lead to it; none for the whole file.
        beside: keys that may stand in the same table, and aren't the model's.
    """

    model: type[BaseModel]
    above: Sequence[str] = ()
    beside: Collection[str] = ()


WHOLE: Final = Part(Site)


def problems_of(error: ValidationError, part: Part = WHOLE) -> Iterator[Problem]:
    """Yield what pydantic found, in the order of the model.

    Args:
        error: what it found.
        part: what was read.
    """
    for detail in error.errors(include_url=False):
        yield Problem(key_path((*part.above, *_keys(detail))), _text(detail, part))


def _keys(detail: ErrorDetails) -> tuple[int | str, ...]:
    """Return the keys that lead to a mistake; where `use` chooses among tables, pydantic adds which it was."""
    steps = detail["loc"]
    if steps[:1] != _CHOSEN_BY_USE:
        return steps
    return (*steps, "use") if detail["type"].startswith("union_tag") else (*steps[:2], *steps[3:])


def key_path(steps: Sequence[int | str]) -> str:
    """Return a key path as TOML writes it: `domains."example.org".relay_to`, `route[0].via`."""
    path = ""
    for step in steps:
        if isinstance(step, int):
            path += f"[{step}]"
        elif step != "[key]":
            path += ("." if path else "") + (step if _BARE_KEY.fullmatch(step) else f'"{step}"')
    return path


def _text(detail: ErrorDetails, part: Part) -> str:
    kind, steps = detail["type"], detail["loc"]
    if kind == "extra_forbidden":
        return _unquoted_name(detail) or _unknown_key(steps, part)
    if kind == "literal_error":
        return _not_among(detail, steps)
    if kind == "union_tag_invalid":
        return f"must be {_choices(detail['ctx']['expected_tags'])}"
    if kind == "value_error":
        return str(detail["ctx"]["error"])
    return _SAID.get(kind) or detail["msg"].replace("Input should be", "must be")


def _not_among(detail: ErrorDetails, steps: Sequence[int | str]) -> str:
    if steps == ("config_version",):
        return _of_version(detail["input"], detail["ctx"]["expected"])
    text = f"must be {detail['ctx']['expected'].replace(chr(39), chr(34))}"
    if steps[:1] == ("listen",) and steps[-1] == "role":
        text += ", the roles of this release"
    return text


def _of_version(found: object, known: str) -> str:
    if isinstance(found, int) and found > int(known):
        return f"is {found}: the file was written for a newer release; this one reads {known}"
    return f"must be {known}, the only one this release reads"


def _choices(expected: str) -> str:
    """Write pydantic's list of tags as its list of literals."""
    *first, last = expected.replace("'", '"').split(", ")
    return f"{', '.join(first)} or {last}"


def _unquoted_name(detail: ErrorDetails) -> str:
    """Return what to say of [domains.example.org], which TOML takes for three tables in one another."""
    steps, table = list(detail["loc"]), detail["input"]
    if steps[:1] != ["domains"] or not isinstance(table, dict):
        return ""
    while len(table) == 1 and isinstance(inner := next(iter(table.values())), dict):
        steps.append(next(iter(table)))
        table = inner
    return f'is unknown; a name with dots is quoted: [domains."{".".join(map(str, steps[1:]))}"]'


def _unknown_key(steps: Sequence[int | str], part: Part) -> str:
    wanted, beside = str(steps[-1]), part.beside if len(steps) == 1 else ()
    near = difflib.get_close_matches(wanted, [*_keys_below(part.model, steps[:-1]), *beside], n=1)
    if near:
        return f"is unknown; did you mean {near[0]}?"
    above = "".join(f"{key_path([step])}." for step in part.above)
    elsewhere = [path for path in _all_paths(part.model, above) if path.rpartition(".")[2] == wanted]
    return f"is unknown; did you mean {elsewhere[0]}?" if elsewhere else "is unknown"


def _keys_below(model: type[BaseModel], steps: Sequence[int | str]) -> list[str]:
    kind: object = model
    for step in steps:
        if chosen := _chosen(kind, step):
            kind = chosen
        elif _is_named(kind):
            kind = get_args(kind)[-1] if get_origin(kind) is dict else get_args(kind)[0]
        else:
            table = _table_in(kind)
            kind = fields_of(table)[str(step)].annotation if table is not None else None
    table = _table_in(kind)
    return list(fields_of(table)) if table is not None else []


def fields_of(table: type[BaseModel]) -> dict[str, FieldInfo]:
    """Return the fields of a table by the keys that the file has for them."""
    return {field.alias or name: field for name, field in table.model_fields.items()}


def _chosen(kind: object, use: int | str) -> type[BaseModel] | None:
    """Return the table that `use` chooses, if there is a choice to make."""
    if get_origin(kind) is not Annotated:
        return None
    tables = get_args(get_args(kind)[0])
    return next((table for table in tables if use in get_args(table.model_fields["use"].annotation)), None)


def _all_paths(model: type[BaseModel], above: str = "") -> Iterator[str]:
    for name, field in fields_of(model).items():
        yield above + name
        inner = _table_in(field.annotation)
        if inner is not None:
            between = f"{name}.NAME." if _is_named(field.annotation) else f"{name}."
            yield from _all_paths(inner, above + between)


def _is_named(annotation: object) -> bool:
    """Whether the next step of a path is the writer's own name, or an index."""
    return get_origin(annotation) in (dict, tuple)


def _table_in(annotation: object) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    if get_origin(annotation) in (Annotated, Union, UnionType, dict, tuple):
        return next((found for part in get_args(annotation) if (found := _table_in(part))), None)
    return None


_ANY_PORT = re.compile(r"tcp6?:(port=)?0(:|$)")
"""Port 0: the system chooses, so two such endpoints never meet."""


def cross_checks(document: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield mistakes that lie between tables; of the raw file, so that they come with all the others."""
    domains = document.get("domains")
    for domain, reason in misled(domains) if isinstance(domains, dict) else ():
        yield Problem(key_path(("domains", domain, "alias_of")), reason)
    for reason in misplaced(document):
        yield Problem(key_path(("reports", "inbox")), reason)
    for steps, reason in (*unanswered(document), *unserved(document)):
        yield Problem(key_path(steps), reason)
    listeners = document.get("listen")
    tables = (
        {name: table for name, table in listeners.items() if isinstance(table, dict)}
        if isinstance(listeners, dict)
        else {}
    )
    seen: dict[str, str] = {}
    for name, table in tables.items():
        if not {"tls", "acme"} & document.keys() and table.get("role") == "submission":
            yield Problem(
                key_path(("listen", name)), "logins need TLS: give a certificate and key under [tls], or [acme]"
            )
        if not {"tls", "acme"} & document.keys() and table.get("role") == "metrics" and table.get("tls") == "implicit":
            yield Problem(key_path(("listen", name)), "give a certificate and key under [tls], or [acme]")
        endpoints = table.get("endpoint")
        for text in endpoints if isinstance(endpoints, list) else [endpoints]:
            first = seen.setdefault(str(text), name)
            if first != name and not _ANY_PORT.match(str(text)):
                yield Problem(
                    key_path(("listen", name, "endpoint")), f"{text} is taken by {key_path(('listen', first))}"
                )
