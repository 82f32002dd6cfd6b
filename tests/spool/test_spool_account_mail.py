"""What plugins can do to the queued mail of one account."""

from __future__ import annotations

from spool_in_memory import Site, message, run

from twistedmail_mta.spool.account_mail import AccountMail
from twistedmail_mta.spool.spool import Spool

ANN = "ann@example.org"


def states(site: Site) -> list[str]:
    return [state for (state,) in site.rows("SELECT state FROM recipient ORDER BY message, n")]


def test_stop_and_go_on(spool: Spool, site: Site) -> None:
    """Nobody else's mail is touched."""
    mail = AccountMail(site.control)
    run(spool.accept(message(spool, "a@example.net", "b@example.net"), claim=False))

    assert run(mail.suspend("tim@example.org")) == 0
    assert run(mail.suspend(ANN)) == 2
    assert states(site) == ["suspended", "suspended"]
    assert run(mail.resume(ANN)) == 2
    assert run(mail.resume(ANN)) == 0
    assert states(site) == ["waiting", "waiting"]


def test_discarded(spool: Spool, site: Site) -> None:
    """Nothing of it is left."""
    mail = AccountMail(site.control)
    run(spool.accept(message(spool, "a@example.net", "b@example.net"), claim=False))
    run(mail.suspend(ANN))

    assert run(mail.discard("tim@example.org")) == 0
    assert run(mail.discard(ANN)) == 2
    assert site.count("message") == 0
