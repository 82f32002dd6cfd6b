"""A TLS report read from JSON, as tolerantly as its makers need it (RFC 8460 section 4.4)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from json.scanner import py_make_scanner  # type: ignore[attr-defined] # of the standard library, though not announced
from typing import Any, Final, NoReturn

from twistedmail_mta.tls_report.report import Failure, Failures, Policy, PolicyType, Report, Results

MOST_SIZE: Final = 2 << 20
"""Octets of a document that is read; those of large senders have some ten thousand."""
MOST_DEPTH: Final = 16
"""Objects and arrays around another; a report has 6."""
MOST_VALUES: Final = 400_000
"""Names, texts, objects and arrays of a report, and what is between them."""
MOST_POLICIES: Final = 1000
"""Policies of a report that are read."""
MOST_FAILURES: Final = 5000
"""Kinds of failures of a report, under all policies, that are read."""
MOST_TEXT: Final = 1000
"""Characters of a text that are kept."""
MOST_LINES: Final = 100
"""Lines, or hosts, of a policy that are kept."""
MOST_COUNT: Final = 1 << 50
"""Sessions that a count may stand for."""

_TOKEN: Final = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"?|[\[\]{}]|[^"\[\]{}]++', re.DOTALL)
"""A text that never ends is one, too: so no octet is looked at twice.  What is between is taken at once."""
_NUMBER: Final = re.compile(r"[0-9]{1,16}", re.ASCII)
_DATE_ONLY: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)
_TYPES: Final[Mapping[str, PolicyType]] = {"tlsa": "tlsa", "sts": "sts", "no-policy-found": "no-policy-found"}


class UnreadableReport(ValueError):
    """What should be a report is none that can be read; the text says why, in words for an operator."""


@dataclass(frozen=True, slots=True)
class Reading:
    """A report as it was read.

    Attributes:
        report: what it says.
        left_out: policies, and kinds of failures, that don't say whose or what they are, or are too many.
    """

    report: Report
    left_out: int = 0


def read_report(octets: bytes) -> Reading:
    """Read a report; a plain function, which may run on any thread, and gives others their turn.

    What isn't known is passed over.

    Raises:
        UnreadableReport: it is no JSON, or no report, or over a limit.
    """
    said = _decoded(octets)
    if not isinstance(said, dict) or not isinstance(said.get("policies"), list):
        raise UnreadableReport("it is JSON, but says nothing of policies")
    organization, report_id = _text(said.get("organization-name")), _text(said.get("report-id"))
    contact = _text(said.get("contact-info"))
    if not (organization or contact) or not report_id:
        raise UnreadableReport("it doesn't say whose report it is, or which")
    period = _object(said.get("date-range"))
    times = [_moment(period.get(name)) for name in ("start-datetime", "end-datetime")]
    known = sorted(at for at in times if at is not None)
    if len(known) != len(times):
        raise UnreadableReport("it doesn't say what time it is about")
    policies = _Policies()
    results = tuple(policies.read(said["policies"]))
    if not results:
        raise UnreadableReport("none of its policies can be read")
    organization = organization or contact.rpartition("@")[2]
    return Reading(Report(organization, contact, report_id, known[0], known[1], results), policies.left_out)


class _Policies:
    """Reads what is said of each policy, and counts what can't be read."""

    def __init__(self) -> None:
        self.left_out = 0
        self._room = MOST_FAILURES

    def read(self, policies: list[Any]) -> Iterator[Results]:
        """Yield the sessions under each policy."""
        self.left_out += max(0, len(policies) - MOST_POLICIES)
        for said in policies[:MOST_POLICIES]:
            results = self._results(_object(said))
            if results is None:
                self.left_out += 1
            else:
                yield results

    def _results(self, said: Mapping[str, Any]) -> Results | None:
        policy, summary = _object(said.get("policy")), _object(said.get("summary"))
        domain = _text(policy.get("policy-domain")).lower().rstrip(".")
        if not domain:
            return None
        demanded = Policy(
            _TYPES.get(_text(policy.get("policy-type")).lower(), "no-policy-found"),
            domain,
            tuple(_texts(policy.get("policy-string"))),
            tuple(_texts(policy.get("mx-host") or policy.get("mx-host-pattern"))),
        )
        failures = tuple(self._failures(said.get("failure-details")))
        return Results(
            demanded,
            _count(summary.get("total-successful-session-count")) or 0,
            _count(summary.get("total-failure-session-count")) or 0,
            failures,
        )

    def _failures(self, said: object) -> Iterator[Failures]:
        for each in _listed(said):
            failure = _object(each)
            result, count = _text(failure.get("result-type")).lower(), _count(failure.get("failed-session-count"))
            if not result or count is None or not self._room:
                self.left_out += 1
                continue
            self._room -= 1
            yield Failures(_failure(result, failure), count)


