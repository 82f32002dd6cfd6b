"""A host with two accounts on disk, and all that an import and an export need."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from twistedmail_mta.cli.offline import ImmediateDatabase, finished
from twistedmail_mta.spool.ids import MessageIds
from twistedmail_mta.store.bodies import BodyStore
from twistedmail_mta.store.sync import SyncDatabase
from twistedmail_mta.transfer.exporting import Export
from twistedmail_mta.transfer.importing import Import, Tally
from twistedmail_mta.transfer.maildir_writer import MaildirWriter
from twistedmail_mta.transfer.mbox_writer import MboxWriter
from twistedmail_mta.transfer.sources import Source, source_at

NOW = 1_800_000_000.0
ACCOUNT = """
INSERT INTO accounts (id, address, enabled, protocols, credential_version, password_hash, scram_salt,
                      scram_iterations, scram_stored_key, scram_server_key, created_at)
VALUES (?, ?, 1, 'smtp pop3 imap', 1, 'hash', x'00', 4096, x'00', x'00', 0.0)
"""


class Host:
    """A host with mailboxes."""

    def __init__(self, database: SyncDatabase, bodies: BodyStore) -> None:
        self.database = database
        self.bodies = bodies
        self.progress: list[int] = []
        ids = MessageIds(lambda: NOW, 256)
        self._new_id = ids.new
        for number in (1, 2):
            database.write(
                lambda tx, number=number: tx.execute(ACCOUNT, (number, f"user{number}@example.org")) and None
            )

    def bring(
        self, path: Path, *, account: int = 1, into: str = "INBOX", uidl: str | None = "%08Xu%08Xv"
    ) -> list[Tally]:
        """Import what is at a path."""
        return self.bring_source(source_at(path, into, uidl), account=account)

    def bring_source(self, source: Source, *, account: int = 1) -> list[Tally]:
        importing = self.importing(account)
        tallies = [finished(importing.bring(read())) for read in source.folders]
        finished(importing.subscribe(source.subscriptions))
        return tallies

    def importing(self, account: int = 1) -> Import:
        database = ImmediateDatabase(self.database)
        return Import(database, self.bodies, self._new_id, account, lambda: NOW, self.progress.append)

    def write(self, path: Path, *, account: int = 1, mbox: bool = False) -> list[Tally]:
        """Export all of an account."""
        export = Export(ImmediateDatabase(self.database), self.bodies, account)
        writer = (MboxWriter if mbox else MaildirWriter)(path, export)
        tallies = []
        for mailbox in finished(export.mailboxes()):
            tallies.append(Tally(mailbox.name))
            finished(writer.write(mailbox, tallies[-1]))
        writer.subscribe(finished(export.subscriptions()))
        return tallies

    def rows(self, sql: str, *parameters: Any) -> list[tuple[Any, ...]]:
        return self.database.read(lambda tx: list(tx.execute(sql, parameters)))

    def mail(self, account: int = 1) -> dict[str, list[tuple[Any, ...]]]:
        """Everything that an account has, by mailbox: UID, flags with keywords, date, UIDL, text."""
        found: dict[str, list[tuple[Any, ...]]] = {}
        for mailbox, name in self.rows("SELECT id, name FROM mailbox WHERE account = ? ORDER BY name", account):
            keywords = dict(self.rows("SELECT bit, name FROM keyword WHERE mailbox = ?", mailbox))
            found[name] = [
                (
                    uid,
                    flags & 31,
                    {each for bit, each in keywords.items() if flags >> bit & 1},
                    date,
                    uidl,
                    self.text(mailbox, uid),
                )
                for uid, flags, date, uidl in self.rows(
                    "SELECT uid, flags, internal_date, uidl FROM mail JOIN arrival USING (mailbox, uid)"
                    " LEFT JOIN uidl USING (mailbox, uid) WHERE mailbox = ? ORDER BY uid",
                    mailbox,
                )
            ]
        return found

    def text(self, mailbox: int, uid: int) -> bytes:
        ((header, data, file, size, stored),) = self.rows(
            "SELECT header, data, file, b.size, a.size FROM mail m JOIN arrival a USING (mailbox, uid)"
            " JOIN content c ON c.id = m.content JOIN body b ON b.id = c.body WHERE mailbox = ? AND uid = ?",
            mailbox,
            uid,
        )
        if file is not None:
            data = (self.bodies.root / file).read_bytes()
        assert (len(data), len(header) + len(data)) == (size, stored)
        return bytes(header + data)
