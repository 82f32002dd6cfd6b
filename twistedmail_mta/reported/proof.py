"""Whether a mail with a report is whose it says it is: by DKIM alone (RFC 8460 section 3)."""

from __future__ import annotations

from typing import Final

from twisted.internet.interfaces import IReactorTime

from twistedmail_mta.dkim.keys import TLS_REPORTS
from twistedmail_mta.dmarc.author import author_of
from twistedmail_mta.interfaces import IResolver
from twistedmail_mta.mail.header import Header
from twistedmail_mta.model import NULL_PATH
from twistedmail_mta.policy.authenticity import Examiner, Findings, Threads
from twistedmail_mta.reported.entry import Kind
from twistedmail_mta.reported.rows import Mailing, Word
from twistedmail_mta.spf.identity import Visit
from twistedmail_mta.stages import Body
from twistedmail_mta.tasks import sleep

PATIENCE: Final = 20.0
"""Seconds for all questions about a mail: nobody waits for the answers."""
AGAIN_AFTER: Final = 30.0
"""Seconds after which they are asked once more if the DNS didn't answer."""


class Prover:
    """Asks for the keys of whoever signed a mail with a report."""

    def __init__(self, resolver: IResolver, clock: IReactorTime, in_thread: Threads, host: str) -> None:
        """Begin.

        Args:
            resolver: who is asked.
            clock: for the time that answers have.
            in_thread: calls what takes long.
            host: our name.
        """
        self._examiners: dict[Kind, Examiner] = {
            "dmarc": Examiner(resolver, clock, PATIENCE, in_thread),
            "tls": Examiner(resolver, clock, PATIENCE, in_thread, TLS_REPORTS),
        }
        self._clock = clock
        self._host = host

    async def mailing(self, kind: Kind, header: Header, body: Body, received_at: int) -> Mailing:
        """Return how a mail came.

        Args:
            kind: of the reports in it.
            header: of the mail.
            body: what follows.
            received_at: when it came, in seconds since the epoch; signatures must have been good then.

        Raises:
            TemporaryError: the body can't be read now, or all threads are busy.
        """
        author = author_of(header.get_all(b"From")).domain
        visit = Visit("", "", self._host, float(received_at))
        examiner = self._examiners[kind]
        proof, signer = _proof(author, await examiner.findings(visit, NULL_PATH, header, body))
        if proof == "unknown":
            await sleep(self._clock, AGAIN_AFTER)
            proof, signer = _proof(author, await examiner.findings(visit, NULL_PATH, header, body))
        return Mailing(received_at, author, proof, signer)


def _proof(author: str, findings: Findings) -> tuple[Word, str]:
    """Return whether a signature of the author's domain, or one that is aligned with it, verified, and whose it is."""
    aligned = {each.identifier.domain for each in findings.dmarc.alignments if each.is_aligned}
    signatures = [each for each in findings.signatures if each.domain]
    words = {each.word for each in signatures}
    for each in signatures:
        if author and each.word == "pass" and (each.domain in aligned or f".{author}".endswith(f".{each.domain}")):
            return "pass", each.domain
    if "temperror" in words:
        return "unknown", ""
    return ("fail", "") if words else ("none", "")
