"""Forms of addresses and maps of them: what is meant, what it becomes, what can't be written."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twistedmail_mta.model import NULL_PATH, Address
from twistedmail_mta.policy.address_forms import demand_star, made, meant
from twistedmail_mta.policy.address_map import MAX_LINES, AddressMap, parse_map
from twistedmail_mta.smtp.address import parse_address


def becomes(old: str, new: str, address: str) -> str | None:
    form, target = meant(old), made(new)
    demand_star(form, target)
    stars = form.stars(parse_address(address))
    found = None if stars is None else target.filled(stars)
    return found and str(found)


@pytest.mark.parametrize(
    ("old", "new", "address", "expected"),
    [
        ("ann@in.test", "office@out.test", "ann@in.test", "office@out.test"),
        ("Ann@IN.test", "Office@OUT.test", "aNN@In.TEST", "Office@out.test"),
        ("ann@in.test", "office@out.test", "bob@in.test", None),
        ("ann@in.test", "office@out.test", "ann@sub.in.test", None),
        ("ann@in.test", "*@out.test", "Ann@in.test", "Ann@out.test"),
        ("*@in.test", "*@out.test", "Ann.B@in.test", "Ann.B@out.test"),
        ("@in.test", "@out.test", "ann@in.test", "ann@out.test"),
        ("*@in.test", "office@out.test", "ann@in.test", "office@out.test"),
        ("*@in.test", "x-*-y@out.test", "ann@in.test", "x-ann-y@out.test"),
        ("sales-*@in.test", "*@sales.test", "Sales-Ann@in.test", "Ann@sales.test"),
        ("sales-*@in.test", "*@sales.test", "sales-@in.test", None),
        ("a*a@in.test", "*@x.test", "aa@in.test", None),
        ("a*a@in.test", "*@x.test", "a@in.test", None),
        ("*@*.in.test", "*@in.test", "ann@a.b.in.test", "ann@in.test"),
        ("*@*.in.test", "*@in.test", "ann@in.test", None),
        ("*@*.in.test", "*@in.test", "ann@xin.test", None),
        ("*@*.in.test", "*@*.out.test", "ann@a.b.in.test", "ann@a.b.out.test"),
        ("*", "office@out.test", "ann@any.test", "office@out.test"),
        ("*@*", "*@out.test", "ann@any.test", "ann@out.test"),
        ("ann@*", "office@out.test", "ann@any.test", "office@out.test"),
        ('"a b"@in.test', "*@out.test", '"a b"@in.test', '"a b"@out.test'),
        ('"*"@in.test', "star@out.test", "*@in.test", "star@out.test"),
        ('"*"@in.test', "star@out.test", "x@in.test", None),
        ("x@in.test", '"a \\" b"@out.test', "x@in.test", '"a \\" b"@out.test'),
        ("*@b\u00fccher.test", "*@\u00e4.test", "ann@xn--bcher-kva.test", "ann@xn--4ca.test"),
        ("*@xn--bcher-kva.test", "*@out.test", "\u00e4@b\u00fccher.test", "\u00e4@out.test"),
        ("\u00e4@in.test", "ae@out.test", "\u00c4@in.test", "ae@out.test"),
        ("*@in.test", "*@out.test", "\u0130@in.test", "\u0130@out.test"),
        ("*@in.test", "long-*@out.test", "x" * 60 + "@in.test", None),
        ("*@in.test", f"*@{'y' * 62}.{'y' * 62}.{'y' * 62}.test", "x" * 64 + "@in.test", None),
    ],
)
def test_what_becomes_of_it(old: str, new: str, address: str, expected: str | None) -> None:
    """Case is one, of domains A-labels and U-labels are; the star's text is carried over as it was written."""
    assert becomes(old, new, address) == expected


@pytest.mark.parametrize(
    "text", ["", "ann", "a*b*c@x.test", "a b@x.test", "ann@", "ann@x y", "ann@[1.2.3.4]", 5, '""@x.test', "a@*.*.x"]
)
def test_what_is_no_form(text: object) -> None:
    for read in (meant, made):
        with pytest.raises(ValueError, match=r"must be|no domain"):
            read(text)


@pytest.mark.parametrize("text", ["*", "ann@*", "\u00e4@x.test", "*\u00e4@x.test"])
def test_what_cant_be_made(text: str) -> None:
    """Neither of any domain, nor what needs SMTPUTF8, which the mail may have come without."""
    with pytest.raises(ValueError, match=r"ASCII|must be an address|no domain"):
        made(text)


