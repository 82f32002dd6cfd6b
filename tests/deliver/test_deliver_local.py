"""The queue's delivery into mailboxes: in pieces, exactly once, with the right outcome for each recipient."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from twisted.internet.defer import Deferred as TwistedDeferred
from twisted.internet.task import Clock
from zope.interface import implementer
from zope.interface.verify import verifyObject

from twistedmail_mta.deliver.local import BLOCK, DELIVERED, FORWARDED, LOOP, PIECE, MailboxAgent
from twistedmail_mta.errors import TemporaryError
from twistedmail_mta.interfaces import IBodyStore, IDeliveryAgent, IDirectory, IMailboxDelivery
from twistedmail_mta.mail.structure import structure
from twistedmail_mta.model import (
    MAILBOXES,
    Address,
    Body,
    Deferred,
    Delivered,
    Delivery,
    Envelope,
    Expansion,
    Failed,
    FileBody,
    InlineBody,
    LocalMail,
    Message,
    Notify,
    Origin,
    Outcome,
    Recipient,
    Reply,
    Withdrawn,
)
from twistedmail_mta.tasks import Promise

NO_ONE = Reply(550, "5.1.1", "no such address")
LATER = Reply(451, "4.3.0", "later")
ELSEWHERE = Address("ann", "else.test")


def boxes(*accounts: int) -> tuple[Delivery, ...]:
    return tuple(Delivery(account, Address(f"u{account}", "home.test")) for account in accounts)


@implementer(IDirectory)
class People:
    """Knows what it is told; an error is raised."""

    def __init__(self) -> None:
        self.found: dict[str, Expansion | Reply | Exception] = {}

    def hosts(self, domain: str) -> bool:
        return domain == "home.test"

    def known(self, recipient: Address) -> Expansion | Reply | None:
        raise NotImplementedError("it is looked up anew")

    async def resolve(self, recipient: Address) -> Expansion | Reply:
        found = self.found.get(str(recipient), NO_ONE)
        if isinstance(found, Exception):
            raise found
        return found


@implementer(IMailboxDelivery)
class Boxes:
    """Keeps every piece, as often as it comes; those with an account in `broken` fail."""

    def __init__(self) -> None:
        self.pieces: list[tuple[LocalMail, tuple[int, int] | None]] = []
        self.broken: set[int] = set()
        self.gate: Promise[None] | None = None
        self.running = 0
        self.most_running = 0

    async def deliver(self, message: Message, local: LocalMail, done: tuple[int, int] | None = None) -> None:
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        try:
            if self.gate is not None:
                await self.gate
        finally:
            self.running -= 1
        if any(each.account in self.broken for each in local.deliveries):
            raise TemporaryError(LATER)
        self.pieces.append((local, done))

    @property
    def accounts(self) -> list[int]:
        return [each.account for local, _ in self.pieces for each in local.deliveries]


@implementer(IBodyStore)
class Files:
    """One large body."""

    def __init__(self) -> None:
        self.data = b""
        self.failure: Exception | None = None

    async def read(self, body: Body, offset: int, size: int) -> bytes:
        if self.failure is not None:
            raise self.failure
        data = body.data if isinstance(body, InlineBody) else self.data
        return data[offset : offset + size]

    def writer(self) -> Any:
        raise NotImplementedError

    async def remove(self, names: Any) -> None:
        raise NotImplementedError

    async def sweep(self, named: Any, older_than: float) -> int:
        raise NotImplementedError


class Post:
    """An agent with fakes around it."""

    def __init__(self) -> None:
        self.people, self.boxes, self.files = People(), Boxes(), Files()
        self.agent = MailboxAgent(self.people, self.boxes, self.files, Clock())
        self.unwanted: set[str] = set()

    def begin(
        self, *recipients: str | Recipient, header: bytes = b"Subject: x\r\n\r\n", body: Body | None = None
    ) -> Any:
        """Begin a delivery; return what becomes of it: a list that gets the outcomes."""
        named = [each if isinstance(each, Recipient) else asking(each) for each in recipients]
        envelope = Envelope(Address("joe", "strangers.test"), tuple(named))
        message = Message(7, envelope, header, body or InlineBody(b"Hello\r\n"), Origin("ESMTP"), 0.0)
        coroutine: Any = self.agent.deliver(message, named, MAILBOXES, self._wanted)
        results: list[Any] = []
        TwistedDeferred.fromCoroutine(coroutine).addBoth(results.append)
        return results

    def _wanted(self, recipient: Recipient) -> bool:
        return str(recipient.address) not in self.unwanted

    def deliver(self, *recipients: str | Recipient, **options: Any) -> Sequence[Outcome]:
        (outcomes,) = self.begin(*recipients, **options)
        assert isinstance(outcomes, list), outcomes
        return outcomes


def asking(text: str, *notify: Notify, orcpt: str | None = None) -> Recipient:
    local, _, domain = text.rpartition("@")
    return Recipient(Address(local, domain), frozenset(notify) if notify else None, orcpt)


@pytest.fixture
def post() -> Post:
    return Post()


def test_it_is_an_agent(post: Post) -> None:
    """The queue sees nothing but the seam."""
    assert verifyObject(IDeliveryAgent, post.agent)


def test_one_mailbox(post: Post) -> None:
    """It is delivered, which its sender may be owed a report of."""
    post.people.found["u1@home.test"] = Expansion(boxes(1))

    assert post.deliver("u1@home.test") == [Delivered(DELIVERED, owed="delivered")]

    ((local, _),) = post.boxes.pieces
    assert local == LocalMail(structure(b"Subject: x\r\n\r\n", b"Hello\r\n"), boxes(1))


def test_many_mailboxes_are_filled_in_pieces(post: Post) -> None:
    """A hundred at a time, each piece with the progress of the whole message."""
    accounts = [*range(1, 2 * PIECE + 51)]
    post.people.found["all@home.test"] = Expansion(boxes(*accounts))

    assert post.deliver("all@home.test") == [Delivered(DELIVERED, owed="expanded")]

    assert [len(local.deliveries) for local, _ in post.boxes.pieces] == [PIECE, PIECE, 50]
    assert post.boxes.accounts == accounts
    assert {done for _, done in post.boxes.pieces} == {(7, 0)}


def test_recipients_share_mailboxes(post: Post) -> None:
    """Who is meant twice gets it once, and both recipients are done."""
    other_name = Delivery(2, Address("b", "home.test"))
    post.people.found |= {"a@home.test": Expansion(boxes(1, 2)), "b@home.test": Expansion((other_name, *boxes(3)))}

    assert [type(each) for each in post.deliver("a@home.test", "b@home.test")] == [Delivered, Delivered]
    ((local, _),) = post.boxes.pieces
    assert local.deliveries == boxes(1, 2, 3), "the first name counts, as at acceptance"


def test_the_mailbox_that_was_chosen(post: Post) -> None:
    """Of everybody whom the recipient stands for, and nobody else; forwards elsewhere have none."""
    post.people.found |= {"u1@home.test": Expansion(boxes(1)), "team@home.test": Expansion(boxes(2, 3), (ELSEWHERE,))}

    _, team = post.deliver("u1@home.test", replace(asking("team@home.test"), mailbox="Junk"))

    ((local, _),) = post.boxes.pieces
    assert [(each.account, each.mailbox) for each in local.deliveries] == [(1, "INBOX"), (2, "Junk"), (3, "Junk")]
    assert isinstance(team, Delivered)
    assert [each.mailbox for each in team.forwards] == [None]


def test_a_chosen_mailbox_that_fails(post: Post) -> None:
    """The recipient is tried again, and no other."""
    post.people.found |= {"u1@home.test": Expansion(boxes(1)), "u2@home.test": Expansion(boxes(2))}
    post.boxes.broken = {2}

    filed = [replace(asking(name), mailbox="Junk") for name in ("u1@home.test", "u2@home.test")]
    outcomes = [*post.deliver(filed[0]), *post.deliver(filed[1])]

    assert [type(each) for each in outcomes] == [Delivered, Deferred]


def test_deliveries_of_a_message_come_one_after_another(post: Post) -> None:
    """So that none reads what is done while another does more; those of other messages needn't wait."""
    post.people.found |= {f"u{n}@home.test": Expansion(boxes(n)) for n in (1, 2, 3)}
    post.boxes.gate = Promise()
    results = [post.begin(f"u{n}@home.test") for n in (1, 2, 3)]

    assert post.boxes.running == 1
    post.boxes.gate.resolve(None)

    assert results == [[[Delivered(DELIVERED, owed="delivered")]]] * 3
    assert post.boxes.most_running == 1


