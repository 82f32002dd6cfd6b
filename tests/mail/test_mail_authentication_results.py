"""Authentication-Results: what is written is read by others, and what others write by us."""

from __future__ import annotations

import random
import re

import pytest
from authres import AuthenticationResultsHeader

from twistedmail_mta.mail.authentication_results import (
    MOST_PROPERTIES,
    MOST_STATEMENTS,
    Results,
    Statement,
    read,
    service_of,
    written,
)

HOST = "mail.example.org"
ALL = (
    Statement("spf", "pass", "", (("smtp.mailfrom", "ann@example.org"),)),
    Statement("spf", "none", "", (("smtp.helo", "[192.0.2.1]"),)),
    Statement(
        "dkim",
        "fail",
        'body "was" changed',
        (
            ("header.d", "example.org"),
            ("header.i", "@example.org"),
            ("header.s", "sel"),
            ("header.a", "rsa-sha256"),
            ("header.b", "ab/+c="),
        ),
    ),
    Statement("arc", "pass", "", (("smtp.remote-ip", "2001:db8::1"),)),
    Statement("dmarc", "temperror", "the DNS doesn't answer", (("header.from", "example.org"), ("policy.p", "none"))),
)


def test_what_is_written() -> None:
    """One statement a line, those that are long folded; the values quoted that have to be."""
    text = written(
        HOST, (*ALL[:2], Statement("dmarc", "fail", "", (("header.from", "example.org"),), "p=reject (t=y)"))
    )

    assert text == (
        "mail.example.org;\r\n"
        "\tspf=pass smtp.mailfrom=ann@example.org;\r\n"
        '\tspf=none smtp.helo="[192.0.2.1]";\r\n'
        "\tdmarc=fail (p=reject ?t=y?) header.from=example.org"
    )
    assert written(HOST, ()) == "mail.example.org; none"


def test_what_is_written_is_read() -> None:
    """Everything comes back, but for comments; no line is too long."""
    text = written(HOST, ALL)

    assert read(text.encode()) == Results(HOST, ALL)
    assert max(map(len, text.split("\r\n"))) <= 79


def test_authres_reads_it() -> None:
    """Another reader finds the same in it, though it leaves quoted pairs as they are."""
    parsed = AuthenticationResultsHeader.parse(f"Authentication-Results: {written(HOST, ALL)}")

    assert parsed.authserv_id == HOST
    assert [(each.method, each.result, (each.reason or "").replace("\\", "")) for each in parsed.results] == [
        (each.method, each.result, each.reason) for each in ALL
    ]
    properties = [
        tuple((f"{each.type}.{each.name}", each.value) for each in result.properties) for result in parsed.results
    ]
    assert properties == [each.properties for each in ALL]


