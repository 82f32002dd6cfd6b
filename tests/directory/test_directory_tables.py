"""The rows of accounts, as the commands change them."""

from __future__ import annotations

from collections.abc import Callable

import apsw
import pytest
from directory_in_memory import CHEAP, TIM, in_memory

from twistedmail_mta.directory.accounts import DirectoryError
from twistedmail_mta.directory.passwords import PasswordHash, StoredPassword
from twistedmail_mta.directory.tables import (
    account_quotas,
    accounts_at,
    accounts_by_domain,
    add_account,
    change_account,
    change_quotas,
    find_account,
    find_login,
    list_accounts,
    remove_account,
    renew_password,
    set_password,
)

HASHES = PasswordHash(CHEAP)
FIRST = HASHES.store("first")
SECOND = HASHES.store("second")


@pytest.fixture
def tables() -> apsw.Connection:
    """Return tables with one account."""
    connection = in_memory()
    add_account(connection, TIM, FIRST, 12.5)
    return connection


def test_new_account(tables: apsw.Connection) -> None:
    """It is enabled, may use every protocol, and sends as itself alone."""
    account = find_account(tables, TIM)

    assert account is not None
    assert (account.address, account.enabled, account.created_at) == (TIM, True, 12.5)
    assert account.protocols == {"smtp", "pop3", "imap"}
    assert account.send_as == ()
    assert account.credential_version == 1


def test_what_is_kept_of_the_password(tables: apsw.Connection) -> None:
    """Hash and keys come back as they were stored."""
    found = find_login(tables, TIM)

    assert found is not None
    assert found == (find_account(tables, TIM), FIRST)


@pytest.mark.parametrize("password", [None, StoredPassword("{SHA512-CRYPT}$6$salt$x", None)], ids=["none", "foreign"])
def test_passwords_of_others(tables: apsw.Connection, password: StoredPassword | None) -> None:
    """An account may have no password of ours, or a hash that another server made, from the start or later."""
    add_account(tables, "tom@example.org", password, 13.0)
    set_password(tables, TIM, password)

    for name in ("tom@example.org", TIM):
        found = find_login(tables, name)
        assert found is not None
        assert found[1] == password


LOGINS_AFFECTED: list[Callable[[apsw.Connection], None]] = [
    lambda tables: set_password(tables, TIM, SECOND),
    lambda tables: change_account(tables, TIM, enabled=False),
    lambda tables: change_account(tables, TIM, protocols=["pop3"]),
    lambda tables: remove_account(tables, TIM),
]


@pytest.mark.parametrize("change", LOGINS_AFFECTED)
def test_changes_that_end_logins_are_numbered(
    tables: apsw.Connection, change: Callable[[apsw.Connection], None]
) -> None:
    """Whoever keeps logins sees by one number that some may have ended, whichever program changed the rows."""
    before = tables.execute("SELECT number FROM login_changes").get

    change(tables)

    assert tables.execute("SELECT number FROM login_changes").get > before


def test_new_accounts_end_no_login(tables: apsw.Connection) -> None:
    """Neither do logins themselves: storing a password anew leaves the number alone."""
    before = tables.execute("SELECT number FROM login_changes").get
    account = find_account(tables, TIM)
    assert account is not None

    add_account(tables, "tom@example.org", FIRST, 13.0)
    renew_password(tables, account, FIRST.hash, SECOND)

    assert tables.execute("SELECT number FROM login_changes").get == before


def test_unknown_name(tables: apsw.Connection) -> None:
    """Nobody is None, and names match as a whole."""
    assert find_account(tables, "tom@example.org") is None
    assert find_login(tables, "%") is None


def test_account_exists_already(tables: apsw.Connection) -> None:
    """A name is given once; the first one stays as it was."""
    with pytest.raises(DirectoryError, match=r"there is an account tim@example\.org already"):
        add_account(tables, TIM, SECOND, 13.0)

    found = find_login(tables, TIM)
    assert found is not None
    assert found[1] == FIRST


@pytest.mark.parametrize(("first", "second"), [("a@x", "a+b@x"), ("a+b@x", "a@x"), ("a+b@x", "a+b+c@x")])
def test_no_account_is_a_subaddress_of_another(first: str, second: str) -> None:
    """Two people can't have accounts that may send as one another."""
    connection = in_memory()
    add_account(connection, first, FIRST, 1.0)

    with pytest.raises(DirectoryError, match="subaddresses"):
        add_account(connection, second, SECOND, 2.0)


@pytest.mark.parametrize(
    "other", ["tim2@example.org", "ti@example.org", "tim@example.net", "tim+x@example.net", "tim,x@a"]
)
def test_names_that_only_look_related(tables: apsw.Connection, other: str) -> None:
    """Similar names and other domains are no relatives."""
    add_account(tables, other, SECOND, 2.0)

    assert find_account(tables, other) is not None


def test_names_with_plus_side_by_side() -> None:
    """A plus sign alone is no obstacle: two lists of nobody's address are strangers."""
    connection = in_memory()
    add_account(connection, "a+b@x", FIRST, 1.0)
    add_account(connection, "a@y", SECOND, 2.0)

    assert len(list_accounts(connection)) == 2


def test_password_change_raises_the_version(tables: apsw.Connection) -> None:
    """What was remembered of the old password can't fit any more."""
    set_password(tables, TIM, SECOND)

    found = find_login(tables, TIM)
    assert found is not None
    assert found[0].credential_version == 2
    assert found[1] == SECOND


