"""Fetching mail by hand and with Python's client, from a real server: what was sent is what is read."""

from __future__ import annotations

import email
import email.policy
import poplib
import re
import smtplib
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
from running_site import PASSWORD, RunningSite, wait_until
from typist import Typist

DOMAIN = '[domains."hosted.test"]\n'
PIECE = b".dotted line " + b"x" * 57 + b"\r\n"
MEGABYTE = 1 << 20


@pytest.fixture(scope="module")
def pop3_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSite]:
    """A site that keeps mail of hosted.test, with a login for those who type by hand and one for those who don't."""
    at = "tcp:0:interface=127.0.0.1"
    listeners = (
        f'[listen.mx]\nendpoint = "{at}"\nrole = "mx"\n'
        f'[listen.pop3]\nendpoint = "{at}"\nrole = "pop3"\nplaintext_login = ["127.0.0.0/8"]\n'
        "limits = { errors = 6 }\n"
        f'[listen.strict]\nendpoint = "{at}"\nrole = "pop3"\n'
        f'[listen.single]\nendpoint = "{at}"\nrole = "pop3"\nexclusive = true\nplaintext_login = ["127.0.0.0/8"]\n'
        f'[listen.pop3s]\nendpoint = "{at}"\nrole = "pop3"\ntls = "implicit"\n'
    )
    site = RunningSite(tmp_path_factory.mktemp("pop3"), DOMAIN, listeners).start()
    for name in ("ann", "ben", "cat", "dan", "eve", "fay"):
        site.add_account(f"{name}@hosted.test", PASSWORD)
    yield site
    assert site.stop() == 0
    assert "Traceback" not in site.log


def _send(site: RunningSite, name: str, *messages: bytes) -> None:
    with smtplib.SMTP("127.0.0.1", site.ports["mx"]) as client:
        for message in messages:
            client.sendmail("joe@elsewhere.test", [f"{name}@hosted.test"], message)


def _fetch(site: RunningSite, name: str) -> poplib.POP3:
    client = poplib.POP3("127.0.0.1", site.ports["pop3"], timeout=20)
    client.user(f"{name}@hosted.test")
    client.pass_(PASSWORD)
    return client


def _below_trace(message: bytes) -> bytes:
    """What follows the fields that the server has put in front."""
    trace = rb"Return-Path:[^\n]*\r\nDelivered-To:[^\n]*\r\nReceived:[^\n]*\r\n(?:[ \t][^\n]*\r\n)*"
    found = re.match(trace, message)
    assert found is not None, message[:400]
    return message[found.end() :]


def _whole(client: poplib.POP3, number: int) -> bytes:
    return b"".join(line + b"\r\n" for line in client.retr(number)[1])


def _untrusting() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


class Reader(Typist):
    """Somebody who types POP3."""

    def lines_of(self, line: str) -> list[str]:
        """Type a line; return the lines of a long answer, without its first and its end."""
        assert self.type(line).startswith("+OK")
        lines = []
        while (text := self.lines.readline().decode().rstrip("\r\n")) != ".":
            lines.append(text)
        return lines


def test_first_message_typed_by_hand(pop3_site: RunningSite) -> None:
    """In lower case, by telnet, as a person tries a new server."""
    _send(pop3_site, "ann", b"Subject: hello\r\n\r\n.dot\r\n")

    with Reader(pop3_site.ports["pop3"]) as reader:
        assert reader.reply() == "+OK mail.example.org POP3 server ready"
        assert reader.type("user ann@hosted.test") == "+OK Now send PASS and the password"
        assert reader.type("pass wrong") == "-ERR [AUTH] Authentication credentials invalid"
        assert reader.type("user Ann@hosted.test").startswith("+OK")
        assert reader.type(f"pass {PASSWORD}").startswith("+OK Logged in: 1 messages,")
        size = reader.lines_of("list")[0].split()[1]
        message = reader.lines_of("retr 1")
        assert message[-3:] == ["Subject: hello", "", "..dot"]
        assert sum(len(line) + 2 for line in message) - 1 == int(size)
        assert reader.type("dele 1") == "+OK Message 1 will be deleted at QUIT"
        assert reader.type("stat") == "+OK 0 0"
        assert reader.type("retr 1").startswith("-ERR Message is marked as deleted")
        assert reader.type("quit") == "+OK Goodbye"
        assert reader.rest() == b""
    assert _fetch(pop3_site, "ann").stat() == (0, 0)


