"""What is asked of the reports that others sent: which there are, what one says, what all say together."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from twistedmail_mta.interfaces import Transaction
from twistedmail_mta.reported.entry import Entry, Kind

PAGE: Final = 200
"""Reports that are read in one transaction."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which reports are meant.

    Attributes:
        since: those about times that ended at this one or later, in seconds since the epoch.
        domain: about it, or a domain below; None for all.
        kind: of that kind; None for all.
        source: who sent them: part of an organization's name, or the domain of its mail; None for all.
        proven: those alone that their sender has signed.
    """

    since: int = 0
    domain: str | None = None
    kind: Kind | None = None
    source: str | None = None
    proven: bool = False

    @property
    def parameters(self) -> tuple[Any, ...]:
        """Return what `_MEANT` asks for."""
        source = None if self.source is None else self.source.lower()
        return self.since, self.domain, self.kind, source, self.proven


_MEANT: Final = """
r.complete AND r.ends_at >= ?1 AND (?2 IS NULL OR r.domain = ?2 OR substr(r.domain, -length(?2) - 1) = '.' || ?2)
AND (?3 IS NULL OR r.kind = ?3)
AND (?4 IS NULL OR instr(lower(r.organization), ?4) OR r.signer = ?4 OR r.author = ?4) AND (NOT ?5 OR r.proof = 'pass')
"""

_LISTED: Final = f"""
SELECT r.id, r.kind, r.domain, r.organization, r.report_id, r.begins_at, r.ends_at, r.received_at, r.proof, r.signer,
  r.lines,
  iif(r.kind = 'dmarc', (SELECT sum(messages) FROM received_case WHERE report = r.id),
    (SELECT sum(sessions) FROM received_session WHERE report = r.id)),
  iif(r.kind = 'dmarc',
    (SELECT sum(iif(dkim = 'pass' OR spf = 'pass', 0, messages)) FROM received_case WHERE report = r.id),
    (SELECT sum(iif(result = '', 0, sessions)) FROM received_session WHERE report = r.id))
FROM received_report r WHERE {_MEANT} AND (r.ends_at, r.id) < (?6, ?7) ORDER BY r.ends_at DESC, r.id DESC LIMIT ?8
"""  # noqa: S608 - our words

_SOURCES: Final = f"""
SELECT r.domain, c.source, sum(c.messages), sum(iif(c.dkim = 'pass', c.messages, 0)),
  sum(iif(c.spf = 'pass', c.messages, 0)), sum(iif(c.dkim = 'pass' OR c.spf = 'pass', c.messages, 0)),
  sum(iif(c.disposition = 'quarantine', c.messages, 0)), sum(iif(c.disposition = 'reject', c.messages, 0)),
  max(json_extract(c.detail, '$.sender.domain')), max(json_extract(c.detail, '$.signatures[0].domain')),
  count(DISTINCT r.organization), min(r.organization)
FROM received_report r JOIN received_case c ON c.report = r.id WHERE {_MEANT}
GROUP BY r.domain, c.source ORDER BY r.domain, 3 DESC, c.source
"""  # noqa: S608 - our words

_SESSIONS: Final = f"""
SELECT r.domain, s.policy_type, s.mx_host, s.result, sum(s.sessions), count(DISTINCT r.organization),
  min(r.organization), max(json_extract(s.detail, '$.reason'))
