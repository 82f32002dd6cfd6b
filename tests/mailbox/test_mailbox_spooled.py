"""What the queue puts into mailboxes: each gets it once, however often it is tried."""

from __future__ import annotations

import pytest
from mail_at_rest import STRUCTURE, Rest, run, to
from zope.interface.verify import verifyObject

from twistedmail_mta.errors import TemporaryError
from twistedmail_mta.interfaces import IMailboxDelivery
from twistedmail_mta.model import Delivered, Delivery, LocalMail, Message, Reply, Settlement


def spooled(rest: Rest, *deliveries: Delivery) -> Message:
    message = rest.message("all@example.org", body=rest.body(b"x" * 50, file=True))
    local = LocalMail(STRUCTURE, deliveries) if deliveries else None
    run(rest.spool.accept(message, claim=False, local=local))
    return message


def deliver(rest: Rest, message: Message, *deliveries: Delivery) -> None:
    run(rest.store.deliver(message, LocalMail(STRUCTURE, deliveries), (message.id, 0)))


def counts(rest: Rest) -> list[tuple[int, int]]:
    return rest.rows("SELECT account, sum(messages) FROM mailbox GROUP BY account ORDER BY account")


def test_the_store_delivers() -> None:
    verifyObject(IMailboxDelivery, Rest().store)


def test_chunks_share_one_content() -> None:
    rest = Rest()
    message = spooled(rest)

    deliver(rest, message, to(1), to(2))
    deliver(rest, message, to(3))

    assert rest.rows("SELECT refs FROM content") == [(3,)]
    assert rest.rows("SELECT refs FROM body") == [(2,)]
    rest.assert_sound()


def test_a_repetition_leaves_out_who_has_it() -> None:
    """Also when the chunks are cut otherwise, after a restart, or when it was deleted meanwhile."""
    rest = Rest()
    message = spooled(rest)
    deliver(rest, message, to(1), to(2))
    run(rest.store.remove(rest.inbox(2).id, [1]))

    rest.restart()
    deliver(rest, message, to(2), to(3))
    deliver(rest, message, to(3))

    assert counts(rest) == [(1, 1), (2, 0), (3, 1)]
    rest.assert_sound()


def test_what_the_acceptance_delivered_is_no_chunk() -> None:
    """The same message to the same mailbox for another recipient shares the content."""
    rest = Rest()
    message = spooled(rest, to(1), to(2))

    deliver(rest, message, to(2, name="list"), to(3))

    assert counts(rest) == [(1, 1), (2, 2), (3, 1)]
    assert rest.rows("SELECT refs FROM content") == [(4,)]
    rest.assert_sound()


def test_when_all_have_deleted_it_the_rest_still_gets_it() -> None:
    rest = Rest()
    message = spooled(rest)
    deliver(rest, message, to(1))
    run(rest.store.remove(rest.inbox(1).id, [1]))
    assert not rest.rows("SELECT 1 FROM content")

    deliver(rest, message, to(2))

    assert rest.rows("SELECT refs FROM body") == [(2,)]
    rest.assert_sound()


def test_progress_goes_with_the_message() -> None:
    rest = Rest()
    message = spooled(rest)
    deliver(rest, message, to(1), to(2))
    (claim,) = run(rest.spool.claim(10, frozenset()))

    settlement = Settlement(claim, Delivered(Reply(250, "2.0.0", "Ok")), rest.clock.seconds())
    run(rest.spool.settle([settlement], None))

    assert not rest.rows("SELECT 1 FROM delivered")
    assert rest.rows("SELECT refs FROM body") == [(1,)]
    rest.assert_sound()


def test_a_message_that_went_meanwhile_is_not_delivered() -> None:
    """An operator deleted it: its body may be gone."""
    rest = Rest()
    message = spooled(rest)
    for claim in run(rest.spool.claim(10, frozenset())):
        run(rest.spool.settle([Settlement(claim, Delivered(Reply(250, "2.0.0", "Ok")), 0.0)], None))

    with pytest.raises(TemporaryError):
        deliver(rest, message, to(1))

    assert counts(rest) == []


def test_without_a_claim_it_is_put_there_each_time() -> None:
    rest = Rest()
    message = spooled(rest)
    local = LocalMail(STRUCTURE, (to(1),))

    run(rest.store.deliver(message, local))
    run(rest.store.deliver(message, local))

    assert counts(rest) == [(1, 2)]
    rest.assert_sound()
