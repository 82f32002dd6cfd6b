"""What counts as an answer of a plugin: annotations bind nobody, so an answer may hold anything."""

from __future__ import annotations

from typing import Any

import pytest

from twistedmail_mta.model import NULL_PATH, Address, Reply
from twistedmail_mta.soundness import is_reply, is_sound
from twistedmail_mta.stages import (
    AddHeader,
    AddRecipient,
    ChangeHeader,
    ChangeRecipient,
    ChangeSender,
    FileInto,
    Hold,
    InsertHeader,
    Quarantine,
    RemoveHeader,
    RemoveRecipient,
    ReplaceBody,
    ReplaceHeader,
    SetNextHop,
    Tag,
)

ANN, BOB = Address("ann", "home.test"), Address("bob", "away.test")
SMUGGLED = Address("ann\r\nRCPT TO:<eve", "home.test")
ANY: Any = "the wrong kind"


class Text:
    """A body as plugins may write one."""

    size = 3

    async def read(self, offset: int, size: int) -> bytes:
        return b"abc"[offset : offset + size]


SOUND = [
    AddHeader("X-Any", "1"),
    AddHeader("X-Any", "\N{LATIN SMALL LETTER E WITH ACUTE}\udce9,\r\n\tfolded"),
    InsertHeader(0, "X-Any", ""),
    InsertHeader(1000, "X-Any", "1"),
    RemoveHeader("X-Any"),
    RemoveHeader("X-Any", 1),
    RemoveHeader("X-Any", value="x"),
    ReplaceHeader("X-Any", "1", 2),
    ChangeHeader("X-Any", " 1", " 2"),
    ReplaceBody(Text()),
    AddRecipient(ANN),
    AddRecipient(ANN, frozenset({"SUCCESS", "DELAY"}), "rfc822;ann@home.test"),
    RemoveRecipient(ANN),
    ChangeRecipient(ANN, BOB),
    ChangeSender(ANN),
    ChangeSender(NULL_PATH),
    ChangeSender(Address("a b", "[192.0.2.1]")),
    FileInto("Junk"),
    FileInto("Junk", ANN),
    SetNextHop("mx"),
    SetNextHop("smtp://relay.test", "required", ANN),
    Tag("score", "7"),
    Hold(""),
    Quarantine("a virus"),
    Quarantine("a virus", ANN),
]

UNSOUND = [
    None,
    "X-Any: 1",
    ANN,
    Reply(550, "5.7.1", "no"),
    AddHeader(ANY, "1"),  # a blank in the name
    AddHeader(b"X-Any", "1"),  # type: ignore[arg-type]
    AddHeader("X-Any", b"1"),  # type: ignore[arg-type]
    AddHeader("X-Any", 7),  # type: ignore[arg-type]
    AddHeader("X-Any", None),  # type: ignore[arg-type]
    AddHeader("X-Any", "1\r\nX-Other: 2"),
    AddHeader("X-Any", "\ud800"),
    InsertHeader(-1, "X-Any", "1"),
    InsertHeader(10**30, "X-Any", "1"),
    InsertHeader(1.0, "X-Any", "1"),  # type: ignore[arg-type]
    InsertHeader(ANY, "X-Any", "1"),
    RemoveHeader(b"X-Any"),  # type: ignore[arg-type]
    RemoveHeader("X-Any", 0),
    RemoveHeader("X-Any", 1, "x"),
    RemoveHeader("X-Any", value="\ud800"),
    RemoveHeader("X-Any", value=b"x"),  # type: ignore[arg-type]
    RemoveHeader("X-Any", -1),
    RemoveHeader("X-Any", ANY),
    ReplaceHeader("X-Any", "1", 0),
    ChangeHeader("X-Any", b"1", "2"),  # type: ignore[arg-type]
    ChangeHeader("X-Any", "1", b"2"),  # type: ignore[arg-type]
    ChangeHeader("X-Any", "1", "2", 0),
    ReplaceBody(b"abc"),  # type: ignore[arg-type]
    ReplaceBody(None),  # type: ignore[arg-type]
    AddRecipient("ann@home.test"),  # type: ignore[arg-type]
    AddRecipient(NULL_PATH),
    AddRecipient(SMUGGLED),
    AddRecipient(Address(b"ann", "home.test")),  # type: ignore[arg-type]
    AddRecipient(ANN, "FAILURE"),  # type: ignore[arg-type]
    AddRecipient(ANN, frozenset({"SOMETIMES"})),  # type: ignore[arg-type]
    AddRecipient(ANN, orcpt="rfc822;ann@home.test NOTIFY=NEVER"),
    RemoveRecipient("ann@home.test"),  # type: ignore[arg-type]
    ChangeRecipient("ann@home.test", BOB),  # type: ignore[arg-type]
    ChangeRecipient(ANN, "bob@away.test"),  # type: ignore[arg-type]
    ChangeRecipient(ANN, NULL_PATH),
    ChangeSender("ann@home.test"),  # type: ignore[arg-type]
    ChangeSender(None),  # type: ignore[arg-type]
    ChangeSender(SMUGGLED),
    FileInto(""),
    FileInto("Lists//one"),
    FileInto("Junk\r\n* BYE"),
    FileInto("x" * 1001),
    FileInto(b"Junk"),  # type: ignore[arg-type]
    FileInto("Junk", "ann@home.test"),  # type: ignore[arg-type]
    SetNextHop(ANY),
    SetNextHop("smtp://relay.test", recipient="ann@home.test"),  # type: ignore[arg-type]
    Tag("two words"),
    Hold(None),  # type: ignore[arg-type]
    Hold(b"why"),  # type: ignore[arg-type]
    Quarantine(None),  # type: ignore[arg-type]
    Quarantine("why", "ann@home.test"),  # type: ignore[arg-type]
]


def _name(value: object) -> str:
    """What a case is called, the same in every process: not by addresses, nor by the order of a set."""
    return type(value).__name__


@pytest.mark.parametrize("change", SOUND, ids=_name)
def test_changes(change: Any) -> None:
    """Whatever the documents say can be asked for."""
    assert is_sound(change)


@pytest.mark.parametrize("change", UNSOUND, ids=_name)
def test_no_changes(change: Any) -> None:
    """What would break the session, be kept in the queue, or silently do nothing, is told apart before."""
    assert not is_sound(change)


@pytest.mark.parametrize("piece", ["v", "\r\n v", "v \r\n\t"])
def test_long_values(piece: str) -> None:
    """No value is looked at twice: one way to read it is all there is."""
    assert is_sound(AddHeader("X-Any", f"{piece * 100_000}v"))
    assert not is_sound(AddHeader("X-Any", f"{piece * 100_000}\r"))


@pytest.mark.parametrize(
    ("reply", "sound"),
    [
        (Reply(250, "2.0.0", "yes"), True),
        (Reply(451, "", "later\nor never"), True),
        (Reply(554, "5.7.1", ""), True),
        (Reply(354, "", "go on"), False),
        (Reply(550.0, "5.7.1", "no"), False),  # type: ignore[arg-type]
        (Reply("550", "5.7.1", "no"), False),  # type: ignore[arg-type]
        (Reply(550, None, "no"), False),  # type: ignore[arg-type]
        (Reply(550, "5.7.1 no", ""), False),
        (Reply(550, "5.7.1", None), False),  # type: ignore[arg-type]
        (Reply(550, "5.7.1", b"no"), False),  # type: ignore[arg-type]
        (None, False),
    ],
    ids=_name,
)
def test_replies(reply: Any, sound: bool) -> None:
    """A reply has a code that ends a command, and texts."""
    assert is_reply(reply) == sound
