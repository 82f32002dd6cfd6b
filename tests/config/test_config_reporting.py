"""[reports]: where reports of others come to; each mistake the path of its key."""

from __future__ import annotations

from pathlib import Path

import pytest

from twistedmail_mta.config.load import parse_site
from twistedmail_mta.config.problems import ConfigError
from twistedmail_mta.config.reporting import ReportsTable
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
[domains."relayed.test"]
relay_to = "mx"
[domains."kept.test"]
"""


def table(text: str) -> ReportsTable:
    return parse_site(BASE + text, Path("/etc/mta"), "mta.toml").reports


def test_without_it() -> None:
    """Nothing is read; what would be is kept, and its mail too."""
    found = table("")
    assert (found.inbox, found.about, found.after_reading, found.keep) == ((), (), "keep", 400 * 86400.0)


def test_one_or_several() -> None:
    """A lone address does; addresses are in their normal form."""
    assert table('[reports]\ninbox = "r@Kept.test"\n').inbox == (Address("r", "kept.test"),)
    found = table(
        '[reports]\ninbox = ["a@kept.test", "b@elsewhere.test"]\nabout = ["Shop.test"]\n'
        'after_reading = "trash"\nkeep = "30d"\n'
    )
    assert len(found.inbox) == 2
    assert (found.about, found.after_reading, found.keep) == (("shop.test",), "trash", 30 * 86400.0)


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ('inbox = "r"', "reports.inbox"),
        ('inbox = ["r@relayed.test"]', "mail for relayed.test isn't kept here"),
        ('inbox = "r@Relayed.test"', "mail for relayed.test isn't kept here"),
        ("inbox = 5", "reports.inbox"),
        (f"inbox = {[f'r{n}@kept.test' for n in range(11)]}", "reports.inbox"),
        ('after_reading = "burn"', "reports.after_reading"),
        ('keep = "0s"', "reports.keep"),
        ('about = ["not a domain"]', "reports.about"),
    ],
)
def test_mistakes(line: str, problem: str) -> None:
    """Each names its key."""
    with pytest.raises(ConfigError) as caught:
        table(f"[reports]\n{line}\n")
    assert problem in str(caught.value)
    assert "reports." in str(caught.value)
