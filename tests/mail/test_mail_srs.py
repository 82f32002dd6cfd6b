"""Rewritten senders: the form that all share, the way back, and what isn't taken for ours."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twistedmail_mta.mail.srs import DAY, DAYS, HASH_LENGTH, MAX_AGE, Rewriting, SRSError, fits, has_form
from twistedmail_mta.model import Address
from twistedmail_mta.smtp.address import parse_address

NOW = 1577836860.0
"""2020-01-01 00:01 UTC, when the vectors of libsrs2's users were made."""
OURS = "example.com"
REWRITING = Rewriting((b"tops3cr3t",))

LETTERS = st.characters(min_codepoint=33, max_codepoint=0x17F, exclude_categories=("C", "Z"))
LOCALS = st.text(LETTERS, min_size=1, max_size=40)
DOMAINS = st.from_regex(r"[a-z][a-z0-9-]{0,10}[a-z0-9]\.(com|test)", fullmatch=True)
SENDERS = st.builds(Address, LOCALS, DOMAINS).filter(lambda sender: not has_form(sender.local))


def rewritten(sender: str, now: float = NOW) -> str:
    return str(REWRITING.rewritten(parse_address(sender), OURS, now))


def back(address: Address | str, now: float = NOW, rewriting: Rewriting = REWRITING) -> Address:
    local = address.local if isinstance(address, Address) else address.rpartition("@")[0]
    return rewriting.original(local, now)


@pytest.mark.parametrize(
    ("sender", "vector"),
    [
        ("test@otherdomain.com", "SRS0=vmyz=2W=otherdomain.com=test@example.com"),
        ("testing@otherdomain.com", "SRS0=rNNq=2W=otherdomain.com=testing@example.com"),
        ("SRS0=opaque+string@otherdomain.com", "SRS1=chaI=otherdomain.com==opaque+string@example.com"),
        ("SRS1=X=thirddomain.com==opaque@otherdomain.com", "SRS1=JIBX=thirddomain.com==opaque@example.com"),
    ],
)  # fmt: skip
def test_form_is_that_of_the_libraries(sender: str, vector: str) -> None:
    """All but the hash is as postsrsd's tests have it, the day included."""
    made = rewritten(sender)

    assert re.sub(r"^(SRS.)=[^=]+", r"\1=", made) == re.sub(r"^(SRS.)=[^=]+", r"\1=", vector)
    assert len(made.split("=")[1]) == HASH_LENGTH


@pytest.mark.parametrize(
    ("sender", "original"),
    [
        ("SRS0=opaque+string@otherdomain.com", "SRS0=opaque+string@otherdomain.com"),
        ("SRS0+opaque@otherdomain.com", "SRS0+opaque@otherdomain.com"),
        ("srs0-opaque@otherdomain.com", "SRS0-opaque@otherdomain.com"),
        ("SRS1=X=thirddomain.com==opaque@otherdomain.com", "SRS0=opaque@thirddomain.com"),
        ("SRS1+X=thirddomain.com=+opaque@otherdomain.com", "SRS0+opaque@thirddomain.com"),
        ("SRS1=X@otherdomain.com", "SRS1=X@otherdomain.com"),
    ],
)
def test_what_others_rewrote_goes_back_to_the_first_of_them(sender: str, original: str) -> None:
    """However many hosts forward it, a report takes two steps; what only looks rewritten is none of it."""
    assert str(back(rewritten(sender))) == original


@given(SENDERS, st.floats(0, 4e9), st.floats(0, MAX_AGE * DAY))
def test_any_sender_comes_back(sender: Address, now: float, waited: float) -> None:
    """Whatever its letters, for as long as it is good."""
    made = REWRITING.rewritten(sender, OURS, now)

    assert has_form(made.local)
    assert made.domain == OURS
    assert back(made, now + waited) == sender


@given(SENDERS, st.sampled_from([str.lower, str.upper]))
def test_case_is_forgiven(sender: Address, changed: object) -> None:
    """Some hosts write local parts in lower case, and the report comes back all the same."""
    ascii_only = Address(sender.local.encode("ascii", "replace").decode().replace("?", "x"), sender.domain)
    made = REWRITING.rewritten(ascii_only, OURS, NOW)

    returned = back(changed(made.local) + "@")  # type: ignore[operator]

    assert str(returned).lower() == str(ascii_only).lower()


