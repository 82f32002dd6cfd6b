"""The resolver of `mta dns`, when it has no answers."""

from __future__ import annotations

from typing import Any, cast

import pytest
from twisted.internet.task import Clock

from twistedmail_mta.cli.dns_lookup import MOST_LOST, PublicRecords
from twistedmail_mta.cli.offline import finished
from twistedmail_mta.errors import TemporaryError
from twistedmail_mta.model import Answer, Reply


class Slow:
    """Takes its time for every answer, and has none where `silent` says so."""

    def __init__(self, clock: Clock, seconds: float) -> None:
        self.asked: list[str] = []
        self.silent = True
        self._clock = clock
        self._seconds = seconds

    async def texts(self, name: str) -> Answer[bytes]:
        self.asked.append(name)
        self._clock.advance(self._seconds)
        if self.silent:
            raise TemporaryError(Reply(451, "4.4.3", "silence"))
        return Answer((), "missing", authentic=False)


def asked(records: PublicRecords) -> bool:
    """Return whether there is an answer."""
    try:
        finished(records.texts("example.org"))
    except TemporaryError:
        return False
    return True


def made(seconds: float) -> tuple[Slow, PublicRecords]:
    clock = Clock()
    slow = Slow(clock, seconds)
    return slow, PublicRecords(cast(Any, slow), cast(Any, clock), cast(Any, None))


def test_silence_is_waited_for_so_long() -> None:
    """Servers that don't answer aren't asked on and on."""
    slow, records = made(5.0)

    assert not any(asked(records) for _ in range(100))

    assert len(slow.asked) == MOST_LOST / 5.0


@pytest.mark.parametrize(("silent", "seconds"), [(False, 5.0), (True, 0.0)], ids=["slow", "failing at once"])
def test_answers_cost_nothing(silent: bool, seconds: float) -> None:
    """However many there are, nor do failures that come at once: a site may have hundreds of domains."""
    slow, records = made(seconds)
    slow.silent = silent

    assert [asked(records) for _ in range(100)] == [not silent] * 100

    assert len(slow.asked) == 100
