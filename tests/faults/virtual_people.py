"""Who uses the sites: people who submit mail, and the home hosts where it ends."""

# ruff: noqa: N802 - Twisted's names

from __future__ import annotations

import base64
import re
from dataclasses import dataclass, field
from random import Random

from twisted.internet.protocol import ClientFactory, Factory, Protocol

PASSWORD = "correct horse"


@dataclass
class Mail:
    """A message that somebody tries once to submit.

    Attributes:
        mark: what it is known by, in its text.
        notify: whether its sender asks to hear of success.
        fate: "refused" (or never sent), "accepted", or "unknown" when no answer came to the whole.
        said: the last answer.
    """

    mark: str
    sender: str
    recipients: tuple[str, ...]
    text: bytes
    notify: bool = False
    fate: str = "refused"
    said: bytes = b""


class Submission(ClientFactory, Protocol):
    """One session of a mail program that submits one message, a command at a time."""

    noisy = False

    def __init__(self, mail: Mail) -> None:
        self._mail = mail
        token = base64.b64encode(f"\0{mail.sender}\0{PASSWORD}".encode())
        notify = " NOTIFY=SUCCESS,FAILURE" if mail.notify else ""
        self._steps = [
            b"EHLO client.test\r\n",
            b"AUTH PLAIN " + token + b"\r\n",
            f"MAIL FROM:<{mail.sender}> ENVID={mail.mark}\r\n".encode(),
            *(f"RCPT TO:<{each}>{notify}\r\n".encode() for each in mail.recipients),
            b"DATA\r\n",
            mail.text.replace(b"\r\n.", b"\r\n..") + b".\r\n",
            b"QUIT\r\n",
        ]
        self._read = self._sent = b""

    def buildProtocol(self, addr: object) -> Submission:
        return self

    def dataReceived(self, data: bytes) -> None:
        self._read += data
        while self._steps and (answer := re.match(rb"(?:\d{3}-[^\n]*\n)*(\d{3})[ \r][^\n]*\n", self._read)):
            self._read = self._read[answer.end() :]
            self._mail.said = answer[0]
            self._go_on(answer[1])

    def _go_on(self, code: bytes) -> None:
        if self._steps == [b"QUIT\r\n"]:
            self._mail.fate = "accepted" if code == b"250" and b"queued as" in self._mail.said else "unknown"
        if code[:1] != (b"3" if self._sent == b"DATA\r\n" else b"2"):
            self._steps = []
            self.transport.loseConnection()
            return
        if len(self._steps) == 2:
            self._mail.fate = "unknown"
        self._sent = self._steps.pop(0)
        self.transport.write(self._sent)


@dataclass
class Copy:
    """A message as it arrived at home.

    Attributes:
        id: what the home host called it, or where in which mailbox it is; unique.
    """

    id: str
    recipients: tuple[str, ...]
    text: bytes


@dataclass
class Home(Factory):
    """A host where mail ends; it knows nobody called nobody, and is moody."""

    name: str
    random: Random
    mood: float = 0.0
    copies: list[Copy] = field(default_factory=list)

    def buildProtocol(self, addr: object) -> HomeSession:
        return HomeSession(self)

    def is_moody(self) -> bool:
        """Whether it refuses for now what it could take."""
        return self.random.random() < self.mood


class HomeSession(Protocol):
    """One SMTP session with a home host."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._read = b""
        self._in_data = False
        self._recipients: list[str] = []

    def connectionMade(self) -> None:
        self.transport.write(b"220 home\r\n")

    def dataReceived(self, data: bytes) -> None:
        self._read += data
        while (end := self._read.find(b"\r\n.\r\n" if self._in_data else b"\r\n")) >= 0:
            unit, self._read = self._read[:end], self._read[end + (5 if self._in_data else 2) :]
            self.transport.write(self._take_message(unit + b"\r\n") if self._in_data else self._answer(unit))

    def _answer(self, line: bytes) -> bytes:
        verb = line[:4].upper()
        if verb == b"EHLO":
            return b"250-home\r\n250-PIPELINING\r\n250 8BITMIME\r\n"
        if verb == b"MAIL":
            self._recipients = []
        if verb == b"RCPT":
            return self._answer_recipient(line.decode())
        if verb == b"DATA":
            self._in_data = bool(self._recipients)
            return b"354 go on\r\n" if self._in_data else b"503 5.5.1 no recipients\r\n"
        return b"221 bye\r\n" if verb == b"QUIT" else b"250 ok\r\n"

    def _answer_recipient(self, line: str) -> bytes:
        name = line[line.index("<") + 1 : line.index(">")]
        if name.startswith("nobody@"):
            return b"550 5.1.1 there is nobody here\r\n"
        if self._home.is_moody():
            return b"450 4.2.0 not now\r\n"
        self._recipients.append(name)
        return b"250 2.1.5 ok\r\n"

    def _take_message(self, stuffed: bytes) -> bytes:
        self._in_data = False
        if self._home.is_moody():
            return b"451 4.3.0 not now\r\n"
        text = (b"\r\n" + stuffed).replace(b"\r\n..", b"\r\n.")[2:]
        copy = Copy(f"home-{self._home.name}{len(self._home.copies)}", tuple(self._recipients), text)
        self._home.copies.append(copy)
        return f"250 2.0.0 Ok: queued as {copy.id.partition('-')[2]}\r\n".encode()
