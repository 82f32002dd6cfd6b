"""The server's side of TLS: contexts by name, replaced as a whole on reload."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import ClassVar, Final

from OpenSSL import SSL
from twisted.internet.interfaces import IOpenSSLServerConnectionCreator
from twisted.logger import Logger
from twisted.protocols.tls import TLSMemoryBIOProtocol
from zope.interface import implementer

from twistedmail_mta.config.site import CertificateTable, TLSTable
from twistedmail_mta.tls.certificates import CertificateError, Identity, read_identity

CIPHERS: Final = b"ECDHE+AESGCM:ECDHE+CHACHA20"
"""TLS 1.2 suites with forward secrecy and AEAD (RFC 9325 section 4.2); TLS 1.3 has no others."""

_OPTIONS: Final = (
    SSL.OP_NO_COMPRESSION | SSL.OP_NO_RENEGOTIATION | SSL.OP_CIPHER_SERVER_PREFERENCE | SSL.OP_SINGLE_ECDH_USE
)


@implementer(IOpenSSLServerConnectionCreator)
class ServerTLS:
    """Makes the server side of TLS connections, with the certificates of the site file.

    Connections that are open keep the certificate they began with.
    """

    log: ClassVar[Logger] = Logger()

    def __init__(self, table: TLSTable) -> None:
        """Read the certificates.

        Raises:
            CertificateError: one of them can't be used.
        """
        self._context = context_of(table)

    def serverConnectionForTLS(self, tlsProtocol: TLSMemoryBIOProtocol) -> SSL.Connection:  # noqa: ARG002, N802, N803 - Twisted's names
        """Begin a connection with the certificates as they are now."""
        return SSL.Connection(self._context, None)

    def use(self, context: SSL.Context) -> None:
        """Begin connections with other certificates from now on; they are those of `context_of`."""
        self._context = context
        self.log.info("certificates reloaded", event="tls.reloaded")


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


def context_of(table: TLSTable) -> SSL.Context:
    """Read all certificates of a site.

    Raises:
        CertificateError: one of them can't be used.
    """
    default = _context_from(table)
    by_name = {name: _context_from(files) for name, files in table.names.items()}
    if by_name:
        _choose_by_name(default, by_name)
    return default


def _context_from(files: CertificateTable) -> SSL.Context:
    return server_context(read_identity(files.certificate, files.key))


def _choose_by_name(default: SSL.Context, by_name: Mapping[str, SSL.Context]) -> None:
    def choose(connection: SSL.Connection) -> None:
        name = (connection.get_servername() or b"").decode("ascii", "replace").lower()
        context = by_name.get(name)
        if context is not None:
            connection.set_context(context)

    default.set_tlsext_servername_callback(choose)
