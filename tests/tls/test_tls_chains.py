"""Chains of certificates: complete, cut off, and in the wrong order."""

from __future__ import annotations

import trustme
from cryptography import x509
from OpenSSL import crypto

from twistedmail_mta.tls.chains import gap


def store(authority: trustme.CA) -> crypto.X509Store:
    """Return what clients know who know one authority."""
    known = crypto.X509Store()
    known.add_cert(crypto.X509.from_cryptography(x509.load_pem_x509_certificate(authority.cert_pem.bytes())))
    return known


def chain_of(authority: trustme.CA) -> list[x509.Certificate]:
    """Return what an authority issues: the certificate, then those on the way."""
    issued = authority.issue_cert("mail.example.org").cert_chain_pems
    return [x509.load_pem_x509_certificate(each.bytes()) for each in issued]


def test_complete_chain() -> None:
    """It leads to an authority that clients know, in one step or in two; the root itself may be missing."""
    root = trustme.CA()

    assert gap(chain_of(root), store(root)) == ""
    assert gap(chain_of(root.create_child_ca()), store(root)) == ""


def test_chain_that_ends_too_soon() -> None:
    """Without the one who issued it clients can't go on, and are told whom they lack."""
    root = trustme.CA()
    between = root.create_child_ca()
    leaf = chain_of(between)[0]

    assert gap([leaf], store(root)).startswith("ends before an authority that this system knows: the last certificate")
    assert leaf.issuer.rfc4514_string() in gap([leaf], store(root))


def test_authority_that_nobody_knows() -> None:
    """The system's own authorities are asked if no others are named."""
    assert gap(chain_of(trustme.CA())).startswith("ends before an authority that this system knows")


def test_chain_in_the_wrong_order() -> None:
    """Each certificate must be that of the one before it's issuer: clients need not sort them."""
    root = trustme.CA()
    leaf, between = chain_of(root.create_child_ca())
    stranger = chain_of(trustme.CA().create_child_ca())[1]

    words = "has certificate 2 in the place of the issuer of certificate 1, which it isn't"
    assert gap([leaf, stranger], store(root)) == words
    assert gap([leaf, between], store(root)) == ""
