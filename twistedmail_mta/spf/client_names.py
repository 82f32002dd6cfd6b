"""The names of a client that lead back to it (RFC 7208 section 5.5)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from twistedmail_mta.spf.budget import MAX_HOSTS
from twistedmail_mta.spf.errors import TempError
from twistedmail_mta.spf.names import can_be_asked, is_below
from twistedmail_mta.spf.questions import Questions
from twistedmail_mta.spf.subject import Subject

UNKNOWN: Final = "unknown"
"""What `%{p}` stands for where there is no name."""


class ClientNames:
    """Finds them; names beyond the first ten are ignored (RFC 7208 section 4.6.4).

    That the DNS gives no answer makes nothing match, and is remembered.

    Attributes:
        in_doubt: an answer is missing.
    """

    def __init__(self, subject: Subject, questions: Questions) -> None:
        self.in_doubt = False
        self._subject = subject
        self._questions = questions
        self._names: tuple[str, ...] | None = None

    async def has_one_below(self, domain: str) -> bool:
        """Return whether a confirmed name is a domain, or lies in it.

        Raises:
            PermError: too much is asked for.
        """
        return await self._first(lambda name: is_below(name, domain)) is not None

    async def best(self, domain: str) -> str:
        """Return the name that `%{p}` stands for: the domain itself or one in it, if it can be (RFC 7208 section 7.3).

        Raises:
            PermError: too much is asked for.
        """
        if self._names is None:
            self._questions.budget.begin_lookup()
        for fits in (lambda name: name == domain, lambda name: is_below(name, domain), lambda _: True):
            if (found := await self._first(fits)) is not None:
                return found
        return UNKNOWN

    async def _first(self, fits: Callable[[str], bool]) -> str | None:
        for name in await self._known():
            if fits(name) and await self._is_confirmed(name):
                return name
        return None

    async def _known(self) -> tuple[str, ...]:
        """Return what the client is called by its PTR records."""
        try:
            names = await self._questions.reverse_names(self._subject.ip)
        except TempError:
            self.in_doubt = True
            names = ()
        self._names = tuple(name.lower().removesuffix(".") for name in names[:MAX_HOSTS])
        return self._names

    async def _is_confirmed(self, name: str) -> bool:
        if not can_be_asked(name):
            return False
        try:
            return self._subject.ip in await self._questions.addresses(name, self._subject.family)
        except TempError:
            self.in_doubt = True
            return False
