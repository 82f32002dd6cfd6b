"""Who may send for a domain: SPF, for the domains and for the names in EHLO (RFC 7208 section 2.3 and section 2.4)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from twistedmail_mta.errors import TemporaryError
from twistedmail_mta.model import Address
from twistedmail_mta.publishing.finding import Finding, missing, right, unknown, wrong
from twistedmail_mta.publishing.lookup import Lookup
from twistedmail_mta.publishing.presence import Host, Presence
from twistedmail_mta.publishing.record import Record
from twistedmail_mta.spf.check import NOBODY, Verdict, check_host
from twistedmail_mta.spf.parsing import is_record

_MOST_SHOWN: Final = 2048
"""Octets of a record; real ones are shorter."""
_EVERYBODY: Final = ("all", "+all")


@dataclass(frozen=True, slots=True)
class _Claim:
    """A name that has to allow addresses.

    Attributes:
        record: what to publish there.
        terms: those in it that allow them.
        senders: the addresses, each with the name in EHLO.
    """

    record: Record
    terms: tuple[str, ...]
    senders: Sequence[tuple[str, str]]


def sender_record(presence: Presence, domain: str) -> Record:
    """Return the SPF record of a domain."""
    return _claim_of_domain(presence, domain).record


def host_sender_records(presence: Presence) -> list[Record]:
    """Return the SPF records of the names in EHLO, apart from those that are domains with mail of their own."""
    return [claim.record for claim in _claims_of_hosts(presence)]


async def check_sender(presence: Presence, domain: str, lookup: Lookup) -> list[Finding]:
    """Find out whether all addresses that mail leaves from may send for a domain."""
    return await _check(_claim_of_domain(presence, domain), presence, lookup)


async def check_host_senders(presence: Presence, lookup: Lookup) -> list[Finding]:
    """Find out whether they may call themselves what they do."""
    return [finding for claim in _claims_of_hosts(presence) for finding in await _check(claim, presence, lookup)]


def _claim_of_domain(presence: Presence, domain: str) -> _Claim:
    others = [host for host in presence.hosts[1:] if host.outgoing]
    terms = ("mx", *(f"a:{host.name}" for host in others))
    why = (
        f"this host sends for {domain}; ~all makes mail from elsewhere suspect,"
        " and -all, once you know that nobody else sends, forged"
    )
    return _Claim(Record(domain, "TXT", f"v=spf1 {' '.join(terms)} ~all", why), terms, presence.senders)


def _claims_of_hosts(presence: Presence) -> list[_Claim]:
    return [_claim_of_host(host) for host in presence.hosts if host.outgoing and not presence.is_domain(host.name)]


def _claim_of_host(host: Host) -> _Claim:
    why = "reports have no sender, so receivers look at the name in EHLO; nobody else may use it"
    senders = [(address, host.name) for address in host.outgoing]
    return _Claim(Record(host.name, "TXT", "v=spf1 a -all", why), ("a",), senders)


def _unheld(record: Record, presence: Presence) -> Finding:
    """Say why a record isn't held against any address."""
    if not presence.addresses:
        return unknown(record, "there is one, but where mail leaves from isn't known")
    return Finding(
        "note", record.name, record.rdtype, "there is one; it must allow the hosts that mail is sent through"
    )


async def _check(claim: _Claim, presence: Presence, lookup: Lookup) -> list[Finding]:
    record = claim.record
    try:
        texts = [text for text in (await lookup.texts(record.name)).records if is_record(text)]
    except TemporaryError:
        return [unknown(record)]
    if not texts:
        return [missing(record)]
    if len(texts) > 1:
        text = "there are several SPF records, so none counts (RFC 7208 section 4.5); leave one, such as"
        return [wrong(record, text, [record])]
    if not claim.senders:
        return [_unheld(record, presence)]
    published = texts[0][:_MOST_SHOWN].decode("ascii", "replace")
    findings = [await _check_address(claim, published, *sender, lookup) for sender in claim.senders]
    return [finding for finding in findings if finding.state != "right"] or findings[:1]


async def _check_address(claim: _Claim, published: str, address: str, helo: str, lookup: Lookup) -> Finding:
    record = claim.record
    verdict = await check_host(address, record.name, Address(NOBODY, record.name), helo, lookup, explain=False)
    if verdict.result == "temperror":
        return unknown(record, verdict.problem)
    if verdict.result != "pass":
        return _refused(claim, published, address, verdict)
    if verdict.decided_by[-1:] and verdict.decided_by[-1] in _EVERYBODY:
        return wrong(record, f"it allows everybody to send, by {verdict.decided_by[-1]}; publish", [record])
    return right(record, f"it allows all that mail leaves from, by {published!r}")


def _refused(claim: _Claim, published: str, address: str, verdict: Verdict) -> Finding:
    """Say what to add, so that what others may send for the domain stays."""
    record = claim.record
    if verdict.result == "permerror":
        return wrong(record, f"it has a mistake, so it doesn't count: {verdict.problem}; publish", [record])
    by = f" by {' > '.join(verdict.decided_by)}" if verdict.decided_by else ""
    text = f"mail from {address} gets {verdict.result!r}{by} of {published!r}"
    words = published.split()[1:]
    lacking = [term for term in claim.terms if term not in words]
    if not lacking:
        return wrong(record, f"{text}; it is right once what its terms name leads to {address}")
    better = Record(record.name, "TXT", " ".join(("v=spf1", *lacking, *words)), record.why)
    return wrong(record, f"{text}; publish", [better])
