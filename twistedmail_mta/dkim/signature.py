"""A signature field as a value (RFC 6376 section 3.5)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, cast

from twistedmail_mta.dkim.body import Form
from twistedmail_mta.dkim.fields import Canon, Field
from twistedmail_mta.dkim.results import Unverified
from twistedmail_mta.dkim.tags import TagError, from_base64, parse_tags, parts_of, without_white
from twistedmail_mta.smtp.domain import parse_domain
from twistedmail_mta.smtp.errors import AddressError

ALGORITHMS: Final = ("rsa-sha256", "ed25519-sha256")
MOST_NAMES: Final = 1000
"""Names in h=."""
MOST_DOMAIN: Final = 253
"""Octets of a name that can be asked for in the DNS."""

_NUMBER: Final = re.compile(rb"[0-9]{1,76}")
_TIME: Final = re.compile(rb"[0-9]{1,12}")
_QUOTED: Final = re.compile(rb"=([0-9A-F]{2})")
_CANONS: Final = ("simple", "relaxed")
_PLAIN: Final = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]*")


@dataclass(frozen=True, slots=True)
class Signature:
    """What a signature field says.

    Attributes:
        field: it itself.
        algorithm: one of `ALGORITHMS`.
        value: the signature.
        body_hash: the hash of the body it vouches for.
        header_canon: how fields were made canonical.
        form: what of the body was hashed.
        domain: who signed, in A-labels.
        selector: which of the domain's keys it was, in A-labels.
        identity: on whose behalf; its domain in A-labels.
        names: which fields were signed, in lower case.
        signed_at: seconds since the epoch; None where it isn't said.
        expires: seconds since the epoch; None for never.
    """

    field: Field
    algorithm: str
    value: bytes
    body_hash: bytes
    header_canon: Canon
    form: Form
    domain: str
    selector: str
    identity: str
    names: tuple[bytes, ...]
    signed_at: int | None
    expires: int | None

    @property
    def key_name(self) -> str:
        """Where the key is in the DNS (RFC 6376 section 3.6.2.1)."""
        return f"{self.selector}._domainkey.{self.domain}"


@dataclass(frozen=True, slots=True)
class Claims:
    """What a signature says of itself, as far as it can be shown; what can't be read is empty."""

    domain: str = ""
    selector: str = ""
    identity: str = ""
    algorithm: str = ""
    begin: str = ""


def claims_of(tags: Mapping[bytes, bytes]) -> Claims:
    """Return what is said, however wrong the rest is."""
    algorithm = tags.get(b"a", b"").decode("latin-1").lower()
    begin = without_white(tags.get(b"b", b""))[:8]
    try:
        identity = _identity(tags, "") if b"i" in tags else ""
    except Unverified:
        identity = ""
    return Claims(
        _shown_domain(tags.get(b"d")),
        _shown_domain(tags.get(b"s")),
        identity,
        algorithm if re.fullmatch(r"[a-z0-9-]{1,30}", algorithm) else "",
        begin.decode() if re.fullmatch(rb"[A-Za-z0-9+/=]+", begin) else "",
    )


def tags_of(field: Field) -> Mapping[bytes, bytes]:
    """Return the tags of a signature field.

    Raises:
        Unverified: it is no tag list.
    """
    try:
        return parse_tags(field.value)
    except TagError as error:
        raise Unverified("neutral", f"signature: {error}") from error


def signature_of(field: Field, tags: Mapping[bytes, bytes]) -> Signature:
    """Return a DKIM signature as a value.

    Raises:
        Unverified: it can't be understood (neutral), or can never pass (permerror, policy).
    """
    if _needed(tags, b"v") != b"1":
        raise Unverified("neutral", "signature version not known")
    domain = domain_in(tags, b"d")
    return read_signature(field, tags, _identity(tags, domain))


def read_signature(field: Field, tags: Mapping[bytes, bytes], identity: str) -> Signature:
    """Return a signature as a value; what v= and i= mean depends on the field, and was looked at before.

    Raises:
        Unverified: as `signature_of`.
    """
    _check_query(tags)
    header_canon, body_canon = _canons(tags)
    signed_at, expires = _time(tags, b"t"), _time(tags, b"x")
    if signed_at is not None and expires is not None and expires <= signed_at:
        raise Unverified("neutral", "signature expires before it was made")
    signature = Signature(
        field=field,
        algorithm=algorithm_in(tags),
        value=octets_in(tags, b"b"),
        body_hash=octets_in(tags, b"bh"),
        header_canon=header_canon,
        form=(body_canon, _number(tags, b"l")),
        domain=domain_in(tags, b"d"),
        selector=domain_in(tags, b"s"),
        identity=identity,
        names=_names(tags),
        signed_at=signed_at,
        expires=expires,
    )
    check_key_name(signature.key_name)
    return signature