def test_forwards_take_the_place_of_an_alias(post: Post) -> None:
    """With what was asked, and the alias as the original recipient (RFC 3461 section 5.2.7.2)."""
    post.people.found["away@home.test"] = Expansion((), (ELSEWHERE,))
    success = frozenset[Notify]({"SUCCESS"})

    (outcome,) = post.deliver(asking("away@home.test", "SUCCESS"))

    forward = Recipient(ELSEWHERE, success, "rfc822;away@home.test", forwarded_by="home.test")
    assert outcome == Delivered(FORWARDED, forwards=(forward,))
    assert post.boxes.pieces == []


@pytest.mark.parametrize(
    ("asked", "left"),
    [((), None), (("SUCCESS",), {"NEVER"}), (("SUCCESS", "DELAY"), {"DELAY"}), (("NEVER",), {"NEVER"})],
)
def test_alias_for_several_answers_success_itself(
    post: Post, asked: Sequence[Notify], left: set[Notify] | None
) -> None:
    """ "expanded" is told, and the forwards aren't asked for success any more (RFC 3461 section 5.2.7.3)."""
    post.people.found["team@home.test"] = Expansion(boxes(1), (ELSEWHERE,))

    (outcome,) = post.deliver(asking("team@home.test", *asked, orcpt="rfc822;old@first.test"))

    notify = None if left is None else frozenset(left)
    forward = Recipient(ELSEWHERE, notify, "rfc822;old@first.test", forwarded_by="home.test")
    assert outcome == Delivered(DELIVERED, owed="expanded", forwards=(forward,))


