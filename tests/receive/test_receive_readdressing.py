"""Recipients and header values that plugins change, in sessions: nobody's mail is lost, no other octet changes."""

from __future__ import annotations

from typing import Any

import pytest
from reception import Client, Reception, mailboxes
from test_receive_plugins import Says

from twistedmail_mta import stages
from twistedmail_mta.errors import TemporaryError
from twistedmail_mta.model import Address, Delivery, Detention, Expansion, Reply
from twistedmail_mta.plugin_record import Plugin
from twistedmail_mta.smtp.address import parse_address
from twistedmail_mta.stages import AddRecipient, ChangeHeader, ChangeRecipient, FileInto, Hold, RemoveRecipient

LATER = Reply(451, "4.3.0", "later")


def to(old: str, new: str) -> ChangeRecipient:
    return ChangeRecipient(parse_address(old), parse_address(new))


def reception(*answers: Any, anywhere: bool = False, **options: Any) -> Reception:
    """A listener with a plugin for each answer."""
    says = [Says(stages.IMessagePolicy, answer) for answer in answers]
    plugins = [Plugin(f"p{n}", each, 10.0, False, anywhere) for n, each in enumerate(says)]
    return Reception(plugins=tuple(plugins), **options)


def send(client: Client, *rcpt: str, text: str = "Subject: hi\r\n\r\ntext\r\n", hello: str = "EHLO") -> str:
    client.type(f"{hello} client.test", "MAIL FROM:<ann@sender.test>")
    for each in rcpt:
        assert client.type(f"RCPT TO:{each}").startswith("250")
    client.type("DATA")
    return client.send(text.encode() + b".\r\n")


def queued(where: Reception) -> list[str]:
    (message,) = where.acceptance.messages
    return [str(each.address) for each in message.envelope.recipients]


def filled(where: Reception) -> tuple[Delivery, ...]:
    (local,) = where.acceptance.local
    return () if local is None else local.deliveries


def test_into_a_mailbox_here() -> None:
    """Room is kept in it, and given back."""
    here = reception((to("bob@relayed.test", "u1@home.test"),))

    assert send(here.connect(), "<bob@relayed.test>").startswith("250")

    assert (queued(here), filled(here)) == ([], mailboxes(1))
    assert here.quotas.asked == [0]
    assert here.quotas.held == 0


def test_elsewhere_only_where_the_site_file_lets_it() -> None:
    """Else the old one keeps its mail; a plugin grants nothing."""
    for anywhere, expected in ((False, ["bob@relayed.test"]), (True, ["bob@elsewhere.test"])):
        here = reception((to("bob@relayed.test", "bob@elsewhere.test"),), anywhere=anywhere)
        assert send(here.connect(), "<bob@relayed.test>").startswith("250")
        assert queued(here) == expected


def test_reports_as_they_were_wished_for() -> None:
    """The next hop is told NOTIFY, and ORCPT as the sender's server said it, or whom RCPT named."""
    here = reception(
        (to("bob@relayed.test", "b@relayed.test"), to("eve@relayed.test", "e@relayed.test")), anywhere=True
    )

    send(here.connect(), "<bob@relayed.test> NOTIFY=FAILURE ORCPT=rfc822;old@y.test", "<eve@relayed.test>")

    bob, eve = here.acceptance.messages[0].envelope.recipients
    assert (str(bob.address), bob.notify, bob.orcpt) == ("b@relayed.test", {"FAILURE"}, "rfc822;old@y.test")
    assert (str(eve.address), eve.notify, eve.orcpt) == ("e@relayed.test", None, "rfc822;eve@relayed.test")


@pytest.mark.parametrize("wrong", ["nobody@home.test", "x@elsewhere.test"])
def test_who_is_refused_for_good_takes_nobodys_place(wrong: str) -> None:
    """Neither lost nor refused: the old one gets it."""
    here = reception((to("u2@home.test", wrong),))

    assert send(here.connect(), "<u2@home.test>").startswith("250")

    assert filled(here) == mailboxes(2)


def test_no_room_for_now() -> None:
    """The client hears of it as at RCPT, and comes again; nothing is kept and no room stays taken."""
    here = reception((to("u2@home.test", "u1@home.test"),))
    here.quotas.full = {1}

    assert send(here.connect(), "<u2@home.test>") == "452 4.2.2 full\r\n"

    assert here.acceptance.messages == []
    assert here.quotas.held == 0


def test_addresses_that_cant_be_looked_up_now() -> None:
    """The mail waits at its sender, for whoever it would go to would be a guess."""
    here = reception((to("u2@home.test", "u1@home.test"),))

    async def broken(_: Address) -> Expansion | Reply:
        raise TemporaryError(LATER)

    here.directory.later = {"u1@home.test"}
    here.directory.resolve = broken  # type: ignore[method-assign]

    assert send(here.connect(), "<u2@home.test>") == "451 4.3.0 later\r\n"


def test_two_become_one() -> None:
    """One copy, in the queue as in mailboxes."""
    here = reception((to("u2@home.test", "u1@home.test"), to("a@relayed.test", "b@relayed.test")), anywhere=True)

    assert send(here.connect(), "<u1@home.test>", "<a@relayed.test>", "<u2@home.test>").startswith("250")

    assert (queued(here), filled(here)) == (["b@relayed.test"], mailboxes(1))