def test_stars_of_domains() -> None:
    """What isn't there can't be carried over."""
    for old in ("*@in.test", "*"):
        with pytest.raises(ValueError, match=r"has \"\*\.\" in its domain"):
            demand_star(meant(old), made("*@*.out.test"))


LOCALS = st.text("ab-", min_size=1, max_size=4)


@settings(max_examples=300)
@given(st.text("ab-*", max_size=5).filter(lambda text: text.count("*") == 1), LOCALS)
def test_stars_against_expressions(pattern: str, local: str) -> None:
    """The same as a regular expression finds."""
    found = re.fullmatch(re.escape(pattern).replace(r"\*", "(.+)"), local)

    assert becomes(f"{pattern}@in.test", "*@out.test", f"{local}@in.test") == (found and f"{found[1]}@out.test")


# Maps


def test_a_map() -> None:
    """The one that means least counts, wherever it stands; comments and empty lines don't."""
    found = parse_map(
        b"# who is who\n\n@in.test\t@out.test\n*@*.in.test below@out.test\r\n ann@in.test  office@out.test \n"
        b'*@*.deep.in.test *@*.out.test\n"a b"@in.test "b a"@out.test\nBob@sub.in.test @bob.test'
    )

    for old, new in {
        "ann@in.test": "office@out.test",
        "bob@in.test": "bob@out.test",
        "a b@in.test": "b a@out.test",
        "BOB@sub.in.test": "BOB@bob.test",
        "eve@sub.in.test": "below@out.test",
        "eve@deep.in.test": "below@out.test",
        "eve@a.b.deep.in.test": "eve@a.b.out.test",
        "eve@else.test": None,
    }.items():
        local, _, domain = old.rpartition("@")
        made_of = found.new(Address(local, domain))
        assert (made_of and f"{made_of.local}@{made_of.domain}") == new
    assert len(found) == 6
    assert found.new(NULL_PATH) is None


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        (b"ann@in.test", "line 2: must be an address, white space"),
        (b"ann b@out.test", "line 2: must be an address, "),
        (b"ann@in.test b@out.test c@out.test", "line 2: 'out.test c@out.test' is no domain|line 2: must be an address"),
        (b"first@in.test b@out.test", "line 2: stands there twice"),
        (b"First@IN.test b@out.test", "line 2: stands there twice"),
        (b"x-*@in.test b@out.test", "line 2: a map knows"),
        (b"* b@out.test", "line 2: a map knows"),
        (b"ann@* b@out.test", "line 2: a map knows"),
        (b"ann@*.in.test b@out.test", "line 2: an address in a map"),
        (b"*@in.test *@*.out.test", "line 2: has"),
        (b"\xff@in.test b@out.test", "line 2: is not UTF-8"),
        (b"a@in.test b@out.test\n" * (MAX_LINES + 1), "is too large"),
        (b"#" * (16 << 20), "is too large"),
        (b"x\n" * 30, "line 21: .*; and 10 more"),
    ],
)
def test_mistakes(line: bytes, complaint: str) -> None:
    """Each with the number of its line."""
    with pytest.raises(ValueError, match=complaint):
        parse_map(b"first@in.test a@out.test\n" + line)


DOMAINS = st.sampled_from(["in.test", "a.in.test", "b.a.in.test", "out.test"])
OLD = st.builds("{}@{}{}".format, st.sampled_from(["*", "ann", "bob"]), st.sampled_from(["", "*."]), DOMAINS)


@settings(max_examples=300)
@given(st.lists(OLD, unique=True), st.sampled_from(["ann", "eve"]), DOMAINS)
def test_against_forms_one_by_one(olds: list[str], local: str, domain: str) -> None:
    """A table finds what the best of all forms, looked at one after another, would."""
    olds = [old for old in olds if old.startswith("*") or "*" not in old]
    table, address = AddressMap(), Address(local, domain)
    for number, old in enumerate(olds):
        table.add(meant(old), made(f"*@n{number}.test"))

    fitting = [old for old in olds if meant(old).stars(address) is not None]
    best = max(fitting, key=lambda old: (not old.startswith("*"), "*." not in old, len(old)), default=None)
    assert table.new(address) == (None if best is None else Address(local, f"n{olds.index(best)}.test"))
