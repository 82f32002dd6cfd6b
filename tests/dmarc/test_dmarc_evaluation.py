"""Verdicts: which policy, aligned or not, and what trouble of the DNS makes of it."""

from __future__ import annotations

import pytest
from dmarc_zone import Maker, Zone, dkim, spf

from twistedmail_mta.dmarc.author import Author
from twistedmail_mta.dmarc.tree import MOST_QUESTIONS

REJECT = "v=DMARC1; p=reject"
NEWS = "news.example.com"


@pytest.mark.parametrize("method", [spf, dkim])
@pytest.mark.parametrize(
    ("identifier", "author", "relaxed", "strict"),
    [
        ("foo.example.com", NEWS, "pass", "fail"),
        (NEWS, NEWS, "pass", "pass"),
        ("foo.example.net", NEWS, "fail", "fail"),
        ("example.com", NEWS, "pass", "fail"),
        (NEWS, "example.com", "pass", "fail"),
        ("notexample.com", "example.com", "fail", "fail"),
        ("example.com", "notexample.com", "none", "none"),
        ("com", "example.com", "fail", "fail"),
    ],
)
def test_alignment(method: Maker, identifier: str, author: str, relaxed: str, strict: str) -> None:
    """The examples of RFC 9989 section 4.4, and names that only look alike."""
    for mode, expected in (("r", relaxed), ("s", strict)):
        zone = Zone(example_com=f"{REJECT}; adkim={mode}; aspf={mode}")

        verdict = zone.verdict(author, method(identifier))

        assert verdict.result == expected
        assert [each.is_aligned for each in verdict.alignments] == [expected == "pass"] * (expected != "none")


def test_each_method_has_a_mode() -> None:
    """adkim= counts for signatures alone, aspf= for SPF alone."""
    zone = Zone(example_com=f"{REJECT}; adkim=s")

    assert zone.verdict("example.com", dkim(NEWS)).result == "fail"
    assert zone.verdict("example.com", spf(NEWS)).result == "pass"


def test_another_organization_below() -> None:
    """A subdomain that says that it is one (psd=n) isn't aligned with what is above."""
    zone = Zone(example_com=REJECT, hosted_example_com="v=DMARC1; psd=n")

    assert zone.verdict("example.com", dkim("a.hosted.example.com")).result == "fail"
    assert zone.verdict("hosted.example.com", dkim("example.com")).result == "fail"
    assert zone.verdict("hosted.example.com", dkim("a.hosted.example.com")).result == "pass"


def test_below_a_public_suffix() -> None:
    """Two customers of one suffix aren't aligned; its policy goes for those who publish none."""
    zone = Zone(co_example="v=DMARC1; p=none; sp=reject; np=quarantine; psd=y")
    zone.missing.add("typo.co.example")

    verdict = zone.verdict("mail.shop.co.example", dkim("other.co.example"))
    assert (verdict.result, verdict.found_at, verdict.wanted, verdict.tag) == ("fail", "co.example", "reject", "sp")
    assert zone.verdict("mail.shop.co.example", dkim("shop.co.example")).result == "pass"
    assert zone.verdict("typo.co.example").wanted == "quarantine"
    assert zone.verdict("co.example").wanted == "none"


@pytest.mark.parametrize(
    ("author", "policy", "tag", "found_at"),
    [
        ("example.com", "none", "p", "example.com"),
        ("sub.example.com", "quarantine", "sp", "example.com"),
        ("gone.example.com", "reject", "np", "example.com"),
        ("own.example.com", "reject", "p", "own.example.com"),
        ("below.own.example.com", "quarantine", "sp", "example.com"),
    ],
)
def test_policy(author: str, policy: str, tag: str, found_at: str) -> None:
    """Of the author's domain, else of its organization (RFC 9989 section 4.10.1)."""
    zone = Zone(example_com="v=DMARC1; p=none; sp=quarantine; np=reject", own_example_com="v=DMARC1; p=reject; sp=none")
    zone.missing.add("gone.example.com")

    verdict = zone.verdict(author)

    assert (verdict.policy, verdict.tag, verdict.found_at) == (policy, tag, found_at)
    assert verdict.wanted == policy


