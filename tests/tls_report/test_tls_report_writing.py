"""Reports as JSON."""

from __future__ import annotations

import json
import sys

from twistedmail_mta.tls_report.report import Failure, Failures, Policy, Report, Results
from twistedmail_mta.tls_report.writing import written

BEGIN = 1_459_468_800  # 2016-04-01T00:00:00Z


def test_as_in_the_rfc() -> None:
    """The report of RFC 8460 appendix B, as far as we know of such things."""
    policy = Policy("sts", "company-y.example", ("version: STSv1", "mode: testing"), ("*.mail.company-y.example",))
    expired = Failure("certificate-expired", "2001:db8:abcd:0012::1", "mx1.mail.company-y.example")
    no_tls = Failure(
        "starttls-not-supported",
        "2001:db8:abcd:0013::1",
        "mx2.mail.company-y.example",
        "203.0.113.56",
        information="https://reports.company-x.example/report_info?id=5065427c-23d3#StarttlsNotSupported",
    )
    results = Results(policy, 5326, 303, (Failures(expired, 100), Failures(no_tls, 203)))
    report = Report("Company-X", "sts-reporting@company-x.example", "5065427c-23d3", BEGIN, BEGIN + 86_399, (results,))

    assert json.loads(written(report)) == {
        "organization-name": "Company-X",
        "date-range": {"start-datetime": "2016-04-01T00:00:00Z", "end-datetime": "2016-04-01T23:59:59Z"},
        "contact-info": "sts-reporting@company-x.example",
        "report-id": "5065427c-23d3",
        "policies": [
            {
                "policy": {
                    "policy-type": "sts",
                    "policy-string": ["version: STSv1", "mode: testing"],
                    "policy-domain": "company-y.example",
                    "mx-host": ["*.mail.company-y.example"],
                },
                "summary": {"total-successful-session-count": 5326, "total-failure-session-count": 303},
                "failure-details": [
                    {
                        "result-type": "certificate-expired",
                        "sending-mta-ip": "2001:db8:abcd:0012::1",
                        "receiving-mx-hostname": "mx1.mail.company-y.example",
                        "failed-session-count": 100,
                    },
                    {
                        "result-type": "starttls-not-supported",
                        "sending-mta-ip": "2001:db8:abcd:0013::1",
                        "receiving-mx-hostname": "mx2.mail.company-y.example",
                        "receiving-ip": "203.0.113.56",
                        "additional-information": no_tls.information,
                        "failed-session-count": 203,
                    },
                ],
            }
        ],
    }


def test_nothing_to_tell_of_a_policy() -> None:
    """What isn't known isn't there: no empty lists, no empty texts."""
    report = Report("X", "a@x.example", "1", BEGIN, BEGIN, (Results(Policy("no-policy-found", "y.example"), 7),))

    assert json.loads(written(report))["policies"] == [
        {
            "policy": {"policy-type": "no-policy-found", "policy-domain": "y.example"},
            "summary": {"total-successful-session-count": 7, "total-failure-session-count": 0},
        }
    ]


def test_gives_others_their_turn() -> None:
    """Python is between its values all the time, so a thread that writes a long report keeps nobody waiting long."""
    failures = tuple(Failures(Failure("validation-failure", receiving_ip=str(n)), 1) for n in range(1000))
    report = Report("o.test", "a@o.test", "1", 0, 1, (Results(Policy("sts", "a.test"), 0, 1000, failures),))
    calls = 0

    def count(*_: object) -> None:
        nonlocal calls
        calls += 1

    sys.setprofile(count)
    try:
        octets = written(report)
    finally:
        sys.setprofile(None)

    assert calls > 10_000
    assert len(json.loads(octets)["policies"][0]["failure-details"]) == 1000
