"""Validation of a chain (RFC 8617 section 5.2): is it whole, and who sealed what.

    chain = chain_of(fields)
    hasher = BodyHasher(forms_of(signatures) | chain.forms), fed with the body
    keys = await fetch(chain.key_names, resolver.texts)
    verdict = validated(chain, fields, hasher.finish(), keys, now)

Only the newest message signature has to verify, but every seal: up to 51
questions to the DNS, fewer where a sealer comes again.  `validated` only
calculates, on any thread; what DNS trouble leaves open is "fail" (section
5.2.1), and said in `Verdict.unanswered`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from twistedmail_mta.arc.sets import ArcSet, Broken, Validation, message_signature, sets_of
from twistedmail_mta.dkim.body import BodyHash, Form
from twistedmail_mta.dkim.fields import Field
from twistedmail_mta.dkim.keys import verify
from twistedmail_mta.dkim.results import Unverified
from twistedmail_mta.dkim.signature import Signature
from twistedmail_mta.dkim.verification import Keys, check, check_times, keys_for


@dataclass(frozen=True, slots=True)
class Chain:
    """The chain of a message, before anything is asked or hashed.

    Attributes:
        sets: the first first; none if there is no chain, or its structure is broken.
        newest: the message signature that has to verify.
        broken: what is wrong with the structure; empty where it is sound.
    """

    sets: tuple[ArcSet, ...] = ()
    newest: Signature | None = None
    broken: str = ""

    @property
    def forms(self) -> set[Form]:
        """What of the body has to be hashed."""
        return set() if self.newest is None else {self.newest.form}

    @property
    def key_names(self) -> tuple[str, ...]:
        """The names of the keys that are needed, each once, the newest first."""
        if self.newest is None:
            return ()
        seals = (arc_set.seal.key_name for arc_set in reversed(self.sets))
        return tuple(dict.fromkeys((self.newest.key_name, *seals)))


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of a chain, in the words of RFC 8617 section 4.4.

    Attributes:
        validation: "none" where there is no chain.
        reason: why it failed; empty else.
        sets: of a chain that passed, the first first.
        unanswered: it failed since the DNS didn't answer for the key of this domain; empty where that isn't why.
    """

    validation: Validation
    reason: str = ""
    sets: tuple[ArcSet, ...] = ()
    unanswered: str = ""

    @property
    def temporary(self) -> bool:
        """Whether it might not fail later."""
        return bool(self.unanswered)

    @property
    def sealers(self) -> tuple[str, ...]:
        """The domains that sealed a chain that passed, the first first, in A-labels."""
        return tuple(arc_set.seal.domain for arc_set in self.sets)


def chain_of(fields: Sequence[Field]) -> Chain:
    """Return the chain that a message carries."""
    try:
        sets = sets_of(fields)
        return Chain(sets, message_signature(sets[-1]) if sets else None)
    except Broken as error:
        return Chain(broken=str(error))


def validated(
    chain: Chain, fields: Sequence[Field], hashes: Mapping[Form, BodyHash], keys: Keys, now: float
) -> Verdict:
    """Return what came of a chain.

    Args:
        chain: as `chain_of` gives it.
        fields: all fields of the message, from above.
        hashes: of the body, for `chain.forms`.
        keys: of `chain.key_names`.
        now: seconds since the epoch.
    """
    if chain.broken:
        return Verdict("fail", chain.broken)
    if chain.newest is None:
        return Verdict("none")
    try:
        _check_message(chain.newest, fields, hashes, keys, now)
        for number in range(len(chain.sets), 0, -1):
            _check_seal(chain.sets[:number], keys)
    except _Failed as failed:
        return Verdict("fail", failed.reason, unanswered=failed.unanswered)
    return Verdict("pass", sets=chain.sets)


class _Failed(Exception):
    def __init__(self, what: str, domain: str, error: Unverified) -> None:
        super().__init__(what)
        self.reason = f"{what}: {error.reason}"
        self.unanswered = domain if error.word == "temperror" else ""


def _check_message(
    signature: Signature, fields: Sequence[Field], hashes: Mapping[Form, BodyHash], keys: Keys, now: float
) -> None:
    refusal: Unverified | None = None
    try:
        check_times(signature, now)
        for key in keys_for(signature.key_name, keys):
            try:
                check(signature, key, fields, hashes)
            except Unverified as error:
                refusal = refusal or error
            else:
                return
    except Unverified as error:
        refusal = error
    assert refusal is not None
    raise _Failed("newest ARC-Message-Signature", signature.domain, refusal) from refusal


def _check_seal(sets: Sequence[ArcSet], keys: Keys) -> None:
    """Check the seal of the last of some sets."""
    seal, digest = sets[-1].seal, hashlib.sha256(sealed_octets(sets)).digest()
    what = f"ARC-Seal {len(sets)}"
    try:
        usable = keys_for(seal.key_name, keys)
    except Unverified as error:
        raise _Failed(what, seal.domain, error) from error
    refusals: list[Unverified] = []
    for key in usable:
        try:
            verify(key, seal.algorithm, seal.value, digest)
        except Unverified as error:
            refusals.append(error)
        else:
            return
    raise _Failed(what, seal.domain, refusals[0]) from refusals[0]


def sealed_octets(sets: Sequence[ArcSet]) -> bytes:
    """Return what the seal of the last set signs (RFC 8617 section 5.1.1)."""
    before = b"".join(octets_of_set(arc_set) for arc_set in sets[:-1])
    last = sets[-1]
    own = last.results.canonical("relaxed") + last.message.canonical("relaxed")
    return before + own + last.seal.field.unsigned("relaxed")


def octets_of_set(arc_set: ArcSet) -> bytes:
    """Return a whole set as the seals of later ones sign it."""
    fields = (arc_set.results, arc_set.message, arc_set.seal.field)
    return b"".join(field.canonical("relaxed") for field in fields)
