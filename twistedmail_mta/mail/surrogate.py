"""Makes a header with UTF-8 in it fit for clients that know ASCII alone (RFC 6858 section 2).

What can be said in ASCII is said so; what can't is left out, rather than said
wrong.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Final
from urllib.parse import quote_from_bytes

import idna

from twistedmail_mta.mail.address_list import GROUP_END, Mailbox, address_list
from twistedmail_mta.mail.content_type import Parameter, content_type, disposition
from twistedmail_mta.mail.encoded_words import encoded_words
from twistedmail_mta.mail.field_value import unfolded

NOBODY: Final = "invalid@internationalized-address.invalid"
"""Stands for an address that ASCII can't say; mail to it goes nowhere (RFC 2606 section 2)."""
MAX_MAILBOXES: Final = 1000
"""Of a field; those behind are left out."""

_FOLD: Final = "\r\n "
_FIELD_BEGIN = re.compile(rb"(?<=\n)(?=[!-9;-~]++[ \t]*+:|\r\n)")
_SPECIAL = re.compile(r"[^A-Za-z0-9!#$%&'*+\-/=?^_`{|}~ ]")
_DOT_ATOM = re.compile(r"[A-Za-z0-9!#$%&'*+\-/=?^_`{|}~]+(?:\.[A-Za-z0-9!#$%&'*+\-/=?^_`{|}~]+)*")
_ESCAPED = re.compile(r'(["\\])')

_OMITTED: Final = frozenset(
    b"""
    received return-path delivered-to date resent-date message-id resent-message-id in-reply-to references
    mime-version content-transfer-encoding content-id content-language content-location content-base dkim-signature
    authentication-results received-spf arc-seal arc-message-signature arc-authentication-results auto-submitted
    original-recipient list-id list-post list-help list-archive list-owner list-subscribe list-unsubscribe
    """.split()
)
"""Fields with a grammar that has no place for encoded words."""


def surrogate_header(block: bytes) -> bytes:
    """Return the header block in ASCII, its empty line kept.

    Subjects and display names become encoded words, parameters are encoded as
    RFC 2231 says, addresses that can't be said are replaced by one that leads
    nowhere.  Fields in ASCII stay octet for octet.
    """
    return b"".join(field if field.isascii() else _surrogate(field) for field in _FIELD_BEGIN.split(block))


def _surrogate(field: bytes) -> bytes:
    name, _, octets = field.partition(b":")
    kind = name.strip().lower()
    if kind in _OMITTED or not name.isascii():
        return b""
    value = unfolded(octets).strip()
    said = _SAYS.get(kind, _unstructured)(value)
    return b"" if said is None else name + b": " + said.encode("ascii", "replace") + b"\r\n"


def _text(octets: bytes) -> str:
    """Return the text, which should be UTF-8 and otherwise is most often Latin-1."""
    try:
        return octets.decode()
    except UnicodeDecodeError:
        return octets.decode("latin-1")


def _unstructured(value: bytes) -> str:
    return encoded_words(_text(value))


# Addresses


def _addresses(value: bytes) -> str:
    pieces: list[str] = []
    opened = False
    for mailbox in address_list(value, MAX_MAILBOXES):
        if mailbox == GROUP_END:
            pieces.append(";")
            continue
        pieces.append(("," if pieces and not opened else "") + (_FOLD if pieces else ""))
        opened = mailbox.domain is None
        pieces.append(_name(_text(mailbox.local or b"")) + ":" if opened else _mailbox(mailbox))
    return "".join(pieces)


def _mailbox(mailbox: Mailbox) -> str:
    """Return a mailbox; the name tells the address that can't be said."""
    name, local, domain = (_text(octets or b"") for octets in (mailbox.name, mailbox.local, mailbox.domain))
    label = _a_labels(domain)
    if not local.isascii() or label is None:
        return f"{_name(f'{name} {local}@{domain}'.lstrip())} <{NOBODY}>"
    address = f"{_local_part(local)}@{label}"
    return f"{_name(name)} <{address}>" if name else address


def _name(name: str) -> str:
    """Return a display name or the name of a group as a phrase (RFC 5322 section 3.2.5)."""
    if not name.isascii():
        return encoded_words(name)
    if name.startswith("=?") and name.endswith("?=") and " " not in name:
        return name  # an encoded word already
    return _quoted(name) if _SPECIAL.search(name) else name


def _local_part(local: str) -> str:
    return local if _DOT_ATOM.fullmatch(local) else _quoted(local)


def _quoted(text: str) -> str:
    return '"' + _ESCAPED.sub(r"\\\1", text) + '"'


def _a_labels(domain: str) -> str | None:
    """Return the domain in ASCII; None when it has no such form."""
    if domain.isascii():
        return domain
    try:
        return idna.encode(domain[:255], uts46=True).decode("ascii")
    except (idna.IDNAError, UnicodeError):
        return None


# Parameters


def _content_type(value: bytes) -> str:
    found = content_type(value)
    return _with_parameters(f"{_text(found.type)}/{_text(found.subtype)}", found.parameters)


def _disposition(value: bytes) -> str | None:
    found = disposition(value)
    return None if found is None else _with_parameters(_text(found[0]), found[1])


def _with_parameters(value: str, parameters: Iterable[Parameter]) -> str:
    return f";{_FOLD}".join([value, *(_parameter(*each) for each in parameters if each[0].isascii())])


def _parameter(name: bytes, value: bytes) -> str:
    """Return a parameter, in the form of RFC 2231 section 4 when it isn't ASCII."""
    key = name.decode("ascii")
    if value.isascii():
        text = value.decode("ascii")
        return f"{key}={text}" if key.endswith("*") else f"{key}={_quoted(text)}"
    return f"{key.rstrip('*')}*=utf-8''{quote_from_bytes(_text(value).encode(), safe='')}"


_SAYS: Final[Mapping[bytes, Callable[[bytes], str | None]]] = {
    **dict.fromkeys((b"from", b"sender", b"reply-to", b"to", b"cc", b"bcc"), _addresses),
    **dict.fromkeys((b"resent-from", b"resent-sender", b"resent-to", b"resent-cc", b"resent-bcc"), _addresses),
    b"content-type": _content_type,
    b"content-disposition": _disposition,
}
