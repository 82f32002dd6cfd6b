"""What is accepted comes back as it was, and can be claimed when it is due."""

from __future__ import annotations

from dataclasses import replace

import apsw
import pytest
from spool_in_memory import START, Site, deferred, delivered, failed, message, new_site, run
from zope.interface.verify import verifyClass, verifyObject

from twistedmail_mta.errors import TemporaryError
from twistedmail_mta.interfaces import ISpool
from twistedmail_mta.model import NULL_PATH, Address, Claim, FileBody, InlineBody, Recipient, Via
from twistedmail_mta.spool.spool import Spool
from twistedmail_mta.store.schema import shipped_migrations

NOTHING = frozenset[str]()


def claim_all(spool: Spool, exclude: frozenset[str] = NOTHING) -> list[Claim]:
    return list(run(spool.claim(1000, exclude)))


def test_spool_provides_its_interface(spool: Spool) -> None:
    """The queue can rely on every method."""
    assert verifyClass(ISpool, Spool)
    assert verifyObject(ISpool, spool)


@pytest.mark.parametrize("body", [InlineBody(b""), InlineBody(bytes(range(256)) * 200), FileBody("2026/a", 70_000)])
def test_accept_keeps_every_octet_and_parameter(spool: Spool, site: Site, body: InlineBody | FileBody) -> None:
    """What is read is equal to what was accepted, parameters of DSN, SMTPUTF8 and AUTH included."""
    sent = message(
        spool,
        Recipient(Address('a "quoted" part', "example.net"), frozenset({"FAILURE", "DELAY"}), "rfc822;a+40b"),
        Recipient(Address("jörg", "xn--bcher-kva.example"), frozenset({"NEVER"})),
        Recipient(Address("postmaster", "")),
        body=body,
        eight_bit=True,
        smtputf8=True,
        ret="HDRS",
        envid="QQ+2B314159",
        auth="<>",
    )

    run(spool.accept(sent, claim=False))

    assert run(spool.message(sent.id)) == sent
    site.assert_sound()


def test_a_large_body_weighs_nothing_in_the_database(spool: Spool, site: Site) -> None:
    """Only what goes into rows counts against the writer's bound, so large messages don't crowd out others."""
    large, small = message(spool, body=FileBody("2026/a", 20_000_000)), message(spool, body=InlineBody(b"x" * 5000))

    run(spool.accept(large, claim=False))
    run(spool.accept(small, claim=False))

    assert site.database.sizes[-2:] == [len(large.header), len(small.header) + 5000]


def test_accept_knows_the_null_sender(spool: Spool) -> None:
    """A report has no sender, and none appears."""
    sent = message(spool, sender=NULL_PATH)

    run(spool.accept(sent, claim=False))

    read = run(spool.message(sent.id))
    assert read is not None
    assert read.envelope.sender.is_null


def test_message_that_never_was(spool: Spool) -> None:
    """An unknown id is None, not an error."""
    assert run(spool.message(4711)) is None


def test_accept_that_fails_keeps_nothing(spool: Spool, site: Site) -> None:
    """The error crosses as it is, and no row is left."""
    site.database.refuse = True

    with pytest.raises(TemporaryError):
        run(spool.accept(message(spool), claim=True))

    assert site.count("body") == site.count("message") == site.count("recipient") == 0


def test_every_transaction_may_run_twice(spool: Spool, site: Site) -> None:
    """The group commit runs functions again after another's error: the result is the same."""
    site.database.twice = True
    sent = message(spool, "a@example.net", "b@example.net")

    claims = run(spool.accept(sent, claim=True))
    run(spool.settle([delivered(claims[0]), deferred(claims[1], due=START)], None))
    (again,) = claim_all(spool)
    run(spool.settle([delivered(again)], None))

    assert again.attempts == 1
    assert site.count("message") == 0
    site.assert_sound()


