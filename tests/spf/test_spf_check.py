"""What a check comes to, by which terms, and what it asks for that."""

from __future__ import annotations

import pytest
from spf_zones import FAILS, Zones, checked, ran

from twistedmail_mta.model import NULL_PATH, Address
from twistedmail_mta.spf.check import Verdict, check_host
from twistedmail_mta.spf.identity import Visit, check_helo, check_sender
from twistedmail_mta.spf.names import shortened
from twistedmail_mta.spf.questions import Asked


def site(record: str = "", **others: str) -> Zones:
    """Return zones of example.org and, by the first label, of others below .example."""
    zones = Zones()
    zones.spf("example.org", f"v=spf1 {record}")
    for name, text in others.items():
        zones.spf(f"{name}.example", f"v=spf1 {text}")
    return zones


def test_decided_by() -> None:
    """The terms are told as published, from the outermost on, and what was asked for them."""
    zones = site("ip4:198.51.100.1 Include:a.example ~all", a="include:b.example -all", b="ip4:192.0.2.0/24 -all")

    verdict = checked(zones)

    assert verdict == Verdict(
        "pass",
        "example.org",
        ("Include:a.example", "include:b.example", "ip4:192.0.2.0/24"),
        asked=tuple(Asked("TXT", name, "found") for name in ("example.org", "a.example", "b.example")),
    )


def test_decided_by_redirect() -> None:
    """A redirect is one of the terms; its target decides as if it had been asked."""
    assert checked(site("redirect=a.example", a="~all")).decided_by == ("redirect=a.example", "~all")
    assert checked(site("redirect=a.example", a="ip4:198.51.100.1")).decided_by == ("redirect=a.example",)


def test_long_term() -> None:
    """What a stranger made long is cut where it is told, not where it is used."""
    term = f"exists:{'%{d}.' * 60}found.example"
    zones = site(term)
    zones.add(shortened("example.org." * 60 + "found.example"), "A", "127.0.0.2")

    assert checked(zones).decided_by == (f"{term[:197]}...",)


def test_nothing_matches() -> None:
    """Then it is neutral, and nothing decided."""
    assert checked(site("ip4:198.51.100.1")) == Verdict(
        "neutral", "example.org", asked=(Asked("TXT", "example.org", "found"),)
    )


@pytest.mark.parametrize(
    "domain", ["", "localhost", "[192.0.2.1]", "a..example", "x" * 64 + ".example", "\xfc.\xfc..x"]
)
def test_no_domain(domain: str) -> None:
    """What can't have a record isn't asked for one."""
    zones = Zones()

    verdict = checked(zones, sender=f"ann@{domain}")

    assert verdict.result == "none"
    assert not zones.asked


def test_no_address() -> None:
    """A client that came through a socket file has nothing to check."""
    with pytest.raises(ValueError, match="no IP address"):
        checked(Zones(), ip="/run/socket")


@pytest.mark.parametrize(
    ("record", "ip", "result"),
    [
        ("ip4:192.0.2.0/24 -all", "::ffff:192.0.2.1", "pass"),
        ("ip6:::ffff:192.0.2.1 -all", "::ffff:192.0.2.1", "fail"),
        ("ip6:::ffff:0:0/96 -all", "192.0.2.1", "fail"),
        ("exists:%{v}.x.example -all", "::ffff:192.0.2.1", "pass"),
        ("a:dual.example -all", "::ffff:192.0.2.1", "pass"),
        ("a:dual.example -all", "2001:db8::1", "pass"),
        ("a:dual.example//32 -all", "2001:db8:ffff::", "pass"),
        ("a:dual.example//33 -all", "2001:db8:ffff::", "fail"),
        ("a:dual.example/0 -all", "2001:db8:ffff::", "fail"),
        ("ip4:0.0.0.0/0 -all", "2001:db8::1", "fail"),
        ("ip6:::/0 -all", "192.0.2.1", "fail"),
        ("ip4:192.0.2.255/31 -all", "192.0.2.254", "pass"),
        ("ip4:192.0.2.255/31 -all", "192.0.2.253", "fail"),
    ],
)
def test_families(record: str, ip: str, result: str) -> None:
    """IPv4 addresses match IPv4 addresses, whatever they came in."""
    zones = site(record)
    zones.add("dual.example", "A", "192.0.2.1")
    zones.add("dual.example", "AAAA", "2001:db8::1")
    zones.add("in-addr.x.example", "A", "127.0.0.2")

    assert checked(zones, ip=ip).result == result


