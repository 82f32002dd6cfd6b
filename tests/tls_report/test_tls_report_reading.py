"""TLS reports are read as their makers write them, and what is no report costs little."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tls_reports_seen import GOOGLE, MAIL_RU, MICROSOFT, SEEN

from twistedmail_mta.tls_report.reading import (
    MOST_DEPTH,
    MOST_FAILURES,
    MOST_SIZE,
    MOST_TEXT,
    UnreadableReport,
    read_report,
)
from twistedmail_mta.tls_report.report import Failure, Failures, Policy, Report, Results
from twistedmail_mta.tls_report.writing import written

BEGIN = 1_796_083_200


def test_google() -> None:
    """All there is, hosts in whatever letters."""
    reading = read_report(GOOGLE)

    report = reading.report
    assert (report.organization, report.id) == ("Google Inc.", "2026-12-01T00:00:00Z_example.org")
    assert (report.begins_at, report.ends_at, reading.left_out) == (BEGIN, BEGIN + 86_399, 0)
    (results,) = report.results
    assert results.policy.mx_hosts == ("mail.example.org",)
    assert (results.policy.type, results.policy.lines[1]) == ("sts", "mode: enforce")
    assert (results.successful, results.failed) == (120, 3)
    assert results.failures == (
        Failures(Failure("certificate-expired", "192.0.2.9", "mail.example.org", "203.0.113.5"), 2),
        Failures(Failure("validation-failure", "192.0.2.10", "mail.example.org", reason="X509_V_ERR"), 1),
    )


def test_microsoft() -> None:
    """A byte order mark, fractions of seconds, numbers as texts, null for nothing."""
    report = read_report(MICROSOFT).report

    assert (report.begins_at, report.ends_at) == (BEGIN, BEGIN + 86_399)
    assert (report.results[0].successful, report.results[0].failures) == (44, ())


def test_others() -> None:
    """One value where a list should be, dates alone, results nobody knows; what says nothing is left out."""
    reading = read_report(MAIL_RU)

    assert reading.left_out == 2
    assert reading.report.organization == "mail.ru.test"
    first, second = reading.report.results
    assert first.policy == Policy("tlsa", "mail.example.org", ("3 1 1 AB",), ("m.test",))
    assert first.failures == (Failures(Failure("made-up-result"), 1),)
    assert second == Results(Policy("no-policy-found", "example.org"))


texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20).filter(lambda t: t == t.strip())
counts = st.integers(0, 2**40)
names = st.sampled_from(["a.test", "b.test"])
failures = st.builds(Failures, st.builds(Failure, st.just("tlsa-invalid"), texts, names, texts, texts, texts), counts)
policies = st.builds(Policy, st.sampled_from(["tlsa", "sts"]), names, st.lists(texts).map(tuple))
made = st.builds(
    Report,
    texts,
    texts,
    texts,
    st.just(BEGIN),
    st.just(BEGIN + 5),
    st.lists(
        st.builds(Results, policies, counts, counts, st.lists(failures, max_size=3).map(tuple)), min_size=1, max_size=3
    ).map(tuple),
)


@settings(max_examples=100, derandomize=True, deadline=None)
@given(made)
def test_what_we_write(report: Report) -> None:
    """What this program writes it reads."""
    assert read_report(written(report)).report == report


@pytest.mark.parametrize(
    ("octets", "why"),
    [
        (b"", "no JSON"),
        (b"{", "no JSON"),
        (b"\xff{}", "UTF-8"),
        (b"[]", "nothing of policies"),
        (b'{"policies": NaN}', "no JSON"),
        (b'{"policies": [-' + b"9" * 100_000 + b"]}", "whose report"),
        (GOOGLE.replace(b"report-id", b"id"), "whose report"),
        (GOOGLE.replace(b'2026-12-01T00:00:00Z",', b'yesterday",'), "what time"),
        (GOOGLE.replace(b"policy-domain", b"domain"), "none of its policies"),
        (b"[" * (MOST_DEPTH + 1), "deep"),
        (b'{"a":' * 100_000, "deep"),
        (b"[" + b"[]," * 600_000, "too much"),
        (b'"' + b'\\"' * 900_000, "no JSON"),
        (b" " * (MOST_SIZE + 1), "octets"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_no_report(octets: bytes, why: str) -> None:
    """What can't be a report is refused with a sentence, however deep it is."""
    with pytest.raises(UnreadableReport, match=why):
        read_report(octets)


def test_bounds() -> None:
    """Failures and the length of texts are bounded; half a letter harms nobody."""
    said = json.loads(GOOGLE)
    said["organization-name"] = "\ud800" + "g" * 10_000
    said["policies"][0]["failure-details"] *= MOST_FAILURES // 2 + 5

    reading = read_report(json.dumps(said).encode())

    assert (len(reading.report.results[0].failures), reading.left_out) == (MOST_FAILURES, 10)
    assert len(reading.report.organization) == MOST_TEXT
    assert reading.report.organization.startswith("?g")


@settings(max_examples=300, derandomize=True, deadline=None)
@given(st.sampled_from(sorted(SEEN)), st.integers(0, 1 << 16), st.binary(max_size=6), st.integers(0, 40))
def test_damaged(name: str, place: int, octets: bytes, length: int) -> None:
    """Whatever is damaged in a report, it is read or refused, with no other error."""
    whole = SEEN[name]
    place %= len(whole)
    try:
        reading = read_report(whole[:place] + octets + whole[place + length :])
    except UnreadableReport:
        return
    assert reading.report.results


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inside: st.lists(inside, max_size=3) | st.dictionaries(st.text(max_size=5), inside, max_size=3),
    max_leaves=10,
)


@settings(max_examples=200, derandomize=True, deadline=None)
@given(st.sampled_from(["policies", "date-range", "report-id", "policy", "summary", "failure-details"]), json_values)
def test_other_kinds_of_values(name: str, value: object) -> None:
    """A value of any kind anywhere breaks nothing."""
    said = json.loads(GOOGLE)
    place = said if name in said else said["policies"][0]
    place[name] = value
    try:
        reading = read_report(json.dumps(said).encode())
    except UnreadableReport:
        return
    assert reading.report.results
