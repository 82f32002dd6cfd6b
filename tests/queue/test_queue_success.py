"""Reports of success, how much of a message goes back, copies, and languages."""

from __future__ import annotations

from dataclasses import replace
from email import message_from_bytes, policy
from typing import Any

import pytest
from flufl.bounce import all_failures
from queue_fakes import ADMIN, ALICE, BUSY, NO_USER, OK, World, address

from twistedmail_mta.model import (
    NULL_PATH,
    Address,
    Deferred,
    Delivered,
    Failed,
    FailedRecipient,
    InlineBody,
    Message,
    Notify,
    Recipient,
    Reply,
)
from twistedmail_mta.queue.bounce import Reports
from twistedmail_mta.queue.texts.languages import LANGUAGES

RELAYED = replace(OK, owed="relayed")
DELIVERED = replace(OK, owed="delivered")
EXPANDED = replace(OK, owed="expanded")


def opened(message: Message) -> Any:
    assert isinstance(message.body, InlineBody)
    return message_from_bytes(message.header + message.body.data, policy=policy.default)


def parts(message: Message) -> list[Any]:
    return list(opened(message).iter_parts())


def text_of(message: Message) -> str:
    return " ".join(str(parts(message)[0].get_content()).split())


def groups(message: Message) -> list[Any]:
    return list(parts(message)[1].get_payload())[1:]


def kinds(message: Message) -> list[str]:
    return [part.get_content_type() for part in parts(message)]


def asking(text: str, *notify: Notify) -> Recipient:
    return Recipient(address(text), frozenset(notify), f"rfc822;{text}")


def judged(message: Message) -> tuple[set[str], set[str]]:
    """Who an independent reader of bounces thinks is delayed, and who failed."""
    assert isinstance(message.body, InlineBody)
    temporary, permanent = all_failures(message_from_bytes(message.header + message.body.data))
    return {each.decode() for each in temporary}, {each.decode() for each in permanent}


@pytest.mark.parametrize(
    ("outcome", "action"), [(RELAYED, "relayed"), (DELIVERED, "delivered"), (EXPANDED, "expanded")]
)
def test_success_is_reported(world: World, outcome: Delivered, action: str) -> None:
    """Who asked, and won't hear it from the next hop, hears it from us (RFC 3461 section 5.2.2)."""
    world.agent.outcomes["bob@x.example"] = outcome
    world.send(asking("bob@x.example", "SUCCESS"))

    (report,) = world.reports()
    (group,) = groups(report)
    assert group["action"] == action
    assert group["status"] == "2.0.0"
    assert group["original-recipient"] == group["final-recipient"] == "rfc822; bob@x.example"
    assert group["remote-mta"] == "dns; mx.example"
    assert group["diagnostic-code"] == "smtp; 250 2.0.0 queued"
    assert [each.address for each in report.envelope.recipients] == [ALICE]
    assert report.envelope.sender == NULL_PATH
    assert kinds(report)[2] == "text/rfc822-headers"
    assert judged(report) == (set(), set())
    assert world.spool.rows == {}


@pytest.mark.parametrize(
    ("outcome", "notify"), [(OK, ("SUCCESS",)), (RELAYED, ("FAILURE",)), (RELAYED, ("NEVER",)), (RELAYED, ())]
)
def test_success_is_not_reported(world: World, outcome: Delivered, notify: tuple[Notify, ...]) -> None:
    """Nobody hears of what another host reports, or of what wasn't asked for."""
    world.agent.outcomes["bob@x.example"] = outcome
    world.send(asking("bob@x.example", *notify) if notify else "bob@x.example")

    assert world.reports() == []
    assert world.spool.rows == {}


def test_success_of_reports_is_not_reported(world: World) -> None:
    """A null sender is told nothing, whatever it asked for."""
    world.agent.outcomes["bob@x.example"] = RELAYED
    world.send(asking("bob@x.example", "SUCCESS"), sender=NULL_PATH)

    assert world.reports() == []


def test_strangers_get_back_nothing_of_the_mail(world: World) -> None:
    """A sender address may be forged: the report they are owed is of no use to whoever forged it."""
    world.agent.outcomes["bob@x.example"] = RELAYED
    world.send(asking("bob@x.example", "SUCCESS"), sender=Address("mallory", "evil.example"), account=None)

    (report,) = world.reports()
    assert [str(each.address) for each in report.envelope.recipients] == ["mallory@evil.example"]
    assert kinds(report) == ["text/plain", "message/delivery-status"]
    assert b"Hello" not in report.header + report.body.data  # type: ignore[union-attr]