@pytest.mark.parametrize(
    ("record", "fails", "problem"),
    [
        ("", ("example.org", "TXT"), "the DNS gives no answer about example.org (TXT)"),
        ("a -all", ("example.org", "A"), "the DNS gives no answer about example.org (A)"),
        ("mx -all", ("example.org", "MX"), "the DNS gives no answer about example.org (MX)"),
        ("mx:x.example -all", ("mx2.example", "A"), "the DNS gives no answer about mx2.example (A)"),
        ("exists:x.example -all", ("x.example", "A"), "the DNS gives no answer about x.example (A)"),
        ("include:x.example -all", ("x.example", "TXT"), "the DNS gives no answer about x.example (TXT)"),
        ("redirect=x.example", ("x.example", "TXT"), "the DNS gives no answer about x.example (TXT)"),
        ("ptr -all", ("1.2.0.192.in-addr.arpa", "PTR"), "the DNS doesn't say what 192.0.2.1 is called"),
        ("ptr:x.example -all", ("h.x.example", "A"), "the DNS doesn't say what 192.0.2.1 is called"),
        (
            "exists:%{p}.y.example -all",
            ("1.2.0.192.in-addr.arpa", "PTR"),
            "the DNS doesn't say what 192.0.2.1 is called",
        ),
    ],
)
def test_temporary_trouble(record: str, fails: tuple[str, str], problem: str) -> None:
    """Whatever isn't answered, nobody fails for that."""
    zones = site(record)
    zones.add("x.example", "MX", (10, "mx1.example"), (20, "mx2.example"))
    zones.add("mx1.example", "A", "198.51.100.1")
    zones.add("1.2.0.192.in-addr.arpa", "PTR", "h.x.example")
    zones.records[fails] = [FAILS]

    verdict = checked(zones)

    assert (verdict.result, verdict.problem) == ("temperror", problem)
    assert "failed" in [asked.outcome for asked in verdict.asked]


def test_names_in_doubt_matter_for_failures_alone() -> None:
    """A client's names that can't be had match nothing (RFC 7208 section 5.5), and other terms decide."""
    zones = Zones({("1.2.0.192.in-addr.arpa", "PTR"): [FAILS]})
    for name, record in {"a": "ptr ~all", "b": "ptr ip4:192.0.2.1 -all", "c": "ptr"}.items():
        zones.spf(f"{name}.example", f"v=spf1 {record}")

    results = [checked(zones, sender=f"x@{name}.example").result for name in "abc"]

    assert results == ["softfail", "pass", "neutral"]


def test_trouble_behind_a_match() -> None:
    """What comes after a match isn't asked for."""
    zones = site("mx exists:x.example -all")
    zones.add("example.org", "MX", (20, "broken.example"), (10, "mx.example"))
    zones.add("mx.example", "A", "192.0.2.1")
    zones.add("broken.example", "A", FAILS)

    assert checked(zones).result == "pass"
    assert [name for _, name in zones.asked] == ["example.org", "example.org", "mx.example"]


def test_confirmed_names() -> None:
    """`%{p}` is the domain itself, else a name in it, else any that leads back (RFC 7208 section 7.3)."""
    zones = site("exists:%{p}.is.example -all")
    zones.add("1.2.0.192.in-addr.arpa", "PTR", "Other.example.", "liar.example.org", "h.example.org", "example.org")
    for name in ("other.example", "h.example.org"):
        zones.add(name, "A", "192.0.2.1")
    zones.add("liar.example.org", "A", "192.0.2.2")

    def asked_for() -> str:
        zones.asked.clear()
        checked(zones)
        [name] = [name for _, name in zones.asked if name.endswith(".is.example")]
        return name.removesuffix(".is.example")

    assert asked_for() == "h.example.org"
    zones.add("example.org", "A", "192.0.2.1")
    assert asked_for() == "example.org"
    del zones.records["example.org", "A"], zones.records["h.example.org", "A"]
    assert asked_for() == "other.example"
    del zones.records["other.example", "A"]
    assert asked_for() == "unknown"


def test_names_of_clients_that_cannot_be() -> None:
    """Aren't asked for: whoever owns the address can write what he likes."""
    zones = site("exists:%{p}.is.example -all")
    zones.add("1.2.0.192.in-addr.arpa", "PTR", "", "a..example", "x" * 64 + ".example", "\xfc.example")
    zones.add("unknown.is.example", "A", "127.0.0.2")

    assert checked(zones).result == "pass"
    assert [name for rdtype, name in zones.asked if rdtype == "A"] == ["unknown.is.example"]


