"""Reads the reports that come to mailboxes of this host, after these have been delivered, and beside all other work."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import ClassVar, Final, Literal

from twisted.logger import Logger

from twistedmail_mta.errors import TemporaryError
from twistedmail_mta.interfaces import IDatabase
from twistedmail_mta.mail.header import Header
from twistedmail_mta.mailbox.described import Column
from twistedmail_mta.mailbox.store import MailboxStore
from twistedmail_mta.mailbox.stored import Stored
from twistedmail_mta.reported.documents import Document, documents_in_mail, may_hold_reports
from twistedmail_mta.reported.entry import Entry, Kind
from twistedmail_mta.reported.proof import Prover
from twistedmail_mta.reported.rows import (
    FORGOTTEN_AT_ONCE,
    LINES_AT_ONCE,
    Kept,
    Mailing,
    Place,
    add_lines,
    begin_report,
    finish_report,
    forget_reports,
    has_account,
    note_read,
    place_of,
)
from twistedmail_mta.tasks import Cancelled, WorkerPool

MOST_MAIL: Final = 16 << 20
"""Octets of a mail that is looked at."""
MAILS_AT_ONCE: Final = 200
"""Mails whose structure is looked at in one read."""
MOST_WAITING: Final = 3600.0
"""Seconds for which a mail whose file can't be read keeps those behind it waiting."""
MOST_AHEAD: Final = 2 * 86_400.0
"""Seconds from now until a report's time ends: others' days end later, and their clocks may be wrong."""
_MOST_STRUCTURES: Final = 1 << 20
_PIECE: Final = 256 << 10

After = Literal["keep", "trash", "delete"]


@dataclass(frozen=True, slots=True)
class Terms:
    """What a site wants of reports that come.

    Attributes:
        accounts: whose INBOX they come to.
        after: what becomes of a mail whose reports are kept.
        keep: seconds for which reports are kept.
    """

    accounts: Sequence[str]
    after: After
    keep: float