def test_what_was_sent_is_what_is_read(pop3_site: RunningSite) -> None:
    """Octet for octet below the trace fields; sizes are those on the wire; ids stay."""
    messages = [
        b"Subject: dots\r\n\r\n.\r\n..\r\n...\r\n.x\r\n\r\n.\r\n",
        b"Subject: eight bit\r\n\r\n" + bytes(set(range(256)) - {0, 10, 13}) + b"\r\n",
        b"Subject: long\r\n\r\n" + b"y" * 1990 + b"\r\n",
        b"no header at all\r\n",
    ]
    _send(pop3_site, "ben", *messages)

    client = _fetch(pop3_site, "ben")
    read = [_whole(client, number) for number in range(1, 5)]
    sizes = [int(line.split()[1]) for line in client.list()[1]]
    ids = client.uidl()[1]
    client.quit()

    assert [_below_trace(message).removeprefix(b"\r\n") for message in read] == messages
    assert sizes == [len(message) for message in read]
    assert _fetch(pop3_site, "ben").uidl()[1] == ids


def test_tls(pop3_site: RunningSite) -> None:
    """STLS and TLS from the start; passwords in clear are refused where no network is named."""
    _send(pop3_site, "cat", b"Subject: x\r\n\r\n")
    plain = poplib.POP3("127.0.0.1", pop3_site.ports["strict"], timeout=20)
    implicit = poplib.POP3_SSL("127.0.0.1", pop3_site.ports["pop3s"], context=_untrusting(), timeout=20)

    assert "USER" not in plain.capa()
    with pytest.raises(poplib.error_proto, match="Passwords are not taken in clear text here: send STLS first"):
        plain.user("cat@hosted.test")
    plain.stls(_untrusting())
    for client in (plain, implicit):
        assert "STLS" not in client.capa()
        client.user("cat@hosted.test")
        client.pass_(PASSWORD)
        assert client.stat()[0] == 1
        client.quit()


def test_what_comes_behind_stls_in_clear(pop3_site: RunningSite) -> None:
    """It is never answered: an attacker between could have put it there."""
    with Reader(pop3_site.ports["strict"]) as reader:
        reader.reply()
        reader.send(b"STLS\r\nUSER mallory@hosted.test\r\nCAPA\r\n")
        assert reader.reply() == "+OK Begin TLS now"
        reader.start_tls()

        assert reader.type("NOOP").startswith("-ERR Log in first")
        assert reader.type("PASS x").startswith("-ERR Send USER")


def test_a_client_that_pipelines(pop3_site: RunningSite) -> None:
    """A whole session in one segment, answered in order; what was deleted is gone."""
    _send(pop3_site, "dan", b"Subject: one\r\n\r\n", b"Subject: two\r\n\r\n")
    commands = ("CAPA", "USER dan@hosted.test", f"PASS {PASSWORD}", "UIDL", "RETR 1", "DELE 1", "TOP 2 0", "QUIT")

    with Reader(pop3_site.ports["pop3"]) as reader:
        reader.send("".join(f"{command}\r\n" for command in commands).encode())
        said = reader.rest().decode()

    assert len(re.findall(r"^\+OK", said, re.MULTILINE)) == len(commands) + 1
    assert said.endswith("Subject: two\r\n\r\n.\r\n+OK Goodbye\r\n")
    assert _fetch(pop3_site, "dan").stat()[0] == 1


def test_exclusive_maildrop(pop3_site: RunningSite) -> None:
    """The second session is told that the maildrop is in use, until the first has gone."""
    with Reader(pop3_site.ports["single"]) as first, Reader(pop3_site.ports["single"]) as second:
        for reader in (first, second):
            reader.reply()
            reader.type("user fay@hosted.test")
        assert first.type(f"pass {PASSWORD}").startswith("+OK")
        assert second.type(f"pass {PASSWORD}").startswith("-ERR [IN-USE]")
        first.type("quit")
        second.type("user fay@hosted.test")
        assert second.type(f"pass {PASSWORD}").startswith("+OK")


def test_new_password_ends_the_session(pop3_site: RunningSite) -> None:
    """Whoever logged in with the old one is out within seconds."""
    pop3_site.add_account("gus@hosted.test", PASSWORD)
    with Reader(pop3_site.ports["pop3"]) as reader:
        reader.reply()
        reader.type("user gus@hosted.test")
        reader.type(f"pass {PASSWORD}")

        pop3_site.mta("account", "password", "gus@hosted.test", "--password-stdin", stdin="another one\n")

        assert reader.reply().startswith("-ERR [AUTH] The login is no longer valid")
        assert reader.rest() == b""


def test_utf8_in_headers(pop3_site: RunningSite) -> None:
    """Who says UTF8 gets the message as it was sent; who doesn't reads the same subject in ASCII."""
    pop3_site.add_account("hal@hosted.test", PASSWORD)
    message = "From: J\u00fcrgen <j@elsewhere.test>\r\nSubject: Gr\u00fc\u00dfe\r\n\r\nc\u0153ur\r\n".encode()
    _send(pop3_site, "hal", message)
    plain = _fetch(pop3_site, "hal")
    able = poplib.POP3("127.0.0.1", pop3_site.ports["pop3"], timeout=20)
    able.utf8()
    able.user("hal@hosted.test")
    able.pass_(PASSWORD)

    assert _below_trace(_whole(able, 1)) == message
    surrogate = _below_trace(_whole(plain, 1))
    head, _, body = surrogate.partition(b"\r\n\r\n")
    read = email.message_from_bytes(surrogate, policy=email.policy.default)

    assert head.isascii()
    assert body == "c\u0153ur\r\n".encode()
    assert (read["Subject"], read["From"]) == ("Gr\u00fc\u00dfe", "J\u00fcrgen <j@elsewhere.test>")


