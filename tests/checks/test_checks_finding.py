"""A finding: its lines, its JSON, and that none of them leaves an operator without advice."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from running_site import CHECKOUT

from twistedmail_mta.checks.finding import Finding, about, as_object, errors_of

PLACES = [*(CHECKOUT / "twistedmail_mta" / "checks").glob("*.py"), *(CHECKOUT / "twistedmail_mta" / "cli").glob("*.py")]
MEND = 4
"""The place of the advice among the arguments."""


def bare_findings(file: Path) -> Iterator[int]:
    """Yield the lines where something wrong is told without a word on how to mend it."""
    tree = ast.parse(file.read_text())
    modules = {node.module: node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    if file.parent.name != "checks" and "twistedmail_mta.checks.finding" not in modules:
        return  # what is called so there is something else
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Finding":
            level = node.args[0]
            is_note = isinstance(level, ast.Constant) and level.value == "note"
            if not is_note and len(node.args) < MEND:
                yield node.lineno


@pytest.mark.parametrize("file", PLACES, ids=lambda file: f"{file.parent.name}/{file.name}")
def test_whatever_is_wrong_can_be_mended(file: Path) -> None:
    """Each error and warning says how."""
    assert list(bare_findings(file)) == []


def test_the_search_finds_something(tmp_path: Path) -> None:
    """One that has no advice is seen, one that has, and a note, aren't."""
    folder = tmp_path / "checks"
    folder.mkdir()
    file = folder / "example.py"
    file.write_text('Finding("note", "x", "y")\nFinding("error", "x", "y", "z")\nFinding("error", "x", "y")\n')

    assert list(bare_findings(file)) == [3]


def test_lines() -> None:
    """What is wrong, with its key if it has one, and below it how to mend it."""
    assert str(Finding("error", "tls", "it is broken", "mend it")) == "error: tls: it is broken\n    mend it"
    assert str(Finding("note", "", "all is well")) == "note: all is well"
    assert Finding("error", "tls", "it is broken", "mend it").words == "it is broken: mend it"


def test_subjects_and_levels() -> None:
    """A subject is given to all at once; errors are those that keep a server from starting."""
    found = list(about("disk", [Finding("error", "a", "b", "c"), Finding("warning", "d", "e", "f")]))

    assert {each.subject for each in found} == {"disk"}
    assert errors_of(found) == found[:1]
    assert as_object(found[0]) == {"level": "error", "subject": "disk", "path": "a", "text": "b", "mend": "c"}
