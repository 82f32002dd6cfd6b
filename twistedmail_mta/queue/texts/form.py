"""The form of what reports say: another language is another `Texts`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from twistedmail_mta.mail.notification import Action
from twistedmail_mta.smtp.reply_patterns import Kind

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Wording:
    """The frame of one kind of report.

    Attributes:
        subject: the subject line.
        opening: what happened; {mail} and {sender} are filled in.
        ending: what to do.
    """

    subject: str
    opening: str
    ending: str


@dataclass(frozen=True, slots=True)
class Dates:
    """How a date is written.

    Attributes:
        form: {day}, {month}, {year}, {time} and {zone} are filled in.
        months: their names, from January on.
        first: the first day of a month.
    """

    form: str
    months: tuple[str, ...]
    first: str = "1"

    def text(self, at: float, offset: int) -> str:
        """Return a date and time; the arguments are those of `date_text`."""
        minutes = offset // 60
        local = _EPOCH + timedelta(seconds=int(at) + minutes * 60)
        sign, (hour, minute) = "-" if minutes < 0 else "+", divmod(abs(minutes), 60)
        return self.form.format(
            day=self.first if local.day == 1 else local.day,
            month=self.months[local.month - 1],
            year=local.year,
            time=f"{local.hour:02d}:{local.minute:02d}",
            zone=f"UTC{sign}{hour:02d}:{minute:02d}",
        )


@dataclass(frozen=True, slots=True)
class Texts:
    """The sentences of one language; braces are filled in.

    Attributes:
        failure: tells senders of a failure.
        delay: tells senders of a delay.
        success: tells senders that what they wanted to hear of was done.
        admin: tells the administrator of a failure that its sender isn't told.
        greeting: the first line of every report; {host}.
        mail: names the message; {date}.
        mail_with_subject: the same; {date}, {subject}.
        answer: what the other host said; {remote}.
        found: stands before what this host found.
        retried: until when a delayed recipient is tried; {date}.
        done: what success was, by its action; {remote}.
        by_status: what a status means and what to do about it, by its last two
            numbers, where these say more than the kind.
        by_kind: the same by what the reply is about.
        dates: how dates are written.
    """

    failure: Wording
    delay: Wording
    success: Wording
    admin: Wording
    greeting: str
    mail: str
    mail_with_subject: str
    answer: str
    found: str
    retried: str
    done: Mapping[Action, str]
    by_status: Mapping[str, str]
    by_kind: Mapping[Kind, str]
    dates: Dates

    def advice_for(self, status: str, kind: Kind) -> str:
        """Return what a failure or delay means to its reader; may be empty.

        Args:
            status: the enhanced status code (RFC 3463).
            kind: what the reply is about.
        """
        _, _, detail = status.partition(".")
        return self.by_status.get(detail) or self.by_kind.get(kind, "")
