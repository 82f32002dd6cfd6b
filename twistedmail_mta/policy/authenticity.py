"""Whether a message is whose it says it is: SPF, DKIM, ARC and DMARC together, asked at the same time."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol, TypeVar

from twisted.internet.interfaces import IReactorTime

from twistedmail_mta.arc.chain import Chain, chain_of, validated
from twistedmail_mta.arc.chain import Verdict as ChainVerdict
from twistedmail_mta.dkim.body import BodyHash, BodyHasher, Form
from twistedmail_mta.dkim.fields import Field, fields_of
from twistedmail_mta.dkim.keys import MAIL
from twistedmail_mta.dkim.results import Result
from twistedmail_mta.dkim.verification import Candidate, Keys, forms_of, judged, names_of, signatures_of
from twistedmail_mta.dmarc.author import Author, author_of
from twistedmail_mta.dmarc.evaluation import Identifier, Verdict, discovered, evaluated
from twistedmail_mta.dmarc.tree import Records
from twistedmail_mta.errors import TemporaryError
from twistedmail_mta.interfaces import IResolver
from twistedmail_mta.mail.header import Header
from twistedmail_mta.model import Address, Answer
from twistedmail_mta.networks import address_of
from twistedmail_mta.policy.asking import TimedResolver, together
from twistedmail_mta.spf.identity import Checked, Visit, check_helo, check_sender
from twistedmail_mta.stages import Body
from twistedmail_mta.tasks import Task

T = TypeVar("T")

SMALL: Final = 16 << 10
"""Octets of a body that are hashed without a thread."""
SMALL_HEADER: Final = 8 << 10
"""Octets of a header that is read without a thread."""
FEW_LINES: Final = 200
"""Lines of such a header."""
PIECE: Final = 64 << 10
"""Octets of a body that are in memory at once."""
FEW: Final = 2
"""Signatures that are verified without a thread."""


class Threads(Protocol):
    """Calls what takes long on a thread, as `Kit.run_in_thread` does."""

    def __call__(self, function: Callable[..., T], *arguments: Any) -> Awaitable[T]:  # noqa: ANN401 - the function's
        """Return what the function returns."""


@dataclass(frozen=True, slots=True)
class Findings:
    """What was found of a message.

    Attributes:
        sender: SPF of the reverse-path, or of the name in HELO if that is null; None where no client is known.
        helo: SPF of the name in HELO besides; None where it isn't asked.
        signatures: what came of each, the topmost first.
        chain: what came of ARC.
        dmarc: whether the author's domain vouches for it.
    """

    sender: Checked | None
    helo: Checked | None
    signatures: tuple[Result, ...]
    chain: ChainVerdict
    dmarc: Verdict

    @property
    def vouching(self) -> frozenset[str]:
        """The domains that SPF or a signature passes for."""
        return self._domains("pass")

    @property
    def unsure(self) -> frozenset[str]:
        """The domains of which the DNS doesn't say now whether SPF or a signature passes for them."""
        return self._domains("temperror")

    def _domains(self, word: str) -> frozenset[str]:
        checked = [each.verdict for each in (self.sender, self.helo) if each is not None]
        hosts = {verdict.domain for verdict in checked if verdict.result == word}
        return frozenset(hosts | {each.domain for each in self.signatures if each.word == word})


@dataclass(frozen=True, slots=True)
class Reading:
    """A header, as far as it matters here.

    Attributes:
        fields: all, from above.
        signatures: those that are looked at.
        chain: the ARC chain.
        author: what From says.
    """

    fields: tuple[Field, ...]
    signatures: tuple[Candidate, ...]
    chain: Chain
    author: Author

    @property
    def forms(self) -> set[Form]:
        """What of the body has to be hashed."""
        return forms_of(self.signatures) | self.chain.forms

    @property
    def key_names(self) -> tuple[str, ...]:
        """The keys that are needed, each once: those of signatures first."""
        return tuple(dict.fromkeys((*names_of(self.signatures), *self.chain.key_names)))


def reading_of(header: Header) -> Reading:
    """Read a header: a plain function, which may run on any thread."""
    fields = fields_of(header)
    return Reading(fields, signatures_of(fields), chain_of(fields), author_of(header.get_all(b"From")))


