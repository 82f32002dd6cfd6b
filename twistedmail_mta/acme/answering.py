"""What an authority is answered, by HTTP or in a handshake."""

from __future__ import annotations

import re
from typing import ClassVar, Final

from OpenSSL import SSL
from twisted.internet.interfaces import IOpenSSLServerConnectionCreator
from twisted.logger import Logger
from twisted.protocols.tls import TLSMemoryBIOProtocol
from zope.interface import implementer

from twistedmail_mta.acme.challenges import ALPN, Challenges, speak_only_acme
from twistedmail_mta.web.request import answer_with, read_request

_PLACE: Final = re.compile(r"/\.well-known/acme-challenge/([A-Za-z0-9_-]{1,512})", re.ASCII)


class HTTPAnswers:
    """Answers by HTTP (RFC 8555 section 8.3)."""

    log: ClassVar[Logger] = Logger()

    def __init__(self, challenges: Challenges) -> None:
        self._challenges = challenges

    def __call__(self, octets: bytes, peer: str) -> bytes:
        """Return the whole answer to a request; what else strangers ask for fills no log."""
        request = read_request(octets)
        place = _PLACE.fullmatch(request.path) if request is not None else None
        text = self._challenges.text(place[1]) if place is not None else None
        if text is not None:
            self.log.info("{peer} was told the answer to a challenge", event="acme.asked", peer=peer)
        return answer_with(request, text, "application/octet-stream")


@implementer(IOpenSSLServerConnectionCreator)
class ChallengeTLS:
    """Makes the server side of handshakes that show an answer, and of others that fail."""

    log: ClassVar[Logger] = Logger()
    protocol = ALPN

    def __init__(self, challenges: Challenges) -> None:
        self._challenges = challenges
        self._context = SSL.Context(SSL.TLS_SERVER_METHOD)
        self._context.set_min_proto_version(SSL.TLS1_2_VERSION)
        self._context.set_tlsext_servername_callback(self._choose)
        speak_only_acme(self._context)

    @property
    def is_wanted(self) -> bool:
        """Whether an authority may ask now."""
        return self._challenges.are_shown

    @property
    def tls(self) -> ChallengeTLS:
        """Makes these handshakes."""
        return self

    def serverConnectionForTLS(self, tlsProtocol: TLSMemoryBIOProtocol) -> SSL.Connection:  # noqa: ARG002, N802, N803 - Twisted's names
        """Begin a connection; it has no certificate until the client has named one that is asked for."""
        return SSL.Connection(self._context, None)

    def note(self, peer: str) -> None:
        """Write down that a handshake was completed: it was the answer (RFC 8737 section 3)."""
        self.log.info("{peer} was shown the answer to a challenge", event="acme.asked", peer=peer)

    def _choose(self, connection: SSL.Connection) -> None:
        name = (connection.get_servername() or b"").decode("ascii", "replace").lower()
        context = self._challenges.context(name)
        if context is not None:
            connection.set_context(context)
