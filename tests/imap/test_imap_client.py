"""The tests' own client isn't fooled: what no server may say fails, what every server may say is read."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from imap_client import Client, Literal
from imap_responses import Fetch, Found, Listed, Response, Status, Told, Vanished, parse_response

DATE = " 7-Feb-1994 21:52:25 -0800"
OPENED = (
    "* FLAGS (\\Seen)\r\n* OK [PERMANENTFLAGS (\\Seen \\*)] Ok\r\n* {} EXISTS\r\n* OK [UIDVALIDITY 7] Ok\r\n"
    "* OK [UIDNEXT 10] Ok\r\n{}"
)


class ScriptWire:
    """A server that says what it was told to, one piece for each time it is spoken to."""

    def __init__(self, said: Sequence[str]) -> None:
        self._said = list(said)
        self._left = b""

    def send(self, octets: bytes) -> None:
        assert octets

    def line(self) -> bytes:
        if not self._left and self._said:
            self._left = self._said.pop(0).encode("latin-1")
        line, self._left = self._left[: self._left.find(b"\n") + 1], self._left[self._left.find(b"\n") + 1 :]
        return line

    def take(self, count: int) -> bytes:
        octets, self._left = self._left[:count], self._left[count:]
        return octets

    def close(self) -> None:
        """Nothing is open."""


def client_of(*said: str) -> Client:
    return Client(ScriptWire(["* OK [CAPABILITY IMAP4rev1] Hello\r\n", *said]))


def opened(exists: int, *said: str, more: str = "") -> Client:
    client = client_of(OPENED.format(exists, more) + "a1 OK [READ-WRITE] Ok\r\n", *said)
    client.select()
    return client


@pytest.mark.parametrize(
    ("line", "response"),
    [
        ("* OK [UIDNEXT 5] Ok", Status("", "OK", "UIDNEXT", 5, "Ok")),
        ("a1 NO [BADCHARSET (UTF-8 {5}] Ok", None),
        ("a1 NO [BADCHARSET (UTF-8)] Ok", Status("a1", "NO", "BADCHARSET", [b"UTF-8"], "Ok")),
        ("* OK [UNKNOWN-CODE] Ok", None),
        ("* OK ", None),
        ("* 1 FETCH (UID 5 FLAGS (\\Seen x))", Fetch(1, {"UID": 5, "FLAGS": ["\\Seen", "x"]})),
        ("* 1 FETCH (UID 5  FLAGS ())", None),
        ("* 1 FETCH (UID 5 UID 6)", None),
        ("* 1 FETCH ()", None),
        ("* 0 FETCH (UID 5)", None),
        ("* 1 FETCH (BODY[1.mime] {3}\r\na\r\n)", Fetch(1, {"BODY[1.MIME]": b"a\r\n"})),
        ("* 1 FETCH (BODY[] {1}\r\n\0)", None),
        ("* 1 FETCH (BODY[] ~{1}\r\nx)", None),
        ("* 1 FETCH (BINARY[1] ~{1}\r\n\0)", Fetch(1, {"BINARY[1]": b"\0"})),
        ('* 1 FETCH (BODY[]<7> "a\\"b")', Fetch(1, {"BODY[]<7>": b'a"b'})),
        ('* 1 FETCH (BODY[] "a\\b")', None),
        ('* 1 FETCH (BODY[] "\xe4")', None),
        ("* 1 FETCH (MODSEQ 5)", None),
        ("* 1 FETCH (MODSEQ (5))", Fetch(1, {"MODSEQ": 5})),
        ('* 1 FETCH (INTERNALDATE "7-Feb-1994 21:52:25 -0800")', None),
        ('* 1 FETCH (INTERNALDATE " 7-Feb-94 21:52:25 -0800")', None),
        ('* 1 FETCH (INTERNALDATE " 7-Feb-1994 21:52:25 -0800")', Fetch(1, {"INTERNALDATE": DATE})),
        ("* 1 FETCH (ENVELOPE (NIL NIL () NIL NIL NIL NIL NIL NIL NIL))", None),
        ("* SEARCH", Told("SEARCH", ([], None))),
        ("* SEARCH 1 2 (MODSEQ 5)", Told("SEARCH", ([1, 2], 5))),
        ("* SEARCH ", None),
        ("* SEARCH 1 1", None),
        ('* ESEARCH (TAG "a1") UID COUNT 0', Found("a1", True, {"COUNT": 0})),
        ("* ESEARCH ALL", None),
        ("* VANISHED (EARLIER) 1:3,5", Vanished(True, [(1, 3), (5, 5)])),
        ("* VANISHED 1:*", None),
        ('* LIST (\\HasChildren) "/" x', Listed("LIST", frozenset({"\\haschildren"}), b"/", b"x", {})),
        ('* LIST (\\HasChildren \\HasNoChildren) "/" x', None),
        ('* LIST () "//" x', None),
        ("* THREAD (2)(3 6 (4 23)(44 7))", Told("THREAD", [[2], [3, 6, [4, 23], [44, 7]]])),
        ("* THREAD (2 )", None),
        ("* THREAD (2 (3))", None),
        ("* FLAGS (\\Seen \\seen)", None),
        ("* STATUS x (MESSAGES 1 UIDNEXT 0)", None),
        ("* NOTHING", None),
        ("*  SEARCH", None),
        ("+", None),
    ],
)  # fmt: skip
def test_grammar(line: str, response: Response | None) -> None:
    """Every response is read exactly, or fails."""
    octets = line.encode("latin-1") + b"\r\n"
    if response is None:
        with pytest.raises((AssertionError, KeyError, UnicodeDecodeError)):
            parse_response(octets)
    else:
        assert parse_response(octets) == response


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("NOOP", "* 2 EXISTS\r\n"),
        ("NOOP", "* 4 EXPUNGE\r\n"),
        ("NOOP", "* 4 FETCH (FLAGS ())\r\n"),
        ("FETCH 1 UID", "* 1 EXPUNGE\r\n"),
        ("STORE 1 FLAGS ()", "* 1 EXPUNGE\r\n"),
        ("SEARCH ALL", "* 1 EXPUNGE\r\n* SEARCH 1\r\n"),
        ("NOOP", "* VANISHED 1\r\n"),
        ("NOOP", "* 2 FETCH (UID 5)\r\n* 1 FETCH (UID 5)\r\n"),
        ("NOOP", "* 2 FETCH (UID 5)\r\n* 2 FETCH (UID 6)\r\n"),
        ("NOOP", "* 3 FETCH (UID 7)\r\n* 3 EXPUNGE\r\n* 3 EXISTS\r\n* 3 FETCH (UID 7)\r\n"),
        ("NOOP", "* 1 FETCH (UID 5 MODSEQ (9))\r\n* 1 FETCH (UID 5 MODSEQ (8))\r\n"),
        ("NOOP", "* 1 FETCH (UID 5 FLAGS () MODSEQ (9))\r\n* 1 FETCH (UID 5 FLAGS (x) MODSEQ (9))\r\n"),
        ("UID FETCH 1 FLAGS", "* 1 FETCH (FLAGS ())\r\n"),
        ("SEARCH RETURN () ALL", '* ESEARCH (TAG "a9") ALL 1\r\n'),
        ("UID SEARCH RETURN () ALL", '* ESEARCH (TAG "a2") ALL 1\r\n'),
    ],
)  # fmt: skip
def test_rules(command: str, said: str) -> None:
    """What is said at the wrong time, or can't be, fails."""
    client = opened(3, said + "a2 OK Ok\r\n")

    with pytest.raises(AssertionError):
        client.command(command)


