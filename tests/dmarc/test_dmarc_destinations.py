"""Where reports go: to nobody who hasn't asked for them."""

from __future__ import annotations

from dmarc_zone import Zone, run

from twistedmail_mta.dmarc.destinations import MOST_DESTINATIONS, Destinations, destinations
from twistedmail_mta.dmarc.record import parse_record
from twistedmail_mta.dmarc.report import Metadata
from twistedmail_mta.dmarc.report_names import file_name, report_id, subject
from twistedmail_mta.dmarc.tree import Found, Records

CONFIRM = "bank.test._report._dmarc."


def places(zone: Zone, rua: str, domain: str = "bank.test") -> Destinations:
    """Return where a domain with such a rua= has its reports."""
    found = Found(domain, parse_record(f"v=DMARC1; p=none; rua={rua}".encode()))
    return run(destinations(found, Records(zone.texts), zone.texts))


def told(zone: Zone, rua: str, domain: str = "bank.test") -> list[str]:
    """Return the addresses of these places, all of which are known."""
    found = places(zone, rua, domain)
    assert not found.unknown
    return [str(each) for each in found.addresses]


def zone(**records: str) -> Zone:
    """A DNS in which the bank's organization is bank.test, and red.test, blue.test are others'."""
    return Zone(**{"bank_test": "v=DMARC1; p=none", **records})


def confirming(texts: dict[str, str]) -> Zone:
    """A DNS in which hosts confirm that they want the bank's reports."""
    made = zone()
    made._records |= {CONFIRM + host: text for host, text in texts.items()}
    return made


def test_within_the_domain() -> None:
    """Nothing is asked."""
    made = zone()
    assert told(made, "mailto:dmarc@bank.test") == ["dmarc@bank.test"]
    assert made.asked == []


def test_within_the_organization() -> None:
    """Domains below it, and above: only their organization is asked for."""
    assert told(zone(), "mailto:a@reports.bank.test") == ["a@reports.bank.test"]
    assert told(zone(shop_bank_test="v=DMARC1; p=none"), "mailto:a@bank.test", "shop.bank.test") == ["a@bank.test"]


def test_elsewhere() -> None:
    """Who doesn't confirm it gets nothing (RFC 9990 section 4)."""
    made = zone()
    assert told(made, "mailto:a@red.test,mailto:b@bank.test") == ["b@bank.test"]
    assert "bank.test._report._dmarc.red.test" in made.asked


def test_elsewhere_and_confirmed() -> None:
    """Any record of DMARC is enough, beside others."""
    assert told(confirming({"red.test": "v=DMARC1"}), "mailto:a@red.test") == ["a@red.test"]
    assert told(confirming({"red.test": "v=DMARC1;"}), "mailto:a@red.test") == ["a@red.test"]
    assert told(confirming({"red.test": "v=spf1 -all"}), "mailto:a@red.test") == []


def test_other_organizations_on_the_same_suffix() -> None:
    """A neighbour of the same suffix is somebody else."""
    made = Zone(co_test="v=DMARC1; p=none; psd=y")
    assert told(made, "mailto:a@red.co.test", "bank.co.test") == []
    assert told(made, "mailto:a@mail.bank.co.test", "bank.co.test") == ["a@mail.bank.co.test"]


def test_another_address_of_the_same_host() -> None:
    """Who confirms may say where it wants them."""
    made = confirming({"red.test": "v=DMARC1; rua=mailto:b@red.test,mailto:c@red.test"})
    assert told(made, "mailto:a@red.test") == ["b@red.test", "c@red.test"]


def test_no_other_host_instead() -> None:
    """Neither address is told then, also if one of them would be right: it may be an attack."""
    made = confirming({"red.test": "v=DMARC1; rua=mailto:b@red.test,mailto:c@blue.test"})
    assert told(made, "mailto:a@red.test") == []
    made = confirming({"red.test": "v=DMARC1; rua=mailto:c@mail.red.test"})
    assert told(made, "mailto:a@red.test") == []


def test_what_is_no_mail() -> None:
    """It is passed over, as are addresses that are none; sizes don't matter any more."""
    assert told(zone(), "https://bank.test/,mailto:,mailto:a@[192.0.2.1],mailto:b@bank.test!10m") == ["b@bank.test"]


def test_not_too_many() -> None:
    """Those that stand first; each once, also those that are named in the place of others."""
    many = ",".join(f"mailto:a{number}@bank.test" for number in range(9))
    assert told(zone(), f"mailto:a0@bank.test,{many}") == [
        f"a{number}@bank.test" for number in range(MOST_DESTINATIONS)
    ]
    instead = ",".join(f"mailto:b{number}@red.test" for number in range(9))
    assert (
        len(told(confirming({"red.test": f"v=DMARC1; rua={instead}"}), f"mailto:a@red.test,{many}"))
        == MOST_DESTINATIONS
    )


def test_few_questions() -> None:
    """A hostile record costs no more than its walks and a confirmation for each address."""
    made = zone()
    long = ".".join("abcdefghijklmnop")
    many = ",".join(f"mailto:a@{long}.x{number}.test" for number in range(30))
    assert told(made, many) == []
    assert len(made.asked) <= MOST_DESTINATIONS * 9 + 8


def test_too_long_a_name() -> None:
    """Nobody can confirm that."""
    long = f"{'a' * 60}.{'b' * 60}.{'c' * 60}.{'d' * 20}.test"
    made = zone()
    assert told(made, f"mailto:a@{long}", f"{'e' * 60}.bank.test") == []
    assert all(len(name) <= 253 for name in made.asked)


def test_the_dns_is_silent() -> None:
    """Others are told; that there may be more is known."""
    made = zone()
    made.broken.add("bank.test._report._dmarc.red.test")
    found = places(made, "mailto:a@red.test,mailto:b@bank.test")

    assert [str(each) for each in found.addresses] == ["b@bank.test"]
    assert found.unknown


def test_names_of_a_report() -> None:
    """File and Subject have the same identifier, and it doesn't change (RFC 9990 section 3.1.4)."""
    identifier = report_id("mx.test", "bank.test", 86400)
    metadata = Metadata("mx.test", "a@mx.test", identifier, 86400, 172799)

    assert file_name("mx.test", "bank.test", metadata) == f"mx.test!bank.test!86400!172799!{identifier}.xml.gz"
    assert subject("mx.test", "bank.test", metadata) == (
        f"Report Domain: bank.test Submitter: mx.test Report-ID: <{identifier}>"
    )
    assert identifier.isalnum()
    assert identifier == report_id("mx.test", "bank.test", 86400)
    assert len({identifier, report_id("mx2.test", "bank.test", 86400), report_id("mx.test", "bank.test", 0)}) == 3
