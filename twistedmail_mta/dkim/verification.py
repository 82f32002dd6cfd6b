"""The signatures of a message, verified: every rule of RFC 6376 section 6.1, in its order.

    signatures = signatures_of(fields)
    hasher = BodyHasher(forms_of(signatures)), fed with the body
    keys = await fetch(names_of(signatures), resolver.texts)
    results = judged(signatures, fields, hasher.finish(), keys, now)

Only `fetch` waits.  `judged` calculates, some 50 microseconds a signature and
up to 10 milliseconds for each megabyte of header, so of large headers on a
thread; a hasher takes 5 milliseconds at worst for a block of 256 KiB.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Final

from twistedmail_mta.dkim.body import BodyHash, Form
from twistedmail_mta.dkim.fields import Field, selected
from twistedmail_mta.dkim.keys import MAIL, Key, parse_key, verify
from twistedmail_mta.dkim.results import Result, Unverified, Word
from twistedmail_mta.dkim.signature import Claims, Signature, claims_of, signature_of, tags_of
from twistedmail_mta.errors import TemporaryError
from twistedmail_mta.model import Answer

MOST_SIGNATURES: Final = 5
"""That are looked at, from above; each costs a question to the DNS (RFC 6376 section 6.1)."""
MOST_RECORDS: Final = 3
"""Records of one name that are tried."""
AHEAD: Final = 3600
"""Seconds that the clock of who signed may be ahead of ours."""

Texts = Callable[[str], Awaitable[Answer[bytes]]]
"""Asks for the TXT records of a name, as `IResolver.texts` does."""
Keys = Mapping[str, "Answer[bytes] | TemporaryError"]
"""What was found of the keys that were asked for."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A signature field that was found.

    Attributes:
        claims: what it says of itself.
        signature: the signature, or why it can't pass whatever the key is.
    """

    claims: Claims
    signature: Signature | Unverified


def signatures_of(fields: Iterable[Field]) -> tuple[Candidate, ...]:
    """Return the signatures of a message, the topmost first, as many as are looked at."""
    found = (field for field in fields if field.name == b"dkim-signature")
    return tuple(_candidate(field) for field in islice(found, MOST_SIGNATURES))


def _candidate(field: Field) -> Candidate:
    claims = Claims()
    try:
        tags = tags_of(field)
        claims = claims_of(tags)
        signature = signature_of(field, tags)
        _check_identity(signature)
    except Unverified as reason:
        return Candidate(claims, reason)
    return Candidate(claims, signature)


def _check_identity(signature: Signature) -> None:
    """Demand that i= is in d= or below it (RFC 6376 section 6.1.1)."""
    host = signature.identity.rpartition("@")[2]
    if host != signature.domain and not host.endswith(f".{signature.domain}"):
        raise Unverified("permerror", "i= of the signature isn't within d=")


def forms_of(signatures: Iterable[Candidate]) -> set[Form]:
    """Return what of the body has to be hashed."""
    return {each.signature.form for each in signatures if isinstance(each.signature, Signature)}


def names_of(signatures: Iterable[Candidate]) -> tuple[str, ...]:
    """Return the names of the keys that are needed, each once."""
    names = (each.signature.key_name for each in signatures if isinstance(each.signature, Signature))
    return tuple(dict.fromkeys(names))


async def fetch(names: Iterable[str], texts: Texts) -> Keys:
    """Ask for keys, one after another; what can't be had now is an error among the answers."""
    keys: dict[str, Answer[bytes] | TemporaryError] = {}
    for name in names:
        try:
            keys[name] = await texts(name)
        except TemporaryError as error:
            keys[name] = error
    return keys


def judged(  # noqa: PLR0913, PLR0917 - what there is to hold a signature against
    signatures: Iterable[Candidate],
    fields: Sequence[Field],
    hashes: Mapping[Form, BodyHash],
    keys: Keys,
    now: float,
    services: frozenset[bytes] = MAIL,
) -> tuple[Result, ...]:
    """Return what came of each signature.

    Args:
        signatures: as `signatures_of` gives them.
        fields: all fields of the message, from above.
        hashes: of the body, for `forms_of`.
        keys: of `names_of`.
        now: seconds since the epoch.
        services: keys must be for one of them.
    """
    return tuple(_judged(each, fields, hashes, keys, now, services) for each in signatures)