def test_changes_without_mod_sequences() -> None:
    """Who asked for one is told them ever after (RFC 7162 section 3.1)."""
    client = opened(3, "* 1 FETCH (UID 5 MODSEQ (9))\r\na2 OK Ok\r\n", "* 1 FETCH (FLAGS ())\r\na3 OK Ok\r\n")
    client.ok("FETCH 1 MODSEQ")

    with pytest.raises(AssertionError, match="without MODSEQ"):
        client.ok("NOOP")


def test_expunge_without_a_command() -> None:
    """Nobody could tell which numbers the next command means."""
    client = opened(3, "a2 OK Ok\r\n* 1 EXPUNGE\r\n")
    client.ok("NOOP")

    with pytest.raises(AssertionError, match="no command"):
        client.read()


def test_answers_out_of_order() -> None:
    """Commands are answered in their order, each once."""
    with pytest.raises(AssertionError):
        client_of("a2 OK Ok\r\n").command("NOOP")
    client = client_of("a1 OK Ok\r\na1 OK Ok\r\n")
    client.ok("NOOP")
    with pytest.raises(AssertionError):
        client.read()


def test_what_may_be() -> None:
    """A literal that waits, one that is refused, expunged messages, and an end."""
    client = opened(
        3,
        "+ go on\r\n",
        "* 4 EXISTS\r\na2 OK [APPENDUID 7 12] Ok\r\n",
        "a3 NO [TOOBIG] Too big\r\n",
        "* 1 EXPUNGE\r\n* 1 EXPUNGE\r\na4 OK Ok\r\n",
        "* BYE Bye\r\na5 OK Ok\r\n",
    )

    assert client.append("INBOX", b"x", plus=False) == (7, 12)
    assert client.no("APPEND INBOX ", Literal(b"x")).code == "TOOBIG"
    assert client.ok("NOOP").numbered("EXPUNGE") == [1, 1]
    assert client.mirror is not None
    assert client.mirror.exists == 2
    client.logout()


def test_reopened() -> None:
    """UIDNEXT and HIGHESTMODSEQ never fall; what a mailbox says goes before CLOSED."""
    modseq = "* OK [HIGHESTMODSEQ 9] Ok\r\n"
    again = "* OK [CLOSED] Ok\r\n" + OPENED.format(3, modseq) + "a2 OK [READ-WRITE] Ok\r\n"
    client = opened(3, again, again.replace("a2", "a3").replace("SEQ 9", "SEQ 8"), more=modseq)
    client.select()
    with pytest.raises(AssertionError, match="HIGHESTMODSEQ 8 after 9"):
        client.select()
    with pytest.raises(AssertionError, match="no CLOSED"):
        opened(3, again.partition("\r\n")[2]).select()
