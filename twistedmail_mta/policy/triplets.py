"""The rows of greylisting: triplets that wait or have passed, networks that proved good, addresses written to.

Names and addresses are kept as digests: a row is small, whatever a stranger
sends, and nobody reads in it who writes to whom.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final, Literal

from twistedmail_mta.interfaces import Transaction

Table = Literal["triplet", "network", "known"]
TABLES: Final[tuple[Table, ...]] = ("triplet", "network", "known")

MIGRATIONS: Final = (
    """
CREATE TABLE {plugin}triplet (
    key     BLOB PRIMARY KEY,
    first   REAL NOT NULL,
    passed  INTEGER NOT NULL,
    expires REAL NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX {plugin}triplet_expires ON {plugin}triplet (expires);
CREATE TABLE {plugin}network (
    key       BLOB PRIMARY KEY,
    successes INTEGER NOT NULL,
    expires   REAL NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX {plugin}network_expires ON {plugin}network (expires);
CREATE TABLE {plugin}known (
    key     BLOB PRIMARY KEY,
    expires REAL NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX {plugin}known_expires ON {plugin}known (expires);
""",
)

_FACTS: Final = """
SELECT (SELECT 1 FROM {plugin}known WHERE key = ?1 AND expires > ?4),
       (SELECT successes FROM {plugin}network WHERE key = ?2 AND expires > ?4),
       triplet.first, triplet.passed, triplet.expires
FROM (SELECT 1) LEFT JOIN {plugin}triplet AS triplet ON triplet.key = ?3 AND triplet.expires > ?4
"""

_BEGIN: Final = """
INSERT INTO {plugin}triplet (key, first, passed, expires) VALUES (?1, ?2, 0, ?3)
ON CONFLICT (key) DO UPDATE SET first = excluded.first, passed = 0, expires = excluded.expires
WHERE {plugin}triplet.expires <= ?2
"""

_COME_BACK: Final = "UPDATE {plugin}triplet SET passed = 1, expires = ?2 WHERE key = ?1 AND passed = 0"

_EXTEND: Final = "UPDATE {plugin}triplet SET expires = max(expires, ?2) WHERE key = ?1"

_SUCCEED: Final = """
INSERT INTO {plugin}network (key, successes, expires) VALUES (?1, 1, ?2)
ON CONFLICT (key) DO UPDATE SET
    successes = iif({plugin}network.expires > ?3, successes, 0) + 1, expires = excluded.expires
"""

_KEEP: Final = "UPDATE {plugin}network SET expires = max(expires, ?2) WHERE key = ?1"

_KNOW: Final = """
INSERT INTO {plugin}known (key, expires) VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET expires = excluded.expires
"""

_SWEEP: Final = """
DELETE FROM {plugin}{table} WHERE key IN (
    SELECT key FROM {plugin}{table} WHERE expires <= ?1 ORDER BY expires LIMIT ?2)
"""


def digest(*parts: str) -> bytes:
    """Return the key of a row; parts hold no NUL."""
    return blake2b("\0".join(parts).encode("utf-8", "surrogatepass"), digest_size=16).digest()


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known when a recipient is named.

    Attributes:
        known: an account here has written to the sender.
        successes: how often the network has come back in time.
        first: when this triplet came first; None when it is new.
        passed: it has come back in time.
        expires: when it is forgotten.
    """

    known: bool = False
    successes: int = 0
    first: float | None = None
    passed: bool = False
    expires: float = 0.0


class Triplets:
    """What is read and written; each method returns a function for `IDatabase.read` or `write`.

    A function that writes runs twice without harm, and beside another that does the same.
    """

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix

    def facts(self, sender: bytes, network: bytes, triplet: bytes, now: float) -> Callable[[Transaction], Facts]:
        """Return what reads the facts about a recipient."""
        sql = self._sql(_FACTS)

        def read(tx: Transaction) -> Facts:
            ((known, successes, first, passed, expires),) = list(tx.execute(sql, (sender, network, triplet, now)))
            return Facts(bool(known), successes or 0, first, bool(passed), expires or 0.0)

        return read

    def begin(self, triplet: bytes, now: float, expires: float) -> Callable[[Transaction], None]:
        """Return what notes a triplet that is new."""
        return self._writing(_BEGIN, (triplet, now, expires))

    def succeed(self, triplet: bytes, network: bytes, now: float, expires: float) -> Callable[[Transaction], None]:
        """Return what notes that a triplet has come back in time, and to its network's credit."""
        passing, succeeding = self._sql(_COME_BACK), self._sql(_SUCCEED)

        def write(tx: Transaction) -> None:
            list(tx.execute(passing, (triplet, expires)))
            if tx.changes():
                list(tx.execute(succeeding, (network, expires, now)))

        return write

    def extend(self, triplet: bytes, expires: float) -> Callable[[Transaction], None]:
        """Return what lets a triplet that has passed live longer."""
        return self._writing(_EXTEND, (triplet, expires))

    def know(self, sender: bytes, expires: float) -> Callable[[Transaction], None]:
        """Return what notes an address that an account here has written to."""
        return self._writing(_KNOW, (sender, expires))

    def keep(self, networks: Iterable[bytes], expires: float) -> Callable[[Transaction], None]:
        """Return what lets networks live longer."""
        sql, rows = self._sql(_KEEP), [(network, expires) for network in networks]
        return lambda tx: _done(tx.executemany(sql, rows))

    def sweep(self, table: Table, now: float, most: int) -> Callable[[Transaction], int]:
        """Return what deletes up to so many rows whose time is over, and says how many these were."""
        sql = self._sql(_SWEEP.replace("{table}", table))

        def write(tx: Transaction) -> int:
            list(tx.execute(sql, (now, most)))
            return tx.changes()

        return write

    def count(self, table: Table) -> Callable[[Transaction], int]:
        """Return what counts the rows of a table."""
        sql = f"SELECT count(*) FROM {self._prefix}{table}"  # noqa: S608 - names of our own

        def read(tx: Transaction) -> int:
            ((count,),) = list(tx.execute(sql))
            return int(count)

        return read

    def _writing(self, statement: str, values: tuple[object, ...]) -> Callable[[Transaction], None]:
        sql = self._sql(statement)
        return lambda tx: _done(tx.execute(sql, values))

    def _sql(self, statement: str) -> str:
        return statement.replace("{plugin}", self._prefix)


def _done(rows: Iterable[object]) -> None:
    """Run a statement to its end."""
    for _ in rows:
        pass
