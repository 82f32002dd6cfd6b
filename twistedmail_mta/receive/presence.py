"""Who is here: the sessions that began under one reading of the site file, and what they leave to be done."""

from __future__ import annotations

from typing import Protocol

from twistedmail_mta.model import Reply
from twistedmail_mta.tasks import Promise, TaskGroup


class Session(Protocol):
    """A session that can be ended."""

    def part(self, farewell: Reply) -> None:
        """End it at its next command, at once if no transaction is under way."""

    def abort(self, farewell: Reply) -> None:
        """End it whatever it does; what isn't accepted stays with the client."""


class Presence:
    """The sessions of some listeners.

    Attributes:
        tasks: what they do, and what is told of them when they have ended.
    """

    def __init__(self) -> None:
        self.tasks = TaskGroup()
        self._sessions: set[Session] = set()
        self._empty: Promise[None] | None = None

    def __len__(self) -> int:
        return len(self._sessions)

    def enter(self, session: Session) -> None:
        """Let a session be here."""
        self._sessions.add(session)

    def leave(self, session: Session) -> None:
        """Let it be gone."""
        self._sessions.discard(session)
        if not self._sessions and self._empty is not None:
            empty, self._empty = self._empty, None
            empty.resolve(None)

    async def gone(self) -> None:
        """Return when nobody is here, and nothing is left to be done."""
        while self._sessions:
            if self._empty is None:
                self._empty = Promise()
            await self._empty
        await self.tasks.finish()

    def part(self, farewell: Reply) -> None:
        """End all sessions at their next command."""
        for session in tuple(self._sessions):
            session.part(farewell)

    def abort(self, farewell: Reply) -> None:
        """End all sessions whatever they do."""
        for session in tuple(self._sessions):
            session.abort(farewell)
