"""Commands that take nothing."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from functools import partial
from typing import Final

from twistedmail_mta.imap.tokens import Tokens


class Bare(Enum):
    """A command without arguments (RFC 9051 section 6, RFC 3501 section 6.4.1 for CHECK)."""

    CAPABILITY = "CAPABILITY"
    NOOP = "NOOP"
    LOGOUT = "LOGOUT"
    STARTTLS = "STARTTLS"
    IDLE = "IDLE"
    NAMESPACE = "NAMESPACE"
    CHECK = "CHECK"
    CLOSE = "CLOSE"
    UNSELECT = "UNSELECT"
    EXPUNGE = "EXPUNGE"


def _read(bare: Bare, tokens: Tokens) -> Bare:
    tokens.end()
    return bare


COMMANDS: Final[dict[str, Callable[[Tokens], Bare]]] = {bare.value: partial(_read, bare) for bare in Bare}
