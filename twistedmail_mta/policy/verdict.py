"""What a spam filter found, as fields of the message and as the mailbox it goes into."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from twistedmail_mta.mail.encoded_words import encoded_words
from twistedmail_mta.stages import (
    AddHeader,
    Arriving,
    Change,
    Changes,
    Client,
    FileInto,
    RemoveHeader,
    RemoveRecipient,
)

JUNK: Final = "Junk"
"""The mailbox for spam, in every account."""

PREFIX: Final = "X-Spam"

_OWN: Final = ("Flag", "Score", "Status")
_FORGED: Final = (*_OWN, "Level", "Bar", "Report")
_UNSAFE: Final = re.compile(r"[^A-Za-z0-9_.:()+-]")
_NAME: Final = re.compile(r"[!-9;-~]{1,76}")
_LINES: Final = re.compile(r"[\r\n]+[ \t]*")
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
_MOST_TESTS: Final = 100
_WIDTH: Final = 76
_MAX_LINE: Final = 900
_MAX_VALUE: Final = 8000


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a filter thinks of a message.

    Attributes:
        is_spam: it is to be marked as such.
        score: of the message.
        required: the score from which on it is marked.
        tests: the names of the rules that made the score.
    """

    is_spam: bool
    score: float
    required: float
    tests: Sequence[str] = ()


def tags(verdict: Verdict, client: Client, prefix: str = PREFIX) -> Changes:
    """Return the changes that tell a verdict in the header.

    Strangers' own fields of these names go first: they would be believed.

    Args:
        verdict: to be told.
        client: who sent the message.
        prefix: how the fields' names begin; two filters need two, or the last one's fields are all that is left.
    """
    fields = [(f"{prefix}-Score", f"{verdict.score:.2f}"), (f"{prefix}-Status", _status(verdict))]
    if verdict.is_spam:
        fields.append((f"{prefix}-Flag", "YES"))
    return (*untold(client, prefix), *(AddHeader(*field) for field in fields))


def untold(client: Client, prefix: str = PREFIX) -> Changes:
    """Return the changes for a message that nobody has judged: whatever verdict a stranger brought along goes."""
    return without_foreign(client, _names(prefix))


def _names(prefix: str) -> Iterator[str]:
    yield prefix
    for name in _FORGED:
        yield f"{prefix}-{name}"


def without_foreign(client: Client, names: Iterable[str]) -> Changes:
    """Return the changes that remove fields which only we may write; who logged in is no stranger."""
    return () if client.account is not None else tuple(RemoveHeader(name) for name in names)


def filed(*, into_junk: bool, mailbox: str = JUNK) -> Changes:
    """Return the change that puts a message into the mailbox for spam."""
    return (FileInto(mailbox),) if into_junk else ()


def discarded(message: Arriving) -> Changes:
    """Return the changes that leave a message no recipient: it is taken, and forgotten."""
    return tuple(RemoveRecipient(each.address) for each in message.envelope.recipients)


def _status(verdict: Verdict) -> str:
    """Return the verdict in the manner of SpamAssassin, folded between the names of rules."""
    lines = [f"{'Yes' if verdict.is_spam else 'No'}, score={verdict.score:.2f} required={verdict.required:.2f}"]
    line = "tests="
    for name in (_UNSAFE.sub("?", each[:_WIDTH]) for each in verdict.tests[:_MOST_TESTS]):
        if len(line) + len(name) >= _WIDTH:
            lines.append(line)
            line = ""
        line += name + ","
    lines.append(line[:-1] if verdict.tests else line + "none")
    return "\r\n\t".join(lines)


def added(name: str, value: str, *, last: bool = False) -> Iterator[Change]:
    """Yield the change that adds a field which a scanner asks for; nothing when its name can't be one."""
    if _NAME.fullmatch(name):
        yield AddHeader(name, field_value(value), last)


def field_value(text: str) -> str:
    """Return a value that a scanner wrote as a header field can hold it, its folding kept.

    Letters outside of ASCII become encoded words (RFC 2047); lines that are too
    long for RFC 5322 section 2.1.1 are cut.
    """
    lines = [_CONTROL.sub(" ", line).rstrip() for line in _LINES.split(text[:_MAX_VALUE])]
    return "\r\n\t".join(_encoded(line[:_MAX_LINE]) for line in lines if line)


def _encoded(line: str) -> str:
    return line if line.isascii() else encoded_words(line)