@pytest.mark.parametrize("helo", ["localhost", "[192.0.2.1]", "a..example", "", "x" * 64 + ".example"])
@pytest.mark.parametrize("record", ["include:%{h} -all", "redirect=%{h}"])
def test_names_of_records_that_cannot_be(record: str, helo: str) -> None:
    """Have none, which is the record's fault that leads there; they aren't asked for."""
    zones = site(record)

    assert checked(zones, helo=helo).result == "permerror"
    assert len(zones.asked) == 1


def test_ptr_asks_for_fitting_names_alone() -> None:
    """A name elsewhere can't match, and needn't be looked up."""
    zones = site("ptr:b.example -all")
    zones.add("1.2.0.192.in-addr.arpa", "PTR", "a.example", "notb.example", "h.B.example.")
    zones.add("h.b.example", "A", "192.0.2.1")

    assert checked(zones).result == "pass"
    assert [name for rdtype, name in zones.asked if rdtype == "A"] == ["h.b.example"]


@pytest.mark.parametrize(
    ("record", "result"),
    [
        ("a:n1.example a:n2.example ip4:192.0.2.1", "pass"),
        ("a:n1.example a:n2.example a:n3.example ip4:192.0.2.1", "permerror"),
        ("a:n1.example a:n1.example a:n1.example ip4:192.0.2.1", "permerror"),
        ("mx:hosts.example exists:n1.example ip4:192.0.2.1", "pass"),
        ("mx:hosts.example exists:n1.example ptr ip4:192.0.2.1", "permerror"),
        ("a:x..example a:y..example a:z..example ip4:192.0.2.1", "pass"),
    ],
)
def test_void_lookups(record: str, result: str) -> None:
    """Two terms may ask in vain (RFC 7208 section 4.6.4); the hosts of one count once, and what isn't asked never."""
    zones = site(record)
    zones.add("hosts.example", "MX", *[(number, f"n{number}.example") for number in range(5)])

    assert checked(zones).result == result


@pytest.mark.parametrize(
    ("record", "result"),
    [
        ("a " * 10 + "ip4:192.0.2.1", "pass"),
        ("a " * 11 + "ip4:192.0.2.1", "permerror"),
        ("ip4:192.0.2.1 " + "a " * 11, "pass"),
        ("a " * 9 + "redirect=a.example", "pass"),
        ("a " * 10 + "redirect=a.example", "permerror"),
        ("a " * 9 + "exists:%{p}.x.example ip4:192.0.2.1", "permerror"),
        ("a " * 8 + "exists:%{p}.x.example ip4:192.0.2.1", "pass"),
        ("a " * 7 + "exists:%{p}.x.example exists:%{p2}.x.example ip4:192.0.2.1", "pass"),
    ],
)
def test_lookups(record: str, result: str) -> None:
    """Ten terms may ask; to find a client's name is one of them, once (RFC 7208 section 4.6.4)."""
    zones = site(record, a="ip4:192.0.2.1")
    zones.add("example.org", "A", "198.51.100.1")

    assert checked(zones).result == result


def test_questions_are_asked_once() -> None:
    """However many terms want to know it."""
    zones = site("a a:example.org mx ptr exists:%{p}.x.example -all")
    zones.add("example.org", "A", "198.51.100.1")
    zones.add("example.org", "MX", (10, "example.org"))

    checked(zones)

    assert len(zones.asked) == len(set(zones.asked)) == 5


def test_international_domain() -> None:
    """Is asked for, and stands in macros, in A-labels (RFC 8616 section 4)."""
    zones = Zones()
    zones.spf("xn--bcher-kva.example", "v=spf1 -all exp=why.example")
    zones.add("why.example", "TXT", b"%{d} %{o} %{h}")

    verdict = checked(zones, sender="ann@B\xfccher.example", helo="m\xfcnchen.example")

    assert (verdict.result, verdict.domain) == ("fail", "xn--bcher-kva.example")
    assert verdict.explanation == "xn--bcher-kva.example xn--bcher-kva.example xn--mnchen-3ya.example"


