"""One question to one name server, waited for by the whole program: for commands, which have nothing else to do."""

from __future__ import annotations

import socket
import time

from twistedmail_mta.dns.codec import Question, Response, encode
from twistedmail_mta.dns.nameservers import Nameserver
from twistedmail_mta.dns.upstream import SERVER_FAILED, UNANSWERED, random_id
from twistedmail_mta.errors import TemporaryError

_MAX_PACKET = 4096


class BlockingServer:
    """Asks one server over UDP, once."""

    def __init__(self, server: Nameserver, timeout: float) -> None:
        """Ask nothing yet.

        Args:
            server: whom to ask.
            timeout: seconds for an answer.
        """
        self._server = server
        self._timeout = timeout

    async def ask(self, question: Question) -> Response:
        """Return an answer; blocks.

        Raises:
            TemporaryError: as `Upstream.ask`.
        """
        query = encode(question, random_id(), dnssec=self._server.trusted)
        end = time.monotonic() + self._timeout
        family = socket.AF_INET6 if ":" in self._server.address else socket.AF_INET
        with socket.socket(family, socket.SOCK_DGRAM) as wire:
            try:
                wire.connect((self._server.address, self._server.port))
                wire.send(query.wire)
                response = None
                while response is None:
                    wire.settimeout(max(end - time.monotonic(), 0.001))
                    response = query.read(wire.recv(_MAX_PACKET))
            except OSError:  # also a timeout
                raise TemporaryError(UNANSWERED) from None
        if response.status in {"failed", "truncated"}:
            raise TemporaryError(SERVER_FAILED)
        return response
