"""Signs mail for domains that have keys; keys are read once, signatures are made on threads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from zope.interface import implementer

from twistedmail_mta.arc.chain import Verdict
from twistedmail_mta.arc.sealing import sealed
from twistedmail_mta.directory.dkim_rows import any_signs, in_use, keys_of
from twistedmail_mta.dkim.body import BodyHasher, Form, hash_of
from twistedmail_mta.dkim.fields import Field, fields_of
from twistedmail_mta.dkim.making import loaded
from twistedmail_mta.dkim.signing import Signer, signature_fields
from twistedmail_mta.interfaces import IBodyStore, IChanges, IDatabase, ISigning
from twistedmail_mta.mail.header import Header
from twistedmail_mta.model import Body, InlineBody
from twistedmail_mta.tasks import WorkerPool

PIECE: Final = 262_144
"""Octets of a large body that are in memory at once."""
MOST_DOMAINS: Final = 10_000
"""Domains of which it is remembered whether they sign."""

_FORM: Final[Form] = ("relaxed", None)


@implementer(ISigning)
class DomainSigning:
    """Signs with every key of the first domain that has any; RSA takes a millisecond, so threads do it."""

    def __init__(  # noqa: PLR0913, PLR0917 - all that it is made of
        self,
        database: IDatabase,
        changes: IChanges,
        bodies: IBodyStore,
        pool: WorkerPool,
        now: Callable[[], float],
        expires_after: float | None = None,
    ) -> None:
        """Begin with no keys known.

        Args:
            database: where they are.
            changes: tell when others may have changed them.
            bodies: reads large bodies.
            pool: threads that sign.
            now: seconds since the epoch.
            expires_after: seconds for which signatures are good; None: for ever.
        """
        self._database = database
        self._bodies = bodies
        self._pool = pool
        self._now = now
        self._expires_after = expires_after
        self._signers: dict[str, tuple[Signer, ...]] = {}
        self._any: bool | None = None
        changes.subscribe(self.forget)

    def forget(self) -> None:
        """Read keys again when they are needed next."""
        self._signers = {}
        self._any = None

    async def has_keys(self) -> bool:
        """See `ISigning.has_keys`."""
        if self._any is None:
            before = self._signers
            found = await self._database.read(any_signs)
            if self._signers is not before:  # forgotten meanwhile
                return found
            self._any = found
        return self._any

    async def signature(self, header: Header, body: Body, domains: Sequence[str]) -> bytes:
        """See `ISigning.signature`."""
        signers = await self._first(domains)
        if not signers:
            return b""
        at = int(self._now())
        expires = None if self._expires_after is None else at + int(self._expires_after)
        if isinstance(body, InlineBody):
            return await self._pool.run(_signed, header, body.data, signers, at, expires)
        digest = await self._digest(body)
        return await self._pool.run(_signed_with, header, digest, signers, at, expires)

    async def seal(
        self, fields: Sequence[Field], body: Body, verdict: Verdict, assessment: bytes, domain: str
    ) -> bytes:
        """Return an ARC set for a message that is passed on, nothing if the domain has no key for it.

        Args:
            fields: of the message as it leaves, from above.
            body: of the message as it leaves.
            verdict: on its chain as it came.
            assessment: what was found then; see `arc.sealing.sealed`.
            domain: who seals, in A-labels.

        Raises:
            TemporaryError: keys or body can't be read now, or there is too much to sign.
        """
        signers = await self._first([domain])
        signer = next((each for each in signers if each.algorithm == "rsa-sha256"), None)
        if signer is None:
            return b""
        at = int(self._now())
        if isinstance(body, InlineBody):
            digest = await self._pool.run(hash_of, body.data)
        else:
            digest = await self._digest(body)
        return await self._pool.run(sealed, fields, digest, verdict, assessment, signer, at)

    async def _first(self, domains: Sequence[str]) -> tuple[Signer, ...]:
        for domain in domains:
            known = self._signers.get(domain)
            signers = await self._read(domain) if known is None else known
            if signers:
                return signers
        return ()

    async def _read(self, domain: str) -> tuple[Signer, ...]:
        into = self._signers  # what is forgotten meanwhile isn't remembered
        keys = await self._database.read(lambda tx: in_use(keys_of(tx, domain)))
        signers = tuple(Signer(domain, key.selector, loaded(key.private)) for key in keys if key.private is not None)
        if len(into) >= MOST_DOMAINS:
            into.clear()
        into[domain] = signers
        return signers

    async def _digest(self, body: Body) -> bytes:
        hasher, offset = BodyHasher([_FORM]), 0
        while piece := await self._bodies.read(body, offset, PIECE):
            offset += len(piece)
            await self._pool.run(hasher.add, piece)
        hashes = await self._pool.run(hasher.finish)  # it may have millions of empty lines to make up for
        return hashes[_FORM].digest


def _signed(header: Header, text: bytes, signers: Sequence[Signer], at: int, expires: int | None) -> bytes:
    return _signed_with(header, hash_of(text), signers, at, expires)


def _signed_with(header: Header, digest: bytes, signers: Sequence[Signer], at: int, expires: int | None) -> bytes:
    return signature_fields(fields_of(header), digest, signers, at, expires)
