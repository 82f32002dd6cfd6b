"""[acme]: what it needs, what it means for the certificates, and what a running server makes of a change."""

from __future__ import annotations

from pathlib import Path

import pytest

from twistedmail_mta.config.changes import Difference, differences, in_effect
from twistedmail_mta.config.limits import limits_of
from twistedmail_mta.config.load import parse_site
from twistedmail_mta.config.problems import ConfigError
from twistedmail_mta.config.site import CertificateTable, Site

ACME = '[acme]\ndirectory = "https://ca.test/dir"\nagree = true\n'
TLS = '[tls]\ncertificate = "c.pem"\nkey = "k.pem"\n'
HTTP = '[listen.http]\nendpoint = "tcp:80"\nrole = "acme"\n'
ALPN = '[listen.alpn]\nendpoint = "tcp:443"\nrole = "acme"\ntls = "implicit"\n'
BASE = """\
config_version = 1
[server]
hostname = "mail.example.org"
state_dir = "state"
admin = "postmaster@example.org"
[listen.submission]
endpoint = "tcp:587"
role = "submission"
"""


def site(*tables: str) -> Site:
    return parse_site(BASE + "".join(tables), Path("/etc/mta"), "mta.toml")


def problems(*tables: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        site(*tables)
    return [str(problem) for problem in caught.value.problems]


def test_where_the_certificates_are() -> None:
    """One file for each name, with its key; the hostname's is shown by default."""
    folder = Path("/etc/mta/state/acme")
    read = site(ACME, 'names = ["mail.Example.com", "mail.example.org"]\n', HTTP)

    assert read.acme_names == ("mail.example.org", "mail.example.com")
    assert read.certificates is not None
    assert read.certificates.certificate == read.certificates.key == folder / "mail.example.org.pem"
    other = folder / "mail.example.com.pem"
    assert read.certificates.names == {
        "mail.example.com": CertificateTable.model_construct(certificate=other, key=other)
    }


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        ('{ id = "c" }', "needs either key_file or key"),
        ('{ id = "c", key = "secret" }', 'must be "env:NAME" or "credential:NAME"'),
        ('{ id = "", key = "env:K" }', "acme.external_account.id"),
        ('{ key = "env:K" }', "acme.external_account.id"),
    ],
)
def test_mistakes_about_an_external_account(table: str, expected: str) -> None:
    """Each is told with its place, and the key never stands in the file."""
    (problem,) = problems(ACME, f"external_account = {table}\n", HTTP)

    assert "acme.external_account" in problem
    assert expected in problem


def test_where_the_key_of_an_external_account_is() -> None:
    """A file beside the site file, or what the environment has."""
    for table, source in (
        ('{ id = "c", key_file = "ca.key" }', "file:/etc/mta/ca.key"),
        ('{ id = "c", key = "env:K" }', "env:K"),
    ):
        read = site(ACME, f"external_account = {table}\n", HTTP)

        assert read.acme is not None
        assert read.acme.external_account is not None
        assert read.acme.external_account.key_source == source


def test_certificates_of_files() -> None:
    """Without [acme] they are what [tls] says."""
    read = site(TLS)

    assert read.certificates is read.tls


@pytest.mark.parametrize(
    ("tables", "expected"),
    [
        (
            ('[acme]\ndirectory = "https://ca.test/dir"\n', HTTP),
            "acme.agree: is missing",
        ),
        (
            (ACME.replace("true", "false"), HTTP),
            "acme.agree: must be true: nothing is asked for before the authority's terms of service are agreed to",
        ),
        (
            (ACME.replace("https", "http"), HTTP),
            "acme.directory: must be the https:// URL of an authority's directory (RFC 8555 section 6.1)",
        ),
        (
            (ACME, 'names = ["*.example.org"]\n', HTTP),
            "acme.names[0]: '*.example.org' is no domain name",
        ),
        (
            (ACME,),
            'acme.challenge: http-01 is answered by a listener of role "acme", reached on port 80; there is none',
        ),
        (
            (ACME, ALPN),
            'acme.challenge: http-01 is answered by a listener of role "acme", reached on port 80; there is none',
        ),
        (
            (ACME, 'challenge = "tls-alpn-01"\n', HTTP),
            (
                'acme.challenge: tls-alpn-01 is answered by a listener of role "acme" or "mta-sts" '
                'with tls = "implicit", reached on port 443; there is none'
            ),
        ),
        (
            (ACME, 'challenge = "dns-01"\n', HTTP),
            'acme.challenge: must be "http-01" or "tls-alpn-01"',
        ),
        ((ACME, TLS, HTTP), "tls: has no meaning beside [acme], which provides the certificates"),
        ((TLS, HTTP), "listen.http.role: answers an authority's challenges, and there is no [acme]"),
    ],
)
def test_one_mistake(tables: tuple[str, ...], expected: str) -> None:
    """Each in words, with its key path."""
    assert problems(*tables) == [expected]


@pytest.mark.parametrize(
    "key", ["strict = true", 'vrfy = "login"', "limits.idle = '1m'", "limits.errors = 3", "limits.recipients = 3"]
)
def test_what_has_no_meaning_where_challenges_are_answered(key: str) -> None:
    """No mail is taken there, and none fetched."""
    (problem,) = problems(ACME, HTTP, key)

    assert problem.endswith(f"{key.partition(' ')[0]} has no meaning on a listener of role acme")


def test_connections_of_one_network() -> None:
    """Are bounded there as well."""
    read = site(ACME, HTTP, "limits.connections_per_client = 3\n")

    assert limits_of(read, "http").connections_per_client == 3


def test_names_that_come_count_at_once() -> None:
    """A customer's name needs no restart."""
    old, new = site(ACME, HTTP), site(ACME, 'names = ["mail.example.com"]\n', HTTP)

    assert differences(old, new) == [Difference("acme.names", True)]
    assert in_effect(old, new).acme_names == ("mail.example.org", "mail.example.com")


def test_another_challenge_needs_a_restart() -> None:
    """So does its listener."""
    old, new = site(ACME, HTTP), site(ACME, 'challenge = "tls-alpn-01"\n', ALPN)

    assert {(each.path, each.is_live) for each in differences(old, new)} == {
        ("acme.challenge", False), ("listen.http", False), ("listen.alpn", False),
    }  # fmt: skip
    assert in_effect(old, new).acme == old.acme


def test_certificates_from_elsewhere_need_a_restart() -> None:
    """Both ways."""
    files, provided = site(TLS), site(ACME, HTTP)

    for old, new in ((files, provided), (provided, files)):
        assert [each.is_live for each in differences(old, new)] == [False] * 3
        assert (in_effect(old, new).tls, in_effect(old, new).acme) == (old.tls, old.acme)
