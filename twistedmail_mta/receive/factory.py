"""Makes the connections of one listener, and ends them when the server stops."""

from __future__ import annotations

from twisted.internet.interfaces import IAddress
from twisted.internet.protocol import Factory

from twistedmail_mta.crowd import Crowd
from twistedmail_mta.receive.listener import Listener
from twistedmail_mta.receive.protocol import ServerProtocol
from twistedmail_mta.smtp.server import SessionSettings


class ServerFactory(Factory):
    """The SMTP or LMTP server at one endpoint.

    It can be bound to its port before the listener is complete: the port is
    opened while the process is still privileged, everything else is not.
    """

    noisy = False

    def __init__(self, crowd: Crowd) -> None:
        self._crowd = crowd
        self._listener: Listener | None = None
        self._settings: SessionSettings | None = None
        self.connections: set[ServerProtocol] = set()

    def serve(self, listener: Listener) -> None:
        """Serve from now on, under these rules; sessions under way keep theirs."""
        limits = listener.limits
        self._listener = listener
        self._settings = SessionSettings(
            hostname=listener.hostname,
            max_size=limits.message_size,
            max_line=limits.line_length,
            strict=listener.strict,
            login_after_tls=listener.role.offers_auth and listener.tls is not None,
            lmtp=listener.role.lmtp,
            xforward=listener.role.takes_back,
        )

    def buildProtocol(self, addr: IAddress | None) -> ServerProtocol | None:  # noqa: ARG002, N802 - Twisted's name
        """Make a connection; None, and it is closed, while nothing is served."""
        if self._listener is None or self._settings is None:
            return None
        return ServerProtocol(self._listener, self._settings, self._crowd, self.connections)

    def finish(self) -> None:
        """Let sessions end: with 421 at once, or after the message they are at."""
        for connection in tuple(self.connections):
            connection.finish()

    def abort(self) -> None:
        """End every session with 421."""
        for connection in tuple(self.connections):
            connection.abort()
