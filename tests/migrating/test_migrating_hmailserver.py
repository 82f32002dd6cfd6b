"""hMailServer: dumps and backups, and what becomes of what is in them."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hmailserver_dumps import BACKUP, mssql, mysql, pgsql
from imported import hmailserver

from twistedmail_mta.directory.schemes import scheme_matches

DUMPS = pytest.mark.parametrize("dump", [mysql, mssql, pgsql])


@DUMPS
def test_domains(dump: Callable[[], str]) -> None:
    """Active domains with what they say; aliases of domains; routes of domains that are taken mail for."""
    domains = hmailserver(dump()).site.domains

    assert set(domains) == {"example.org", "example.net", "example.com", "branch.example"}
    org = domains["example.org"]
    assert (str(org.catch_all), org.subaddress, org.quota) == ("office@example.org", "+", 500 << 20)
    assert domains["example.net"].subaddress == ""
    assert domains["example.com"].alias_of == "example.org"
    branch = domains["branch.example"]
    assert (branch.relay_to, branch.tls) == ("smtp://192.0.2.7:2525", "required")
    assert branch.recipients.startswith("file:")


@DUMPS
def test_passwords(dump: Callable[[], str]) -> None:
    """People keep passwords that are kept as a hash or in clear; of others it is said that they need new ones."""
    done = hmailserver(dump())
    accounts = done.draft.accounts

    assert set(accounts) == {
        "office@example.org",
        "ann@example.org",
        "bob@example.net",
        "carl@example.net",
        "dora@example.net",
    }
    assert scheme_matches(accounts["office@example.org"].stored or "", "correct horse")
    assert not scheme_matches(accounts["office@example.org"].stored or "", "correct horsf")
    assert scheme_matches(accounts["ann@example.org"].stored or "", "staple")
    assert scheme_matches(accounts["carl@example.net"].stored or "", "plain;text''s")
    assert {name for name, each in accounts.items() if each.stored is None} == {"bob@example.net", "dora@example.net"}
    assert "Blowfish" in done.findings("bob@example.net: password")[0].advice
    assert "ldap" in done.findings("dora@example.net: password")[0].advice
    assert accounts["office@example.org"].quota == 100 << 20
    assert not accounts["carl@example.net"].enabled


@DUMPS
def test_addresses(dump: Callable[[], str]) -> None:
    """Aliases, lists and forwards are aliases; a forward that keeps a copy leads home, too."""
    done = hmailserver(dump())

    assert done.aliases == {
        "ann@example.org": ("ann@elsewhere.example", "ann@example.org"),
        "info@example.org": ("office@example.org",),
        "all@example.org": ("ann@example.org", "bob@example.net"),
        "news@example.net": ("ann@example.org",),
    }


@DUMPS
def test_settings(dump: Callable[[], str]) -> None:
    """The relayer, sizes, listeners, and what judges strangers."""
    done = hmailserver(dump())
    site = done.site

    assert site.server.hostname == "mail.example.org"
    assert site.limits.message_size == 20 << 20
    assert {name: (each.role, each.tls) for name, each in site.listen.items()} == {
        "mx": ("mx", "starttls"),
        "submissions": ("submission", "implicit"),
        "submission": ("submission", "starttls"),
        "imaps": ("imap", "implicit"),
    }
    assert site.listen["imaps"].endpoint == ("tcp:993:interface=127.0.0.1",)
    partner, relayer = site.route
    assert (partner.match.to_domain, relayer.via) == (("partner.example",), "smtps://relay.provider.example:465")
    assert relayer.auth is not None
    assert relayer.auth.user == "customer"
    assert set(site.listen["mx"].plugins) == {"headers", "dnsbl", "greylist", "authentication", "spamassassin"}
    assert done.draft.tables["plugins", "dnsbl"]["zones"].value == [
        {"zone": "zen.spamhaus.org", "codes": {"127.0.0.2-8": 3, "127.0.0.10-11": 3}}
    ]
    signatures = done.draft.tables["plugins", "signatures"]["domains"].value
    assert signatures == {"example.org": {"text": "Example Ltd\nIt's us"}}
    assert site.listen["submission"].plugins == ("headers", "signatures")


@DUMPS
def test_what_is_left(dump: Callable[[], str]) -> None:
    """All that has no place here is told, with what to do."""
    done = hmailserver(dump())

    left = {(each.setting, each.value) for each in done.draft.findings if each.outcome == "unmapped"}
    assert {
        ("hm_domains", "closed.example"),
        ("hm_domain_aliases", "gone.example"),
        ("hm_accounts", "eve@closed.example"),
        ("hm_aliases", "old@example.org"),
        ("hm_rules", "to Junk"),
        ("hm_securityranges", "Printers"),
        ("hm_routes", "partner.example"),
        ("hm_sslcertificates", "C:\\certs\\mail.pem, C:\\certs\\mail.key"),
        ("ann@example.org: accountvacationmessageon", "1"),
        ("ann@example.org: accountadminlevel", "2"),
        ("news@example.net: distributionlistmode", "2"),
        ("example.org: domaindkimselector", "s1"),
        ("usescriptserver", "1"),
    } <= left
    assert all(each.advice for each in done.draft.findings if each.outcome == "unmapped")
    assert "0123456789abcdef" not in repr(done.draft.findings)


def test_places() -> None:
    """Each finding has the line of the dump."""
    found = hmailserver(mssql()).findings("hm_domains", "mapped")

    assert [str(each.place) for each in found] == ["dump-1:1", "dump-1:4"]


def test_backup() -> None:
    """The XML file of a backup says the same as the database."""
    done = hmailserver(BACKUP)

    assert set(done.draft.accounts) == {"office@example.org", "ann@example.org"}
    assert scheme_matches(done.draft.accounts["office@example.org"].stored or "", "correct horse")
    assert done.aliases["all@example.org"] == ("ann@example.org", "bob@example.net")
    assert done.aliases["ann@example.org"] == ("ann@elsewhere.example", "ann@example.org")
    assert done.site.domains["example.com"].alias_of == "example.org"
    assert done.site.limits.message_size == 20 << 20
    assert {"mx", "submission", "submissions"} == set(done.site.listen)
    assert done.outcome("hm_rules") == "unmapped"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "no table"),
        ("CREATE TABLE other (x int);", "no table"),
        ("<Backup>", "no XML"),
        ('<!DOCTYPE x [<!ENTITY a "b">]><Backup/>', "document type"),
        ("<Backup/>", "no domain"),
        ("INSERT INTO hm_settings VALUES (1,'hostname','x',0);", "no domain"),
    ],
)
def test_no_dump(text: str, why: str) -> None:
    """What is none is refused in words."""
    with pytest.raises(ValueError, match=why):
        hmailserver(text)
