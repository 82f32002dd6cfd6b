"""The client's side of TLS: contexts made once and shared by every delivery."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from OpenSSL import SSL, crypto
from service_identity import VerificationError
from service_identity.hazmat import DNS_ID, IPAddress_ID, ServiceID, verify_service_identity
from service_identity.pyopenssl import extract_patterns
from twisted.internet.abstract import isIPAddress, isIPv6Address
from twisted.internet.interfaces import IOpenSSLClientConnectionCreator
from twisted.protocols.tls import TLSMemoryBIOProtocol
from zope.interface import implementer

from twistedmail_mta.dane.records import TLSA
from twistedmail_mta.tls.by_records import RecordsConnectionCreator
from twistedmail_mta.tls.certificates import CertificateError
from twistedmail_mta.tls_report.report import ResultType

_LEGACY_SERVER_CONNECT: Final = 0x4
"""OpenSSL's option, unnamed in pyOpenSSL: talk to servers that know no secure renegotiation."""
_OPTIONS: Final = SSL.OP_NO_COMPRESSION | SSL.OP_NO_RENEGOTIATION
_DEPTH: Final = 8
"""Certificates between a host's own and the topmost: each costs the check of a signature, by any key."""
_OPPORTUNISTIC_CIPHERS: Final = b"DEFAULT:@SECLEVEL=1"
"""Weak keys of old servers are still better than clear text."""


class ClientTLS:
    """Makes the client side of TLS connections, TLS 1.2 and later.

    Where TLS is required, chain and name are verified during the handshake,
    so that not one octet is said to a stranger; elsewhere any certificate does
    (RFC 3207 section 4.1).
    """

    def __init__(self, ca_file: Path | None = None) -> None:
        """Read the trust anchors.

        Args:
            ca_file: certificates in PEM form to trust instead of the system's.

        Raises:
            CertificateError: the file can't be used.
        """
        self._any = _tolerant()
        self._verified, self._lenient = _context(), _tolerant()
        for context in (self._verified, self._lenient):
            if ca_file is None:
                context.set_default_verify_paths()
            else:
                _trust(context, ca_file)

    def connection_to(self, host: str, *, verify: bool, strict: bool = True) -> ClientConnectionCreator:
        """Return what makes one connection.

        Args:
            host: the name or address that is sent (SNI) and, if asked for, verified.
            verify: demand a certificate for `host` that the trust anchors vouch for.
            strict: else it is verified, and taken whatever is found.
        """
        context = self._verified if verify and strict else self._lenient if verify else self._any
        return ClientConnectionCreator(context, host, verify=verify, strict=strict)

    def connection_by_records(
        self, server_name: str, records: Sequence[TLSA], names: Sequence[str]
    ) -> RecordsConnectionCreator:
        """Return what makes one connection to whom TLSA records mean; see `RecordsConnectionCreator`."""
        return RecordsConnectionCreator(self._any, server_name, records, names)


@implementer(IOpenSSLClientConnectionCreator)
class ClientConnectionCreator:
    """Makes one TLS connection to one host.

    Attributes:
        problem: what was wrong with the certificate; empty when nothing was, or nobody looked.
        proven: the certificate was looked at, and is the host's own.
        fault: what was wrong with it, as reports name it (RFC 8460 section 4.3.1); None: nothing that has a name.
    """

    def __init__(self, context: SSL.Context, host: str, *, verify: bool, strict: bool = True) -> None:
        """Prepare a connection; see `ClientTLS.connection_to`."""
        self.problem = ""
        self.proven = False
        self.fault: ResultType | None = None
        self._strict = strict
        self._context = context
        self._host = host
        self._verify = verify

    def clientConnectionForTLS(self, tlsProtocol: TLSMemoryBIOProtocol) -> SSL.Connection:  # noqa: ARG002, N802, N803 - Twisted's names
        """Begin a connection."""
        connection = SSL.Connection(self._context, None)
        if self._host.isascii() and not _is_address(self._host):
            connection.set_tlsext_host_name(self._host.encode("ascii"))
        if self._verify:
            connection.set_verify(SSL.VERIFY_PEER, self._judge)
        return connection

    def _judge(self, _connection: SSL.Connection, certificate: crypto.X509, error: int, depth: int, ok: int) -> bool:
        if not ok:
            self.problem = f"no trusted authority vouches for the certificate (OpenSSL: {_name_of(error)})"
            self.fault = _fault_of(error)
        elif depth == 0 and not _is_for(certificate, self._host):
            self.problem = self.problem or f"the certificate is not for {self._host}"
            self.fault = self.fault or "certificate-host-mismatch"
        elif depth == 0:
            self.proven = not self.problem
        return not (self._strict and self.problem)


ConnectionCreator = ClientConnectionCreator | RecordsConnectionCreator
"""Makes one TLS connection to one host."""


def _trust(context: SSL.Context, ca_file: Path) -> None:
    try:
        context.load_verify_locations(str(ca_file))
    except SSL.Error:
        raise CertificateError(f"{ca_file} can't be read as certificates in PEM form") from None


def _tolerant() -> SSL.Context:
    context = _context()
    context.set_options(_LEGACY_SERVER_CONNECT)
    context.set_cipher_list(_OPPORTUNISTIC_CIPHERS)
    return context


def _context() -> SSL.Context:
    context = SSL.Context(SSL.TLS_CLIENT_METHOD)
    context.set_min_proto_version(SSL.TLS1_2_VERSION)
    context.set_options(_OPTIONS)
    context.set_mode(SSL.MODE_RELEASE_BUFFERS)
    context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
    context.set_verify_depth(_DEPTH)
    return context


def _fault_of(error: int) -> ResultType:
    is_dated = error in (
        SSL.X509VerificationCodes.ERR_CERT_HAS_EXPIRED,
        SSL.X509VerificationCodes.ERR_CERT_NOT_YET_VALID,
    )
    return "certificate-expired" if is_dated else "certificate-not-trusted"


def _name_of(error: int) -> str:
    names = vars(SSL.X509VerificationCodes).items()
    return next((name.lower() for name, code in names if code == error and not name.startswith("_")), str(error))


def _is_address(host: str) -> bool:
    return isIPAddress(host) or isIPv6Address(host)


def _is_for(certificate: crypto.X509, host: str) -> bool:
    wanted: ServiceID = IPAddress_ID(host) if _is_address(host) else DNS_ID(host)
    try:
        verify_service_identity(extract_patterns(certificate), [wanted], [])
    except (VerificationError, ValueError):
        return False
    return True
