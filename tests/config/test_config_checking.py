"""[[checker]]: each kind has its own keys, and each mistake the path of its key."""

from __future__ import annotations

from pathlib import Path

import pytest

from twistedmail_mta.config.checking import (
    CheckerTable,
    InternalTable,
    LDAPServer,
    LDAPTable,
    PAMTable,
    PasswdFileTable,
)
from twistedmail_mta.config.load import parse_site
from twistedmail_mta.config.problems import ConfigError

BASE = """\
config_version = 1
[server]
hostname = "mail.example.org"
state_dir = "state"
admin = "postmaster@example.org"
[listen.mx]
endpoint = "tcp:25"
role = "mx"
"""


def checkers(text: str) -> tuple[CheckerTable, ...]:
    return parse_site(BASE + text, Path("/etc/mta"), "mta.toml").checker


def problems(text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        checkers(text)
    return [str(problem) for problem in caught.value.problems]


def test_none() -> None:
    """Without any the list is empty: the internal one is asked."""
    assert checkers("") == ()


def test_in_file_order() -> None:
    """They are asked as they stand; relative paths begin at the site file."""
    file, internal = checkers(
        '[[checker]]\nuse = "passwd-file"\npath = "users"\ndomain = "Example.ORG"\n'
        '[[checker]]\nuse = "internal"\ndomains = ["bücher.example"]\n'
    )

    assert isinstance(file, PasswdFileTable)
    assert (file.path, file.domain, file.domains) == (Path("/etc/mta/users"), "example.org", ())
    assert isinstance(internal, InternalTable)
    assert internal.domains == ("xn--bcher-kva.example",)


def test_directories_and_pam() -> None:
    """Their keys have defaults; a URL says host, port and kind of TLS."""
    ldap, template, pam = checkers(
        '[[checker]]\nuse = "ldap"\nurl = "ldaps://ldap.example.org"\nbase = "dc=x"\nfilter = "(mail={address})"\n'
        'auth = { user = "cn=mta", password_file = "secret" }\nca_file = "ca.pem"\ntimeout = "2s"\n'
        '[[checker]]\nuse = "ldap"\nurl = "ldap://[::1]:3890/"\ntls = "none"\nuser_dn = "mail={local}@{domain},dc=x"\n'
        '[[checker]]\nuse = "pam"\nuser = "local"\ndomains = ["example.org"]\n'
    )

    assert isinstance(ldap, LDAPTable)
    assert ldap.server == LDAPServer("ldap.example.org", 636, implicit_tls=True)
    assert (ldap.tls, ldap.connections, ldap.timeout, ldap.ca_file) == ("required", 8, 2.0, Path("/etc/mta/ca.pem"))
    assert ldap.auth is not None
    assert ldap.auth.login.password_source == "file:/etc/mta/secret"
    assert isinstance(template, LDAPTable)
    assert template.server == LDAPServer("::1", 3890, implicit_tls=False)
    assert isinstance(pam, PAMTable)
    assert (pam.service, pam.timeout, pam.connections) == ("mta", 10.0, 4)


def test_examples_of_the_sample() -> None:
    """What the sample shows in comments can be used as it stands, and says the defaults."""
    text = (Path(__file__).parents[2] / "etc" / "mta.toml").read_text()
    section = text.partition("# Who judges passwords")[2].partition("# Plugins: ")[0]

    shown = checkers("".join(line.removeprefix("#   ") + "\n" for line in section.splitlines() if "#   " in line[:4]))

    assert [table.use for table in shown] == ["internal", "passwd-file", "ldap", "pam"]
    for table, names in zip(
        shown[2:], (("timeout", "connections"), ("timeout", "connections", "service")), strict=True
    ):
        for name in names:
            assert getattr(table, name) == type(table).model_fields[name].default


@pytest.mark.parametrize(
    ("url", "server"),
    [
        ("ldap://h", LDAPServer("h", 389, implicit_tls=False)),
        ("ldaps://192.0.2.1:7", LDAPServer("192.0.2.1", 7, implicit_tls=True)),
        ("ldapi://%2Frun%2Fslapd%2FLDAPI", LDAPServer("/run/slapd/LDAPI", 0, implicit_tls=False)),
    ],
)
def test_urls(url: str, server: LDAPServer) -> None:
    """Ports have defaults; the path of a socket keeps its letters."""
    (table,) = checkers(ldap(url))

    assert isinstance(table, LDAPTable)
    assert table.server == server


def ldap(url: str, more: str = 'user_dn = "mail={address}"') -> str:
    return f'[[checker]]\nuse = "ldap"\nurl = "{url}"\n{more}\n'


URL = "checker[0]: url must be ldaps://HOST"
CLEAR = 'checker[0]: tls = "none" is for ldap:// to this host alone'
WAYS = "checker[0]: needs either user_dn, or base and filter"
NAMES = "must hold {address}, or {local} and {domain}, where the name goes"
KINDS = '"internal", "passwd-file", "ldap" or "pam"'


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[[checker]]\n", "checker[0].use: is missing"),
        ('[[checker]]\nuse = "internal"\n[[checker]]\nuse = "sql"\n', f"checker[1].use: must be {KINDS}"),
        ("[[checker]]\nuse = 3\n", f"checker[0].use: must be {KINDS}"),
        ("[checker]\nuse = 'internal'\n", "checker: must be an array"),
        ('[[checker]]\nuse = "passwd-file"\n', "checker[0].path: is missing"),
        ('[[checker]]\nuse = "internal"\npath = "x"\n', "checker[0].path: is unknown"),
        (
            '[[checker]]\nuse = "passwd-file"\npath = "x"\ndomian = "y"\n',
            "checker[0].domian: is unknown; did you mean domain?",
        ),
        (
            '[[checker]]\nuse = "passwd-file"\npath = "x"\ndomain = "a b"\n',
            "checker[0].domain: 'a b' is no domain name",
        ),
        ('[[checker]]\nuse = "internal"\ndomains = ["-"]\n', "checker[0].domains[0]: '-' is no domain name"),
        ('[[checker]]\nuse = "internal"\n' * 2, 'checker: names use = "internal" twice'),
        (ldap("http://h"), URL),
        (ldap("ldap://"), URL),
        (ldap("ldap://h:0"), URL),
        (ldap("ldap://h:99999"), URL),
        (ldap("ldap://u@h"), URL),
        (ldap("ldap://h/dc=example"), URL),
        (ldap("ldapi:///run/ldapi"), URL),
        (ldap("ldap://h", 'tls = "none"\nuser_dn = "mail={address}"'), CLEAR),
        (ldap("ldap://192.0.2.1", 'tls = "none"\nuser_dn = "mail={address}"'), CLEAR),
        (ldap("ldaps://localhost", 'tls = "none"\nuser_dn = "mail={address}"'), CLEAR),
        (ldap("ldap://h", 'tls = "off"\nuser_dn = "mail={address}"'), 'checker[0].tls: must be "required" or "none"'),
        (ldap("ldap://h", ""), WAYS),
        (ldap("ldap://h", 'base = "dc=x"'), WAYS),
        (ldap("ldap://h", 'user_dn = "mail={address}"\nbase = "dc=x"\nfilter = "(mail={address})"'), WAYS),
        (ldap("ldap://h", 'user_dn = "mail={address}"\nbase = "dc=x"'), WAYS),
        (ldap("ldap://h", 'user_dn = "uid=x"'), f"checker[0].user_dn: {NAMES}"),
        (ldap("ldap://h", 'user_dn = "uid={name}"'), f"checker[0].user_dn: {NAMES}"),
        (ldap("ldap://h", 'base = "dc=x"\nfilter = "(mail=%u)"'), f"checker[0].filter: {NAMES}"),
        (ldap("ldap://h", 'user_dn = "uid={local}"'), "checker[0]: user_dn leaves the domain out of the name"),
        (
            ldap("ldap://h", 'base = "x"\nfilter = "(uid={local})"'),
            "checker[0]: filter leaves the domain out of the name",
        ),
        (
            ldap("ldap://h", 'user_dn = "mail={address}"\nauth = { user = "x", password = "env:X" }'),
            "checker[0]: auth has no meaning with user_dn",
        ),
        (
            ldap("ldap://h", 'base = "x"\nfilter = "(mail={address})"\nauth = { user = "x" }'),
            "checker[0].auth: needs either password_file or password",
        ),
        ('[[checker]]\nuse = "pam"\nuser = "local"\n', 'checker[0]: user = "local" leaves the domain out of the name'),
        ('[[checker]]\nuse = "pam"\nservice = "../x"\n', "checker[0].service: must be the name of a file in"),
        ('[[checker]]\nuse = "pam"\nservise = "x"\n', "checker[0].servise: is unknown; did you mean service?"),
    ],
)
def test_mistakes(text: str, problem: str) -> None:
    """Each is told in words, with the key it is in."""
    (told,) = problems(text)

    assert told.startswith(problem)
