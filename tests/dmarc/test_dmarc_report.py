"""Aggregate reports as XML: the form of RFC 9990, whatever the values say."""

from __future__ import annotations

import re
from dataclasses import replace
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from report_form import NAMESPACE, flaws
from reports_made import CASE, METADATA, REPORT, reports

from twistedmail_mta.dmarc.record import parse_record
from twistedmail_mta.dmarc.report import (
    AggregateReport,
    Override,
    Published,
    Row,
    SenderResult,
    SignatureResult,
    published_at,
)
from twistedmail_mta.dmarc.report_xml import MOST_SIGNATURES, written


def _text(xml: bytes, path: str) -> str | None:
    found = ET.fromstring(xml).find("/".join(NAMESPACE + name for name in path.split("/")))
    return None if found is None else found.text or ""


def test_a_report() -> None:
    """Everything stands where the sample of RFC 9990 appendix B has it."""
    xml = written(REPORT).decode()

    assert xml.splitlines()[:4] == [
        '<?xml version="1.0" encoding="UTF-8"?>',
        '<feedback xmlns="urn:ietf:params:xml:ns:dmarc-2.0">',
        "  <version>1.0</version>",
        "  <report_metadata>",
    ]
    assert re.sub(r"\s+", "", xml[xml.index("<record>") :]) == (
        "<record><row><source_ip>192.0.2.1</source_ip><count>3</count><policy_evaluated>"
        "<disposition>pass</disposition><dkim>pass</dkim><spf>fail</spf></policy_evaluated></row>"
        "<identifiers><header_from>example.org</header_from><envelope_from>bounces.example.net</envelope_from>"
        "</identifiers><auth_results>"
        "<dkim><domain>example.org</domain><selector>s1</selector><result>pass</result></dkim>"
        "<spf><domain>bounces.example.net</domain><scope>mfrom</scope><result>softfail</result></spf>"
        "</auth_results></record></feedback>"
    )
    assert flaws(xml.encode()) == []


@given(reports)
def test_every_report_has_the_form(report: AggregateReport) -> None:
    """What senders, servers and old reports say never breaks it."""
    assert flaws(written(report)) == []


@given(reports)
def test_nothing_that_xml_can_hold_is_lost(report: AggregateReport) -> None:
    """Names and comments are read as they were."""
    forbidden = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
    xml = written(report)

    assert _text(xml, "report_metadata/org_name") == forbidden.sub("?", report.metadata.organization)
    assert _text(xml, "record/identifiers/header_from") == forbidden.sub("?", report.rows[0].case.header_from)
    assert _text(xml, "record/row/count") == str(report.rows[0].count)


def test_the_null_sender() -> None:
    """It is an empty element; what isn't known is none (RFC 9990 section 3.1.1.10)."""
    null = replace(REPORT, rows=(Row(replace(CASE, envelope_from=""), 1),))
    unknown = replace(REPORT, rows=(Row(replace(CASE, envelope_from=None), 1),))

    assert _text(written(null), "record/identifiers/envelope_from") == ""
    assert _text(written(unknown), "record/identifiers/envelope_from") is None


def test_what_is_gone_since_the_older_form() -> None:
    """Reasons and scopes of RFC 7489 that RFC 9990 lost aren't written."""
    case = replace(CASE, overrides=(Override("sampled_out", "pct=5"),), sender=SenderResult("h", "pass", scope="helo"))
    xml = written(replace(REPORT, rows=(Row(case, 1),)))

    assert _text(xml, "record/row/policy_evaluated/reason/type") == "other"
    assert _text(xml, "record/row/policy_evaluated/reason/comment") == "pct=5"
    assert _text(xml, "record/auth_results/spf/scope") is None


def test_signatures_are_bounded() -> None:
    """A row has the first hundred (RFC 9990 section 3.1.3)."""
    many = tuple(SignatureResult("example.org", str(number), "fail") for number in range(MOST_SIGNATURES + 1))
    xml = written(replace(REPORT, rows=(Row(replace(CASE, signatures=many), 1),)))

    assert xml.count(b"<selector>") == MOST_SIGNATURES


def test_no_rows_are_no_report() -> None:
    """There has to be one (RFC 9990 section 3.1.1.2)."""
    with pytest.raises(ValueError, match="without rows"):
        written(replace(REPORT, rows=()))


def test_what_a_record_publishes() -> None:
    """Tags that aren't there have their defaults: sp= is p=, np= is sp= (RFC 9990 section 3.1.1.5)."""
    record = parse_record(b"v=DMARC1; p=reject; sp=quarantine; t=y; adkim=s; fo=s:d")

    assert published_at("example.org", record) == Published(
        "example.org", "reject", "quarantine", "quarantine", "s", "r", "treewalk", "d:s", testing=True
    )


def test_the_form_is_looked_at() -> None:
    """What judges reports here finds what is wrong with them."""
    right = written(replace(REPORT, metadata=METADATA)).decode()

    for before, after in [
        ("<count>3", "<count>x"),
        ("<scope>mfrom", "<scope>helo"),
        ("<version>1.0", "<version>2"),
        ("<email>postmaster@mx.test</email>", ""),
        ("dmarc-2.0", "dmarc-0.1"),
        ("<selector>s1</selector>", ""),
    ]:
        assert flaws(right.replace(before, after).encode()), before
