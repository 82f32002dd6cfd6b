"""The mail of accounts that are removed."""

from __future__ import annotations

import apsw
import pytest
from mail_at_rest import Rest, run, to

from twistedmail_mta.mailbox import accounts
from twistedmail_mta.mailbox.accounts import forget_mailboxes, remove_mail


def test_nothing_is_left_of_it_and_others_keep_theirs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accounts, "REMOVED_AT_ONCE", 3)
    rest = Rest()
    for _ in range(4):
        rest.accept(to(1), to(2), to(1, "Junk"), body=rest.body(file=True))
    rest.accept(to(1), body=rest.body(file=True))

    run(remove_mail(rest.database, rest.files, 1))

    assert not rest.rows("SELECT 1 FROM mailbox WHERE account = 1")
    assert not rest.rows("SELECT 1 FROM subscription WHERE account = 1")
    assert rest.rows("SELECT account, messages FROM usage") == [(2, 4)]
    assert len(rest.files.octets) == 4
    assert not rest.rows("SELECT 1 FROM vanished")
    rest.assert_sound()
    rest.database.connection.execute("DELETE FROM accounts WHERE id = 1")


def test_an_account_with_mailboxes_can_not_go() -> None:
    """Whoever deletes its row first would lose mail that was accepted meanwhile."""
    rest = Rest()
    rest.accept(to(1))

    with pytest.raises(apsw.ConstraintError):
        rest.database.connection.execute("DELETE FROM accounts WHERE id = 1")
    assert not run(rest.database.write(lambda tx: forget_mailboxes(tx, 1)))
