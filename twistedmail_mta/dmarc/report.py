"""An aggregate report as values (RFC 9990 section 3.1.1): what came in one domain's name, and what was made of it.

The older form (RFC 7489 appendix C) has a few values that the newer one lost;
they are here for those who read reports.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from twistedmail_mta.dkim.results import Word as DKIMWord
from twistedmail_mta.dmarc.record import Mode, Policy, Record

Disposition = Literal["none", "pass", "quarantine", "reject"]
"""What was done: "pass" is nothing because DMARC passes, "none" is nothing though it doesn't."""

OverrideKind = Literal[
    "local_policy",
    "mailing_list",
    "other",
    "policy_test_mode",
    "trusted_forwarder",
    "forwarded",
    "sampled_out",
]
"""Why less was done than the domain wants; the last two are of RFC 7489 alone."""

SPFWord = Literal["none", "pass", "fail", "softfail", "policy", "neutral", "temperror", "permerror"]
"""RFC 8601 section 2.7.2."""

Discovery = Literal["", "psl", "treewalk"]
"""How a record was found: by a list of public suffixes (RFC 7489), or by the tree walk of RFC 9989."""


@dataclass(frozen=True, slots=True)
class Metadata:
    """Who reports, and on which time.

    Attributes:
        organization: its name.
        email: whom to ask about the report.
        report_id: tells it from all others to the same domain.
        begin: of the period, in seconds since the epoch.
        end: its last second.
        contact: where else to ask, such as a URL.
        error: what was wrong with the domain's record.
        generator: the program that made the report, and its version.
    """

    organization: str
    email: str
    report_id: str
    begin: int
    end: int
    contact: str = ""
    error: str = ""
    generator: str = ""


@dataclass(frozen=True, slots=True)
class Published:
    """The policy that the report is about.

    Attributes:
        domain: where the record was found, in A-labels.
        policy: for the domain itself (p=).
        subdomains: for those below it (sp=); None where the report doesn't say.
        missing: for those below it that don't exist (np=); likewise.
        dkim: the alignment that signatures need (adkim=); likewise.
        spf: the alignment that SPF needs (aspf=); likewise.
        discovery: how the record was found; empty where the report doesn't say.
        failure_options: when failure reports are wanted (fo=), such as "1:d"; likewise.
        testing: whether the domain only tests its policy (t=); None where the report doesn't say.
    """

    domain: str
    policy: Policy
    subdomains: Policy | None = None
    missing: Policy | None = None
    dkim: Mode | None = None
    spf: Mode | None = None
    discovery: Discovery = ""
    failure_options: str = ""
    testing: bool | None = None


@dataclass(frozen=True, slots=True)
class Override:
    """Why less was done than the domain wants.

    Attributes:
        kind: in one word.
        comment: in more.
    """

    kind: OverrideKind
    comment: str = ""


@dataclass(frozen=True, slots=True)
class SignatureResult:
    """What came of a DKIM signature.

    Attributes:
        domain: who signed (d=).
        selector: of the key (s=); empty where an old report doesn't say.
        word: the result.
        reason: why.
    """

    domain: str
    selector: str
    word: DKIMWord
    reason: str = ""


@dataclass(frozen=True, slots=True)
class SenderResult:
    """What SPF says of the sender.

    Attributes:
        domain: that was checked.
        word: the result.
        reason: why.
        scope: which identity it was: "helo" only in reports of the older form, empty where a report doesn't say.
    """

    domain: str
    word: SPFWord
    reason: str = ""
    scope: Literal["", "mfrom", "helo"] = "mfrom"


@dataclass(frozen=True, slots=True)
class Case:
    """All that a report says of a message; messages of which it says the same are one row.

    Attributes:
        source: the client's address.
        disposition: what was done.
        dkim: whether a signature is aligned and verifies.
        spf: whether the sender is aligned and SPF passes.
        header_from: the author's domain.
        envelope_from: the sender's domain; empty for the null sender, None where the report doesn't say.
        envelope_to: the recipients' domain; None where the report doesn't say.
        overrides: why less was done than the domain wants.
        signatures: what came of each that was looked at.
        sender: what SPF says; None where it wasn't asked.
    """

    source: str
    disposition: Disposition
    dkim: Literal["pass", "fail"]
    spf: Literal["pass", "fail"]
    header_from: str
    envelope_from: str | None = None
    envelope_to: str | None = None
    overrides: tuple[Override, ...] = ()
    signatures: tuple[SignatureResult, ...] = ()
    sender: SenderResult | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """How many messages were alike."""

    case: Case
    count: int


@dataclass(frozen=True, slots=True)
class AggregateReport:
    """A report on the mail of one period in one domain's name; a right one has at least one row."""

    metadata: Metadata
    published: Published
    rows: tuple[Row, ...]


def published_at(domain: str, record: Record) -> Published:
    """Return what a report says of a record: what isn't said there has its default (RFC 9990 section 3.1.1.5).

    Args:
        domain: where the record was found.
        record: what it says.
    """
    return Published(
        domain=domain,
        policy=record.policy,
        subdomains=record.policy_by("sp")[0],
        missing=record.policy_by("np")[0],
        dkim=record.dkim,
        spf=record.spf,
        discovery="treewalk",
        failure_options=":".join(sorted(record.failure_options)),
        testing=record.testing,
    )
