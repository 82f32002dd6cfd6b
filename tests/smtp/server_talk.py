"""A driver for server sessions in tests: it accepts everything, or what it is told."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from twistedmail_mta.model import Reply
from twistedmail_mta.smtp import server as smtp

SETTINGS = smtp.SessionSettings("mx.example", 10_000, max_line=2000, login_after_tls=True)

OK = Reply(250, "2.0.0", "OK")
REFUSED = Reply(550, "5.7.1", "No")
ANSWERS: dict[type, Reply] = {
    smtp.Hello: OK,
    smtp.Mail: Reply(250, "2.1.0", "OK"),
    smtp.Rcpt: Reply(250, "2.1.5", "OK"),
    smtp.Data: Reply(354, "", "Go"),
    smtp.BodyEnd: OK,
    smtp.StartTLS: Reply(220, "2.0.0", "Go"),
    smtp.Auth: Reply(334, "", ""),
    smtp.AuthResponse: Reply(235, "2.7.0", "OK"),
    smtp.Verify: Reply(252, "2.1.5", "Perhaps"),
    smtp.Quit: Reply(221, "2.0.0", "Bye"),
}


class Talk:
    """One session with its events and what it said.

    Attributes:
        events: what happened, adjoining body blocks joined.
        said: the replies, as octets.
    """

    def __init__(
        self,
        *,
        settings: smtp.SessionSettings = SETTINGS,
        answers: Mapping[type, Reply] | None = None,
        tls_available: bool = True,
        mechanisms: tuple[str, ...] = ("PLAIN", "LOGIN"),
    ) -> None:
        self.session = smtp.ServerSession(settings)
        self.session.tls_available = tls_available
        self.session.mechanisms = mechanisms
        self.answers = {**ANSWERS, **(answers or {})}
        self.events: list[smtp.Event] = []
        self.said = b""

    def hear(self, *deliveries: bytes) -> str:
        """Deliver octets, answer the events, return what is said to that."""
        before = len(self.said)
        for delivery in deliveries:
            self.session.receive_bytes(delivery)
            self._drive()
        return self.said[before:].decode()

    def greet(self) -> Talk:
        """Say EHLO, forget the answer."""
        self.hear(b"EHLO client.example\r\n")
        self.events.clear()
        return self

    def begin(self) -> Talk:
        """Say EHLO, MAIL and RCPT, forget the answers."""
        self.greet().hear(b"MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\n")
        self.events.clear()
        return self

    def _drive(self) -> None:
        while (event := self.session.next_event()) is not None:
            self._note(event)
            reply = self.answers.get(type(event))
            if reply is not None:
                assert self.session.next_event() is None, "nothing comes before the reply"
                self._reply(event, reply)
        self.said += self.session.bytes_to_send()

    def _reply(self, event: smtp.Event, reply: Reply) -> None:
        if isinstance(event, smtp.BodyEnd) and event.fault is not None:
            reply = event.fault
        if reply.code == 235:
            self.session.authenticated()
        self.session.send_reply(reply)
        if isinstance(event, smtp.StartTLS) and reply.code == 220 and not self.session.closing:
            self.session.starttls_done(("PLAIN",))

    def _note(self, event: smtp.Event) -> None:
        last = self.events[-1] if self.events else None
        if isinstance(event, smtp.BodyBlock) and isinstance(last, smtp.BodyBlock):
            self.events[-1] = smtp.BodyBlock(last.data + event.data)
        else:
            self.events.append(event)

    @property
    def body(self) -> bytes:
        """The octets of all bodies."""
        return b"".join(event.data for event in self.events if isinstance(event, smtp.BodyBlock))


def bytewise(stream: bytes) -> Iterable[bytes]:
    """Cut a stream into octets."""
    return (stream[i : i + 1] for i in range(len(stream)))


def codes(said: str) -> list[str]:
    """Return code and status of every reply, the continuation lines left out."""
    lines = [line for line in said.split("\r\n") if line and line[3] == " "]
    return [" ".join(word for word in line.split(" ")[:2] if word[:1].isdigit()) for line in lines]
