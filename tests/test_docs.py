"""What the documents say can be followed: links lead somewhere, commands and options exist, code can be read."""

from __future__ import annotations

import ast
import re
import shlex
import tomllib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import click
import pytest

from twistedmail_mta.cli.main import mta

ROOT: Final = Path(__file__).resolve().parent.parent
DOCUMENTS: Final = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
_BLOCK: Final = re.compile(r"^( *)```(\w*)\n(.*?)^\1```$", re.DOTALL | re.MULTILINE)
_CODE: Final = re.compile(r"`[^`]*`")
_LINK: Final = re.compile(r"\]\(([^)\s]+)\)")
_HEADING: Final = re.compile(r"^#{1,6} +(.+?)\s*$", re.MULTILINE)
_FORM: Final = re.compile(r"[|\[\]]|\.\.\.|\u2026")
"""What shows a form of command lines rather than one."""


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block of code.

    Attributes:
        place: file and line.
        language: as the fence says.
        text: what stands between the fences, without their indentation.
    """

    place: str
    language: str
    text: str


def _blocks() -> Iterator[Block]:
    for document in DOCUMENTS:
        text = document.read_text()
        for found in _BLOCK.finditer(text):
            place = f"{document.relative_to(ROOT)}:{text.count(chr(10), 0, found.start()) + 1}"
            yield Block(place, found[2], re.sub(f"^{found[1]}", "", found[3], flags=re.MULTILINE))


def _anchors(document: Path) -> set[str]:
    """Return the anchors of the headings of a document, as GitHub makes them."""
    seen: Counter[str] = Counter()
    anchors = set()
    for found in _HEADING.finditer(_BLOCK.sub("", document.read_text())):
        name = re.sub(r"[^\w\- ]", "", found[1].lower()).replace(" ", "-")
        anchors.add(f"{name}-{seen[name]}" if seen[name] else name)
        seen[name] += 1
    return anchors


def _dead_links(document: Path) -> list[str]:
    """Return the relative links of a document that lead nowhere."""
    prose = _CODE.sub("", _BLOCK.sub("", document.read_text()))
    return [link for link in _LINK.findall(prose) if "://" not in link and not _leads(document, link)]


def _leads(document: Path, link: str) -> bool:
    if link.startswith("mailto:"):
        return True
    path, _, anchor = link.partition("#")
    target = (document.parent / path) if path else document
    return target.exists() and (not anchor or anchor in _anchors(target))


def _command_lines() -> Iterator[tuple[str, list[str]]]:
    """Yield each `mta` command line of the documents, shown after a prompt or in a sentence, with its place."""
    for block in BLOCKS:
        for line in re.findall(r"^[$#] mta (.*)$", block.text, re.MULTILINE):
            yield block.place, shlex.split(line)
    for document in DOCUMENTS:
        for code in _CODE.findall(_BLOCK.sub("", document.read_text())):
            words = code.strip("`").split()
            if words and words[0] == "mta" and not _FORM.search(code):
                yield document.name, words[1:]


def _parse(command: click.Command, words: list[str], parent: click.Context | None = None) -> None:
    """Read a command line as click does, without running it.

    Raises:
        click.UsageError: a command or option isn't there, or there are too many arguments.
    """
    context = click.Context(command, info_name=command.name, parent=parent)
    _, rest, _ = command.make_parser(context).parse_args(list(words))
    if not isinstance(command, click.Group):
        if rest:
            raise click.UsageError(f"too many arguments: {rest}")
    elif rest:
        _, inner, further = command.resolve_command(context, rest)
        if inner is None:
            raise click.UsageError(f"no command {rest[0]}")
        _parse(inner, further, context)


BLOCKS: Final = list(_blocks())
COMMANDS: Final = [pytest.param(words, id=f"{place} {shlex.join(words)}") for place, words in _command_lines()]


def _of(*languages: str) -> list[object]:
    return [pytest.param(block, id=block.place) for block in BLOCKS if block.language in languages]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda each: each.name)
def test_links_lead_somewhere(document: Path) -> None:
    """Files that documents link to exist, and so do the headings in them."""
    assert _dead_links(document) == []


def test_dead_links_are_seen(tmp_path: Path) -> None:
    """A file and a heading that aren't there are told; code and other sites aren't looked at."""
    document = tmp_path / "a.md"
    document.write_text(
        "# One `two`: three\n# Same\n# Same\n[a](#one-two-three) [b](#same-1) [c](#same-2) [d](b.md)\n"
        "[e](https://example.org/) `[f](c.md)`\n```toml\n# [g](d.md)\n```\n[h](a.md#toml)\n"
    )

    assert _dead_links(document) == ["#same-2", "b.md", "a.md#toml"]


@pytest.mark.parametrize("words", COMMANDS)
def test_commands_exist(words: list[str]) -> None:
    """Every command line in a document names commands and options that there are; a last option may lack its value."""
    try:
        _parse(mta, words)
    except click.BadOptionUsage as error:
        assert error.option_name == words[-1], error.message  # noqa: PT017 - a sentence that names the option


@pytest.mark.parametrize("words", [["quue"], ["queue", "--no-such"], ["reload", "now"]], ids=shlex.join)
def test_wrong_commands_are_seen(words: list[str]) -> None:
    """A command, an option and an argument that don't exist are told."""
    with pytest.raises(click.UsageError):
        _parse(mta, words)


@pytest.mark.parametrize("block", _of("python"))
def test_python_can_be_read(block: Block) -> None:
    """Python in documents compiles."""
    ast.parse(block.text)


@pytest.mark.parametrize("block", _of("toml"))
def test_toml_can_be_read(block: Block) -> None:
    """TOML in documents is TOML."""
    tomllib.loads(block.text)
