"""POP3 octets cut anywhere, and sessions against a plain model."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from pop3_dialogue import MESSAGES, Dialogue

from twistedmail_mta.pop3.outgoing import Outgoing
from twistedmail_mta.pop3.top import TopCutter

SCRIPT = (
    b"capa\r\nAUTH PLAIN\r\n*\r\nUSER ann@example.org\r\nPASS open sesame\r\nLIST\r\nUIDL 2\nDELE 2\r\n"
    b"TOP 1 1\r\nFOO\r\n\xff\r\nRETR 3\r\nRSET\r\nDELE 1\r\nQUIT\r\n"
)


def test_every_cut() -> None:
    """However TCP cuts a session, its answers are the same."""
    whole = Dialogue().send(SCRIPT)

    for cut in range(1, len(SCRIPT)):
        dialogue = Dialogue()
        assert dialogue.send(SCRIPT[:cut]) + dialogue.send(SCRIPT[cut:]) == whole
    one_by_one = Dialogue()
    assert "".join(one_by_one.send(SCRIPT[at : at + 1]) for at in range(len(SCRIPT))) == whole


@settings(max_examples=150, derandomize=True, deadline=None)
@given(st.lists(st.binary(max_size=60).filter(lambda octets: b"\n" not in octets), max_size=12))
def test_any_octets(lines: list[bytes]) -> None:
    """Whatever is sent, each line gets one answer and nothing breaks."""
    dialogue = Dialogue()

    said = dialogue.send(b"".join(b"X" + line + b"\r\n" for line in lines))

    assert said.count("-ERR") == len(lines)


numbers = st.integers(0, len(MESSAGES) + 1)
commands = st.one_of(
    st.tuples(st.sampled_from(["DELE", "RETR", "LIST", "UIDL"]), numbers),
    st.tuples(st.sampled_from(["STAT", "RSET", "NOOP", "LIST", "UIDL"]), st.none()),
)


@settings(max_examples=100, derandomize=True, deadline=None)
@given(st.lists(commands, max_size=25))
def test_a_session_against_a_plain_model(steps: list[tuple[str, int | None]]) -> None:
    """Marks, counts and listings are those of a dictionary of messages."""
    dialogue, left = Dialogue().logged_in(), dict(enumerate(MESSAGES, 1))

    for verb, number in steps:
        said = dialogue.type(verb if number is None else f"{verb} {number}")
        if number is not None:
            assert said.startswith("+OK") == (number in left)
            if verb == "DELE":
                left.pop(number, None)
            continue
        if verb == "RSET":
            left = dict(enumerate(MESSAGES, 1))
        assert said.startswith("+OK")
        if verb in ("LIST", "UIDL"):
            lines = [f"{n} {m.size if verb == 'LIST' else m.uidl}" for n, m in left.items()]
            assert said.split("\r\n")[1:] == [*lines, ".", ""]
        assert dialogue.type("STAT") == f"+OK {len(left)} {sum(m.size for m in left.values())}\r\n"
    dialogue.type("QUIT")
    assert dialogue.removed == tuple(m.uid for n, m in enumerate(MESSAGES, 1) if n not in left)


def _naive_top(message: bytes, lines: int) -> bytes:
    if message.startswith(b"\r\n"):
        head, body = b"\r\n", message[2:]
    elif b"\r\n\r\n" in message:
        at = message.index(b"\r\n\r\n") + 4
        head, body = message[:at], message[at:]
    else:
        return message
    return head + b"".join(body.splitlines(keepends=True)[:lines])


@settings(max_examples=300, derandomize=True, deadline=None)
@given(
    st.lists(st.sampled_from([b"\r\n", b"a", b".", b"a: b", b"\r\n\r\n"]), max_size=20), st.integers(0, 4), st.data()
)
def test_top_of_any_message_cut_anywhere(words: list[bytes], lines: int, data: st.DataObject) -> None:
    """Header, empty line and so many lines, whatever the cuts."""
    message = b"".join(words)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(message)), max_size=5)))
    cutter = TopCutter(lines)

    blocks = [message[a:b] for a, b in zip([0, *cuts], [*cuts, len(message)], strict=True)]
    got = b"".join(cutter.cut(block) for block in blocks)

    assert got == _naive_top(message, lines)


def _as_a_client_reads(answer: bytes) -> bytes:
    assert answer == b".\r\n" or answer.endswith(b"\r\n.\r\n")
    lines = answer[:-3].split(b"\r\n")
    return b"\r\n".join(line[1:] if line.startswith(b".") else line for line in lines)


@settings(max_examples=300, derandomize=True, deadline=None)
@given(
    st.lists(st.sampled_from([b"\r\n", b".", b"..", b"A: b\r\n", b"C: \xc3\xa9\r\n", b"\r\n\r\n"]), max_size=15),
    st.booleans(),
    st.data(),
)
def test_messages_cut_anywhere(words: list[bytes], utf8: bool, data: st.DataObject) -> None:
    """Whatever the cuts, the client reads the same: what is stored, or its header in ASCII."""
    message = b"".join(words)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(message)), max_size=5)))
    whole, pieces = Outgoing(None, utf8=utf8), Outgoing(None, utf8=utf8)

    at_once = whole.pass_on(message) + whole.end()
    blocks = [message[a:b] for a, b in zip([0, *cuts], [*cuts, len(message)], strict=True)]
    bit_by_bit = b"".join(pieces.pass_on(block) for block in blocks) + pieces.end()

    assert bit_by_bit == at_once
    assert whole.octets == pieces.octets
    if utf8 or message.isascii():
        read = _as_a_client_reads(at_once)
        assert read == message or read == message + b"\r\n"
