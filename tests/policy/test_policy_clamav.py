"""Viruses: what clamd is told, octet by octet; what comes of its answers, and of none."""

from __future__ import annotations

import struct
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import pytest_twisted
from pydantic import ValidationError
from repute_kit import stranger
from scanner_kit import HEADER, Daemons, Scripted, Text, arriving, kit, logged_in

from twistedmail_mta.model import Reply
from twistedmail_mta.plugins import find, verified
from twistedmail_mta.policy.clamav import TOO_LARGE, ClamAV
from twistedmail_mta.policy.daemon import DaemonError
from twistedmail_mta.stages import AddHeader, FileInto, Quarantine, RemoveHeader, RemoveRecipient

EICAR = "Eicar-Test-Signature"

Ask = Callable[..., Any]


class Clamd(Daemons):
    """Reads INSTREAM as clamd does, and says what it is told to."""

    def __init__(self, says: bytes, most: int = 1 << 30) -> None:
        super().__init__(self.look)
        self.says, self.most = says, most
        self.scanned: list[bytes] = []
        self.chunks: list[int] = []

    def look(self, connection: Scripted) -> None:
        command, _, rest = connection.received.partition(b"\0")
        if command != b"zINSTREAM":
            return
        text = b""
        while len(rest) >= 4:
            (size,) = struct.unpack("!L", rest[:4])
            if len(text) + size > self.most:
                connection.say(b"INSTREAM size limit exceeded. ERROR\0")
                connection.hang_up()
            if len(rest) < 4 + size:
                return
            text, rest = text + rest[4 : 4 + size], rest[4 + size :]
            self.chunks.append(size)
            if not size:
                self.scanned.append(text)
                connection.say(self.says)
                connection.hang_up()


@pytest_twisted.async_yield_fixture
async def ask() -> AsyncIterator[Ask]:
    """Asks about a message, of a clamd that says something."""
    started: list[Clamd] = []

    async def asked(clamd: Clamd | bytes, message: Any = None, client: Any = None, **options: Any) -> Any:
        daemon = clamd if isinstance(clamd, Clamd) else Clamd(clamd)
        started.append(daemon)
        policy = ClamAV(ClamAV.Options(server=daemon.listen(), **options), kit())  # type: ignore[arg-type]
        return await policy.message(client or stranger(), message or arriving())

    yield asked
    for each in started:
        await each.stop()


def test_it_is_a_plugin() -> None:
    """Its failures delay mail, unless the site file says otherwise."""
    kind = find("clamav")
    assert not kind.abstains
    assert verified("clamav", kind.make(kind.options(), kit()))