def check_key_name(name: str) -> None:
    """Demand that a key can be asked for.

    Raises:
        Unverified: its name is too long for the DNS.
    """
    if len(name) > MOST_DOMAIN:
        raise Unverified("permerror", "name of the key too long")


def algorithm_in(tags: Mapping[bytes, bytes]) -> str:
    """Return a=, if it can be verified here.

    Raises:
        Unverified: it isn't there, isn't known, or is rsa-sha1, which never passes (RFC 8301 section 3.1).
    """
    algorithm = _needed(tags, b"a").decode("latin-1").lower()
    if algorithm == "rsa-sha1":
        raise Unverified("policy", "rsa-sha1 is too weak")
    if algorithm not in ALGORITHMS:
        raise Unverified("neutral", "algorithm not known")
    return algorithm


def domain_in(tags: Mapping[bytes, bytes], tag: bytes) -> str:
    """Return a domain or selector, in A-labels; it may stand there in UTF-8 (RFC 8616 section 4).

    Raises:
        Unverified: it isn't there, or is none.
    """
    return _domain(_needed(tags, tag), tag)


def octets_in(tags: Mapping[bytes, bytes], tag: bytes) -> bytes:
    """Return what is said in base64.

    Raises:
        Unverified: it isn't there, or is none.
    """
    try:
        decoded = from_base64(_needed(tags, tag))
    except TagError as error:
        raise Unverified("neutral", f"{tag.decode()}= of the signature is no base64") from error
    if not decoded:
        raise Unverified("neutral", f"{tag.decode()}= of the signature is empty")
    return decoded


def _needed(tags: Mapping[bytes, bytes], tag: bytes) -> bytes:
    if tag not in tags:
        raise Unverified("neutral", f"signature without {tag.decode()}=")
    return tags[tag]


def _domain(octets: bytes, tag: bytes) -> str:
    try:
        return parse_domain(octets.decode())
    except (AddressError, UnicodeError) as error:
        raise Unverified("neutral", f"{tag.decode()}= of the signature is no domain") from error


def _shown_domain(octets: bytes | None) -> str:
    try:
        return "" if octets is None else _domain(octets, b"d")
    except Unverified:
        return ""


def _identity(tags: Mapping[bytes, bytes], domain: str) -> str:
    """Return i=, the local part as it can be shown; without it is "@" and the domain."""
    if b"i" not in tags:
        return f"@{domain}"
    decoded = _QUOTED.sub(lambda found: bytes((int(found[1], 16),)), without_white(tags[b"i"]))
    local, at, host = decoded.rpartition(b"@")
    if not at:
        raise Unverified("neutral", "i= of the signature is no address")
    shown = local.decode("latin-1")
    return f"{shown if _PLAIN.fullmatch(shown) else ''}@{_domain(host, b'i')}"


def _check_query(tags: Mapping[bytes, bytes]) -> None:
    """Demand a way to the key that is known: there is one (RFC 6376 section 3.5, q=)."""
    if b"q" in tags and b"dns/txt" not in (part.lower() for part in parts_of(tags[b"q"])):
        raise Unverified("neutral", "no known way to the key")


def _canons(tags: Mapping[bytes, bytes]) -> tuple[Canon, Canon]:
    header, slash, body = tags.get(b"c", b"simple/simple").decode("latin-1").lower().partition("/")
    if not slash:
        body = "simple"
    if header not in _CANONS or body not in _CANONS:
        raise Unverified("neutral", "canonical form not known")
    return cast(Canon, header), cast(Canon, body)


def _names(tags: Mapping[bytes, bytes]) -> tuple[bytes, ...]:
    """Return h=, which has to name From (RFC 6376 section 5.4)."""
    value = _needed(tags, b"h")
    if value.count(b":") >= MOST_NAMES:
        raise Unverified("policy", "too many fields signed")
    names = tuple(name.lower() for name in parts_of(value))
    if b"" in names:
        raise Unverified("neutral", "h= of the signature has no name where one should be")
    if b"from" not in names:
        raise Unverified("permerror", "From isn't signed")
    return names


def _number(tags: Mapping[bytes, bytes], tag: bytes) -> int | None:
    if tag not in tags:
        return None
    if _NUMBER.fullmatch(tags[tag]) is None:
        raise Unverified("neutral", f"{tag.decode()}= of the signature is no number")
    return int(tags[tag])


def _time(tags: Mapping[bytes, bytes], tag: bytes) -> int | None:
    if tag not in tags:
        return None
    if _TIME.fullmatch(tags[tag]) is None:
        raise Unverified("neutral", f"{tag.decode()}= of the signature is no time")
    return int(tags[tag])
