"""Signing: which fields, and the field that says so (RFC 6376 section 5)."""

from __future__ import annotations

import base64
import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.hashes import SHA256

from twistedmail_mta.dkim.fields import Field, selected

ALWAYS: Final = (
    *(b"From", b"To", b"Cc", b"Subject", b"Date", b"Message-ID", b"Reply-To"),
    *(b"In-Reply-To", b"References", b"MIME-Version", b"Content-Type", b"Content-Transfer-Encoding"),
)
"""Signed once more than they are there, so that none can be added (RFC 6376 section 5.4.2, "oversigning")."""
SEALED_IF_THERE: Final = (
    *(b"List-Id", b"List-Help", b"List-Unsubscribe", b"List-Unsubscribe-Post", b"List-Subscribe"),
    *(b"List-Post", b"List-Owner", b"List-Archive"),
)
"""Likewise where they are there: a list has to be able to add its own to mail that has none."""
IF_THERE: Final = (
    *(b"Sender", b"Content-ID", b"Content-Description", b"Content-Disposition", b"Content-Language"),
    *(b"Resent-Date", b"Resent-From", b"Resent-Sender", b"Resent-To", b"Resent-Cc", b"Resent-Message-ID"),
)
"""Signed as often as they are there; whoever resends adds one more block (RFC 5322 section 3.6.6)."""
MOST_OF_A_NAME: Final = 50
"""Fields of one name that are signed; From, Subject and the like stand there once."""

_LINE: Final = 72
_PREHASHED: Final = Prehashed(SHA256())
_BREAK: Final = b"\r\n\t"

PrivateKey = RSAPrivateKey | Ed25519PrivateKey


@dataclass(frozen=True, slots=True)
class Signer:
    """Who signs, with which key.

    Attributes:
        domain: d=, in A-labels.
        selector: s=.
        key: RSA or Ed25519.
    """

    domain: str
    selector: str
    key: PrivateKey

    @property
    def algorithm(self) -> str:
        """What a= says."""
        return "rsa-sha256" if isinstance(self.key, RSAPrivateKey) else "ed25519-sha256"

    def sign(self, data: bytes) -> bytes:
        """Return the signature of octets in base64; takes about a millisecond with RSA, so not on the reactor."""
        digest = hashlib.sha256(data).digest()
        if isinstance(self.key, RSAPrivateKey):
            return base64.b64encode(self.key.sign(digest, PKCS1v15(), _PREHASHED))
        return base64.b64encode(self.key.sign(digest))  # RFC 8463 section 3: PureEdDSA of the hash


def signature_fields(
    fields: Sequence[Field], body_hash: bytes, signers: Iterable[Signer], at: int, expires: int | None = None
) -> bytes:
    """Return a DKIM-Signature field for each signer, each with its CRLF; takes milliseconds, so not on the reactor.

    Header and body are taken in their relaxed forms.

    Args:
        fields: all fields of the message, from above.
        body_hash: of the relaxed body.
        signers: who signs.
        at: seconds since the epoch.
        expires: likewise; None: never.
    """
    names = names_to_sign(fields)
    signed = b"".join(field.canonical("relaxed") for field in selected(fields, (name.lower() for name in names)))
    made = [_signature_field(names, signed, body_hash, signer, at, expires) for signer in signers]
    return b"".join(made)


def names_to_sign(fields: Iterable[Field]) -> list[bytes]:
    """Return what h= is to say."""
    there = Counter(field.name for field in fields)
    names: list[bytes] = []
    for name in (*ALWAYS, *SEALED_IF_THERE, *IF_THERE):
        number = there[name.lower()]
        sealed = name in ALWAYS or (name in SEALED_IF_THERE and number)
        names += [name] * (min(number, MOST_OF_A_NAME) + bool(sealed))
    return names


def _signature_field(  # noqa: PLR0913, PLR0917 - what a signature says
    names: Sequence[bytes], signed: bytes, body_hash: bytes, signer: Signer, at: int, expires: int | None
) -> bytes:
    expiry = b"" if expires is None else b" x=%d;" % expires
    begin = (
        b"DKIM-Signature: v=1; a=%s; c=relaxed/relaxed;" % signer.algorithm.encode()
        + b"%sd=%s; s=%s; t=%d;%s" % (_BREAK, signer.domain.encode(), signer.selector.encode(), at, expiry)
        + b"%s%s;" % (_BREAK, folded_names(names))
        + b"%sbh=%s;" % (_BREAK, base64.b64encode(body_hash))
        + b"%sb=" % _BREAK
    )
    return completed(Field(b"dkim-signature", begin), signed, signer)


def completed(begin: Field, signed: bytes, signer: Signer) -> bytes:
    """Return a signature field that ends in an empty b=, with the signature and the CRLF.

    Args:
        begin: the field.
        signed: the canonical fields that are signed before it.
        signer: who signs.
    """
    value = signer.sign(signed + begin.canonical("relaxed")[:-2])
    return begin.octets + folded(value) + b"\r\n"


def folded(value: bytes) -> bytes:
    """Return base64 on lines of their own, none longer than RFC 5322 section 2.1.1 likes."""
    return _BREAK.join(re.findall(rb".{1,%d}" % _LINE, value))


def folded_names(names: Iterable[bytes]) -> bytes:
    """Return h=, folded between names."""
    lines = [b"h="]
    for name in names:
        if len(lines[-1]) + len(name) > _LINE:
            lines.append(b"")
        lines[-1] += name + b":"
    return _BREAK.join(lines).removesuffix(b":")
