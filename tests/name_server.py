"""A scripted name server that runs beside what a test starts."""

from __future__ import annotations

import socket
from threading import Thread

from dns_responder import Responder


class NameServer:
    """A scripted name server on a thread of its own."""

    def __init__(self) -> None:
        self.responder = Responder()
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self._thread = Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            query, peer = self._socket.recvfrom(4096)
            if not query:
                return
            for packet in self.responder.receive(query, "udp", peer):
                self._socket.sendto(packet, peer)

    def close(self) -> None:
        """End it."""
        self._socket.sendto(b"", ("127.0.0.1", self.port))
        self._thread.join()
        self._socket.close()
