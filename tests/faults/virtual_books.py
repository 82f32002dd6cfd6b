"""The books of an hour: every message that arrived, by which ways, and who was told of what."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from email import message_from_bytes
from itertools import pairwise

from virtual_people import Copy

_QUEUE_ID = re.compile(rb"^\s*by mail\.(\w)\.test with \w+ id (\w{13})\b", re.MULTILINE)
_MARK = re.compile(rb"^Subject: (mark-\w-\d+)\r$", re.MULTILINE)
_OWN_ID = re.compile(rb"^Message-ID: <(\w{13})@mail\.(\w)\.test>\r$", re.MULTILINE | re.IGNORECASE)


def chain(text: bytes) -> list[str]:
    """Return by which ids a message was known on its way, its birth first."""
    header = text.partition(b"\r\n\r\n")[0] + b"\r\n"
    ids = [f"{site.decode()}-{found.decode()}" for site, found in reversed(_QUEUE_ID.findall(header))]
    own = _OWN_ID.search(header)
    birth = [f"{own[2].decode()}-{own[1].decode()}"] if own else []
    return birth + [each for each in ids if each not in birth]


@dataclass
class Account:
    """What became of a mail.

    Attributes:
        births: the ids under which sites accepted it from its sender.
        texts: what arrived behind the header.
        delivered: whom it was delivered to.
        failed: of whom its sender or an administrator was told that it wasn't.
        confirmed: of whom its sender was told that it was.
    """

    births: set[str] = field(default_factory=set)
    texts: set[bytes] = field(default_factory=set)
    delivered: set[str] = field(default_factory=set)
    failed: set[str] = field(default_factory=set)
    confirmed: set[str] = field(default_factory=set)


class Books:
    """Everything that arrived at homes and in mailboxes.

    Attributes:
        accounts: by the mark of a mail.
    """

    def __init__(self, copies: Iterable[Copy]) -> None:
        self.accounts: defaultdict[str, Account] = defaultdict(Account)
        self._hops: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
        self._reports: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
        for copy in copies:
            self._enter(copy)

    def _enter(self, copy: Copy) -> None:
        ids = [*chain(copy.text), copy.id]
        for recipient in copy.recipients:
            for sender, receiver in pairwise(ids):
                self._hops[sender, recipient].add(receiver)
        if b"multipart/report" in copy.text.partition(b"\r\n\r\n")[0]:
            self._enter_report(ids[0], copy.text)
        else:
            self._enter_mail(ids[0], copy)

    def _enter_report(self, own_id: str, text: bytes) -> None:
        about, *recipients = message_from_bytes(text).get_payload()[1].get_payload()
        account = self.accounts[about["Original-Envelope-Id"]]
        for each in recipients:
            recipient = (each["Original-Recipient"] or each["Final-Recipient"]).partition(";")[2].strip()
            (account.failed if each["Action"] == "failed" else account.confirmed).add(recipient)
            self._reports[f"{about['Reporting-MTA']} {each['Final-Log-ID']}", recipient].add(own_id)

    def _enter_mail(self, birth: str, copy: Copy) -> None:
        found = _MARK.search(copy.text)
        assert found is not None, copy
        account = self.accounts[found[1].decode()]
        account.births.add(birth)
        account.texts.add(copy.text.partition(b"\r\n\r\n")[2])
        account.delivered.update(copy.recipients)

    def repeated(self, heard: set[str], deaths: Counter[str]) -> Iterator[str]:
        """Say what came more often than lost answers and deaths account for; into mailboxes nothing may.

        Args:
            heard: the ids of messages whose answer reached their sender.
            deaths: how often a site died with a message in its spool.
        """
        for (sender, recipient), receivers in self._hops.items():
            kept = [each for each in receivers if each.startswith("mail-")]
            answered = [each for each in receivers if each.partition("-")[2] in heard]
            if len(kept) > 1 or len(answered) > 1 + deaths[sender]:
                yield f"{sender} went to {recipient} as {sorted(receivers)}"
        for (about, recipient), reports in self._reports.items():
            if len(reports) > 1:
                yield f"{about} to {recipient} is reported by {sorted(reports)}"
