"""What this server answers while an authority looks whether a name is its own."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import Final

from cryptography import x509
from OpenSSL import SSL

from twistedmail_mta.config.acme import ChallengeName
from twistedmail_mta.tls.certificates import self_signed
from twistedmail_mta.tls.server import server_context

ALPN: Final = b"acme-tls/1"
_IDENTIFIER: Final = x509.ObjectIdentifier("1.3.6.1.5.5.7.1.31")
_OCTETS_OF_DIGEST: Final = b"\x04\x20"
"""How DER begins an OCTET STRING of 32 octets."""


class Challenges:
    """The answers that an authority may want now; published on one thread, given by another.

    Each is published and withdrawn by one assignment, so nobody sees half of one.
    """

    def __init__(self) -> None:
        self._by_token: dict[str, bytes] = {}
        self._by_name: dict[str, SSL.Context] = {}

    def publish(self, challenge: ChallengeName, name: str, token: str, authorization: str) -> None:
        """Give an answer from now on.

        Args:
            challenge: how it is asked for.
            name: the host it is about.
            token: names the challenge.
            authorization: token and account together (RFC 8555 section 8.1).
        """
        if challenge == "http-01":
            self._by_token[token] = authorization.encode("ascii")
        else:
            self._by_name[name] = _context(name, authorization)

    def withdraw(self, name: str, token: str) -> None:
        """Give it no more."""
        self._by_token.pop(token, None)
        self._by_name.pop(name, None)

    def text(self, token: str) -> bytes | None:
        """Return what is answered by HTTP (RFC 8555 section 8.3)."""
        return self._by_token.get(token)

    @property
    def are_shown(self) -> bool:
        """Whether any answer is shown in handshakes now."""
        return bool(self._by_name)

    def context(self, name: str) -> SSL.Context | None:
        """Return what is shown in a handshake (RFC 8737 section 3)."""
        return self._by_name.get(name)


def _context(name: str, authorization: str) -> SSL.Context:
    """Make a certificate for `name` that says the digest of the key authorization (RFC 8737 section 3)."""
    digest = hashlib.sha256(authorization.encode("ascii")).digest()
    extension = x509.UnrecognizedExtension(_IDENTIFIER, _OCTETS_OF_DIGEST + digest)
    context = server_context(self_signed([name], datetime.now(UTC), extension))
    speak_only_acme(context)
    return context


def speak_only_acme(context: SSL.Context) -> None:
    """Let handshakes fail in which the client wants another protocol than "acme-tls/1" (RFC 8737 section 4)."""
    context.set_alpn_select_callback(_select)


def _select(_connection: SSL.Connection, offered: list[bytes]) -> bytes:
    if offered != [ALPN]:
        raise SSL.Error([("SSL routines", "", "no protocol in common")])  # in the form of OpenSSL's own
    return ALPN