@pytest.mark.parametrize(
    "wrong",
    [
        {"server": "clamd"},
        {"server": []},
        {"max_size": "0B"},
        {"too_large": "maybe"},
        {"connections": 0},
        {"infected": "pass"},
    ],
)
def test_wrong_options(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        ClamAV.Options.model_validate(wrong)


@pytest.mark.parametrize("size", [0, 1, 65535, 65536, 65537, 300_000])
@pytest_twisted.ensureDeferred
async def test_all_octets_in_chunks(ask: Ask, size: int) -> None:
    """Header and body, behind a line that makes mail of it; at most 64 KiB at a time."""
    clamd, body = Clamd(b"stream: OK\0"), Text(bytes(range(256)) * (size // 256) + b"x" * (size % 256))

    assert await ask(clamd, arriving(body)) is None

    assert clamd.scanned == [b"From mta\n" + HEADER + body.octets]
    assert max(clamd.chunks) <= 65536
    assert clamd.chunks[-1] == 0
    assert clamd.chunks.count(0) == 1
    assert max(body.pieces, default=0) <= 65536


@pytest_twisted.ensureDeferred
async def test_a_virus(ask: Ask) -> None:
    """Whoever sends it, the reply names what clamd calls it."""
    for client in (stranger(), logged_in()):
        answer = await ask(f"stream: {EICAR} FOUND\0".encode(), client=client)
        assert answer == Reply(554, "5.7.1", f"Message refused, it holds a virus: {EICAR}")


@pytest_twisted.ensureDeferred
async def test_names_of_signatures_are_made_printable(ask: Ask) -> None:
    """They may come from anywhere."""
    answer = await ask(b"stream: A\r\n250 \xff FOUND\0")
    assert answer.text.endswith("virus: A??250 ?")


@pytest_twisted.ensureDeferred
async def test_suspicions_are_filed(ask: Ask) -> None:
    """Signatures that a site wants in Junk."""
    changes = await ask(b"stream: Heuristics.Phishing.Email FOUND\0", junk=["Heuristics.*"])
    assert FileInto("Junk") in changes
    assert AddHeader("X-Virus-Status", "Suspicious (Heuristics.Phishing.Email)") in changes

    assert isinstance(await ask(f"stream: {EICAR} FOUND\0".encode(), junk=["Heuristics.*"]), Reply)


@pytest_twisted.ensureDeferred
async def test_what_becomes_of_a_virus(ask: Ask) -> None:
    """The site file says; in quarantine it is marked, and a stranger's own mark goes."""
    found = f"stream: {EICAR} FOUND\0".encode()
    assert await ask(found, infected="quarantine") == (
        RemoveHeader("X-Virus-Status"),
        AddHeader("X-Virus-Status", f"Infected ({EICAR})"),
        Quarantine(f"holds a virus: {EICAR}"),
    )
    both = arriving(recipients=("bob@example.org", "eve@example.org"))
    assert await ask(found, both, infected="discard") == tuple(
        RemoveRecipient(each.address) for each in both.envelope.recipients
    )
    assert await ask(b"stream: OK\0", infected="quarantine") is None


@pytest_twisted.ensureDeferred
async def test_the_mark(ask: Ask) -> None:
    """Only ours counts: a stranger's goes."""
    mark = AddHeader("X-Virus-Status", "Clean")
    assert await ask(b"stream: OK\0", mark=True) == (RemoveHeader("X-Virus-Status"), mark)
    assert await ask(b"stream: OK\0", client=logged_in(), mark=True) == (mark,)


@pytest_twisted.ensureDeferred
async def test_too_large(ask: Ask) -> None:
    """By our limit nobody is asked; by clamd's it says so before the end, and reads no further."""
    large = Text(b"x" * 8_000_000)
    for limit, options in ((1 << 30, {"max_size": "1MB"}), (1000, {})):
        clamd = Clamd(b"stream: OK\0", limit)
        assert await ask(clamd, arriving(large), too_large="refuse", **options) == TOO_LARGE
        assert not clamd.scanned
    assert not isinstance(await ask(Clamd(b"stream: OK\0", 1000), arriving(large)), Reply)


@pytest.mark.parametrize("says", [b"stream: Can't allocate memory ERROR\0", b"\0", b"stream: OK", b"UNKNOWN COMMAND\0"])
@pytest_twisted.ensureDeferred
async def test_no_verdict(ask: Ask, says: bytes) -> None:
    """Is a failure: the message isn't clean because clamd had no memory."""
    with pytest.raises(DaemonError):
        await ask(says)


@pytest_twisted.ensureDeferred
async def test_a_body_that_cant_be_read(ask: Ask) -> None:
    """Never is a part of it taken for the whole."""
    clamd = Clamd(b"stream: OK\0")
    with pytest.raises(OSError, match="disk"):
        await ask(clamd, arriving(Text(b"x" * 100, fails=True)))
    assert clamd.scanned == []


@pytest_twisted.ensureDeferred
async def test_nobody_there() -> None:
    policy = ClamAV(ClamAV.Options(server="unix:/nowhere/clamd.ctl"), kit())  # type: ignore[arg-type]
    with pytest.raises(DaemonError, match="nowhere"):
        await policy.message(stranger(), arriving())
