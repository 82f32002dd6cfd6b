"""Hosts that misbehave at every stage, however they are spoken to: each has its exact outcome, over real sockets."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from scripted_host import DROP, HANG_UP, HEADER, SILENCE, TEXT, Scene, ScriptedHost, Slowly, message_to

from twistedmail_mta.deliver.connection import Timeouts
from twistedmail_mta.model import Deferred, Delivered, Failed, FileBody, NextHop, Outcome, Unconfirmed

Brief = tuple[type[Outcome], int, str]

STUFFED = HEADER + b"." + TEXT
LARGE = FileBody("large", 900_000)
SHORT = 0.15
"""Seconds that a silent host gets."""


@dataclass(frozen=True)
class Way:
    """A way to speak to a host."""

    name: str
    extensions: tuple[str, ...] = ("PIPELINING",)
    lmtp: bool = False
    socket: bool = False

    def start(self, scene: Scene, folder: Path, answers: dict[str, Any]) -> tuple[ScriptedHost, NextHop]:
        """Start a host that is spoken to in this way."""
        address = str(folder / "host") if self.socket else "127.0.0.1"
        host = scene.host(address, answers=answers, extensions=self.extensions, lmtp=self.lmtp)
        if self.socket:
            return host, NextHop(address, 0, tls="none", lmtp=True)
        return host, NextHop(address, host.port, lmtp=self.lmtp)

    @property
    def remote(self) -> str:
        return "localhost" if self.socket else "127.0.0.1"


CHUNKS = ("PIPELINING", "CHUNKING")
WAYS = [
    Way("one by one", ()),
    Way("pipelined"),
    Way("chunks", CHUNKS),
    Way("LMTP", lmtp=True),
    Way("LMTP chunks", CHUNKS, lmtp=True, socket=True),
]

LOST, MUTE, ODD = (Deferred, 451, "4.4.2"), (Deferred, 451, "4.4.2"), (Deferred, 451, "4.5.0")
TAKEN = (Delivered, 250, "2.0.0")
STAGES: list[tuple[str, Any, Brief]] = [
    ("GREETING", b"450 4.3.2 not now\r\n", (Deferred, 451, "4.3.2")),
    ("GREETING", b"554 5.7.1 go away\r\n", (Deferred, 451, "4.7.1")),
    ("GREETING", b"421 4.3.2 busy\r\n", (Deferred, 421, "4.3.2")),
    ("GREETING", DROP, LOST),
    ("GREETING", SILENCE, MUTE),
    ("GREETING", Slowly(b"220-host\r\n220 slow\r\n"), TAKEN),
    ("GREETING", b"HTTP/1.0 400 Bad Request\r\n", ODD),
    ("EHLO", b"450 4.3.0 not now\r\n", (Deferred, 451, "4.3.0")),
    ("EHLO", b"550 no\r\n", (Deferred, 451, "4.3.2")),
    ("EHLO", b"421 bye\r\n", (Deferred, 421, "")),
    ("EHLO", DROP, LOST),
    ("EHLO", SILENCE, MUTE),
    ("EHLO", b"\x00\xff\r\n", ODD),
    ("MAIL", b"451 4.7.1 greylisted\r\n", (Deferred, 451, "4.7.1")),
    ("MAIL", b"550 5.7.1 no\r\n", (Failed, 550, "5.7.1")),
    ("MAIL", b"421 4.7.0 bye\r\n", (Deferred, 421, "4.7.0")),
    ("MAIL", DROP, LOST),
    ("MAIL", SILENCE, MUTE),
    ("MAIL", Slowly(b"250 ok\r\n"), TAKEN),
    ("MAIL", b"ok!\r\n", ODD),
    ("MAIL", b"354 go\r\n", ODD),
    ("RCPT", b"450 4.2.1 later\r\n", (Deferred, 450, "4.2.1")),
    ("RCPT", b"452 4.5.3 too many\r\n", (Deferred, 452, "4.5.3")),
    ("RCPT", b"550 5.1.1 no\r\n", (Failed, 550, "5.1.1")),
    ("RCPT", b"552 5.2.2 full\r\n", (Deferred, 452, "4.2.2")),
    ("RCPT", b"421 bye\r\n", (Deferred, 421, "")),
    ("RCPT", DROP, LOST),
    ("RCPT", SILENCE, MUTE),
    ("RCPT", Slowly(b"250-ok\r\n250 ok\r\n"), TAKEN),
    ("RCPT", b"\r\n", ODD),
    ("DATA", b"451 4.3.0 later\r\n", (Deferred, 451, "4.3.0")),
    ("DATA", b"554 5.6.0 no\r\n", (Failed, 554, "5.6.0")),
    ("DATA", b"421 bye\r\n", (Deferred, 421, "")),
    ("DATA", DROP, LOST),
    ("DATA", SILENCE, MUTE),
    ("DATA", Slowly(b"354 go\r\n"), TAKEN),
    ("DATA", b"250 ok\r\n", ODD),
    ("BDAT", b"452 4.3.1 disk\r\n", (Deferred, 452, "4.3.1")),
    ("BDAT", b"552 5.3.4 too large\r\n", (Failed, 552, "5.3.4")),
    ("BDAT", b"502 5.5.1 what is BDAT?\r\n", (Deferred, 451, "4.5.1")),
    ("BDAT", b"421 bye\r\n", (Deferred, 421, "")),
    ("BDAT", Slowly(b"250 2.0.0 part\r\n"), TAKEN),
    ("END", b"451 4.3.0 later\r\n", (Deferred, 451, "4.3.0")),
    ("END", b"554 5.7.1 spam\r\n", (Failed, 554, "5.7.1")),
    ("END", b"421 bye\r\n", (Deferred, 421, "")),
    ("END", DROP, (Unconfirmed, 451, "4.4.2")),
    ("END", SILENCE, (Unconfirmed, 451, "4.4.2")),
    ("END", Slowly(b"250 2.0.0 ok\r\n"), TAKEN),
    ("END", b"hm\r\n", (Unconfirmed, 451, "4.5.0")),
    ("END", b"221 bye\r\n", (Unconfirmed, 451, "4.5.0")),
    ("END", b"354 go\r\n", (Unconfirmed, 451, "4.5.0")),
    ("QUIT", HANG_UP, TAKEN),
    ("QUIT", SILENCE, TAKEN),
    ("QUIT", b"what?\r\n", TAKEN),
]


def cases() -> Iterator[Any]:
    """Yield every way with every stage that it has."""
    for way in WAYS:
        chunked = way.extensions == CHUNKS
        for place, (stage, answer, expected) in enumerate(STAGES):
            if stage != ("DATA" if chunked else "BDAT"):
                yield pytest.param(way, stage, answer, expected, id=f"{way.name}-{stage}-{place}")


def brief(outcomes: Any) -> list[Brief]:
    return [(type(outcome), outcome.reply.code, outcome.reply.status) for outcome in outcomes]


@pytest.mark.parametrize(("way", "stage", "answer", "expected"), list(cases()))
@pytest_twisted.ensureDeferred
async def test_every_stage(  # noqa: PLR0917 - pytest names them
    scene: Scene, tmp_path: Path, way: Way, stage: str, answer: Any, expected: Brief
) -> None:
    """Each way to fail at each stage has its exact outcome, the same over SMTP and LMTP, DATA and BDAT."""
    if answer is SILENCE:
        phase = {"GREETING": "greeting", "EHLO": "ehlo", "END": "final"}.get(stage, stage.lower())
        scene.timeouts = Timeouts() if stage == "QUIT" else replace(Timeouts(), **{phase: SHORT})
    host, next_hop = way.start(scene, tmp_path, {stage: answer})
    message = message_to("bob", body=LARGE) if stage == "BDAT" else message_to("bob")

    outcomes = await scene.deliver(message, next_hop)

    assert brief(outcomes) == [expected]
    assert outcomes[0].remote.startswith(f"{way.remote} [")  # type: ignore[union-attr]
    if expected == TAKEN and stage != "BDAT":
        assert host.messages == [HEADER + TEXT if way.extensions == CHUNKS else STUFFED]


LMTP = [way for way in WAYS if way.lmtp]
IDS = [way.name for way in LMTP]


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        ([b"250 2.0.0 a\r\n", b"452 4.2.2 full\r\n"], [TAKEN, (Deferred, 452, "4.2.2")]),
        ([b"552 5.2.2 full\r\n", b"250 2.0.0 b\r\n"], [(Failed, 552, "5.2.2"), TAKEN]),
        ([b"250 2.0.0 a\r\n", HANG_UP], [TAKEN, (Unconfirmed, 451, "4.4.2")]),
        ([b"250 2.0.0 a\r\n", b""], [TAKEN, (Unconfirmed, 451, "4.5.0")]),  # what comes next is QUIT's
        ([b"250 2.0.0 a\r\n", SILENCE], [TAKEN, (Unconfirmed, 451, "4.4.2")]),
        ([b"250 2.0.0 a\r\n", b"hm\r\n"], [TAKEN, (Unconfirmed, 451, "4.5.0")]),
        ([b"550 5.2.1 off\r\n", b"421 4.3.2 bye\r\n"], [(Failed, 550, "5.2.1"), (Deferred, 421, "4.3.2")]),
        ([b"421 4.3.2 bye\r\n", SILENCE], [(Deferred, 421, "4.3.2")] * 2),
        ([Slowly(b"250-2.0.0 a\r\n250 2.0.0 b\r\n"), b"250 2.0.0 c\r\n"], [TAKEN, TAKEN]),
    ],
)
@pytest.mark.parametrize("way", LMTP, ids=IDS)
@pytest_twisted.ensureDeferred
async def test_answers_for_each(scene: Scene, tmp_path: Path, way: Way, answers: list[Any], expected: Any) -> None:
    """Each recipient taken has an answer of its own; a lost one is in doubt for nobody else (RFC 2033 section 5)."""
    if SILENCE in answers:
        scene.timeouts = replace(Timeouts(), final=SHORT)
    rcpt = [b"250 ok\r\n", b"550 5.1.1 nobody\r\n", b"250 ok\r\n"]
    _, next_hop = way.start(scene, tmp_path, {"RCPT": rcpt, "END": list(answers)})

    outcomes = await scene.deliver(message_to("bob", "nobody", "eve"), next_hop)

    bob, eve = expected
    assert brief(outcomes) == [bob, (Failed, 550, "5.1.1"), eve]


@pytest.mark.parametrize("way", LMTP, ids=IDS)
@pytest_twisted.ensureDeferred
async def test_the_same_recipient_twice(scene: Scene, tmp_path: Path, way: Way) -> None:
    """As many answers as RCPT commands, whoever they name (RFC 2033 section 4.2)."""
    host, next_hop = way.start(scene, tmp_path, {"END": [b"250 2.0.0 a\r\n", b"452 4.2.2 b\r\n"]})

    outcomes = await scene.deliver(message_to("bob", "bob"), next_hop)

    assert brief(outcomes) == [TAKEN, (Deferred, 452, "4.2.2")]
    assert host.commands[0] == b"LHLO mail.example.org"


@pytest_twisted.ensureDeferred
async def test_no_socket(scene: Scene, tmp_path: Path) -> None:
    """A unix socket that isn't there, or where nobody listens, is a host that is down."""
    missing = await scene.deliver(message_to("bob"), NextHop(str(tmp_path / "none"), 0, tls="none", lmtp=True))

    assert brief(missing) == [(Deferred, 451, "4.4.1")]