@pytest.mark.parametrize("via", [None, Via("smtp://127.0.0.1:10024"), Via("mx", "required")])
@pytest.mark.parametrize("at_birth", [True, False])
def test_where_a_copy_goes_is_kept(spool: Spool, via: Via | None, *, at_birth: bool) -> None:
    """What plugins decided comes with the claim, at birth and later, with the message, and with a failure."""
    bob = Recipient(Address("bob", "home.test"), frozenset({"SUCCESS"}), via=via, mailbox="Junk")
    sent = message(spool, bob, "eve@example.net")

    born = run(spool.accept(sent, claim=at_birth))

    claims = list(born) if at_birth else claim_all(spool)
    assert [claim.recipient for claim in claims] == list(sent.envelope.recipients)
    assert run(spool.message(sent.id)) == sent
    run(spool.settle([deferred(claims[0], due=START)], None))
    (again,) = claim_all(spool)
    assert again.recipient == bob
    run(spool.settle([failed(again)], None))
    assert [each.recipient for each in run(spool.unreported(sent.id))] == [bob]


def test_a_queue_of_an_earlier_release() -> None:
    """Nothing was decided of its recipients, nor noted; an operator's way is as it was."""
    connection = apsw.Connection(":memory:")
    steps = shipped_migrations()
    for step in steps[:8]:
        connection.execute(step.statements)
    connection.execute(
        "INSERT INTO body (id, refs, size, data) VALUES (7, 1, 1, x'41');"
        "INSERT INTO message VALUES"
        " (7, 7, 1, 1.0, 'a', 'b.test', 0, 0, NULL, NULL, NULL, 'ESMTP', '', '', NULL, 'mx', x'');"
        "INSERT INTO recipient (message, n, local, domain, due, since, epoch, via, via_tls)"
        " VALUES (7, 0, 'x', 'c.test', 1.0, 1.0, 0, NULL, NULL),"
        " (7, 1, 'y', 'c.test', 1.0, 1.0, 0, 'smtp://h:25', 'none')"
    )
    for step in steps[8:]:
        connection.execute(step.statements)
    site = new_site()
    site.database.connection = connection
    spool = site.start()

    claims = claim_all(spool)

    assert [claim.recipient for claim in claims] == [
        Recipient(Address("x", "c.test")), Recipient(Address("y", "c.test"), via=Via("smtp://h:25", "none"))
    ]  # fmt: skip
    old = run(spool.message(7))
    assert old is not None
    assert old.tags == ()


def test_tags_are_kept(spool: Spool) -> None:
    """What plugins noted is read with the message."""
    sent = replace(message(spool), tags=(("score", "7"), ("list", 'the "news"')))

    run(spool.accept(sent, claim=False))

    assert run(spool.message(sent.id)) == sent


def test_claims_at_birth_are_claims(spool: Spool) -> None:
    """Recipients claimed by accept are nobody else's, and settle as any claim does."""
    sent = message(spool, "a@example.net", "b@example.org")

    claims = run(spool.accept(sent, claim=True))

    assert [claim.recipient for claim in claims] == list(sent.envelope.recipients)
    assert [(claim.index, claim.attempts, claim.warnings) for claim in claims] == [(0, 0, 0), (1, 0, 0)]
    assert claim_all(spool) == []
    run(spool.settle([delivered(claim) for claim in claims], None))
    assert run(spool.message(sent.id)) is None


def test_accepted_mail_is_due_at_once(spool: Spool, site: Site) -> None:
    """The first attempt waits for nothing, and the age says since when."""
    sent = message(spool)
    run(spool.accept(sent, claim=False))
    assert run(spool.next_due()) == START

    site.clock.advance(10)
    (claim,) = claim_all(spool)

    assert claim == Claim(sent.id, 0, 1, sent.envelope.recipients[0], attempts=0, age=10.0, warnings=0)
    assert run(spool.next_due()) is None


def test_claim_takes_the_oldest_first_and_no_more_than_asked(spool: Spool, site: Site) -> None:
    """With a small limit those that waited longest go first."""
    sent = []
    for _ in range(5):
        sent.append(message(spool))
        run(spool.accept(sent[-1], claim=False))
        site.clock.advance(1)
    first = run(spool.claim(2, NOTHING))
    second = run(spool.claim(10, NOTHING))

    assert [claim.message_id for claim in (*first, *second)] == [one.id for one in sent]
    assert len(first) == 2