def test_success_beside_failure_and_delay(world: World) -> None:
    """Of recipients that end in one attempt each is told once, and those delivered aren't tried again."""
    world.agent.outcomes |= {"bob@x.example": RELAYED, "carol@x.example": NO_USER, "dan@x.example": BUSY}
    message = world.send(
        asking("bob@x.example", "SUCCESS", "FAILURE"), "carol@x.example", "dan@x.example", "eve@x.example"
    )

    told = [[(group["final-recipient"], group["action"]) for group in groups(report)] for report in world.reports()]
    assert sorted(told) == [[("rfc822; bob@x.example", "relayed")], [("rfc822; carol@x.example", "failed")]]
    assert [key for key in world.spool.rows if key[0] == message.id] == [(message.id, 2)]
    assert world.spool.owned() == []


def test_lost_claim_is_not_reported(world: World) -> None:
    """A delivery whose claim another process took away meanwhile is that one's to report."""
    world.agent.outcomes["bob@x.example"] = RELAYED
    world.agent.slow.add("x.example")
    message = world.send(asking("bob@x.example", "SUCCESS"))
    world.spool.rows[message.id, 0].epoch += 1
    world.agent.calls[0].finish()

    assert world.reports() == []


def test_message_is_returned_whole(world: World) -> None:
    """A small one that failed comes back octet for octet, unless its sender said RET=HDRS."""
    world.agent.default = NO_USER
    message = world.send("bob@x.example", size=900)

    report = world.reports()[0]
    assert kinds(report) == ["text/plain", "message/delivery-status", "message/rfc822"]
    assert isinstance(report.body, InlineBody)
    assert message.header + b"x" * 900 in report.body.data
    assert not report.envelope.eight_bit
    assert judged(report) == (set(), {"bob@x.example"})


