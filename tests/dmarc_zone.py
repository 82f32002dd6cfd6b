"""A DNS for tests of DMARC, in memory."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from typing import Any, TypeVar

from twistedmail_mta.dmarc.author import Author
from twistedmail_mta.dmarc.evaluation import Identifier, Verdict, discovered, evaluated
from twistedmail_mta.dmarc.tree import Records
from twistedmail_mta.errors import TemporaryError
from twistedmail_mta.model import Answer, Reply

T = TypeVar("T")

NO_ANSWER = Reply(451, "4.4.3", "The DNS doesn't answer")


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run what never waits."""
    try:
        coroutine.send(None)
    except StopIteration as end:
        return end.value
    raise AssertionError("it waits")


class Zone:
    """TXT records at `_dmarc`, by domain.

    Attributes:
        broken: names that give no answer.
        asked: the names that were asked for.
        missing: domains that don't exist.
    """

    def __init__(self, **records: str | Sequence[str]) -> None:
        self._records = {name.replace("_", "."): records[name] for name in records}
        self.broken: set[str] = set()
        self.missing: set[str] = set()
        self.asked: list[str] = []

    async def texts(self, name: str) -> Answer[bytes]:
        """Return TXT records."""
        self.asked.append(name)
        if name in self.broken:
            raise TemporaryError(NO_ANSWER)
        texts = self._records.get(name.removeprefix("_dmarc."), ())
        texts = (texts,) if isinstance(texts, str) else texts
        return Answer(tuple(text.encode() for text in texts), "found" if texts else "missing", authentic=False)

    async def exists(self, domain: str) -> bool:
        """Return whether there is such a domain."""
        self.asked.append(domain)
        if domain in self.broken:
            raise TemporaryError(NO_ANSWER)
        return domain not in self.missing

    def verdict(self, author: str | Author, *identifiers: Identifier) -> Verdict:
        """Return what DMARC says of a message."""
        records = Records(self.texts)
        who = Author(author) if isinstance(author, str) else author
        policy = run(discovered(who, records, self.exists))
        return run(evaluated(policy, identifiers, records))


def spf(domain: str, *, is_sure: bool = True) -> Identifier:
    """Return a domain that SPF vouches for."""
    return Identifier("spf", domain, is_sure)


def dkim(domain: str, *, is_sure: bool = True) -> Identifier:
    """Return a domain that a signature vouches for."""
    return Identifier("dkim", domain, is_sure)


Maker = Callable[..., Identifier]
