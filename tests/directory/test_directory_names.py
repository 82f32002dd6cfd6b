"""Names of accounts, and the patterns of what they may send as."""

from __future__ import annotations

from typing import Any

import pytest
from directory_in_memory import now
from hypothesis import given, settings
from hypothesis import strategies as st
from zope.interface.verify import verifyObject

from twistedmail_mta.directory.accounts import Account, Standing, account_name, address_key
from twistedmail_mta.directory.patterns import SenderRights, parse_pattern, rights_of
from twistedmail_mta.directory.realm import MaildropAccess, MailRealm, Submitter
from twistedmail_mta.interfaces import IMaildropAccess, ISubmitter
from twistedmail_mta.model import NULL_PATH, Address
from twistedmail_mta.smtp.address import parse_address

TIM = "tim@example.org"

locals_ = st.text(st.sampled_from("abAB.+*@ é"), min_size=1, max_size=6)
domains = st.sampled_from(["example.org", "sub.example.org", "example.net", "xn--bcher-kva.example", "[192.0.2.1]", ""])
addresses = st.builds(Address, locals_, domains)
names = st.from_regex(r"[a-c]{1,3}@example\.(?:org|net)", fullmatch=True)
patterns = st.one_of(names, st.sampled_from(["*@example.org", "*@example.net", "<>"]))


def tims(*allowed: str) -> SenderRights:
    return rights_of(TIM, allowed, {})


@pytest.mark.parametrize(
    ("typed", "name"),
    [
        ("tim@example.org", "tim@example.org"),
        ("Tim@Example.ORG", "tim@example.org"),
        ("  tim@example.org \n", "tim@example.org"),
        ("TÏM@Bücher.Example", "tïm@xn--bcher-kva.example"),
        ("ti\u0308m@example.org", "tïm@example.org"),
        ("demo@localhost", "demo@localhost"),
        ('"tim"@example.org', "tim@example.org"),
        ("o'neil+x@example.org", "o'neil+x@example.org"),
    ],
)
def test_one_spelling(typed: str, name: str) -> None:
    """However a name is typed, it leads to the one account."""
    assert account_name(typed) == name
    assert account_name(name) == name


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "tim",
        "postmaster",
        "@example.org",
        "tim@",
        "tim@@example.org",
        "tim@[192.0.2.1]",
        '"t m"@example.org',
        "t\u202em@example.org",
        "t\u00a0m@example.org",
        "t\0m@example.org",
        "t m@example.org",
        "tim@exa mple.org",
        "x" * 65 + "@example.org",
        "x" * 100_000,
    ],
)
def test_no_account_can_be_called_so(typed: str) -> None:
    """A bare user name, quotes, a literal, what can't be seen, and anything too long."""
    with pytest.raises(ValueError):
        account_name(typed)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.text(max_size=12), st.sampled_from(["example.org", "Bücher.example"]))
def test_spelling_is_a_normal_form(local: str, domain: str) -> None:
    """Spelling a name again changes nothing, so what is stored can be found."""
    try:
        name = account_name(f"{local}@{domain}")
    except ValueError:
        return
    assert account_name(name) == name
    assert address_key(parse_address(name)) == name
    assert " " not in name


@pytest.mark.parametrize(
    ("typed", "pattern"),
    [("Sales@Example.org", "sales@example.org"), ("*@Bücher.example", "*@xn--bcher-kva.example"), (" <> ", "<>")],
)
def test_pattern_spelling(typed: str, pattern: str) -> None:
    """The three kinds of patterns, in their one spelling."""
    assert parse_pattern(typed) == pattern
    assert parse_pattern(pattern) == pattern


@pytest.mark.parametrize(
    "typed", ["", "*", "@example.org", "*@", "*@*", "*@*.org", "example.org", "<tim@example.org>", "> <"]
)
def test_not_a_pattern(typed: str) -> None:
    """Anything that looks wider than the three kinds is refused, not guessed at."""
    with pytest.raises(ValueError, match="not a pattern"):
        parse_pattern(typed)


def test_star_in_a_local_part_is_a_letter() -> None:
    """`*x@domain` is an address: it allows nothing but itself."""
    rights = tims(parse_pattern("*x@example.net"))

    assert rights.allow(Address("*x", "example.net"))
    assert not rights.allow(Address("ax", "example.net"))


@pytest.mark.parametrize("local", ["tim", "Tim", "tim+list", "TIM+List", "tim+", "tim+a+b"])
def test_own_address(local: str) -> None:
    """The own address and its subaddresses need no pattern."""
    assert tims().allow(Address(local, "example.org"))


@pytest.mark.parametrize(
    "address",
    [
        NULL_PATH,
        Address("postmaster", ""),
        Address("", "example.org"),
        Address("tom", "example.org"),
        Address("timothy", "example.org"),
        Address("tim-list", "example.org"),
        Address("tim+list", "example.net"),
        Address("tim", "sub.example.org"),
        Address("tim", "[192.0.2.1]"),
        Address("tim@example.org", "example.net"),
        Address("tim+x@example.org", "example.net"),
        Address("tim ", "example.org"),
        Address("*", "example.org"),
    ],
)
def test_not_his_own(address: Address) -> None:
    """Nothing else is, however much it looks like it."""
    assert not tims().allow(address)


