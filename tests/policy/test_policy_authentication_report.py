"""What `authentication` tells the domains that want to be told of their mail (RFC 9990)."""

from __future__ import annotations

from typing import Any

import pytest
from authentication_kit import (
    BANK,
    BANK_HOST,
    LIST_HOST,
    TEXT,
    chain_with,
    rig,
    sent,
    signed,
    surroundings,
)
from dkim_made import rsa_record

from twistedmail_mta.dmarc.report import Case, Override, Published, SenderResult, SignatureResult
from twistedmail_mta.testing.surroundings import Noted, Surroundings

RUA = "; rua=mailto:dmarc@bank.test"
CHANGED = TEXT.replace(b"your account", b"[list] your account")
GENUINE = b"mx.example.org; dmarc=pass header.from=bank.test"


def noted(around: Surroundings, text: bytes = TEXT, **said: Any) -> list[Noted]:
    """Send a message; return what was counted."""
    options = said.pop("options", {})
    sent(rig(around, **options), text, **said)
    return around.evaluations.noted


def case(policy: str, text: bytes = TEXT, **said: Any) -> Case:
    """Send a message to a site, while the bank has a policy; return what the bank is told."""
    (note,) = noted(surroundings(policy + RUA), text, **said)
    return note.case


def test_genuine_mail() -> None:
    """All that the bank needs to see that its own mail is fine."""
    (note,) = noted(surroundings(f"p=reject; adkim=s{RUA}"), signed(), host=BANK_HOST, sender=f"ann@{BANK}", helo=BANK)

    assert note == Noted(
        Published(BANK, "reject", "reject", "reject", "s", "r", "treewalk", "0", testing=False),
        Case(
            source=BANK_HOST,
            disposition="pass",
            dkim="pass",
            spf="pass",
            header_from=BANK,
            envelope_from=BANK,
            envelope_to="home.test",
            signatures=(SignatureResult(BANK, "r", "pass"),),
            sender=SenderResult(BANK, "pass"),
        ),
        is_report=False,
    )


def test_forged_mail() -> None:
    """It is told of though it is refused, with what the forger's own records say."""
    told = case("p=reject", signed(TEXT, "evil.test"))

    assert told.disposition == "reject"
    assert (told.dkim, told.spf) == ("fail", "fail")
    assert told.overrides == ()
    assert told.envelope_from == "evil.test"
    assert told.signatures == (SignatureResult("evil.test", "r", "pass"),)
    assert told.sender == SenderResult("evil.test", "pass")


@pytest.mark.parametrize(
    ("policy", "options", "disposition", "overrides"),
    [
        ("p=none", {}, "none", ()),
        ("p=quarantine", {}, "quarantine", ()),
        ("p=quarantine", {"quarantine": "quarantine"}, "quarantine", ()),
        ("p=quarantine", {"quarantine": "tag"}, "none", (Override("local_policy"),)),
        ("p=reject", {"reject": "junk"}, "quarantine", (Override("local_policy"),)),
        ("p=reject; t=y", {}, "quarantine", (Override("policy_test_mode"),)),
        ("p=quarantine; t=y", {}, "none", (Override("policy_test_mode"),)),
        (
            "p=reject; t=y",
            {"quarantine": "tag"},
            "none",
            (Override("policy_test_mode"), Override("local_policy")),
        ),
        ("p=reject", {"trusted_forwarders": "evil.test"}, "none", (Override("trusted_forwarder"),)),
        ("p=none", {"trusted_forwarders": "evil.test"}, "none", ()),
    ],
)
def test_what_was_done(policy: str, options: dict[str, Any], disposition: str, overrides: tuple[Override, ...]) -> None:
    """If it is something else than the bank wants, the reason is owed (RFC 9990 section 3.1.1.9)."""
    told = case(policy, options=options)

    assert (told.disposition, told.overrides) == (disposition, overrides)


def test_a_trusted_seal() -> None:
    """What a list changed passes by the word of its sealer."""
    text = chain_with(CHANGED, GENUINE)
    told = case("p=reject", text, host=LIST_HOST, sender="l@list.test", options={"trusted_sealers": "example.org"})

    assert told.disposition == "none"
    assert told.overrides == (Override("local_policy", "arc=pass"),)


def test_mail_that_passes_where_nothing_is_asked_for() -> None:
    """Such is "none", too: nothing was done, and nothing was to be done."""
    assert case("p=none", host=BANK_HOST, sender=f"ann@{BANK}").disposition == "none"


