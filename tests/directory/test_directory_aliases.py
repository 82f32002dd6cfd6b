"""Aliases as people write them, in files and commands, and as rows."""

from __future__ import annotations

from pathlib import Path

import apsw
import pytest
from directory_in_memory import in_memory
from hypothesis import given, settings
from hypothesis import strategies as st

from twistedmail_mta.config.hosting import DomainTable
from twistedmail_mta.directory.accounts import DirectoryError
from twistedmail_mta.directory.alias_file import AliasFile
from twistedmail_mta.directory.alias_rows import (
    add_targets,
    alias_domains,
    aliases_at,
    aliases_to,
    find_alias,
    list_aliases,
    remove_aliases_at,
    remove_targets,
)
from twistedmail_mta.directory.aliases import Alias, alias_key, make_alias, read_aliases, shown
from twistedmail_mta.directory.domain_rows import (
    add_domain,
    change_domain,
    find_domain,
    list_domains,
    remove_domain,
)
from twistedmail_mta.directory.domains import HostedDomain
from twistedmail_mta.directory.site_domains import site_domains
from twistedmail_mta.model import Address


def pairs(text: str, domain: str | None = None) -> dict[str, tuple[str, ...]]:
    return {shown(alias.address): alias.targets for alias in read_aliases(text, domain)}


def test_aliases_5() -> None:
    """sendmail's form: a colon, commas, names without a domain, comments, lines that go on."""
    text = """\
# people
Sales:  tim, ann@example.org,
        far@away.example
  # a comment between
        , more@away.example
postmaster: root

"john smith": john
root: Postmaster
"""
    assert pairs(text, "example.org") == {
        "Sales@example.org": ("tim@example.org", "ann@example.org", "far@away.example", "more@away.example"),
        "postmaster@example.org": ("root@example.org",),
        '"john smith"@example.org': ("john@example.org",),
        "root@example.org": ("Postmaster@example.org",),
    }


def test_virtual_5() -> None:
    """Postfix's form: spaces, whole addresses, the catch-all, and lines that only declare a domain."""
    text = """\
example.org anything
info@example.org tim@example.org ann@example.org
@Bücher.example   tim@example.org, "a b"@Bücher.example
bare.example
"""
    assert pairs(text) == {
        "info@example.org": ("tim@example.org", "ann@example.org"),
        "@xn--bcher-kva.example": ("tim@example.org", '"a b"@xn--bcher-kva.example'),
    }


def test_domain_of_a_file_is_declared_by_its_name_only() -> None:
    """There a local part may hold a dot."""
    assert pairs("example.org x\ntim.smith tim\n", "example.org") == {"tim.smith@example.org": ("tim@example.org",)}


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("a: |/bin/x\n", "line 1: |/bin/x is a command; aliases lead to addresses only"),
        ('a: "|/bin/x -f a@b"\n', 'line 1: "|/bin/x -f a@b" is a command'),
        ("\na: /var/mail/a\n", "line 2: /var/mail/a is a file"),
        ("a: :include:/etc/list\n", "line 1: :include:/etc/list is a file to include"),
        ("a: b\n# x\nA: c\na: d\n", "line 4: a@example.org stands in line 1 already"),
        ("a:\n", "line 1: a leads nowhere"),
        ("a: b\n\nc: ,\n", "line 3: c leads nowhere"),
        ('a: "b\n', "line 1: the targets can't be told apart"),
        (": b\n", "line 1: no address to begin with"),
        ("a: b@c@d\n", "line 1: "),
        ("a: b@\n", "line 1: "),
        ("a b@[bad]\n", "line 1: Bad address literal"),
        ("a@other.example: b\n", "line 1: a@other.example isn't at example.org"),
        ("@: b\n", "line 1: "),
    ],
)
def test_mistakes(text: str, complaint: str, tmp_path: Path) -> None:
    """Each is told with its line."""
    file = tmp_path / "aliases"
    file.write_text(text)

    with pytest.raises(ValueError, match="line") as caught:
        AliasFile(file, "example.org")

    assert str(caught.value).startswith(f"{file}: {complaint}")


