"""Sealing: one more ARC set on top of a message that is passed on (RFC 8617 section 5.1)."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Final

from twistedmail_mta.arc.chain import Verdict, octets_of_set
from twistedmail_mta.arc.sets import MESSAGE, MOST_SETS, RESULTS, SEAL, is_arc
from twistedmail_mta.dkim.fields import Field, selected
from twistedmail_mta.dkim.signing import IF_THERE, SEALED_IF_THERE, Signer, completed, folded_names

_SIGNED: Final = (
    *(b"From", b"To", b"Cc", b"Subject", b"Date", b"Message-ID", b"Reply-To", b"In-Reply-To", b"References"),
    *(b"MIME-Version", b"Content-Type", b"Content-Transfer-Encoding", *SEALED_IF_THERE, *IF_THERE),
    b"DKIM-Signature",  # RFC 8617 section 4.1.2
)
_MOST_OF_A_NAME: Final = 50
_BREAK: Final = b"\r\n\t"


def sealed(  # noqa: PLR0913, PLR0917 - what a set is made of
    fields: Sequence[Field], body_hash: bytes, verdict: Verdict, assessment: bytes, signer: Signer, at: int
) -> bytes:
    """Return the three fields of a new ARC set, which go before all others; takes milliseconds.

    A chain that failed is sealed as one that failed (section 5.1.2), and one
    that somebody sealed so before isn't sealed again, nor is one of 50 sets:
    then nothing is returned.

    Args:
        fields: all fields of the message as it leaves, from above.
        body_hash: of the relaxed body as it leaves.
        verdict: on the chain as it came.
        assessment: what was found when the mail came, as Authentication-Results has it, such as
            b"mx.example.org; spf=pass ..."; it may be folded, and has no CRLF at its end.
        signer: who seals, with an RSA key: Ed25519 isn't known to every validator, and a set has one algorithm.
        at: seconds since the epoch.
    """
    instance = _next_instance(fields, verdict)
    if instance is None:
        return b""
    results = Field(RESULTS, b"ARC-Authentication-Results: i=%d; %s\r\n" % (instance, assessment.strip()))
    message = _message_signature(fields, body_hash, instance, signer, at)
    seal = _seal(verdict, instance, results.canonical("relaxed") + message.canonical("relaxed"), signer, at)
    return seal + message.octets + results.octets


def _next_instance(fields: Sequence[Field], verdict: Verdict) -> int | None:
    """Return i= of a new set, None if there is to be none."""
    if verdict.validation == "none":
        return 1
    if verdict.validation == "pass":
        return len(verdict.sets) + 1 if len(verdict.sets) < MOST_SETS else None
    highest = max((_instance_said(field) for field in fields if is_arc(field)), default=0)
    if highest >= MOST_SETS or _is_marked(fields, highest):
        return None
    return highest + 1


def _tag_texts(field: Field) -> dict[bytes, bytes]:
    """Return tags of a field that may be broken, as far as they can be read."""
    parts = (part.partition(b"=") for part in field.value.split(b";", 50))
    return {name.strip(): value.strip().lower() for name, _, value in parts}


def _instance_said(field: Field) -> int:
    value = _tag_texts(field).get(b"i", b"")
    return int(value) if value.isdigit() and len(value) <= 3 else 0


def _is_marked(fields: Sequence[Field], instance: int) -> bool:
    """Return whether the newest set says already that the chain is broken (RFC 8617 section 5.1, step 2)."""
    seals = (field for field in fields if field.name == SEAL and _instance_said(field) == instance)
    return any(_tag_texts(field).get(b"cv") == b"fail" for field in seals)


def _message_signature(fields: Sequence[Field], body_hash: bytes, instance: int, signer: Signer, at: int) -> Field:
    there = [field.name for field in fields]
    names = [name for name in _SIGNED for _ in range(min(there.count(name.lower()), _MOST_OF_A_NAME))]
    signed = b"".join(field.canonical("relaxed") for field in selected(fields, (name.lower() for name in names)))
    begin = (
        b"ARC-Message-Signature: i=%d; a=%s; c=relaxed/relaxed;" % (instance, signer.algorithm.encode())
        + b"%sd=%s; s=%s; t=%d;" % (_BREAK, signer.domain.encode(), signer.selector.encode(), at)
        + b"%s%s;" % (_BREAK, folded_names(names))
        + b"%sbh=%s;" % (_BREAK, base64.b64encode(body_hash))
        + b"%sb=" % _BREAK
    )
    return Field(MESSAGE, completed(Field(MESSAGE, begin), signed, signer))


def _seal(verdict: Verdict, instance: int, own: bytes, signer: Signer, at: int) -> bytes:
    """Return the ARC-Seal; that of a broken chain covers its own set alone (RFC 8617 section 5.1.2)."""
    before = b"".join(octets_of_set(arc_set) for arc_set in verdict.sets)
    begin = (
        b"ARC-Seal: i=%d; a=%s; cv=%s;" % (instance, signer.algorithm.encode(), verdict.validation.encode())
        + b"%sd=%s; s=%s; t=%d;" % (_BREAK, signer.domain.encode(), signer.selector.encode(), at)
        + b"%sb=" % _BREAK
    )
    return completed(Field(SEAL, begin), before + own, signer)
