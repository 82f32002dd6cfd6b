"""Aggregate reports as others judge them: xmllint by the schema of RFC 9990, and parsedmarc, where it is installed."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from reports_made import METADATA, REPORT, reports

from twistedmail_mta.dmarc.report import AggregateReport
from twistedmail_mta.dmarc.report_names import file_name, subject
from twistedmail_mta.dmarc.report_xml import written
from twistedmail_mta.mail.report_mail import Enclosed, ReportMail, compose
from twistedmail_mta.model import Address
from twistedmail_mta.reporting.dmarc_kind import compressed

SCHEMA = Path(__file__).parent / "dmarc-2.0.xsd"


def judged(*files: Path) -> subprocess.CompletedProcess[str]:
    """Have files judged by the schema."""
    xmllint = shutil.which("xmllint")
    if xmllint is None:
        pytest.skip("not installed: libxml2-utils (tests/interop/install-peers.sh installs it)")
    return subprocess.run(
        [xmllint, "--noout", "--nonet", "--schema", SCHEMA, *files], capture_output=True, text=True, check=False
    )


@settings(
    max_examples=5,
    phases=[Phase.generate],
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(st.lists(reports, min_size=20, max_size=40))
def test_every_report_fits_the_schema(tmp_path: Path, many: list[AggregateReport]) -> None:
    """Whatever senders, servers and old reports say."""
    files = [tmp_path / f"{number}.xml" for number in range(len(many))]
    for file, report in zip(files, many, strict=True):
        file.write_bytes(written(report))

    said = judged(*files)
    assert said.returncode == 0, said.stderr


def test_the_schema_judges(tmp_path: Path) -> None:
    """What is wrong doesn't fit."""
    wrong = tmp_path / "wrong.xml"
    wrong.write_bytes(written(REPORT).replace(b"<disposition>pass", b"<disposition>well"))

    assert judged(wrong).returncode != 0


def test_parsedmarc_reads_the_mail() -> None:
    """The mail as a whole, as whoever collects reports gets it."""
    parsedmarc = pytest.importorskip("parsedmarc")
    enclosed = Enclosed("application/gzip", file_name("mx.test", "example.org", METADATA), compressed(REPORT))
    us, them = Address("postmaster", "mx.test"), Address("dmarc", "example.org")
    title = subject("mx.test", "example.org", METADATA)
    mail = ReportMail(us, them, "1@mx.test", title, (), "mixed", "a report\n", enclosed, METADATA.end)
    header, body = compose(mail)

    found = parsedmarc.parse_report_email(header + body, offline=True)

    assert found["report_type"] == "aggregate"
    report = found["report"]
    assert report["xml_namespace"] == "urn:ietf:params:xml:ns:dmarc-2.0"
    assert report["report_metadata"]["report_id"] == METADATA.report_id
    assert report["policy_published"]["domain"] == "example.org"
    (record,) = report["records"]
    assert (record["source"]["ip_address"], record["count"]) == ("192.0.2.1", 3)
    assert record["policy_evaluated"]["disposition"] == "pass"
    assert record["auth_results"]["dkim"][0]["selector"] == "s1"
