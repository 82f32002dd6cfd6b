"""What `mta import` says, for people and as JSON."""

from __future__ import annotations

import re
import shlex
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click

from twistedmail_mta.cli.import_entering import Brought
from twistedmail_mta.cli.quickstart_steps import Step
from twistedmail_mta.cli.site import Invocation, print_json, print_table, printable
from twistedmail_mta.directory.aliases import shown
from twistedmail_mta.migrating.draft import Draft
from twistedmail_mta.migrating.findings import Finding

_WORDS = {"mapped": "mapped", "default": "nothing to do", "unmapped": "CAN'T BE"}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of an import.

    Attributes:
        site_file: of the new site.
        was_there: it was there before, and stayed as it was.
        text: what would be in it, where nothing is to be changed.
        steps: files that were made.
        brought: accounts and aliases.
        draft: everything that was read.
    """

    site_file: Path
    was_there: bool
    text: str
    steps: list[Step]
    brought: Brought
    draft: Draft

    @property
    def commands(self) -> list[str]:
        """What remains to be done, with the site file named where it is needed."""
        ours = f"mta --config {shlex.quote(str(self.site_file))} "
        return [re.sub(r"^mta ", lambda _: ours, command) for command in self.draft.commands]

    @property
    def is_whole(self) -> bool:
        """Whether nobody has to look at anything."""
        return not self.brought.refused and all(each.outcome != "unmapped" for each in self.draft.findings)


def print_outcome(invocation: Invocation, outcome: Outcome) -> None:
    """Print it."""
    if invocation.as_json:
        print_json(_described(outcome))
        return
    if outcome.text:
        click.echo(outcome.text)
    for step in outcome.steps:
        click.echo(f"{step.state}: {step.what}")
    if outcome.was_there:
        click.echo(f"{outcome.site_file} was there and stays as it is: --dry-run prints what would be in it.")
    rows = [_row(each) for each in outcome.draft.findings]
    print_table(("Where", "Setting", "Outcome", "Here", "What to do"), rows, "No setting was found.")
    for words in _summary(outcome):
        click.echo(printable(words))


def _row(finding: Finding) -> tuple[str, ...]:
    place = "" if finding.place is None else str(finding.place)
    return (place, finding.source, _WORDS[finding.outcome], finding.key, finding.advice)


def _summary(outcome: Outcome) -> Iterator[str]:
    counts, brought = Counter(each.outcome for each in outcome.draft.findings), outcome.brought
    there = f", {brought.there} were there" if brought.there else ""
    yield ""
    yield f"Accounts: {brought.accounts}{there}. Aliases: {brought.aliases}."
    yield (
        f"Settings: {counts['mapped']} mapped, {counts['default']} need nothing, {counts['unmapped']} can't be mapped."
    )
    yield from brought.refused
    if outcome.draft.commands:
        yield ""
        yield "What remains to be done by hand:"
        yield from (f"  {command}" for command in outcome.commands)
    yield f"  mta --config {outcome.site_file} check"


def _described(outcome: Outcome) -> dict[str, object]:
    brought, draft = outcome.brought, outcome.draft
    return {
        "site_file": str(outcome.site_file),
        "was_there": outcome.was_there,
        "site": outcome.text or None,
        "steps": [{"state": step.state, "what": step.what} for step in outcome.steps],
        "accounts": {
            "imported": brought.accounts,
            "there": brought.there,
            "names": list(draft.accounts),
            "without_password": [each.name for each in draft.accounts.values() if each.stored is None],
        },
        "aliases": {
            "imported": brought.aliases,
            "list": [
                {"address": shown(each.address), "targets": list(each.targets)} for each in draft.aliases.values()
            ],
        },
        "refused": list(brought.refused),
        "findings": [
            {
                "file": each.place.file if each.place else None,
                "line": each.place.line if each.place and each.place.line else None,
                "setting": each.setting,
                "value": each.value,
                "outcome": each.outcome,
                "key": each.key,
                "advice": each.advice,
            }
            for each in draft.findings
        ],
        "commands": outcome.commands,
    }
