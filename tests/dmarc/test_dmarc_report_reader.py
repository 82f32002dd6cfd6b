"""Aggregate reports are read as their many makers write them, and what is no report costs little."""

from __future__ import annotations

import re
import time
import tracemalloc
from dataclasses import replace

import pytest
from dmarc_reports_seen import FASTMAIL, GOOGLE, MAIL_RU, MICROSOFT, NEW_FORM, SEEN, YAHOO
from hypothesis import given, settings
from hypothesis import strategies as st
from reports_made import reports

from twistedmail_mta.dmarc.report import AggregateReport, Override, SenderResult, SignatureResult
from twistedmail_mta.dmarc.report_elements import MOST_CHILDREN, MOST_DEPTH, MOST_TEXT, UnreadableReport
from twistedmail_mta.dmarc.report_reader import MOST_ROWS, read_report
from twistedmail_mta.dmarc.report_xml import written


def report(octets: bytes) -> AggregateReport:
    reading = read_report(octets)
    assert not reading.left_out
    return reading.report


def test_google() -> None:
    """Several signatures, no namespace, tags that are gone."""
    read = report(GOOGLE)

    assert (read.metadata.organization, read.metadata.report_id) == ("google.com", "7245120958367458291")
    assert (read.metadata.begin, read.metadata.end) == (1_796_083_200, 1_796_169_599)
    assert read.metadata.contact == "https://support.google.com/a/answer/2466580"
    published = read.published
    assert (published.domain, published.policy, published.subdomains, published.missing) == (
        "example.org",
        "quarantine",
        "reject",
        "reject",
    )
    assert (published.dkim, published.spf, published.testing) == ("r", "s", None)
    first, second = read.rows
    assert (first.count, first.case.source, first.case.dkim, first.case.spf) == (41, "192.0.2.25", "pass", "pass")
    assert [(each.selector, each.word) for each in first.case.signatures] == [
        ("s1", "pass"),
        ("e1", "pass"),
        ("k", "fail"),
    ]
    assert (second.case.source, second.case.disposition) == ("2001:db8::7", "quarantine")
    assert second.case.overrides == (Override("forwarded", "looks forwarded, downgrade to none"),)
    assert second.case.sender == SenderResult("forged.test", "softfail", scope="")


def test_microsoft() -> None:
    """A byte order mark, namespaces of schemas, a word that isn't in the standard."""
    read = report(MICROSOFT)

    case = read.rows[0].case
    assert (case.envelope_to, case.envelope_from) == ("contoso.test", "bounce.example.org")
    assert case.signatures == (SignatureResult("example.org", "s1", "permerror"),)
    assert case.sender == SenderResult("bounce.example.org", "pass", scope="mfrom")
    assert read.published.failure_options == "1"


def test_yahoo() -> None:
    """A domain in capitals, spaces around numbers, reasons that nobody knows."""
    read = report(YAHOO)

    assert (read.published.domain, read.metadata.end) == ("example.org", 1_796_169_599)
    assert read.published.subdomains is None
    assert read.rows[0].case.overrides == (Override("mailing_list"), Override("other", "arc=pass"))


def test_mail_ru() -> None:
    """Another order of elements, another charset."""
    read = report(MAIL_RU)

    assert read.metadata.organization == "Mail.Ru \u043e\u0442\u0447\u0451\u0442"
    assert (read.rows[0].count, read.rows[0].case.dkim) == (3, "pass")


def test_fastmail() -> None:
    """A namespace of its own, empty elements, errors, and something of which only its maker knows what it means."""
    read = report(FASTMAIL)

    assert read.metadata.error == "no policy for sub.example.org; a second one"
    assert read.metadata.generator == "Mail::DMARC 1.20240314"
    case = read.rows[0].case
    assert (case.source, case.envelope_from, case.signatures) == ("192.0.2.77", "", ())
    assert case.overrides == (Override("other"),)
    assert case.sender == SenderResult("mail.forged.test", "fail", scope="helo")


def test_new_form() -> None:
    """Prefixes are passed over; what RFC 9990 added is read."""
    read = report(NEW_FORM)

    assert (read.published.discovery, read.published.testing) == ("treewalk", True)
    assert (read.rows[0].case.disposition, read.rows[0].case.overrides) == ("pass", (Override("policy_test_mode"),))


@settings(max_examples=100, derandomize=True, deadline=None)
@given(reports)
def test_what_we_write(made: AggregateReport) -> None:
    """Whatever this program writes it reads, but for rows about no address, and what names no report."""
    made = replace(
        made,
        metadata=replace(made.metadata, organization="us", report_id="1", begin=1, end=2),
        published=replace(made.published, domain="example.org"),
        rows=tuple(replace(row, case=replace(row.case, source="192.0.2.1")) for row in made.rows),
    )

    read = report(written(made))

    assert (read.published.policy, read.published.testing) == (made.published.policy, made.published.testing)
    for before, after in zip(made.rows, read.rows, strict=True):
        assert (before.count, before.case.disposition) == (after.count, after.case.disposition)
        assert (before.case.dkim, before.case.spf) == (after.case.dkim, after.case.spf)
        words = [each.word for each in before.case.signatures]
        assert [each.word for each in after.case.signatures] == words


