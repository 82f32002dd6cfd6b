"""[mta_sts]: the policies that come of it, the certificates they need, and what can be wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from twistedmail_mta.config.changes import Difference, differences, in_effect
from twistedmail_mta.config.load import parse_site
from twistedmail_mta.config.problems import ConfigError
from twistedmail_mta.config.site import Site
from twistedmail_mta.mta_sts.policy import Policy

TLS = '[tls]\ncertificate = "c.pem"\nkey = "k.pem"\n'
ACME = '[acme]\ndirectory = "https://ca.test/dir"\nagree = true\n'
HTTP = '[listen.http]\nendpoint = "tcp:80"\nrole = "acme"\n'
LISTENER = '[listen.sts]\nendpoint = "tcp:443"\nrole = "mta-sts"\ntls = "implicit"\n'
STS = "[mta_sts]\n"
BASE = """\
config_version = 1
[server]
hostname = "mail.example.org"
state_dir = "state"
admin = "postmaster@example.org"
[domains."example.org"]
[domains."shop.example"]
alias_of = "example.org"
[domains."example.com"]
relay_to = "smtp://10.0.0.7:25"
[listen.mx]
endpoint = "tcp:25"
role = "mx"
"""
WEEK = 604800


def site(*tables: str, base: str = BASE) -> Site:
    return parse_site(base + "".join(tables), Path("/etc/mta"), "mta.toml")


def problems(*tables: str, base: str = BASE) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        site(*tables, base=base)
    return [str(problem) for problem in caught.value.problems]


def test_without_it() -> None:
    """There are no policies."""
    assert site(TLS).policies == {}


def test_policies() -> None:
    """Of the domains that the file hosts, aliases too: only tested, and naming the host that MX records name."""
    policy = Policy("testing", WEEK, ("mail.example.org",))

    assert site(TLS, LISTENER, STS).policies == {"example.org": policy, "shop.example": policy}


def test_what_differs() -> None:
    """For some domains; and domains that the database has, or that are sent on, are named."""
    said = 'mode = "enforce"\nmx = ["MX1.example.org", "*.example.org"]\ndomains = ["example.com", "Added.example"]\n'
    own = '[mta_sts.names."example.com"]\nmode = "none"\nmax_age = "1d"\nmx = "mx.example.com"\n'

    assert site(TLS, LISTENER, STS, said, own).policies == {
        "example.com": Policy("none", 86400, ("mx.example.com",)),
        "added.example": Policy("enforce", WEEK, ("mx1.example.org", "*.example.org")),
    }


def test_certificates_are_asked_for() -> None:
    """Of [acme], for each name that a policy is fetched from."""
    names = ("mail.example.org", "mta-sts.example.org", "mta-sts.shop.example")
    read = site(ACME, HTTP, LISTENER, STS)

    assert read.acme_names == names
    assert read.certificates is not None
    assert tuple(read.certificates.names) == names[1:]


def test_its_listener_answers_the_authority() -> None:
    """tls-alpn-01 needs port 443, too."""
    assert site(ACME, 'challenge = "tls-alpn-01"\n', LISTENER, STS).acme is not None


def test_a_change_counts_at_once() -> None:
    """No restart is needed, and another policy is one of the things that changed."""
    old = site(TLS, LISTENER, STS)
    new = site(TLS, LISTENER, STS, 'mode = "enforce"\n')

    assert differences(old, new) == [Difference("mta_sts.mode", True)]
    assert in_effect(old, new).policies == new.policies != old.policies


@pytest.mark.parametrize(
    ("tables", "expected"),
    [
        (
            (TLS, STS),
            (
                'mta_sts: its policies are handed out by a listener of role "mta-sts" and tls = "implicit", '
                "reached on port 443; there is none"
            ),
        ),
        ((TLS, LISTENER), "listen.sts.role: hands out policies, and there is no [mta_sts]"),
        (
            (LISTENER, STS),
            "listen.sts: policies are fetched by HTTPS: give a certificate and key under [tls], or [acme]",
        ),
        (
            (TLS, LISTENER.replace('tls = "implicit"\n', ""), STS),
            'listen.sts: tls must be "implicit" on a listener of role mta-sts: policies are fetched by HTTPS',
        ),
        (
            (TLS, LISTENER, STS, '[mta_sts.names."example.com"]\n'),
            'mta_sts.names."example.com": is none of the domains of this file whose mail is kept here',
        ),
        (
            (TLS, LISTENER, STS, 'domains = ["example.com"]\n[mta_sts.names."example.org"]\n'),
            'mta_sts.names."example.org": is none of mta_sts.domains',
        ),
        ((TLS, LISTENER, STS, 'mode = "on"\n'), 'mta_sts.mode: must be "enforce", "testing" or "none"'),
        ((TLS, LISTENER, STS, "domains = []\n"), "mta_sts.domains: must not be empty"),
        ((TLS, LISTENER, STS, 'max_age = "400d"\n'), "mta_sts.max_age: must be less than or equal to 31557600"),
        (
            (TLS, LISTENER, STS, 'mx = ["*"]\n'),
            'mta_sts.mx[0]: "*" alone names no hosts: write "*.example.org", which stands for one label',
        ),
        ((TLS, LISTENER, "strict = true\n", STS), "listen.sts: strict has no meaning on a listener of role mta-sts"),
        (
            (TLS, LISTENER, "limits.idle = '1m'\n", STS),
            "listen.sts: limits.idle has no meaning on a listener of role mta-sts",
        ),
    ],
)
def test_one_mistake(tables: tuple[str, ...], expected: str) -> None:
    """Each in words, with its key path."""
    assert problems(*tables) == [expected]


def test_no_domain() -> None:
    """A file that hosts none has to name those of the database."""
    base = BASE.partition("[domains.")[0] + "[listen.mx]\nendpoint = 'tcp:25'\nrole = 'mx'\n"

    assert problems(TLS, LISTENER, STS, base=base) == [
        "mta_sts: this file has no domain whose mail is kept here; name some in mta_sts.domains"
    ]
    assert site(TLS, LISTENER, STS, 'domains = ["example.org"]\n', base=base).policies.keys() == {"example.org"}
