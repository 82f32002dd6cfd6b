"""Spam by SpamAssassin: what spamd is told; what comes of its score, and of no score."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import pytest_twisted
from repute_kit import Names, stranger
from scanner_kit import HEADER, Daemons, Scripted, Text, arriving, headers_of, kit, removed_by

from twistedmail_mta.plugins import find, verified
from twistedmail_mta.policy.daemon import DaemonError
from twistedmail_mta.policy.spamd import REFUSED, Spamd
from twistedmail_mta.stages import FileInto, Quarantine

Ask = Callable[..., Any]

HAM = b"SPAMD/1.1 0 EX_OK\r\nContent-length: 17\r\nSpam: False ; -0.1 / 5.0\r\n\r\nALL_TRUSTED,OTHER"
REPORT = (
    b"Subject: hi\nX-Spam-Checker-Version: SpamAssassin 4.0.1 on here\nX-Spam-Level: *******\n"
    b"X-Spam-Status: Yes, score=7.0 required=5.0 tests=ONE,TWO,\n\tTHREE autolearn=no\n\tversion=4.0.1\n\n"
)


def spam(score: float, tests: bytes = b"GTUBE", required: float = 5.0) -> bytes:
    said = "True" if score >= required else "False"
    head = f"SPAMD/1.1 0 EX_OK\r\nContent-length: {len(tests)}\r\nSpam: {said} ; {score} / {required}\r\n\r\n"
    return head.encode() + tests


class Assassin(Daemons):
    """Reads a question as spamd does, and answers."""

    def __init__(self, says: bytes) -> None:
        super().__init__(self.look)
        self.says = says
        self.asked: list[tuple[list[str], bytes]] = []

    def look(self, connection: Scripted) -> None:
        head, found, text = connection.received.partition(b"\r\n\r\n")
        lines = head.decode().split("\r\n")
        wanted = [int(line.split()[1]) for line in lines if line.startswith("Content-length:")]
        if found and len(text) >= wanted[0]:
            self.asked.append((lines, text))
            connection.say(self.says)
            connection.hang_up()


@pytest_twisted.async_yield_fixture
async def ask() -> AsyncIterator[Ask]:
    """Asks about a message, of a spamd that says something."""
    started: list[Assassin] = []

    async def asked(spamd: Assassin | bytes, message: Any = None, client: Any = None, **options: Any) -> Any:
        daemon = spamd if isinstance(spamd, Assassin) else Assassin(spamd)
        started.append(daemon)
        names = Names()
        names.add("192.0.2.99", "PTR", "client.test.")
        names.add("client.test.", "A", "192.0.2.99")
        policy = Spamd(Spamd.Options.model_validate({"server": daemon.listen(), **options}), kit(names=names))
        return await policy.message(client or stranger(), message or arriving())

    yield asked
    for each in started:
        await each.stop()


def test_it_is_a_plugin() -> None:
    """Its failures count for nothing, unless the site file says otherwise."""
    kind = find("spamd")
    assert kind.abstains
    assert verified("spamd", kind.make(kind.options(), kit()))


@pytest_twisted.ensureDeferred
async def test_the_question(ask: Ask) -> None:
    """The message with what final delivery puts above it, whose length is counted, for its recipient."""
    spamd, body = Assassin(HAM), Text(b"text\r\n" * 30_000)
    await ask(spamd, arriving(body))

    ((lines, text),) = spamd.asked
    assert lines == ["SYMBOLS SPAMC/1.5", f"Content-length: {len(text)}", "User: bob@example.org"]
    assert text.endswith(HEADER + body.octets)
    assert text.startswith(
        b"Return-Path: <ann@sender.test>\r\nReceived: from client.test (client.test [192.0.2.99])\r\n"
        b"\tby mail.example.org with ESMTP id 1A2B;\r\n\tFri, 15 Jan 2027 08:00:00 +0000\r\nSubject:"
    )
    assert max(body.pieces) <= 65536


@pytest.mark.parametrize(
    ("options", "recipients", "expected"),
    [
        ({"user": "local"}, ("bob@example.org",), ["User: bob"]),
        ({"user": "none"}, ("bob@example.org",), []),
        ({}, ("bob@example.org", "eve@example.org"), []),
        ({}, ("b\u00f6b@example.org",), ["User: b?b@example.org"]),
    ],
)
@pytest_twisted.ensureDeferred
async def test_whose_preferences_count(ask: Ask, options: Any, recipients: Any, expected: list[str]) -> None:
    spamd = Assassin(HAM)
    await ask(spamd, arriving(recipients=recipients), **options)
    assert spamd.asked[0][0][2:] == expected


@pytest_twisted.ensureDeferred
async def test_ham(ask: Ask) -> None:
    changes = await ask(HAM)
    assert headers_of(changes) == {
        "X-Spam-Score": "-0.10",
        "X-Spam-Status": "No, score=-0.10 required=5.00\r\n\ttests=ALL_TRUSTED,OTHER",
    }
    assert "X-Spam-Flag" in removed_by(changes)
    assert FileInto("Junk") not in changes


@pytest.mark.parametrize(
    ("score", "options", "flagged", "filed"),
    [
        (5.0, {}, True, True),
        (4.9, {}, False, False),
        (4.0, {"tag": 3.5}, True, True),
        (7.0, {"tag": 8.0}, False, False),
        (6.0, {"junk": 7.0}, True, False),
        (7.0, {"junk": 7.0, "mailbox": "Spam"}, True, True),
        (14.9, {"refuse": 15.0}, True, True),
    ],
)
@pytest_twisted.ensureDeferred
async def test_thresholds(ask: Ask, score: float, options: Any, flagged: bool, filed: bool) -> None:
    changes = await ask(spam(score), **options)
    assert ("X-Spam-Flag" in headers_of(changes)) == flagged
    assert (FileInto(options.get("mailbox", "Junk")) in changes) == filed


@pytest_twisted.ensureDeferred
async def test_refusal(ask: Ask) -> None:
    """From a score on; none where the site wants none."""
    assert await ask(spam(1000.0)) == REFUSED
    assert await ask(spam(6.0), refuse=6.0) == REFUSED
    changes = await ask(spam(1000.0), refuse="never", junk="never")
    assert headers_of(changes)["X-Spam-Flag"] == "YES"
    assert FileInto("Junk") not in changes


@pytest_twisted.ensureDeferred
async def test_quarantine(ask: Ask) -> None:
    """From a score on, below that of a refusal; marked all the same, and filed for the time when it is released."""
    changes = await ask(spam(9.0), quarantine=9.0)
    assert Quarantine("9.00 points") in changes
    assert headers_of(changes)["X-Spam-Flag"] == "YES"
    assert FileInto("Junk") in changes
    for score, options in ((8.9, {"quarantine": 9.0}), (14.9, {}), (14.9, {"quarantine": "never"})):
        assert not any(isinstance(each, Quarantine) for each in await ask(spam(score), **options))
    assert await ask(spam(15.0), quarantine=9.0) == REFUSED


@pytest_twisted.ensureDeferred
async def test_its_own_report(ask: Ask) -> None:
    """Fields that spamd would add are taken over; the verdict stands there once."""
    said = b"SPAMD/1.1 0 EX_OK\r\nContent-length: %d\r\nSpam: True ; 7.0 / 5.0\r\n\r\n%b" % (len(REPORT), REPORT)
    spamd = Assassin(said)
    changes = await ask(spamd, report=True)

    assert spamd.asked[0][0][0] == "HEADERS SPAMC/1.5"
    assert headers_of(changes) == {
        "X-Spam-Score": "7.00",
        "X-Spam-Status": "Yes, score=7.00 required=5.00\r\n\ttests=ONE,TWO,THREE",
        "X-Spam-Flag": "YES",
        "X-Spam-Level": "*******",
        "X-Spam-Checker-Version": "SpamAssassin 4.0.1 on here",
    }


@pytest_twisted.ensureDeferred
async def test_too_large(ask: Ask) -> None:
    """Isn't judged; a verdict that it brought along isn't ours."""
    spamd = Assassin(spam(1000.0))
    changes = await ask(spamd, arriving(b"x" * 2000), max_size="1KB")
    assert "X-Spam-Flag" in removed_by(changes)
    assert headers_of(changes) == {}
    assert spamd.asked == []


@pytest.mark.parametrize(
    "says",
    [
        b"SPAMD/1.1 76 Bad header line: nonsense\r\n",
        b"220 hello\r\n",
        b"SPAMD/1.1 0 EX_OK\r\nContent-length: 5\r\n\r\nGTUBE",
        b"SPAMD/1.1 0 EX_OK\r\nSpam: True ; 7 / 5\r\n\r\n",
        b"SPAMD/1.1 0 EX_OK\r\nContent-length: 99999999\r\nSpam: True ; 7 / 5\r\n\r\n",
        b"SPAMD/1.1 0 EX_OK\r\nContent-length: 50\r\nSpam: True ; 7 / 5\r\n\r\nGTUBE",
        b"SPAMD/1.1 0 EX_OK\r\nContent-length: 5\r\nSpam: True ; 7.1.1 / 5\r\n\r\nGTUBE",
        b"SPAMD/1.1 0 EX_OK\r\n" + b"X: y\r\n" * 100,
        b"",
    ],
)
@pytest_twisted.ensureDeferred
async def test_no_verdict(ask: Ask, says: bytes) -> None:
    with pytest.raises(DaemonError):
        await ask(says)
