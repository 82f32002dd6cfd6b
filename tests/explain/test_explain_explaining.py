"""How an answer is put together."""

from __future__ import annotations

from typing import Any, cast

import pytest

from twistedmail_mta.cli.offline import finished
from twistedmail_mta.composition.rehearsing import Minutes, Rehearsal
from twistedmail_mta.explain import explaining
from twistedmail_mta.explain.conversation import Transcript
from twistedmail_mta.explain.question import Question, QuestionError


class Nobody:
    """A dry run that admitted no recipient."""

    minutes = Minutes()


def test_no_more_is_gathered_than_can_be_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hundred recipients of whom there is much to tell don't keep the server: it stops at what fits a line."""
    told: list[str] = []

    async def at_length(_: object, named: str, __: object) -> dict[str, Any]:
        told.append(named)
        return {"recipient": named, "steps": ["x" * 1000] * 100}

    monkeypatch.setattr(explaining, "recipient_facts", at_length)
    question = Question(tuple(f"r{number}@example.org" for number in range(100)))

    with pytest.raises(QuestionError, match="too much to tell"):
        finished(explaining._recipients(cast(Rehearsal, Nobody()), question, Transcript()))

    assert len(told) == explaining.MOST_OCTETS // 100_000 + 1
