"""Whose mail it was that comes back from a content filter: only what is there at this moment is known."""

from __future__ import annotations

from dataclasses import replace

import pytest
from spool_in_memory import Site, deferred, delivered, message, run

from twistedmail_mta.model import Address, Claim, Former, Message, Origin, Via
from twistedmail_mta.spool.filtered import FilteredMail
from twistedmail_mta.spool.spool import Spool

FILTER = Via("filter+lmtp://127.0.0.1:10024")
ORIGIN = Origin("ESMTPSA", "192.0.2.7", "client.test", "ann@example.org", "submission")
FORMER = Former(ORIGIN)


def accept(spool: Spool, *vias: Via | None, claim: bool = True) -> tuple[Message, list[Claim]]:
    sent = message(spool, *(f"{n}@example.net" for n in range(len(vias))))
    recipients = tuple(replace(each, via=via) for each, via in zip(sent.envelope.recipients, vias, strict=True))
    sent = replace(sent, origin=ORIGIN, envelope=replace(sent.envelope, recipients=recipients))
    return sent, list(run(spool.accept(sent, claim=claim)))


def test_while_it_is_there(spool: Spool, site: Site) -> None:
    """From the claim on until it ends, by whatever."""
    mail = FilteredMail(site.database)
    sent, (claim,) = accept(spool, FILTER)
    assert run(mail.former(sent.id)) == FORMER

    run(spool.settle([deferred(claim)], None))
    assert run(mail.former(sent.id)) is None

    site.clock.advance(10_000)
    (claim,) = run(spool.claim(5, frozenset()))
    assert run(mail.former(sent.id)) == FORMER
    run(spool.settle([delivered(claim)], None))
    assert run(mail.former(sent.id)) is None


@pytest.mark.parametrize("via", [None, Via("lmtp://127.0.0.1:10024"), Via("smtp://filter+x"), Via("mx")])
def test_what_goes_elsewhere(spool: Spool, site: Site, via: Via | None) -> None:
    """A message on its way to any other host lends its origin to nobody."""
    sent, _ = accept(spool, via)

    assert run(FilteredMail(site.database).former(sent.id)) is None


def test_one_recipient_is_enough(spool: Spool, site: Site) -> None:
    """Of those that are on their way: one that waits doesn't count."""
    sent, claims = accept(spool, None, FILTER)
    mail = FilteredMail(site.database)
    assert run(mail.former(sent.id)) == FORMER

    run(spool.settle([deferred(claims[1])], None))

    assert run(mail.former(sent.id)) is None


def test_what_is_not_known(spool: Spool, site: Site) -> None:
    """Whatever number is asked for."""
    sent, _ = accept(spool, FILTER, claim=False)

    for number in (sent.id, sent.id + 1, 0, -1, (1 << 63) - 1):
        assert run(FilteredMail(site.database).former(number)) is None


def test_what_plugins_decided(spool: Spool, site: Site) -> None:
    """Tags, and the mailboxes of recipients that are with the filter; those of others don't matter there."""
    sent = message(spool, "a@example.net", "b@example.net", "c@example.net")
    ways = (FILTER, FILTER, None)
    recipients = tuple(
        replace(each, via=via, mailbox=mailbox)
        for each, via, mailbox in zip(sent.envelope.recipients, ways, ("Junk", None, "Lists"), strict=True)
    )
    envelope = replace(sent.envelope, recipients=recipients)
    sent = replace(sent, origin=ORIGIN, tags=(("score", "7"), ("list", "the news")), envelope=envelope)

    run(spool.accept(sent, claim=True))

    assert run(FilteredMail(site.database).former(sent.id)) == Former(
        ORIGIN, (("score", "7"), ("list", "the news")), {Address("a", "example.net"): "Junk"}
    )