class Examiner:
    """Examines messages, one after another or at the same time.

    The questions about one all run at once, each purpose in a time of its own,
    so that slow servers of one domain make nothing unknown about another.  What
    takes more than a fraction of a millisecond is done on threads.
    """

    def __init__(
        self,
        resolver: IResolver,
        clock: IReactorTime,
        patience: float,
        in_thread: Threads,
        services: frozenset[bytes] = MAIL,
    ) -> None:
        """Begin.

        Args:
            resolver: who is asked.
            clock: for the time that the answers have.
            patience: seconds for all questions about a message.
            in_thread: calls what takes long.
            services: keys of signatures must be for one of them.
        """
        self._resolver = resolver
        self._clock = clock
        self._patience = patience
        self._in_thread = in_thread
        self._services = services

    async def findings(self, visit: Visit, sender: Address, header: Header, body: Body) -> Findings:
        """Return what can be found of a message.

        Args:
            visit: who brought it, and when; without an address SPF isn't asked.
            sender: the reverse-path.
            header: of the message.
            body: what follows it.

        Raises:
            TemporaryError: the body can't be read now, or all threads are busy.
        """
        is_large = len(header.block) > SMALL_HEADER or header.block.count(b"\n") > FEW_LINES
        reading = await self._on_thread_if(is_large, reading_of, header)
        records = Records(self._resolver_in_time().texts)
        spf = Task("authentication.spf", self._spf(visit, sender))
        keys = Task("authentication.keys", self._keys(reading.key_names))
        policy = Task("authentication.dmarc", discovered(reading.author, records, self._exists))
        try:
            hashes = await self._hashes(reading.forms, body)
            is_much = is_large or len(reading.signatures) > FEW or bool(reading.chain.sets)
            signatures, chain = await self._on_thread_if(
                is_much, _judged, reading, hashes, await keys, visit.now, self._services
            )
            by_mail, by_helo = await spf
            dmarc = await evaluated(await policy, dict.fromkeys(_identifiers(by_mail, signatures)), records)
        finally:
            for task in (spf, keys, policy):
                task.cancel()
        return Findings(by_mail, by_helo, signatures, chain, dmarc)

    def _resolver_in_time(self) -> TimedResolver:
        return TimedResolver(self._resolver, self._clock, self._patience)

    async def _on_thread_if(self, is_much: bool, function: Callable[..., T], *arguments: Any) -> T:  # noqa: ANN401 - the function's
        return await self._in_thread(function, *arguments) if is_much else function(*arguments)

    async def _spf(self, visit: Visit, sender: Address) -> tuple[Checked | None, Checked | None]:
        """Check the reverse-path and the name in HELO (RFC 7208 section 2.3 and section 2.4)."""
        if address_of(visit.ip) is None:
            return None, None
        by_mail = Task("authentication.spf.mail", check_sender(visit, sender, self._resolver_in_time(), explain=False))
        try:
            if sender.is_null or not visit.helo:
                return await by_mail, None
            by_helo = await check_helo(visit, self._resolver_in_time(), explain=False)
            return await by_mail, by_helo
        finally:
            by_mail.cancel()

    async def _keys(self, names: tuple[str, ...]) -> Keys:
        """Ask for keys, all at once: a slow server keeps nobody else's from being there in time."""
        resolver = self._resolver_in_time()
        answers = await together(_answer(resolver.texts(name)) for name in names)
        return dict(zip(names, answers, strict=True))

    async def _exists(self, domain: str) -> bool:
        return (await self._resolver_in_time().addresses(domain, "A")).status != "missing"

    async def _hashes(self, forms: set[Form], body: Body) -> Mapping[Form, BodyHash]:
        """Hash a body as it is read, a piece at a time.

        The last octets of a large one may cost as much as millions of empty
        lines before them, which are hashed only then.
        """
        hasher, is_large = BodyHasher(forms), body.size > SMALL
        offset = 0
        while forms and offset < body.size:
            piece = await body.read(offset, PIECE)
            if not piece:
                raise EOFError(f"the body ends at {offset} of {body.size} octets")
            await self._on_thread_if(is_large, hasher.add, piece)
            offset += len(piece)
        return await self._on_thread_if(is_large and bool(forms), hasher.finish)


def _judged(
    reading: Reading, hashes: Mapping[Form, BodyHash], keys: Keys, now: float, services: frozenset[bytes]
) -> tuple[tuple[Result, ...], ChainVerdict]:
    """Verify signatures and chain: a plain function, for any thread."""
    results = judged(reading.signatures, reading.fields, hashes, keys, now, services)
    return results, validated(reading.chain, reading.fields, hashes, keys, now)


async def _answer(question: Awaitable[Answer[bytes]]) -> Answer[bytes] | TemporaryError:
    try:
        return await question
    except TemporaryError as error:
        return error


def _identifiers(sender: Checked | None, signatures: tuple[Result, ...]) -> Iterator[Identifier]:
    """Yield the domains that vouch for a message, and those that might if the DNS answered."""
    if sender is not None and sender.verdict.result in {"pass", "temperror"}:
        yield Identifier("spf", sender.verdict.domain, sender.verdict.result == "pass")
    for each in signatures:
        if each.domain and each.word in {"pass", "temperror"}:
            yield Identifier("dkim", each.domain, each.word == "pass")