def test_what_the_dns_does_not_say() -> None:
    """It is told what was unknown, and why nothing was done."""
    around = surroundings("p=reject" + RUA)
    around.names.broken.add(BANK)
    (note,) = noted(around, sender=f"ann@{BANK}")

    assert note.case.disposition == "none"
    assert note.case.overrides == (Override("other", "the DNS doesn't answer"),)
    assert note.case.sender is not None
    assert note.case.sender.word == "temperror"
    assert note.case.spf == "fail"


def test_mail_that_comes_again_is_counted_when_it_does() -> None:
    """What is refused for now isn't told of."""
    around = surroundings("p=reject" + RUA)
    around.names.broken.add(BANK)

    assert noted(around, sender=f"ann@{BANK}", options={"on_temperror": "defer"}) == []


@pytest.mark.parametrize("policy", ["p=reject", "p=reject; rua=https://bank.test/", "p=reject; ruf=mailto:f@bank.test"])
def test_who_asks_for_nothing_is_told_nothing(policy: str) -> None:
    """Only rua= asks, and only mail is sent."""
    assert noted(surroundings(policy)) == []


def test_mail_of_no_policy() -> None:
    """Nobody asks."""
    around = surroundings()
    assert noted(around, TEXT.replace(b"bank.test", b"free.test")) == []


def test_a_client_without_an_address() -> None:
    """A row is about an address, so it has none."""
    assert noted(surroundings("p=reject" + RUA), host="") == []


@pytest.mark.parametrize(
    ("host", "source"),
    [("::ffff:192.0.2.10", "192.0.2.10"), ("fe80::1%eth0", "fe80::1"), ("2001:DB8::1", "2001:db8::1")],
)
def test_addresses_are_those_of_others(host: str, source: str) -> None:
    """They look as RFC 3986 has them, however the system writes them."""
    assert case("p=none", host=host).source == source


def test_mail_of_logins_is_not_told_of() -> None:
    """It didn't come here from elsewhere."""
    assert noted(surroundings("p=reject" + RUA), account="ann@bank.test") == []


def test_reports_are_marked() -> None:
    """Reports that come aren't a reason to report."""
    text = TEXT.replace(b"your account", b"Report Domain: home.test\r\n Submitter: bank.test Report-ID: 1")
    (note,) = noted(surroundings("p=none" + RUA), text)

    assert note.is_report


def test_a_subdomain() -> None:
    """The report is the bank's, whose policy applies; the row names the subdomain."""
    around = surroundings("p=reject; sp=none" + RUA)
    around.names.add("mail.bank.test", "A", "192.0.2.1")
    (note,) = noted(around, TEXT.replace(b"ann@bank.test", b"ann@mail.bank.test"))

    assert note.published.domain == BANK
    assert (note.published.policy, note.published.subdomains) == ("reject", "none")
    assert note.case.header_from == "mail.bank.test"
    assert (note.case.disposition, note.case.overrides) == ("none", ())


def test_the_null_sender() -> None:
    """It is told as such; SPF was about the name in HELO."""
    told = case("p=none", host=BANK_HOST, sender="", helo=BANK)

    assert told.envelope_from == ""
    assert told.sender == SenderResult(BANK, "pass")
    assert told.spf == "pass"


def test_signatures_that_matter_come_first() -> None:
    """The author's own, then those of the organization, then others, then what failed (RFC 9990 section 3.1.3)."""
    around = surroundings("p=reject" + RUA)
    around.names.add("r._domainkey.mail.bank.test", "TXT", rsa_record())
    text = signed(TEXT, "evil.test", "mail.bank.test", BANK)
    broken = signed(CHANGED, "list.test").removesuffix(CHANGED)
    (note,) = noted(around, broken + text)

    assert [(each.domain, each.word) for each in note.case.signatures] == [
        (BANK, "pass"),
        ("mail.bank.test", "pass"),
        ("evil.test", "pass"),
        ("list.test", "fail"),
    ]
    assert note.case.signatures[3].reason


def test_what_strangers_say_is_bounded() -> None:
    """Neither long names nor many signatures make large rows."""
    told = case("p=none", signed(TEXT, *["evil.test"] * 30), sender=f"eve@{'a' * 60}.{'b' * 60}.test")

    assert len(told.signatures) <= 10
    assert len(told.envelope_from or "") <= 253
