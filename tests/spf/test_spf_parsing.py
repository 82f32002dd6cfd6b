"""Records as values, and every error there can be."""

from __future__ import annotations

import time
from contextlib import suppress

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from twistedmail_mta.spf.errors import PermError
from twistedmail_mta.spf.macros import MAX_PARTS, Macro
from twistedmail_mta.spf.parsing import is_record, parse, read
from twistedmail_mta.spf.record import All, Exists, Hosts, Include, Network, Record, Reverse

IPV6 = 0x20010DB8 << 96


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        (b"v=spf1", True),
        (b"v=spf1 -all", True),
        (b"V=SpF1 -all", True),
        (b"v=spf1  ", True),
        (b"v=spf10", False),
        (b"v=spf1\t-all", False),
        (b"v=spf1-all", False),
        (b" v=spf1 -all", False),
        (b"v=spf2.0/mfrom -all", False),
        (b"v=spf", False),
        (b"", False),
    ],
)
def test_version(text: bytes, is_one: bool) -> None:
    """The version ends with a space or the text; else it isn't one of ours."""
    assert is_record(text) == is_one


@pytest.mark.parametrize(
    ("term", "mechanism"),
    [
        ("all", All()),
        ("ALL", All()),
        ("include:example.org", Include(("example.org",))),
        ("include:example.org.", Include(("example.org.",))),
        ("include:a.1-2", Include(("a.1-2",))),
        ("include:%{d}", Include((Macro("d", False, 0, False, "."),))),
        ("include:%{D2r-+}.x", Include((Macro("d", True, 2, True, "-+"), ".x"))),
        ("include:%{l999999999999R}", Include((Macro("l", False, 999, True, "."),))),
        ("include:%{l007}", Include((Macro("l", False, 7, False, "."),))),
        ("include:a%%", Include(("a", "%"))),
        ("a", Hosts(False, None, 32, 128)),
        ("a/0", Hosts(False, None, 0, 128)),
        ("a//0", Hosts(False, None, 32, 0)),
        ("a/24//64", Hosts(False, None, 24, 64)),
        ("a:a/b.example", Hosts(False, ("a/b.example",), 32, 128)),
        ("a:a/24.example/24", Hosts(False, ("a/24.example",), 24, 128)),
        ("a:%{d}/24//64", Hosts(False, (Macro("d", False, 0, False, "."),), 24, 64)),
        ("mx", Hosts(True, None, 32, 128)),
        ("mx:foo:bar.example//128", Hosts(True, ("foo:bar.example",), 32, 128)),
        ("ptr", Reverse(None)),
        ("ptr:example.org", Reverse(("example.org",))),
        ("ip4:192.0.2.1", Network(4, 0xC0000201, 32)),
        ("ip4:192.0.2.1/0", Network(4, 0xC0000201, 0)),
        ("ip6:2001:db8::", Network(6, IPV6, 128)),
        ("ip6:2001:db8::/32", Network(6, IPV6, 32)),
        ("ip6:::ffff:192.0.2.1", Network(6, 0xFFFFC0000201, 128)),
        ("exists:%{ir}.x.example", Exists((Macro("i", False, 0, True, "."), ".x.example"))),
    ],
)
def test_mechanisms(term: str, mechanism: object) -> None:
    """Each mechanism, with all that may follow its name."""
    [directive] = parse(f"v=spf1 {term}").directives

    assert (directive.mechanism, directive.result, directive.text) == (mechanism, "pass", term)


def test_qualifiers() -> None:
    """Say what a match means; nothing says pass."""
    record = parse("v=spf1 ?all  +all ~all -all all ")

    assert [each.result for each in record.directives] == ["neutral", "pass", "softfail", "fail", "pass"]


def test_modifiers() -> None:
    """Two are known, in any case of letters; others may be there as often as they like."""
    record = parse("v=spf1 a.b-c_1=x a.b-c_1=%{d} RedIrect=r.example all=nothing EXP=e.example x=")

    assert record == Record((), ("r.example",), ("e.example",))


