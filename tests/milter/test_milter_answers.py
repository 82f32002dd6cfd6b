"""What filters answer: every answer there is, and octets that are none."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twistedmail_mta.milter.answers import (
    AddHeader,
    AddRecipient,
    ChangeHeader,
    ChangeSender,
    DeleteRecipient,
    InsertHeader,
    Quarantine,
    ReplaceBody,
    Verdict,
    answer_of,
)
from twistedmail_mta.milter.errors import MilterError
from twistedmail_mta.milter.packets import Packet
from twistedmail_mta.milter.terms import Action, Agreement, Step
from twistedmail_mta.model import Reply

TERMS = b"\0\0\0\x06\0\0\x01\x11\0\x10\0\x80"


@pytest.mark.parametrize(
    ("letter", "content", "answer"),
    [
        (b"c", b"", Verdict.CONTINUE),
        (b"a", b"", Verdict.ACCEPT),
        (b"d", b"", Verdict.DISCARD),
        (b"r", b"", Verdict.REJECT),
        (b"t", b"", Verdict.DELAY),
        (b"s", b"", Verdict.SKIP),
        (b"p", b"", Verdict.PROGRESS),
        (b"4", b"", Verdict.SHUT_DOWN),
        (b"f", b"", Verdict.FAIL),
        (b"q", b"odd\0", Quarantine(b"odd")),
        (b"h", b"X-A\0 b\xe9\0", AddHeader(b"X-A", b" b\xe9")),
        (b"i", b"\0\0\0\x02X-A\0b\n\tc\0", InsertHeader(2, b"X-A", b"b\n\tc")),
        (b"m", b"\0\0\0\x01X-A\0\0", ChangeHeader(1, b"X-A", b"")),
        (b"+", b"<a@b.test>\0", AddRecipient(b"<a@b.test>")),
        (b"2", b"<a@b.test>\0NOTIFY=NEVER\0", AddRecipient(b"<a@b.test>", b"NOTIFY=NEVER")),
        (b"2", b"<a@b.test>\0", AddRecipient(b"<a@b.test>")),
        (b"-", b"<a@b.test>\0", DeleteRecipient(b"<a@b.test>")),
        (b"e", b"<>\0", ChangeSender(b"<>")),
        (b"e", b"<a@b.test>\0RET=HDRS\0", ChangeSender(b"<a@b.test>", b"RET=HDRS")),
        (b"b", b"any\0thing\r\n", ReplaceBody(b"any\0thing\r\n")),
        (b"b", b"", ReplaceBody(b"")),
    ],
)
def test_answers(letter: bytes, content: bytes, answer: object) -> None:
    """Octets stay octets."""
    assert answer_of(Packet(letter, content)) == answer


@pytest.mark.parametrize(
    ("text", "reply"),
    [
        (b"550 5.7.1 no", Reply(550, "5.7.1", "no")),
        (b"451 4.7.1 later", Reply(451, "4.7.1", "later")),
        (b"550-5.7.1 one\r\n550 5.7.1 two", Reply(550, "5.7.1", "one\ntwo")),
        (b"550-5.7.1 one\n550 5.7.1 two\n", Reply(550, "5.7.1", "one\ntwo")),
        (b"550 no status", Reply(550, "5.7.1", "no status")),
        (b"451 no status", Reply(451, "4.7.1", "no status")),
        (b"451 5.7.1 of another kind", Reply(451, "4.7.1", "of another kind")),
        (b"550 5.7.1", Reply(550, "5.7.1", "Refused")),
        (b"550", Reply(550, "5.7.1", "Refused")),
        (b"550 5.7.1 100%% \xe9\t", Reply(550, "5.7.1", "100% ??")),
    ],
)
def test_replies(text: bytes, reply: Reply) -> None:
    """As smfi_setreply and smfi_setmlreply of libmilter word them."""
    assert answer_of(Packet(b"y", text + b"\0")) == reply


@pytest.mark.parametrize(
    ("content", "macros"),
    [
        (b"", {}),
        (b"\0\0\0\0j _\0", {0: (b"j", b"_")}),
        (b"\0\0\0\x02i, {auth_type}\0\0\0\0\x05\0", {2: (b"i", b"{auth_type}"), 5: ()}),
    ],
)
def test_terms(content: bytes, macros: dict[int, tuple[bytes, ...]]) -> None:
    """With lists of macros, as smfi_setsymlist gives them."""
    answer = answer_of(Packet(b"O", TERMS + content))

    actions = Action.ADD_HEADER | Action.CHANGE_HEADER | Action.SET_MACROS
    assert answer == Agreement(6, actions, Step.LEADING_SPACE | Step.SILENT_HEADER, macros)


@pytest.mark.parametrize(
    ("letter", "content"),
    [
        (b"x", b""),
        (b"", b""),
        (b"h", b"X-A\0b"),
        (b"h", b"X-A\0"),
        (b"h", b"X-A\0b\0c\0"),
        (b"i", b"\0\0\0"),
        (b"i", b"\0\0\0\x01X-A\0"),
        (b"+", b""),
        (b"+", b"<a@b.test>\0NOTIFY=NEVER\0"),
        (b"2", b"<a@b.test>\0NOTIFY=NEVER\0x\0"),
        (b"q", b"no end"),
        (b"y", b"no\0"),
        (b"y", b"\0"),
        (b"y", b"250 2.0.0 welcome\0"),
        (b"y", b"550 5.7.1 one\r\n551 5.7.1 two\0"),
        (b"y", b"550 5.7.1 one\r\ntwo\0"),
        (b"y", b"550x\0"),
        (b"O", TERMS[:-1]),
        (b"O", TERMS + b"\0\0\0"),
        (b"O", TERMS + b"\0\0\0\0j"),
    ],
)
def test_no_answers(letter: bytes, content: bytes) -> None:
    """What can't be read is an error, and no guess."""
    with pytest.raises(MilterError):
        answer_of(Packet(letter, content))


@given(st.sampled_from(b"cadrtsp4fyOqhim+2-ebx"), st.binary(max_size=60))
def test_any_octets(letter: int, content: bytes) -> None:
    """An answer, or a MilterError; nothing that ends a reply's line is ever in one."""
    with suppress(MilterError):
        answer = answer_of(Packet(bytes([letter]), content))
        if isinstance(answer, Reply):
            assert answer.code in range(400, 600)
            assert answer.status[0] == str(answer.code)[0]
            assert all(" " <= each <= "~" for each in answer.text.replace("\n", ""))
