"""The way out of a connection: at once where the system takes it, else through Twisted's transport."""

from __future__ import annotations

import socket
from typing import cast

from twisted.internet.interfaces import ISystemHandle, ITransport
from twisted.protocols.tls import TLSMemoryBIOProtocol


class Outlet:
    """Writes to a connection without a turn of the reactor, as long as that goes well.

    A transport puts every write in a buffer, asks the reactor to be told when
    there is room, and writes in its next turn: for the short answers of a
    dialogue, which find room nearly always, that is most of the work.  The first
    time that something doesn't fit, the rest goes through the transport, and
    so does all that follows, in order.
    """

    __slots__ = ("_socket", "_transport")

    def __init__(self, transport: ITransport) -> None:
        """Write to `transport`; whatever it doesn't buffer for us nobody else may write to it."""
        handle = transport.getHandle() if ISystemHandle.providedBy(transport) else None
        self._socket = handle if isinstance(handle, socket.socket) else None
        self._transport = transport

    def write(self, octets: bytes) -> None:
        """Write octets after those written before."""
        sent = 0 if self._socket is None else self._send(self._socket, octets)
        if sent < len(octets):
            self._transport.write(octets[sent:])

    def start_tls(self, creator: object) -> None:
        """Let the transport encrypt from now on; what TLS makes of a write leaves as writes did until now.

        Args:
            creator: makes the connection for OpenSSL, as `ITLSTransport.startTLS` wants it.
        """
        handle, self._socket = self._socket, None
        self._transport.startTLS(creator)  # type: ignore[attr-defined]
        layer = getattr(self._transport, "protocol", None)
        if handle is not None and isinstance(layer, TLSMemoryBIOProtocol):
            layer.transport = cast(ITransport, _Below(cast(ITransport, layer.transport), handle))

    def _send(self, handle: socket.socket, octets: bytes) -> int:
        try:
            sent = handle.send(octets)
        except OSError:  # no room, or lost: the transport finds out which
            sent = 0
        if sent < len(octets):
            self._socket = None
        return sent


class _Below:
    """The transport of Twisted's TLS layer, with an outlet of its own.

    A client's first octets are in the transport already; nothing follows them
    before the server has answered.
    """

    def __init__(self, transport: ITransport, handle: socket.socket) -> None:
        outlet = Outlet(transport)
        outlet._socket = handle  # noqa: SLF001 - one of us
        self.write = outlet.write
        self._transport = transport

    def __getattr__(self, name: str) -> object:
        return getattr(self._transport, name)
