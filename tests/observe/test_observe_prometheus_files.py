"""Alert rules and the dashboard: they speak of metrics that there are, with labels that these have."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from twistedmail_mta.observe.catalogue import FAMILIES, PROCESS

FOLDER = Path(__file__).resolve().parents[2] / "etc" / "prometheus"
RULES = (FOLDER / "alerts.yml").read_text()
DASHBOARD: dict[str, Any] = json.loads((FOLDER / "dashboard.json").read_text())
OF_PROMETHEUS = {"instance", "job"}
SERIES = {
    name: {*each.labels, *OF_PROMETHEUS, *(["le"] if each.kind == "histogram" and name.endswith("_bucket") else [])}
    for each in FAMILIES
    for name in (
        [f"{each.name}{part}" for part in ("_bucket", "_sum", "_count")] if each.kind == "histogram" else [each.name]
    )
} | dict.fromkeys((*PROCESS, "up"), OF_PROMETHEUS)
"""The labels of every series that can be asked for."""


def expressions() -> list[str]:
    """All that Prometheus is asked by the rules and the dashboard."""
    of_rules = re.findall(r"^ +expr: (.*)$", RULES, re.MULTILINE)
    of_panels = [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]
    assert of_rules
    assert of_panels
    return [*of_rules, *of_panels]


@pytest.mark.parametrize("expression", expressions())
def test_what_is_asked_for_exists(expression: str) -> None:
    """A name that changed would leave a graph empty, and an alert silent for ever."""
    found = re.findall(r"\b(mta_\w+|process_\w+|up)\b(?:\{(.*?)\})?", expression)

    assert found
    for name, selectors in found:
        assert name in SERIES
        assert {label for label, _ in re.findall(r"(\w+)(=~|!~|!=|=)", selectors)} <= SERIES[name]
    for group in re.findall(r"by \((.*?)\)", expression):
        assert any(set(re.split(r", *", group)) <= SERIES[name] for name, _ in found)


def test_every_rule_says_what_to_do() -> None:
    """What is wrong, how bad that is, and what mends it; no name twice."""
    rules = RULES.split("- alert: ")[1:]
    names = [rule.split("\n", 1)[0] for rule in rules]

    assert len(names) == len(set(names))
    for rule in rules:
        assert re.search(r"severity: (page|warn)\b", rule)
        assert re.search(r'summary: ".{15,}"', rule)
        assert re.search(r'mend: ".{15,}"', rule)


def test_values_of_labels_exist() -> None:
    """The documentation lists every value that a rule or a graph picks out."""
    document = (FOLDER.parents[1] / "docs" / "metrics.md").read_text()
    known = set(re.findall(r"`([\w-]+)`", document)) | {"mta", "wal", "database", "$instance", "error", "critical"}

    for expression in expressions():
        for values in re.findall(r'\w+(?:=~|!~|!=|=)"(.*?)"', expression):
            assert set(values.split("|")) <= known


def test_every_panel_has_its_place() -> None:
    """No two in one place, each with a title, and all about the server that was chosen."""
    places = [(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in DASHBOARD["panels"]]

    assert len(places) == len(set(places))
    assert all(panel["title"] for panel in DASHBOARD["panels"])
    assert all('instance="$instance"' in target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"])
    assert {each["name"] for each in DASHBOARD["templating"]["list"]} == {"datasource", "instance"}
