"""XML that strangers send, as elements of bounded number, depth and length, without what a DTD can do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final
from xml.parsers import expat

MOST_DEPTH: Final = 16
"""Elements around another; a report has 5."""
MOST_CHILDREN: Final = 2000
"""Elements in one that is kept."""
MOST_TEXT: Final = 1000
"""Characters of an element that are kept."""

MOST_NAMES: Final = 500
"""Different names of elements; a report has some 50."""
MOST_ATTRIBUTES: Final = 500
"""Attributes of all elements; a report has those that declare namespaces."""
MOST_TAG: Final = 64 * 1024
"""About how many octets a tag or a comment may have: with each block it is looked at from its begin, until it ends."""

_BLOCK: Final = 16 * 1024


class UnreadableReport(ValueError):
    """What should be a report is none that can be read; the text says why, in words for an operator."""


@dataclass(slots=True)
class Element:
    """An element, by its local name: many who send reports say nothing of a namespace, or something else.

    Attributes:
        name: without prefix.
        text: in it, without white space at both ends.
        children: the elements in it.
    """

    name: str
    text: str = ""
    children: list[Element] = field(default_factory=list)

    def all(self, name: str) -> Iterator[Element]:
        """Yield the elements of a name in this one."""
        return (each for each in self.children if each.name == name)

    def first(self, *names: str) -> Element:
        """Return the first element that has one of these names; an empty one if there is none."""
        return next((each for each in self.children if each.name in names), Element(names[0]))

    def said(self, name: str) -> str | None:
        """Return what the first element of a name says; None where there is none or it is empty."""
        return self.first(name).text or None


class _Reader:
    """Builds the elements below the root one after another; each is let go of when it has been handed on.

    Attributes:
        silent: blocks since anything was heard.
    """

    def __init__(self, root: str, take: Callable[[Element], None]) -> None:
        self._root = root
        self._take = take
        self._open: list[Element] = []
        self._met = 0
        self._attributes = 0
        self._names: set[str] = set()
        self.silent = 0

    def start(self, name: str, attributes: list[str]) -> None:
        """Hear of the begin of an element."""
        self.silent = 0
        self._names.add(name)
        self._attributes += len(attributes) // 2
        if len(self._names) > MOST_NAMES or self._attributes > MOST_ATTRIBUTES:
            raise UnreadableReport("there are too many names in it")
        local = name.rpartition(":")[2]
        if not self._open and local != self._root:
            raise UnreadableReport(f"it is XML, but no <{self._root}>")
        if len(self._open) >= MOST_DEPTH:
            raise UnreadableReport(f"elements are nested more than {MOST_DEPTH} deep")
        self._met += 1
        if self._met > MOST_CHILDREN:
            raise UnreadableReport(f"a part of it has more than {MOST_CHILDREN} elements")
        self._open.append(Element(local))

    def text(self, text: str) -> None:
        """Hear of text; what is between elements doesn't matter."""
        self.silent = 0
        element = self._open[-1]
        if len(element.text) < MOST_TEXT:
            element.text = (element.text + text)[:MOST_TEXT].lstrip()

    def end(self, _: str) -> None:
        """Hear of the end of an element."""
        self.silent = 0
        element = self._open.pop()
        element.text = element.text.rstrip()
        if len(self._open) == 1:
            self._met = 1
            self._take(element)
        elif self._open:
            self._open[-1].children.append(element)

    def pass_over(self, *_: object) -> None:
        """Hear of a comment, or of something for another program."""
        self.silent = 0


def _refuse(*_: object) -> None:
    raise UnreadableReport("it has a document type, which no report needs")


def read_elements(octets: bytes, root: str, take: Callable[[Element], None]) -> None:
    """Hand on the elements right below the root, each with all that is in it, in their order.

    A plain function, which may run on any thread, and gives others their turn.

    Args:
        octets: the document.
        root: the local name that the outermost element must have.
        take: gets each element.

    Raises:
        UnreadableReport: it is no XML, has a document type, or is over a limit.
    """
    reader = _Reader(root, take)
    parser = expat.ParserCreate()
    parser.StartDoctypeDeclHandler = parser.EntityDeclHandler = _refuse
    parser.StartElementHandler, parser.EndElementHandler = reader.start, reader.end
    parser.CharacterDataHandler = reader.text
    parser.CommentHandler = parser.ProcessingInstructionHandler = reader.pass_over
    parser.buffer_text = parser.ordered_attributes = True
    begin = len(octets) - len(octets.lstrip())
    try:
        for place in range(begin, len(octets), _BLOCK):
            parser.Parse(octets[place : place + _BLOCK], False)
            reader.silent += 1
            if reader.silent > MOST_TAG // _BLOCK:
                raise UnreadableReport(f"a tag in it has more than {MOST_TAG} octets")
        parser.Parse(b"", True)
    except expat.ExpatError as error:
        raise UnreadableReport(f"it is no XML: {error}") from error
    except (LookupError, UnicodeError) as error:
        raise UnreadableReport(f"its encoding can't be read: {error}") from error
