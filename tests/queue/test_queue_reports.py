"""Who is told what, and when: bounces, delay warnings, and the cases in which nobody is."""

from __future__ import annotations

from email import message_from_bytes, policy
from typing import Any

import pytest
from queue_fakes import ADMIN, ALICE, BUSY, DISK_FULL, NO_USER, OK, START, World, address

from twistedmail_mta.model import NULL_PATH, Address, Failed, InlineBody, Message, Notify, Recipient, Reply
from twistedmail_mta.queue.texts.english import ENGLISH


def opened(message: Message) -> Any:
    assert isinstance(message.body, InlineBody)
    return message_from_bytes(message.header + message.body.data, policy=policy.default)


def text_of(message: Message) -> str:
    part = next(opened(message).iter_parts())
    return str(part.get_content()).replace("\r\n", "\n")


def groups_of(message: Message) -> list[Any]:
    return list(list(opened(message).iter_parts())[1].get_payload())[1:]


def to(text: str, *notify: Notify) -> Recipient:
    return Recipient(address(text), frozenset(notify))


def test_sender_is_told_at_once(world: World) -> None:
    """A bounce names recipient, host and answer; it leaves with a null sender as mail of our own."""
    world.agent.outcomes["bob@x.example"] = NO_USER
    world.send("bob@x.example")

    (report,) = world.reports()
    assert report.envelope.sender == NULL_PATH
    assert [each.address for each in report.envelope.recipients] == [ALICE]
    assert report.origin.protocol == "local"
    assert opened(report)["subject"] == ENGLISH.failure.subject
    assert opened(report)["references"] == "<1@home.example>"
    text = text_of(report)
    assert "<bob@x.example>" in text
    assert "There is no such address at the other end." in text
    assert "The answer of mx.example was:\n    550 5.1.1 no such user" in text
    assert 'with the subject "Hello"' in " ".join(text.split())
    (group,) = groups_of(report)
    assert group["final-recipient"] == "rfc822; bob@x.example"
    assert group["action"] == "failed"
    assert group["status"] == "5.1.1"
    assert group["remote-mta"] == "dns; mx.example"
    assert group["diagnostic-code"] == "smtp; 550 5.1.1 no such user"
    assert world.agent.hosts() == ["x.example", "home.example"]


def test_failures_together_share_a_report(world: World) -> None:
    """Two hosts refuse: one bounce tells of both, when the last attempt has ended."""
    world.agent.default = NO_USER
    world.agent.outcomes["alice@home.example"] = OK
    world.agent.slow.add("y.example")
    world.send("bob@x.example", "carol@y.example")
    assert world.reports() == []

    world.agent.calls[1].finish()
    (report,) = world.reports()
    assert [group["final-recipient"] for group in groups_of(report)] == [
        "rfc822; bob@x.example",
        "rfc822; carol@y.example",
    ]
    assert [len(report.failed) for _, report in world.spool.settled if report is not None] == [2]
    assert world.spool.messages == {}


def test_failures_that_are_written_together_share_a_report(world: World) -> None:
    """Two results on their way to the disk at once still make one bounce."""
    world.agent.default = NO_USER
    world.agent.outcomes["alice@home.example"] = OK
    world.agent.slow |= {"x.example", "y.example"}
    world.send("bob@x.example", "carol@y.example")
    world.spool.down = True
    for call in world.agent.calls[:2]:
        call.finish()
    world.spool.down = False
    world.pass_time(3)

    (report,) = world.reports()
    assert len(groups_of(report)) == 2


def test_report_waits_a_minute_at_most(world: World) -> None:
    """A slow host holds the bad news back for a minute, not for hours."""
    world.agent.outcomes["bob@x.example"] = NO_USER
    world.agent.slow.add("y.example")
    world.send("bob@x.example", "carol@y.example")
    world.pass_time(59)
    assert world.reports() == []

    world.pass_time(5)
    assert len(world.reports()) == 1
    world.agent.calls[1].finish()
    assert len(world.reports()) == 1
    assert world.spool.rows == {}


def test_deferred_recipient_does_not_hold_up_the_report(world: World) -> None:
    """Who will be tried again in five minutes is no reason to wait."""
    world.agent.outcomes |= {"bob@x.example": NO_USER, "carol@y.example": BUSY}
    world.send("bob@x.example", "carol@y.example")

    assert len(world.reports()) == 1


