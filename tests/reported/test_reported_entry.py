"""What is kept of a report."""

from __future__ import annotations

import json

from twistedmail_mta.reported.documents import documents_in_mail
from twistedmail_mta.reported.entry import UNEXPLAINED, about_tls
from twistedmail_mta.tls_report.report import Failure, Failures, Policy, Report, Results
from twistedmail_mta.tls_report.writing import written

HOST = Results(Policy("tlsa", "mx.isp.test"), 1)


def told(*results: Results) -> Report:
    return Report("Sender", "tls@sender.test", "1", 0, 1, results)


def test_failures_without_details() -> None:
    """What the details leave out of the sum is a line of its own."""
    details = (Failures(Failure("tlsa-invalid", mx_host="mx.test"), 2),)
    results = Results(Policy("sts", "example.org"), 5, 7, details)

    assert [line[2:5] for line in about_tls(told(results)).lines] == [
        ("", "", 5),
        ("mx.test", "tlsa-invalid", 2),
        ("", UNEXPLAINED, 5),
    ]


def test_details_above_the_sum() -> None:
    """They are believed."""
    details = (Failures(Failure("tlsa-invalid"), 9),)

    assert [line[4] for line in about_tls(told(Results(Policy("sts", "example.org"), 5, 7, details))).lines] == [5, 9]


def test_whose_it_is() -> None:
    """TLSA records are hosts': the domain is that of another policy, or what the mail says; else the host's."""
    mail_domain = Results(Policy("no-policy-found", "example.org"), 1)

    assert about_tls(told(HOST, mail_domain), "other.test").domain == "example.org"
    assert about_tls(told(HOST), "other.test").domain == "other.test"
    assert about_tls(told(HOST)).domain == "mx.isp.test"


def test_the_mail_says_whose_it_is() -> None:
    """In the field that RFC 8460 demands, if it holds a domain."""
    part = b"Content-Type: application/tlsrpt+json\r\n"
    for value, domain in ((b"Example.ORG", "example.org"), (b"not a domain", "mx.isp.test")):
        header = part + b"TLS-Report-Domain: " + value + b"\r\n\r\n"
        (document,) = documents_in_mail(header, written(told(HOST)))
        assert document.entry is not None
        assert document.entry.domain == domain
        assert json.loads(document.entry.detail) == {"policies": [{"type": "tlsa", "domain": "mx.isp.test"}]}
