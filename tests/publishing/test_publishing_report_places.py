"""Where reports are to come, and that other domains' reports are let in."""

from __future__ import annotations

from dataclasses import replace

from dmarc_zone import run
from published_zone import SITE, findings, published

from twistedmail_mta.publishing.policies import check_policy
from twistedmail_mta.publishing.report_places import consent_records, place_of_reports
from twistedmail_mta.publishing.zone import records_of

READ = replace(SITE, domains=("example.org", "shop.test"), reports=("reports@example.org",), keys=())
CONSENT = "shop.test._report._dmarc.example.org"


def test_places() -> None:
    """An address in the domain itself first, then the first that is read, and the postmaster where none is."""
    two = replace(READ, reports=("a@example.org", "b@shop.test"))

    assert [place_of_reports(two, name) for name in ("example.org", "shop.test", "other.test")] == [
        "a@example.org",
        "b@shop.test",
        "a@example.org",
    ]
    assert place_of_reports(SITE, "example.org") == "postmaster@example.org"


def test_consent() -> None:
    """It is needed for a domain that has nothing to do with the address, and for no other."""
    assert [each.name for each in consent_records(READ, "shop.test")] == [CONSENT]
    for domain in ("example.org", "lists.example.org", "org"):
        assert consent_records(READ, domain) == []
    assert consent_records(SITE, "shop.test") == []


def test_published() -> None:
    """Both records name the address, and the consent is among them; all of it is right once it is there."""
    texts = [each.content for each in records_of(READ, "shop.test") if "rua=" in each.content]

    assert texts == [
        "v=DMARC1; p=none; rua=mailto:reports@example.org",
        "v=TLSRPTv1; rua=mailto:reports@example.org",
    ]
    assert [each for each in findings(published(READ), READ) if each.state != "note"] == []


def test_awkward_addresses() -> None:
    """What would end an address in a record is encoded, and found again."""
    site = replace(READ, reports=("r!p,t+x@example.org",))
    texts = [each.content for each in records_of(site, "shop.test") if "rua=" in each.content]

    assert {text.partition("rua=")[2] for text in texts} == {"mailto:r%21p%2Ct+x@example.org"}
    assert run(check_policy(site, "shop.test", published(site))).text == "the policy is none"
    world = published(site).without((CONSENT, "TXT"))
    assert [each.name for each in findings(world, site) if each.state == "missing"] == [CONSENT]


def test_missing_consent() -> None:
    """It is missing where reports are to come here, and where that isn't said yet; not where they go elsewhere."""
    world = published(READ).without((CONSENT, "TXT"))

    def missing() -> list[str]:
        return [each.name for each in findings(world, READ) if each.state == "missing"]

    assert missing() == [CONSENT]
    world = world.without(("_dmarc.shop.test", "TXT"))
    assert missing() == ["_dmarc.shop.test", CONSENT]
    world = world.with_("_dmarc.shop.test", "TXT", '"v=DMARC1; p=reject; rua=mailto:x@elsewhere.test!10m"')
    assert missing() == []


def test_reports_that_go_elsewhere() -> None:
    """That is no fault, but is told."""
    world = published(READ).with_("_dmarc.example.org", "TXT", '"v=DMARC1; p=reject; rua=mailto:x@elsewhere.test"')

    found = run(check_policy(READ, "example.org", world))

    assert found.text == "the policy is reject; its reports don't come to reports@example.org, where they are read"


def test_silence() -> None:
    """Without an answer it isn't known."""
    world = published(READ)
    world.silent.add((CONSENT, "TXT"))

    assert [each.name for each in findings(world, READ) if each.state == "unknown"] == [CONSENT]
