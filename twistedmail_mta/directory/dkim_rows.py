"""The rows of DKIM keys: plain functions on a transaction, for the server and the commands alike."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from twistedmail_mta.dkim.keys import Kind
from twistedmail_mta.dkim.making import new_key, public_octets, record_text, stored
from twistedmail_mta.interfaces import Transaction

State = Literal["made", "published", "signing", "retired", "gone"]
"""The life of a key: it is to be published, is in the DNS, signs, is still needed in the DNS, isn't any more."""

KINDS: Final[tuple[Kind, ...]] = ("rsa", "ed25519")

_COLUMNS: Final = "domain, selector, generation, kind, private, public, state, made_at, changed_at"
_KEYS: Final = f"SELECT {_COLUMNS} FROM dkim_key"  # noqa: S608 - constant


@dataclass(frozen=True, slots=True)
class StoredKey:
    """A key of a domain.

    Attributes:
        domain: whose mail it signs, in A-labels.
        selector: its name in the DNS.
        generation: the name of the pair it belongs to, such as "2026a".
        kind: of key.
        private: as `dkim.making.stored` gives it; None once it signs no more.
        public: what the record says.
        state: where in its life it is.
        made_at: seconds since the epoch.
        changed_at: when it came into that state.
    """

    domain: str
    selector: str
    generation: str
    kind: Kind
    private: bytes | None
    public: bytes
    state: State
    made_at: float
    changed_at: float

    @property
    def name(self) -> str:
        """Where its record belongs."""
        return f"{self.selector}._domainkey.{self.domain}"

    @property
    def record(self) -> str:
        """The text of its record."""
        return record_text(self.kind, self.public)

    def __repr__(self) -> str:
        """Return it without the private key, which belongs into no log."""
        return f"<StoredKey {self.name} {self.kind} {self.state}>"


def new_pair(domain: str, generation: str, now: float) -> tuple[StoredKey, ...]:
    """Make a key of each kind; takes a good part of a second."""
    made = []
    for kind in KINDS:
        key = new_key(kind)
        selector = generation if kind == "rsa" else f"{generation}-{kind}"
        made.append(StoredKey(domain, selector, generation, kind, stored(key), public_octets(key), "made", now, now))
    return tuple(made)


def next_generation(keys: Iterable[StoredKey], year: int) -> str:
    """Return the name of the next pair of a domain: the year and a letter; no name comes twice.

    Args:
        keys: all of the domain, those that are gone as well.
        year: this one.
    """
    taken = {key.generation for key in keys}
    number = 0
    while (name := f"{year}{_letters(number)}") in taken:
        number += 1
    return name


def _letters(number: int) -> str:
    """Return a to z, then aa, ab and so on."""
    rest, last = divmod(number, 26)
    return (_letters(rest - 1) if rest else "") + chr(ord("a") + last)


def keys_of(tx: Transaction, domain: str | None = None) -> list[StoredKey]:
    """Return the keys of a domain, or all, in the order they were made."""
    order = "ORDER BY domain, made_at, generation, kind DESC"
    if domain is None:
        return [StoredKey(*row) for row in tx.execute(f"{_KEYS} {order}")]
    return [StoredKey(*row) for row in tx.execute(f"{_KEYS} WHERE domain = ? {order}", (domain,))]


def add_keys(tx: Transaction, keys: Iterable[StoredKey]) -> None:
    """Keep new keys, unless they were kept before."""
    for key in keys:
        tx.execute(
            f"INSERT OR IGNORE INTO dkim_key ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",  # noqa: S608 - constant
            (
                *(key.domain, key.selector, key.generation, key.kind, key.private, key.public),
                *(key.state, key.made_at, key.changed_at),
            ),
        )


def set_state(tx: Transaction, domain: str, generation: str, state: State, now: float) -> None:
    """Let a pair come into a state; the private keys of one that signs no more are forgotten."""
    tx.execute(
        "UPDATE dkim_key SET state = ?, changed_at = ? WHERE domain = ? AND generation = ? AND state != ?",
        (state, now, domain, generation, state),
    )
    if state in ("retired", "gone"):
        tx.execute("UPDATE dkim_key SET private = NULL WHERE domain = ? AND generation = ?", (domain, generation))


def switch(tx: Transaction, domain: str, generation: str, now: float) -> None:
    """Let a pair sign, and retire the one that did."""
    for key in keys_of(tx, domain):
        if key.state == "signing" and key.generation != generation:
            set_state(tx, domain, key.generation, "retired", now)
    set_state(tx, domain, generation, "signing", now)


def waiting(keys: Sequence[StoredKey]) -> tuple[StoredKey, ...]:
    """Return the newest pair of a domain that doesn't sign yet; nothing where there is none."""
    return _newest(keys, ("made", "published"))


def any_signs(tx: Transaction) -> bool:
    """Return whether any domain has keys that sign."""
    return bool(list(tx.execute("SELECT 1 FROM dkim_key WHERE state = 'signing' LIMIT 1")))


def in_use(keys: Sequence[StoredKey]) -> tuple[StoredKey, ...]:
    """Return the pair of a domain that signs; nothing where there is none."""
    return _newest(keys, ("signing",))


def _newest(keys: Sequence[StoredKey], states: Iterable[State]) -> tuple[StoredKey, ...]:
    found = [key for key in keys if key.state in states]
    return tuple(key for key in found if key.generation == found[-1].generation)
