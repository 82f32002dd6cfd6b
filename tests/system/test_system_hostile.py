"""Peers that mean harm, or don't care: they cost little and hurt nobody else."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from running_site import RunningSite, wait_until
from typist import Typist

from twistedmail_mta.control.client import ControlClient, RefusedError

MIB = 1 << 20


@pytest.fixture(scope="module")
def strict_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSite]:
    """A site with little patience."""
    site = RunningSite(
        tmp_path_factory.mktemp("strict"),
        '[domains."relayed.test"]\nrelay_to = "smtp://127.0.0.1:9"\nrecipients = "any"\n'
        '[limits]\nidle = "2s"\ntransaction = "3s"\nmessage_size = "2MB"\nrecipients = 3\n'
        "connections_per_client = 5\nerrors = 8\n",
    )
    yield site.start()
    assert site.stop() == 0
    assert "Traceback" not in site.log


def memory_of(site: RunningSite) -> int:
    """Resident octets of the server."""
    assert site.process is not None
    return int(Path(f"/proc/{site.process.pid}/statm").read_text().split()[1]) * 4096


def dripped(typist: Typist, octets: bytes) -> bytes:
    """Send the same octets five times a second until the server has enough; return what it said."""
    typist.socket.settimeout(0.2)
    answer, deadline = b"", time.monotonic() + 20
    while b"421" not in answer and time.monotonic() < deadline:
        try:
            typist.send(octets)
            answer += typist.socket.recv(1000)
        except TimeoutError:
            continue
        except OSError:
            break
    return answer


def test_slow_loris(strict_site: RunningSite) -> None:
    """A command that never gets complete isn't waited for, however steadily its octets come."""
    with Typist(strict_site.ports["mx"]) as typist:
        typist.reply()
        assert b"421 4.4.2" in dripped(typist, b"E")


def test_slow_body(strict_site: RunningSite) -> None:
    """The whole transaction has an end, even if every octet comes in time."""
    with Typist(strict_site.ports["mx"]) as typist:
        for line in ("EHLO me", "MAIL FROM:<>", "RCPT TO:<a@relayed.test>", "DATA"):
            typist.send(line.encode() + b"\r\n")
        assert b"421 4.4.2" in dripped(typist, b"x\r\n")


def test_no_line_end(site: RunningSite) -> None:
    """50 MB without a line end cost no memory, and are answered."""
    with Typist(site.ports["mx"]) as typist:
        typist.reply()
        before = memory_of(site)
        try:
            for _ in range(50):
                typist.send(b"A" * MIB)
        except OSError:
            pass
        assert memory_of(site) - before < 20 * MIB
        answer = typist.rest() if _closed(typist) else typist.type("") + typist.type("NOOP")

    assert "500" in str(answer) or "421" in str(answer)


def _closed(typist: Typist) -> bool:
    try:
        typist.send(b"\r\n")
    except OSError:
        return True
    return False


def test_junk_commands(strict_site: RunningSite) -> None:
    """10,000 junk commands are answered slowly, then not at all."""
    with Typist(strict_site.ports["mx"]) as typist:
        typist.reply()
        with contextlib.suppress(OSError):
            typist.send(b"JUNK\r\n" * 10_000)
        answers = typist.rest().split(b"\r\n")

    assert len(answers) <= 15
    assert any(answer.startswith(b"421 4.7.0") for answer in answers)


def test_others_are_served_meanwhile(site: RunningSite) -> None:
    """While one client floods, another gets its answers."""
    with Typist(site.ports["mx"]) as flood, Typist(site.ports["mx"]) as other:
        flood.reply()
        flood.socket.setblocking(False)
        with contextlib.suppress(OSError):
            flood.send(b"A" * (5 * MIB))
        assert other.reply().startswith("220")
        assert other.type("EHLO me").startswith("250")


