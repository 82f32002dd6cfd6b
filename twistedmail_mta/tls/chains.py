"""Whether a chain of certificates leads to an authority, so that clients can follow it (RFC 5280 section 6.1)."""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from itertools import pairwise
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from OpenSSL import crypto

_UNKNOWN_ISSUER: Final = frozenset((2, 19, 20, 21))
"""What OpenSSL says when it comes to an issuer that it doesn't find or know (X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT,
_SELF_SIGNED_CERT_IN_CHAIN, _UNABLE_TO_GET_ISSUER_CERT_LOCALLY, _UNABLE_TO_VERIFY_LEAF_SIGNATURE)."""


def gap(chain: Sequence[x509.Certificate], authorities: crypto.X509Store | None = None) -> str:
    """Return what is missing in a chain, in words that follow the name of its file; empty when nothing is.

    Args:
        chain: the server's own certificate, then those that lead to its issuer.
        authorities: whom clients know; None for those that this system knows.
    """
    for place, (certificate, issuer) in enumerate(pairwise(chain), start=1):
        if not _has_issued(issuer, certificate):
            return f"has certificate {place + 1} in the place of the issuer of certificate {place}, which it isn't"
    if _leads_to(_system() if authorities is None else authorities, chain):
        return ""
    name = chain[-1].issuer.rfc4514_string()
    return f"ends before an authority that this system knows: the last certificate was issued by {name}"


def _leads_to(authorities: crypto.X509Store, chain: Sequence[x509.Certificate]) -> bool:
    """Whether clients find an authority at the end; that one has expired is another matter."""
    leaf, *issuers = map(crypto.X509.from_cryptography, chain)
    try:
        crypto.X509StoreContext(authorities, leaf, issuers).verify_certificate()
    except crypto.X509StoreContextError as error:
        return error.errors[0] not in _UNKNOWN_ISSUER
    return True


def _system() -> crypto.X509Store:
    store, paths = crypto.X509Store(), ssl.get_default_verify_paths()
    if paths.cafile or paths.capath:
        store.load_locations(paths.cafile, paths.capath)
    return store


def _has_issued(issuer: x509.Certificate, certificate: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True