def test_rows_that_say_nothing() -> None:
    """They are counted and left out; if none is left, there is no report."""
    broken = GOOGLE.replace(b"192.0.2.25", b"somewhere")
    assert (len(read_report(broken).report.rows), read_report(broken).left_out) == (1, 1)

    for change in ((b"<count>", b"<count>-"), (b"<count>", b"<count>9999999999999999999"), (b"source_ip", b"source")):
        with pytest.raises(UnreadableReport, match="none of its rows"):
            read_report(GOOGLE.replace(*change))


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ((rb"<org_name>.*</org_name>\s*<email>.*</email>", b""), "whose report"),
        ((rb"<report_id>.*</report_id>", b""), "whose report"),
        ((rb"<begin>.*</begin>", b""), "what time"),
        ((rb"<domain>example.org</domain>", b""), "which domain"),
        ((rb"(?s)<record>.*</record>", b""), "no rows"),
        ((rb"</feedback>", b""), "no XML"),
        ((rb"feedback>", b"failures>"), "no <feedback>"),
        ((rb"UTF-8", b"UTF-99"), "encoding|no XML"),
        ((rb"google.com", b"\xff\xfe"), "no XML"),
    ],
)
def test_no_report(change: tuple[bytes, bytes], why: str) -> None:
    """What can't be a report is refused with a sentence."""
    with pytest.raises(UnreadableReport, match=why):
        read_report(re.sub(change[0], change[1], GOOGLE))


BOMB = (
    b'<?xml version="1.0"?><!DOCTYPE feedback [<!ENTITY a "aaaaaaaaaa">'
    + b"".join(b'<!ENTITY %c "%s">' % (98 + n, b"&%c;" % (97 + n) * 10) for n in range(9))
    + b"]><feedback><report_metadata><org_name>&j;</org_name></report_metadata></feedback>"
)
OUTSIDE = (
    b'<!DOCTYPE feedback [<!ENTITY x SYSTEM "file:///etc/passwd">]>'
    b"<feedback><report_metadata><org_name>&x;</org_name></report_metadata></feedback>"
)


@pytest.mark.parametrize("octets", [BOMB, OUTSIDE, b'<!DOCTYPE feedback SYSTEM "http://192.0.2.1/"><feedback/>'])
def test_no_document_types(octets: bytes) -> None:
    """Entities that grow or lead elsewhere are refused with the declaration, before they mean anything."""
    with pytest.raises(UnreadableReport, match="document type"):
        read_report(octets)


def test_bounds() -> None:
    """Depth, elements, rows and the length of texts are bounded."""
    with pytest.raises(UnreadableReport, match="deep"):
        read_report(b"<feedback>" + b"<a>" * MOST_DEPTH)
    with pytest.raises(UnreadableReport, match="elements"):
        read_report(b"<feedback><record>" + b"<a/>" * MOST_CHILDREN)
    row = re.search(rb"(?s)<record>.*?</record>", GOOGLE)
    assert row is not None
    with pytest.raises(UnreadableReport, match="rows"):
        read_report(b"<feedback>" + row[0] * (MOST_ROWS + 1))

    long = report(GOOGLE.replace(b"google.com", b"g" * 100_000))
    assert len(long.metadata.organization) == MOST_TEXT


LONG = 8_000_000
AWKWARD = {
    "pieces": (b"<feedback><report_metadata><org_name>" + b"&#97;" * 1_000_000, "no XML"),
    "tag": (b"<feedback><a b='" + b"x" * LONG + b"'/></feedback>", "a tag"),
    "name": (b"<feedback><" + b"x" * LONG + b"/></feedback>", "a tag"),
    "comment": (b"<feedback><!-- " + b"x" * LONG + b" --></feedback>", "a tag"),
    "instruction": (b"<feedback><?a " + b"x" * LONG + b" ?></feedback>", "a tag"),
    "attributes": (b"<feedback><a " + b" ".join(b"a%d=''" % n for n in range(1_000_000)) + b"/></feedback>", "a tag"),
    "names": (b"<feedback>" + b"".join(b"<a%d/>" % n for n in range(1_000_000)) + b"</feedback>", "names"),
    "spread": (b"<feedback>" + b"".join(b"<a b%d=''/>" % n for n in range(1_000_000)) + b"</feedback>", "names"),
    "open": (b"<feedback><!-- " + b"<" * LONG, "a tag"),
    "blank": (b"<feedback/>" + b" " * LONG, "a tag"),
}


@pytest.mark.parametrize("name", sorted(AWKWARD))
def test_awkward(name: str) -> None:
    """Whatever a document is made of, it costs no more than its octets do, and no memory but for them."""
    octets, why = AWKWARD[name]
    tracemalloc.start()
    begun = time.process_time()
    with pytest.raises(UnreadableReport, match=why):
        read_report(octets)
    took, (_, peak) = time.process_time() - begun, tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert took < 5
    assert peak < 2_000_000


def test_long_comments() -> None:
    """Those that people write are passed over."""
    assert report(GOOGLE.replace(b"<feedback>", b"<feedback><!-- " + b"x" * 30_000 + b" --><?made by=hand?>")).rows


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
    assert reading.report.rows
