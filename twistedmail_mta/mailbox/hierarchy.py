"""Mailboxes made, renamed and deleted, and subscriptions: the transactions."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from twistedmail_mta.errors import TemporaryError
from twistedmail_mta.imap.names import parents
from twistedmail_mta.interfaces import Transaction
from twistedmail_mta.mail.mailbox_names import INBOX, LONGEST_NAME, SEPARATOR
from twistedmail_mta.mailbox import deposit
from twistedmail_mta.mailbox.deposit import MAKE, validities
from twistedmail_mta.mailbox.mailboxes import Mailbox, named
from twistedmail_mta.mailbox.problem import Problem
from twistedmail_mta.mailbox.replies import MAILBOX_GONE

MOST_MAILBOXES: Final = 10_000
"""Mailboxes of an account, those among them that are still being purged."""

MOST_SUBSCRIPTIONS: Final = 10_000
"""Names that an account is subscribed to."""

USES: Final = {use.lower(): use for _, use in deposit.SPECIAL}
r"""What a mailbox can be for (RFC 6154 section 2), by its lower case.

\All and \Flagged would promise that mail of other mailboxes is in it.
"""

COUNT: Final = "SELECT count(*) FROM mailbox WHERE account = ?"

THERE: Final = "SELECT name FROM mailbox WHERE account = ?1 AND name IN (SELECT value FROM json_each(?2))"

USED: Final = "SELECT 1 FROM mailbox WHERE account = ? AND name >= ' ' AND special_use = ?"

# A control character before its number: a name that no client can give.
HIDE: Final = "UPDATE mailbox SET name = char(1) || id, special_use = NULL WHERE account = ? AND name = ? RETURNING id"

# "0" follows "/": these are the names below.
_TREE: Final = "account = ?1 AND (name = ?2 OR (name > ?2 || '/' AND name < ?2 || '0'))"

BELOW: Final = f"SELECT name FROM mailbox WHERE {_TREE} ORDER BY name"  # noqa: S608 - a constant

# In two steps: on the way from "a/a" to "a" no two may have the same name.
MOVE_AWAY: Final = f"UPDATE mailbox SET name = char(2) || ?3 || substr(name, ?4) WHERE {_TREE}"  # noqa: S608 - a constant

MOVE_IN: Final = "UPDATE mailbox SET name = substr(name, 2) WHERE account = ? AND name > char(2) AND name < char(3)"

COUNT_SUBSCRIPTIONS: Final = "SELECT count(*) FROM subscription WHERE account = ?"

SUBSCRIBE: Final = """
INSERT INTO subscription (account, name) SELECT id, ?2 FROM accounts WHERE id = ?1 ON CONFLICT DO NOTHING
"""

UNSUBSCRIBE: Final = "DELETE FROM subscription WHERE account = ? AND name = ?"

NAMES: Final = "SELECT name, special_use FROM mailbox WHERE account = ? AND name >= ' ' ORDER BY name"

SUBSCRIPTIONS: Final = "SELECT name FROM subscription WHERE account = ? ORDER BY name"


@dataclass(frozen=True, slots=True)
class Names:
    """What LIST needs to know of an account.

    Attributes:
        mailboxes: the name of each, and what it is for; in the order of the names.
        subscriptions: names, also of mailboxes that aren't there; in their order.
    """

    mailboxes: Sequence[tuple[str, str | None]]
    subscriptions: Sequence[str]


def names(tx: Transaction, account: int) -> Names:
    """Return what LIST needs to know of an account."""
    subscriptions = [name for (name,) in tx.execute(SUBSCRIPTIONS, (account,))]
    return Names([(name, use) for name, use in tx.execute(NAMES, (account,))], subscriptions)


def create(tx: Transaction, account: int, name: str, use: str | None, now: int) -> Mailbox | Problem:
    """Make a mailbox, and those above it (RFC 9051 section 6.3.4).

    Raises:
        TemporaryError: the account is gone.
    """
    _make_first(tx, account, now)
    if named(tx, account, name) is not None:
        return Problem.EXISTS
    if use is not None and list(tx.execute(USED, (account, use))):
        return Problem.USE_TAKEN
    if not _make_missing(tx, account, [*parents(name), name], now, use):
        return Problem.TOO_MANY
    made = named(tx, account, name)
    if made is None:
        raise TemporaryError(MAILBOX_GONE)
    return made


def _make_first(tx: Transaction, account: int, now: int) -> None:
    """Make INBOX and its like, so that no other mailbox takes their names."""
    if not list(tx.execute(THERE, (account, json.dumps([INBOX])))):
        deposit.make(tx, account, INBOX, now)


def _make_missing(tx: Transaction, account: int, wanted: Sequence[str], now: int, use: str | None = None) -> bool:
    """Make those mailboxes that aren't there, the last of them for that use; False if they would be too many."""
    there = _there(tx, account, wanted)
    missing = [name for name in wanted if name not in there]
    ((count,),) = list(tx.execute(COUNT, (account,)))
    if count + len(missing) > MOST_MAILBOXES:
        return False
    if not missing:
        return True
    first = validities(tx, len(missing), now)
    uses = {wanted[-1]: use}
    list(tx.executemany(MAKE, [(account, name, first + n, uses.get(name)) for n, name in enumerate(missing)]))
    return True


