"""The walk up the tree of the DNS (RFC 9989 section 4.10): which records there are, and whose domain it is."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from twistedmail_mta.dmarc.record import Record, is_record, parse_record
from twistedmail_mta.errors import TemporaryError
from twistedmail_mta.model import Answer

MOST_QUESTIONS: Final = 8
"""In one walk."""
MOST_NAME: Final = 253
"""Letters of a name that can be asked for."""

Texts = Callable[[str], Awaitable[Answer[bytes]]]
"""Asks for the TXT records of a name, as `IResolver.texts` does."""


@dataclass(frozen=True, slots=True)
class Found:
    """A record, and the domain that it was found at."""

    domain: str
    record: Record


Walk = tuple[Found, ...]
"""The records on the way up, the longest name first."""


class Records:
    """The records that one message needs, each asked for once.

    Attributes:
        asked: how many questions it was.
    """

    def __init__(self, texts: Texts) -> None:
        self.asked = 0
        self._texts = texts
        self._known: dict[str, Record | TemporaryError | None] = {}

    async def at(self, domain: str) -> Record | None:
        """Return the one record of a domain; several count as none (RFC 9989 section 4.10, step 2).

        Raises:
            TemporaryError: the DNS doesn't answer.
        """
        if domain not in self._known:
            self._known[domain] = await self._asked(domain)
        known = self._known[domain]
        if isinstance(known, TemporaryError):
            raise known
        return known

    async def _asked(self, domain: str) -> Record | TemporaryError | None:
        name = f"_dmarc.{domain}"
        if len(name) > MOST_NAME:
            return None
        self.asked += 1
        try:
            answer = await self._texts(name)
        except TemporaryError as error:
            return error
        records = [text for text in answer.records if is_record(text)]
        return parse_record(records[0]) if len(records) == 1 else None


def names_on_the_way(domain: str) -> tuple[str, ...]:
    """Return the domains that a walk asks about, from the domain itself to its top: eight at most."""
    labels = domain.split(".")
    left = min(len(labels) - 1, MOST_QUESTIONS - 1)
    return (domain, *(".".join(labels[-count:]) for count in range(left, 0, -1)))


async def walk(domain: str, records: Records) -> Walk:
    """Go up from a domain to the first record that tells whose it is, or to the top.

    Raises:
        TemporaryError: the DNS doesn't answer, so that what is found might be wrong.
    """
    found: list[Found] = []
    for name in names_on_the_way(domain):
        record = await records.at(name)
        if record is not None:
            found.append(Found(name, record))
            if record.psd != "u":
                break
    return tuple(found)


def organizational_domain(domain: str, found: Walk) -> str:
    """Return the organizational domain of one that a walk began at (RFC 9989 section 4.10.2)."""
    for each in found:
        if each.record.psd == "n":
            return each.domain
        if each.record.psd == "y" and each.domain != domain:
            return _one_below(each.domain, domain)
    return found[-1].domain if found else domain


def public_suffix(domain: str, found: Walk) -> Found | None:
    """Return the record of the public suffix that a domain lies in, if there is one."""
    return next((each for each in found if each.record.psd == "y" and each.domain != domain), None)


def is_within(name: str, domain: str) -> bool:
    """Return whether a name is a domain, or below it."""
    return name == domain or name.endswith(f".{domain}")


def _one_below(suffix: str, domain: str) -> str:
    """Return the domain one label below a suffix, on the way to another."""
    return ".".join(domain.split(".")[-(suffix.count(".") + 2) :])
