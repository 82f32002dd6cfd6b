"""What a listener of role mta-sts answers: policies by host, and 404."""

from __future__ import annotations

import pytest

from twistedmail_mta.mta_sts.policy import Policy, parse_policy
from twistedmail_mta.web.policies import PolicyAnswers
from twistedmail_mta.web.request import Request, read_request

ORG = Policy("enforce", 604800, ("mail.example.org", "*.example.net"))
COM = Policy("testing", 86400, ("mail.example.org",))
ANSWERS = PolicyAnswers({"example.org": ORG, "example.com": COM})
PATH = "/.well-known/mta-sts.txt"


def answer(line: str, *fields: str) -> tuple[bytes, bytes]:
    """Return the header and the body of an answer."""
    head, _, body = ANSWERS("\r\n".join([line, *fields]).encode(), "192.0.2.1").partition(b"\r\n\r\n")
    return head, body


@pytest.mark.parametrize(
    ("host", "policy"),
    [
        ("mta-sts.example.org", ORG),
        ("mta-sts.example.com", COM),
        ("MTA-STS.Example.Org", ORG),
        ("mta-sts.example.org:443", ORG),
        ("mta-sts.example.org.", ORG),
    ],
)
def test_policy_of_a_host(host: str, policy: Policy) -> None:
    """Is what senders read as that policy, plain text (RFC 8461 section 3.2), and the end of the connection."""
    head, body = answer(f"GET {PATH} HTTP/1.1", f"Host: {host}", "Accept: */*")

    assert head.startswith(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n")
    assert f"Content-Length: {len(body)}".encode() in head
    assert b"Connection: close" in head
    assert parse_policy(body) == policy


@pytest.mark.parametrize(
    ("line", "fields", "status"),
    [
        (f"GET {PATH} HTTP/1.1", ["Host: example.org"], 404),
        (f"GET {PATH} HTTP/1.1", ["Host: mta-sts.example.net"], 404),
        (f"GET {PATH} HTTP/1.1", ["Host: 192.0.2.1"], 404),
        (f"GET {PATH} HTTP/1.1", ["Host: mta-sts.example.org", "Host: mta-sts.example.com"], 404),
        (f"GET {PATH} HTTP/1.1", ["Host: mta-sts.example.org, x"], 404),
        (f"GET {PATH} HTTP/1.1", [], 404),
        (f"GET {PATH} HTTP/1.0", [], 404),
        (f"GET {PATH}? HTTP/1.1", ["Host: mta-sts.example.org"], 404),
        ("GET /.well-known/../.well-known/mta-sts.txt HTTP/1.1", ["Host: mta-sts.example.org"], 404),
        ("GET / HTTP/1.1", ["Host: mta-sts.example.org"], 404),
        (f"POST {PATH} HTTP/1.1", ["Host: mta-sts.example.org"], 405),
        (f"GET {PATH} HTTP/2.0", ["Host: mta-sts.example.org"], 400),
        ("EHLO you", [], 400),
    ],
)
def test_everything_else(line: str, fields: list[str], status: int) -> None:
    """Is told that there is nothing."""
    head, body = answer(line, *fields)

    assert head.startswith(f"HTTP/1.1 {status} ".encode())
    assert b"STSv1" not in body


def test_head() -> None:
    """Has the length, and no body."""
    head, body = answer(f"HEAD {PATH} HTTP/1.1", "Host: mta-sts.example.org")

    assert head.startswith(b"HTTP/1.1 200 ")
    assert b"Content-Length: 0" not in head
    assert body == b""


def test_requests() -> None:
    """The line and the host; fields that only look like one don't count."""
    assert read_request(b"GET /a?b HTTP/1.1\r\nX-Host: y\r\nhOST:\tEx.org:80 ") == Request("GET", "/a?b", "ex.org")
    assert read_request(b"GET /a HTTP/1.1\r\nHost : ex.org") == Request("GET", "/a", "")
    assert read_request(b"GET /a b HTTP/1.1") is None
    assert read_request(b"GET /\xc3\xa4 HTTP/1.1") is None
