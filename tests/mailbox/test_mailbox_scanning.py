"""Messages with very many parts: found all the same, while others go on."""

from __future__ import annotations

from typing import Any

from twisted.internet.task import Clock

from twistedmail_mta.mail.structure import BodyScanner, structure, structure_of
from twistedmail_mta.mailbox.scanning import PATIENCE, STRIDE, scan
from twistedmail_mta.tasks import Task

HEADER = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n"
BODY = b"".join(b"--b\r\nSubject: %d\r\n\r\ntext\r\n" % number for number in range(3000)) + b"--b--\r\n"


class BusyClock(Clock):
    """A clock on which every look takes some time, and which counts what waits for its next turn."""

    def __init__(self, step: float) -> None:
        super().__init__()
        self.step = step
        self.turns = 0

    def callLater(self, when: float, *what: Any, **more: Any) -> Any:  # noqa: N802 - Twisted's name
        self.turns += 1
        return super().callLater(when, *what, **more)

    def seconds(self) -> float:
        self.rightNow += self.step
        return self.rightNow


def test_others_go_first_after_much_work() -> None:
    """A large block with parts in it is looked at in strides, with a turn of the reactor after each that took long."""
    clock, scanner = BusyClock(PATIENCE * 1.5), BodyScanner(HEADER)

    task = Task("scan", scan(scanner, BODY, clock))
    assert not task.done
    clock.advance(0)

    assert task.done
    assert clock.turns >= len(BODY) / STRIDE
    assert structure_of(HEADER, scanner.finish()) == structure(HEADER, BODY)


def test_quick_work_goes_on() -> None:
    """What takes no time is done at once, and so is what has no parts to look for."""
    for header, clock in ((HEADER, Clock()), (b"Subject: x\r\n\r\n", BusyClock(1.0))):
        scanner = BodyScanner(header)

        assert Task("scan", scan(scanner, BODY, clock)).done
        assert structure_of(header, scanner.finish()) == structure(header, BODY)
