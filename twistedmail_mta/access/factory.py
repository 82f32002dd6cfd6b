"""Makes the connections of one listener, and ends them when the server stops."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.interfaces import IAddress
from twisted.internet.protocol import Factory

from twistedmail_mta.access.connection import Connection
from twistedmail_mta.access.terms import Conversation, Ending, Terms
from twistedmail_mta.crowd import Crowd


class AccessFactory(Factory):
    """The server at one endpoint through which people get at their mail.

    It can be bound to its port before there is anything to serve: the port is
    opened while the process is still privileged, everything else is not.
    """

    noisy = False

    def __init__(self, crowd: Crowd) -> None:
        self._crowd = crowd
        self._terms: Terms | None = None
        self._begin: Callable[[Connection], Conversation] | None = None
        self.connections: set[Connection] = set()

    def serve(self, terms: Terms, begin: Callable[[Connection], Conversation]) -> None:
        """Serve from now on.

        Args:
            terms: what every connection has to know.
            begin: begins the conversation of a new one.
        """
        self._terms, self._begin = terms, begin

    def buildProtocol(self, addr: IAddress | None) -> Connection | None:  # noqa: ARG002, N802 - Twisted's name
        """Make a connection; None, and it is closed, while nothing is served."""
        if self._terms is None or self._begin is None:
            return None
        return Connection(self._terms, self._begin, self._crowd, self.connections)

    def finish(self) -> None:
        """Let sessions end: at once, or after the command they are at."""
        for connection in tuple(self.connections):
            connection.finish()

    def abort(self) -> None:
        """End every session."""
        for connection in tuple(self.connections):
            connection.end(Ending.SHUTTING_DOWN)