def _failure(result: str, said: Mapping[str, Any]) -> Failure:
    return Failure(
        result,
        _text(said.get("sending-mta-ip")),
        _text(said.get("receiving-mx-hostname")).lower().rstrip("."),
        _text(said.get("receiving-ip")),
        _text(said.get("receiving-mx-helo")),
        _text(said.get("failure-reason-code")),
        _text(said.get("additional-information") or said.get("additional-info-uri")),
    )


def _decoded(octets: bytes) -> object:
    """Return what a document says, its depth and size known before anything is made of it."""
    if len(octets) > MOST_SIZE:
        raise UnreadableReport(f"it has more than {MOST_SIZE} octets")
    try:
        text = octets.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UnreadableReport("it isn't in UTF-8") from error
    _demand_bounds(text)
    try:
        return _Decoder(parse_int=_whole, parse_constant=_refuse).decode(text)
    except ValueError as error:
        raise UnreadableReport(f"it is no JSON: {error}") from error


def _demand_bounds(text: str) -> None:
    depth = 0
    for values, found in enumerate(_TOKEN.finditer(text)):
        if found[0] in "[{":
            depth += 1
        elif found[0] in "]}":
            depth -= 1
        if depth > MOST_DEPTH:
            raise UnreadableReport(f"it is nested more than {MOST_DEPTH} deep")
        if values > MOST_VALUES:
            raise UnreadableReport("it is too much")


class _Decoder(json.JSONDecoder):
    """Decodes in Python: the decoder in C keeps the interpreter to itself until it has read the last octet."""

    def __init__(self, **options: Any) -> None:  # noqa: ANN401 - those of JSONDecoder
        super().__init__(**options)
        self.scan_once = py_make_scanner(self)


def _whole(digits: str) -> int:
    return int(digits[:20])


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no number")


def _moment(value: object) -> int | None:
    """Return the seconds since the epoch that a time of RFC 3339 means; a date alone is its midnight."""
    text = _text(value).upper().replace(" ", "T")
    try:
        moment = datetime.fromisoformat(f"{text}T00:00:00Z" if _DATE_ONLY.fullmatch(text) else text)
        return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())
    except (ValueError, OverflowError):
        return None


def _count(value: object) -> int | None:
    """Return a number of sessions; some write it as text."""
    found = _NUMBER.fullmatch(str(value).strip()) if isinstance(value, (int, str)) else None
    return None if found is None else min(int(found[0]), MOST_COUNT)


def _object(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _listed(value: object) -> list[Any]:
    """Return an array; one value alone is an array of it."""
    return value if isinstance(value, list) else [] if value is None else [value]


def _texts(value: object) -> list[str]:
    return [text for each in _listed(value)[:MOST_LINES] if (text := _text(each))]


def _text(value: object) -> str:
    """Return a text as far as it is kept; halves of letters, which nothing can be written in, become question marks."""
    return value[:MOST_TEXT].strip().encode("utf-8", "replace").decode() if isinstance(value, str) else ""
