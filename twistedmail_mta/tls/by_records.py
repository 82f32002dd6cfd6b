"""Certificates held against TLSA records, during the handshake (RFC 7672 section 3)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, SHA512
from cryptography.hazmat.primitives.serialization import load_der_public_key
from cryptography.x509 import Certificate, DNSName, NameOID, SubjectAlternativeName, load_der_x509_certificate
from cryptography.x509.extensions import ExtensionNotFound
from OpenSSL import SSL, crypto
from service_identity import VerificationError
from service_identity.exceptions import CertificateError as NoSuchName
from service_identity.hazmat import DNS_ID, DNSPattern, verify_service_identity
from twisted.internet.interfaces import IOpenSSLClientConnectionCreator
from twisted.protocols.tls import TLSMemoryBIOProtocol
from zope.interface import implementer

from twistedmail_mta.dane.matching import anchors, is_named, whole_keys
from twistedmail_mta.dane.records import TLSA
from twistedmail_mta.tls_report.report import ResultType

NO_RECORD: Final = "no TLSA record means the certificate"
NOT_VALID: Final = "the authority of the TLSA record doesn't vouch for the certificate"
MOST_ANCHORS: Final = 8
"""That are tried, those that the host shows first: a zone has room for many, and each costs CPU."""
MOST_BITS: Final = 8192
"""Of an RSA key in a record: longer ones cost more than they prove."""
_FAULTS: Final[dict[str, ResultType]] = {NO_RECORD: "validation-failure", NOT_VALID: "certificate-not-trusted"}
_STRONG: Final = (SHA256, SHA384, SHA512)


@implementer(IOpenSSLClientConnectionCreator)
class RecordsConnectionCreator:
    """Makes one TLS connection to one host, whose certificate TLSA records must mean.

    No authority of the system is asked.

    Attributes:
        problem: what was wrong with the certificate; empty when nothing was.
        proven: the certificate was looked at, and is the host's own.
    """

    def __init__(self, context: SSL.Context, server_name: str, records: Sequence[TLSA], names: Sequence[str]) -> None:
        """Prepare a connection.

        Args:
            context: trusts nobody.
            server_name: what is sent (SNI).
            records: usable ones.
            names: one of which the certificate must be for, if an authority vouches for it.
        """
        self.problem = ""
        self.proven = False
        self._context = context
        self._server_name = server_name
        self._records = records
        self._names = names
        self._path: dict[int, bytes] = {}

    @property
    def fault(self) -> ResultType | None:
        """Return what was wrong with the certificate, as reports name it (RFC 8460 section 4.3.1)."""
        if not self.problem:
            return None
        return _FAULTS.get(self.problem, "certificate-host-mismatch")

    def clientConnectionForTLS(self, tlsProtocol: TLSMemoryBIOProtocol) -> SSL.Connection:  # noqa: ARG002, N802, N803 - Twisted's names
        """Begin a connection."""
        connection = SSL.Connection(self._context, None)
        connection.set_tlsext_host_name(self._server_name.encode("ascii"))
        connection.set_verify(SSL.VERIFY_PEER, self._judge)
        return connection

    def _judge(self, _connection: SSL.Connection, certificate: crypto.X509, _error: int, depth: int, ok: int) -> bool:
        """Collect the path; OpenSSL comes to the host's own certificate last, once it has complained of everything."""
        self._path[depth] = crypto.dump_certificate(crypto.FILETYPE_ASN1, certificate)
        if not (ok and depth == 0):
            return True
        leaf, *issuers = (self._path[each] for each in sorted(self._path))
        self.problem = problem_of(leaf, issuers, self._records, self._names)
        self.proven = not self.problem
        return self.proven


def problem_of(leaf: bytes, issuers: Sequence[bytes], records: Sequence[TLSA], names: Iterable[str]) -> str:
    """Return what is wrong with a certificate, or "".

    Args:
        leaf: the host's own certificate, in DER form.
        issuers: the certificates above it.
        records: usable ones.
        names: see `RecordsConnectionCreator`.
    """
    if is_named(records, leaf):
        return ""
    of_records = anchors(records, issuers) or _below_keys(records, [leaf, *issuers][-1])
    if not of_records:
        return NO_RECORD
    if not any(_vouches(anchor, leaf, issuers) for anchor in of_records[:MOST_ANCHORS]):
        return NOT_VALID
    known = list(names)
    return "" if _is_for(load_der_x509_certificate(leaf), known) else f"the certificate is not for {' or '.join(known)}"


def _vouches(anchor: bytes, leaf: bytes, issuers: Iterable[bytes]) -> bool:
    """Return whether a path leads from the anchor to the certificate, signatures, dates and all."""
    store = crypto.X509Store()
    store.set_flags(crypto.X509StoreFlags.PARTIAL_CHAIN)
    try:
        store.add_cert(_loaded(anchor))
        crypto.X509StoreContext(store, _loaded(leaf), [_loaded(each) for each in issuers]).verify_certificate()
    except (crypto.Error, crypto.X509StoreContextError):
        return False
    return True


def _below_keys(records: Sequence[TLSA], top: bytes) -> list[bytes]:
    """Return the topmost certificate if a whole key in a record has signed it (RFC 7671 section 5.2.3).

    The key's own certificate need not be shown then.
    """
    return [top] if any(_has_signed(key, top) for key in whole_keys(records)) else []


def _has_signed(key: bytes, certificate: bytes) -> bool:
    try:
        public, signed = load_der_public_key(key), load_der_x509_certificate(certificate)
        octets, value, digest = signed.tbs_certificate_bytes, signed.signature, signed.signature_hash_algorithm
        match public:
            case Ed25519PublicKey():
                public.verify(value, octets)
            case RSAPublicKey() if public.key_size <= MOST_BITS and isinstance(digest, _STRONG):
                public.verify(value, octets, PKCS1v15(), digest)
            case EllipticCurvePublicKey() if isinstance(digest, _STRONG):
                public.verify(value, octets, ECDSA(digest))
            case _:
                return False
    except (InvalidSignature, UnsupportedAlgorithm, ValueError, TypeError):
        return False
    return True


def _loaded(certificate: bytes) -> crypto.X509:
    return crypto.load_certificate(crypto.FILETYPE_ASN1, certificate)


def _is_for(certificate: Certificate, names: Iterable[str]) -> bool:
    try:
        patterns = [DNSPattern.from_bytes(each.encode("ascii")) for each in _names_of(certificate)]
    except (NoSuchName, ValueError):
        return False
    return any(_is_matched(patterns, name) for name in names)


def _is_matched(patterns: Sequence[DNSPattern], name: str) -> bool:
    try:
        verify_service_identity(patterns, [DNS_ID(name)], [])
    except (VerificationError, ValueError):
        return False
    return True


def _names_of(certificate: Certificate) -> list[str]:
    """Return the names of the extension, or without any the common name (RFC 7672 section 3.2.3)."""
    try:
        alternatives = certificate.extensions.get_extension_for_class(SubjectAlternativeName).value
    except (ExtensionNotFound, ValueError):
        names = []
    else:
        names = alternatives.get_values_for_type(DNSName)
    if names:
        return names
    return [str(each.value) for each in certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
