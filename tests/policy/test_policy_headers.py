"""Rules about headers: which mail they mean, what becomes of it, and what can't be written as one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from pydantic import ValidationError
from repute_kit import result, stranger
from scanner_kit import arriving, kit, logged_in

from twistedmail_mta.config.values import address_pattern
from twistedmail_mta.model import NULL_PATH, Address, Reply
from twistedmail_mta.plugins import find, verified
from twistedmail_mta.policy import pattern
from twistedmail_mta.policy.header_rules import RuleTable, fits
from twistedmail_mta.policy.headers import Headers
from twistedmail_mta.policy.pattern import TooHardError
from twistedmail_mta.soundness import is_sound
from twistedmail_mta.stages import (
    AddHeader,
    AddRecipient,
    FileInto,
    Hold,
    Quarantine,
    RemoveHeader,
    RemoveRecipient,
    ReplaceHeader,
)
from twistedmail_mta.tasks import Task

BOB, EVE, LOG = Address("bob", "example.org"), Address("eve", "example.org"), Address("log", "example.org")
HEADER = b"Subject: =?utf-8?q?Gr=C3=BCn?= and\r\n\tcheap\r\nX-Two: one\r\nX-Two: other\r\nFrom: ann@sender.test\r\n\r\n"


def answer(*rules: Mapping[str, Any], header: bytes = HEADER, client: Any = None, **more: Any) -> Any:
    """What becomes of a message."""
    sender, recipients = more.pop("sender", "ann@sender.test"), more.pop("to", ("bob@example.org", "eve@example.org"))
    policy = Headers(Headers.Options.model_validate({"rules": list(rules), **more}), kit())
    message = arriving(header=header, sender=sender, recipients=recipients)
    found = result(Task("asks", policy.message(client or stranger(), message)))
    assert isinstance(found, Reply | None) or all(map(is_sound, found))
    return found


def test_it_is_a_plugin() -> None:
    """Its failures delay mail: a rule may refuse what nobody wants."""
    kind = find("headers")
    assert not kind.abstains
    assert verified("headers", kind.make(kind.options(), kit()))


# Conditions


@pytest.mark.parametrize(
    ("condition", "means"),
    [
        ({}, True),
        ({"field": "Subject"}, True),
        ({"field": "subject"}, True),
        ({"field": "X-None"}, False),
        ({"field": "X-None", "unless": True}, True),
        ({"field": "Subject", "matches": "^GR\u00dcN and cheap$"}, True),
        ({"field": "Subject", "matches": "^GR\u00dcN and cheap$", "case": True}, False),
        ({"field": "Subject", "matches": "Gr\u00fcn", "unless": True}, False),
        ({"field": "Subject", "matches": "utf-8"}, False),
        ({"field": "X-Two", "matches": "^other$"}, True),
        ({"field": "X-None", "matches": ""}, False),
        ({"field": "X-None", "matches": "", "unless": True}, True),
        ({"sender": "ann@SENDER.test"}, True),
        ({"sender": ["x@y.test", "*@sender.test"]}, True),
        ({"sender": "<>"}, False),
        ({"recipient": "eve@example.org"}, True),
        ({"recipient": "*@*.example.org"}, False),
        ({"strangers": True}, True),
        ({"strangers": False}, False),
        ({"field": "Subject", "matches": "cheap", "recipient": "nobody@example.org"}, False),
    ],
)
def test_conditions(condition: dict[str, Any], means: bool) -> None:
    """All of them must hold."""
    assert (answer(condition | {"hold": "x"}) == (Hold("x"),)) == means


def test_who_has_logged_in() -> None:
    assert answer({"strangers": False, "hold": "x"}, client=logged_in()) == (Hold("x"),)
    assert answer({"strangers": True, "hold": "x"}, client=logged_in()) is None


@pytest.mark.parametrize(
    ("address", "text", "expected"),
    [
        (BOB, "bob@example.org", True),
        (Address("Bob", "example.org"), "BOB@Example.ORG", True),
        (BOB, "*@example.org", True),
        (BOB, "*@*.org", True),
        (BOB, "bob@*", True),
        (BOB, "*@*", True),
        (BOB, "*", True),
        (BOB, "*@*.example.org", False),
        (BOB, "eve@example.org", False),
        (NULL_PATH, "<>", True),
        (NULL_PATH, "*", True),
        (NULL_PATH, "*@*", True),
        (BOB, "<>", False),
        (Address("bob", "xexample.org"), "*@*.example.org", False),
    ],
)
def test_patterns_of_addresses(address: Address, text: str, expected: bool) -> None:
    assert fits(address, address_pattern(text)) == expected


# What becomes of it


@pytest.mark.parametrize(
    ("action", "expected"),
    [
        ({"add": {"X-A": "1", "X-B": "2"}}, (AddHeader("X-A", "1"), AddHeader("X-B", "2"))),
        ({"remove": "X-Two"}, (RemoveHeader("X-Two"),)),
        ({"remove": ["X-Two", "X-Old"]}, (RemoveHeader("X-Two"), RemoveHeader("X-Old"))),
        ({"replace": {"X-Two": "new"}}, (ReplaceHeader("X-Two", "new"),)),
        ({"replace": {"X-Two": "[{value}]"}}, (ReplaceHeader("X-Two", "[one]"),)),
        ({"replace": {"X-None": "[{value}]"}}, (ReplaceHeader("X-None", "[]"),)),
        (
            {"replace": {"Subject": "[out] {value}"}},
            (ReplaceHeader("Subject", "[out] =?utf-8?q?Gr=C3=BCn?= and\r\n\tcheap"),),
        ),
        ({"file": "Lists"}, (FileInto("Lists"),)),
        ({"file": "Lists", "recipient": "bob@example.org"}, (FileInto("Lists", BOB),)),
        ({"hold": "why"}, (Hold("why"),)),
        ({"quarantine": "why"}, (Quarantine("why"),)),
        ({"bcc": "log@example.org"}, (AddRecipient(LOG),)),
        ({"bcc": "eve@example.org"}, None),
        ({"discard": True}, (RemoveRecipient(BOB), RemoveRecipient(EVE))),
        ({"discard": True, "bcc": "log@example.org"}, (AddRecipient(LOG), RemoveRecipient(BOB), RemoveRecipient(EVE))),
        ({"refuse": "Not here"}, Reply(554, "5.7.1", "Not here")),
        ({"refuse": "450 4.7.1 Not now"}, Reply(450, "4.7.1", "Not now")),
        ({"stop": True}, None),
    ],
)
def test_actions(action: dict[str, Any], expected: Any) -> None:
    assert answer(action) == expected


def test_all_rules_count() -> None:
    """In their order, until one stops or refuses."""
    first, second = {"add": {"X-A": "1"}}, {"field": "Subject", "matches": "cheap", "add": {"X-B": "2"}}
    assert answer(first, second) == (AddHeader("X-A", "1"), AddHeader("X-B", "2"))
    assert answer(first | {"stop": True}, second) == (AddHeader("X-A", "1"),)
    assert answer(first | {"field": "X-None", "stop": True}, second) == (AddHeader("X-B", "2"),)
    refused = answer(first, {"refuse": "no"}, {"refuse": "never"})
    assert refused == Reply(554, "5.7.1", "no")


def test_always_bcc() -> None:
    """Once: not to who gets it anyhow."""
    assert answer(always_bcc="log@example.org") == (AddRecipient(LOG),)
    assert answer(always_bcc=["log@example.org", "bob@example.org"]) == (AddRecipient(LOG),)
    assert answer({"refuse": "no"}, always_bcc="log@example.org") == Reply(554, "5.7.1", "no")


def test_what_a_sender_wrote_stays_a_value() -> None:
    """However it was folded or encoded; other letters become encoded words."""
    header = "Subject: gr\u00fcn\r\n  still\r\nNext: 1\r\n\r\n".encode()
    (change,) = answer({"replace": {"Subject": "[x] {value}"}}, header=header)
    assert change == ReplaceHeader("Subject", "=?utf-8?b?W3hdIGdyw7xu?=\r\n\tstill")


# Mistakes


@pytest.mark.parametrize(
    ("rule", "complaint"),
    [
        ({}, "does nothing"),
        ({"field": "Subject"}, "does nothing"),
        ({"matches": "x", "hold": "x"}, "field is missing"),
        ({"unless": True, "hold": "x"}, "field is missing"),
        ({"field": "Subject", "matches": "(", "hold": "x"}, "lacks"),
        ({"field": "Sub ject", "hold": "x"}, "no name of a field"),
        ({"field": "Subject:", "hold": "x"}, "no name of a field"),
        ({"add": {"X-A": "one\r\nX-B: two"}}, "one line"),
        ({"add": {"X-A": "gr\u00fcn"}}, "ASCII"),
        ({"add": {"": "x"}}, "no name of a field"),
        ({"remove": "X A"}, "no name of a field"),
        ({"refuse": "250 2.0.0 fine"}, "must be a text"),
        ({"refuse": "550 4.0.0 which?"}, "must be a text"),
        ({"refuse": "no\r\n250 yes"}, "must be a text"),
        ({"refuse": ""}, "must be a text"),
        ({"sender": "example.org", "hold": "x"}, "must be an address"),
        ({"sender": "@example.org", "hold": "x"}, "must be an address"),
        ({"sender": 5, "hold": "x"}, "must be an address"),
        ({"bcc": "log"}, "must be an address"),
        ({"file": ""}, "a level of the name is empty"),
        ({"file": "Lists//one"}, "a level of the name is empty"),
        ({"file": 5}, "valid string"),
        ({"drop": True}, "Extra"),
    ],
)
def test_what_is_no_rule(rule: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValidationError, match=complaint):
        RuleTable.model_validate(rule)


# Hostile headers


def test_only_so_much_is_looked_at() -> None:
    """Of a value, and of how many there are."""
    rule = {"field": "X-Many", "matches": "needle", "hold": "x"}
    far = b"X-Many: " + b"y" * 20_000 + b"needle\r\n\r\n"
    assert answer(rule, header=far) is None
    many = b"X-Many: y\r\n" * 200 + b"X-Many: needle\r\n\r\n"
    assert answer(rule, header=many) is None
    assert answer(rule, header=b"X-Many: y\r\n" * 50 + b"X-Many: needle\r\n\r\n") == (Hold("x"),)


def test_a_text_that_was_made_for_the_rule(monkeypatch: pytest.MonkeyPatch) -> None:
    """Is a failure, and the message waits: its rule may be one that refuses."""
    monkeypatch.setattr(pattern, "_MOST_WALKED", 100)
    with pytest.raises(TooHardError):
        answer({"field": "Subject", "matches": "a.{12}b", "hold": "x"}, header=b"Subject: acaccacacca\r\n\r\n")
