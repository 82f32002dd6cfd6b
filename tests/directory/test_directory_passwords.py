"""What is stored of a password, and whether it matches."""

from __future__ import annotations

import pytest
from directory_in_memory import CHEAP
from scramp import ScramClient, ScramMechanism

from twistedmail_mta.directory.passwords import Cost, PasswordHash, StoredPassword
from twistedmail_mta.directory.schemes import CannotCompare

HASHES = PasswordHash(CHEAP)
GOOD = HASHES.store("x").hash


def test_matches_its_password_alone() -> None:
    """The right one matches, in whatever form it was set; others don't."""
    stored = HASHES.store("e\u0301t\u00a0e").hash

    assert HASHES.matches(stored, "\u00e9t e")
    assert not HASHES.matches(stored, "\u00e9te")
    assert not HASHES.matches(stored, "")


def test_every_password_has_its_salts() -> None:
    """Two accounts with one password can't be told to have it."""
    one, other = HASHES.store("x"), HASHES.store("x")

    assert one.hash != other.hash
    assert one.scram.salt != other.scram.salt


def test_shipped_cost() -> None:
    """The cost that was chosen is the one that is used, and named in the hash."""
    assert PasswordHash().dummy.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert PasswordHash().store("x").hash.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert Cost().scram_iterations >= 4096


def test_the_dummy_matches_nothing_at_full_cost() -> None:
    """It is a well-formed hash of the current cost, so checking it takes as long as checking a real one."""
    dummy, real = HASHES.dummy, HASHES.store("x").hash

    assert not HASHES.matches(dummy, "x")
    assert dummy.rpartition("p=1$")[0] == real.rpartition("p=1$")[0]
    assert [len(part) for part in dummy.split("$")] == [len(part) for part in real.split("$")]
    assert not HASHES.is_outdated(StoredPassword(dummy, HASHES.store("x").scram))
    assert PasswordHash(CHEAP).dummy != dummy


@pytest.mark.parametrize(
    "stored",
    [
        "",
        "x",
        "$argon2id$",
        "$2b$10$abcdefghijklmnopqrstuv",
        "$argon2id$v=19$m=8,t=1,p=1$AA$AA",
        GOOD.replace("t=1", "t=0"),
    ],
    ids=["empty", "junk", "no parts", "bcrypt", "short", "no passes"],
)
def test_a_damaged_hash_is_no_wrong_password(stored: str) -> None:
    """A row that somebody edited by hand lets nobody in, and is told from a wrong password."""
    with pytest.raises(CannotCompare):
        HASHES.matches(stored, "x")


def test_outdated_when_cheaper_than_today() -> None:
    """Raising the cost, of the hash or of the keys, asks for storing anew."""
    stored = HASHES.store("x")

    assert not HASHES.is_outdated(stored)
    assert PasswordHash(Cost(2, 8, 4096)).is_outdated(stored)
    assert PasswordHash(Cost(1, 16, 4096)).is_outdated(stored)
    assert PasswordHash(Cost(1, 8, 5000)).is_outdated(stored)


@pytest.mark.parametrize("password", ["", "a\tb", "x" * 1025])
def test_what_can_not_be_a_password(password: str) -> None:
    """It is refused when it is set, as it would be at every login."""
    with pytest.raises(ValueError, match="a password"):
        HASHES.store(password)


def test_keys_let_a_scram_client_in() -> None:
    """A client that nobody here wrote logs in against what is stored."""
    keys = HASHES.store("correct horse").scram
    server = ScramMechanism("SCRAM-SHA-256").make_server(
        lambda _: (keys.salt, keys.stored_key, keys.server_key, keys.iterations)
    )
    client = ScramClient(["SCRAM-SHA-256"], "tim@example.org", "correct horse")

    server.set_client_first(client.get_client_first())
    client.set_server_first(server.get_server_first())
    server.set_client_final(client.get_client_final())
    client.set_server_final(server.get_server_final())


def test_nothing_secret_is_shown() -> None:
    """A stored password in a log line gives neither hash nor keys away."""
    stored = HASHES.store("x")

    shown = repr(stored)
    assert stored.hash not in shown
    assert repr(stored.scram.stored_key) not in shown
