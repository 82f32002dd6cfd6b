"""The part of a report that people read, in one language."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from typing import Final

from twistedmail_mta.mail.header import Header
from twistedmail_mta.mail.notification import RecipientStatus
from twistedmail_mta.model import Message, Reply
from twistedmail_mta.queue.statuses import is_answer
from twistedmail_mta.queue.texts.form import Texts, Wording
from twistedmail_mta.smtp.meaning import meaning_of

_MAX_LISTED: Final = 100
_MAX_SUBJECT: Final = 200
_MAX_HEADER: Final = 32 * 1024
_WIDTH: Final = 72
_INDENT: Final = "    "


@dataclass(frozen=True, slots=True)
class ReportText:
    """Writes the text of reports.

    Attributes:
        host: this host's name.
        offset: local time minus UTC, in seconds, at a time in seconds since the epoch.
        texts: the language.
    """

    host: str
    offset: Callable[[float], int]
    texts: Texts

    def write(
        self, message: Message, wording: Wording, statuses: Sequence[RecipientStatus], *, names_subject: bool
    ) -> str:
        """Return the text.

        Args:
            message: the message reported on.
            wording: what kind of report it is.
            statuses: what became of whom.
            names_subject: the subject of the message is told.
        """
        mail = self._mail(message, names_subject=names_subject)
        paragraphs = [
            self.texts.greeting.format(host=self.host),
            _filled(wording.opening.format(mail=mail, sender=f"<{message.envelope.sender}>")),
            *(self._of_recipient(each) for each in statuses[:_MAX_LISTED]),
            *([f"{_INDENT}..."] if len(statuses) > _MAX_LISTED else []),
            _filled(wording.ending),
        ]
        return "\n\n".join(paragraphs) + "\n"

    def _mail(self, message: Message, *, names_subject: bool) -> str:
        subject = readable_subject(message.header) if names_subject else ""
        form = self.texts.mail_with_subject if subject else self.texts.mail
        return form.format(date=self._date(message.received_at), subject=subject)

    def _date(self, at: float) -> str:
        return self.texts.dates.text(at, self.offset(at))

    def _of_recipient(self, each: RecipientStatus) -> str:
        said = self._done(each) if each.action in self.texts.done else self._trouble(each)
        return "\n".join([f"<{each.recipient}>", *said])

    def _done(self, each: RecipientStatus) -> list[str]:
        return [_filled(self.texts.done[each.action].format(remote=each.remote), _INDENT)]

    def _trouble(self, each: RecipientStatus) -> list[str]:
        texts = self.texts
        _, _, reply = each.diagnostic.partition("; ")
        advice = texts.advice_for(each.status, meaning_of(_reply(each.status, reply)).kind)
        lines = [_filled(advice, _INDENT)] if advice else []
        lines.append(_INDENT + (texts.answer.format(remote=each.remote) if is_answer(each) else texts.found))
        lines.append(_INDENT + reply)
        if each.retry_until is not None:
            lines.append(_filled(texts.retried.format(date=self._date(each.retry_until)), _INDENT))
        return lines


def readable_subject(header: bytes) -> str:
    """Return the subject as a person reads it, encoded words decoded (RFC 2047); empty when it can't be read."""
    value = Header(header[:_MAX_HEADER]).get(b"subject") or b""
    try:
        text = value[: _MAX_SUBJECT * 10].decode()
        text = str(make_header(decode_header(text))) if "=?" in text else text
    except (HeaderParseError, LookupError, ValueError):
        return ""
    text = " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
    return "" if "\ufffd" in text else text[:_MAX_SUBJECT]


def _filled(text: str, indent: str = "") -> str:
    return textwrap.fill(
        text, _WIDTH, initial_indent=indent, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )


def _reply(status: str, text: str) -> Reply:
    code = text[:3]
    return Reply(int(code) if code.isascii() and code.isdigit() else 0, status, text)