def _judged(  # noqa: PLR0913, PLR0917 - those of `judged`
    candidate: Candidate,
    fields: Sequence[Field],
    hashes: Mapping[Form, BodyHash],
    keys: Keys,
    now: float,
    services: frozenset[bytes],
) -> Result:
    signature, claims = candidate.signature, candidate.claims
    if isinstance(signature, Unverified):
        return _result(claims, signature)
    claims = Claims(signature.domain, signature.selector, signature.identity, signature.algorithm, claims.begin)
    try:
        check_times(signature, now)
        usable = keys_for(signature.key_name, keys, services)
    except Unverified as refusal:
        return _result(claims, refusal)
    results = [_held_against(key, signature, claims, fields, hashes) for key in usable]
    return next((result for result in results if result.word == "pass"), results[0])


def _held_against(
    key: Key, signature: Signature, claims: Claims, fields: Sequence[Field], hashes: Mapping[Form, BodyHash]
) -> Result:
    refusal = None
    try:
        check(signature, key, fields, hashes)
    except Unverified as reason:
        refusal = reason
    result = _result(claims, refusal)
    if not key.testing:
        return result
    reason_text = f"key is for tests only; {result.reason or 'signature verifies'}"
    return replace(result, word="none", reason=reason_text, testing=True)  # as if unsigned (RFC 6376 section 3.6.1)


def _result(claims: Claims, refusal: Unverified | None) -> Result:
    word: Word = "pass" if refusal is None else refusal.word
    reason = "" if refusal is None else refusal.reason
    return Result(word, reason, claims.domain, claims.selector, claims.identity, claims.algorithm, claims.begin)


def check_times(signature: Signature, now: float) -> None:
    """Refuse what has expired, and what is from the future (RFC 6376 section 3.5, t= and x=).

    Raises:
        Unverified: it is either.
    """
    if signature.expires is not None and signature.expires < now:
        raise Unverified("fail", "signature has expired")
    if signature.signed_at is not None and signature.signed_at > now + AHEAD:
        raise Unverified("fail", "signature is from the future")


def keys_for(name: str, keys: Keys, services: frozenset[bytes] = MAIL) -> tuple[Key, ...]:
    """Return the keys of a name; there is at least one (RFC 6376 section 6.1.2).

    Raises:
        Unverified: there is none (permerror), or that can't be said now (temperror).
    """
    answer = keys.get(name)
    if answer is None or isinstance(answer, TemporaryError):
        raise Unverified("temperror", "key can't be had now")
    usable: list[Key] = []
    refusals: list[Unverified] = []
    for record in answer.records[:MOST_RECORDS]:
        try:
            usable.append(parse_key(record, services))
        except Unverified as reason:
            refusals.append(reason)
    if not usable:
        raise refusals[0] if refusals else Unverified("permerror", "no such key")
    return tuple(usable)


def check(signature: Signature, key: Key, fields: Sequence[Field], hashes: Mapping[Form, BodyHash]) -> None:
    """Hold one signature against the message and one key.

    Raises:
        Unverified: it doesn't vouch for the message as it is.
    """
    if key.strict and signature.identity != f"{signature.identity.rpartition('@')[0]}@{signature.domain}":
        raise Unverified("permerror", "key isn't for subdomains")
    size = _check_body(signature, hashes)
    verify(key, signature.algorithm, signature.value, header_hash(signature, fields))
    limit = signature.form[1]
    if limit is not None and limit < size:  # whoever passes it on could have written the rest
        raise Unverified("policy", f"l= leaves {size - limit} octets of the body unsigned")
    if signature.names.count(b"from") < sum(field.name == b"from" for field in fields):
        raise Unverified("policy", "a From field isn't signed")


def _check_body(signature: Signature, hashes: Mapping[Form, BodyHash]) -> int:
    """Compare the hash of the body; return the octets that the canonical body has."""
    body, limit = hashes[signature.form], signature.form[1]
    if limit is not None and limit > body.size:
        raise Unverified("fail", "body is shorter than l=")
    if body.digest != signature.body_hash:
        raise Unverified("fail", "body was changed")
    return body.size


def header_hash(signature: Signature, fields: Sequence[Field]) -> bytes:
    """Return the hash of the signed fields and the signature field itself (RFC 6376 section 3.7)."""
    canon = signature.header_canon
    signed = [field.canonical(canon) for field in selected(fields, signature.names)]
    return hashlib.sha256(b"".join((*signed, signature.field.unsigned(canon)))).digest()
