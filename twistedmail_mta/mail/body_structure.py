"""Words BODYSTRUCTURE, and BODY out of it (RFC 9051 section 7.5.2)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TypeAlias

from twistedmail_mta.mail.parts import Nesting
from twistedmail_mta.mail.scanned_body import Node

_List: TypeAlias = list["bytes | _List"]
"""A list of words and lists, each with the space before it."""

_STRING = rb'(?:NIL|"(?:[^"\\]|\\.)*+")'
_STRINGS = rb"(?:NIL|\(" + _STRING + rb"(?: " + _STRING + rb")*+\))"
_ADDRESSES = rb"(?:NIL|\((?:\(" + b" ".join([_STRING] * 4) + rb"\))++\))"
_ENVELOPE = rb"\(" + b" ".join([*[_STRING] * 2, *[_ADDRESSES] * 6, *[_STRING] * 2]) + rb"\)"
_BASIC = rb"\(" + b" ".join([*[_STRING] * 2, _STRINGS, *[_STRING] * 3]) + rb" [0-9]++"
_PLACED = rb" (?:NIL|\(" + _STRING + b" " + _STRINGS + rb"\)) " + _STRINGS + b" " + _STRING + rb"\)"
_LEAF = re.compile(rb"(" + _BASIC + rb"(?: [0-9]++)?+) " + _STRING + _PLACED)
_MESSAGE = re.compile(_BASIC + b" " + _ENVELOPE + b" ")
_MESSAGE_END = re.compile(rb"( [0-9]++) " + _STRING + _PLACED)
_MULTIPART_END = re.compile(b"( " + _STRING + b") " + _STRINGS + _PLACED)

_TOKEN = re.compile(rb' ?(?:"(?:[^"\\]|\\.)*+"|\{([0-9]+)\}\r\n|[()]|[^ ()"{]++)')


def body_structure(message: Node) -> bytes:
    """Return the BODYSTRUCTURE of a message."""
    words: list[bytes] = []
    _write(message, words)
    return b"".join(words)


def _write(part: Node, words: list[bytes]) -> None:
    content = part.content
    words.append(b"(")
    if content.nesting is Nesting.MULTIPART:
        for child in part.children:
            _write(child, words)
        words.append(b" " + content.basic)
    else:
        words.append(b"%b %d" % (content.basic, part.end - part.begin))
        if content.nesting is Nesting.MESSAGE:
            words.append(b" %b " % part.children[0].envelope)
            _write(part.children[0], words)
        if content.nesting is Nesting.MESSAGE or content.is_text:
            words.append(b" %d" % part.lines)
    words.append(content.extension + b")")


def body(structure: bytes) -> bytes:
    """Return the BODY that belongs to a BODYSTRUCTURE: the same without extension data.

    Args:
        structure: as `body_structure` gives it.
    """
    words: list[bytes] = []
    if b"}\r\n" in structure or not _copy_basic(structure, 0, words):
        words.clear()
        _write_basic(_lists(structure), words)
    return b"".join(words)


def _copy_basic(structure: bytes, place: int, words: list[bytes]) -> int:
    """Copy a part that has no literals as far as its extension data, five times faster than word by word.

    Returns:
        Where the part ends; 0 where it isn't of the usual form.
    """
    leaf = _LEAF.match(structure, place)
    if leaf is not None:
        words += (leaf[1], b")")
        return leaf.end()
    if structure.startswith(b"((", place):
        words.append(b"(")
        place, last = place + 1, _MULTIPART_END
    else:
        message = _MESSAGE.match(structure, place)
        words.append(b"" if message is None else message[0])
        place, last = 0 if message is None else message.end(), _MESSAGE_END
    while place and structure.startswith(b"(", place):
        place = _copy_basic(structure, place, words)
    end = last.match(structure, place) if place else None
    words.append(b"" if end is None else end[1] + b")")
    return 0 if end is None else end.end()


def _write_basic(part: _List, words: list[bytes]) -> None:
    """Write a part, a list that begins with its parenthesis, as far as its extension data."""
    _write_words(part[:1], words)
    place = 1
    while isinstance(child := part[place], list):
        _write_basic(child, words)
        place += 1
    if place > 1:
        _write_words(part[place : place + 1], words)
    else:
        _write_leaf(part, words)
    words.append(b")")


def _write_leaf(part: _List, words: list[bytes]) -> None:
    _write_words(part[1:8], words)
    kind = [word.lower() for word in part[1:3] if isinstance(word, bytes)]
    if kind[0] == b'"text"':
        _write_words(part[8:9], words)
    elif kind == [b'"message"', b' "rfc822"']:
        _write_words(part[8:9], words)
        _write_basic(_as_list(part[9]), words)
        _write_words(part[10:11], words)


def _as_list(word: bytes | _List) -> _List:
    return word if isinstance(word, list) else [word]


def _write_words(part: _List, words: list[bytes]) -> None:
    for word in part:
        if isinstance(word, bytes):
            words.append(word)
        else:
            _write_words(word, words)


def _tokens(structure: bytes) -> Iterator[bytes]:
    """Yield the words, each with the space before it."""
    position = 0
    while (found := _TOKEN.match(structure, position)) is not None:
        end = found.end() + int(found[1] or 0)
        yield structure[position:end]
        position = end


def _lists(structure: bytes) -> _List:
    """Return the outermost list; each list begins and ends with its parenthesis."""
    open_lists: list[_List] = [[]]
    for word in _tokens(structure):
        if word.endswith(b"(") and len(word) < 3:
            open_lists.append([word])
            continue
        open_lists[-1].append(word)
        if word == b")":
            ended = open_lists.pop()
            open_lists[-1].append(ended)
    return _as_list(open_lists[0][0])
