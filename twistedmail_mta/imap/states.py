"""Which commands fit which state of a session (RFC 9051 section 3)."""

from __future__ import annotations

from enum import IntEnum
from typing import Final


class State(IntEnum):
    """How far a session has come."""

    NOT_AUTHENTICATED = 0
    AUTHENTICATED = 1
    SELECTED = 2


_ANYWHERE: Final = frozenset({"CAPABILITY", "NOOP", "LOGOUT", "ID"})
_BEFORE_LOGIN: Final = frozenset({"STARTTLS", "AUTHENTICATE", "LOGIN"})
_SELECTED: Final = frozenset(
    {
        *("CHECK", "CLOSE", "UNSELECT", "EXPUNGE", "SEARCH", "FETCH", "STORE", "COPY", "MOVE", "SORT", "THREAD"),
        *("UID EXPUNGE", "UID SEARCH", "UID FETCH", "UID STORE", "UID COPY", "UID MOVE", "UID SORT", "UID THREAD"),
    }
)


def misplaced(verb: str, state: State) -> str | None:
    """Return why a command doesn't fit the state; None when it does."""
    if verb in _ANYWHERE:
        return None
    if verb in _BEFORE_LOGIN:
        return None if state is State.NOT_AUTHENTICATED else "You have logged in already"
    if state is State.NOT_AUTHENTICATED:
        return "Log in first"
    if verb in _SELECTED and state is not State.SELECTED:
        return "Select a mailbox first"
    return None