@pytest.mark.parametrize("ret", ["HDRS", "FULL", None])
@pytest.mark.parametrize("size", [100, 60_000])
def test_ret_and_size_decide_what_is_returned(world: World, ret: Any, size: int) -> None:
    """RET=HDRS and whatever is larger than the limit: the header alone (RFC 3461 section 6.2)."""
    world.agent.default = NO_USER
    message = world.message("bob@x.example")
    lines = InlineBody(b"0123456789\r\n" * (size // 12))
    message = replace(message, envelope=replace(message.envelope, ret=ret), body=lines)
    world.result(world.runner.accept(message))
    world.clock.advance(0)

    whole = ret != "HDRS" and size < 50 * 1024
    assert kinds(world.reports()[0])[2] == ("message/rfc822" if whole else "text/rfc822-headers")


def test_eight_bit_message_makes_an_eight_bit_report(world: World) -> None:
    """The report says BODY=8BITMIME when what it returns needs it."""
    world.agent.default = NO_USER
    message = replace(world.message("bob@x.example"), body=InlineBody("Grüße\r\n".encode()))
    world.result(world.runner.accept(message))
    world.clock.advance(0)

    report = world.reports()[0]
    assert report.envelope.eight_bit
    assert not report.envelope.smtputf8


def reports(world: World, **options: Any) -> Reports:
    return Reports("mx.home.example", ADMIN, world.spool.new_id, lambda _: 0, world.schedule, **options)


def failed_report(world: World, header: bytes, reply: Reply = NO_USER.reply, **options: Any) -> Message:
    message = replace(world.message("bob@x.example"), header=header)
    failed = FailedRecipient(0, Recipient(address("bob@x.example")), Failed(reply, "mx.example [192.0.2.1]"), 0.0)
    report = reports(world, **options).failure(message, [failed], 1_000_000_000.0).message
    assert report is not None
    return report


def test_reports_speak_for_the_hosted_domain(world: World) -> None:
    """People of a domain that is hosted here are written to by their own domain, others by this host."""
    own = failed_report(world, b"Subject: x\r\n\r\n", hosts=lambda domain: domain == ALICE.domain)
    foreign = failed_report(world, b"Subject: x\r\n\r\n", hosts=lambda domain: domain == "other.example")

    assert opened(own)["from"].addresses[0].addr_spec == "MAILER-DAEMON@home.example"
    assert opened(foreign)["from"].addresses[0].addr_spec == "MAILER-DAEMON@mx.home.example"


def test_copies(world: World) -> None:
    """The administrator may want to see every bounce; nobody gets one twice."""
    copied = failed_report(world, b"Subject: x\r\n\r\n", copy_to=ADMIN)
    own = failed_report(world, b"Subject: x\r\n\r\n", copy_to=ALICE)

    assert [each.address for each in copied.envelope.recipients] == [ALICE, ADMIN]
    assert opened(copied)["to"] == str(ALICE)
    assert [each.address for each in own.envelope.recipients] == [ALICE]


@pytest.mark.parametrize("tag", LANGUAGES)
def test_every_language_fills_every_sentence(world: World, tag: str) -> None:
    """Each kind of report in each language: no brace is left over, and the tag is told."""
    texts = LANGUAGES[tag]
    report = failed_report(world, f"Accept-Language: {tag}-XX\r\nSubject: x\r\n\r\n".encode())

    assert opened(report)["subject"] == texts.failure.subject
    assert parts(report)[0]["content-language"] == tag
    assert "{" not in text_of(report)
    for wording in (texts.failure, texts.delay, texts.success, texts.admin):
        assert "{" not in wording.opening.format(mail="M", sender="S") + wording.subject + wording.ending
    assert "{" not in texts.retried.format(date="D") + texts.answer.format(remote="R")
    assert "{" not in "".join(done.format(remote="R") for done in texts.done.values())
    assert len(texts.dates.months) == 12
    assert "2001" in texts.dates.text(1_000_000_000.0, -3600)


def test_languages_say_the_same_things() -> None:
    """No language lacks an advice that another has."""
    english = LANGUAGES["en"]

    for texts in LANGUAGES.values():
        assert texts.by_status.keys() == english.by_status.keys()
        assert texts.by_kind.keys() == english.by_kind.keys()
        assert texts.done.keys() == english.done.keys()


def test_dates_of_every_language() -> None:
    """As people there write them."""
    first = 993_945_600.0  # 1 July 2001

    assert {tag: texts.dates.text(first, 7200) for tag, texts in LANGUAGES.items()} == {
        "en": "1 July 2001, 02:00 (UTC+02:00)",
        "pt": "1 de julho de 2001, 02:00 (UTC+02:00)",
        "es": "1 de julio de 2001, 02:00 (UTC+02:00)",
        "de": "1. Juli 2001, 02:00 Uhr (UTC+02:00)",
        "fr": "1er juillet 2001 à 02:00 (UTC+02:00)",
    }


def test_site_language_comes_second(world: World) -> None:
    """What the mail says goes before what the site says; the administrator reads the site's."""
    silent = failed_report(world, b"Subject: x\r\n\r\n", language="de")
    german = failed_report(world, b"Content-Language: de\r\nSubject: x\r\n\r\n", language="pt")

    assert opened(silent)["subject"] == opened(german)["subject"] == LANGUAGES["de"].failure.subject


def test_encoded_subject_is_read(world: World) -> None:
    """People see their subject, not its encoding; what can't be decoded isn't shown."""
    assert "“Grüße aus Köln”" in text_of(
        failed_report(world, b"Accept-Language: pt\r\nSubject: =?iso-8859-1?q?Gr=FC=DFe_aus_K=F6ln?=\r\n\r\n")
    )
    for broken in (b"=?no-such-charset?q?x?=", b"=?utf-8?b?!!!?=", b"=?utf-8?q?=FF?=", b"caf\xe9"):
        report = failed_report(world, b"Subject: " + broken + b"\r\n\r\n")
        assert "with the subject" not in text_of(report)


def test_status_has_the_class_of_its_action(world: World) -> None:
    """A host that refuses for good with a status of 4 is reported with one of 5 (RFC 3464 section 2.3.4)."""
    (group,) = groups(failed_report(world, b"\r\n", Reply(550, "4.7.1", "never")))
    (odd,) = groups(failed_report(world, b"\r\n", Reply(550, "5.x", "never")))

    assert group["status"] == "5.7.1"
    assert odd["status"] == "5.0.0"


def test_own_findings_are_not_put_into_the_mouth_of_a_host(world: World) -> None:
    """Who could not be reached said nothing."""
    unreached = Deferred(Reply(451, "4.4.1", "Connection refused"), "mx.example [192.0.2.1]")
    world.agent.outcomes["bob@x.example"] = unreached
    world.send("bob@x.example")
    world.pass_time(10 * 3600)

    (warning,) = world.reports()
    (group,) = groups(warning)
    assert group["diagnostic-code"] == "X-Local; 451 4.4.1 Connection refused"
    assert group["remote-mta"] == "dns; mx.example"
    assert judged(warning) == ({"bob@x.example"}, set())
