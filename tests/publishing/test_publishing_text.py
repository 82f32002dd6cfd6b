"""The records of a site as a zone file."""

from __future__ import annotations

from dataclasses import replace

from published_zone import ED25519, RSA, SHOWN, SITE, World, printed, tlsa, unsigned

from twistedmail_mta.publishing.presence import Host
from twistedmail_mta.publishing.record import Record


def records(text: str) -> list[str]:
    """Return the lines that are no comments."""
    return [line for line in text.split("\n") if line and not line.startswith(";")]


def test_zone_file() -> None:
    """dnspython reads it, and finds every record with its content, long keys put together again."""
    world = World()

    world.load(printed(SITE))

    halves = [f'"{RSA.record[:255]}" "{RSA.record[255:]}"']
    assert world.records == {
        ("mail.example.org", "A"): ["192.0.2.1"],
        ("mail.example.org", "AAAA"): ["2001:db8::1"],
        ("out.example.org", "A"): ["192.0.2.2", "192.0.2.3"],
        ("mail.example.org", "TXT"): ['"v=spf1 a -all"'],
        ("out.example.org", "TXT"): ['"v=spf1 a -all"'],
        ("_25._tcp.mail.example.org", "TLSA"): [tlsa(SHOWN, 3)],
        ("example.org", "MX"): ["10 mail.example.org."],
        ("example.org", "TXT"): ['"v=spf1 mx a:out.example.org ~all"'],
        ("2026a._domainkey.example.org", "TXT"): halves,
        ("2026a-ed25519._domainkey.example.org", "TXT"): [f'"{ED25519.record}"'],
        ("_dmarc.example.org", "TXT"): ['"v=DMARC1; p=none; rua=mailto:postmaster@example.org"'],
        ("_smtp._tls.example.org", "TXT"): ['"v=TLSRPTv1; rua=mailto:postmaster@example.org"'],
        ("_submissions._tcp.example.org", "SRV"): ["0 1 465 mail.example.org."],
        ("_imaps._tcp.example.org", "SRV"): ["0 1 993 mail.example.org."],
    }


def test_every_record_says_why() -> None:
    """A comment stands before each, or before the first of several that are for the same."""
    lines = printed(SITE).split("\n")

    for number, line in enumerate(lines):
        if " IN " in line and not line.startswith(";"):
            before = next(each for each in reversed(lines[:number]) if each.startswith(";") or not each)
            assert before.startswith("; "), line


def test_names_of_addresses_are_comments() -> None:
    """They belong to zones of others."""
    text = printed(SITE)

    assert "; 2.2.0.192.in-addr.arpa. 3600 IN PTR out.example.org.\n" in text
    assert "; 192.0.2.2 must be called what it says in EHLO" in text
    assert not [line for line in records(text) if "PTR" in line]
    assert "1.2.0.192.in-addr.arpa" not in text, "no mail leaves from there"


def test_tlsa_is_a_comment_where_nothing_is_signed() -> None:
    """It would be of no use there, and it says so."""
    text = printed(unsigned())

    assert "; of no use as long as the zone isn't signed (DNSSEC)" in text
    assert "\n; _25._tcp.mail.example.org. 3600 IN TLSA 3 1 1 " in text


def test_host_name_that_is_a_domain() -> None:
    """It has one SPF record, the domain's: two would count as none."""
    host = Host("example.org", ("192.0.2.1",), ("192.0.2.1",))
    text = printed(replace(SITE, hosts=(host,), certificates=()))

    assert [line for line in records(text) if "v=spf1" in line] == ['example.org. 3600 IN TXT "v=spf1 mx ~all"']


def test_host_name_that_is_another_domain() -> None:
    """It has none, and no keys, where that domain isn't told of: its own records are others."""
    key = replace(RSA, domain="example.net")
    host = Host("example.net", ("192.0.2.1",), ("192.0.2.1",))
    text = printed(replace(SITE, hosts=(host,), others=frozenset(("example.net",)), certificates=(), keys=(key,)))

    assert [line for line in records(text) if line.startswith("example.net")] == ["example.net. 3600 IN A 192.0.2.1"]
    assert "_domainkey.example.net" not in text


def test_domain_without_keys() -> None:
    """It is told how to get some."""
    assert "; no DKIM keys: mta dkim create example.org makes some\n" in printed(replace(SITE, keys=()))


def test_keys_of_the_host() -> None:
    """Those of a domain above the host's name, whose mail isn't kept here, stand with the host."""
    key = replace(RSA, domain="example.net", state="retired")
    text = printed(replace(SITE, keys=(key,)))

    host, _, domain = text.partition("\n; example.org\n")
    assert "2026a._domainkey.example.net. 3600 IN TXT" in host
    assert "; a DKIM key of example.net: it has signed what may still be on its way\n" in host
    assert "_domainkey" not in domain


def test_doubts_and_remarks() -> None:
    """What isn't known, or isn't all, is told first."""
    text = printed(replace(SITE, doubts=("this host's addresses aren't known",), remarks=("a route sends mail on",)))

    assert text.startswith(
        "; mail.example.org, this host; its addresses are those of server.addresses\n"
        "; this host's addresses aren't known\n; a route sends mail on\n"
    )


def test_quotes_in_a_text() -> None:
    """They are escaped, so that the text is read as it was."""
    world = World()

    world.load(Record("x.example", "TXT", 'say "so" \\ ;', "").text + "\n")

    assert world.records == {("x.example", "TXT"): ['"say \\"so\\" \\\\ ;"']}
