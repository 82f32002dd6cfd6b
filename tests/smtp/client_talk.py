"""A server's half of a dialogue, written down, and a driver that plays the client session against it."""

from __future__ import annotations

from dataclasses import dataclass, field

from twistedmail_mta.model import Address, Envelope, Outcome, Recipient
from twistedmail_mta.smtp.client import ClientSession
from twistedmail_mta.smtp.client_steps import Event

SENDER = Address("ann", "example.org")
GREETING = b"220 mx.example.net ESMTP\r\n"
PIPELINING = b"250-mx.example.net\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-SIZE 1000\r\n250 DSN\r\n"
CHUNKS = b"250-mx.example.net\r\n250-PIPELINING\r\n250 CHUNKING\r\n"
PLAIN_EHLO = b"250 mx.example.net\r\n"
MESSAGE = b"Subject: x\r\n\r\n.dot\r\nend\r\n"
SENT = b"Subject: x\r\n\r\n..dot\r\nend\r\n.\r\n"


def envelope_to(*names: str) -> Envelope:
    """Return an envelope for some recipients at example.net."""
    return Envelope(SENDER, tuple(Recipient(Address(name, "example.net")) for name in names))


@dataclass
class Talk:
    """What one side heard: the client's octets, the events, and the outcomes at the end."""

    session: ClientSession
    envelopes: list[Envelope]
    message: bytes = MESSAGE
    last: bool = False
    said: bytes = b""
    events: list[Event] = field(default_factory=list)
    outcomes: list[list[Outcome]] = field(default_factory=list)

    def hear(self, data: bytes) -> bytes:
        """Give the session octets, do what it says, and return what it said meanwhile."""
        before = len(self.said)
        self.session.receive_bytes(data)
        while not self.events or self.events[-1] is not Event.CLOSED:
            event = self.session.next_event()
            self.said += self.session.bytes_to_send()
            if event is None:
                break
            self.events.append(event)
            self._act(event)
            self.said += self.session.bytes_to_send()
        return self.said[before:]

    def _act(self, event: Event) -> None:
        if event is Event.START_TLS:
            self.session.tls_started()
        elif event is Event.SEND_BODY:
            self.session.send_body(self.message)
            self.session.end_body()
        elif event is Event.FINISHED:
            self.outcomes.append(list(self.session.outcomes))
        if event in (Event.READY, Event.FINISHED) and self.envelopes:
            self.session.begin(self.envelopes.pop(0), len(self.message), last=self.last and not self.envelopes)


def talk(*envelopes: Envelope, **options: object) -> Talk:
    """Begin a talk that sends MESSAGE to each envelope in turn."""
    last = bool(options.pop("last", False))
    return Talk(ClientSession("mail.example.org", "mx.example.net [192.0.2.1]", **options), list(envelopes), last=last)
