"""[[checker]]: each kind has its own keys, and each mistake the path of its key."""

from __future__ import annotations

from pathlib import Path

import pytest

from twistedmail_mta.config.checking import CheckerTable, InternalTable, PasswdFileTable
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


KINDS = '"internal" or "passwd-file"'


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
    ],
)
def test_mistakes(text: str, problem: str) -> None:
    """Each is told in words, with the key it is in."""
    (told,) = problems(text)

    assert told.startswith(problem)