@pytest.mark.parametrize(("lmtp", "answers"), [(True, {"LHLO": b"500 what?\r\n"}), (False, {})])
@pytest_twisted.ensureDeferred
async def test_the_other_protocol(scene: Scene, lmtp: bool, answers: dict[str, bytes]) -> None:
    """Mail waits where LMTP and SMTP are mistaken for each other (RFC 2033 section 4.1)."""
    host = scene.host(lmtp=not lmtp, answers=answers)

    outcomes = await scene.deliver(message_to("bob"), NextHop("127.0.0.1", host.port, lmtp=lmtp))

    assert type(outcomes[0]) is Deferred
    assert not host.messages


@pytest.mark.parametrize("way", [way for way in WAYS if way.extensions == CHUNKS], ids=["SMTP", "LMTP"])
@pytest_twisted.ensureDeferred
async def test_large_message_in_chunks(scene: Scene, tmp_path: Path, way: Way) -> None:
    """Counted chunks without a wait between them, the octets as they are stored, and an end that isn't empty."""
    host, next_hop = way.start(scene, tmp_path, {})

    outcomes = await scene.deliver(message_to("bob", body=LARGE), next_hop)

    assert brief(outcomes) == [TAKEN]
    line = scene.bodies.line
    assert host.messages == [HEADER + (line * (LARGE.size // len(line) + 1))[: LARGE.size]]
    *chunks, last = [line for line in host.commands if line.startswith(b"BDAT")]
    assert [chunk.split()[1:] for chunk in chunks] == [[b"%d" % (262_144 + len(HEADER))], *[[b"262144"]] * 2]
    assert last == b"BDAT 113568 LAST"