def test_report_that_is_out_of_date_is_composed_anew(world: World) -> None:
    """When another failure comes in between, nothing is reported twice or forgotten."""
    world.agent.outcomes["bob@x.example"] = NO_USER
    world.agent.slow.add("x.example")
    message = world.send("bob@x.example")
    unreported = world.spool.unreported

    async def slips_in(message_id: int) -> Any:
        world.spool.unreported = unreported  # type: ignore[method-assign]
        known = await unreported(message_id)
        world.spool.rows[message.id, 1] = row = type(world.spool.rows[message.id, 0])(
            Recipient(address("carol@y.example")), START, START
        )
        row.failed = (NO_USER, START)
        return known

    world.spool.unreported = slips_in  # type: ignore[method-assign]
    world.agent.calls[0].finish()

    (report,) = world.reports()
    assert len(groups_of(report)) == 2
    assert world.spool.messages.keys() <= {report.id}


def test_refused_report_is_tried_again(world: World) -> None:
    """However often the spool finds a report out of date, it is composed again a minute later."""
    world.agent.outcomes["bob@x.example"] = NO_USER
    settle, refusals = world.spool.settle, [False] * 4

    async def refusing(settlements: Any, report: Any) -> bool:
        if report is not None and refusals:
            await settle(settlements, None)
            return refusals.pop()
        return await settle(settlements, report)

    world.spool.settle = refusing  # type: ignore[method-assign]
    world.send("bob@x.example")
    assert len(refusals) == 2
    world.pass_time(150)

    assert refusals == []
    assert world.reports() == []
    world.pass_time(65)
    assert len(world.reports()) == 1


def test_unreadable_failures_are_reported_later(world: World) -> None:
    """The result is written though no report can be composed; the report follows."""
    world.agent.outcomes["bob@x.example"] = NO_USER
    unreported = world.spool.unreported

    async def failing(message_id: int) -> Any:
        raise DISK_FULL

    world.spool.unreported = failing  # type: ignore[method-assign]
    world.send("bob@x.example")
    assert world.spool.owned() == []
    world.spool.unreported = unreported  # type: ignore[method-assign]
    world.pass_time(90)

    assert len(world.reports()) == 1


def test_strangers_are_not_told_but_the_administrator(world: World) -> None:
    """A sender who didn't log in may be forged: the bounce would be backscatter."""
    world.agent.outcomes["bob@x.example"] = NO_USER
    world.send("bob@x.example", sender=Address("mallory", "evil.example"), account=None)

    (report,) = world.reports()
    assert [each.address for each in report.envelope.recipients] == [ADMIN]
    assert opened(report)["subject"] == ENGLISH.admin.subject
    assert "The mail from <mallory@evil.example> of 9 September 2001, 01:46" in text_of(report)


def test_without_administrator_it_is_logged(logged: list[dict[str, Any]]) -> None:
    """Nothing vanishes in silence."""
    world = World(admin=None)
    world.agent.outcomes["bob@x.example"] = NO_USER
    world.send("bob@x.example", account=None)

    assert world.reports() == []
    assert world.spool.rows == {}
    assert [event["event"] for event in logged if event.get("event") == "queue.untold"] == ["queue.untold"]


def test_null_senders_are_never_told(world: World) -> None:
    """A report about a report would go on for ever (RFC 5321 section 6.1)."""
    world.agent.default = NO_USER
    world.send("bob@x.example", sender=NULL_PATH)

    assert len(world.agent.calls) == 1
    assert world.spool.rows == {}


def test_administrators_own_bounce_ends_there(world: World) -> None:
    """When the administrator's mailbox fails too, it stops."""
    world.agent.default = NO_USER
    world.send("bob@x.example", account=None)

    assert world.agent.hosts() == ["x.example", "home.example"]
    assert world.spool.rows == {}


@pytest.mark.parametrize(
    ("notify", "told"),
    [
        (("NEVER",), False),
        (("SUCCESS",), False),
        (("DELAY",), False),
        (("FAILURE",), True),
        (("FAILURE", "DELAY"), True),
    ],
)
def test_notify_decides_about_failures(world: World, notify: tuple[Notify, ...], told: bool) -> None:
    """A report is sent for those recipients for which it is wanted (RFC 3461 section 4.1)."""
    world.agent.outcomes["bob@x.example"] = NO_USER
    world.send(to("bob@x.example", *notify))

    assert bool(world.reports()) == told
    assert world.spool.rows == {}


def test_notify_is_of_each_recipient(world: World) -> None:
    """One recipient's NEVER is not another's."""
    world.agent.default = NO_USER
    world.agent.outcomes["alice@home.example"] = OK
    world.send(to("bob@x.example", "NEVER"), "carol@x.example")

    (report,) = world.reports()
    assert [group["final-recipient"] for group in groups_of(report)] == ["rfc822; carol@x.example"]
    assert "bob" not in text_of(report)
    assert world.spool.rows == {}