def test_claim_leaves_excluded_domains(spool: Spool) -> None:
    """A lane that is full gets no more, and doesn't hide the others behind it."""
    full = message(spool, *(f"u{n}@full.example" for n in range(50)))
    other = message(spool, "a@other.example")
    run(spool.accept(full, claim=False))
    run(spool.accept(other, claim=False))

    claims = run(spool.claim(10, frozenset({"full.example", "elsewhere.example"})))

    assert [claim.message_id for claim in claims] == [other.id]
    assert run(spool.next_due(frozenset({"full.example"}))) is None
    assert run(spool.next_due()) == START


def test_claim_waits_for_the_due_time(spool: Spool, site: Site) -> None:
    """A deferred recipient is not claimed a second early; its attempts and age count on."""
    (claim,) = run(spool.accept(message(spool), claim=True))
    run(spool.settle([deferred(claim, due=START + 300, warned=True)], None))

    site.clock.advance(299)
    assert claim_all(spool) == []
    site.clock.advance(1)
    (again,) = claim_all(spool)

    assert (again.attempts, again.age, again.warnings) == (1, 300.0, 1)
    assert again.epoch > claim.epoch


def test_released_claims_keep_due_and_attempts(spool: Spool) -> None:
    """Giving back is no attempt."""
    claims = run(spool.accept(message(spool, "a@example.net", "b@example.net"), claim=True))

    run(spool.release_claims(claims))

    assert run(spool.next_due()) == START
    assert [claim.attempts for claim in claim_all(spool)] == [0, 0]


def test_a_claim_given_back_settles_no_more(spool: Spool, site: Site) -> None:
    """Its epoch is over, even before another claims."""
    (claim,) = run(spool.accept(message(spool), claim=True))
    run(spool.release_claims([claim]))

    run(spool.settle([delivered(claim)], None))

    assert site.count("recipient") == 1


def test_the_way_out_goes_before_the_way_in(spool: Spool, site: Site) -> None:
    """Only accepts wait behind others and are refused when the disk is full."""
    site.database.urgent.clear()

    run(spool.accept(message(spool), claim=False))
    (claim,) = claim_all(spool)
    run(spool.settle([deferred(claim)], None))
    run(spool.renew())

    assert site.database.urgent == [False, True, True, True]


def test_bodies_are_shared_by_count(spool: Spool, site: Site) -> None:
    """A body outlives the message that brought it as long as something names it."""
    (claim,) = run(spool.accept(message(spool, body=FileBody("big", 100_000)), claim=True))
    site.rows("UPDATE body SET refs = refs + 1")  # as a mailbox will

    run(spool.settle([delivered(claim)], None))

    assert site.rows("SELECT refs FROM body") == [(1,)]
    assert site.files.removed == []


def test_the_last_reference_takes_the_file_along(spool: Spool, site: Site) -> None:
    """Row and file go when the last recipient does, and not before."""
    claims = run(spool.accept(message(spool, "a@b.example", "c@d.example", body=FileBody("big", 9)), claim=True))

    run(spool.settle([delivered(claims[0])], None))
    assert site.files.removed == []
    run(spool.settle([delivered(claims[1])], None))

    assert site.files.removed == ["big"]
    assert site.count("body") == 0


@pytest.mark.parametrize(
    ("retried", "fresh", "expected"),
    [
        (6, 6, ["old0", "old1", "new0", "new1"]),
        (1, 6, ["old0", "new0", "new1", "new2"]),
        (6, 1, ["old0", "old1", "old2", "new0"]),
        (6, 0, ["old0", "old1", "old2", "old3"]),
    ],
)
def test_new_mail_does_not_wait_for_all_that_is_tried_again(
    spool: Spool, site: Site, retried: int, fresh: int, expected: list[str]
) -> None:
    """Half of what is claimed at once is new mail, if there is any, and half what was tried before."""
    for n in range(retried):
        (claim,) = run(spool.accept(message(spool, f"old{n}@example.net"), claim=True))
        run(spool.settle([deferred(claim, START + n)], None))
    site.clock.advance(1000)
    for n in range(fresh):
        run(spool.accept(message(spool, f"new{n}@example.net"), claim=False))
        site.clock.advance(1)

    claims = run(spool.claim(4, NOTHING))

    assert sorted(claim.recipient.address.local for claim in claims) == sorted(expected)
    assert len(run(spool.claim(100, NOTHING))) == retried + fresh - 4