@pytest.mark.parametrize(
    "term",
    [
        *("moo", "-moo", "--all", "=all", ":x", "/", "1up=x", "-foo=x", "redirect:x.example", "exp:x.example"),
        *("all.", "all:x.example", "all/8", "all ,", "all\t-all", "all\n", "all\0", "\u00e4"),
        *("include", "include:", "include:x", "include:x.", "include:.", "include:x.-a", "include:x.a-", "include:x.1"),
        *("include:x.example/24", "include:x..", "include:%{d}.", "include:%{d}x", "include:x y", "include:\u00e4.de"),
        *("a:", "a:/24", "a/", "a/33", "a/024", "a//129", "a//", "a/24/64", "a///64", "a:x.example/", "a/-1", "a/9999"),
        *("mx:", "mx:x", "mx/33", "mx:x.example:25", "a:192.0.2.1", "a:192.0.2.1/24"),
        *("ptr:", "ptr/24", "exists", "exists:", "exists:x.example/24"),
        *("ip4", "ip4:", "ip4:192.0.2", "ip4:192.0.2.256", "ip4:192.0.2.01", "ip4:192.0.2.1/33", "ip4:192.0.2.1/"),
        *("ip4:192.0.2.1/032", "ip4:192.0.2.1:25", "ip4:192.0.2.1//32", "ip4:%{i}", "ip4:::1", "ip4: 192.0.2.1"),
        *("ip6", "ip6:", "ip6:192.0.2.1", "ip6:::1/129", "ip6:::1//64", "ip6:fe80::1%eth0", "ip6:1::2::3", "ip6:[::1]"),
        *("redirect=", "redirect=x", "redirect=a.example redirect=a.example", "redirect=%{c}", "exp=", "exp=-all"),
        *(
            "exp=x.example exp=y.example",
            "exp=%{r}.example",
            "x=%",
            "x=%%%",
            "x=%a",
            "x=%{",
            "x=%{d",
            "x=%{}",
            "x=%{a}",
        ),
        *("x=%{d0}", "x=%{d00r}", "x=%{dr2}", "x=%{d;}", "x=%{d-r}", "x=%{dd}", "x=%{t}", "x=\u00e4", "x=\x7f"),
    ],
)
def test_errors(term: str) -> None:
    """Anywhere in a record they make all of it wrong; what is said of them is short, and ASCII one can print."""
    with pytest.raises(PermError) as error:
        parse(f"v=spf1 ip4:192.0.2.1 {term}")

    said = str(error.value)
    assert said
    assert len(said) < 250
    assert said.isascii()
    assert said.isprintable()


def test_address_as_host() -> None:
    """The commonest mistake gets a word of its own."""
    with pytest.raises(PermError, match=r"'a:192\.0\.2\.1': addresses go with ip4:"):
        parse("v=spf1 a:192.0.2.1")


def test_most_macros() -> None:
    """There is an end to what one term can have."""
    assert parse(f"v=spf1 exists:{'%{d}' * MAX_PARTS}")

    with pytest.raises(PermError, match="parts"):
        parse(f"v=spf1 exists:{'%{d}' * (MAX_PARTS + 1)}")


def test_remembered() -> None:
    """A record that was read is the same object the next time; a long one is read anew, a wrong one is wrong again."""
    usual, long = "v=spf1 a mx -all", "v=spf1 " + "a " * 300

    assert read(usual) is read(usual)
    assert read(long) == read(long)
    assert read(long) is not read(long)
    for _ in range(2):
        with pytest.raises(PermError):
            read("v=spf1 moo")


WORDS = (
    *("v=spf1", "all", "include:", "a", "mx", "ptr", "ip4:", "ip6:", "exists:", "redirect=", "exp=", "x=", ".", "/"),
    *("//", ":", "%", "%%", "%{", "}", "{", "d", "l", "r", "1", "24", "-", "+", "~", "?", "=", "example.org", "%{d}"),
    *("%{l1r-}", "192.0.2.1", "2001:db8::", "%_", "%-", ",", "\0", "\xe9", "\u0663", " "),
)


@given(st.one_of(st.text(), st.lists(st.sampled_from(WORDS), max_size=40).map("".join)))
@example("a/\u0663")
@example("ip4:\u0661.1.1.1")
@example("x=%{d\u0663}")
def test_any_text(text: str) -> None:
    """Whatever stands there, it is a record or it is wrong."""
    try:
        record = parse("v=spf1 " + text)
    except PermError as error:
        said, record = str(error), None

    assert text.isascii() if record else said.isascii()


@pytest.mark.parametrize(
    "piece",
    [
        "a ",
        "/",
        "/1",
        "1",
        "//",
        "%",
        "%%",
        "%{d}",
        "%{",
        "%{1",
        "-",
        ".",
        "a.",
        "a:",
        "ip6:",
        "x=",
        "x=%{d} ",
        "a/1//1",
        ":",
    ],
)
@pytest.mark.parametrize("head", ["", "a:", "ip6:", "x=", "include:%{", "a:x.example/"])
def test_linear(head: str, piece: str) -> None:
    """64 KB of anything are read in a moment, which nothing would be whose time grows with the square."""
    text = f"v=spf1 {head}{piece * (65536 // len(piece))}"
    begin = time.process_time()

    with suppress(PermError):
        parse(text)

    assert time.process_time() - begin < 2
