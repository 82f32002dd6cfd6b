"""Records of DMARC: what counts of them, whatever stands there."""

from __future__ import annotations

import random

import pytest

from twistedmail_mta.dmarc.record import MOST_OCTETS, MOST_TAGS, MOST_URIS, Record, is_record, lowered, parse_record


@pytest.mark.parametrize(
    "text", ["v=DMARC1", "v=DMARC1;", "v=DMARC1; p=none", "V=DMARC1;p=none", "v = DMARC1 ; p=none", "v=DMARC1;;"]
)
def test_a_record(text: str) -> None:
    """The version is its first tag (RFC 9989 section 4.7)."""
    assert is_record(text.encode())


@pytest.mark.parametrize(
    "text",
    [
        "",
        "v=dmarc1; p=none",
        "v=DMARC2; p=none",
        "v=DMARC1x",
        "v=DMARC1 p=none",
        "p=none; v=DMARC1",
        "v=spf1",
        " v=DMARC1",
    ],
)
def test_no_record(text: str) -> None:
    """Another version, in small letters, or not at the beginning."""
    assert not is_record(text.encode())


def test_everything_that_can_be_said() -> None:
    """All tags of RFC 9989, with white space where there may be some."""
    text = (
        b"v=DMARC1; p = quarantine ;sp=reject;np=none; adkim=s; aspf=S; psd=n; t=y; fo=1:d:s;"
        b" rua=mailto:a@example.org!10m, https://example.org/r ; ruf=mailto:f@example.org"
    )

    assert parse_record(text) == Record(
        policy="quarantine",
        subdomains="reject",
        missing="none",
        psd="n",
        testing=True,
        dkim="s",
        spf="s",
        aggregate=("mailto:a@example.org", "https://example.org/r"),
        failures=("mailto:f@example.org",),
        failure_options=frozenset("1ds"),
    )


@pytest.mark.parametrize(
    "rest",
    [
        "",
        "adkim=x; aspf=rs; psd=maybe; t=1; fo=0:1; rua=nobody; ruf=",
        "fo=d:d; fo=9",
        "pct=0; rf=afrf; ri=86400; x=y; =; ; p",
        "adkim=\u00fc; t=y\u00fc; psd=y\x01",
        "P",
    ],
)
def test_what_is_wrong_is_passed_over(rest: str) -> None:
    """Unknown tags, those of older versions, and values that are none leave the defaults (RFC 9989 section 4.8)."""
    assert parse_record(f"v=DMARC1; p=reject; {rest}".encode()) == Record(policy="reject")


def test_the_first_of_two_counts() -> None:
    """Of a tag that stands there twice."""
    assert parse_record(b"v=DMARC1; p=reject; p=none").policy == "reject"


def test_without_a_policy() -> None:
    """It is one of p=none (RFC 9989 section 4.7)."""
    assert parse_record(b"v=DMARC1") == Record()
    assert parse_record(b"v=DMARC1; sp=reject") == Record(subdomains="reject")


@pytest.mark.parametrize("wrong", ["p=block", "p=reject; sp=x", "p=reject; np=no", "p= ; sp=reject"])
def test_a_wrong_policy(wrong: str) -> None:
    """All of it is p=none if reports are wanted, and doesn't apply else (RFC 9989 section 4.10.1)."""
    wanted = parse_record(f"v=DMARC1; {wrong}; rua=mailto:a@example.org".encode())
    assert wanted == Record(aggregate=("mailto:a@example.org",))

    unwanted = parse_record(f"v=DMARC1; {wrong}; rua=a@example.org".encode())
    assert unwanted.broken.endswith("= of the record is no policy")
    assert unwanted.policy == "none"


@pytest.mark.parametrize(
    ("text", "policies"),
    [
        ("p=reject", ["reject p", "reject p", "reject p"]),
        ("p=none; sp=quarantine", ["none p", "quarantine sp", "quarantine sp"]),
        ("p=none; np=reject", ["none p", "none p", "reject np"]),
        ("p=none; sp=quarantine; np=reject", ["none p", "quarantine sp", "reject np"]),
    ],
)
def test_which_policy(text: str, policies: list[str]) -> None:
    """For the domain, those below it, and those that don't exist."""
    record = parse_record(f"v=DMARC1; {text}".encode())

    assert [" ".join(record.policy_by(tag)) for tag in ("p", "sp", "np")] == policies  # type: ignore[arg-type]


def test_one_level_below() -> None:
    """What is done while a domain tests its policy (t=y)."""
    assert [lowered(policy) for policy in ("reject", "quarantine", "none")] == ["quarantine", "none", "none"]


def test_no_end() -> None:
    """However long it is, little of it is looked at."""
    assert not is_record(b"v=DMARC1;" + b" " * MOST_OCTETS)
    assert parse_record(b"v=DMARC1;" + b"x=y;" * MOST_TAGS + b"p=reject") == Record()
    addresses = ",".join(f"mailto:{number}@example.org" for number in range(100))
    assert len(parse_record(f"v=DMARC1; rua={addresses}".encode()).aggregate) == MOST_URIS


def test_any_octets() -> None:
    """Nothing that can be published raises."""
    source = random.Random(9989)
    pieces = [
        b"v=DMARC1",
        b";",
        b" ",
        b"p=",
        b"reject",
        b"rua=",
        b"mailto:a@b",
        b",",
        b"!",
        b"=",
        b"\xff",
        b"psd=y",
        b"fo=",
        b":",
    ]
    for _ in range(5000):
        text = b"v=DMARC1;" + b"".join(source.choices(pieces, k=source.randrange(20)))
        record = parse_record(text)
        assert record.policy in {"none", "reject"}
        assert all(uri.isascii() and not set(uri) & set(" ,;!") for uri in record.aggregate)
