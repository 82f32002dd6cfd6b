"""Python's own IMAP client; also to see an account as others left it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from imaplib import IMAP4, IMAP4_SSL, ParseFlags
from typing import Any

from interop_daemons import PATIENCE
from interop_imap_site import HOST, Account

WAYS = ("clear", "starttls", "implicit")


def connect(account: Account, way: str) -> IMAP4:
    """Return a connection on which nobody has logged in yet."""
    if way == "implicit":
        return IMAP4_SSL(HOST, account.implicit, ssl_context=account.context(), timeout=PATIENCE)
    client = IMAP4(HOST, getattr(account, way), timeout=PATIENCE)
    if way == "starttls":
        client.starttls(account.context())
    return client


@contextmanager
def logged_in(account: Account, way: str = "clear") -> Iterator[IMAP4]:
    """A session that ends with LOGOUT."""
    with connect(account, way) as client:
        client.login(account.user, account.password)
        yield client


def done(answer: tuple[str, list[Any]]) -> list[Any]:
    """Return what an answer says beside OK."""
    assert answer[0] == "OK", answer
    return answer[1]


def bodies(client: IMAP4, numbers: str = "1:*") -> list[bytes]:
    """Return whole messages."""
    return [piece[1] for piece in done(client.fetch(numbers, "(BODY.PEEK[])")) if isinstance(piece, tuple)]


def kept(account: Account) -> dict[str, list[tuple[int, frozenset[bytes], bytes]]]:
    """Return the UID, flags and text of all messages, by folder; names as they are on the wire."""
    with logged_in(account) as client:
        return {name: _messages(client, name) for name in _folders(client)}


def folders(account: Account) -> set[str]:
    """Return the names of all folders, as they are on the wire."""
    with logged_in(account) as client:
        return set(_folders(client))


def _folders(client: IMAP4) -> list[str]:
    listed = [line.decode() for line in done(client.list()) if rb"\noselect" not in line.lower()]
    return [line.partition(' "/" ')[2].strip('"') for line in listed]


def _messages(client: IMAP4, name: str) -> list[tuple[int, frozenset[bytes], bytes]]:
    if done(client.select(f'"{name}"', readonly=True)) == [b"0"]:
        return []
    told = done(client.fetch("1:*", "(UID FLAGS BODY.PEEK[])"))
    found = [(piece[0], piece[1]) for piece in told if isinstance(piece, tuple)]
    return [(_uid(line), frozenset(ParseFlags(line)) - {rb"\Recent"}, body) for line, body in found]


def _uid(line: bytes) -> int:
    found = re.search(rb"UID (\d+)", line)
    assert found is not None
    return int(found[1])