@given(SENDERS, st.data())
def test_nothing_can_be_changed(sender: Address, data: st.DataObject) -> None:
    """Another letter anywhere behind the prefix, and it isn't ours."""
    local = REWRITING.rewritten(sender, OURS, NOW).local
    place = data.draw(st.integers(5, len(local) - 1))
    letter = data.draw(st.sampled_from("=abcz79.+"))
    other = local[:place] + letter + local[place + 1 :]

    if other.lower() != local.lower():
        with pytest.raises(SRSError):
            REWRITING.original(other, NOW)


def test_parts_are_not_moved() -> None:
    """What was made for a sender of one domain is no good for one of a longer name."""
    local = REWRITING.rewritten(Address("mbob", "example.co"), OURS, NOW).local

    with pytest.raises(SRSError, match="hash"):
        REWRITING.original(local.replace("example.co=mbob", "example.com=bob"), NOW)


def test_one_kind_is_no_good_as_the_other() -> None:
    """The hash of an SRS0 address doesn't vouch for an SRS1 address."""
    local = REWRITING.rewritten(Address("bob", "far.test"), OURS, NOW).local

    with pytest.raises(SRSError):
        REWRITING.original("SRS1" + local[4:], NOW)


def test_age_ends() -> None:
    """Good on the last day, and not on the next, nor from the future; days come again after 1,024."""
    made = REWRITING.rewritten(Address("bob", "far.test"), OURS, NOW)

    assert back(made, NOW + MAX_AGE * DAY) == Address("bob", "far.test")
    with pytest.raises(SRSError, match="older than 21 days"):
        back(made, NOW + (MAX_AGE + 1) * DAY)
    with pytest.raises(SRSError, match="older"):
        back(made, NOW - DAY)
    assert back(made, NOW + DAYS * DAY) == Address("bob", "far.test")


def test_secrets_change() -> None:
    """The newest makes addresses, the older ones are still good, and those of others never."""
    old, new = Rewriting((b"old",)), Rewriting((b"new", b"old"))
    sender = Address("bob", "far.test")

    assert back(old.rewritten(sender, OURS, NOW), rewriting=new) == sender
    assert back(new.rewritten(sender, OURS, NOW), rewriting=Rewriting((b"new",))) == sender
    with pytest.raises(SRSError):
        back(new.rewritten(sender, OURS, NOW), rewriting=old)


@pytest.mark.parametrize(
    "local",
    [
        "SRS0=", "SRS0=h", "SRS0=h=2W", "SRS0=h=2W=far.test", "SRS0====", "SRS0=h=2W=far.test=bob",
        "SRS0=FAKE=2V=far.test=bob", "SRS0===2W=far.test=bob", "SRS0+h+2W+far.test+bob", "SRS0=hhhhhhhh=é=far.test=bob",
        "SRS1=", "SRS1=h", "SRS1=h=", "SRS1=h==", "SRS1=h=far.test==x",
    ],
)  # fmt: skip
def test_what_nobody_made_is_refused(local: str) -> None:
    """Each malformed address is an error of one kind, whatever is wrong with it."""
    assert has_form(local)

    with pytest.raises(SRSError):
        REWRITING.original(local, NOW)


@pytest.mark.parametrize("local", ["srs", "SRS", "SRS0", "SRS2=x", "SRS0x=", "xSRS0=", "joe", "srs\u0660=x"])
def test_other_addresses_have_not_the_form(local: str) -> None:
    """Only the prefix with a separator makes an address ours to judge."""
    assert not has_form(local)


def test_short_key_stands_for_what_is_too_long() -> None:
    """The longest local part is 64 octets as it is written; a stored sender always fits."""
    long = Address("bounces+123456-0a1b-alice=example.net", "em1234.news.of.a.shop.test")
    key = REWRITING.key(long)
    short = REWRITING.standing_for(key, OURS, NOW)

    assert not fits(REWRITING.rewritten(long, OURS, NOW))
    assert fits(short)
    assert back(short) == Address(key, "")
    assert back(short.local.upper() + "@") == Address(key, "")
    assert REWRITING.key(replace(long, local="other")) != key


def test_quotes_and_umlauts_count() -> None:
    """What is measured is what is sent: quotation marks, and octets of UTF-8."""
    assert fits(Address("a" * 64, "x.test"))
    assert not fits(Address("a" * 65, "x.test"))
    assert fits(Address("ä" * 32, "x.test"))
    assert not fits(Address("ä" * 33, "x.test"))
    assert not fits(Address("a b" + "c" * 60, "x.test"))


def test_secrets_are_not_shown() -> None:
    """A log that shows the value doesn't show what it must keep."""
    assert "tops3cr3t" not in repr(REWRITING)
