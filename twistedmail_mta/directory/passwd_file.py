"""A file of names and hashes in Dovecot's form, and the checker that reads it.

A line is `user:password:uid:gid:gecos:home:shell:extra`, of which all behind the
password may be missing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Final

from twisted.logger import Logger

from twistedmail_mta.directory.accounts import account_name
from twistedmail_mta.directory.checkers import Question
from twistedmail_mta.directory.comparisons import Comparisons
from twistedmail_mta.directory.logins import LIFETIME
from twistedmail_mta.directory.schemes import comparison
from twistedmail_mta.errors import TemporaryError

_LOCKED: Final = "{CRYPT}!"
_CLOSED: Final = frozenset({"nologin", "user_disabled", "expired", "pass_expired"})
"""Extra fields by which a line lets nobody in, there as here."""
_UNKNOWN_LIMITS: Final = frozenset(
    {"allow_nets", "allow_real_nets", "nopassword", "proxy", "proxy_maybe", "noauthenticate"}
)
"""Extra fields whose rules aren't kept here, so that a line with one lets nobody in."""
_MISTAKES_SHOWN: Final = 20


@dataclass(frozen=True, slots=True)
class Passwords:
    """What a file says.

    Attributes:
        hashes: by account name, each with its {SCHEME}.
        mistakes: lines that let nobody in although they should perhaps, each with its number.
    """

    hashes: Mapping[str, str] = field(repr=False)
    mistakes: tuple[str, ...] = ()


def parse_passwords(octets: bytes, domain: str | None) -> Passwords:
    """Read the text of a file; empty lines and those that begin with "#" or ":" don't count.

    A bad line is a mistake and doesn't touch the others.  Whose line has a name
    but a bad hash is known all the same: nobody else is to be asked for it.

    Args:
        octets: the text, in UTF-8.
        domain: where names without one belong; None: they are mistakes.
    """
    hashes: dict[str, str] = {}
    mistakes: list[str] = []
    places: dict[str, int] = {}
    for number, line in enumerate(octets.split(b"\n"), 1):
        if not line.strip() or line[:1] in b"#:":
            continue
        try:
            fields = _fields(line)
            name = _name(fields[0], domain)
            first = places.setdefault(name, number)
            if first == number:
                hashes[name] = _hash(fields)
            _demand_use(fields, name, None if first == number else first)
        except ValueError as error:
            mistakes.append(f"line {number}: {error}")
    return Passwords(hashes, tuple(mistakes))


def _fields(line: bytes) -> list[str]:
    try:
        fields = line.decode("utf-8").rstrip("\r").split(":")
    except UnicodeDecodeError:
        raise ValueError("is not UTF-8") from None
    if len(fields) < 2:
        raise ValueError("has no password")
    return fields


def _name(user: str, domain: str | None) -> str:
    if "@" in user:
        return account_name(user)
    if domain is None:
        raise ValueError(f"{user!r} has no domain, and the checker names none")
    return account_name(f"{user}@{domain}")


def _hash(fields: list[str]) -> str:
    """Return the hash of a line; without a scheme it is crypt(3)'s."""
    if _extras(fields) & (_CLOSED | _UNKNOWN_LIMITS):
        return _LOCKED
    return fields[1] if fields[1].startswith("{") else f"{{CRYPT}}{fields[1]}"


def _demand_use(fields: list[str], name: str, first: int | None) -> None:
    """Refuse a line by which nobody can log in although that isn't what it says."""
    if first is not None:
        raise ValueError(f"{name} stands in line {first} already")
    comparison(_hash(fields))
    if limits := _extras(fields) & _UNKNOWN_LIMITS:
        raise ValueError(f"{', '.join(sorted(limits))} is unknown here, so this line lets nobody in")


def _extras(fields: list[str]) -> set[str]:
    """Return the names of the extra fields that are there and not denied."""
    pairs = [text.partition("=") for text in ":".join(fields[7:]).split()]
    return {name.lower() for name, _, value in pairs if value.lower() not in ("n", "no")}


class PasswdFile:
    """Knows the names that stand in a file.

    The file is read at the start and by `reload`; until then a changed one
    doesn't count.
    """

    log: ClassVar[Logger] = Logger()
    remembered = LIFETIME

    def __init__(self, path: Path, domain: str | None, comparisons: Comparisons) -> None:
        """Read the file; blocks, so before the reactor serves.

        Args:
            path: the file.
            domain: where names without one belong; None: nowhere.
            comparisons: compare with its hashes.

        Raises:
            OSError: it can't be read.
        """
        self.generation = 0
        self._path = path
        self._domain = domain
        self._comparisons = comparisons
        self._passwords = self._read()
        self._report(self._passwords.mistakes)

    async def check(self, question: Question) -> bool | None:
        """Compare the password with the one of the file; None for a name that isn't there."""
        stored = self._passwords.hashes.get(question.name)
        if stored is None:
            return None
        return await self._comparisons.matches(question.name, question.peer, question.password, stored)

    async def reload(self) -> frozenset[str]:
        """Read the file again, on a thread; when it can't be read, what was read before stays.

        Returns:
            The names whose password is another one now, or is gone.
        """
        try:
            new = await self._comparisons.run(self._read)
        except (OSError, TemporaryError) as error:
            self.log.warn(
                "{path} not read again, what was read before stays in use: {reason}",
                event="auth.reload.failed",
                path=str(self._path),
                reason=str(error),
            )
            return frozenset()
        self._report(new.mistakes)
        old, self._passwords = self._passwords, new
        if new.hashes != old.hashes:
            self.generation += 1
        self.log.info(
            "{path} read again: {names} names", event="auth.reloaded", path=str(self._path), names=len(new.hashes)
        )
        return frozenset(name for name, stored in old.hashes.items() if new.hashes.get(name) != stored)

    def _read(self) -> Passwords:
        return parse_passwords(self._path.read_bytes(), self._domain)

    def _report(self, mistakes: Sequence[str]) -> None:
        for mistake in mistakes[:_MISTAKES_SHOWN]:
            self.log.warn("{path}, {mistake}", event="auth.line.bad", path=str(self._path), mistake=mistake)
        if (more := len(mistakes) - _MISTAKES_SHOWN) > 0:
            self.log.warn("{path}: {more} more bad lines", event="auth.line.bad", path=str(self._path), more=more)
