"""The records of a site compared with the DNS: by what they mean, each broken in turn."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from published_zone import AUTHORITY, NEXT, RSA, SHOWN, SITE, findings, published, tlsa, unsigned

from twistedmail_mta.publishing.finding import Finding, exit_status
from twistedmail_mta.publishing.presence import Host
from twistedmail_mta.publishing.zone import check_all

SPF = '"v=spf1 mx a:out.example.org ~all"'
PTR = ("2.2.0.192.in-addr.arpa", "PTR")
KEY = RSA.record.partition("p=")[2]
NAMES = sorted(published().records)


def only(found: list[Finding]) -> Finding:
    """Return the one thing that isn't right."""
    assert len(found) == 1, "\n".join(map(str, found))
    return found[0]


def test_what_is_printed_is_right() -> None:
    """Nothing else is needed than what is printed, the comments about addresses included."""
    assert findings(published()) == []


@pytest.mark.parametrize("key", NAMES, ids=" ".join)
def test_each_record_is_needed(key: tuple[str, str]) -> None:
    """Without it something is said about that name and type, and what is said to be published mends it."""
    found = [each for each in findings(published().without(key)) if (each.name, each.rdtype) == key]

    advised = key[1] == "SRV" or key[0].startswith("_smtp._tls.")
    assert only(found).state == ("note" if advised else "missing")
    assert exit_status(found) == (0 if advised else 1)
    mended = published().without(key)
    text = "\n".join(record.text for record in found[0].publish) + "\n"
    mended.load(text)
    assert findings(mended) == []


@pytest.mark.parametrize("key", NAMES, ids=" ".join)
def test_silence_is_not_absence(key: tuple[str, str]) -> None:
    """What the DNS doesn't answer about is unknown: nothing is said to be missing or wrong."""
    world = published()
    world.silent.add(key)

    found = findings(world)

    assert {each.state for each in found} == {"unknown"}
    assert exit_status(found) == 2


@pytest.mark.parametrize(
    ("name", "rdtype", "contents", "words"),
    [
        ("mail.example.org", "A", ["192.0.2.1", "198.51.100.9"], "it leads to 198.51.100.9, and that isn't this host"),
        ("mail.example.org", "AAAA", ["2001:db8::9"], "it leads to 2001:db8::9, and that isn't this host"),
        (*PTR, ["host2.provider.example."], "192.0.2.2 is called host2.provider.example, and says out.example.org"),
        ("mail.example.org", "TXT", ['"v=spf1 -all"'], "mail from 2001:db8::1 gets 'fail' by -all"),
        ("mail.example.org", "TXT", ['"v=spf1 a a:no_such -all"', '"v=spf1 a -all"'], "there are several SPF records"),
        ("_25._tcp.mail.example.org", "TLSA", [tlsa(NEXT, 3)], "no record fits the certificate"),
        ("_25._tcp.mail.example.org", "TLSA", [tlsa(SHOWN, 1)], "no record fits the certificate"),
        ("_25._tcp.mail.example.org", "TLSA", [tlsa(SHOWN, 2)], "no record fits the certificate"),
        ("_25._tcp.mail.example.org", "TLSA", [tlsa(NEXT, 2, 0, 0)], "no record fits the certificate"),
        ("_25._tcp.mail.example.org", "TLSA", [tlsa(SHOWN, 3), tlsa(NEXT, 3, 1, 2)], "no record fits the certificate"),
        ("example.org", "MX", ["0 ."], "it says that example.org takes no mail (null MX, RFC 7505 section 3)"),
        (
            "example.org",
            "MX",
            ["0 .", "10 mail.example.org."],
            "beside mail.example.org it says that example.org takes",
        ),
        ("example.org", "MX", ["10 mx.elsewhere.example."], "mail goes to mx.elsewhere.example, and none of these is"),
        ("example.org", "TXT", [SPF, '"v=spf1 mx -all"'], "there are several SPF records, so none counts"),
        (
            "example.org",
            "TXT",
            ['"v=spf1 ipv4:192.0.2.2 -all"'],
            "it has a mistake, so it doesn't count: in the record",
        ),
        ("example.org", "TXT", ['"v=spf1 +all"'], "it allows everybody to send, by +all"),
        ("2026a._domainkey.example.org", "TXT", ['"v=DKIM1; p="'], "it is another key, revoked or for tests only"),
        ("_dmarc.example.org", "TXT", ['"v=DMARC1; p=all"'], "'v=DMARC1; p=all' has a policy that is none"),
        ("_dmarc.example.org", "TXT", ['"v=DMARC1; p=all; rua=mailto:a@x.example"'], "has a policy that is none"),
        ("_dmarc.example.org", "TXT", ['"v=DMARC1; p=none"', '"v=DMARC1; p=reject"'], "there are several, so none"),
        ("_smtp._tls.example.org", "TXT", ['"v=TLSRPTv1"'], "'v=TLSRPTv1' names no place for reports"),
        ("_smtp._tls.example.org", "TXT", ['"v=TLSRPTv1;rua=ftp:x"'], "names no place for reports"),
        (
            "_smtp._tls.example.org",
            "TXT",
            ['"v=TLSRPTv1; rua=mailto:a@x"'] * 1 + ['"v=TLSRPTv1;"'],
            "there are several",
        ),
        ("_imaps._tcp.example.org", "SRV", ["0 1 143 mail.example.org."], "is said to be at mail.example.org:143"),
        ("_imaps._tcp.example.org", "SRV", ["0 0 0 ."], "IMAP with TLS from the start is said to be nowhere"),
    ],
)
def test_wrong(name: str, rdtype: str, contents: list[str], words: str) -> None:
    """What is wrong is said where it is wrong."""
    found = [each for each in findings(published().with_(name, rdtype, *contents)) if each.name == name]

    assert any(words in each.text for each in found), "\n".join(map(str, found))
    assert {each.state for each in found} == {"wrong"}
    assert exit_status(found) == 1


