"""IMAP clients that mean harm, or are broken: they cost little, hurt nobody else, and are always answered in step."""

from __future__ import annotations

import base64
import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from imap_client import Client, Literal, SocketWire
from imap_responses import Status
from running_site import PASSWORD, RunningSite

MIB = 1 << 20
LIMIT = 2 * MIB
NAMES = ("ann", "ben", "cat", "dan", "eve", "fay")
SMALL = b"Subject: x\r\n\r\ntext\r\n"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSite]:
    """A site that takes small messages, bears many errors, and watches who logs in how often."""
    at = "tcp:0:interface=127.0.0.1"
    clear = 'plaintext_login = ["127.0.0.0/8"]\n'
    listeners = (
        f'[listen.imap]\nendpoint = "{at}"\nrole = "imap"\n{clear}limits = {{ errors = 6, errors_before_delay = 5 }}\n'
        f'[listen.strict]\nendpoint = "{at}"\nrole = "imap"\n'
    )
    toml = '[domains."hosted.test"]\n[limits]\nmessage_size = "2MB"\n'
    site = RunningSite(tmp_path_factory.mktemp("imap"), toml, listeners).start()
    for name in NAMES:
        site.add_account(f"{name}@hosted.test", PASSWORD)
    yield site
    assert site.stop() == 0
    assert "Traceback" not in site.log


def stranger(site: RunningSite, port: str = "imap") -> Client:
    """Connect."""
    return Client(SocketWire(site.ports[port]))


def guest(site: RunningSite, name: str = "ann") -> Client:
    """Connect and log in."""
    return stranger(site).login(f"{name}@hosted.test", PASSWORD)


class Kept(SocketWire):
    """Keeps what is to be sent."""

    def __init__(self, pieces: list[bytes]) -> None:
        self.send = pieces.append  # type: ignore[method-assign]


def memory_of(site: RunningSite) -> int:
    """Resident octets of the server."""
    assert site.process is not None
    return int(Path(f"/proc/{site.process.pid}/statm").read_text().split()[1]) * 4096


def said_to(client: Client, octets: bytes, tag: str) -> Status:
    """Send octets; return the answer with that tag; nothing else may come."""
    client._running.append((tag, "?"))
    client.wire.send(octets)
    response = client.read()
    assert isinstance(response, Status)
    return response


# Literals


@pytest.mark.parametrize("size", ["-1", "", "+", "1 ", "0x10", "1e3", "18446744073709551616" * 2])
def test_literal_that_is_none(site: RunningSite, size: str) -> None:
    """It is no literal, so the command is wrong, and nothing is waited for."""
    with guest(site) as client:
        assert client.bad(f"SEARCH SUBJECT {{{size}}}")
        assert client.ok("NOOP")


@pytest.mark.parametrize("command", ["LOGIN", "SEARCH SUBJECT", "SELECT", "XYZZY", "LIST"])
@pytest.mark.parametrize("size", [70_000, 99_999_999_999])
def test_literal_too_large(site: RunningSite, command: str, size: int) -> None:
    """Refused before it is sent."""
    with guest(site) as client:
        assert said_to(client, f"x {command} {{{size}}}\r\n".encode(), "x").condition == "BAD"
        assert client.ok("NOOP")


def test_literal_too_large_that_comes_nevertheless(site: RunningSite) -> None:
    """A client that doesn't wait sends it; it is dropped, and what follows is the next command."""
    with guest(site) as client:
        octets = b"x NOOP\r\n" * 20_000
        answer = said_to(client, b"x SEARCH SUBJECT {%d+}\r\n%b\r\n" % (len(octets), octets), "x")
        assert answer.condition == "BAD"
        assert client.ok("NOOP")


