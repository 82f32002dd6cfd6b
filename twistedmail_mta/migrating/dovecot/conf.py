"""dovecot.conf: settings in blocks, and what it includes (Dovecot 2.2 and 2.3)."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final

from twistedmail_mta.migrating.findings import Place
from twistedmail_mta.migrating.texts import Read

Find = Callable[[str], list[str]]
"""Returns the files that a pattern means, in their order."""

_BLOCK: Final = re.compile(r'([A-Za-z_]\w*)(?:\s+(!?(?:"[^"]*"|[^\s{]+)))?\s*\{')
_SETTING: Final = re.compile(r"([A-Za-z_][\w/.]*)\s*=\s*(.*)", re.DOTALL)
_VARIABLE: Final = re.compile(r"\$([A-Za-z_]\w*)")
_DEEPEST: Final = 10
"""How deep files may include files."""
_MOST_FILES: Final = 1000
_LONGEST: Final = 1 << 16
"""Letters that a value may become."""


@dataclass(frozen=True, slots=True)
class Setting:
    """A setting.

    Attributes:
        key: its name.
        value: its text, without quotes.
        place: where it stands.
    """

    key: str
    value: str
    place: Place


@dataclass(slots=True)
class Block:
    """A block, and all that is in it.

    Attributes:
        kind: such as "service"; empty for the whole.
        name: such as "imap-login"; may be empty.
        place: where it begins.
        settings: by key; the last one counts.
        blocks: within it.
    """

    kind: str
    name: str
    place: Place
    settings: dict[str, Setting] = field(default_factory=dict)
    blocks: list[Block] = field(default_factory=list)

    def value(self, key: str, default: str = "") -> str:
        """Return the text of a setting."""
        found = self.settings.get(key)
        return default if found is None else found.value

    def of(self, kind: str, name: str | None = None) -> Iterator[Block]:
        """Yield the blocks of a kind in it, those of a name, if one is given."""
        return (block for block in self.blocks if block.kind == kind and name in (None, block.name))


@dataclass(slots=True)
class Conf:
    """A configuration.

    Attributes:
        whole: everything.
        odd: lines that can't be understood, and why.
    """

    whole: Block
    odd: list[tuple[Place, str, str]] = field(default_factory=list)


def parse_conf(file: str, read: Read, find: Find) -> Conf:
    """Read a configuration with all that it includes.

    Raises:
        OSError: the file can't be read.
    """
    reader = _Reader(read, find, Conf(Block("", "", Place(file))))
    reader.read_file(file, 0)
    return reader.conf


class _Reader:
    """Reads files, each where it is included."""

    def __init__(self, read: Read, find: Find, conf: Conf) -> None:
        self.conf = conf
        self._read = read
        self._find = find
        self._open = [conf.whole]
        self._files = 0

    def read_file(self, file: str, depth: int) -> None:
        """Read a file; raises `OSError`."""
        self._files += 1
        height = len(self._open)
        for number, line in _lines(self._read(file)):
            self._take(line, Place(file, number), depth)
        if len(self._open) > height:
            self.conf.odd.append((Place(file), self._open[-1].kind, "a block isn't closed"))
            del self._open[height:]

    def _take(self, line: str, place: Place, depth: int) -> None:
        if line.startswith("!include"):
            self._include(line, place, depth)
        elif line == "}":
            if len(self._open) > 1:
                self._open.pop()
            else:
                self.conf.odd.append((place, line, "no block is open"))
        elif (block := _BLOCK.fullmatch(line)) is not None:
            self._begin(block[1], (block[2] or "").strip('"'), place)
        elif (setting := _SETTING.fullmatch(line)) is not None:
            self._set(setting[1], setting[2].strip(), place)
        else:
            self.conf.odd.append((place, line, "it is no setting"))

    def _begin(self, kind: str, name: str, place: Place) -> None:
        """Begin a block, or go on with one of that name; those that have none are each their own."""
        here = self._open[-1]
        found = next(here.of(kind, name), None) if name else next(here.of(kind), None) if kind == "plugin" else None
        if found is None:
            found = Block(kind, name, place)
            here.blocks.append(found)
        self._open.append(found)

    def _set(self, key: str, raw: str, place: Place) -> None:
        here = self._open[-1]
        text = raw[1:-1].replace('\\"', '"') if len(raw) > 1 and raw[0] == raw[-1] == '"' else raw
        value = _VARIABLE.sub(lambda found: self._known(found[1], found[0]), text)
        if len(value) > _LONGEST:
            self.conf.odd.append((place, key, "its value becomes too long"))
        else:
            here.settings[key] = Setting(key, value.strip(), place)

    def _known(self, key: str, otherwise: str) -> str:
        """Return the value of a setting that was set before, here or around here."""
        for block in reversed(self._open):
            if key in block.settings:
                return block.settings[key].value
        return "" if otherwise in ("$protocols", "$mail_plugins", "$auth_mechanisms") else otherwise

    def _include(self, line: str, place: Place, depth: int) -> None:
        word, _, pattern = line.partition(" ")
        pattern = pattern.strip().strip('"')
        whole = posixpath.join(posixpath.dirname(place.file), pattern)
        files = self._find(whole) if re.search(r"[*?\[]", pattern) else [whole]
        if depth >= _DEEPEST or self._files + len(files) > _MOST_FILES:
            self.conf.odd.append((place, line, "too many files are included"))
            return
        for file in files:
            try:
                self.read_file(file, depth + 1)
            except OSError as error:
                if word != "!include_try":
                    self.conf.odd.append((place, line, f"{file} can't be read: {error}"))


def _lines(text: str) -> Iterator[tuple[int, str]]:
    """Yield the lines without comments, what goes on behind a backslash joined; a brace ends a line, too."""
    begun, held = 0, ""
    for number, line in enumerate(text.split("\n"), 1):
        bare = line.strip()
        if bare.startswith("#"):
            continue
        begun = begun or number
        if bare.endswith("\\"):
            held += bare[:-1].rstrip() + " "
            continue
        whole, held = _without_comment(held + bare), ""
        for piece in _pieces(whole):
            yield begun, piece
        begun = 0
    if held.strip():
        yield begun, held.strip()


def _without_comment(text: str) -> str:
    found = re.search(r"\s#", text)
    return text if found is None or text.count('"', 0, found.start()) % 2 else text[: found.start()].rstrip()


def _pieces(text: str) -> Iterator[str]:
    """Yield a line; `name { key = value }` in one line as three."""
    found = re.fullmatch(r"(\w+(?:\s+[^\s{}=]+)?\s*\{)\s*(.+?)\s*\}", text)
    if found is not None:
        yield from (found[1], found[2], "}")
    elif text:
        yield text