@pytest.mark.parametrize(
    ("record", "result"),
    [
        ("exists:%{l}.x.example -all", "fail"),
        ("exists:%{L}.x.example -all", "fail"),
        ("-exists:%{s} ip4:192.0.2.1", "pass"),
        ("a:%{s} mx:%{l}.x.example ptr:%{l}.x.example include:%{l}.x.example ip4:192.0.2.1", "pass"),
        ("redirect=%{l}.x.example", "neutral"),
        ("exists:%{o}.x.example -all", "pass"),
    ],
)
def test_international_local_part(record: str, result: str) -> None:
    """What would need it in a name matches nothing, and isn't asked (RFC 8616 section 4)."""
    zones = site(record)
    zones.add("example.org.x.example", "A", "127.0.0.2")

    assert checked(zones, sender="j\xf6rg@example.org").result == result
    assert all(name.isascii() for _, name in zones.asked)


@pytest.mark.parametrize(
    ("texts", "explanation"),
    [
        ([b"See https://%{d2}/why?i=%{I}"], "See https://example.org/why?i=192.0.2.1"),
        ([b"No."], "No."),
        ([b""], ""),
        ([], ""),
        ([b"one", b"two"], ""),
        ([FAILS], ""),
        ([b"a \xe4"], ""),
        ([b"50%"], ""),
        ([b"%{x}"], ""),
        ([b"a\r\nb"], ""),
        ([b"x" * 60000], "x" * 400),
        ([b"%{p}"], "unknown"),
    ],
)
def test_explanation(texts: list[object], explanation: str) -> None:
    """It is one text of ASCII, or none; what is wrong with it changes nothing else (RFC 7208 section 6.2)."""
    zones = site("-all exp=why.example.org")
    zones.add("why.example.org", "TXT", *texts)

    verdict = checked(zones)

    assert (verdict.result, verdict.explanation) == ("fail", explanation)


def test_explanation_is_beside_the_limits() -> None:
    """A failure stands, whatever its explanation asks for in vain."""
    zones = site("a:n1.example a:n2.example " + "a " * 8 + "-all exp=%{p}.why.example")
    zones.add("example.org", "A", "198.51.100.1")
    zones.add("unknown.why.example", "TXT", b"No, %{p}!")

    assert checked(zones).explanation == "No, unknown!"


def test_explanation_is_asked_for_failures_alone() -> None:
    """And only where somebody wants to hear it."""
    zones = site("~all exp=why.example")
    assert (checked(zones).explanation, len(zones.asked)) == ("", 1)

    zones = site("-all exp=why.example")
    assert (checked(zones, explain=False).explanation, len(zones.asked)) == ("", 1)


def test_sender() -> None:
    """The sender's domain is checked, and named as Authentication-Results wants it (RFC 8601 section 2.7.2)."""
    found = ran(check_sender(Visit("192.0.2.1", "client.test"), Address("an n", "example.org"), site("ip4:192.0.2.1")))

    assert (found.identity, found.verdict.result) == ("mailfrom", "pass")
    assert found.properties == (("smtp.mailfrom", '"an n"@example.org'),)


def test_null_sender() -> None:
    """Of a bounce the name in HELO is checked, with postmaster as its local part (RFC 7208 section 2.4)."""
    zones = Zones({("client.example", "TXT"): [b"v=spf1 exists:%{l}.%{o}.x.example -all"]})
    zones.add("postmaster.client.example.x.example", "A", "127.0.0.2")

    found = ran(check_sender(Visit("192.0.2.1", "Client.example"), NULL_PATH, zones))

    assert (found.identity, found.verdict.result) == ("helo", "pass")
    assert found.properties == (("smtp.helo", "Client.example"),)


def test_helo() -> None:
    """It can be checked for itself (RFC 7208 section 2.3); one that is no name has no record."""
    zones = Zones({("client.example", "TXT"): [b"v=spf1 -all"]})

    assert ran(check_helo(Visit("192.0.2.1", "client.example"), zones)).verdict.result == "fail"
    for name in ("client", "[192.0.2.1]", "", "a b", "..", "@"):
        assert ran(check_helo(Visit("192.0.2.1", name), zones)).verdict.result == "none"


def test_sender_without_local_part() -> None:
    """Counts as postmaster (RFC 7208 section 4.3)."""
    zones = site("-all exp=why.example")
    zones.add("why.example", "TXT", b"%{s}")

    verdict = ran(check_host("192.0.2.1", "example.org", Address("", "example.org"), "h.example", zones))

    assert verdict.explanation == "postmaster@example.org"
