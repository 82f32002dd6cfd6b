"""What rspamd answers, in JSON, as a value; whatever of it isn't as it should be counts for nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from twistedmail_mta.policy.verdict import added
from twistedmail_mta.soundness import is_sound
from twistedmail_mta.stages import Change, RemoveHeader

_MOST_FIELDS: Final = 100
_MOST_SYMBOLS: Final = 100


@dataclass(frozen=True, slots=True)
class RspamdAnswer:
    """What rspamd thinks of a message, and what it wants changed.

    Attributes:
        action: such as "no action" or "reject".
        score: of the message.
        required: the score from which on it would be refused.
        symbols: the names of its rules that were true.
        message: what to tell the client; empty if it doesn't say.
        subject: the new one; empty if it stays.
        is_skipped: rspamd didn't ask its rules; the action counts all the same, as that of GTUBE.
        changes: fields to remove and to add.
    """

    action: str
    score: float = 0.0
    required: float = 0.0
    symbols: tuple[str, ...] = ()
    message: str = ""
    subject: str = ""
    is_skipped: bool = False
    changes: tuple[Change, ...] = field(default=())


def read_answer(text: bytes) -> RspamdAnswer:
    """Read the answer to /checkv2.

    Raises:
        ValueError: it is none.
    """
    try:
        said = json.loads(text)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    if not isinstance(said, dict) or not isinstance(said.get("action"), str):
        raise ValueError("it names no action")  # noqa: TRY004 - text that isn't what it should be
    return RspamdAnswer(
        said["action"],
        _number(said.get("score")),
        _number(said.get("required_score")),
        tuple(map(str, list(_table(said.get("symbols")))[:_MOST_SYMBOLS])),
        _text(_table(said.get("messages")).get("smtp_message")),
        _text(said.get("subject")),
        said.get("is_skipped") is True,
        tuple(_changes(_table(said.get("milter")), said.get("dkim-signature"))),
    )


def _changes(milter: Mapping[str, Any], signatures: object) -> Iterator[Change]:
    """Yield the changes of the header; what is removed goes first."""
    for name in list(_table(milter.get("remove_headers")))[:_MOST_FIELDS]:
        if is_sound(change := RemoveHeader(name)):
            yield change
    for name, values in list(_table(milter.get("add_headers")).items())[:_MOST_FIELDS]:
        for value in _several(values):
            yield from _added(name, value)
    for signature in _several(signatures):
        yield from _added("DKIM-Signature", signature)


def _added(name: str, value: object) -> Iterator[Change]:
    """Yield a field, which is a text, or a table with the text and where to put it; below zero is at the end."""
    table = _table(value)
    text = table.get("value") if table else value
    if isinstance(text, str):
        yield from added(name, text, last=_number(table.get("order")) < 0)


def _several(value: object) -> list[object]:
    return value[:_MOST_FIELDS] if isinstance(value, list) else [value]


def _table(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) and abs(value) < 1e9 else 0.0
