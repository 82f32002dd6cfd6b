"""When the reports of a day are sent: once, over some hours, whatever happens meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from reporting_lab import DAY, DOWN, NOON, TODAY, Kind, Lab, letter, posts

from twistedmail_mta.errors import TemporaryError
from twistedmail_mta.interfaces import Transaction
from twistedmail_mta.reporting import rows
from twistedmail_mta.reporting.daily import CAUGHT_UP, MADE_AT_ONCE, MOST_TRIES, SPREAD
from twistedmail_mta.reporting.kind import Sendings
from twistedmail_mta.tasks import Promise, Task


@pytest.fixture
def kind() -> Kind:
    """Return a kind that has something to tell of yesterday."""
    kind = Kind()
    kind.days = {TODAY: ["today.example"], TODAY - 1: ["a.example", "b.example"]}
    return kind


@pytest.fixture
def lab(tmp_path: Path, kind: Kind) -> Lab:
    """Return daily reports of that kind."""
    return Lab(tmp_path, kind)


def test_yesterday(lab: Lab, kind: Kind) -> None:
    """What is told is yesterday, from midnight to midnight UTC; today goes on."""
    lab.look()

    assert lab.mail == ["reports@a.example", "reports@b.example"]
    assert kind.asked == [(TODAY - 1, "a.example"), (TODAY - 1, "b.example")]
    assert kind.kept == CAUGHT_UP  # what is still in memory belongs to the day, too
    assert lab.wakings == 2


def test_once(lab: Lab, kind: Kind) -> None:
    """Nothing is sent twice, neither at the next look nor by another process."""
    lab.look()
    lab.restart()
    lab.at += 3600
    lab.look()

    assert lab.mail == ["reports@a.example", "reports@b.example"]


def test_slow_name_servers(lab: Lab, kind: Kind) -> None:
    """Domains that are slow to say where they want reports hold up nobody else's; only some are asked at once."""
    slow = [f"a{n}.example" for n in range(MADE_AT_ONCE - 1)]
    answers: list[Promise[Sendings]] = [Promise() for _ in slow]
    kind.answers.update(zip(slow, answers, strict=True))
    kind.days = {TODAY - 1: [*slow, *(f"b{n}.example" for n in range(20))]}
    looking = Task("test", lab.daily.look())
    sent = list(lab.mail)
    for answer in answers:
        answer.resolve(Sendings((letter("a@slow.example"),)))

    assert sorted(sent) == sorted(f"reports@b{n}.example" for n in range(20))
    assert looking.done
    assert lab.mail[20:] == ["a@slow.example"] * len(slow)
    assert len(kind.asked) == 20 + len(slow)


def test_asked_at_once(lab: Lab, kind: Kind) -> None:
    """However many are due, only some are made at once; a server that ends waits for none, and makes them later."""
    many = [f"{n}.example" for n in range(60)]
    kind.days = {TODAY - 1: many}
    kind.answers = {each: Promise() for each in many}
    looking = Task("test", lab.daily.look())
    asked = len(kind.asked)
    looking.cancel()
    kind.answers = {}
    lab.restart()
    lab.look()

    assert asked == MADE_AT_ONCE
    assert looking.done
    assert sorted(lab.mail) == sorted(f"reports@{each}" for each in many)


def test_idle(lab: Lab, kind: Kind) -> None:
    """A look when nothing is due writes nothing: disks may sleep."""
    lab.look()
    writes: list[object] = []
    write = lab.database.write

    async def counted(function: Callable[[Transaction], Any], **options: Any) -> Any:
        writes.append(function)
        return await write(function, **options)

    lab.database.write = counted
    for _ in range(60):
        lab.at += 60
        lab.look()
        lab.post()

    assert writes == []


def test_day_that_cant_be_laid_out(lab: Lab, kind: Kind) -> None:
    """If the database can't be written after midnight, the day is laid out when it can."""
    write = lab.database.write

    async def down(function: Callable[[Transaction], Any], **options: Any) -> Any:
        raise DOWN

    lab.database.write = down
    with pytest.raises(TemporaryError):
        lab.look()
    lab.database.write = write
    lab.look()

    assert lab.mail == ["reports@a.example", "reports@b.example"]


def test_laid_out_once(lab: Lab) -> None:
    """Who lays a day out after another process has done so changes nothing."""
    for subjects in (["a.example"], ["a.example", "b.example"]):
        lab.rows.write(lambda tx, each=subjects: rows.lay_out(tx, "test", TODAY - 1, each, [NOON] * len(each)))  # type: ignore[misc]

    assert [each.subject for each in lab.rows.read(lambda tx: rows.due(tx, NOON, 10))] == ["a.example"]


def test_next_day(lab: Lab) -> None:
    """The next day is due after the next midnight, and no earlier."""
    lab.look()
    lab.at = (TODAY + 1) * DAY - 1
    lab.look()
    before = len(lab.mail)
    lab.at += 1
    lab.look()

    assert before == 2
    assert lab.mail[2:] == ["reports@today.example"]


