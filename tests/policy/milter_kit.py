"""Filters that answer as a test says, on connections in memory; and what they were told."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.error import ConnectionDone
from twisted.internet.error import ConnectionRefusedError as Refused
from twisted.internet.interfaces import IStreamClientEndpoint
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from zope.interface import implementer

from twistedmail_mta.milter.packets import PacketReader, encode
from twistedmail_mta.milter.terms import ALL_ACTIONS, Action, Step
from twistedmail_mta.policy.milter import Milter
from twistedmail_mta.policy.milter_link import Link
from twistedmail_mta.testing.rig import Rig

CONTINUE, ACCEPT, REJECT, DELAY = encode(b"c"), encode(b"a"), encode(b"r"), encode(b"t")
DISCARD, SKIP, PROGRESS = encode(b"d"), encode(b"s"), encode(b"p")
NOTHING, CLOSE = b"", b"close"

AnswerOf = bytes | Callable[[bytes], bytes]


class Line(StringTransport):
    """One connection, as the filter sees it.

    Attributes:
        told: the letters and contents of what came, but for macros.
        macros: the last ones for each command.
    """

    def __init__(self, filter_: ScriptedFilter) -> None:
        super().__init__()
        self.told: list[tuple[str, bytes]] = []
        self.macros: dict[str, dict[str, str]] = {}
        self.closed = False
        self.link: Link
        self._filter = filter_
        self._reader = PacketReader()

    def write(self, data: bytes) -> None:
        self._reader.receive(data)
        while not self.closed and (packet := self._reader.next_packet()) is not None:
            letter, content = packet.letter.decode(), packet.content
            if letter == "D":
                words = content[1:].decode().split("\0")
                self.macros[chr(content[0])] = dict(zip(words[::2], words[1::2], strict=False))
                continue
            self.told.append((letter, content))
            answer = self._filter.answer(letter, content)
            if answer == CLOSE:
                self.close()
            elif answer:
                self.link.dataReceived(answer)

    def close(self) -> None:
        """The filter ends it."""
        if not self.closed:
            self.closed = True
            self.link.connectionLost(Failure(ConnectionDone()))

    def loseConnection(self) -> None:  # noqa: N802
        self.close()

    def abortConnection(self) -> None:  # noqa: N802
        self.close()

    @property
    def letters(self) -> str:
        """What it was told, by letters."""
        return "".join(letter for letter, _ in self.told)

    def contents(self, letter: str) -> list[bytes]:
        """All that came of a kind."""
        return [content for each, content in self.told if each == letter]


@implementer(IStreamClientEndpoint)
class ScriptedFilter:
    """A filter.

    Attributes:
        answers: by letter; what is missing is "continue", or nothing where nothing is answered.
        lines: all connections there were.
        there: it can be connected to.
    """

    def __init__(
        self,
        answers: Mapping[str, AnswerOf] | None = None,
        steps: Step = Step.SKIP,
        actions: Action = ALL_ACTIONS,
        version: int = 6,
        symbols: bytes = b"",
    ) -> None:
        self.answers = dict(answers or {})
        self.steps = steps
        self.lines: list[Line] = []
        self.there = True
        terms = b"".join(int(number).to_bytes(4, "big") for number in (version, actions, steps))
        self.answers.setdefault("O", encode(b"O", terms, symbols))
        for letter, step in (
            ("C", Step.SILENT_CONNECT), ("H", Step.SILENT_HELLO), ("M", Step.SILENT_MAIL), ("L", Step.SILENT_HEADER),
            ("R", Step.SILENT_RECIPIENT), ("T", Step.SILENT_DATA), ("N", Step.SILENT_END_OF_HEADER),
            ("B", Step.SILENT_BODY),
        ):  # fmt: skip
            if steps & step:
                self.answers.setdefault(letter, NOTHING)

    def connect(self, factory: Any) -> Deferred[Any]:
        if not self.there:
            return fail(Refused())
        line = Line(self)
        self.lines.append(line)
        line.link = factory.buildProtocol(None)
        line.link.makeConnection(line)
        return succeed(line.link)

    def answer(self, letter: str, content: bytes) -> bytes:
        found = self.answers.get(letter, NOTHING if letter in "AQK" else CONTINUE)
        return found(content) if callable(found) else found

    @property
    def line(self) -> Line:
        """The last connection."""
        return self.lines[-1]


def rig(*filters: ScriptedFilter, **options: Any) -> Rig:
    """The plugin, with these filters."""
    made = Rig("milter", {"endpoint": [f"unix:/{number}" for number, _ in enumerate(filters)], **options})
    connected(made, *filters)
    return made


def connected(made: Rig, *filters: ScriptedFilter) -> None:
    """Let a plugin reach these filters where it looks for others."""
    plugin = made.plugin
    assert isinstance(plugin, Milter)
    for one, scripted in zip(plugin._filters, filters, strict=True):
        one._endpoint = scripted


def ends(*modifications: bytes, last: bytes = CONTINUE) -> bytes:
    """What is said to the end of a message."""
    return b"".join(modifications) + last


def insert(index: int, name: bytes, value: bytes) -> bytes:
    return encode(b"i", index.to_bytes(4, "big"), name + b"\0" + value + b"\0")


def change(index: int, name: bytes, value: bytes) -> bytes:
    return encode(b"m", index.to_bytes(4, "big"), name + b"\0" + value + b"\0")


def add(name: bytes, value: bytes) -> bytes:
    return encode(b"h", name + b"\0" + value + b"\0")


def text(letter: bytes, *strings: bytes) -> bytes:
    """A packet of strings."""
    return encode(letter, *(each + b"\0" for each in strings))
