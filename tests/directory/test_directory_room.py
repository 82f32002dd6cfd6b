"""Room for questions, and trouble that is told now and then."""

from __future__ import annotations

from contextlib import ExitStack

import pytest
from twisted.internet.task import Clock

from twistedmail_mta.directory.replies import CANNOT_JUDGE
from twistedmail_mta.directory.room import Room
from twistedmail_mta.directory.throttle import LoginThrottle
from twistedmail_mta.directory.trouble import TOLD_EVERY, Trouble
from twistedmail_mta.errors import TemporaryError

TIM, HERE, ELSEWHERE = "tim@example.org", "192.0.2.1", "198.51.100.1"


def test_a_quarter_is_kept_for_those_who_are_known() -> None:
    """Strangers leave some places; those who were here lately fill them, and all are bounded."""
    throttle = LoginThrottle(Clock())
    throttle.know(HERE, TIM)
    room = Room(throttle, 8)

    with ExitStack() as taken:
        for _ in range(6):
            taken.enter_context(room.place(TIM, ELSEWHERE))
        with pytest.raises(TemporaryError) as caught:
            taken.enter_context(room.place(TIM, ELSEWHERE))
        assert caught.value.reply == CANNOT_JUDGE
        for _ in range(2):
            taken.enter_context(room.place(TIM, HERE))
        with pytest.raises(TemporaryError):
            taken.enter_context(room.place(TIM, HERE))

    with room.place(TIM, ELSEWHERE):
        pass


def test_places_come_back_after_an_error() -> None:
    """Whatever ends a question gives its place back."""
    room = Room(LoginThrottle(Clock()), 1)
    for _ in range(3):
        with pytest.raises(ValueError), room.place(TIM, HERE):
            raise ValueError


def test_trouble_is_news_when_it_changes_or_lasts() -> None:
    """The same again isn't, before a minute has passed."""
    clock = Clock()
    trouble = Trouble(clock)

    assert [trouble.is_news(reason) for reason in "aabba"] == [True, False, True, False, True]
    clock.advance(TOLD_EVERY)
    assert trouble.is_news("a")