def test_no_tls_where_it_comes_first(pop3_site: RunningSite) -> None:
    """Who speaks clear text to the port for TLS is disconnected, and the log says why."""
    with Reader(pop3_site.ports["pop3s"]) as reader:
        reader.send(b"USER ann@hosted.test\r\n")

        assert b"+OK" not in reader.rest()
    wait_until(lambda: "TLS with 127.0.0.1 failed: " in pop3_site.log)


def test_hostile_input(pop3_site: RunningSite) -> None:
    """Every line gets an answer, then the senseless are closed; nothing is dropped without a word."""
    with Reader(pop3_site.ports["pop3"]) as reader:
        reader.reply()
        for line in (b"", b"\x00", b"\xff\xff", b"user " + b"x" * 100_000, b"xyzzy"):
            reader.send(line + b"\r\n")
            assert reader.reply().startswith("-ERR")
        reader.send(b"foo\r\n" * 30)
        assert reader.rest().endswith(b"-ERR Too many errors: closing the connection\r\n")


def test_client_that_vanishes(pop3_site: RunningSite) -> None:
    """Reset in the middle of a message: nothing is deleted, nobody else notices."""
    _send(pop3_site, "eve", b"Subject: long\r\n\r\n" + PIECE * (3 * MEGABYTE // len(PIECE)))
    with Reader(pop3_site.ports["pop3"]) as reader:
        reader.reply()
        reader.type("user eve@hosted.test")
        reader.type(f"pass {PASSWORD}")
        reader.type("dele 1")
        reader.type("rset")
        reader.send(b"retr 1\r\ndele 1\r\nquit\r\n")
        reader.reply()
        reader.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        reader.close()

    wait_until(lambda: "0 messages fetched, 0 deleted" in pop3_site.log)
    assert _fetch(pop3_site, "eve").stat()[0] == 1


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs /proc")
def test_fifty_megabytes_take_no_memory(pop3_site: RunningSite) -> None:
    """A message is sent piece by piece, as the client takes it, over TLS too: less than 5 MB for 45."""
    _send(pop3_site, "eve", b"Subject: huge\r\n\r\n" + PIECE * (45 * MEGABYTE // len(PIECE)))
    assert pop3_site.process is not None
    status = Path(f"/proc/{pop3_site.process.pid}/status")

    def resident() -> int:
        found = re.search(r"VmRSS:\s+(\d+) kB", status.read_text())
        assert found is not None
        return int(found[1])

    for port in ("pop3s", "strict"):
        client = socket.create_connection(("127.0.0.1", pop3_site.ports[port]), 20)
        lines = client.makefile("rb")
        if port == "strict":
            lines.readline()
            client.sendall(b"STLS\r\n")
            lines.readline()
        client = _untrusting().wrap_socket(client)
        lines = client.makefile("rb")
        if port == "pop3s":
            lines.readline()
        client.sendall(f"USER eve@hosted.test\r\nPASS {PASSWORD}\r\n".encode())
        lines.readline()
        lines.readline()
        before, most, got = resident(), 0, 0
        client.sendall(b"RETR 2\r\n")
        lines.readline()
        while not (block := lines.read1(1 << 20)).endswith(b"\r\n.\r\n"):
            got += len(block)
            if got // MEGABYTE % 5 == 0:
                most = max(most, resident())
        assert got > 45 * MEGABYTE
        assert most - before < 5000
        client.sendall(b"QUIT\r\n")
        lines.close()
        client.close()


def test_server_stops(tmp_path: Path) -> None:
    """Those who are connected are told, and their marks are forgotten."""
    at = "tcp:0:interface=127.0.0.1"
    listeners = "".join(
        f'[listen.{role}]\nendpoint = "{at}"\nrole = "{role}"\n{more}'
        for role, more in (("mx", ""), ("pop3", 'plaintext_login = ["127.0.0.0/8"]\n'))
    )
    site = RunningSite(tmp_path, DOMAIN, listeners).start()
    site.add_account("ann@hosted.test", PASSWORD)
    _send(site, "ann", b"Subject: x\r\n\r\n")
    client = _fetch(site, "ann")
    ids = client.uidl()[1]
    client.dele(1)

    assert site.stop() == 0
    assert client.file.readline().startswith(b"-ERR [SYS/TEMP] The server is shutting down")
    site.start()
    assert _fetch(site, "ann").uidl()[1] == ids
    assert site.stop() == 0
    assert "Traceback" not in site.log
