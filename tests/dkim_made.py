"""Keys, zones and messages that tests of DKIM and ARC are made of, and the same rules done line by line."""

from __future__ import annotations

import base64
import random
import re
from functools import cache

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from twistedmail_mta.dkim.body import BodyHasher
from twistedmail_mta.dkim.fields import fields_of
from twistedmail_mta.dkim.results import Result
from twistedmail_mta.dkim.signing import Signer
from twistedmail_mta.dkim.verification import Keys, forms_of, judged, names_of, signatures_of
from twistedmail_mta.mail.header import Header, split
from twistedmail_mta.model import Answer

DOMAIN = "example.org"
AT = 1_700_000_000


@cache
def rsa_key(bits: int) -> RSAPrivateKey:
    """Return a key, made once."""
    return generate_private_key(65537, bits)


@cache
def ed25519_key() -> Ed25519PrivateKey:
    """Return a key, the same each time."""
    return Ed25519PrivateKey.from_private_bytes(bytes(range(32)))


def signers() -> list[Signer]:
    """Return both signers of the domain."""
    return [Signer(DOMAIN, "r", rsa_key(2048)), Signer(DOMAIN, "e", ed25519_key())]


def rsa_record(bits: int = 2048, tags: str = "v=DKIM1; ") -> bytes:
    """Return the record of an RSA key."""
    public = rsa_key(bits).public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return f"{tags}p={base64.b64encode(public).decode()}".encode()


def ed25519_record() -> bytes:
    """Return the record of the Ed25519 key."""
    return b"v=DKIM1; k=ed25519; p=" + base64.b64encode(ed25519_key().public_key().public_bytes_raw())


def pem_of(key: RSAPrivateKey) -> bytes:
    """Return a private key as other programs read it."""
    return key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())


def zone() -> dict[str, bytes]:
    """Return the records of the domain."""
    return {f"r._domainkey.{DOMAIN}": rsa_record(), f"e._domainkey.{DOMAIN}": ed25519_record()}


def answers(records: dict[str, bytes]) -> Keys:
    """Return what the DNS says of a zone."""
    return {name: Answer((text,), "found", authentic=False) for name, text in records.items()}


def found_in(names: tuple[str, ...], records: dict[str, bytes]) -> Keys:
    """Return the answers to questions about a zone."""
    missing: Answer[bytes] = Answer((), "missing", authentic=False)
    return {name: answers(records).get(name, missing) for name in names}


def verdicts(message: bytes, records: dict[str, bytes], now: float = AT, cut: int = 1 << 16) -> tuple[Result, ...]:
    """Verify all signatures of a message."""
    header, body = split(message)
    fields = fields_of(Header(header))
    signatures = signatures_of(fields)
    hasher = BodyHasher(forms_of(signatures))
    for begin in range(0, len(body), cut):
        hasher.add(body[begin : begin + cut])
    return judged(signatures, fields, hasher.finish(), found_in(names_of(signatures), records), now)


def plain_body(body: bytes, canon: str) -> bytes:
    """Make a body canonical line by line, as RFC 6376 says it."""
    lines = body.split(b"\r\n")
    if canon == "relaxed":
        lines = [re.sub(rb"[ \t]+", b" ", line) for line in lines]
        lines = [line.removesuffix(b" ") for line in lines]
    while lines and not lines[-1]:
        lines.pop()
    if not lines:
        return b"" if canon == "relaxed" else b"\r\n"
    return b"\r\n".join(lines) + b"\r\n"


_PIECES = [
    b"a",
    b"word",
    b" ",
    b"  ",
    b"\t",
    b" \t ",
    b"\r\n",
    b"\r\n\r\n",
    b"\r",
    b"\n",
    b".",
    b"\xe9",
    b" \r\n",
    b"\r\n ",
]


def random_body(source: random.Random, most: int = 60) -> bytes:
    """Return a body with all that is awkward in it."""
    return b"".join(source.choices(_PIECES, k=source.randrange(most)))


_VALUES = [
    b"a",
    b"Word",
    b"  two",
    b"\r\n folded",
    b"\r\n\t tab",
    b" ",
    b"\t",
    b":",
    b";",
    b"b=",
    b"=",
    b"\xc3\xa9",
    b",",
]
_NAMES = [b"To", b"Subject", b"Date", b"X-Other", b"Received", b"Reply-To", b"List-Unsubscribe", b"SUBJECT", b"cc"]


def random_message(source: random.Random) -> bytes:
    """Return a message with one From, folded and repeated fields, and an awkward body."""
    names = [*source.choices(_NAMES, k=source.randrange(12)), b"From"]
    source.shuffle(names)
    fields = [name + b":" + b"".join(source.choices(_VALUES, k=source.randrange(1, 9))) + b"x\r\n" for name in names]
    return b"".join(fields) + b"\r\n" + random_body(source)


def awkward_letter(source: random.Random) -> bytes:
    """Return a message that other programs take for one, with folded fields and awkward lines."""
    fold = source.choice(["", " ", "\r\n ", "\r\n\t ", "  "])
    lines = source.choices(
        ["", "a", "b ", " c", "d  e", "\t", " ", ". dot", "..", "é" * 3, "x" * 70], k=source.randrange(12)
    )
    return (
        f"Received: from a{fold} (b)\r\n\tby c; Mon, 1 Jan 2024 00:00:00 +0000\r\n"
        f"From:{fold} Ann <ann@{DOMAIN}>\r\nTo: bob@relayed.test,{fold} eve@relayed.test\r\n"
        f"SUBJECT:  some{fold} \twords{fold} \r\nDate: Mon, 1 Jan 2024 00:00:00 +0000\r\n"
        f"Message-ID: <{source.getrandbits(64):x}@{DOMAIN}>\r\nX-Empty:\r\n\r\n"
        + "".join(f"{line}\r\n" for line in lines)
    ).encode()
