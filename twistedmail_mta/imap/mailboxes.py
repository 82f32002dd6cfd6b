"""Commands about mailboxes as such: SELECT, CREATE, STATUS, quotas and their like."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from functools import partial
from typing import Final

from twistedmail_mta.imap.names import SEPARATOR
from twistedmail_mta.imap.sequences import SequenceSet, parse_uid_set
from twistedmail_mta.imap.tokens import BadSyntax, Tokens


class StatusItem(Enum):
    """What STATUS can tell (RFC 9051 section 6.3.11, RFC 3501 section 6.3.10 and the extensions)."""

    MESSAGES = "MESSAGES"
    RECENT = "RECENT"
    UIDNEXT = "UIDNEXT"
    UIDVALIDITY = "UIDVALIDITY"
    UNSEEN = "UNSEEN"
    DELETED = "DELETED"
    SIZE = "SIZE"
    HIGHESTMODSEQ = "HIGHESTMODSEQ"
    APPENDLIMIT = "APPENDLIMIT"
    DELETED_STORAGE = "DELETED-STORAGE"


@dataclass(frozen=True, slots=True)
class Resync:
    """What a client knows of a mailbox (RFC 7162 section 3.2.5).

    Attributes:
        uid_validity: as it was.
        mod_sequence: the highest it knows.
        known_uids: which it holds; None for all.
        numbers: some message numbers, None if none are told.
        uids: the UIDs they had, as many.
    """

    uid_validity: int
    mod_sequence: int
    known_uids: SequenceSet | None = None
    numbers: SequenceSet | None = None
    uids: SequenceSet | None = None


@dataclass(frozen=True, slots=True)
class Select:
    """SELECT, or EXAMINE if `read_only` (RFC 9051 section 6.3.2, RFC 7162 section 3.1.8)."""

    mailbox: str
    read_only: bool
    condstore: bool = False
    resync: Resync | None = None


@dataclass(frozen=True, slots=True)
class Create:
    r"""CREATE; `use` as `\Sent`, in the case it was written (RFC 9051 section 6.3.4, RFC 6154 section 3)."""

    mailbox: str
    use: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Delete:
    """DELETE (RFC 9051 section 6.3.5)."""

    mailbox: str


@dataclass(frozen=True, slots=True)
class Rename:
    """RENAME (RFC 9051 section 6.3.6)."""

    mailbox: str
    to: str


@dataclass(frozen=True, slots=True)
class Subscribe:
    """SUBSCRIBE, or UNSUBSCRIBE if not `subscribed` (RFC 9051 section 6.3.7)."""

    mailbox: str
    subscribed: bool


@dataclass(frozen=True, slots=True)
class Status:
    """STATUS (RFC 9051 section 6.3.11); each item once."""

    mailbox: str
    items: tuple[StatusItem, ...]


@dataclass(frozen=True, slots=True)
class GetQuota:
    """GETQUOTA (RFC 9208 section 4.1.2)."""

    root: bytes


@dataclass(frozen=True, slots=True)
class GetQuotaRoot:
    """GETQUOTAROOT (RFC 9208 section 4.1.3)."""

    mailbox: str


@dataclass(frozen=True, slots=True)
class SetQuota:
    """SETQUOTA: names of resources in capitals, with their limits (RFC 9208 section 4.1.4)."""

    root: bytes
    limits: tuple[tuple[str, int], ...]


def read_status_items(tokens: Tokens) -> tuple[StatusItem, ...]:
    """Read the list of STATUS, also of LIST (RFC 5819 section 2)."""
    return tuple(dict.fromkeys(tokens.items(lambda: _status_item(tokens))))


def _status_item(tokens: Tokens) -> StatusItem:
    try:
        return StatusItem(tokens.keyword("an item of STATUS"))
    except ValueError:
        raise BadSyntax("Unknown item of STATUS") from None


def _select(tokens: Tokens, *, read_only: bool) -> Select:
    mailbox = _mailbox(tokens)
    found: dict[str, Resync | None] = {}
    if tokens.skip(b" "):
        found = dict(tokens.items(lambda: _parameter(tokens)))
    return Select(mailbox, read_only, condstore="CONDSTORE" in found, resync=found.get("QRESYNC"))


def _parameter(tokens: Tokens) -> tuple[str, Resync | None]:
    name = tokens.keyword("a parameter")
    if name == "QRESYNC":
        tokens.space()
        return name, _resync(tokens)
    if name != "CONDSTORE":
        raise BadSyntax("Unknown parameter of SELECT")
    return name, None


def _resync(tokens: Tokens) -> Resync:
    tokens.expect(b"(")
    uid_validity = tokens.number(least=1, what="a UIDVALIDITY")
    tokens.space()
    mod_sequence = tokens.number64(least=1, what="a mod-sequence")
    known_uids = numbers = uids = None
    more = tokens.skip(b" ")
    if more and not tokens.follows(b"("):
        known_uids = tokens.sequence_set(parse_uid_set)
        more = tokens.skip(b" ")
    if more:
        tokens.expect(b"(")
        numbers = tokens.sequence_set(parse_uid_set)
        tokens.space()
        uids = tokens.sequence_set(parse_uid_set)
        tokens.expect(b")")
    tokens.expect(b")")
    return Resync(uid_validity, mod_sequence, known_uids, numbers, uids)


def _mailbox(tokens: Tokens) -> str:
    tokens.space()
    return tokens.mailbox()


def _create(tokens: Tokens) -> Create:
    mailbox = _mailbox(tokens).removesuffix(SEPARATOR)  # it says that others are to be below (RFC 9051 section 6.3.4)
    return Create(mailbox, _uses(tokens) if tokens.skip(b" ") else ())


def _uses(tokens: Tokens) -> tuple[str, ...]:
    tokens.expect(b"(")
    if tokens.keyword("USE") != "USE":
        raise BadSyntax("Unknown parameter of CREATE")
    tokens.space()
    uses = tokens.items(tokens.flag, least=0)
    tokens.expect(b")")
    return tuple(uses)


def _rename(tokens: Tokens) -> Rename:
    return Rename(_mailbox(tokens), _mailbox(tokens))


def _subscribe(tokens: Tokens, *, subscribed: bool) -> Subscribe:
    return Subscribe(_mailbox(tokens), subscribed)


def _status(tokens: Tokens) -> Status:
    mailbox = _mailbox(tokens)
    tokens.space()
    return Status(mailbox, read_status_items(tokens))


def _get_quota(tokens: Tokens) -> GetQuota:
    tokens.space()
    return GetQuota(tokens.astring("a quota root"))


def _set_quota(tokens: Tokens) -> SetQuota:
    tokens.space()
    root = tokens.astring("a quota root")
    tokens.space()
    return SetQuota(root, tuple(tokens.items(lambda: _limit(tokens), least=0)))


def _limit(tokens: Tokens) -> tuple[str, int]:
    name = tokens.atom("a resource").decode().upper()
    tokens.space()
    return name, tokens.number64(what="a limit")


Action = Select | Create | Delete | Rename | Subscribe | Status | GetQuota | GetQuotaRoot | SetQuota

COMMANDS: Final[dict[str, Callable[[Tokens], Action]]] = {
    "SELECT": partial(_select, read_only=False),
    "EXAMINE": partial(_select, read_only=True),
    "CREATE": _create,
    "DELETE": lambda tokens: Delete(_mailbox(tokens)),
    "RENAME": _rename,
    "SUBSCRIBE": partial(_subscribe, subscribed=True),
    "UNSUBSCRIBE": partial(_subscribe, subscribed=False),
    "STATUS": _status,
    "GETQUOTA": _get_quota,
    "GETQUOTAROOT": lambda tokens: GetQuotaRoot(_mailbox(tokens)),
    "SETQUOTA": _set_quota,
}
