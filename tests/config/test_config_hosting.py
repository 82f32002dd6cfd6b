"""Domains whose mail is kept here, as the site file declares them."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from twistedmail_mta.config.hosting import DomainTable, misled
from twistedmail_mta.model import Address


def table(**keys: object) -> DomainTable:
    return DomainTable.model_validate(keys, context={"folder": Path("/etc/mta")})


def complaint(**keys: object) -> str:
    with pytest.raises(ValidationError) as caught:
        table(**keys)
    (error,) = caught.value.errors()
    return ".".join(map(str, error["loc"])) + ": " + error["msg"].removeprefix("Value error, ")


def test_nothing_said() -> None:
    """An empty table is a hosted domain with "+", no quota, and unknown addresses refused."""
    read = table()

    assert read.is_hosted
    assert (read.subaddress, read.case_sensitive, read.over_quota) == ("+", False, "defer")
    assert (read.alias_of, read.aliases_file, read.catch_all, read.quota, read.quota_messages) == (None,) * 5


def test_everything_said() -> None:
    """Each key is read with its unit, path or spelling."""
    read = table(
        subaddress="+-",
        case_sensitive=True,
        aliases_file="aliases",
        catch_all="Büro@Bücher.example",
        quota="1GB",
        quota_messages=1000,
        over_quota="reject",
    )

    assert read.subaddress == "+-"
    assert read.case_sensitive
    assert read.aliases_file == Path("/etc/mta/aliases")
    assert read.catch_all == Address("Büro", "xn--bcher-kva.example")
    assert (read.quota, read.quota_messages, read.over_quota) == (1 << 30, 1000, "reject")


def test_domain_alias() -> None:
    """An alias of a domain is that and nothing else; its name becomes A-labels."""
    assert table(alias_of="BÜCHER.example").alias_of == "xn--bcher-kva.example"
    assert complaint(alias_of="a.example", quota="1GB").startswith(": quota means nothing beside alias_of")


def test_relayed_domain() -> None:
    """With relay_to nothing is kept here, so no key of a hosted domain makes sense, not even with its default."""
    assert not table(relay_to="mx").is_hosted
    assert complaint(relay_to="mx", subaddress="+").startswith(": subaddress is for a domain whose mail is kept here")
    assert complaint(relay_to="mx", alias_of="a.example").startswith(": alias_of is for a domain")


@pytest.mark.parametrize(("key", "value"), [("tls", "required"), ("recipients", "any")])
def test_keys_of_a_relayed_domain(key: str, value: str) -> None:
    """Without relay_to they'd be ignored, so they are refused."""
    assert complaint(**{key: value}).startswith(f": {key} means something only with relay_to")


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"subaddress": "+x"}, 'subaddress: "x" can\'t set off a subaddress'),
        ({"subaddress": "@"}, 'subaddress: "@" can\'t'),
        ({"subaddress": 5}, "subaddress: must be characters"),
        ({"catch_all": "office"}, "catch_all: Domain missing"),
        ({"catch_all": ""}, "catch_all: must be an address"),
        ({"catch_all": 5}, "catch_all: must be an address"),
        ({"quota": 5}, "quota: must be a size"),
        ({"quota": "0B"}, "quota: Input should be greater"),
        ({"quota_messages": 0}, "quota_messages: Input should be greater"),
        ({"over_quota": "bounce"}, "over_quota: Input should be 'defer' or 'reject'"),
    ],
)
def test_mistakes(keys: dict[str, object], words: str) -> None:
    """Each in words."""
    assert complaint(**keys).startswith(words)


def test_domain_aliases_that_cannot_be() -> None:
    """One must lead to a hosted domain that is no alias itself, however it is spelled; the database may know it."""
    domains = {
        "bücher.example": {},
        "relayed.example": {"relay_to": "mx"},
        "good.example": {"alias_of": "xn--bcher-kva.example"},
        "maybe.example": {"alias_of": "elsewhere.example"},
        "self.example": {"alias_of": "Self.example"},
        "relay.example": {"alias_of": "relayed.example"},
        "chain.example": {"alias_of": "good.example"},
        "broken.example": {"alias_of": 5},
        "odd.example": "x",
    }

    assert {name: reason.split(";")[0] for name, reason in misled(domains)} == {
        "self.example": "is an alias of itself",
        "relay.example": "relayed.example isn't hosted here, its mail is relayed",
        "chain.example": "good.example is an alias itself",
    }