@pytest.mark.parametrize(
    "value",
    [
        'ann@x"; dkim=pass header.d=bank.test; x="@evil.test',
        "evil.test; dmarc=pass header.from=bank.test",
        "evil.test\r\nX-Other: field",
        "evil.test (",
        "evil.test)",
        'evil\\"; dmarc=pass',
        "\\",
        "evil.test\x00\x7f\u2028",
        "",
        " ",
        "\u00fc@\u00fc.test",
        "\udcff",
        "x" * 5000,
        '"a b"@example.org',
    ],
)
def test_nothing_gets_out_of_a_value(value: str) -> None:
    """Whatever a stranger says of himself stays one value of one statement, for others, too."""
    statement = Statement("spf", "fail", value, (("smtp.mailfrom", value), ("smtp.helo", value)), value)
    text = written(HOST, (statement, ALL[0]))

    found = read(text.encode())

    assert re.fullmatch(r"(?:[^\x00\r\n]|\r\n[ \t]+(?=[^ \t\r\n]))*", text)
    assert found is not None
    assert [(each.method, each.result) for each in found.statements] == [("spf", "fail"), ("spf", "pass")]
    assert [name for name, _ in found.statements[0].properties] == ["smtp.mailfrom", "smtp.helo"] * bool(value)
    if value.isascii():
        parsed = AuthenticationResultsHeader.parse(f"Authentication-Results: {text}")
        assert [(each.method, each.result) for each in parsed.results] == [("spf", "fail"), ("spf", "pass")]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("example.com; none", Results("example.com", ())),
        ("example.com 1; none", Results("example.com", ())),
        (
            "example.com;\r\n spf=pass smtp.mailfrom=example.net",
            Results("example.com", (Statement("spf", "pass", "", (("smtp.mailfrom", "example.net"),)),)),
        ),
        (
            'example.com; dkim=fail\r\n reason="bad signature"\r\n header.i=@mail-router.example.net',
            Results(
                "example.com",
                (Statement("dkim", "fail", "bad signature", (("header.i", "@mail-router.example.net"),)),),
            ),
        ),
        (
            (
                "foo.example.net (foobar) 1 (baz);\r\n dkim (Because I like it) / 1 (One yay) = (wait for it) fail\r\n"
                " policy (A dot can go here) . (like that) expired\r\n (this surprised me) = (as I wasn't expecting it)"
                " 1362471462"
            ),
            Results("foo.example.net", (Statement("dkim", "fail", "", (("policy.expired", "1362471462"),)),)),
        ),
        (
            '(x;y) "mx.Example.com" ; SPF = Pass ( a ; b(c)\\) ) smtp . mailfrom = "a;b"@c ; ; x ; auth=pass',
            Results(
                "mx.example.com",
                (Statement("spf", "pass", "", (("smtp.mailfrom", "a;b"),)), Statement("auth", "pass")),
            ),
        ),
        ("mx.example.com; dkim=pass header.b=ab/c+=;spf=none (", None),
    ],
)
def test_what_others_write(value: str, expected: Results | None) -> None:
    """The examples of RFC 8601 appendix B, comments in all places, and what is no field at all."""
    found = read(value.encode())

    if expected is None:
        assert found is not None
        assert [each.method for each in found.statements] == ["dkim", "spf"]
        assert found.statements[0].get("header.b") == "ab/c+="
    else:
        assert found == expected


@pytest.mark.parametrize(
    ("value", "service"),
    [
        ("mail.example.org; none", HOST),
        ("  MAIL.example.ORG;none", HOST),
        ('"mail.example.org" ; x', HOST),
        ("(mine) mail.example.org (yes)", HOST),
        ("mail.example.org/1; spf=pass", HOST),
        ("mail.example.org(;)", HOST),
        ("mail.\r\n example.org", "mail."),
        ("(never ends mail.example.org", None),
        ("", None),
        ("; spf=pass", None),
        ("=?utf-8?q?mail?=", "=?utf-8?q?mail?="),
    ],
)
def test_who_says_so(value: str, service: str | None) -> None:
    """However it is written."""
    assert service_of(value.encode()) == service


def test_no_end() -> None:
    """What is read has an end, however much there is."""
    found = read(b"x" + b"; a=b" * 10_000)
    assert found is not None
    assert len(found.statements) == MOST_STATEMENTS

    found = read(b"x; a=b" + b" c.d=e" * 10_000)
    assert found is not None
    assert len(found.statements[0].properties) == MOST_PROPERTIES


def test_any_octets() -> None:
    """Nothing raises, and nothing takes long."""
    source = random.Random(8601)
    pieces = [
        b"a",
        b"spf",
        b"=",
        b"pass",
        b";",
        b" ",
        b"(",
        b")",
        b'"',
        b"\\",
        b".",
        b"/",
        b"1",
        b"\r\n ",
        b"\xff",
        b"reason=",
    ]
    for _ in range(20_000):
        value = b"".join(source.choices(pieces, k=source.randrange(40)))
        found = read(value)
        assert (found is None) == (service_of(value) is None)
    for evil in (b"(", b'"', b"a=", b"a.", b"\\(", b"(a) ", b" "):
        read(b"x;" + evil * 100_000)
