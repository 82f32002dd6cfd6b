"""Accounts: the value, and the one spelling of the names that lead to it."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from typing import Final

from twistedmail_mta.model import Address
from twistedmail_mta.smtp.address import parse_address
from twistedmail_mta.smtp.errors import AddressError

PROTOCOLS: Final = ("smtp", "pop3", "imap")
"""What an account can be allowed to log in to."""

MAX_NAME: Final = 320
"""Characters of a name: local part, "@" and domain of RFC 5321 section 4.5.3.1."""


class DirectoryError(Exception):
    """An operation on accounts that can't be done; its text is for the operator."""


@dataclass(frozen=True, slots=True)
class Standing:
    """What a login rests on: while this holds, its session may go on.

    Attributes:
        account_id: the account.
        credential_version: of the password that was given.
        protocol: what it logged in to, of `PROTOCOLS`.
    """

    account_id: int
    credential_version: int
    protocol: str


@dataclass(frozen=True, slots=True)
class Account:
    """Somebody who can log in.

    Attributes:
        id: the row; never used again after the account is removed.
        address: the login name, in the spelling of `account_name`.
        enabled: whether it can be used at all.
        protocols: what it may log in to, of `PROTOCOLS`.
        credential_version: raised with every change of the password.
        send_as: patterns of the addresses it may send as, beside its own.
        created_at: when it was added.
        has_password: whether one is kept here; else another checker judges.
        quota: octets it may hold; None: what its domain says; 0: no limit.
        quota_messages: the same for the number of messages.
    """

    id: int
    address: str
    enabled: bool
    protocols: frozenset[str]
    credential_version: int
    send_as: tuple[str, ...]
    created_at: float
    has_password: bool = True
    quota: int | None = None
    quota_messages: int | None = None

    def standing(self, protocol: str) -> Standing:
        """Return what a login to `protocol` rests on now."""
        return Standing(self.id, self.credential_version, protocol)


def account_name(text: str) -> str:
    """Return the one spelling of an account's address that is stored and compared.

    Letters are lowered in the local part too, so `Tim@Example.org` and
    `tim@example.org` are one account; domains become A-labels.  A local part
    that needs quotes is refused: nobody should have to type that to log in.

    Raises:
        ValueError: this can't be the address of an account.
    """
    if len(text) > MAX_NAME:
        raise ValueError("too long for the address of an account")
    try:
        address = parse_address(text.strip())
    except AddressError as error:
        raise ValueError(f"{error}: {text!r}") from None
    if not _is_account_name(address):
        raise ValueError(f"not usable as the address of an account: {text!r}")
    return address_key(address)


def address_key(address: Address) -> str:
    """Return the name of an account or pattern that `address` would have."""
    return f"{folded_local(address.local)}@{address.domain}"


def folded_local(local: str) -> str:
    """Return a local part with the differences taken out that don't tell accounts apart."""
    if local.isascii():
        return local.lower()
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", local).lower())


def _is_account_name(address: Address) -> bool:
    """Whether an address has a domain name, and a local part without quotes or what can't be seen."""
    text = str(address)
    return bool(address.domain) and text[-1] != "]" and text[0] != '"' and text.isprintable()
