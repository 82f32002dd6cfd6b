"""Mail with reports, and a host that it comes to."""

from __future__ import annotations

import gzip
from collections.abc import Awaitable
from email.message import EmailMessage
from email.policy import SMTP
from typing import Any, TypeVar

from dkim_made import rsa_key, rsa_record
from log_lines import said
from mail_at_rest import START, Rest, run
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from twistedmail_mta.dkim.body import hash_of
from twistedmail_mta.dkim.fields import fields_of
from twistedmail_mta.dkim.signing import Signer, signature_fields
from twistedmail_mta.mail.header import Header, split
from twistedmail_mta.mail.structure import structure
from twistedmail_mta.mailbox.appending import Incoming
from twistedmail_mta.reported.proof import Prover
from twistedmail_mta.reported.reader import After, ReportReader, Terms
from twistedmail_mta.testing.surroundings import Names

T = TypeVar("T")

AT = int(START)
KEEP = 60 * 86_400.0
"""Seconds; the reports that were seen are of some weeks before."""
ACCOUNT = "user1@example.org"


def report_mail(
    content: bytes,
    kind: str = "application/gzip",
    name: str = "r.xml.gz",
    author: str = "noreply@google.com",
    **fields: str,
) -> bytes:
    """Return a mail with a document."""
    message = EmailMessage()
    message["From"] = author
    message["To"] = ACCOUNT
    message["Subject"] = "Report domain: example.org Submitter: google.com Report-ID: 1"
    for field, value in fields.items():
        message[field.replace("_", "-")] = value
    message.set_content("This is a report.\n")
    message.add_attachment(content, *kind.split("/"), filename=name)
    return message.as_bytes(policy=SMTP)


def packed_mail(document: bytes, **options: str) -> bytes:
    """Return a mail with a document, packed."""
    return report_mail(gzip.compress(document), **options)


def signed(mail: bytes, domain: str = "google.com") -> bytes:
    """Return a mail that a domain has signed."""
    header, body = split(mail)
    signer = Signer(domain, "r", rsa_key(2048))
    return signature_fields(fields_of(Header(header)), hash_of(body), [signer], AT) + mail


class AtOnce:
    """Threads on which all is done at once."""

    def __init__(self) -> None:
        self.failure: Exception | None = None

    async def run(self, function: Any, *arguments: Any) -> Any:
        if self.failure is not None:
            raise self.failure
        return function(*arguments)


class Lab:
    """A host with mailboxes to the first of which reports come, in a world with a DNS."""

    def __init__(self, after: After = "keep", accounts: tuple[str, ...] = (ACCOUNT,)) -> None:
        self.rest = Rest()
        self.names = Names()
        self.names.add("r._domainkey.google.com", "TXT", rsa_record())
        self.threads = AtOnce()
        self.clock = Clock()
        self.terms = Terms(accounts, after, KEEP)
        self.restart()

    def restart(self) -> None:
        """Begin anew, as another process."""
        self.rest.restart()
        prover = Prover(self.names, self.clock, self.threads.run, "mail.example.org")
        self.reader = ReportReader(
            self.rest.database,
            self.rest.store,
            prover,
            self.threads,  # type: ignore[arg-type]
            lambda domain: domain == "example.org",
            self.rest.clock.seconds,
            self.terms,
        )

    def receive(self, *mails: bytes, account: int = 1, file: bool = False) -> None:
        """Put mail into an INBOX."""
        incoming = []
        for mail in mails:
            header, body = split(mail)
            incoming.append(
                Incoming(
                    id=self.rest.spool.new_id(),
                    structure=structure(header, body),
                    header=header,
                    body=self.rest.body(body, file=file),
                    internal_date=AT,
                )
            )
        run(self.rest.store.append(self.rest.inbox(account).id, incoming))

    def look(self) -> list[str]:
        """Have the mail looked at; return what the log says."""
        with said() as lines:
            run(self.reader.look())
        return lines

    def kept(self, columns: str = "kind, organization, proof, signer") -> list[tuple[Any, ...]]:
        """Return the reports that count."""
        return self.rest.rows(f"SELECT {columns} FROM received_report WHERE complete ORDER BY id")

    def uids(self, mailbox: str = "INBOX") -> list[int]:
        """Return the mails in a mailbox."""
        found = run(self.rest.store.mailbox(1, mailbox))
        assert found is not None
        return [uid for (uid,) in self.rest.rows("SELECT uid FROM mail WHERE mailbox = ?", found.id)]


def started(coroutine: Awaitable[T]) -> Deferred[T]:
    """Begin a coroutine that has to wait."""
    return Deferred.fromCoroutine(coroutine)  # type: ignore[arg-type]
