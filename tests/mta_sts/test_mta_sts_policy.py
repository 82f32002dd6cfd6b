"""Policies as domains publish them, and the hosts that they name."""

from __future__ import annotations

import pytest

from twistedmail_mta.mta_sts.policy import MAX_AGE, Policy, parse_policy

TEXT = b"version: STSv1\r\nmode: enforce\r\nmx: mail.example.com\r\nmx: *.example.net\r\nmax_age: 604800\r\n"
POLICY = Policy("enforce", 604800, ("mail.example.com", "*.example.net"))


@pytest.mark.parametrize(
    "text",
    [
        TEXT,
        TEXT.replace(b"\r\n", b"\n"),
        TEXT.rstrip(),
        TEXT.replace(b": ", b":"),
        TEXT.replace(b": ", b" :\t").replace(b"\r\n", b"  \r\n"),
        TEXT + b"an_extension: \xc3\xa4 b c\r\n\r\n",
        TEXT + b"mode: none\r\nversion: STSv2\r\nmax_age: 1\r\n",
        TEXT.replace(b"mail.", b"MAIL."),
    ],
)
def test_forms(text: bytes) -> None:
    """Either line end, spaces, extensions; of a field that comes twice the first counts (RFC 8461 section 3.2)."""
    assert parse_policy(text) == POLICY


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (b"STSv1", b"STSv2", "version"),
        (b"version: STSv1\r\n", b"", "version"),
        (b"enforce", b"Enforce", "mode"),
        (b"mode: enforce\r\n", b"", "mode"),
        (b"604800", b"-1", "max_age"),
        (b"604800", b"1e3", "max_age"),
        (b"604800", b"1" * 11, "max_age"),
        (b"mail.example.com", b"*", "MX hosts"),
        (b"mail.example.com", b"a.*.example.com", "MX hosts"),
        (b"mail.example.com", b"mail..example.com", "MX hosts"),
        (b"mail.example.com", b"m\xc3\xa4il.example.com", "MX hosts"),
        (b"mx: mail.example.com\r\nmx: *.example.net\r\n", b"", "names no MX"),
        (b"mode: enforce", b"<html>", "no field"),
    ],
)
def test_mistakes(old: bytes, new: bytes, words: str) -> None:
    """What isn't a policy says why."""
    with pytest.raises(ValueError, match=words):
        parse_policy(TEXT.replace(old, new))


def test_too_many_hosts() -> None:
    """A policy can't make us remember without end."""
    with pytest.raises(ValueError, match="too many"):
        parse_policy(TEXT + b"".join(b"mx: h%d.example.net\n" % number for number in range(300)))


def test_longest_age() -> None:
    """A year at most."""
    assert parse_policy(TEXT.replace(b"604800", b"9999999999")).max_age == MAX_AGE
    assert parse_policy(TEXT.replace(b"604800", b"0")).max_age == 0


def test_none_needs_no_hosts() -> None:
    """A domain that takes its policy back."""
    assert parse_policy(b"version: STSv1\nmode: none\nmax_age: 86400\n") == Policy("none", 86400)


@pytest.mark.parametrize(
    ("host", "named"),
    [
        ("mail.example.com", True),
        ("mx.example.net", True),
        ("example.net", False),
        ("a.mx.example.net", False),
        ("example.com", False),
        ("x.mail.example.com", False),
        ("mxexample.net", False),
        ("net", False),
        ("xn--mller-kva.example.net", True),
    ],
)
def test_names(host: str, named: bool) -> None:
    """A wildcard is one label, the leftmost (RFC 8461 section 4.1)."""
    assert POLICY.names(host) == named