def test_who_isnt_there_cant_be_changed() -> None:
    """Nor who was removed before."""
    here = reception((RemoveRecipient(Address("u2", "home.test")), to("u2@home.test", "u1@home.test")))

    assert send(here.connect(), "<u2@home.test>", "<a@relayed.test>").startswith("250")

    assert (queued(here), filled(here)) == (["a@relayed.test"], ())


@pytest.mark.parametrize("first", [True, False])
def test_others_mean_it_by_its_old_name(first: bool) -> None:
    """What a filter behind it removes or files is what RCPT named: the changed one."""
    change = (to("u2@home.test", "u1@home.test"), to("bob@relayed.test", "u3@home.test"))
    filter_ = (FileInto("Junk", Address("u2", "home.test")), RemoveRecipient(Address("bob", "relayed.test")))
    here = reception(*((change, filter_) if first else (filter_, change)))
    here.directory.addresses["u3@home.test"] = Expansion(mailboxes(3))

    assert send(here.connect(), "<u2@home.test>", "<bob@relayed.test>").startswith("250")

    (delivery,) = filled(here)
    assert (delivery.account, delivery.mailbox) == (1, "Junk")


def test_held_mail_is_for_the_new_one() -> None:
    here = reception((Hold("why"), to("u2@home.test", "u1@home.test")))

    assert send(here.connect(), "<u2@home.test>").startswith("250")

    assert (queued(here), here.acceptance.detained) == (["u1@home.test"], [Detention("hold", "why", "p0")])


def test_an_added_copy_and_a_changed_recipient() -> None:
    """The copy stays what it was, even with the name of who was changed."""
    old = Address("u2", "home.test")
    here = reception((to("u2@home.test", "u1@home.test"), AddRecipient(old)))

    assert send(here.connect(), "<u2@home.test>").startswith("250")

    assert sorted(each.account for each in filled(here)) == [1, 2]


def test_lmtp_tells_of_circles() -> None:
    """Whose new mailbox had the message before is told so: its copy goes nowhere."""
    here = reception((to("u2@home.test", "u1@home.test"), to("both@home.test", "u3@home.test")), role="lmtp")
    here.directory.addresses["u3@home.test"] = Expansion(mailboxes(3))

    said = send(
        here.connect(), "<both@home.test>", "<u2@home.test>", text="Delivered-To: u1@home.test\r\n\r\n", hello="LHLO"
    )

    assert [line[:9] for line in said.splitlines()] == ["250 2.0.0", "554 5.4.6"]
    assert filled(here) == mailboxes(3)


# Values of the header


HEADER = 'X-Empty:  \r\nX-A:one \r\nfrom :\tAnn\r\n  <ann@in.test> \r\nFrom: "\xe4" <b@in.test>\r\nX-A: one\r\n'


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ([("X-A", "one", "two")], HEADER.replace("X-A:one", "X-A:two")),
        ([("x-a", "one", "2"), ("X-A", "one", "3")], HEADER.replace("A:one", "A:2").replace("A: one", "A: 3")),
        ([("From", "Ann\r\n  <ann@in.test>", "Ann\r\n  <a@out.test>")], HEADER.replace("ann@in.test", "a@out.test")),
        ([("From", '"\xe4" <b@in.test>', '"\xe4" <b@out.test>')], HEADER.replace("b@in.test", "b@out.test")),
        ([("From", "b@in.test", "b@out.test")], HEADER),
        ([("X-A", "one", ""), ("X-B", "one", "x")], HEADER.replace("X-A:one", "X-A:")),
        ([("X-A", "one", "2", 2)], HEADER.replace("A: one", "A: 2")),
        ([("X-A", "one", "2", 3)], HEADER.replace("A:one", "A:2")),
        ([("From", '"\xe4" <b@in.test>', "b@out.test", 1)], HEADER.replace('"\xe4" <b@in.test>', "b@out.test")),
        ([("X-Empty", "", "x")], HEADER.replace("X-Empty:  ", "X-Empty:x  ")),
    ],
)  # fmt: skip
def test_values(changes: list[Any], expected: str) -> None:
    """Just the value changes: not the white space around it, nor the name's letters, nor other fields."""
    here = reception(tuple(ChangeHeader(*each) for each in changes))

    assert send(here.connect(), "<bob@relayed.test>", text=HEADER + "\r\ntext\r\n").startswith("250")

    trace, _, rest = here.acceptance.messages[0].header.partition(b"+0000\r\n")
    assert trace.startswith(b"Received: ")
    assert rest == expected.encode() + b"\r\n"


@pytest.mark.parametrize("value", ["a\r\nX: b", "a\r\n\r\nb", "a\r\n \r\n b", "a\nb", "\0"])
def test_values_that_would_break_the_header(value: str) -> None:
    """They count as a failure, as with every change of the header."""
    here = reception((ChangeHeader("Subject", "hi", value),))

    assert send(here.connect(), "<bob@relayed.test>").startswith("451 4.3.0")


def test_many_changes_take_turns() -> None:
    """After fifty of them others go first; the answer waits for all."""
    here = reception(tuple(ChangeHeader("X-A", "one" if n == 1 else str(n - 1), str(n)) for n in range(1, 121)))
    client = here.connect()

    assert send(client, "<bob@relayed.test>", text="X-A: one\r\n\r\n") == ""

    here.clock.advance(0)
    assert client.said().startswith("250")
    assert here.acceptance.messages[0].header.endswith(b"X-A: 120\r\n\r\n")