def test_warned_after_four_hours_and_a_day(world: World) -> None:
    """Two warnings in the first two days, and the mail goes on being tried."""
    world.agent.outcomes["bob@x.example"] = BUSY
    message = world.send("bob@x.example")
    world.pass_time(14_400)
    assert world.reports() == []
    world.pass_time(6 * 3600)
    (warning,) = world.reports()
    assert opened(warning)["subject"] == ENGLISH.delay.subject
    (group,) = groups_of(warning)
    assert group["action"] == "delayed"
    assert group["status"] == "4.2.0"
    assert group["will-retry-until"] == "Fri, 14 Sep 2001 01:46:40 +0000"
    assert "you need not send it again" in text_of(warning)
    assert message.id in world.spool.messages

    world.pass_time(2 * 86_400, steps=1000)
    assert len(world.reports()) == 2


@pytest.mark.parametrize(
    ("notify", "warned"), [((), True), (("DELAY",), True), (("FAILURE",), False), (("NEVER",), False)]
)
def test_notify_decides_about_delays(world: World, notify: tuple[Notify, ...], warned: bool) -> None:
    """Where NOTIFY is given, only DELAY asks for a warning."""
    world.agent.outcomes["bob@x.example"] = BUSY
    world.send(to("bob@x.example", *notify) if notify else "bob@x.example")
    world.pass_time(10 * 3600)

    assert bool(world.reports()) == warned


@pytest.mark.parametrize("options", [{"account": None}, {"sender": NULL_PATH}])
def test_only_logins_are_warned(world: World, options: dict[str, Any]) -> None:
    """Strangers and null senders hear nothing of delays."""
    world.agent.outcomes["bob@x.example"] = BUSY
    world.send("bob@x.example", **options)
    world.pass_time(10 * 3600)

    assert world.reports() == []


def test_failure_beside_a_warning(world: World) -> None:
    """When one recipient fails as another's warning is due, both are told, in two reports."""
    world.agent.outcomes |= {"bob@x.example": BUSY, "carol@x.example": BUSY}
    world.send("bob@x.example", "carol@x.example")
    world.pass_time(14_400)
    world.agent.outcomes["carol@x.example"] = NO_USER
    world.pass_time(6 * 3600)

    subjects = [opened(report)["subject"] for report in world.reports()]
    assert sorted(subjects) == sorted([ENGLISH.delay.subject, ENGLISH.failure.subject])


def test_expired_recipient_is_reported_as_such(world: World) -> None:
    """What this host found is not passed off as an answer of the other."""
    expired = Failed(Reply(554, "5.4.7", "Delivery time expired"), "mx.example [192.0.2.1]")
    world.agent.outcomes["bob@x.example"] = expired
    world.send("bob@x.example")

    (group,) = groups_of(world.reports()[0])
    assert group["diagnostic-code"] == "X-Local; 554 5.4.7 Delivery time expired"
    assert "The reason:\n    554 5.4.7 Delivery time expired" in text_of(world.reports()[0])


def test_answer_in_many_lines_stays_in_its_field(world: World) -> None:
    """A peer's reply can't add lines to the report's structure."""
    world.agent.outcomes["bob@x.example"] = Failed(Reply(550, "", "no\nAction: delivered\r\n\r\nx"), "mx.example [::1]")
    world.send("bob@x.example")

    (group,) = groups_of(world.reports()[0])
    assert group["status"] == "5.0.0"
    assert group["action"] == "failed"
    assert group["diagnostic-code"] == "smtp; 550 no Action: delivered x"


def test_long_lists_are_cut_for_people(world: World) -> None:
    """A thousand failures: the text stays readable, the status part has them all."""
    world.agent.default = NO_USER
    world.agent.outcomes["alice@home.example"] = OK
    world.send(*(f"u{n}@x.example" for n in range(1000)))
    world.pass_time(1)

    (report,) = world.reports()
    assert len(groups_of(report)) == 1000
    assert text_of(report).count("@x.example>") == 100


@pytest.mark.parametrize(
    ("reply", "part"),
    [
        (Reply(550, "5.1.1", "no"), "no such address"),
        (Reply(550, "5.7.26", "unsigned"), "verify that the mail really comes from your domain"),
        (Reply(556, "5.1.10", "null MX"), "no mail at all"),
        (Reply(552, "5.2.2", "over quota"), "mailbox is full"),
        (Reply(550, "", "5 mailbox is full"), "mailbox is full"),
        (Reply(554, "5.7.1", "listed at a block list, see spamhaus"), "does not trust the mail of this server"),
        (Reply(554, "5.7.1", "message looks like spam"), "something in your mail"),
        (Reply(550, "5.9.9", "no idea"), ""),
    ],
)
def test_advice_fits_the_answer(world: World, reply: Reply, part: str) -> None:
    """Status code or known words: the report says what it means and what to do."""
    world.agent.outcomes["bob@x.example"] = Failed(reply, "mx.example [192.0.2.1]")
    world.send("bob@x.example")

    assert part in " ".join(text_of(world.reports()[0]).split())
