"""A kind of report that is due once a day, and what is sent of it."""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from twistedmail_mta.interfaces import Transaction
from twistedmail_mta.mail.report_mail import Enclosed
from twistedmail_mta.model import Address, Tags


@dataclass(frozen=True, slots=True)
class Letter:
    r"""A report by mail.

    Attributes:
        to: who gets it.
        subject: words in ASCII.
        fields: further header fields, in ASCII.
        kind: what comes behind `multipart/`, such as `report; report-type="tlsrpt"`.
        text: for people; lines end in "\n".
        enclosed: for programs.
        tags: what its delivery goes by.
    """

    to: Address
    subject: str
    fields: tuple[tuple[str, str], ...]
    kind: str
    text: str
    enclosed: Enclosed
    tags: Tags = ()


@dataclass(frozen=True, slots=True)
class Post:
    """A report that is posted to a web server.

    Attributes:
        url: https:, in ASCII.
        content_type: what is posted.
        body: the octets.
    """

    url: str
    content_type: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Sendings:
    """All that is sent of one report: the same to each place that wants it."""

    letters: Sequence[Letter] = field(default=())
    posts: Sequence[Post] = field(default=())


class ReportKind(Protocol):
    """Knows what is to be reported of a day, such as the TLS sessions.

    A day is one of UTC, as a number: those since the epoch.  A subject is what
    one report is about, mostly a domain.
    """

    @property
    def name(self) -> str:
        """Return what the database calls it; a short word that never changes."""

    def keep(self) -> Awaitable[None]:
        """Write what was counted so far into the database.

        Raises:
            TemporaryError: it can't be written; then nothing is forgotten.
        """

    def subjects(self, tx: Transaction, day: int, most: int) -> Sequence[str]:
        """Return what there may be something to report of, at most so many."""

    def sendings(self, day: int, subject: str) -> Awaitable[Sendings]:
        """Return what is to be sent of a subject; nothing where nobody wants it.

        Raises:
            TemporaryError: that can't be said now; it is tried again later.
        """

    def forget(self, tx: Transaction, before: int) -> bool:
        """Delete some of what was kept of days before one; return whether there may be more."""