FROM received_report r JOIN received_session s ON s.report = r.id WHERE {_MEANT}
GROUP BY r.domain, s.policy_type, s.mx_host, s.result HAVING sum(s.sessions) > 0 OR s.result = ''
ORDER BY r.domain, s.result = '' DESC, 5 DESC, s.mx_host
"""  # noqa: S608 - our words

_COUNTED: Final = f"SELECT count(*), coalesce(sum(r.proof = 'pass'), 0) FROM received_report r WHERE {_MEANT}"  # noqa: S608

_ONE: Final = """
SELECT kind, domain, organization, report_id, contact, begins_at, ends_at, received_at, author, proof, signer, detail
FROM received_report WHERE id = ? AND complete
"""

_LINES: Final = {
    "dmarc": "SELECT source, messages, disposition, dkim, spf, author, detail FROM received_case"
    " WHERE report = ? ORDER BY n",
    "tls": "SELECT policy_type, policy, mx_host, result, sessions, detail FROM received_session"
    " WHERE report = ? ORDER BY n",
}

_NAMES: Final = {
    "dmarc": ("source", "messages", "disposition", "dkim", "spf", "author"),
    "tls": ("policy_type", "policy", "mx_host", "result", "sessions"),
}
_HOW: Final = ("kind", "domain", "organization", "report_id", "contact", "begins_at", "ends_at")
_CAME: Final = ("received_at", "author", "proof", "signer")


@dataclass(frozen=True, slots=True)
class Listed:
    """A report in a list.

    Attributes:
        id: what it is called here.
        kind: what it is about.
        domain: whose mail or TLS it tells of.
        organization: who made it.
        report_id: what they call it.
        begins_at: the first second that it tells of, since the epoch.
        ends_at: the last one.
        received_at: when it came, likewise.
        proof: whether its sender has signed it.
        signer: whose signature that was.
        lines: how many it has.
        counted: messages, or sessions.
        failed: those that failed.
    """

    id: int
    kind: Kind
    domain: str
    organization: str
    report_id: str
    begins_at: int
    ends_at: int
    received_at: int
    proof: str
    signer: str
    lines: int
    counted: int
    failed: int


@dataclass(frozen=True, slots=True)
class Source:
    """A client that sent mail in a domain's name, as others have seen it.

    Attributes:
        domain: in whose name.
        address: of the client.
        messages: how many others have told of.
        dkim: those with a signature that is aligned and verifies.
        spf: those whose sender is aligned and passes.
        passed: those of either kind.
        quarantined: those that were filed as suspect.
        rejected: those that were refused.
        sender: a domain that SPF was asked about; None where none is told.
        signer: a domain that had signed; likewise.
        told_by: how many organizations have told of it.
        organization: one of these.
    """

    domain: str
    address: str
    messages: int
    dkim: int
    spf: int
    passed: int
    quarantined: int
    rejected: int
    sender: str | None
    signer: str | None
    told_by: int
    organization: str


@dataclass(frozen=True, slots=True)
class Sessions:
    """Sessions that others have begun with the hosts of a domain, with one result.

    Attributes:
        domain: whose mail was to be sent.
        policy: what was demanded of hosts: "tlsa", "sts" or "no-policy-found".
        mx_host: which host it was; empty where that isn't told.
        result: what was wrong; empty: nothing.
        sessions: how many.
        told_by: how many organizations have told of them.
        organization: one of these.
        reason: what one of them says of it; None where none does.
    """

    domain: str
    policy: str
    mx_host: str
    result: str
    sessions: int
    told_by: int
    organization: str
    reason: str | None


@dataclass(frozen=True, slots=True)
class Count:
    """How many reports there are.

    Attributes:
        reports: all.
        proven: those that their senders have signed.
    """

    reports: int
    proven: int


def reports(tx: Transaction, wanted: Wanted, before: tuple[int, int] | None = None) -> list[Listed]:
    """Return some reports, those about the latest times first.

    Args:
        tx: the transaction.
        wanted: which.
        before: end and id of the last one that is known; None: none is.
    """
    end, last = (1 << 62, 1 << 62) if before is None else before
    return [Listed(*row) for row in tx.execute(_LISTED, (*wanted.parameters, end, last, PAGE))]


def sources(tx: Transaction, wanted: Wanted) -> Iterator[Source]:
    """Yield who sent mail, by domain, those who sent most of it first."""
    return (Source(*row) for row in tx.execute(_SOURCES, wanted.parameters))


def sessions(tx: Transaction, wanted: Wanted) -> Iterator[Sessions]:
    """Yield what sessions came to, by domain, first what was right, then what failed most."""
    return (Sessions(*row) for row in tx.execute(_SESSIONS, wanted.parameters))


def count(tx: Transaction, wanted: Wanted) -> Count:
    """Return how many reports are meant."""
    ((number, proven),) = tx.execute(_COUNTED, wanted.parameters)
    return Count(number, proven)


def whole(tx: Transaction, report: int) -> dict[str, Any] | None:
    """Return all that a report says and how it came, as JSON has it; None when there is no such report."""
    for row in list(tx.execute(_ONE, (report,))):
        said = dict(zip((*_HOW, *_CAME), row[:-1], strict=True))
        lines = [_line(said["kind"], line) for line in tx.execute(_LINES[said["kind"]], (report,))]
        return {"id": report, **said, **json.loads(row[-1]), "lines": lines}
    return None


def whole_entry(entry: Entry) -> dict[str, Any]:
    """Return all that a report says which isn't kept, as JSON has it."""
    said = {name: getattr(entry, name) for name in _HOW}
    return {**said, **json.loads(entry.detail), "lines": [_line(entry.kind, line) for line in entry.lines]}


def _line(kind: Kind, line: tuple[Any, ...]) -> dict[str, Any]:
    return {**dict(zip(_NAMES[kind], line[:-1], strict=True)), **json.loads(line[-1])}
