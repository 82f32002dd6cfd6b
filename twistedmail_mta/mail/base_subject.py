"""What a subject is about, without "Re:" and its like (RFC 5256 section 2.1)."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

_BLANKS: Final = re.compile(r"[ \t\r\n]+")
_BLOB: Final = r"\[[^\[\]]*+\] *+"
_BLOBS: Final = re.compile(rf"(?:{_BLOB})*+")
_LEADER: Final = re.compile(rf"(?:{_BLOB})*+(?:re|fwd?) *+(?:{_BLOB})?+: *+", re.IGNORECASE | re.ASCII)
_FORWARD: Final = "[fwd:"
_TRAILER: Final = "(fwd)"


class BaseSubject(NamedTuple):
    """A base subject.

    Attributes:
        text: in the case it was written in.
        answers: it was of a reply or a forwarded message: more was taken from
            it than blanks and what is in brackets.
    """

    text: str
    answers: bool


def base_subject(subject: str) -> BaseSubject:
    """Return the base subject; in linear time.

    Args:
        subject: encoded words decoded before.
    """
    text = _BLANKS.sub(" ", subject)
    begin, end, answers = 0, len(text), False
    while True:
        end, is_forward = _trimmed(text, begin, end)
        begin, is_reply = _behind_leaders(text, begin, end)
        answers = answers or is_forward or is_reply
        if not (_is(_FORWARD, text, begin, end) and text.endswith("]", begin + len(_FORWARD), end)):
            return BaseSubject(text[begin:end], answers)
        begin, end, answers = begin + len(_FORWARD), end - 1, True


def _trimmed(text: str, begin: int, end: int) -> tuple[int, bool]:
    """Return where the text ends without trailers, step (2), and whether there was a "(fwd)"."""
    is_forward = False
    while end > begin:
        if text[end - 1] == " ":
            end -= 1
        elif end - begin >= len(_TRAILER) and _is(_TRAILER, text, end - len(_TRAILER), end):
            end, is_forward = end - len(_TRAILER), True
        else:
            break
    return end, is_forward


def _behind_leaders(text: str, begin: int, end: int) -> tuple[int, bool]:
    """Return where the text begins without leaders and blobs, steps (3) to (5), and whether it was a reply.

    Behind the last leader all blobs go, as none of them can lead to another
    one; the last stays when nothing follows it.
    """
    is_reply = False
    while True:
        while begin < end and text[begin] == " ":
            begin += 1
        leader = _LEADER.match(text, begin, end)
        if leader is None:
            break
        begin, is_reply = leader.end(), True
    blobs = _BLOBS.match(text, begin, end)
    behind = blobs.end() if blobs else begin
    return (behind if behind < end else text.rfind("[", begin, end) if behind > begin else begin), is_reply


def _is(word: str, text: str, begin: int, end: int) -> bool:
    """Return whether a word stands at the begin of a stretch."""
    return text[begin : min(end, begin + len(word))].lower() == word
