"""What macros stand for: the examples of RFC 7208 section 7.4, and the ends of the rules."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from twistedmail_mta.spf.errors import PermError
from twistedmail_mta.spf.macros import parse_domain_spec, parse_explanation, parse_macro_string
from twistedmail_mta.spf.names import can_be_asked, shortened
from twistedmail_mta.spf.subject import MAX_EXPLANATION, Subject, name_of, text_of


def subject(ip: str = "192.0.2.3", local: str = "strong-bad", helo: str = "client.example") -> Subject:
    return Subject(ip_address(ip), local, "email.example.com", helo, "mx.example.org", 1234567890.9)


def filled_in(text: str, whose: Subject | None = None) -> str:
    values = (whose or subject()).values("email.example.com", "unknown")
    return text_of(parse_explanation(text), values)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("%{s}", "strong-bad@email.example.com"),
        ("%{o}", "email.example.com"),
        ("%{d}", "email.example.com"),
        ("%{d4}", "email.example.com"),
        ("%{d3}", "email.example.com"),
        ("%{d2}", "example.com"),
        ("%{d1}", "com"),
        ("%{dr}", "com.example.email"),
        ("%{d2r}", "example.email"),
        ("%{l}", "strong-bad"),
        ("%{l-}", "strong.bad"),
        ("%{lr}", "strong-bad"),
        ("%{lr-}", "bad.strong"),
        ("%{l1r-}", "strong"),
        ("%{ir}.%{v}._spf.%{d2}", "3.2.0.192.in-addr._spf.example.com"),
        ("%{lr-}.lp._spf.%{d2}", "bad.strong.lp._spf.example.com"),
        ("%{lr-}.lp.%{ir}.%{v}._spf.%{d2}", "bad.strong.lp.3.2.0.192.in-addr._spf.example.com"),
        ("%{ir}.%{v}.%{l1r-}.lp._spf.%{d2}", "3.2.0.192.in-addr.strong.lp._spf.example.com"),
        ("%{d2}.trusted-domains.example.net", "example.com.trusted-domains.example.net"),
        ("%{c} %{r} %{t} %{h} %{p}", "192.0.2.3 mx.example.org 1234567890 client.example unknown"),
        ("%%%_%-", "% %20"),
        ("%{S}", "strong-bad%40email.example.com"),
        ("%{D-.}", "email.example.com"),
    ],
)
def test_examples(text: str, value: str) -> None:
    """As the RFC has them, and what it doesn't show."""
    assert filled_in(text) == value


def test_ipv6() -> None:
    """Has a digit between dots; reversed, it is what its PTR records stand under."""
    whose = subject("2001:db8::cb01")

    assert filled_in("%{ir}.%{v}", whose) == "1.0.B.C" + ".0" * 20 + ".8.B.D.0.1.0.0.2.ip6"
    assert filled_in("%{c}", whose) == "2001:db8::cb01"


@pytest.mark.parametrize(
    ("local", "text", "value"),
    [
        ("a.b-c+d", "%{l-+}", "a.b.c.d"),
        ("a.b-c+d", "%{l1-+}", "d"),
        ("a.b-c+d", "%{l2-}", "a.b.c+d"),
        ("a.b-c+d", "%{lr.-+}", "d.c.b.a"),
        (".a..b.", "%{lr}", ".b..a."),
        ("a=b_c/d,e", "%{lr=_/,}", "e.d.c.b.a"),
        ("a b", "%{L}", "a%20b"),
        ("\u00e4", "%{L}", "%C3%A4"),
        ("\u00e4", "%{l}", ""),
        ("a\x07", "%{l}", ""),
    ],
)
def test_local_parts(local: str, text: str, value: str) -> None:
    """Are split where it is said, and put together with dots; an explanation that isn't plain ASCII is none."""
    assert filled_in(text, subject(local=local)) == value


def test_explanation_is_cut() -> None:
    """However long it is, and however often a long value stands there."""
    whose = subject(helo="h" * 255)

    assert len(filled_in("x" * 5000, whose)) == MAX_EXPLANATION
    assert len(filled_in("%{h}" * 100, whose)) == MAX_EXPLANATION


def test_only_explanations_have_spaces() -> None:
    """And the time, this host and the client's address."""
    for text in ("a b", "%{c}", "%{r}", "%{t}", "%{T}"):
        assert parse_explanation(text)
        with pytest.raises(PermError):
            parse_macro_string(text)


@pytest.mark.parametrize("length", [*range(245, 265), 300, 5000])
def test_long_names(length: int) -> None:
    """Labels go from the left until 253 characters are left; the naive way finds the same."""
    label = "abcdefg."
    name = (label * 700)[:length].rstrip(".") + ".com"
    naive = name
    while len(naive) > 253:
        naive = naive.partition(".")[2]

    assert shortened(name) == naive
    assert name_of((name,), {}) == naive
    assert name_of((name + ".",), {}) == naive


def test_long_names_from_macros() -> None:
    """Are put together no further than they are used: what is cut off isn't looked at."""
    values = {"d": "x" * 60 + ".example", "l": "y" * 10}
    spec = parse_domain_spec("%{p}" + "%{l}.%{d}." * 10 + "example")

    name = name_of(spec, values)

    assert len(name) <= 253
    assert name.endswith(".yyyyyyyyyy." + values["d"] + ".example")
    assert name == shortened((f"{values['l']}.{values['d']}." * 10) + "example")


@pytest.mark.parametrize("length", range(250, 257))
def test_long_names_in_pieces(length: int) -> None:
    """Where a piece ends is no place to cut, if no label ends there."""
    value, text = "abc", ("x" * 49 + ".") * 5 + "y" * (length - 250)

    assert name_of(parse_domain_spec("%{l}%{d}"), {"l": value, "d": text}) == shortened(
        (value + text).removesuffix(".")
    )


def test_name_without_room() -> None:
    """A name that is one label too long leaves nothing."""
    assert name_of(("x" * 300,), {}) == ""
    assert not can_be_asked("")


@pytest.mark.parametrize(
    ("name", "can"),
    [
        ("example.org", True),
        ("a b:c/d.example", True),
        ("x" * 63 + ".example", True),
        ("x" * 64 + ".example", False),
        ("a..example", False),
        (".example", False),
        ("a.", False),
        ("\u00e4.example", False),
        ("a\n.example", False),
        ("a." * 126 + "b", True),
        ("a." * 127 + "b", False),
    ],
)
def test_names_to_ask_for(name: str, can: bool) -> None:
    """The DNS has labels of 1 to 63 octets, and 253 in all."""
    assert can_be_asked(name) == can
