"""The walk up the tree, with the examples of RFC 9989 section 4.10."""

from __future__ import annotations

import pytest
from dmarc_zone import Zone, run

from twistedmail_mta.dmarc.tree import MOST_QUESTIONS, Records, names_on_the_way, organizational_domain, walk

LONG = "a.b.c.d.e.f.g.h.i.j.mail.example.com"


def organization(zone: Zone, domain: str) -> str:
    """Return the organizational domain of a domain."""
    return organizational_domain(domain, run(walk(domain, Records(zone.texts))))


def test_names() -> None:
    """Those of the RFC's example, and of short ones."""
    assert names_on_the_way(LONG) == (
        LONG,
        "g.h.i.j.mail.example.com",
        "h.i.j.mail.example.com",
        "i.j.mail.example.com",
        "j.mail.example.com",
        "mail.example.com",
        "example.com",
        "com",
    )
    assert names_on_the_way("a.mail.example.com") == ("a.mail.example.com", "mail.example.com", "example.com", "com")
    assert names_on_the_way("com") == ("com",)


@pytest.mark.parametrize("labels", range(1, 120))
def test_how_many_questions(labels: int) -> None:
    """Eight at most, however long the name is."""
    zone = Zone()

    run(walk(".".join(["a"] * labels), Records(zone.texts)))

    assert len(zone.asked) == min(labels, MOST_QUESTIONS)


@pytest.mark.parametrize(
    ("zone", "found"),
    [
        (Zone(mail_example_com="v=DMARC1", example_com="v=DMARC1"), "example.com"),
        (Zone(mail_example_com="v=DMARC1; psd=n", example_com="v=DMARC1"), "mail.example.com"),
        (Zone(com="v=DMARC1; psd=y"), "example.com"),
        (Zone(example_com="v=DMARC1; psd=y"), "mail.example.com"),
        (Zone(a_mail_example_com="v=DMARC1; psd=y", com="v=DMARC1"), "a.mail.example.com"),
        (Zone(a_mail_example_com="v=DMARC1; psd=u"), "a.mail.example.com"),
        (Zone(), "a.mail.example.com"),
        (Zone(mail_example_com="v=DMARC1", example_com=["v=DMARC1", "v=DMARC1; psd=y"]), "mail.example.com"),
        (Zone(mail_example_com="v=spf1 -all", example_com=["v=DMARC1", "v=spf1"]), "example.com"),
    ],
)
def test_organizational_domain(zone: Zone, found: str) -> None:
    """Of a.mail.example.com: section 4.10.2, its three examples first; of several records at a name none counts."""
    assert organization(zone, "a.mail.example.com") == found


def test_it_ends_where_it_is_known() -> None:
    """Nothing above a record with psd=n or psd=y is asked for."""
    zone = Zone(mail_example_com="v=DMARC1; psd=n")

    assert organization(zone, "a.mail.example.com") == "mail.example.com"
    assert zone.asked == ["_dmarc.a.mail.example.com", "_dmarc.mail.example.com"]


def test_what_is_too_deep() -> None:
    """A zone cut below the seventh label isn't found (RFC 9989 section 5.1.8)."""
    zone = Zone(b_c_d_e_f_g_example_com="v=DMARC1; psd=n", example_com="v=DMARC1")

    assert organization(zone, "mail.a.b.c.d.e.f.g.example.com") == "example.com"


def test_names_that_cant_be_asked_for() -> None:
    """The longest that a domain can be leaves no room for `_dmarc`."""
    zone = Zone()
    domain = ".".join(["a" * 62] * 4)

    assert run(Records(zone.texts).at(domain)) is None
    assert zone.asked == []
