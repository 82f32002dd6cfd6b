"""Which reports a site keeps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from twistedmail_mta.composition.reported import report_reader
from twistedmail_mta.config.load import parse_site

SITE = """\
config_version = 1
[server]
hostname = "mx.isp.test"
state_dir = "state"
admin = "postmaster@example.org"
[listen.mx]
endpoint = "tcp:25"
role = "mx"
[domains."relayed.test"]
relay_to = "mx"
"""


def reader(reports: str) -> Any:
    site = parse_site(SITE + reports, Path("/etc/mta"), "mta.toml")
    nothing: Any = None
    threads: Any = type("Threads", (), {"run": None})
    return report_reader(site, nothing, nothing, nothing, nothing, threads, lambda domain: domain == "example.org")


def test_only_where_it_is_wanted() -> None:
    """Without accounts nothing is read."""
    assert reader("") is None


@pytest.mark.parametrize(
    ("domain", "kept"),
    [
        ("example.org", True),
        ("lists.example.org", True),
        ("relayed.test", True),
        ("mx.isp.test", True),
        ("shop.test", True),
        ("a.b.shop.test", True),
        ("isp.test", False),
        ("notexample.org", False),
        ("org", False),
    ],
)
def test_domains(domain: str, kept: bool) -> None:
    """Those that are hosted or relayed, this host's name, those that are named, and what is below them."""
    made = reader('[reports]\ninbox = "r@example.org"\nabout = ["shop.test"]\n')

    assert made._is_ours(domain) is kept