def test_null_sender_needs_its_pattern() -> None:
    """`<>` is granted by `<>` alone, not by a pattern for a domain."""
    assert tims("<>").allow(NULL_PATH)
    assert not tims("*@example.org").allow(NULL_PATH)
    assert not tims("<>").allow(Address("postmaster", ""))


def test_domain_pattern() -> None:
    """`*@domain` is every address of that domain, and of no other."""
    rights = tims("*@example.net")

    assert rights.allow(Address("Anybody At All", "example.net"))
    assert not rights.allow(Address("anybody", "sub.example.net"))
    assert not rights.allow(Address("anybody", "example.org"))


def test_address_pattern_without_subaddresses() -> None:
    """`user@domain` is that address in any case of its letters; its subaddresses are its owner's."""
    rights = tims("sales@example.net")

    assert rights.allow(Address("Sales", "example.net"))
    assert not rights.allow(Address("sales+x", "example.net"))


def test_subaddress_separator_of_the_domain() -> None:
    """A domain may set off subaddresses otherwise, or not have any."""
    dashed = rights_of(TIM, (), {"example.org": "-"})
    plain = rights_of(TIM, (), {"example.org": "", "example.net": "-"})

    assert dashed.allow(Address("tim-list", "example.org"))
    assert not dashed.allow(Address("tim+list", "example.org"))
    both = rights_of(TIM, (), {"example.org": "-+"})
    assert both.allow(Address("tim+list", "example.org"))
    assert both.allow(Address("tim-list", "example.org"))
    assert not both.allow(Address("timo", "example.org"))
    assert not both.allow(Address("ti", "example.org"))
    assert not plain.allow(Address("tim+list", "example.org"))
    assert not plain.allow(Address("timlist", "example.org"))
    assert plain.allow(Address("tim", "example.org"))


def test_other_names_of_a_domain() -> None:
    """An account may send as what reaches it there, and a pattern for such a name still counts."""
    rights = rights_of(
        TIM, ("*@example.net", "x@c.example"), {}, {"b.example": "example.org", "c.example": "example.net"}
    )

    for allowed in ("Tim@b.example", "tim+x@b.example", "who@c.example", "x@c.example", "tim@example.org"):
        assert rights.allow(parse_address(allowed))
    for refused in ("tom@b.example", "tim@d.example"):
        assert not rights.allow(parse_address(refused))
    assert not rights_of(TIM, (), {}).allow(parse_address("tim@b.example"))


@settings(max_examples=500, deadline=None, derandomize=True)
@given(addresses, st.lists(patterns, max_size=4), names)
def test_rights_are_the_sum_of_the_patterns(address: Address, allowed: list[str], own: str) -> None:
    """An oracle that looks at one pattern after the other agrees."""

    def matches(pattern: str) -> bool:
        local, _, domain = pattern.rpartition("@")
        return address.domain == domain and local in ("*", address.local.lower())

    expected = bool(address.domain) and (matches(own) or any(map(matches, allowed)) or _is_subaddress(address, own))
    assert rights_of(own, allowed, {}).allow(address) == expected


def _is_subaddress(address: Address, own: str) -> bool:
    base, plus, _ = address.local.lower().partition("+")
    return bool(plus) and f"{base}@{address.domain}" == own


def test_avatar_provides_the_seam() -> None:
    """The realm's avatar is what the receiving role was promised, and says whose it is."""
    account = Account(1, TIM, True, frozenset(["smtp"]), 1, ("*@example.net",), 0.0)

    interface, avatar, log_out = MailRealm().requestAvatar(account, None, ISubmitter)
    log_out()

    assert interface is ISubmitter
    assert verifyObject(ISubmitter, avatar)
    assert isinstance(avatar, Submitter)
    assert avatar.account == TIM
    assert avatar.may_send_as(Address("x", "example.net"))
    assert not avatar.may_send_as(Address("x", "example.org"))


def test_avatar_of_a_maildrop() -> None:
    """POP3's avatar opens the drop of its own account and no other."""
    opened: list[int] = []

    async def open_maildrop(account_id: int) -> Any:
        opened.append(account_id)
        return "the drop"

    account = Account(7, TIM, True, frozenset(["pop3"]), 3, (), 0.0)
    interface, avatar, _ = MailRealm(open_maildrop=open_maildrop).requestAvatar(account, None, IMaildropAccess)

    assert interface is IMaildropAccess
    assert verifyObject(IMaildropAccess, avatar)
    assert isinstance(avatar, MaildropAccess)
    assert (avatar.account, avatar.account_id, avatar.standing) == (TIM, 7, Standing(7, 3, "pop3"))
    assert now(avatar.open()) == "the drop"
    assert opened == [7]


def test_no_maildrop_where_there_are_no_mailboxes() -> None:
    """A realm that was given no mailboxes has no such avatar."""
    account = Account(7, TIM, True, frozenset(["pop3"]), 3, (), 0.0)

    with pytest.raises(NotImplementedError):
        MailRealm().requestAvatar(account, None, IMaildropAccess)


def test_no_avatar_without_an_interface() -> None:
    """A protocol that asks for something else is told so, as cred demands."""
    account = Account(1, TIM, True, frozenset(["smtp"]), 1, (), 0.0)

    with pytest.raises(NotImplementedError):
        MailRealm().requestAvatar(account, None)
    with pytest.raises(NotImplementedError):
        MailRealm().requestAvatar(b"tim@example.org", None, ISubmitter)
