"""How plugins are found and looked at; one that can't be had is told of in words."""

from __future__ import annotations

from configparser import ConfigParser
from pathlib import Path

import pytest

from twistedmail_mta.plugins import GROUP, PluginError, find
from twistedmail_mta.shipped import SHIPPED

ROOT = Path(__file__).parents[1]


# What ships


def test_what_ships_is_offered_to_others() -> None:
    """setup.cfg and the table of a checkout name the same plugins."""
    parser = ConfigParser(delimiters="=")
    parser.optionxform = str  # type: ignore[assignment, method-assign]
    parser.read(ROOT / "setup.cfg")
    lines = parser["options.entry_points"][GROUP].split("\n")

    offered = dict(line.replace(" ", "").split("=") for line in lines if line)

    assert offered == SHIPPED


def test_everything_that_ships_is_found() -> None:
    """By its name, without an installed package."""
    for name in SHIPPED:
        assert callable(find(name).make)


def test_nobody_takes_the_name_of_what_ships(monkeypatch: pytest.MonkeyPatch) -> None:
    """A plugin that ships is found first."""
    monkeypatch.setitem(SHIPPED, "ours", "twistedmail_mta.plugins:NoSuchPlugin")  # type: ignore[arg-type]

    with pytest.raises(PluginError, match=r"^twistedmail_mta\.plugins, .* has no NoSuchPlugin$"):
        find("ours")
