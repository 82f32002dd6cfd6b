"""Messages that are hard to carry, and how to compare what arrived."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from interop_daemons import eventually

_RECEIVED = re.compile(rb"^Received:[^\n]*\n(?:[ \t][^\n]*\n)*", re.MULTILINE)


def letter(token: str, sender: str, recipient: str, body: bytes, *fields: str) -> bytes:
    """Return a whole message with CRLF line ends; `token` makes it findable."""
    header = (
        f"From: <{sender}>",
        f"To: <{recipient}>",
        f"Subject: {token}",
        f"Message-ID: <{token}@interop.test>",
        "Date: Sat, 21 Nov 2026 05:00:00 +0000",
        *fields,
    )
    return "\r\n".join((*header, "", "")).encode() + body


def hostile_bodies() -> dict[str, bytes]:
    """Return bodies by name that a careless server would change."""
    octets = Random(7)
    eight_bit = bytes(octets.choice([*range(0x20, 0x7F), *range(0x80, 0x100)]) for _ in range(5000))
    lines = [eight_bit[start : start + 70] for start in range(0, 5000, 70)]
    return {
        "dots": b".\r\n..\r\n...\r\n.x\r\n\r\n.\r\n. \r\n.\t.\r\n",
        "eight-bit": b"\r\n".join(lines) + b"\r\n" + "Gr\u00fc\u00dfe \u2013 \u4f60\u597d\r\n".encode(),
        "long-lines": b"x" * 998 + b"\r\n." + b"y" * 1500 + b"\r\n" + b"." * 4000 + b"\r\n",
        "from-lines": b"From nobody Sat Nov 21 05:00:00 2026\r\n>From somebody\r\nFrom \r\n",
        "spaces": b" \r\n\t\r\ntrailing   \r\n \t \r\n\r\n\r\n\r\n",
        "empty": b"",
        "commands": b"QUIT\r\nRSET\r\nMAIL FROM:<a@b>\r\n.\r\n250 ok\r\n",
        "megabyte": b"".join(b".%07d " % number + bytes([97 + number % 26]) * 60 + b"\r\n" for number in range(14800)),
    }


@dataclass
class Maildir:
    """The mail a peer has delivered; each message is handed out once by its token."""

    folder: Path
    _texts: dict[Path, bytes] = field(default_factory=dict)

    def message(self, token: str) -> bytes:
        """Wait for the message whose subject is `token`, and return the file."""
        return eventually(lambda: self.find(token), f"{token} arrives in {self.folder}")

    def find(self, token: str) -> bytes | None:
        """Return the message whose subject is `token` if it is there."""
        subject = f"\nSubject: {token}\n".encode()
        return self._find(lambda stored: subject in stored.partition(b"\n\n")[0])

    def report(self, token: str) -> bytes:
        """Wait for the delivery report about the message `token`, and return the file."""
        texts = (b"report-type=", f"<{token}@interop.test>".encode())
        wanted = lambda stored: all(text in stored for text in texts)  # noqa: E731 - one line
        return eventually(lambda: self._find(wanted), f"a report about {token} arrives in {self.folder}")

    def _find(self, wanted: Callable[[bytes], bool]) -> bytes | None:
        for path in self.folder.glob("new/*"):
            if path not in self._texts:
                self._texts[path] = path.read_bytes()
        return next(filter(wanted, self._texts.values()), None)


def trace_fields(stored: bytes) -> list[str]:
    """Return the Received fields of a stored message, the latest first, each on one line."""
    return [" ".join(one.decode().split()) for one in _RECEIVED.findall(stored)]


def below_received_by(stored: bytes, host: str) -> bytes:
    """Return what follows the Received field that `host` wrote."""
    for match in _RECEIVED.finditer(stored):
        if re.search(rb"\sby " + re.escape(host.encode()) + rb"[\s;]", match[0]):
            return stored[match.end() :]
    raise AssertionError(f"{host} wrote no Received field:\n{stored[:2000]!r}")


def as_stored(message: bytes) -> bytes:
    """Return a message as a Maildir holds it: its line ends are LF."""
    return message.replace(b"\r\n", b"\n")