def test_too_many_recipients(strict_site: RunningSite) -> None:
    """Past the limit a recipient is for the next transaction; those before it stand."""
    with Typist(strict_site.ports["mx"]) as typist:
        typist.reply()
        typist.type("EHLO me")
        typist.type("MAIL FROM:<>")
        replies = [typist.type(f"RCPT TO:<user{n}@relayed.test>") for n in range(5)]

    assert [reply[:9] for reply in replies] == ["250 2.1.5"] * 3 + ["452 4.5.3"] * 2


def test_too_large(strict_site: RunningSite) -> None:
    """Size is refused at MAIL when announced, and once at the end when not."""
    with Typist(strict_site.ports["mx"]) as typist:
        typist.reply()
        typist.type("EHLO me")
        assert typist.type("MAIL FROM:<> SIZE=3000000").startswith("552 5.3.4")
        typist.type("MAIL FROM:<>")
        typist.type("RCPT TO:<a@relayed.test>")
        typist.type("DATA")
        typist.send(b"Subject: x\r\n\r\n" + (b"y" * 998 + b"\r\n") * 2500 + b".\r\n")
        assert typist.reply().startswith("552 5.3.4")
        assert typist.type("NOOP").startswith("250")


def test_far_too_large(strict_site: RunningSite) -> None:
    """Past twice the limit the session ends."""
    with Typist(strict_site.ports["mx"]) as typist:
        typist.reply()
        for line in ("EHLO me", "MAIL FROM:<>", "RCPT TO:<a@relayed.test>", "DATA"):
            typist.type(line)
        try:
            for _ in range(8):
                typist.send((b"y" * 998 + b"\r\n") * 1000)
        except OSError:
            pass
        assert b"250 2.0.0 Ok: queued" not in typist.rest()


def test_too_many_connections(strict_site: RunningSite) -> None:
    """One network can't take every place; another one still gets in."""
    crowd = [Typist(strict_site.ports["mx"], source="127.0.0.7") for _ in range(6)]
    greetings = [typist.reply()[:3] for typist in crowd]
    with Typist(strict_site.ports["mx"], source="127.0.0.8") as other:
        assert other.reply().startswith("220")
    for typist in crowd:
        typist.close()

    assert sorted(greetings) == ["220"] * 5 + ["421"]


def test_going_in_circles(site: RunningSite) -> None:
    """A message with more than 100 Received fields is in a loop (RFC 5321 section 6.3)."""
    with Typist(site.ports["mx"]) as typist:
        typist.reply()
        for line in ("EHLO me", "MAIL FROM:<>", "RCPT TO:<a@relayed.test>", "DATA"):
            typist.type(line)
        typist.send(b"Received: from a by b; Sat, 21 Nov 2026 00:00:00 +0000\r\n" * 101 + b"\r\nx\r\n.\r\n")
        assert typist.reply().startswith("554 5.4.6")


def test_reset_in_the_middle(site: RunningSite) -> None:
    """Connections reset at any point leave no traceback; the fixture looks for one."""
    for octets in (
        b"",
        b"EHLO me\r\n",
        b"EHLO me\r\nMAIL FROM:<>\r\nRCPT TO:<a@relayed.test>\r\nDATA\r\nhalf",
        b"STARTTLS\r\n",
    ):
        with Typist(site.ports["mx"]) as typist:
            typist.reply()
            typist.send(octets)
            typist.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
    with Typist(site.ports["mx"]) as typist:
        wait_until(lambda: typist.reply().startswith("220"))


@pytest.mark.parametrize("recipients", [None, [1], [[1, 2]], [["a", "b", "c"]], [[1, 2, 3.5]], [[1, 2, {}]], {}])
def test_nonsense_on_the_control_socket(site: RunningSite, recipients: object) -> None:
    """What can't be understood is refused in words; the fixture looks for a traceback."""
    with ControlClient(site.state) as control:
        with pytest.raises(RefusedError, match="needs recipients and wanted"):
            control.call("queue.changed", {"recipients": recipients, "wanted": True})
        assert control.call("queue.changed", {"recipients": [[1, 0, None]], "wanted": True}) == {}