@pytest.mark.parametrize("text", ["a: tim@example.org\n", "a@example.org: tim\n", "a@example.org: postmaster\n"])
def test_whole_addresses_where_no_domain_is_known(text: str) -> None:
    """A name alone means nothing then."""
    with pytest.raises(ValueError, match=r"line 1: the domain is missing"):
        list(read_aliases(text))


def test_file_is_utf_8(tmp_path: Path) -> None:
    """Another encoding is told as such."""
    file = tmp_path / "aliases"
    file.write_bytes("büro: tim\n".encode("latin-1"))

    with pytest.raises(ValueError, match="utf-8"):
        AliasFile(file, "example.org")


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.text(st.sampled_from('ab@.:, \t\n"\\#|/+\u00fc'), max_size=40), st.sampled_from([None, "example.org"]))
def test_any_text(text: str, domain: str | None) -> None:
    """Whatever a file holds is read or told as a mistake, and what was read can be written and read again."""
    read, mistake = list[Alias](), "line "
    try:
        read = list(read_aliases(text, domain))
    except ValueError as error:
        mistake = str(error)
    assert mistake.startswith("line ")
    again = "".join(f"{shown(alias.address)}: {', '.join(alias.targets)}\n" for alias in read)
    assert list(read_aliases(again)) == read


def test_spelling() -> None:
    """What is looked up is folded; what was given stays to be shown and told apart by case."""
    assert make_alias("BU\u0308RO@Example.ORG", ["Tim@Example.ORG", "Tim@example.org"]) == Alias(
        "büro@example.org", "BÜRO@example.org", ("Tim@example.org",)
    )
    assert alias_key("@Example.org") == ("@example.org", "@example.org")
    assert alias_key('"A b"@example.org') == ("a b@example.org", "A b@example.org")
    with pytest.raises(ValueError, match="Bad domain"):
        alias_key("@exa mple")


@pytest.fixture
def tables() -> apsw.Connection:
    return in_memory()


def test_rows(tables: apsw.Connection) -> None:
    """Targets are added, listed and removed one by one, or all at once."""
    add_targets(tables, [make_alias("all@example.org", ["b@x.example", "a@x.example"])])
    add_targets(tables, [make_alias("All@example.org", ["c@x.example"]), make_alias("@example.org", ["a@x.example"])])
    add_targets(tables, [make_alias("all@example.org", ["c@x.example", "a@x.example"])])

    everything = [
        Alias("@example.org", "@example.org", ("a@x.example",)),
        Alias("all@example.org", "All@example.org", ("c@x.example",)),
        Alias("all@example.org", "all@example.org", ("a@x.example", "b@x.example", "c@x.example")),
    ]
    assert list_aliases(tables) == everything
    assert list_aliases(tables, after=("all@example.org", "All@example.org"), limit=1) == everything[2:]
    assert find_alias(tables, alias_key("all@example.org")) == everything[2]

    remove_targets(tables, alias_key("all@example.org"), ["a@x.example"])
    found = find_alias(tables, alias_key("all@example.org"))
    assert found is not None
    assert found.targets == ("b@x.example", "c@x.example")
    remove_targets(tables, alias_key("all@example.org"))
    assert find_alias(tables, alias_key("all@example.org")) is None


def test_what_is_not_there_is_not_removed(tables: apsw.Connection) -> None:
    """And the words say what is missing."""
    add_targets(tables, [make_alias("all@example.org", ["a@x.example"])])

    with pytest.raises(DirectoryError, match=r"there is no alias ALL@example\.org"):
        remove_targets(tables, alias_key("ALL@example.org"))
    with pytest.raises(DirectoryError, match=r"the alias all@example\.org doesn't lead to b@x\.example"):
        remove_targets(tables, alias_key("all@example.org"), ["a@x.example", "b@x.example"])
    assert find_alias(tables, alias_key("all@example.org")) is not None


