"""An account as a JSON document: what it may and how it is set up, for another server to read, or ours."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final, Literal

from pydantic import Base64Bytes, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from twistedmail_mta.directory.accounts import PROTOCOLS, Account, account_name
from twistedmail_mta.directory.passwords import StoredPassword
from twistedmail_mta.directory.patterns import parse_pattern
from twistedmail_mta.directory.schemes import comparison
from twistedmail_mta.mail.mailbox_names import mailbox_name
from twistedmail_mta.sasl.scram_keys import ScramKeys

FORM: Final = "twistedmail-mta account"
VERSION: Final = 1


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class KeptScram(_Part):
    """The keys of SCRAM-SHA-256."""

    salt: Base64Bytes
    iterations: int = Field(ge=4096)
    stored_key: Base64Bytes
    server_key: Base64Bytes


def _usable(text: str) -> str:
    comparison(text)  # raises ValueError when nobody could log in with it
    return text


class KeptPassword(_Part):
    """What is stored of a password."""

    hash: Annotated[str, BeforeValidator(_usable)] = Field(repr=False)
    scram: KeptScram | None


class KeptMailbox(_Part):
    r"""A mailbox, without what is in it.

    Attributes:
        name: levels are separated by "/".
        special_use: RFC 6154's attribute, such as `\Sent`.
        uid_validity: RFC 9051's UIDVALIDITY.
        uid_next: the UID that the next message would have had.
        messages: how many were in it.
        octets: how many octets these had.
    """

    name: Annotated[str, BeforeValidator(mailbox_name)]
    special_use: str | None
    uid_validity: int
    uid_next: int
    messages: int
    octets: int


class KeptAccount(_Part):
    """An account, as it was when it was exported.

    Attributes:
        form: says what this is.
        version: of the form.
        address: the login name.
        enabled: whether it could be used.
        protocols: what it could log in to.
        send_as: patterns of the addresses it could send as.
        quota: octets it could hold; None: as its domain said; 0: no limit.
        quota_messages: the same for the number of messages.
        created_at: seconds since the epoch.
        exported_at: likewise.
        aliases: addresses that led to it, each with all that it led to.
        mailboxes: its mailboxes.
        subscriptions: names that it had subscribed to.
        password: None: there was none here, or it isn't told.
    """

    form: Literal["twistedmail-mta account"] = FORM
    version: Literal[1] = VERSION
    address: Annotated[str, BeforeValidator(account_name)]
    enabled: bool
    protocols: tuple[Literal["smtp", "pop3", "imap"], ...]
    send_as: tuple[Annotated[str, BeforeValidator(parse_pattern)], ...]
    quota: Annotated[int, Field(ge=0)] | None
    quota_messages: Annotated[int, Field(ge=0)] | None
    created_at: float
    exported_at: float
    aliases: dict[str, tuple[str, ...]]
    mailboxes: tuple[KeptMailbox, ...]
    subscriptions: tuple[str, ...]
    password: KeptPassword | None

    @property
    def stored_password(self) -> StoredPassword | None:
        """The password as it is stored; None if it isn't told."""
        if self.password is None:
            return None
        keys = self.password.scram
        scram = None if keys is None else ScramKeys(keys.salt, keys.iterations, keys.stored_key, keys.server_key)
        return StoredPassword(self.password.hash, scram)


def described(account: Account, password: StoredPassword | None, **others: object) -> dict[str, Any]:
    """Return an account as JSON has it.

    Args:
        account: whose settings.
        password: None: not to be told.
        others: the fields of `KeptAccount` that aren't of its row.
    """
    return {
        "form": FORM,
        "version": VERSION,
        "address": account.address,
        "enabled": account.enabled,
        "protocols": [each for each in PROTOCOLS if each in account.protocols],
        "send_as": list(account.send_as),
        "quota": account.quota,
        "quota_messages": account.quota_messages,
        "created_at": account.created_at,
        "password": None if password is None else _described_password(password),
        **others,
    }


def _described_password(password: StoredPassword) -> Mapping[str, object]:
    keys = password.scram
    if keys is None:
        return {"hash": password.hash, "scram": None}
    octets = {"salt": keys.salt, "stored_key": keys.stored_key, "server_key": keys.server_key}
    texts = {name: b64encode(value).decode() for name, value in octets.items()}
    return {"hash": password.hash, "scram": {"iterations": keys.iterations, **texts}}


def read_account(text: bytes) -> KeptAccount:
    """Read such a document.

    Raises:
        ValueError: it is none, or of a newer release; the text says what is wrong where.
    """
    try:
        return KeptAccount.model_validate_json(text)
    except ValidationError as error:
        raise ValueError("; ".join(_problems(error))) from error


def _problems(error: ValidationError) -> Sequence[str]:
    return [f"{'.'.join(map(str, each['loc'])) or 'it'}: {each['msg']}" for each in error.errors(include_input=False)]
