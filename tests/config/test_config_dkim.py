"""[dkim]: times, and their absence; each mistake the path of its key."""

from __future__ import annotations

from pathlib import Path

import pytest

from twistedmail_mta.config.load import parse_site
from twistedmail_mta.config.problems import ConfigError
from twistedmail_mta.config.signing import DKIMTable

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


def table(text: str) -> DKIMTable:
    return parse_site(BASE + text, Path("/etc/mta"), "mta.toml").dkim


def test_without_it() -> None:
    """Signatures are good for ever, and keys stay until somebody rotates them."""
    assert (table("").expire, table("").rotate) == (None, None)


def test_times() -> None:
    """With their units."""
    found = table('[dkim]\nexpire = "14d"\nrotate = "90d"\n')
    assert (found.expire, found.rotate) == (14 * 86400.0, 90 * 86400.0)


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ('expire = "5h"', "dkim.expire: must be at least 1d"),
        ('rotate = "1h"', "dkim.rotate: must be at least 1d"),
        ("rotate = 90", "dkim.rotate: must be a time with its unit"),
        ('rotation = "90d"', "dkim.rotation: is unknown"),
    ],
)
def test_mistakes(line: str, problem: str) -> None:
    with pytest.raises(ConfigError) as caught:
        table(f"[dkim]\n{line}\n")
    (found,) = map(str, caught.value.problems)
    assert found.startswith(problem)
