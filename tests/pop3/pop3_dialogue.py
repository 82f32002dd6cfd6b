"""A POP3 session without a network: a driver that knows one password and some messages."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass, field

from twistedmail_mta.model import DropMessage, Reply
from twistedmail_mta.pop3 import answers
from twistedmail_mta.pop3.events import Auth, AuthResponse, Event, Listing, Login, Quit, Retrieve, StartTLS
from twistedmail_mta.pop3.response import refusal
from twistedmail_mta.pop3.server import ServerSession
from twistedmail_mta.pop3.standing import SessionSettings

MESSAGES = tuple(DropMessage(uid, 100 + uid, f"u{uid}") for uid in (3, 5, 8))
NAME, PASSWORD = "ann@example.org", b"open sesame"
WRONG = refusal(Reply(535, "5.7.8", "Wrong"))
TEXT = b"Subject: x\r\n\r\n.text\r\n"


@dataclass
class Dialogue:
    """Answers a session's events as the access role would, at once."""

    messages: Sequence[DropMessage] = MESSAGES
    settings: SessionSettings = field(default_factory=lambda: SessionSettings("mail.example.org", version="9.9"))
    mechanisms: tuple[str, ...] = ("PLAIN", "LOGIN")
    tls_available: bool = True
    events: list[Event] = field(default_factory=list)
    removed: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        self.session = ServerSession(self.settings)
        self.session.mechanisms = self.mechanisms
        self.session.tls_available = self.tls_available

    def send(self, octets: bytes) -> str:
        """Send octets; return what is said at once."""
        self.session.receive_bytes(octets)
        while (event := self.session.next_event()) is not None:
            self.events.append(event)
            self._answer(event)
        return self.session.bytes_to_send().decode()

    def _answer(self, event: Event) -> None:
        session = self.session
        match event:
            case Login():
                self._log_in(event.name == NAME and event.password == PASSWORD)
            case Auth("PLAIN", None):
                session.send_challenge(b"")
            case Auth("LOGIN", _):
                session.send_challenge(base64.b64encode(b"Password:"))
            case Auth(_, data) | AuthResponse(data):
                self._log_in(data in (b"\0%b\0%b" % (NAME.encode(), PASSWORD), PASSWORD))
            case StartTLS():
                session.send_response(answers.BEGIN_TLS)
                session.starttls_done(("PLAIN",))
            case Listing(blocks):
                for block in blocks:
                    session.send_block(block)
            case Retrieve():
                session.send_response(answers.follows(event.message.size))
                session.send_block(TEXT + b".\r\n")
            case Quit():
                self.removed = event.deleted
                session.send_response(answers.GOODBYE)
            case _:
                pass

    def _log_in(self, right: bool) -> None:
        sizes, uidls = [each.size for each in self.messages], [each.uidl for each in self.messages]
        self.session.send_response(self.session.enter(self.messages, sizes, uidls) if right else WRONG)

    def type(self, *lines: str) -> str:
        """Send lines, one after another; return the last answer."""
        answer = ""
        for line in lines:
            answer = self.send(line.encode() + b"\r\n")
        return answer

    def logged_in(self) -> Dialogue:
        """Log in."""
        assert self.type(f"USER {NAME}", f"PASS {PASSWORD.decode()}").startswith("+OK")
        return self


def plain(name: str = NAME, password: bytes = PASSWORD) -> str:
    """What PLAIN sends."""
    return base64.b64encode(b"\0%b\0%b" % (name.encode(), password)).decode()
