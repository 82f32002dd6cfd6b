"""TLS reports in the shapes that large senders give them; the contents are made up."""

from __future__ import annotations

GOOGLE = b"""{"organization-name":"Google Inc.","date-range":{"start-datetime":"2026-12-01T00:00:00Z",
"end-datetime":"2026-12-01T23:59:59Z"},"contact-info":"smtp-tls-reporting@google.com",
"report-id":"2026-12-01T00:00:00Z_example.org","policies":[{"policy":{"policy-type":"sts","policy-string":
["version: STSv1","mode: enforce","mx: mail.example.org","max_age: 604800"],"policy-domain":"example.org",
"mx-host":["mail.example.org"]},"summary":{"total-successful-session-count":120,"total-failure-session-count":3},
"failure-details":[{"result-type":"certificate-expired","sending-mta-ip":"192.0.2.9",
"receiving-mx-hostname":"mail.example.org","receiving-ip":"203.0.113.5","failed-session-count":2},
{"result-type":"validation-failure","sending-mta-ip":"192.0.2.10","receiving-mx-hostname":"Mail.Example.org.",
"failed-session-count":1,"failure-reason-code":"X509_V_ERR"}]}]}"""

MICROSOFT = b"""\xef\xbb\xbf{"organization-name":"Microsoft Corporation","date-range":{
"start-datetime":"2026-12-01T00:00:00+00:00","end-datetime":"2026-12-01T23:59:59.9999999+00:00"},
"contact-info":"tlsrpt-noreply@microsoft.com","report-id":"133456789012345678+example.org","policies":[{"policy":{
"policy-type":"sts","policy-string":["version: STSv1"],"policy-domain":"example.org"},
"summary":{"total-successful-session-count":"44","total-failure-session-count":"0"},"failure-details":null}]}"""

MAIL_RU = b"""{"report-id": "1","contact-info": "tls@mail.ru.test","date-range": {"start-datetime": "2026-12-01",
"end-datetime": "2026-12-02"},"policies": [
{"policy": {"policy-type": "tlsa","policy-domain": "mail.example.org","policy-string": "3 1 1 AB","mx-host": "m.test"},
 "summary": {"total-successful-session-count": 1,"total-failure-session-count": 1},
 "failure-details": {"result-type": "made-up-result","failed-session-count": 1}},
{"policy": {"policy-type": "no-policy-found","policy-domain": "example.org"}, "x-extra": {"a": [1, 2.5, true]}},
{"policy": {}},
"nonsense"]}"""

SEEN = {"google": GOOGLE, "microsoft": MICROSOFT, "mail.ru": MAIL_RU}