@pytest.mark.parametrize(
    ("name", "rdtype", "contents"),
    [
        ("mail.example.org", "TXT", ['"v=spf1 ip6:2001:db8::/32 -all"', '"of no interest"']),
        ("mail.example.org", "AAAA", ["2001:0db8:0:0::1"]),
        (*PTR, ["other.example.", "out.example.org."]),
        ("_25._tcp.mail.example.org", "TLSA", [tlsa(NEXT, 3), tlsa(SHOWN, 3)]),
        ("_25._tcp.mail.example.org", "TLSA", [tlsa(SHOWN, 3, 0, 2)]),
        ("_25._tcp.mail.example.org", "TLSA", [tlsa(AUTHORITY, 2)]),
        ("example.org", "MX", ["5 mail.example.org.", "50 backup.example."]),
        ("example.org", "MX", ["10 mx.example.org.", "20 backup.example."]),
        ("example.org", "TXT", ['"v=spf1 ip4:192.0.2.0/24 include:mail.example.org -all"']),
        ("2026a._domainkey.example.org", "TXT", [f'"k=rsa; n=ours; p={KEY[:190]}" "{KEY[190:]}"']),
        ("_dmarc.example.org", "TXT", ['"v = DMARC1 ; p=reject; sp=quarantine; rua=mailto:d@reports.example"', '"x"']),
        ("_smtp._tls.example.org", "TXT", ['"v=TLSRPTv1;rua=https://reports.example/tls,mailto:tls@x.example"']),
        ("_imaps._tcp.example.org", "SRV", ["5 7 993 out.example.org.", "10 1 993 elsewhere.example."]),
    ],
)
def test_other_words_for_the_same(name: str, rdtype: str, contents: list[str]) -> None:
    """What is published may be another text, and stricter."""
    world = published().with_("mx.example.org", "AAAA", "2001:db8::1")

    assert findings(world.with_(name, rdtype, *contents)) == []


def test_spf_is_mended_without_losing_others() -> None:
    """Who else may send for the domain still may, if what is said is published."""
    world = published().with_("example.org", "TXT", '"v=spf1 include:lists.example -all"')
    world = world.with_("lists.example", "TXT", '"v=spf1 ip4:198.51.100.0/24 -all"')

    found = findings(world)

    assert {each.text.partition(" gets")[0] for each in found} == {
        "mail from 2001:db8::1",
        "mail from 192.0.2.2",
        "mail from 192.0.2.3",
    }
    content = found[0].publish[0].content
    assert content == "v=spf1 mx a:out.example.org include:lists.example -all"
    assert findings(world.with_("example.org", "TXT", f'"{content}"')) == []


def test_spf_that_is_right_but_for_what_it_names() -> None:
    """Nothing is said to be published for SPF where only an address record is wrong."""
    found = findings(published().without(("mail.example.org", "AAAA")))

    spf = [each for each in found if each.name == "example.org"]
    assert "it is right once what its terms name leads to 2001:db8::1" in only(spf).text
    assert not spf[0].publish


@pytest.mark.parametrize("name", ["mail.example.org", "out.example.org"])
def test_alias_in_place_of_addresses(name: str) -> None:
    """A name in MX records or EHLO has addresses of its own."""
    world = published().without((name, "A"), (name, "AAAA")).with_(name, "CNAME", "host.example.")
    for family in ("A", "AAAA"):
        if found := published().records.get((name, family)):
            world = world.with_("host.example", family, *found)
    world = world.with_("host.example", "TXT", '"v=spf1 a -all"')

    found = only(findings(world))

    assert (found.state, found.name, found.rdtype) == ("wrong", name, "CNAME")
    assert "it is an alias of host.example" in found.text
    assert {record.rdtype for record in found.publish} <= {"A", "AAAA"}
    assert found.publish


