"""Forms of addresses, such as "*@*.example.org", and what is made of those that have one (PURE)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from twistedmail_mta.config.values import domain_name, domain_pattern
from twistedmail_mta.model import Address
from twistedmail_mta.smtp.address import MAX_LOCAL, MAX_PATH

_WORDS: Final = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.\u0080-\U0010ffff-]*")
_QUOTED: Final = re.compile(r'"((?:[ !#-\[\]-~\u0080-\U0010ffff]|\\[ -~])+)"')
_PAIR: Final = re.compile(r"\\(.)")


@dataclass(frozen=True, slots=True)
class Local:
    """A local part, with a star in it or without.

    Attributes:
        before: what stands before the star; all of it where there is none.
        behind: what stands behind it; None where there is none.
    """

    before: str
    behind: str | None = None

    def star(self, local: str) -> str | None:
        """Return what the star stands for in a local part, which is all of it without one; None if it doesn't fit."""
        if self.behind is None:
            return local if local.lower() == self.before else None
        begin, end = len(self.before), len(local) - len(self.behind)
        fits = begin < end and local[:begin].lower() == self.before and local[end:].lower() == self.behind
        return local[begin:end] if fits else None

    def filled(self, star: str) -> str:
        """Return the local part with a text in the star's place."""
        return self.before if self.behind is None else self.before + star + self.behind


@dataclass(frozen=True, slots=True)
class Form:
    """Addresses that are meant, or one that is made.

    Attributes:
        local: upper and lower case are one where it is compared.
        domain: in lower case, as A-labels; "*" means any.
        below: all domains below that one are meant, not that one.
    """

    local: Local
    domain: str
    below: bool = False

    def stars(self, address: Address) -> tuple[str, str] | None:
        """Return what the stars stand for, in the local part and in the domain; None if an address has another form."""
        domain = self._star_of_domain(address.domain)
        local = None if domain is None else self.local.star(address.local)
        return None if domain is None or local is None else (local, domain)

    def _star_of_domain(self, domain: str) -> str | None:
        if self.below:
            return domain.removesuffix(f".{self.domain}") if domain.endswith(f".{self.domain}") else None
        return "" if self.domain in {"*", domain} else None

    def filled(self, stars: tuple[str, str]) -> Address | None:
        """Return the address with texts in the stars' places; None if it would be longer than addresses may be."""
        local, domain = self.local.filled(stars[0]), f"{stars[1]}.{self.domain}" if self.below else self.domain
        address = Address(local, domain)
        too_long = len(local.encode()) > MAX_LOCAL or len(f"<{address}>".encode()) > MAX_PATH
        return None if too_long else address


def meant(text: object) -> Form:
    """Read the form of addresses that are meant; `@example.org` is `*@example.org`, as in maps of Postfix.

    Raises:
        ValueError: it is none.
    """
    if text == "*":
        return Form(Local("", ""), "*")
    local, domain = _cut(text)
    name = domain_pattern(domain)
    return Form(Local(local.before.lower(), local.behind and local.behind.lower()), *_domain(name))


def made(text: object) -> Form:
    """Read what addresses become.

    Raises:
        ValueError: it is none.
    """
    local, domain = _cut(text)
    if not local.before.isascii() or not (local.behind or "").isascii():
        raise ValueError("must have a local part in ASCII, for mail may have come without SMTPUTF8")
    below = domain.startswith("*.")
    return Form(local, domain_name(domain[2:] if below else domain), below)


def demand_star(form: Form, becomes: Form) -> None:
    """See that the domain that is made has a star only where the one that is meant has it.

    Raises:
        ValueError: it has one more.
    """
    if becomes.below and not form.below:
        raise ValueError('has "*." in its domain, and what is to be rewritten has not')


def _domain(name: str) -> tuple[str, bool]:
    return (name[2:], True) if name.startswith("*.") else (name, False)


def _cut(text: object) -> tuple[Local, str]:
    """Cut a form at its at sign."""
    local, at, domain = text.rpartition("@") if isinstance(text, str) else ("", "", "")
    quoted = _QUOTED.fullmatch(local)
    if not at or (quoted is None and (not _WORDS.fullmatch(local) or local.count("*") > 1)):
        raise ValueError(
            'must be an address, "*@example.org", "*@*.example.org" or the like, with one star at each side'
        )
    if quoted is not None:
        return Local(_PAIR.sub(r"\1", quoted[1])), domain
    before, star, behind = (local or "*").partition("*")
    return Local(before, behind if star else None), domain
