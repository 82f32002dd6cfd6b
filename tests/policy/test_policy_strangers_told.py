"""What docs/policies.md tells of the policies about strangers is true."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from twistedmail_mta.config.plugging import PluginTable
from twistedmail_mta.plugins import find, options_of

GUIDE = (Path(__file__).parents[2] / "docs" / "policies.md").read_text(encoding="utf-8")
SECTION = re.search(r"\n## Strangers\n(.*?)(?=\n## |\Z)", GUIDE, re.DOTALL)
NAMES = ("dnsbl", "names", "early", "greylist", "tarpit")


def told(name: str) -> str:
    """What is told of a policy."""
    assert SECTION is not None
    found = re.search(rf"\n### {name}\n(.*?)(?=\n### |\Z)", SECTION[1], re.DOTALL)
    assert found is not None
    return found[1]


@pytest.mark.parametrize("name", NAMES)
def test_examples(name: str) -> None:
    """They can be used as they are."""
    example = "\n".join(re.findall(r"^    (.*)$", told(name), re.MULTILINE))
    table = PluginTable.model_validate(tomllib.loads(example)["plugins"][name])

    assert options_of(find(table.use), table.options, {})


@pytest.mark.parametrize("name", NAMES)
def test_options(name: str) -> None:
    """Every option is told, with its default where that is a plain one."""
    options: dict[str, Any] = find(name).options.model_fields
    rows = dict(re.findall(r"^\| `(\w+)` \| ([^|]*?) *\|", told(name), re.MULTILINE))

    assert set(options) - {"exempt_networks", "exempt_recipients"} <= set(rows)
    for option, default in rows.items():
        if option in options and re.fullmatch(r'`"\w+"`|\d+', default):
            read = find(name).options.model_validate(
                {**_needed(name), option: tomllib.loads(f"x={default.strip('`')}")["x"]}
            )
            assert getattr(read, option) == options[option].default, option


def _needed(name: str) -> dict[str, Any]:
    return {"zones": [{"zone": "bl.test"}]} if name == "dnsbl" else {}
