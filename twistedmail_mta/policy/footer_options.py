"""What the site file says of footers: their texts, and whose mail has which (PURE)."""

from __future__ import annotations

import html
from collections.abc import Mapping
from typing import Annotated, Final, Self

from pydantic import AfterValidator, Field, model_validator

from twistedmail_mta.config.values import AddressPatterns, DomainPattern, Size, Table
from twistedmail_mta.mail.addresses import addresses
from twistedmail_mta.mail.header import Header
from twistedmail_mta.model import CRLF, Address
from twistedmail_mta.policy.header_rules import fits
from twistedmail_mta.policy.part_footing import Words

MAX_SIZE: Final = 16 << 20
"""Octets of a message that may be in memory while it gets a footer."""

_MAX_LINE: Final = 900
_END: Final = CRLF.decode()


def _lines(text: str) -> str:
    lines = [line.expandtabs().rstrip() for line in text.splitlines()]
    if not "".join(lines) or any(len(line.encode()) > _MAX_LINE or not line.isprintable() for line in lines):
        raise ValueError(f"must be a text of lines that have {_MAX_LINE} octets at most")
    return _END.join(lines) + _END


Lines = Annotated[str, AfterValidator(_lines)]


def _words(text: str, markup: str | None) -> Words:
    """Return the words of a footer; where no HTML is given it is the text, line by line."""
    if markup is None:
        markup = f"<p>{f'<br>{_END}'.join(html.escape(text.removesuffix(_END), quote=False).split(_END))}</p>{_END}"
    return Words(text, markup)


class DomainFooter(Table):
    """[plugins.NAME.domains."example.org"]: the footer of who writes from a domain.

    Attributes:
        text: what stands behind plain text.
        html: what stands behind HTML; None: the same.
    """

    text: Lines
    html: Lines | None = None


class FooterOptions(Table):
    """Options of `footer`.

    Attributes:
        text: what stands behind plain text, where `domains` has nothing.
        html: what stands behind HTML; None: the same.
        sender: patterns of the reverse-paths whose messages get `text`.
        domains: footers by the domain of the author.
        inside: patterns of recipients; messages for nobody else get none.
        replies: answers get one, too.
        strangers: mail of clients that haven't logged in gets one, too.
        max_size: octets; larger messages get none.
    """

    text: Lines | None = None
    html: Lines | None = None
    sender: AddressPatterns = ()
    domains: dict[DomainPattern, DomainFooter] = Field(default_factory=dict)
    inside: AddressPatterns = ()
    replies: bool = True
    strangers: bool = False
    max_size: Annotated[Size, Field(gt=0, le=MAX_SIZE)] = 1 << 20

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        if (self.text is None) != (not self.sender):
            raise ValueError("text and sender belong together: whose mail gets which text?")
        if self.text is None and self.html is not None:
            raise ValueError("text is missing: most messages have plain text")
        if self.text is None and not self.domains:
            raise ValueError("must have text and sender, or domains")
        return self


class Footers:
    """The footers of a site, ready to be put behind messages."""

    def __init__(self, options: FooterOptions) -> None:
        self._sender = options.sender
        self._usual = None if options.text is None else _words(options.text, options.html)
        self._domains = {name: _words(each.text, each.html) for name, each in options.domains.items()}

    def of(self, header: Header, sender: Address) -> Words | None:
        """Return the footer of a message; None if it has none.

        Args:
            header: its own.
            sender: the reverse-path, which isn't null.
        """
        found = _of_domain(self._domains, author_domain(header, sender)) if self._domains else None
        if found is None and any(fits(sender, pattern) for pattern in self._sender):
            return self._usual
        return found


def author_domain(header: Header, sender: Address) -> str:
    """Return the domain of the first author in From; of the sender where that can't be understood."""
    values = header.get_all(b"From")
    authors = addresses(values[0]) if len(values) == 1 else None
    return authors[0].domain if authors else sender.domain


def _of_domain(footers: Mapping[str, Words], domain: str) -> Words | None:
    """Return what is for a domain: by its name, else by the longest pattern."""
    found = footers.get(domain)
    while found is None and domain:
        _, _, domain = domain.partition(".")
        found = footers.get(f"*.{domain}") if domain else footers.get("*")
    return found
