"""An aggregate report read from XML, as tolerantly as its many makers need it (RFC 9990, and RFC 7489 before it)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any, Final, Generic, Literal, TypeVar, get_args

from twistedmail_mta.dkim.results import Word as DKIMWord
from twistedmail_mta.dmarc.record import Mode, Policy
from twistedmail_mta.dmarc.report import (
    AggregateReport,
    Case,
    Discovery,
    Disposition,
    Metadata,
    Override,
    OverrideKind,
    Published,
    Row,
    SenderResult,
    SignatureResult,
    SPFWord,
)
from twistedmail_mta.dmarc.report_elements import Element, UnreadableReport, read_elements

T = TypeVar("T")

MOST_ROWS: Final = 20_000
"""Of a report; what large senders get for a day has some thousands."""
MOST_RESULTS: Final = 100
"""Signatures, and reasons, of one row (RFC 9990 section 3.1.3)."""
MOST_COUNT: Final = 1 << 50
"""Messages that a row may stand for: sums of them are still numbers that a database has."""

_NUMBER: Final = re.compile(r"[0-9]{1,16}", re.ASCII)
_EMPTY: Final = Element("")
_OTHER_WORDS: Final[Mapping[str, str]] = {
    "hardfail": "fail",  # of drafts of SPF
    "bestguesspass": "none",  # a guess about domains without a record
    "best_guess_pass": "none",
    "unknown": "permerror",
    "error": "temperror",
    "invalid": "permerror",
}
_OTHER_MODES: Final[Mapping[str, str]] = {"relaxed": "r", "strict": "s"}


@dataclass(frozen=True, slots=True)
class Reading:
    """A report as it was read.

    Attributes:
        report: what it says.
        left_out: rows that don't say whose messages they are about, or how many.
    """

    report: AggregateReport
    left_out: int = 0


@dataclass(frozen=True, slots=True)
class RowReading(Generic[T]):
    """A report of whose rows something was made as they were read.

    Attributes:
        metadata: who reports, and on which time.
        published: the policy that it is about.
        rows: what was made of each.
        left_out: as of `Reading`.
    """

    metadata: Metadata
    published: Published
    rows: list[T]
    left_out: int


def read_report(octets: bytes) -> Reading:
    """Read a report as a whole; see `read_rows`."""
    read = read_rows(octets, lambda row: row)
    return Reading(AggregateReport(read.metadata, read.published, tuple(read.rows)), read.left_out)


def read_rows(octets: bytes, made_of: Callable[[Row], T]) -> RowReading[T]:
    """Read a report, in a time that is linear in its size; a plain function, which may run on any thread.

    Names count without their namespaces, the order of elements doesn't, and what isn't known is passed over.  A word
    that isn't known becomes the one that claims least.

    Args:
        octets: the XML.
        made_of: makes of each row what is wanted, so that not all of them have to be there at once.

    Raises:
        UnreadableReport: it is no XML, or no report, or has more than `MOST_ROWS` rows.
    """
    gathered = _Gathered(made_of)
    read_elements(octets, "feedback", gathered.take)
    metadata = _metadata(gathered.metadata)
    published = _published(gathered.published)
    if not gathered.rows:
        raise UnreadableReport("none of its rows can be read" if gathered.left_out else "it has no rows")
    return RowReading(metadata, published, gathered.rows, gathered.left_out)


class _Gathered(Generic[T]):
    """The parts of a report, as they come."""

    def __init__(self, made_of: Callable[[Row], T]) -> None:
        self.metadata = self.published = _EMPTY
        self.rows: list[T] = []
        self._made_of = made_of
        self.left_out = 0

    def take(self, element: Element) -> None:
        """Take a part; of those there should be one of, the first counts."""
        if element.name == "record":
            self._take_row(element)
        elif element.name == "report_metadata" and self.metadata is _EMPTY:
            self.metadata = element
        elif element.name == "policy_published" and self.published is _EMPTY:
            self.published = element

    def _take_row(self, record: Element) -> None:
        if len(self.rows) + self.left_out >= MOST_ROWS:
            raise UnreadableReport(f"it has more than {MOST_ROWS} rows")
        row = _row(record)
        if row is None:
            self.left_out += 1
        else:
            self.rows.append(self._made_of(row))


def _metadata(element: Element) -> Metadata:
    email = element.said("email") or ""
    organization = element.said("org_name") or email.rpartition("@")[2]
    report_id = element.said("report_id")
    period = element.first("date_range")
    begin, end = _number(period.said("begin")), _number(period.said("end"))
    if not organization or not report_id:
        raise UnreadableReport("it doesn't say whose report it is, or which")
    if begin is None or end is None:
        raise UnreadableReport("it doesn't say what time it is about")
    return Metadata(
        organization,
        email,
        report_id,
        min(begin, end),
        max(begin, end),
        contact=element.said("extra_contact_info") or "",
        error="; ".join(each.text for each in element.all("error") if each.text),
        generator=element.said("generator") or "",
    )


def _published(element: Element) -> Published:
    domain = _domain(element.said("domain"))
    if not domain:
        raise UnreadableReport("it doesn't say which domain it is about")
    testing = element.said("testing")
    return Published(
        domain,
        _word(element.said("p"), Policy, "none"),
        _word_or_none(element.said("sp"), Policy),
        _word_or_none(element.said("np"), Policy),
        _word_or_none(element.said("adkim"), Mode, _OTHER_MODES),
        _word_or_none(element.said("aspf"), Mode, _OTHER_MODES),
        _word(element.said("discovery_method"), Discovery, ""),
        element.said("fo") or "",
        None if testing is None else testing.lower() == "y",
    )


def _row(record: Element) -> Row | None:
    row = record.first("row")
    source, count = _address(row.said("source_ip")), _number(row.said("count"))
    if source is None or count is None or count > MOST_COUNT:
        return None
    identifiers = record.first("identifiers", "identities")
    results = record.first("auth_results")
    evaluated = row.first("policy_evaluated")
    reasons = [_override(each) for each in evaluated.all("reason") if each.children]
    signatures = [_signature(each) for each in results.all("dkim") if each.children]
    case = Case(
        source,
        _word(evaluated.said("disposition"), Disposition, "none"),
        _passed(evaluated.said("dkim")),
        _passed(evaluated.said("spf")),
        _domain(identifiers.said("header_from")),
        _domain_or_none(identifiers, "envelope_from"),
        _domain_or_none(identifiers, "envelope_to"),
        tuple(reasons[:MOST_RESULTS]),
        tuple(signatures[:MOST_RESULTS]),
        next((_sender(each) for each in results.all("spf") if each.children), None),
    )
    return Row(case, count)


def _override(element: Element) -> Override:
    return Override(_word(element.said("type"), OverrideKind, "other"), element.said("comment") or "")


def _signature(element: Element) -> SignatureResult:
    return SignatureResult(
        _domain(element.said("domain")),
        element.said("selector") or "",
        _word(element.said("result"), DKIMWord, "none", _OTHER_WORDS),
        element.said("human_result") or "",
    )


def _sender(element: Element) -> SenderResult:
    scope: Literal["", "mfrom", "helo"] = _word(element.said("scope"), Literal["", "mfrom", "helo"], "")
    return SenderResult(
        _domain(element.said("domain")),
        _word(element.said("result"), SPFWord, "none", _OTHER_WORDS),
        element.said("human_result") or "",
        scope,
    )


def _passed(text: str | None) -> Literal["pass", "fail"]:
    return "pass" if text is not None and text.lower() == "pass" else "fail"


def _number(text: str | None) -> int | None:
    """Return a whole number; some say what seconds have behind the point, too."""
    found = _NUMBER.fullmatch((text or "").partition(".")[0])
    return None if found is None else int(found[0])


def _address(text: str | None) -> str | None:
    """Return an IP address in its usual form; one that is mapped into IPv6 is one of IPv4."""
    try:
        found = ip_address(text or "")
    except ValueError:
        return None
    return str(getattr(found, "ipv4_mapped", None) or found)


def _domain(text: str | None) -> str:
    return (text or "").lower().rstrip(".")


def _domain_or_none(identifiers: Element, name: str) -> str | None:
    """Return a domain, empty where the report says that there is none; None where it doesn't say."""
    found = next(identifiers.all(name), None)
    return None if found is None else _domain(found.text)


def _word(text: str | None, words: Any, default: str, others: Mapping[str, str] = {}) -> Any:  # noqa: ANN401 - one of the words of a Literal
    """Return a word if it is one that is known, else the default."""
    return _word_or_none(text, words, others) or default


def _word_or_none(text: str | None, words: Any, others: Mapping[str, str] = {}) -> Any:  # noqa: ANN401 - see `_word`
    word = (text or "").lower()
    word = others.get(word, word)
    return word if word in get_args(words) else None
