"""The ARC sets of a message, as they stand there (RFC 8617 section 4)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from twistedmail_mta.dkim.fields import Field
from twistedmail_mta.dkim.results import Unverified
from twistedmail_mta.dkim.signature import (
    Signature,
    algorithm_in,
    check_key_name,
    domain_in,
    octets_in,
    read_signature,
    tags_of,
)

MOST_SETS: Final = 50
"""RFC 8617 section 4.2.1."""

RESULTS: Final = b"arc-authentication-results"
MESSAGE: Final = b"arc-message-signature"
SEAL: Final = b"arc-seal"
_NAMES: Final = (RESULTS, MESSAGE, SEAL)

_INSTANCE: Final = re.compile(rb"0*([1-9][0-9]?)")
_RESULTS: Final = re.compile(rb"[ \t\r\n]*+i[ \t\r\n]*+=[ \t\r\n]*+([0-9]{1,9})[ \t\r\n]*+;(.*)", re.DOTALL)

Validation = Literal["none", "pass", "fail"]


class Broken(Exception):
    """The chain doesn't hold; the text says why, in ASCII."""


@dataclass(frozen=True, slots=True)
class Seal:
    """An ARC-Seal.

    Attributes:
        field: it itself.
        validation: cv=: what its sealer found of the chain until then.
        domain: who sealed, in A-labels.
        selector: of the key, in A-labels.
        algorithm: such as "rsa-sha256".
        value: the signature.
    """

    field: Field
    validation: Validation
    domain: str
    selector: str
    algorithm: str
    value: bytes

    @property
    def key_name(self) -> str:
        """Where the key is in the DNS."""
        return f"{self.selector}._domainkey.{self.domain}"


@dataclass(frozen=True, slots=True)
class ArcSet:
    """One ARC set.

    Attributes:
        instance: 1 for the first.
        results: the ARC-Authentication-Results field.
        message: the ARC-Message-Signature field.
        seal: the ARC-Seal.
    """

    instance: int
    results: Field
    message: Field
    seal: Seal

    @property
    def assessment(self) -> bytes:
        """What the sealer found when the mail came to it: the text behind `i=N;`, as Authentication-Results has it."""
        found = _RESULTS.fullmatch(self.results.value)
        return found[2].strip() if found else b""


def is_arc(field: Field) -> bool:
    """Return whether a field belongs to a chain."""
    return field.name in _NAMES


def sets_of(fields: Iterable[Field]) -> tuple[ArcSet, ...]:
    """Return the sets of a message, the first first; the structure of the chain is right.

    Raises:
        Broken: there is one field too many or too few, or `cv=` doesn't fit (RFC 8617 section 5.2, steps 1 to 3).
    """
    there = [field for field in fields if is_arc(field)]
    if len(there) > MOST_SETS * len(_NAMES):
        raise Broken("more than 50 ARC sets")
    by_instance = _by_instance(there)
    if not by_instance:
        return ()
    numbers = sorted(by_instance)
    if numbers != list(range(1, len(numbers) + 1)):
        raise Broken("an ARC set is missing")
    sets = tuple(_set(number, by_instance[number]) for number in numbers)
    _check_validations(sets)
    return sets


def _by_instance(fields: Sequence[Field]) -> Mapping[int, Mapping[bytes, Field]]:
    found: dict[int, dict[bytes, Field]] = {}
    for field in fields:
        instance = found.setdefault(_instance_of(field), {})
        if field.name in instance:
            raise Broken("an ARC field is there twice")
        instance[field.name] = field
    return found


def _instance_of(field: Field) -> int:
    """Return i=, which begins ARC-Authentication-Results, and is a tag of the others."""
    if field.name == RESULTS:
        found = _RESULTS.match(field.value)
        value = found[1] if found else b""
    else:
        value = _tags(field).get(b"i", b"")
    number = _INSTANCE.fullmatch(value)
    if number is None or int(number[1]) > MOST_SETS:
        raise Broken("an ARC field has no instance")
    return int(number[1])


def _set(number: int, fields: Mapping[bytes, Field]) -> ArcSet:
    if len(fields) < len(_NAMES):
        raise Broken("an ARC set is incomplete")
    return ArcSet(number, fields[RESULTS], fields[MESSAGE], _seal(fields[SEAL]))


def _seal(field: Field) -> Seal:
    tags = _tags(field)
    if b"h" in tags:
        raise Broken("an ARC-Seal has h=")  # RFC 8617 section 4.1.3
    try:
        seal = Seal(
            field,
            _validation(tags.get(b"cv", b"")),
            domain_in(tags, b"d"),
            domain_in(tags, b"s"),
            algorithm_in(tags),
            octets_in(tags, b"b"),
        )
        check_key_name(seal.key_name)
    except Unverified as error:
        raise Broken(f"an ARC-Seal can't be used: {error.reason}") from error
    return seal


def _validation(value: bytes) -> Validation:
    match value.lower():
        case b"none":
            return "none"
        case b"pass":
            return "pass"
        case b"fail":
            return "fail"
    raise Broken("an ARC-Seal has no known cv=")


def _check_validations(sets: Sequence[ArcSet]) -> None:
    if sets[-1].seal.validation == "fail":
        raise Broken("the chain was broken before")
    for arc_set in sets:
        if arc_set.seal.validation != ("none" if arc_set.instance == 1 else "pass"):
            raise Broken("cv= of an ARC-Seal doesn't fit its place")


def message_signature(arc_set: ArcSet) -> Signature:
    """Return the ARC-Message-Signature of a set as a value.

    Raises:
        Broken: it can't be used.
    """
    tags = _tags(arc_set.message)
    try:
        signature = read_signature(arc_set.message, tags, f"@{domain_in(tags, b'd').lower()}")
    except Unverified as error:
        raise Broken(f"an ARC-Message-Signature can't be used: {error.reason}") from error
    if any(name in _NAMES for name in signature.names):  # RFC 8617 section 4.1.2
        raise Broken("an ARC-Message-Signature covers ARC fields")
    return signature


def _tags(field: Field) -> Mapping[bytes, bytes]:
    try:
        return tags_of(field)
    except Unverified as error:
        raise Broken("an ARC field is no tag list") from error
