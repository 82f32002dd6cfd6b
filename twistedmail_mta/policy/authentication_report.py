"""What of a message is told to its author's domain in an aggregate report (RFC 9990)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final

from twistedmail_mta.dkim.results import Result
from twistedmail_mta.dmarc.evaluation import SILENT, Verdict
from twistedmail_mta.dmarc.report import Case, Disposition, Override, SenderResult, SignatureResult
from twistedmail_mta.mail.header import Header
from twistedmail_mta.model import Address, Envelope
from twistedmail_mta.networks import address_of
from twistedmail_mta.policy.authentication_decision import Decision
from twistedmail_mta.policy.authenticity import Findings
from twistedmail_mta.spf.identity import Checked

MOST_OF_A_NAME: Final = 253
MOST_OF_A_REASON: Final = 100
MOST_SIGNATURES: Final = 10

_REPORT: Final = re.compile(rb"\s*Report\s+Domain:", re.IGNORECASE)
"""How the Subject of aggregate reports begins, those about TLS too (RFC 9990 section 3.5.2, RFC 8460 section 5.3)."""


def is_wanted(host: str, findings: Findings, decision: Decision) -> bool:
    """Return whether a domain asked to be told of a message, by mail.

    One that is refused for now isn't told of: it comes again.  Nor is one
    whose client has no address.
    """
    record = findings.dmarc.record
    if record is None or not any(uri[:7].lower() == "mailto:" for uri in record.aggregate):
        return False
    return (decision.refusal is None or decision.refusal.code >= 500) and address_of(host) is not None


def is_report(header: Header) -> bool:
    """Return whether a message says that it is an aggregate report."""
    return _REPORT.match(header.get(b"Subject") or b"") is not None


def case_of(host: str, envelope: Envelope, findings: Findings, decision: Decision) -> Case:
    """Return what is told of a message that a report `is_wanted` about.

    Args:
        host: the client's address.
        envelope: of the message.
        findings: what was found of it.
        decision: what followed from that.
    """
    dmarc = findings.dmarc
    return Case(
        source=str(address_of(host)),  # a zone, and how IPv4 looks on an IPv6 socket, mean nothing to others
        disposition=_disposition(dmarc, decision),
        dkim="pass" if _is_aligned(dmarc, "dkim") else "fail",
        spf="pass" if _is_aligned(dmarc, "spf") else "fail",
        header_from=dmarc.author,
        envelope_from=_sender_domain(envelope.sender, findings.sender),
        envelope_to=_one_domain(each.address for each in envelope.recipients),
        overrides=tuple(_overrides(dmarc, decision)),
        signatures=tuple(_signatures(findings)),
        sender=_sender(findings.sender),
    )


def _disposition(dmarc: Verdict, decision: Decision) -> Disposition:
    if dmarc.result == "pass" and dmarc.policy != "none":
        return "pass"
    return decision.disposition


def _is_aligned(dmarc: Verdict, method: str) -> bool:
    return any(
        each.is_aligned and each.identifier.is_sure and each.identifier.method == method for each in dmarc.alignments
    )


def _overrides(dmarc: Verdict, decision: Decision) -> Iterator[Override]:
    """Yield why something else was done than the domain's policy says: that is owed (RFC 9990 section 3.1.1.9)."""
    if dmarc.result == "pass" or decision.disposition == dmarc.policy:
        return
    if dmarc.result == "temperror":
        yield Override("other", SILENT)
        return
    if dmarc.wanted != dmarc.policy:
        yield Override("policy_test_mode")
    if decision.disposition != dmarc.wanted:
        match decision.trusted:
            case "trusted_forwarder":
                yield Override("trusted_forwarder")
            case "arc":
                yield Override("local_policy", "arc=pass")  # as others say it; RFC 9990 has no word for it
            case "":
                yield Override("local_policy")


def _sender_domain(sender: Address, checked: Checked | None) -> str:
    if sender.is_null:
        return ""
    domain = checked.verdict.domain if checked is not None else sender.domain.lower()
    return domain[:MOST_OF_A_NAME]


def _one_domain(recipients: Iterable[Address]) -> str | None:
    """Return the domain of all recipients; None where they have several."""
    domains = {each.domain.lower() for each in recipients}
    return domains.pop() if len(domains) == 1 else None


def _signatures(findings: Findings) -> Iterator[SignatureResult]:
    """Yield what came of signatures, those that matter most first (RFC 9990 section 3.1.3)."""
    named = [each for each in findings.signatures if each.domain and each.selector]
    aligned = {each.identifier.domain for each in findings.dmarc.alignments if each.is_aligned}
    for each in sorted(named, key=lambda result: _rank(result, findings.dmarc.author, aligned))[:MOST_SIGNATURES]:
        if len(each.selector) <= MOST_OF_A_NAME:
            yield SignatureResult(each.domain, each.selector, each.word, each.reason[:MOST_OF_A_REASON])


def _rank(result: Result, author: str, aligned: set[str]) -> int:
    if result.word != "pass":
        return 3
    if result.domain == author:
        return 0
    return 1 if result.domain in aligned else 2


def _sender(checked: Checked | None) -> SenderResult | None:
    """Return what SPF says; of the null sender it is about postmaster at the name in HELO (RFC 7208 section 2.4)."""
    if checked is None or not checked.verdict.domain:
        return None
    verdict = checked.verdict
    return SenderResult(verdict.domain[:MOST_OF_A_NAME], verdict.result, verdict.problem[:MOST_OF_A_REASON])
