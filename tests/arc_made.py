"""Messages with chains, for tests."""

from __future__ import annotations

from dkim_made import AT, DOMAIN, found_in, rsa_key, zone

from twistedmail_mta.arc.chain import Verdict, chain_of, validated
from twistedmail_mta.arc.sealing import sealed
from twistedmail_mta.dkim.body import BodyHasher, hash_of
from twistedmail_mta.dkim.fields import fields_of
from twistedmail_mta.dkim.signing import Signer
from twistedmail_mta.mail.header import Header, split

HEADER = b"From: ann@example.org\r\nTo: list@example.net\r\nSubject: hello\r\n\r\n"
BODY = b"Hello,\r\nthis is it.\r\n"
ASSESSMENT = b"mx.example.org; spf=pass smtp.mailfrom=ann@example.org"


def verdict_on(message: bytes, records: dict[str, bytes] | None = None, now: float = AT) -> Verdict:
    """Validate the chain of a message."""
    header, body = split(message)
    fields = fields_of(Header(header))
    chain = chain_of(fields)
    hasher = BodyHasher(chain.forms)
    hasher.add(body)
    keys = found_in(chain.key_names, zone() if records is None else records)
    return validated(chain, fields, hasher.finish(), keys, now)


def sealer(selector: str = "r") -> Signer:
    """Return who seals."""
    return Signer(DOMAIN, selector, rsa_key(2048))


def with_seal(message: bytes, now: float = AT, records: dict[str, bytes] | None = None) -> bytes:
    """Return a message with one set more."""
    header, body = split(message)
    fields = fields_of(Header(header))
    return sealed(fields, hash_of(body), verdict_on(message, records, now), ASSESSMENT, sealer(), AT) + message
