"""The server's side of TLS: contexts by name, replaced as a whole on reload; keys of tickets that don't grow old."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import ClassVar, Final

from OpenSSL import SSL
from twisted.internet.interfaces import IOpenSSLServerConnectionCreator
from twisted.logger import Logger
from twisted.protocols.tls import TLSMemoryBIOProtocol
from zope.interface import implementer

from twistedmail_mta.config.site import CertificateTable, TLSTable
from twistedmail_mta.tls.certificates import CertificateError, Identity, read_identity
from twistedmail_mta.tls.hello import ClientHello, read_hello

TICKETS_FOR: Final = 7200
"""Seconds for which a client may resume a session."""
TICKET_KEYS_FOR: Final = 86_400.0
"""Seconds after which tickets are made with other keys, and the keys before them are gone (RFC 9325 section 3.4)."""
MOST_OF_HELLO: Final = 1 << 14
"""Octets of what a client says first; who says more gets the default certificate."""

CIPHERS: Final = b"ECDHE+AESGCM:ECDHE+CHACHA20"
"""TLS 1.2 suites with forward secrecy and AEAD (RFC 9325 section 4.2); TLS 1.3 has no others."""

_OPTIONS: Final = (
    SSL.OP_NO_COMPRESSION | SSL.OP_NO_RENEGOTIATION | SSL.OP_CIPHER_SERVER_PREFERENCE | SSL.OP_SINGLE_ECDH_USE
)


@dataclass(frozen=True, slots=True)
class Contexts:
    """What is shown to whom.

    Attributes:
        identity: shown to clients that want no name, or none of those below.
        default: the same as a context; with its keys all tickets are made, whatever the name.
        by_name: what is shown to clients that want a name.
    """

    identity: Identity
    default: SSL.Context
    by_name: Mapping[str, SSL.Context]


@implementer(IOpenSSLServerConnectionCreator)
class ServerTLS:
    """Makes the server side of TLS connections, with the certificates of the site file.

    Connections that are open keep the certificate they began with.
    """

    log: ClassVar[Logger] = Logger()

    def __init__(self, table: TLSTable, seconds: Callable[[], float] = time.monotonic) -> None:
        """Read the certificates.

        Args:
            table: where they are.
            seconds: the time, for the age of the keys of tickets.

        Raises:
            CertificateError: one of them can't be used.
        """
        self._seconds = seconds
        self._take(contexts_of(table))

    def _take(self, contexts: Contexts) -> None:
        self._contexts = contexts
        self._keys_until = self._seconds() + TICKET_KEYS_FOR

    def serverConnectionForTLS(self, tlsProtocol: TLSMemoryBIOProtocol) -> SSL.Connection:  # noqa: ARG002, N802, N803 - Twisted's names
        """Begin a connection with the certificates as they are now."""
        if self._seconds() >= self._keys_until:
            self._take(replace(self._contexts, default=server_context(self._contexts.identity)))
        contexts = self._contexts
        if not contexts.by_name:
            return SSL.Connection(contexts.default, None)
        return _NamedConnection(contexts)

    def use(self, contexts: Contexts) -> None:
        """Begin connections with other certificates from now on; they are those of `contexts_of`."""
        self._take(contexts)
        self.log.info("certificates reloaded", event="tls.reloaded")


class _NamedConnection(SSL.Connection):
    """The server's end, which knows the name that the client wants before OpenSSL sees anything.

    OpenSSL asks for a context by name only after it has taken up a session
    again; so sessions of one name would be taken up for another, which
    RFC 6066 section 3 forbids.
    """

    def __init__(self, contexts: Contexts) -> None:
        super().__init__(contexts.default, None)
        self._by_name: Mapping[str, SSL.Context] | None = contexts.by_name
        self._held = b""

    def bio_write(self, buf: bytes | bytearray | memoryview) -> int:
        """Take octets of the client; those of its first message together, once it is complete."""
        if self._by_name is None:
            return super().bio_write(buf)
        self._held += buf
        hello = _hello_in(self._held)
        if hello is not None:
            context, held = self._by_name.get(hello.server_name), self._held
            self._by_name, self._held = None, b""
            if context is not None:
                self.set_context(context)
            super().bio_write(held)
        return len(buf)


def _hello_in(octets: bytes) -> ClientHello | None:
    """Return what a client says first, nothing of what is none; None while it isn't complete."""
    try:
        return ClientHello() if len(octets) > MOST_OF_HELLO else read_hello(octets)
    except ValueError:
        return ClientHello()


def server_context(identity: Identity) -> SSL.Context:
    """Return a context for TLS 1.2 and later that shows `identity`.

    Sessions are resumed by tickets alone, so nothing is kept for a client
    that went away.

    Raises:
        CertificateError: OpenSSL refuses the certificate, such as a weak key.
    """
    context = SSL.Context(SSL.TLS_SERVER_METHOD)
    context.set_min_proto_version(SSL.TLS1_2_VERSION)
    context.set_options(_OPTIONS)
    context.set_mode(SSL.MODE_RELEASE_BUFFERS)
    context.set_cipher_list(CIPHERS)
    context.set_session_id(secrets.token_bytes(16))
    context.set_timeout(TICKETS_FOR)
    context.set_session_cache_mode(SSL.SESS_CACHE_SERVER | SSL.SESS_CACHE_NO_INTERNAL)
    try:
        _show(context, identity)
    except SSL.Error as error:
        raise CertificateError(f"OpenSSL refuses the certificate: {error}") from error
    return context


def _show(context: SSL.Context, identity: Identity) -> None:
    context.use_certificate(identity.certificate)
    for link in identity.chain[1:]:
        context.add_extra_chain_cert(link)
    context.use_privatekey(identity.key)  # type: ignore[arg-type] # the kinds that fit no certificate were refused before
    context.check_privatekey()


def contexts_of(table: TLSTable) -> Contexts:
    """Read all certificates of a site.

    Raises:
        CertificateError: one of them can't be used.
    """
    identity = _identity_from(table)
    by_name = {name: server_context(_identity_from(files)) for name, files in table.names.items()}
    return Contexts(identity, server_context(identity), by_name)


def _identity_from(files: CertificateTable) -> Identity:
    return read_identity(files.certificate, files.key)
