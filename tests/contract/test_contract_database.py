"""What every `IDatabase` does, whoever stands behind it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from backends import Backend
from zope.interface.verify import verifyObject

from twistedmail_mta.errors import TemporaryError
from twistedmail_mta.interfaces import IDatabase, Transaction
from twistedmail_mta.model import Reply

INSERT = "INSERT INTO suspension (kind, name, since) VALUES ('domain', ?, 1.0)"
NAMES = "SELECT name FROM suspension ORDER BY id"


def names(backend: Backend) -> list[str]:
    return [name for (name,) in backend.rows(NAMES)]


def test_it_provides_the_seam(backend: Backend) -> None:
    verifyObject(IDatabase, backend.database)
    assert backend.database.refusal() is None


def test_what_was_written_is_read(backend: Backend) -> None:
    def write(tx: Transaction) -> int:
        tx.execute(INSERT, ("a",))
        return tx.changes()

    assert backend.wait(backend.database.write(write)) == 1
    assert names(backend) == ["a"]


def test_a_function_sees_what_it_wrote(backend: Backend) -> None:
    def write(tx: Transaction) -> list[tuple[str]]:
        tx.execute(INSERT, ("a",))
        return list(tx.execute(NAMES))

    assert backend.wait(backend.database.write(write, urgent=True, size=10)) == [("a",)]


def test_rows_come_back_in_the_order_of_the_parameters(backend: Backend) -> None:
    """The accounts of a delivery are told from one another by that."""
    wanted = [(name,) for name in "cab"]

    found = backend.wait(backend.database.write(lambda tx: list(tx.executemany(f"{INSERT} RETURNING name", wanted))))

    assert found == wanted


def test_executemany_of_nothing_does_nothing(backend: Backend) -> None:
    assert backend.wait(backend.database.write(lambda tx: list(tx.executemany(INSERT, [])))) == []


def test_executemany_needs_nobody_who_reads_it(backend: Backend) -> None:
    """All statements run, also when they return no rows and their result is thrown away."""

    def write(tx: Transaction) -> None:
        tx.executemany(INSERT, [("a",), ("b",), ("c",)])

    backend.wait(backend.database.write(write))

    assert names(backend) == ["a", "b", "c"]


@pytest.mark.parametrize("error", [ValueError("own"), TemporaryError(Reply(451, "4.3.0", "no"))])
def test_what_a_function_raises_is_raised_and_nothing_kept(backend: Backend, error: Exception) -> None:
    def write(tx: Transaction) -> None:
        tx.execute(INSERT, ("a",))
        raise error

    with pytest.raises(type(error)) as caught:
        backend.wait(backend.database.write(write))

    assert caught.value is error
    assert names(backend) == []


def test_rows_must_keep_their_word(backend: Backend) -> None:
    """Constraints and references are checked; a broken one keeps nothing of the function."""

    def write(tx: Transaction) -> None:
        tx.execute(INSERT, ("a",))
        tx.execute("INSERT INTO subscription (account, name) VALUES (99, 'x')")

    with pytest.raises(Exception, match="FOREIGN KEY"):
        backend.wait(backend.database.write(write))

    assert names(backend) == []


def test_readers_can_not_write(backend: Backend) -> None:
    with pytest.raises(Exception, match="readonly"):
        backend.wait(backend.database.read(lambda tx: tx.execute(INSERT, ("a",)) and None))

    assert names(backend) == []


def test_a_cursor_is_no_result(backend: Backend) -> None:
    """It would go on reading after its transaction."""
    with pytest.raises(TypeError):
        backend.wait(backend.database.read(lambda tx: tx.execute(NAMES)))


def test_a_generator_of_parameters_is_fine(backend: Backend) -> None:
    def rows() -> Iterator[tuple[str]]:
        yield ("a",)
        yield ("b",)

    backend.wait(backend.database.write(lambda tx: list(tx.executemany(INSERT, rows()))))

    assert names(backend) == ["a", "b"]
