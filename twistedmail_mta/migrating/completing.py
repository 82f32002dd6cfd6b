"""What a site needs besides what another server said, and what of it this server wouldn't take."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from twistedmail_mta.config.load import parse_site
from twistedmail_mta.config.problems import ConfigError, Problem, key_path
from twistedmail_mta.config.site import Site
from twistedmail_mta.config.values import domain_name
from twistedmail_mta.founding.layout import Layout
from twistedmail_mta.migrating.draft import Draft
from twistedmail_mta.migrating.site_text import site_text

_MOST_ROUNDS = 50
"""How often keys are taken out: each round takes at least one."""


@dataclass(frozen=True, slots=True)
class Frame:
    """What isn't in any configuration.

    Attributes:
        source: what is imported, as the command has it.
        layout: where files go.
        user: whom the server becomes; None: who starts it.
        hostname: of this host.
    """

    source: str
    layout: Layout
    user: str | None
    hostname: str


def complete(draft: Draft, frame: Frame) -> tuple[Site, str]:
    """Return the whole site and its text; what this server wouldn't take is taken out, and told.

    Raises:
        ConfigError: what remains can't be used.
    """
    folder = frame.layout.site_file.parent
    for _ in range(_MOST_ROUNDS):
        _frame(draft, frame)
        text = site_text(draft, frame.source)
        try:
            return _parsed(text, folder), text
        except ConfigError as error:
            if not any([_take_out(draft, problem) for problem in error.problems]):  # noqa: C419 - each has to be
                raise
    _frame(draft, frame)
    text = site_text(draft, frame.source)
    return _parsed(text, folder), text


def usable_hostname(draft: Draft, said: str | None) -> str | None:
    """Return a name that the host was said to have; None when it can't be one, which is told."""
    if said is None:
        return None
    try:
        return domain_name(said)
    except ValueError as error:
        draft.say("unmapped", None, "the host's name", said, "server.hostname", f"{error}; say it with --hostname")
        return None


def _parsed(text: str, folder: Path) -> Site:
    return parse_site(text, folder, "the new site file")


def _frame(draft: Draft, frame: Frame) -> None:
    """Add what every site has."""
    hosted = draft.hosted
    admin = f"postmaster@{hosted[0] if hosted else frame.hostname}"
    server = {"hostname": frame.hostname, "state_dir": str(frame.layout.state_dir), "admin": admin}
    for key, value in (server | ({"user": frame.user} if frame.user else {})).items():
        if key not in draft.table(("server",)):
            draft.put(("server",), key, value)
    tls = draft.tables.get(("tls",), {})
    if ("certificate" in tls) != ("key" in tls):
        advice = "a certificate and its key have to be named both, so none is"
        draft.say("unmapped", None, "tls", "", "tls", advice)
    if not {"certificate", "key"} <= set(tls):
        draft.put(("tls",), "certificate", str(frame.layout.certificate), "self-signed, until you put another there")
        draft.put(("tls",), "key", str(frame.layout.key))
    if not any(path[0] == "listen" for path in draft.tables):
        draft.put(("listen", "mx"), "endpoint", "tcp:25", "nothing said where to listen")
        draft.put(("listen", "mx"), "role", "mx")


def _take_out(draft: Draft, problem: Problem) -> bool:
    """Take out what a problem is about; return whether anything was."""
    for path, remove, shown in _parts(draft):
        if _is_about(problem.path, path):
            remove()
            draft.say("unmapped", None, path, shown, path, f"{problem.text}; say it by hand")
            return True
    return False


def _is_about(problem: str, part: str) -> bool:
    return problem == part or (problem.startswith(part) and problem[len(part)] in ".[")


def _parts(draft: Draft) -> Iterator[tuple[str, Callable[[], object], str]]:
    """Yield what can be taken out, the smallest first: keys, tables, then tables of arrays from the last one on."""
    for path, table in draft.tables.items():
        for key, entry in table.items():
            if path[0] != "server" and not (path[0] == "plugins" and key == "use"):
                yield key_path((*path, key)), lambda table=table, key=key: table.pop(key), str(entry.value)  # type: ignore[misc]
    for path in draft.tables:
        if path[0] not in ("server", "tls"):
            yield key_path(path), lambda path=path: _drop_table(draft, path), ""  # type: ignore[misc]
    for name, tables in draft.arrays.items():
        for number in reversed(range(len(tables))):
            yield key_path((name, number)), lambda tables=tables, number=number: tables.pop(number), ""  # type: ignore[misc]


def _drop_table(draft: Draft, path: tuple[str, ...]) -> None:
    """Take out a table; a plugin is taken out of the lists that name it, too."""
    for other in [each for each in draft.tables if each[: len(path)] == path]:
        del draft.tables[other]
    if path[0] != "plugins" or len(path) != 2:
        return
    for table in draft.tables.values():
        names = table.get("plugins")
        if names is not None and isinstance(names.value, list) and path[1] in names.value:
            rest = [name for name in names.value if name != path[1]]
            table.pop("plugins")
            if rest:
                table["plugins"] = type(names)(rest, names.comment)