def test_alias_that_can_not_be_said_in_orcpt(post: Post) -> None:
    """Letters beyond ASCII have no form there that every host takes; special ones are written in xtext."""
    post.people.found["été@home.test"] = Expansion((), (ELSEWHERE,))
    post.people.found["a+b@home.test"] = Expansion((), (ELSEWHERE,))

    first, second = post.deliver("été@home.test", "a+b@home.test")

    assert isinstance(first, Delivered)
    assert isinstance(second, Delivered)
    assert first.forwards[0].orcpt is None
    assert second.forwards[0].orcpt == "rfc822;a+2Bb@home.test"


@pytest.mark.parametrize(
    ("found", "outcome"),
    [(NO_ONE, Failed(NO_ONE)), (LATER, Deferred(LATER)), (TemporaryError(LATER), Deferred(LATER))],
)
def test_who_can_not_be_found(post: Post, found: Reply | Exception, outcome: Outcome) -> None:
    """The account may have vanished since, or the database is in trouble; the others get their mail."""
    post.people.found |= {"u1@home.test": Expansion(boxes(1)), "gone@home.test": found}  # type: ignore[dict-item]

    assert post.deliver("gone@home.test", "u1@home.test") == [outcome, Delivered(DELIVERED, owed="delivered")]


def test_failed_piece_defers_whom_it_concerns(post: Post) -> None:
    """What the other pieces hold is delivered all the same, and forwards wait for the rest of their alias."""
    post.people.found |= {
        "all@home.test": Expansion(boxes(*range(1, 3 * PIECE + 1)), (ELSEWHERE,)),
        "u1@home.test": Expansion(boxes(1)),
    }
    post.boxes.broken.add(PIECE + 1)

    assert post.deliver("all@home.test", "u1@home.test") == [Deferred(LATER), Delivered(DELIVERED, owed="delivered")]

    assert len(post.boxes.accounts) == 2 * PIECE
    post.boxes.broken.clear()
    assert isinstance(post.deliver("all@home.test")[0], Delivered)


def test_what_comes_back_fails(post: Post) -> None:
    """It was delivered to that mailbox before (RFC 9228 section 4)."""
    post.people.found |= {"u1@home.test": Expansion(boxes(1)), "u2@home.test": Expansion(boxes(2))}
    header = b"Delivered-To: <U1@home.test>\r\nSubject: x\r\n\r\n"

    assert post.deliver("u1@home.test", "u2@home.test", header=header) == [
        Failed(LOOP),
        Delivered(DELIVERED, owed="delivered"),
    ]


def test_operators_withdraw(post: Post) -> None:
    """Just before the delivery."""
    post.people.found["u1@home.test"] = Expansion(boxes(1))
    post.unwanted.add("u1@home.test")

    assert post.deliver("u1@home.test") == [Withdrawn()]
    assert post.boxes.pieces == []


def test_large_body_is_scanned_in_blocks(post: Post) -> None:
    """From its file; a file that can't be read now puts the mail off."""
    post.people.found["u1@home.test"] = Expansion(boxes(1))
    header = b'Content-Type: multipart/mixed; boundary="b"\r\n\r\n'
    post.files.data = b"--b\r\n\r\n" + b"0123456789\r\n" * (3 * BLOCK // 12) + b"\r\n--b--\r\n"
    body = FileBody("large", len(post.files.data))

    post.deliver("u1@home.test", header=header, body=body)
    assert post.boxes.pieces[0][0].structure == structure(header, post.files.data)
    post.files.failure = TemporaryError(LATER)
    assert post.deliver("u1@home.test", header=header, body=body) == [Deferred(LATER)]