class ReportReader:
    """Looks through INBOXes for mail with reports, each mail once, in their order.

    A mailbox is read up to where it was read before, so nothing is missed, whatever
    way mail comes to it and whenever this process ends: what was being read is read
    again then, and a report counts once.
    """

    log: ClassVar[Logger] = Logger()

    def __init__(  # noqa: PLR0913, PLR0917 - a composition
        self,
        database: IDatabase,
        mailboxes: MailboxStore,
        prover: Prover,
        threads: WorkerPool,
        is_ours: Callable[[str], bool],
        now: Callable[[], float],
        terms: Terms,
    ) -> None:
        """Begin.

        Args:
            database: where reports are kept.
            mailboxes: where they come to.
            prover: finds out whose they are.
            threads: where they are read.
            is_ours: whether reports about a domain are wanted.
            now: seconds since the epoch.
            terms: what the site file says.
        """
        self._database = database
        self._mailboxes = mailboxes
        self._prover = prover
        self._threads = threads
        self._is_ours = is_ours
        self._now = now
        self._terms = terms
        self._unread: tuple[int, int] | None = None  # the mail that can't be read now
        self._unread_since = 0.0
        self._missing: set[str] = set()  # accounts of which was told that they aren't there

    async def look(self) -> None:
        """Read what has come since the last look.

        Raises:
            TemporaryError: something can't be read or kept now; the next look goes on there.
        """
        for account in self._terms.accounts:
            place = await self._database.read(partial(place_of, account=account))
            if place is None:
                await self._miss(account)
            elif place.read_to < place.uid_next:
                await self._read_up(place)

    async def _miss(self, account: str) -> None:
        """Tell once of an account that isn't there; one that has got no mail yet is."""
        if await self._database.read(partial(has_account, account=account)):
            self._missing.discard(account)
        elif account not in self._missing:
            self._missing.add(account)
            self.log.warn(
                "no reports are read: there is no account {account}", event="report.no_account", account=account
            )

    async def forget(self) -> None:
        """Delete reports that are older than wanted.

        Raises:
            TemporaryError: the database can't be written.
        """
        before = int(self._now() - self._terms.keep)
        while await self._database.write(partial(forget_reports, before=before)) >= FORGOTTEN_AT_ONCE:
            pass

    async def _read_up(self, place: Place) -> None:
        first = place.read_to
        while first < place.uid_next:
            end = min(first + MAILS_AT_ONCE, place.uid_next)
            rows = await self._mailboxes.described(
                place.mailbox, range(first, end), (Column.STRUCTURE,), _MOST_STRUCTURES
            )
            if sum(len(structure) for _, structure in rows) >= _MOST_STRUCTURES:
                end = rows[-1][0] + 1  # those behind it weren't looked at
            for uid, structure in rows:
                if may_hold_reports(structure):
                    await self._read_or_pass_over(place, uid)
            await self._database.write(partial(note_read, mailbox=place.mailbox, read_to=end))
            first = end

    async def _read_or_pass_over(self, place: Place, uid: int) -> None:
        try:
            await self._read(place, uid)
        except (Cancelled, TemporaryError):
            raise
        except Exception:  # noqa: BLE001 - no mail may keep those behind it from being read
            self.log.failure("a mail with reports couldn't be read", event="report.failed", uid=uid)

    async def _read(self, place: Place, uid: int) -> None:
        stored = (await self._mailboxes.stored(place.mailbox, [uid])).get(uid)
        if stored is None:
            return
        if stored.size > MOST_MAIL:
            self._complain(uid, "the mail", f"it has {stored.size} octets, more than {MOST_MAIL}")
            return
        try:
            body = await self._body(stored)
        except TemporaryError as error:
            if not self._has_waited(place.mailbox, uid):
                raise
            self._complain(uid, "the mail", f"it can't be read for {MOST_WAITING:.0f} seconds: {error.reply}")
            return
        self._unread = None
        documents = await self._threads.run(documents_in_mail, stored.head, body)
        if documents and await self._keep_all(stored, body, documents, uid):
            await self._put_away(place, uid)

    async def _body(self, stored: Stored) -> bytes:
        places = range(len(stored.head), stored.size, _PIECE)
        return b"".join([await self._mailboxes.read(stored, place, _PIECE) for place in places])

    def _has_waited(self, mailbox: int, uid: int) -> bool:
        """Hear that a mail can't be read now, and return whether it couldn't be for so long that it never will."""
        if self._unread != (mailbox, uid):
            self._unread, self._unread_since = (mailbox, uid), self._now()
        return self._now() - self._unread_since >= MOST_WAITING

    async def _keep_all(self, stored: Stored, body: bytes, documents: Sequence[Document], uid: int) -> bool:
        """Keep the reports of a mail; return whether all are kept."""
        read = [each.entry for each in documents if each.entry is not None]
        for each in documents:
            if each.entry is None:
                self._complain(uid, each.name, each.problem)
            elif each.left_out:
                self._complain(uid, each.name, f"{each.left_out} of its lines say too little, and don't count")
        if not read:
            return False
        kind: Kind = "tls" if all(entry.kind == "tls" for entry in read) else "dmarc"
        mailing = await self._prover.mailing(kind, Header(stored.head), _Octets(body), stored.internal_date)
        kept = [await self._keep(entry, mailing, uid) for entry in read]
        return all(kept) and len(read) == len(documents)

    async def _keep(self, entry: Entry, mailing: Mailing, uid: int) -> bool:
        if unwanted := self._unwanted(entry):
            self._complain(uid, entry.report_id, unwanted)
            return False
        kept = await self._write(entry, mailing)
        if kept in {"too many", "full"}:
            why = "there are as many as are kept" if kept == "full" else "too many came from there in a day"
            self._complain(uid, entry.report_id, why)
            return False
        self.log.info(
            "report {report} of {organization} about {domain}: {kept}",
            event="report.received" if kept == "begun" else "report.repeated",
            report=entry.report_id,
            organization=entry.organization,
            domain=entry.domain,
            kept="kept" if kept == "begun" else "was there before",
            kind=entry.kind,
            proof=mailing.proof,
            signer=mailing.signer,
        )
        return True

    def _unwanted(self, entry: Entry) -> str:
        """Return why a report isn't kept, whoever sends it; empty if it is."""
        now = self._now()
        if not self._is_ours(entry.domain):
            return f"it is about {entry.domain}, which is none of this host's domains"
        if entry.ends_at > now + MOST_AHEAD:
            return "it is about a time to come"  # and would be kept until then
        if entry.ends_at < now - self._terms.keep:
            return "it is about a time so long ago that reports about it aren't kept any more"
        return ""

    async def _write(self, entry: Entry, mailing: Mailing) -> Kept:
        """Keep a report; a long one in several transactions, the last of which lets it count."""
        kept, report = await self._database.write(lambda tx: begin_report(tx, entry, mailing), size=len(entry.detail))
        if kept != "begun":
            return kept
        for first in range(0, len(entry.lines), LINES_AT_ONCE):
            lines = entry.lines[first : first + LINES_AT_ONCE]
            size = sum(len(line[-1]) for line in lines)
            await self._database.write(
                partial(add_lines, kind=entry.kind, report=report, first=first, lines=lines), size=size
            )
        await self._database.write(partial(finish_report, report=report))
        return kept

    async def _put_away(self, place: Place, uid: int) -> None:
        if self._terms.after == "delete":
            await self._mailboxes.remove(place.mailbox, [uid])
        elif self._terms.after == "trash":
            trash = await self._mailboxes.make(place.account, "Trash", r"\Trash")
            await self._mailboxes.move(place.mailbox, [uid], trash.id)

    def _complain(self, uid: int, name: str, why: str) -> None:
        self.log.warn(
            "a report isn't kept: {name}, in the mail with UID {uid}: {why}",
            event="report.unreadable",
            name=name[:200],
            uid=uid,
            why=why,
        )


@dataclass(frozen=True, slots=True)
class _Octets:
    """A body in memory."""

    octets: bytes

    @property
    def size(self) -> int:
        return len(self.octets)

    async def read(self, offset: int, size: int) -> bytes:
        return self.octets[offset : offset + size]