def test_domains(tables: apsw.Connection) -> None:
    """A domain comes, changes, and goes with its aliases and no others."""
    first = HostedDomain("example.org", None, "-", True, 5, 6, "reject")
    second = HostedDomain("b.example", "example.org")
    add_domain(tables, first)
    add_domain(tables, second)
    assert list_domains(tables) == [second, first]
    assert find_domain(tables, "example.org") == first
    assert find_domain(tables, "xample.org") is None

    changed = HostedDomain("example.org")
    change_domain(tables, changed)
    assert find_domain(tables, "example.org") == changed

    remove_domain(tables, "example.org")
    assert list_domains(tables) == [second]


def test_aliases_of_a_domain(tables: apsw.Connection) -> None:
    """They are told by the whole domain, and go together."""
    for address in ("B@example.org", "a@example.org", "@example.org", "a@xexample.org"):
        add_targets(tables, [make_alias(address, ["x@x.example"])])
    assert aliases_at(tables, "example.org") == ["@example.org", "a@example.org", "B@example.org"]
    assert alias_domains(tables) == {"example.org", "xexample.org"}

    remove_aliases_at(tables, "example.org")

    assert [alias.address for alias in list_aliases(tables)] == ["a@xexample.org"]


def test_aliases_to_an_account(tables: apsw.Connection) -> None:
    """However its letters are written, and by any of its names."""
    add_targets(tables, [make_alias(f"a{n}@example.org", ["x@x.example"]) for n in range(1500)])
    add_targets(tables, [make_alias("z@example.org", ["TIM@example.org"])])
    add_targets(tables, [make_alias("a700@example.org", ["tim@b.example", '"t m"@example.org'])])

    found = aliases_to(tables, {"tim@example.org", "tim@b.example"})

    assert [alias.address for alias in found] == ["a700@example.org", "z@example.org"]


def test_domains_that_are_not_there(tables: apsw.Connection) -> None:
    """Nothing is done, and that's said; nor is one there twice."""
    domain = HostedDomain("example.org")
    for change in (lambda: change_domain(tables, domain), lambda: remove_domain(tables, "example.org")):
        with pytest.raises(DirectoryError, match=r"there is no domain example\.org in the database"):
            change()
    add_domain(tables, domain)
    with pytest.raises(DirectoryError, match="is there already"):
        add_domain(tables, domain)


def test_domains_of_the_site_file(tmp_path: Path) -> None:
    """Those that are hosted are taken over with all they say; the others aren't."""
    (tmp_path / "aliases").write_text("sales tim\n")
    site = site_domains(
        {
            "example.org": DomainTable(
                subaddress="-",
                case_sensitive=True,
                quota="1KB",
                quota_messages=3,
                over_quota="reject",
                aliases_file="aliases",
                catch_all="x@away.example",
            ).model_copy(update={"aliases_file": tmp_path / "aliases"}),
            "b.example": DomainTable(alias_of="example.org"),
            "relayed.example": DomainTable(relay_to="mx"),
        }
    )

    assert site.domains == {
        "example.org": HostedDomain("example.org", None, "-", True, 1024, 3, "reject"),
        "b.example": HostedDomain("b.example", "example.org"),
    }
    assert [alias.targets for alias in site.aliases("sales@example.org")] == [("tim@example.org",)]
    assert [alias.targets for alias in site.aliases("@example.org")] == [("x@away.example",)]
    assert site.aliases("tim@example.org") == ()


def test_base_addresses() -> None:
    """A tag never leaves an empty base, and a last separator sets off an empty tag."""
    domain = HostedDomain("example.org", subaddress="+-")

    assert list(domain.bases("a+b-c")) == [("a+b-c", ""), ("a+b", "-c"), ("a", "+b-c")]
    assert list(domain.bases("+a")) == [("+a", "")]
    assert list(domain.bases("a+")) == [("a+", ""), ("a", "+")]
    assert domain.key("Tim") == "tim@example.org"
    assert domain.means(str(Address("x", "example.org")), "X")