def test_existence_is_asked_only_where_it_matters() -> None:
    """Without np= it makes no difference."""
    zone = Zone(example_com=REJECT)

    assert zone.verdict("gone.example.com").tag == "p"
    assert "gone.example.com" not in zone.asked


def test_testing() -> None:
    """t=y lowers what is wanted by one level, and hides nothing."""
    zone = Zone(example_com=f"{REJECT}; sp=quarantine; t=y")

    assert (zone.verdict("example.com").policy, zone.verdict("example.com").wanted) == ("reject", "quarantine")
    assert zone.verdict("a.example.com").wanted == "none"


def test_nothing_is_wanted_of_what_passes() -> None:
    """Whatever the policy is."""
    assert Zone(example_com=REJECT).verdict("example.com", spf("example.com")).wanted == "none"


def test_no_policy() -> None:
    """DMARC doesn't apply, whatever vouches for the message."""
    zone = Zone(example_net=REJECT)

    verdict = zone.verdict("a.example.com", dkim("a.example.com"))

    assert (verdict.result, verdict.found_at, verdict.wanted) == ("none", "", "none")


def test_a_broken_record() -> None:
    """One that doesn't apply is told, and nothing follows from it."""
    verdict = Zone(example_com="v=DMARC1; p=rejekt").verdict("example.com", dkim("example.net"))

    assert (verdict.result, verdict.wanted) == ("permerror", "none")
    assert verdict.reason == "p= of the record is no policy"


@pytest.mark.parametrize(("fault", "result"), [("unclear", "permerror"), ("absent", "none")])
def test_no_author(fault: str, result: str) -> None:
    """Nothing is asked for."""
    zone = Zone(example_com=REJECT)

    verdict = zone.verdict(Author("", fault, "why"), dkim("example.com"))  # type: ignore[arg-type]

    assert (verdict.result, verdict.reason, verdict.author_is_unclear) == (result, "why", fault == "unclear")
    assert zone.asked == []


@pytest.mark.parametrize("name", ["_dmarc.a.example.com", "_dmarc.example.com", "_dmarc.com", "a.example.com"])
def test_no_answer_about_the_policy(name: str) -> None:
    """No question on the way to it may fail, or nothing is known."""
    zone = Zone(example_com=f"{REJECT}; np=none")
    zone.broken.add(name)

    verdict = zone.verdict("a.example.com", dkim("example.net"))

    assert (verdict.result, verdict.wanted) == ("temperror", "none")


def test_no_answer_about_an_identifier() -> None:
    """What might have been aligned keeps the message from failing; what can't be doesn't."""
    zone = Zone(example_com=REJECT)
    for unsure in (spf("example.com", is_sure=False), dkim("news.example.com", is_sure=False)):
        assert zone.verdict("example.com", unsure, dkim("example.net")).result == "temperror"
        assert zone.verdict("example.com", unsure, dkim("example.com")).result == "pass"
    assert zone.verdict("example.com", dkim("evil.com", is_sure=False)).result == "fail"


def test_no_answer_about_alignment() -> None:
    """Whether a subdomain is an organization of its own may not be known."""
    zone = Zone(example_com=REJECT)
    zone.broken.add("_dmarc.a.example.com")

    assert zone.verdict("example.com", dkim("a.example.com")).result == "temperror"
    assert zone.verdict("example.com", dkim("a.example.com"), spf("example.com")).result == "pass"


def test_hostile_names() -> None:
    """Seven long names below one organization cost eight questions each, less what they have in common."""
    zone = Zone(com=REJECT)
    long = [f"{'a.' * 50}{letter}.b.c.d.e.f.example.com" for letter in "tuvwxyz"]

    zone.verdict(long[0], *map(dkim, long[1:]))

    assert len(zone.asked) == len(set(zone.asked)) <= MOST_QUESTIONS * len(long)


def test_strangers_are_not_asked_about() -> None:
    """Domains outside of the author's organization cost no questions of their own."""
    zone = Zone(example_com=REJECT)

    zone.verdict("example.com", *(dkim(f"{number}.evil.com") for number in range(6)))

    assert zone.asked == ["_dmarc.example.com", "_dmarc.com"]