def test_alias_in_mx() -> None:
    """The same for another name of this host."""
    world = (
        published()
        .with_("example.org", "MX", "10 mx.example.org.")
        .with_("mx.example.org", "CNAME", "mail.example.org.")
    )

    found = only(findings(world))

    assert (found.state, found.name, found.rdtype) == ("wrong", "example.org", "MX")
    assert "mx.example.org is an alias" in found.text


def test_policy_above_the_domain() -> None:
    """A domain without a DMARC record has that of one above it."""
    site = replace(SITE, domains=("lists.example.org",), keys=())
    world = published(site).without(("_dmarc.lists.example.org", "TXT"))

    assert [each.name for each in findings(world, site) if each.state == "missing"] == ["_dmarc.lists.example.org"]
    above = world.with_("_dmarc.example.org", "TXT", '"v=DMARC1; p=reject"')
    assert [each for each in findings(above, site) if each.state != "note"] == []
    broken = only(
        [
            each
            for each in findings(world.with_("_dmarc.example.org", "TXT", '"v=DMARC1; p=x"'), site)
            if each.state != "note"
        ]
    )
    assert "what example.org publishes has a policy that is none" in broken.text


def test_domain_without_keys_is_a_note() -> None:
    """It isn't wrong, but should be known."""
    found = only(findings(published(replace(SITE, keys=())), replace(SITE, keys=())))

    assert (found.state, found.text) == (
        "note",
        "mail of example.org isn't signed; mta dkim create example.org makes keys",
    )
    assert exit_status([found]) == 0


def test_tlsa_in_an_unsigned_zone() -> None:
    """That there is none is a note; one that doesn't fit is wrong all the same."""
    world = published(unsigned())

    assert only(findings(world, unsigned())).state == "note"
    wrong = world.with_("_25._tcp.mail.example.org", "TLSA", tlsa(NEXT, 3))
    assert only(findings(wrong, unsigned())).state == "wrong"


def test_unknown_addresses() -> None:
    """Nothing can be held against them; that there are none in the DNS is wrong nevertheless."""
    site = replace(SITE, hosts=(Host("mail.example.org", (), ()),), doubts=("this host's addresses aren't known",))
    world = published(SITE)

    found = findings(world, site)

    assert {(each.state, each.name, each.rdtype) for each in found} == {
        ("unknown", "", ""),
        ("unknown", "mail.example.org", "A"),
        ("unknown", "example.org", "TXT"),
    }
    assert exit_status(found) == 2
    bare = world.without(("mail.example.org", "A"), ("mail.example.org", "AAAA"))
    assert ("wrong", "mail.example.org") in {(each.state, each.name) for each in findings(bare, site)}


def test_mail_that_others_send() -> None:
    """Where all of it goes through another host, nothing is held against that one's addresses, which aren't known."""
    site = replace(SITE, hosts=(Host("mail.example.org", ("192.0.2.1",), ()),))

    found = only(findings(published(site), site))

    assert (found.state, found.name, found.rdtype) == ("note", "example.org", "TXT")
    assert "it must allow the hosts that mail is sent through" in found.text
    assert only(findings(published(site).without(("example.org", "TXT")), site)).state == "missing"


def test_remarks_are_notes() -> None:
    """They change no exit status."""
    site = replace(SITE, remarks=("a route sends mail on",))
    found = only(findings(published(), site))

    assert str(found) == "note: a route sends mail on"
    assert exit_status([found]) == 0


def test_text_of_a_finding() -> None:
    """Its state, where, what is wrong, and under it what to publish, as a zone file has it."""
    found = only(findings(published().with_("_imaps._tcp.example.org", "SRV", "0 0 0 .")))

    assert str(found) == (
        "wrong: _imaps._tcp.example.org SRV: IMAP with TLS from the start is said to be nowhere; publish\n"
        "    _imaps._tcp.example.org. 3600 IN SRV 0 1 993 mail.example.org."
    )


def test_many_addresses_are_cut() -> None:
    """What strangers publish fills no screen."""
    world = published().with_("mail.example.org", "A", *(f"198.51.100.{number}" for number in range(100)))

    (found,) = [each for each in findings(world) if each.rdtype == "A"]

    assert "198.51.100.7 and 92 more, and that isn't this host" in found.text


def test_all_that_is_right_is_told() -> None:
    """Each record has its line, so that one sees what was looked at."""
    coroutine = check_all(SITE, published())
    with pytest.raises(StopIteration) as end:
        coroutine.send(None)

    right = [each for each in end.value.value if each.state == "right"]
    assert {(each.name, each.rdtype) for each in right} == set(NAMES)


def test_exit_statuses() -> None:
    """What is wrong counts before what is unknown."""

    def status(*states: Any) -> int:
        return exit_status(Finding(state, "x", "A", "") for state in states)

    assert status() == status("right", "note") == 0
    assert status("right", "unknown") == 2
    assert status("unknown", "wrong") == status("missing", "unknown") == 1