def test_message_too_large(site: RunningSite) -> None:
    """NO [TOOBIG], before it comes or after it was dropped (RFC 7889 section 4)."""
    with guest(site) as client:
        assert client.no("APPEND INBOX ", Literal(b"x" * (LIMIT + 1))).code == "TOOBIG"
        before = memory_of(site)
        assert client.no("APPEND INBOX ", Literal(b"x NOOP\r\n" * (3 * LIMIT // 8), plus=True)).code == "TOOBIG"
        assert memory_of(site) - before < 3 * MIB
        assert said_to(client, b"x APPEND INBOX {99999999999}\r\n", "x").code == "TOOBIG"
        assert client.ok("NOOP")


def test_message_that_is_refused_for_other_reasons(site: RunningSite) -> None:
    """Whatever is wrong with APPEND, the stream stays in step."""
    with guest(site) as client:
        assert client.no("APPEND nosuch ", Literal(SMALL, plus=True)).code == "TRYCREATE"
        assert client.bad("APPEND INBOX (\\) ", Literal(SMALL, plus=True))
        assert client.bad('APPEND INBOX "31-Feb-2020 00:00:00 +0000" ', Literal(SMALL, plus=True))
        assert client.no("APPEND INBOX ", Literal(b"", plus=True))
        assert client.no("APPEND INBOX ", Literal(b"Subject: \0\r\n\r\n", plus=True))
        assert client.ok("NOOP")


# Lines


@pytest.mark.parametrize("logged_in", [False, True])
def test_line_too_long(site: RunningSite, logged_in: bool) -> None:
    """BAD; then the next one counts."""
    with guest(site) if logged_in else stranger(site) as client:
        assert said_to(client, b"x SEARCH " + b"OR ALL " * 20_000 + b"ALL\r\n", "x").condition == "BAD"
        assert client.ok("NOOP")


def test_line_that_never_ends(site: RunningSite) -> None:
    """50 MB of it cost no memory."""
    with guest(site) as client:
        before = memory_of(site)
        client._running.append(("x", "?"))
        client.wire.send(b"x ")
        for _ in range(50):
            client.wire.send(b"A" * MIB)
        client.wire.send(b"\r\n")
        answer = client.read()
        assert isinstance(answer, Status)
        assert answer.condition == "BAD"
        assert memory_of(site) - before < 10 * MIB


@pytest.mark.parametrize(
    "keys",
    [
        "(" * 20_000 + "ALL" + ")" * 20_000,
        "(" * 20_000,
        "NOT " * 15_000 + "ALL",
        "OR " * 9_000 + "ALL " * 9_000 + "ALL",
        "ALL " * 15_000 + "ALL",
        "SUBJECT a " * 5_000 + "ALL",
    ],
    ids=["parentheses", "open", "not", "or", "many", "texts"],
)
def test_deep_search(site: RunningSite, keys: str) -> None:
    """Refused, not recursed into."""
    with guest(site) as client:
        client.select()
        assert client.bad(f"SEARCH {keys}")
        assert client.ok("NOOP")


@pytest.mark.parametrize(
    "item",
    [
        f"BODY[{'1.' * 20_000}1]",
        f"BODY[HEADER.FIELDS ({'a ' * 20_000}a)]",
        f"({'FLAGS ' * 10_000}FLAGS)",
        "BODY[99999999999999999999]",
        "BODY[0]",
        "BODY[1.0]",
        "BODY[TEXT]<0.0>",
        "BODY[]<99999999999999999999.1>",
        "BODY[MIME]",
        "(BODY[]",
        "BODY[]]",
        "BINARY[HEADER]",
        "()",
    ],
)
def test_senseless_items(site: RunningSite, item: str) -> None:
    """BAD; each costs nothing."""
    with guest(site) as client:
        client.select()
        assert client.bad(f"UID FETCH 1 {item}")
        assert client.ok("NOOP")


def test_largest_sets(site: RunningSite) -> None:
    """They cost what is found, not what is named."""
    with guest(site, "ben") as client:
        for _ in range(3):
            client.append("INBOX", SMALL)
        client.select()
        begin = time.monotonic()
        whole = ",".join(["1:4294967295", "4294967295:1", "*:1", "1:*"] * 1000)
        for command in (
            f"UID FETCH {whole} (UID)",
            f"UID SEARCH UID {whole}",
            "UID STORE 1:4294967295 +FLAGS (\\Seen)",
            "UID EXPUNGE 1:4294967295",
            "UID FETCH 4294967295 (UID)",
            "UID SEARCH RETURN (ALL) UID 4:4294967294",
        ):
            assert client.ok(command)
        assert client.bad("FETCH 1:4294967295 (UID)")
        assert client.bad("UID FETCH 1:4294967296 (UID)")
        assert client.bad("UID FETCH 0:5 (UID)")
        assert client.bad(f"UID FETCH {'1,' * 40_000}1 (UID)")
        assert time.monotonic() - begin < 20


# Many commands


def test_pipelined_commands_keep_their_order(site: RunningSite) -> None:
    """2,000 at once; the client checks that the tags come back in order."""
    with guest(site, "cat") as client:
        client.append("INBOX", SMALL)
        client.select()
        commands = ["NOOP", "FETCH 1 (FLAGS)", "SEARCH ALL", "STATUS INBOX (MESSAGES)", 'LIST "" INBOX']
        wire, pieces = client.wire, list[bytes]()
        client.wire = Kept(pieces)
        tags = [client.start(commands[number % len(commands)]) for number in range(2000)]
        client.wire = wire
        thread = threading.Thread(target=wire.send, args=(b"".join(pieces),))
        thread.start()
        assert all(client.finish(tag).ok for tag in tags)
        thread.join()


def test_commands_without_end_that_nobody_hears_the_answers_of(site: RunningSite) -> None:
    """Who sends on without reading isn't read from: nothing piles up."""
    with guest(site, "cat") as client:
        client.append("INBOX", b"Subject: x\r\n\r\n" + b"y" * 50_000 + b"\r\n")
        client.select()
        before = memory_of(site)
        wire: SocketWire = client.wire  # type: ignore[assignment]
        wire.socket.settimeout(2)
        with suppress(OSError):
            for _ in range(500):
                wire.send(b"x UID FETCH 1:* (BODY.PEEK[])\r\n" * 100)
        assert memory_of(site) - before < 10 * MIB


def test_answers_that_nobody_reads(site: RunningSite) -> None:
    """What a client doesn't take isn't read from the disk either; others go on."""
    with guest(site, "dan") as reader, guest(site, "dan") as other:
        for _ in range(40):
            reader.append("INBOX", b"Subject: x\r\n\r\n" + b"y" * MIB + b"\r\n")
        reader.select()
        other.select()
        before = memory_of(site)
        tag = reader.start("UID FETCH 1:* (BODY.PEEK[])")
        for _ in range(50):
            assert other.ok("NOOP")
        assert memory_of(site) - before < 12 * MIB
        assert len(reader.finish(tag).fetched()) == 40


# States and tags


def test_nothing_from_before_tls(site: RunningSite) -> None:
    """What was sent in clear behind STARTTLS is never obeyed (RFC 9051 section 6.2.1)."""
    client = stranger(site, "strict")
    client.wire.send(b"a STARTTLS\r\nb NOOP\r\nc LOGIN ann@hosted.test x\r\n")
    client._running.append(("a", "STARTTLS"))
    assert isinstance(client.read(), Status)
    client.wire.start_tls()  # type: ignore[attr-defined]
    assert "LOGINDISABLED" not in client.ok("CAPABILITY").one("CAPABILITY")
    assert client.login("ann@hosted.test", PASSWORD)
    client.close()


@pytest.mark.parametrize("answer", [b"*", b"!!!!", b"", b"=", b"AAA", b"AAAA", b"\xff\xfe", b"\0", b"A" * 20_000])
def test_authenticate_with_garbage(site: RunningSite, answer: bytes) -> None:
    """BAD or NO, and the session goes on."""
    with stranger(site) as client:
        client._running.append(("a", "AUTHENTICATE"))
        client.wire.send(b"a AUTHENTICATE PLAIN\r\n")
        client.read()
        client.wire.send(answer + b"\r\n")
        status = client.read()
        assert isinstance(status, Status)
        assert status.condition in ("NO", "BAD")
        assert client.ok("NOOP")


@pytest.mark.parametrize(
    "line",
    [
        b"x NO\0OP",
        b"x SEARCH SUBJECT \xff\xfe",
        b'x SEARCH SUBJECT "\xff\xfe"',
        b'x SEARCH SUBJECT "\xed\xa0\x80"',
        b'x SELECT "\xc3"',
        b"x SELECT &AAAAAA",
        b"x SELECT &Jjo!",
        b'x CREATE "a\0b"',
        b'x CREATE "&AAA-"',
        b'x LIST "" "&&"',
        b"x \xe2\x82\xac",
        b"x",
        b"x ",
        b"x  NOOP",
        b"x NOOP ",
        b'x SELECT "INBOX',
        b"x SELECT {3}extra",
        b'x LOGIN "a\\b" c',
    ],
)
def test_octets_that_dont_belong(site: RunningSite, line: bytes) -> None:
    """BAD or NO with the right tag; the session goes on."""
    with guest(site) as client:
        assert said_to(client, line + b"\r\n", "x").condition in ("BAD", "NO")
        assert client.ok("NOOP")


@pytest.mark.parametrize(
    "line", [b"", b" ", b"\0", b"* NOOP", b"+ NOOP", b"(x) NOOP", b'"x" NOOP', b"a" * 70 + b" NOOP"]
)
def test_no_tag(site: RunningSite, line: bytes) -> None:
    """There is nothing to answer to, so BAD has no tag."""
    with guest(site) as client:
        client.wire.send(line + b"\r\n")
        answer = client.read()
        assert isinstance(answer, Status)
        assert (answer.tag, answer.condition) == ("", "BAD")
        assert client.ok("NOOP")


def test_done_without_idle(site: RunningSite) -> None:
    """A command that nobody knows."""
    with guest(site) as client:
        client._running.append(("DONE", "?"))
        client.wire.send(b"DONE\r\n")
        answer = client.read()
        assert isinstance(answer, Status)
        assert answer.condition == "BAD"
        assert client.ok("NOOP")


def test_idle_that_ends_otherwise(site: RunningSite) -> None:
    """BAD, whatever comes instead of DONE; a line without end costs nothing."""
    with guest(site) as client:
        client.idle()
        client.wire.send(b"x NOOP\r\n")
        assert client.finish(client._idle).status.condition == "BAD"
        client.idle()
        client.wire.send(b"x" * 100_000 + b"\r\n")
        assert client.finish(client._idle).status.condition == "BAD"


def test_after_logout(site: RunningSite) -> None:
    """Nothing is heard any more."""
    with guest(site, "eve") as client:
        client.wire.send(b"x LOGOUT\r\ny CREATE Late\r\nz NOOP\r\n")
        client._running.append(("x", "LOGOUT"))
        assert [getattr(client.read(), "condition", "") for _ in range(2)] == ["BYE", "OK"]
        assert client.rest() == b""
    with guest(site, "eve") as client:
        assert not client.ok('LIST "" Late').listed()


@pytest.mark.parametrize(
    "octets",
    [
        b"x",
        b"x SELECT INB",
        b"x APPEND INBOX {1000+}\r\nSubject: half",
        b"x APPEND INBOX {%d+}\r\n" % len(SMALL) + SMALL,
        b"x SEARCH SUBJECT {5}\r\n",
        b"x IDLE\r\n",
        b"x UID FETCH 1:* (BODY[])\r\n",
        b"x AUTHENTICATE PLAIN\r\n",
    ],
)
@pytest.mark.parametrize("reset", [False, True])
def test_half_a_command(site: RunningSite, octets: bytes, reset: bool) -> None:
    """Who goes away in the middle leaves nothing behind."""
    with guest(site, "fay") as client:
        client.select()
        before = client.mirror.exists if client.mirror else 0
        client.wire.send(octets)
        wire: SocketWire = client.wire  # type: ignore[assignment]
        if reset:
            wire.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    with guest(site, "fay") as client:
        assert client.select().numbered("EXISTS") == [before]


def test_guessing_ends(site: RunningSite) -> None:
    """A few attempts in a session."""
    with stranger(site) as client:
        answers = hopeless(client, "LOGIN ann@hosted.test guess")
    assert answers[-1].condition == "BYE"
    assert {answer.code for answer in answers[:-1]} == {"AUTHENTICATIONFAILED"}
    assert len(answers) <= 11


def test_too_many_errors(site: RunningSite) -> None:
    """Who makes no sense at all is sent away."""
    with guest(site) as client:
        answers = hopeless(client, "XYZZY")
    assert answers[-1].condition == "BYE"
    assert len(answers) <= 11


def hopeless(client: Client, command: str) -> list[Status]:
    """Give the same command again and again, up to BYE; return what was answered."""
    answers: list[Status] = []
    while not answers or answers[-1].condition != "BYE":
        tag = f"h{len(answers)}"
        client._running.append((tag, "?"))
        with suppress(OSError):  # it may be closed, and BYE still unread
            client.wire.send(f"{tag} {command}\r\n".encode())
        answer = client.read()
        assert isinstance(answer, Status)
        answers.append(answer)
    return answers


def test_authorization_identity_of_somebody_else(site: RunningSite) -> None:
    """Nobody may act as another."""
    with stranger(site) as client:
        words = base64.b64encode(b"ben@hosted.test\0ann@hosted.test\0" + PASSWORD.encode()).decode()
        assert client.no(f"AUTHENTICATE PLAIN {words}").code in ("AUTHORIZATIONFAILED", "AUTHENTICATIONFAILED")


# Very many messages


def test_a_hundred_thousand_messages(site: RunningSite) -> None:
    """Another session's NOOPs are answered while they are told, again and again; memory stays bounded."""
    with guest(site, "eve") as reader, guest(site, "eve") as other:
        reader.ok("CREATE Many")
        parts = [Literal(SMALL, plus=True) for _ in range(1000)]
        reader.ok("APPEND Many", *(piece for part in parts for piece in (" ", part)))
        reader.select("Many")
        for _ in range(7):
            reader.ok("COPY 1:* Many")
            reader.ok("NOOP")
        assert reader.mirror is not None
        assert reader.mirror.exists == 128_000
        before = memory_of(site)
        wire: SocketWire = reader.wire  # type: ignore[assignment]
        wire.send(b"x UID FETCH 1:* (FLAGS INTERNALDATE RFC822.SIZE)\r\n")
        ended, octets = threading.Event(), 0

        def read_all() -> None:
            nonlocal octets
            tail = b""
            while b"\r\nx OK " not in tail:
                block = wire.socket.recv(1 << 16)
                octets += len(block)
                tail = (tail + block)[-200:]
            ended.set()

        thread = threading.Thread(target=read_all)
        thread.start()
        waits = []
        while not ended.is_set():
            begin = time.monotonic()
            assert other.ok("NOOP")
            waits.append(time.monotonic() - begin)
        thread.join()
        assert octets > 128_000 * 60
        assert len(waits) > 10
        assert sorted(waits)[len(waits) // 2] < 0.5
        assert memory_of(site) - before < 30 * MIB
