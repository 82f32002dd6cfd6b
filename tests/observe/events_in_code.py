"""The events that the code logs, read out of it; as a program it prints the table of docs/events.md."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[2] / "twistedmail_mta"
METHODS = {"debug", "info", "warn", "error", "critical", "failure", "tell"}
PROTOCOLS = ("pop3", "imap")
OUTCOMES = ("delivered", "deferred", "unconfirmed", "failed")
"""What an event's name is made of where it is made of something."""
OF_TEXT = {"delivered", "detained", "filtered", "login", "place", "tagged"}


@dataclass(frozen=True)
class Logged:
    """One call of a log.

    Attributes:
        where: file and line.
        event: its name; empty if it has none.
        level: the method.
        form: the text with its fields.
        fields: their names.
    """

    where: str
    event: str
    level: str
    form: str
    fields: tuple[str, ...]


def logged() -> Iterator[Logged]:
    """Yield every call, one for each name that its event may have."""
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and _is_log(node):
                yield from _read(f"{path.relative_to(PACKAGE)}:{node.lineno}", node)


def _is_log(node: ast.Call) -> bool:
    named = {each.arg for each in node.keywords}
    function = ast.unparse(node.func)
    return "event" in named or (
        function.rpartition(".")[2] in METHODS and function.rpartition(".")[0].lower().endswith("log")
    )


def _read(where: str, node: ast.Call) -> Iterator[Logged]:
    method = ast.unparse(node.func).rpartition(".")[2]
    arguments = list(node.args)
    if method not in METHODS:  # called by another: the method is an argument
        method = next((ast.unparse(each).rpartition(".")[2] for each in arguments[:1]), "")
        arguments = arguments[1:]
    form = next((each.value for each in arguments if isinstance(each, ast.Constant)), "")
    event = next((each.value for each in node.keywords if each.arg == "event"), None)
    fields = tuple(each.arg for each in node.keywords if each.arg and each.arg != "event" and each.arg not in OF_TEXT)
    for name in _names(event):
        yield Logged(where, name, method, " ".join(str(form).split()), fields)


def _names(event: ast.expr | None) -> Iterator[str]:
    match event:
        case None:
            yield ""
        case ast.Constant():
            yield str(event.value)
        case ast.IfExp():
            yield from (*_names(event.body), *_names(event.orelse))
        case ast.JoinedStr():
            text = ast.unparse(event)[2:-1]
            begin, _, rest = text.partition("{")
            end = rest.partition("}")[2]
            yield from (f"{begin}{each}{end}" for each in (OUTCOMES if begin == "queue." else PROTOCOLS))
        case _:
            yield f"? {ast.unparse(event)}"


def table() -> str:
    """Return the table of all events."""
    rows: dict[str, tuple[set[str], list[str], dict[str, None]]] = {}
    for each in logged():
        levels, forms, fields = rows.setdefault(each.event, (set(), [], {}))
        levels.add({"failure": "critical", "tell": "info", "info": "info"}.get(each.level, each.level))
        if each.form and each.form not in forms:
            forms.append(each.form)
        fields |= dict.fromkeys(each.fields)
    lines = ["| event | level | says | fields |", "|---|---|---|---|"]
    for event, (levels, forms, fields) in sorted(rows.items()):
        said = "; ".join(f"`{form}`" for form in forms).replace("|", "\\|")
        named = ", ".join(f"`{field}`" for field in sorted(fields))
        lines.append(f"| `{event}` | {', '.join(sorted(levels))} | {said} | {named} |")
    return "\n".join(lines)


if __name__ == "__main__":
    print(table())  # noqa: T201 - it is for the document
