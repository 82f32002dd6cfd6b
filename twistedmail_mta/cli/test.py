"""`mta test`: holds the site against a file that says what should happen to mail."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import click

from twistedmail_mta.cli.explain_asking import answers_to
from twistedmail_mta.cli.site import Invocation, pass_invocation, print_json, printable
from twistedmail_mta.explain.comparing import Difference, differences
from twistedmail_mta.explain.question import Question
from twistedmail_mta.explain.situations import SituationsError, TestTable, read_situations


@dataclass(frozen=True, slots=True)
class Result:
    """What came of one test.

    Attributes:
        name: what it shows.
        differences: what isn't as expected.
        error: why it couldn't be asked; empty if it could.
        reply: the deciding one.
        question: what was asked.
    """

    name: str
    differences: Sequence[Difference]
    error: str
    reply: str
    question: Question

    @property
    def passed(self) -> bool:
        """Whether all is as expected."""
        return not self.error and not self.differences


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@pass_invocation
def test(invocation: Invocation, file: Path) -> None:
    """Hold the site against FILE, which says what should happen to mail.

    Each [[test]] is a session, asked as by `mta explain`: of the running
    server, or of the site file where none runs.  Nothing comes of it.  The exit
    status is 0 if all is as expected, and 1 if not.
    """
    try:
        situations = read_situations(file)
    except SituationsError as error:
        raise click.ClickException(str(error)) from error
    answers = answers_to(invocation, [question for _, question in situations])
    results = [_result(*each, answer) for each, answer in zip(situations, answers, strict=True)]
    if invocation.as_json:
        print_json(_as_object(results))
    else:
        click.echo("\n".join(printable(line) for line in _lines(results)))
    if not all(each.passed for each in results):
        raise SystemExit(1)


def _result(table: TestTable, question: Question, answer: dict[str, Any]) -> Result:
    if "error" in answer:
        return Result(table.name, (), answer["error"], "", question)
    return Result(table.name, differences(table.expect, answer), "", answer["reply"], question)


def _as_object(results: Sequence[Result]) -> dict[str, Any]:
    tests = [
        {
            "name": each.name,
            "passed": each.passed,
            "reply": each.reply,
            "error": each.error or None,
            "differences": [asdict(difference) for difference in each.differences],
        }
        for each in results
    ]
    passed = sum(each.passed for each in results)
    return {"passed": passed, "failed": len(results) - passed, "tests": tests}


def _lines(results: Sequence[Result]) -> Iterator[str]:
    for each in results:
        yield f"{'ok' if each.passed else 'FAILED':7} {each.name}"
        if each.passed:
            continue
        if each.error:
            yield f"        it can't be asked: {each.error}"
        for difference in each.differences:
            yield f"        {difference.key}: expected {difference.expected}, but found {difference.found}"
        if each.reply:
            yield f"        the reply was {each.reply}"
        yield f"        see: {command_of(each.question)}"
    passed = sum(each.passed for each in results)
    yield f"{passed} passed, {len(results) - passed} failed"


def command_of(question: Question) -> str:
    """Return the `mta explain` that asks the same, but for a message."""
    words = ["mta", "explain", "session", "--from-ip", question.from_ip, "--helo", question.helo]
    words += ["--listener", question.listener] if question.listener else []
    words += ["--account", question.account] if question.account else []
    words += [] if question.tls is None else ["--tls" if question.tls else "--no-tls"]
    words += ["--from", question.sender] if question.sender else []
    words += [word for each in question.recipients for word in ("--to", each)]
    words += ["--size", str(question.size)] if question.size is not None else []
    words += ["--data", "FILE"] if question.data is not None else []
    return shlex.join(words)
