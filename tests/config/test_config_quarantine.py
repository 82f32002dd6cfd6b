"""[quarantine]: limits, and their absence; each mistake the path of its key."""

from __future__ import annotations

from pathlib import Path

import pytest

from twistedmail_mta.config.load import parse_site
from twistedmail_mta.config.problems import ConfigError
from twistedmail_mta.config.quarantining import QuarantineTable
from twistedmail_mta.model import Address

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


def table(text: str) -> QuarantineTable:
    return parse_site(BASE + text, Path("/etc/mta"), "mta.toml").quarantine


def test_without_it() -> None:
    """A month, a gigabyte, in the queue."""
    found = table("")
    assert (found.keep, found.max_size, found.mailbox) == (30 * 86400.0, 1 << 30, None)


def test_limits() -> None:
    """With their units; a mailbox is an address."""
    found = table('[quarantine]\nkeep = "12h"\nmax_size = "5MB"\nmailbox = "virus@Example.ORG"\n')
    assert (found.keep, found.max_size, found.mailbox) == (43200.0, 5 << 20, Address("virus", "example.org"))


def test_no_limits() -> None:
    """Where the site wants that."""
    found = table('[quarantine]\nkeep = "none"\nmax_size = "none"\n')
    assert (found.keep, found.max_size) == (None, None)


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ('keep = "0s"', "quarantine.keep: "),
        ("keep = 30", "quarantine.keep: must be a time with its unit"),
        ('keep = "never"', "quarantine.keep: must be a time"),
        ('max_size = "0MB"', "quarantine.max_size: "),
        ('max_size = "much"', "quarantine.max_size: must be a size"),
        ('mailbox = "virus"', "quarantine.mailbox: must be an address"),
        ('size = "1MB"', "quarantine.size: is unknown"),
    ],
)
def test_mistakes(line: str, problem: str) -> None:
    with pytest.raises(ConfigError) as caught:
        table(f"[quarantine]\n{line}\n")
    (found,) = map(str, caught.value.problems)
    assert found.startswith(problem)
    assert ('or "none"' in found) == ("must be a time" in problem or "must be a size" in problem)