def test_spread(lab: Lab) -> None:
    """Each report has a moment of its own within hours, which a restart doesn't change."""
    lab.chance = 0.5
    lab.look()
    lab.restart()
    lab.chance = 0.0
    lab.at += SPREAD / 2 - 1
    lab.look()
    early = lab.mail
    lab.at += 1
    lab.look()

    assert early == []
    assert len(lab.mail) == 2


def test_died_before_the_commit(lab: Lab, kind: Kind) -> None:
    """Who dies while a report is made has sent nothing of it; the next process sends it, and the others, once."""
    kind.answers["b.example"] = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        lab.look()
    died_with = lab.mail
    del kind.answers["b.example"]
    lab.restart()
    lab.look()

    assert died_with == ["reports@a.example"]
    assert lab.mail == ["reports@a.example", "reports@b.example"]


def test_mail_and_mark_are_one(lab: Lab, kind: Kind) -> None:
    """If one of two letters can't be kept, neither is, and the report is due as before."""
    kind.days[TODAY - 1] = ["a.example"]
    kind.answers["a.example"] = Sendings((letter("x@a.example"), letter("y@a.example")))
    lab.rows.write(lambda tx: list(tx.execute("CREATE UNIQUE INDEX u ON sent_mail (substr(recipient, 2))")))
    lab.look()
    broken = lab.mail
    lab.rows.write(lambda tx: list(tx.execute("DROP INDEX u")))
    lab.at += 3600
    lab.look()

    assert broken == []
    assert lab.mail == ["x@a.example", "y@a.example"]


def test_missed_days(lab: Lab, kind: Kind) -> None:
    """A server that was away tells of the last days, and forgets what is older."""
    kind.days = {TODAY - each: [f"d{each}.example"] for each in range(1, CAUGHT_UP + 3)}
    lab.look()

    assert lab.mail == [f"reports@d{each}.example" for each in range(CAUGHT_UP, 0, -1)]
    assert min(kind.days) == TODAY - CAUGHT_UP


def test_due_too_long(lab: Lab, kind: Kind) -> None:
    """What was laid out, and then the server was away for a week, isn't sent any more."""
    lab.chance = 0.9
    lab.look()
    lab.at += 7 * DAY
    lab.look()

    assert lab.mail == []


def test_trouble_is_tried_again(lab: Lab, kind: Kind) -> None:
    """A domain that the DNS says nothing of now waits; the others don't wait for it."""
    kind.answers["a.example"] = DOWN
    lab.look()
    first = lab.mail
    lab.at += 599
    lab.look()
    del kind.answers["a.example"]
    lab.at += 1
    lab.look()

    assert first == ["reports@b.example"]
    assert lab.mail == ["reports@b.example", "reports@a.example"]


@pytest.mark.parametrize("trouble", [DOWN, ZeroDivisionError()])
def test_trouble_ends(lab: Lab, kind: Kind, trouble: Exception) -> None:
    """A report that can't be made is given up after some tries, each later; a fault of ours breaks no others."""
    kind.answers["a.example"] = trouble
    for _ in range(50):
        lab.look()
        lab.at += 1800
    asked = [subject for _, subject in kind.asked if subject == "a.example"]

    assert len(asked) == MOST_TRIES
    assert "reports@b.example" in lab.mail


def test_nobody_wants_it(lab: Lab, kind: Kind) -> None:
    """What nobody wants is settled, and nobody is woken for it."""
    kind.answers = {"a.example": Sendings(), "b.example": Sendings()}
    lab.look()
    lab.look()

    assert (lab.mail, lab.wakings, len(kind.asked)) == ([], 0, 2)


def test_unsigned(lab: Lab, kind: Kind) -> None:
    """What nobody can sign isn't sent by mail, only posted; that is no reason to try again."""
    lab.signatures = b""
    kind.answers["a.example"] = Sendings((letter("x@a.example"),), posts("https://a.example/").posts)
    lab.look()
    lab.post()
    lab.at += DAY / 4
    lab.look()

    assert lab.mail == []
    assert [url for url, _, _ in lab.web.posted] == ["https://a.example/"]
    assert len(kind.asked) == 2


def test_kind_no_more_wanted(lab: Lab, kind: Kind) -> None:
    """What a site file no longer asks for isn't sent, though it is due."""
    lab.chance = 0.5
    lab.look()
    lab.kinds = ()
    lab.restart()
    lab.at += SPREAD
    lab.look()
    lab.kinds = (kind,)
    lab.restart()
    lab.look()

    assert lab.mail == []


def test_the_mail_itself(lab: Lab) -> None:
    """It is from nobody who could be told of failures, signed above everything, and no robot answers it."""
    lab.look()
    message = lab.messages[0]

    assert message.envelope.sender.is_null
    assert message.header.startswith(b"DKIM-Signature: x\r\nDate: ")
    assert b"From: <postmaster@example.org>\r\n" in message.header
    assert b"Auto-Submitted: auto-generated\r\n" in message.header
    assert message.received_at == NOON
