"""Answers held against what was expected: each key, met and not."""

from __future__ import annotations

from typing import Any

import pytest

from twistedmail_mta.explain.comparing import Difference, differences
from twistedmail_mta.explain.situations import Expectations

ANSWER: dict[str, Any] = {
    "accepted": True,
    "reply": "250 2.0.0 Ok: queued as 1",
    "session": {"turns": [{"accepts": True, "plugins": [{"plugin": "grey", "answer": ""}]}]},
    "recipients": [
        {
            "steps": [
                {"address": "both@home.test", "is": "alias"},
                {"address": "ann@home.test", "is": "account"},
                {"address": "joe@else.test", "is": "elsewhere"},
            ],
            "mailboxes": [{"address": "ann@home.test", "mailbox": "INBOX"}],
            "forwards": ["joe@else.test"],
        },
        {"kept": False},
    ],
    "message": {
        "delivered": [{"address": "ann@home.test", "mailbox": "Junk"}],
        "signed_by": [{"domain": "home.test"}, {"domain": "home.test"}],
        "tags": {"spf": "pass"},
    },
    "ways": [
        {
            "route": "else.test",
            "key": None,
            "outcome": "goes on",
            "lane": "mx.else.test",
            "hosts": [{"host": "mx.else.test"}, {"host": "mx.else.test"}],
            "tls_level": "DANE",
            "sender": "SRS0=abc@home.test",
        }
    ],
}
REFUSED: dict[str, Any] = {
    "accepted": False,
    "reply": "450 4.7.1 You are new here",
    "session": {
        "turns": [
            {"accepts": True, "plugins": []},
            {
                "accepts": False,
                "plugins": [
                    {"plugin": "names", "answer": ""},
                    {"plugin": "grey", "answer": "450 4.7.1 You are new here"},
                ],
            },
        ]
    },
    "recipients": [],
    "message": None,
    "ways": [],
}


@pytest.mark.parametrize(
    ("key", "right", "wrong", "found"),
    [
        ("accepted", True, False, "true"),
        ("reply", "250", "550 5.7.1", "250 2.0.0 Ok: queued as 1"),
        ("reply", "250 2.0.0", "250 2.0", "250 2.0.0 Ok: queued as 1"),
        ("aliases", ["both@home.test"], [], "both@home.test"),
        ("mailbox", "ann@home.test/Junk", "ann@home.test", "ann@home.test/Junk"),
        ("forwards", ["joe@else.test"], ["joe@else.test", "x@else.test"], "joe@else.test"),
        ("route", "else.test", "mx.else.test", "else.test"),
        ("rule", "mx", "route[0]", "mx"),
        ("outcome", "goes on", "fails", "goes on"),
        ("lane", "mx.else.test", "google", "mx.else.test"),
        ("host", ["mx.else.test"], ["mx2.else.test"], "mx.else.test"),
        ("tls", "DANE", "MTA-STS", "DANE"),
        ("sender", "SRS0=*@home.test", "ann@home.test", "SRS0=abc@home.test"),
        ("signed_by", "home.test", "else.test", "home.test"),
        ("tags", ["spf=pass"], ["spf=fail"], "spf=pass"),
    ],
)
def test_each_expectation(key: str, right: Any, wrong: Any, found: str) -> None:
    """What is right is passed over; of what isn't it is said what was expected and what is."""
    assert differences(Expectations.model_validate({key: right}), ANSWER) == []
    (difference,) = differences(Expectations.model_validate({key: wrong}), ANSWER)
    wanted = wrong if isinstance(wrong, str) else ", ".join(wrong) if isinstance(wrong, list) else "false"
    assert difference == Difference(key, wanted or "none", found)


def test_every_key_is_tried_here() -> None:
    """So that none is compared with nothing."""
    cases = next(mark for mark in test_each_expectation.pytestmark if mark.name == "parametrize")  # type: ignore[attr-defined] # pytest's
    assert {case[0] for case in cases.args[1]} | {"refused_by"} == set(Expectations.model_fields)


def test_who_refuses() -> None:
    """The plugin whose answer it is, not one that was asked before it."""
    assert differences(Expectations(refused_by="grey"), REFUSED) == []
    assert differences(Expectations(refused_by="names"), REFUSED) == [Difference("refused_by", "names", "grey")]
    assert differences(Expectations(refused_by="grey"), ANSWER) == [Difference("refused_by", "grey", "none")]


def test_nothing_is_no_answer() -> None:
    """Mail that is refused has no way, whatever is expected of that."""
    expected = Expectations.model_validate({"route": "else.test", "tls": "DANE", "mailbox": [], "sender": "*"})
    assert [each.key for each in differences(expected, REFUSED)] == ["route", "tls", "sender"]


def test_before_the_text_is_here() -> None:
    """The mailboxes that a recipient stands for are those that would get it."""
    assert differences(Expectations.model_validate({"mailbox": "ann@home.test"}), ANSWER | {"message": None}) == []
