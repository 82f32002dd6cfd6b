"""The files that Dovecot keeps beside the messages of a Maildir."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

DEFAULT_UIDL: Final = "%08Xu%08Xv"
"""Dovecot's own `pop3_uidl_format`."""

_VARIABLE: Final = re.compile(r"%(0?)(\d*)(X?)([uvf%])")
_UIDL: Final = re.compile(r"[\x21-\x7e]{1,70}")


@dataclass(frozen=True, slots=True)
class Known:
    """What the list says of a message.

    Attributes:
        uid: its UID.
        uidl: what POP3 calls it, where that isn't made of the UID.
    """

    uid: int
    uidl: str | None = None


@dataclass(frozen=True, slots=True)
class UIDList:
    """`dovecot-uidlist`, version 3.

    Attributes:
        uid_validity: None when the file is missing or can't be understood.
        uid_next: the UID that comes next.
        known: by the unique part of the file's name.
    """

    uid_validity: int | None = None
    uid_next: int = 1
    known: dict[str, Known] = field(default_factory=dict)


def unique_name(file: str) -> str:
    """Return the part of a message's file name that stays when flags and sizes change."""
    return re.split(r"[,:;!]", file, maxsplit=1)[0]


def parse_uidlist(text: str) -> UIDList:
    """Read the list; lines that can't be understood are passed over, and so is a list of another version."""
    first, *lines = text.splitlines() or [""]
    version, *words = first.split(" ")
    header = {word[:1]: word[1:] for word in words if word}
    if version != "3" or not header.get("V", "").isdecimal() or not int(header["V"]):
        return UIDList()
    known: dict[str, Known] = {}
    last = 0
    for line in lines:
        fields, found, file = line.partition(" :")
        uid, *more = fields.split(" ")
        if found and uid.isdecimal() and int(uid) > last:
            last = int(uid)
            uidl = next((word[1:] for word in more if word.startswith("P") and _UIDL.fullmatch(word[1:])), None)
            known[unique_name(file)] = Known(last, uidl)
    uid_next = int(header["N"]) if header.get("N", "").isdecimal() else 1
    return UIDList(int(header["V"]), max(uid_next, last + 1), known)


def uidl_of(form: str, uid: int, uid_validity: int, file: str) -> str | None:
    """Return what POP3 calls a message, as Dovecot's `pop3_uidl_format` says; None when POP3 couldn't say it.

    Args:
        form: %u is the UID, %v the UIDVALIDITY, %f the name of the file; "08X" stands for eight hexadecimal digits.
        uid: the message's.
        uid_validity: the mailbox's.
        file: the unique part of its name.
    """
    values: dict[str, int | str] = {"u": uid, "v": uid_validity, "f": file, "%": "%"}

    def value(found: re.Match[str]) -> str:
        zero, width, hexadecimal, name = found.groups()
        text = f"{values[name]:x}" if hexadecimal and name in "uv" else str(values[name])
        return text.rjust(int(width), "0") if zero and width else text

    text = _VARIABLE.sub(value, form)
    return text if _UIDL.fullmatch(text) else None


def is_uidl_format(form: str) -> bool:
    """Return whether every message would get a name of its own by it, and every variable is known."""
    names = {found[4] for found in _VARIABLE.finditer(form)}
    return "%" not in _VARIABLE.sub("", form) and bool(names & {"u", "f"})


def parse_keywords(text: str) -> dict[str, str]:
    """Return the keyword that each letter in a file name stands for: `dovecot-keywords`."""
    keywords = {}
    for line in text.splitlines():
        number, _, name = line.partition(" ")
        if number.isdecimal() and int(number) < 26 and name:
            keywords[chr(ord("a") + int(number))] = name
    return keywords


def parse_subscriptions(text: str) -> list[str]:
    """Return the subscribed names, levels separated by "/", as they are written there: `subscriptions`.

    Its second version separates levels by tabs, so that a name may hold any
    separator; the first one is taken to separate them by dots.
    """
    if text.startswith("V\t2\n"):
        return [line.replace("\t", "/") for line in text.splitlines()[1:] if line]
    return [line.replace(".", "/") for line in text.splitlines() if line]


def format_keywords(keywords: Iterable[str]) -> str:
    """Return the lines of `dovecot-keywords`."""
    return "".join(f"{number} {name}\n" for number, name in enumerate(keywords))