def _there(tx: Transaction, account: int, wanted: Collection[str]) -> set[str]:
    return {name for (name,) in tx.execute(THERE, (account, json.dumps(list(wanted))))}


def hide(tx: Transaction, account: int, name: str) -> int | None:
    """Take a mailbox out of everybody's sight, to be purged; return its id, or None when there is none."""
    for (mailbox,) in list(tx.execute(HIDE, (account, name))):
        return int(mailbox)
    return None


def rename(tx: Transaction, account: int, old: str, new: str, now: int) -> Problem | None:
    """Rename a mailbox and those below it; not INBOX (RFC 9051 section 6.3.6).

    A name that only has others below it can be renamed, too.
    """
    if f"{new}{SEPARATOR}".startswith(f"{old}{SEPARATOR}"):
        return Problem.EXISTS if new == old else Problem.INTO_ITSELF
    before = [name for (name,) in tx.execute(BELOW, (account, old))]
    if not before:
        return Problem.MISSING
    after = [new + name[len(old) :] for name in before]
    if any(len(name.encode()) > LONGEST_NAME for name in after):
        return Problem.BAD_NAME
    if _there(tx, account, [new, *after]).difference(before):
        return Problem.EXISTS
    if not _make_missing(tx, account, list(parents(new)), now):
        return Problem.TOO_MANY
    tx.execute(MOVE_AWAY, (account, old, new, len(old) + 1))
    tx.execute(MOVE_IN, (account,))
    return None


def subscribe(tx: Transaction, account: int, name: str) -> Problem | None:
    """Subscribe to a name, whether there is such a mailbox or not (RFC 9051 section 6.3.7)."""
    ((count,),) = list(tx.execute(COUNT_SUBSCRIPTIONS, (account,)))
    if count >= MOST_SUBSCRIPTIONS:
        return Problem.TOO_MANY
    tx.execute(SUBSCRIBE, (account, name))
    return None


def unsubscribe(tx: Transaction, account: int, name: str) -> None:
    """Subscribe to a name no more."""
    tx.execute(UNSUBSCRIBE, (account, name))


def use_of(uses: Iterable[str]) -> str | Problem | None:
    """Return what a mailbox is to be for, as it is kept: at most one thing (RFC 6154 section 3)."""
    wanted = [USES.get(use.lower()) for use in uses]
    if not wanted:
        return None
    return Problem.BAD_USE if len(wanted) > 1 or wanted[0] is None else wanted[0]