def test_renewing_keeps_the_version(tables: apsw.Connection) -> None:
    """The same password at a higher cost ends no login."""
    account = find_account(tables, TIM)
    assert account is not None

    renew_password(tables, account, FIRST.hash, SECOND)

    assert find_login(tables, TIM) == (account, SECOND)


def test_renewing_loses_against_a_change(tables: apsw.Connection) -> None:
    """A password that was changed meanwhile isn't overwritten by the old one."""
    account = find_account(tables, TIM)
    assert account is not None
    set_password(tables, TIM, SECOND)

    renew_password(tables, account, FIRST.hash, HASHES.store("first"))

    found = find_login(tables, TIM)
    assert found is not None
    assert found[1] == SECOND


def test_changes_are_single(tables: apsw.Connection) -> None:
    """What isn't given stays as it is."""
    change_account(tables, TIM, send_as=["<>", "*@example.net", "<>"])
    change_account(tables, TIM, enabled=False)
    change_account(tables, TIM, protocols=["imap"])

    account = find_account(tables, TIM)
    assert account is not None
    assert not account.enabled
    assert account.protocols == {"imap"}
    assert account.send_as == ("*@example.net", "<>")
    assert account.credential_version == 1

    change_account(tables, TIM, enabled=True, protocols=[], send_as=[])
    account = find_account(tables, TIM)
    assert account is not None
    assert account.enabled
    assert account.protocols == frozenset()
    assert account.send_as == ()


def test_operations_on_nobody(tables: apsw.Connection) -> None:
    """A mistyped name is told, and nothing changes."""
    nobody = "tom@example.org"
    for operation in (
        lambda: remove_account(tables, nobody),
        lambda: set_password(tables, nobody, SECOND),
        lambda: change_account(tables, nobody, enabled=False),
        lambda: change_account(tables, nobody, send_as=["<>"]),
        lambda: change_account(tables, nobody),
    ):
        with pytest.raises(DirectoryError, match=r"there is no account tom@example\.org"):
            operation()
    assert [account.address for account in list_accounts(tables)] == [TIM]


def test_removed_account_leaves_nothing(tables: apsw.Connection) -> None:
    """An account that is added anew under the name is another one, without the old patterns."""
    before = find_account(tables, TIM)
    change_account(tables, TIM, send_as=["<>"])
    remove_account(tables, TIM)
    assert find_account(tables, TIM) is None

    add_account(tables, TIM, FIRST, 13.0)

    after = find_account(tables, TIM)
    assert before is not None
    assert after is not None
    assert after.id != before.id
    assert after.send_as == ()


def test_list_comes_in_pieces() -> None:
    """Any number of accounts can be listed without one long read."""
    connection = in_memory()
    everybody = [f"user{number:02}@example.org" for number in range(25)]
    for name in reversed(everybody):
        add_account(connection, name, FIRST, 1.0)

    listed: list[str] = []
    while piece := list_accounts(connection, listed[-1] if listed else "", limit=10):
        listed += [account.address for account in piece]

    assert listed == everybody


def test_quotas(tables: apsw.Connection) -> None:
    """Each is changed by itself; None is what the domain says, 0 is no limit."""
    account = find_account(tables, TIM)
    assert account is not None
    assert (account.quota, account.quota_messages) == (None, None)

    change_quotas(tables, TIM, {"quota": 5})
    change_quotas(tables, TIM, {"quota_messages": 0})

    account = find_account(tables, TIM)
    assert account is not None
    assert (account.quota, account.quota_messages) == (5, 0)
    assert account_quotas(tables, [account.id, 99]) == [(account.id, TIM, 5, 0)]
    change_quotas(tables, TIM, {"quota": None})
    assert account_quotas(tables, [account.id]) == [(account.id, TIM, None, 0)]
    with pytest.raises(DirectoryError, match="there is no account"):
        change_quotas(tables, "tom@example.org", {"quota": 5})


def test_accounts_of_a_domain(tables: apsw.Connection) -> None:
    """They are told by the whole domain, and counted for each."""
    for name in ("ann@example.org", "ann@xexample.org", "ann@sub.example.org"):
        add_account(tables, name, None, 1.0)

    assert accounts_at(tables, "example.org") == ["ann@example.org", TIM]
    assert accounts_at(tables, "ample.org") == []
    assert accounts_by_domain(tables) == {"example.org": 2, "xexample.org": 1, "sub.example.org": 1}


@pytest.mark.parametrize(
    ("separators", "name", "taken"),
    [
        ("+", "tim+a@example.org", True),
        ("+", "tim-a@example.org", False),
        ("-", "tim-a@example.org", True),
        ("-", "tim+a@example.org", False),
        ("+-", "tim-a@example.org", True),
        ("+-", "tim+a-b@example.org", True),
        ("+-", "ti@example.org", False),
        ("", "tim+a@example.org", False),
        ("+-", "tim-a@example.net", False),
    ],
)
def test_relatives_by_the_separators_of_the_domain(
    tables: apsw.Connection, separators: str, name: str, taken: bool
) -> None:
    """Neither of two accounts is a subaddress of the other, whichever came first."""
    both = [tables, in_memory()]
    add_account(both[1], name, None, 1.0, separators=separators)
    for connection, new in zip(both, (name, TIM), strict=True):
        if taken:
            with pytest.raises(DirectoryError, match="subaddresses of one another"):
                add_account(connection, new, None, 1.0, separators=separators)
        else:
            add_account(connection, new, None, 1.0, separators=separators)
