"""The connection: order, backpressure, patience, limits and ends."""

from __future__ import annotations

from dataclasses import dataclass

from reception import ENVELOPE, Client, Reception, SlowCheck, Transport
from twisted.internet.address import IPv4Address
from twisted.internet.task import Clock
from zope.interface import implementer

from twistedmail_mta.interfaces import IRecipientCheck
from twistedmail_mta.model import Address, Reply
from twistedmail_mta.tasks import Promise


@implementer(IRecipientCheck)
@dataclass
class BusyCheck:
    """Takes a millisecond of the reactor's time for each recipient."""

    clock: Clock | None = None

    async def verify(self, recipient: Address) -> None:
        assert self.clock is not None
        self.clock.rightNow += 0.001


def busy_reception() -> Reception:
    """A listener whose checks compute."""
    check = BusyCheck()
    reception = Reception(checks={"relayed.test": check})
    check.clock = reception.clock
    return reception


def test_pipelined_commands_wait_for_a_slow_check() -> None:
    """What follows RCPT isn't looked at while RCPT waits; replies come in order, and reading stops."""
    check = SlowCheck()
    client = Reception(checks={"relayed.test": check}).connect()
    client.said()

    said = client.send(b"EHLO me\r\nMAIL FROM:<>\r\nRCPT TO:<a@relayed.test>\r\nDATA\r\n")
    assert said == ""
    assert client.transport.producerState == "paused"

    check.answer.resolve(Reply(550, "5.1.1", "No"))
    lines = client.said().split("\r\n")
    assert [line[:3] for line in lines if line[3:4] == " "] == ["250", "250", "550", "554"]
    assert client.transport.producerState == "producing"


def test_ready_replies_leave_after_a_second() -> None:
    """A batch whose last command takes long doesn't hold back the answers before it."""
    reception = Reception(checks={"relayed.test": SlowCheck()})
    client = reception.connect()
    client.said()
    client.send(b"EHLO me\r\nMAIL FROM:<>\r\nRCPT TO:<a@relayed.test>\r\n")

    reception.clock.advance(1)

    assert client.said().endswith("250 2.1.0 Sender OK\r\n")


def test_a_long_pipeline_gives_way() -> None:
    """A client that sends a thousand commands at once doesn't keep the reactor from the others."""
    reception = busy_reception()
    client = reception.connect()
    client.said()

    said = client.send(b"EHLO me\r\nMAIL FROM:<>\r\n" + b"RCPT TO:<a@relayed.test>\r\n" * 20 + b"RSET\r\n")
    assert said.count("250 2.1.5") == 3
    assert client.transport.producerState == "paused"
    for _ in range(10):
        reception.clock.advance(0)
        said += client.said()

    assert said.count("250 2.1.5") == 20
    assert said.endswith("250 2.0.0 Reset\r\n")
    assert client.transport.producerState == "producing"


def test_nothing_is_begun_after_the_last_word() -> None:
    """Commands that still wait for their turn when the server gives up aren't obeyed any more."""
    reception = busy_reception()
    client = reception.connect()
    client.send(b"EHLO me\r\nMAIL FROM:<>\r\n" + b"RCPT TO:<a@relayed.test>\r\n" * 3 + b"DATA\r\nx\r\n.\r\n")

    reception.factory.abort()
    reception.clock.advance(0)

    assert client.said().endswith("421 4.3.2 The server is shutting down\r\n")
    assert not reception.acceptance.messages
    assert not reception.tasks


def test_disconnect_cancels_what_waits() -> None:
    """A client that leaves takes its session with it, and nothing stays behind."""
    reception = Reception(checks={"relayed.test": SlowCheck()})
    client = reception.connect()
    client.send(b"EHLO me\r\nMAIL FROM:<>\r\nRCPT TO:<a@relayed.test>\r\n")

    client.hang_up()

    assert len(reception.tasks) == 0
    assert reception.clock.getDelayedCalls() == []
    assert not reception.factory.connections


def test_acceptance_survives_a_disconnect() -> None:
    """Once the writer has the message, the client's going away doesn't stop it."""
    reception = Reception()
    reception.acceptance.gate = Promise()
    client = reception.connect()
    client.type(*ENVELOPE, "DATA", "Subject: x", "", "text", ".")

    client.hang_up()
    reception.acceptance.gate.resolve(None)

    assert len(reception.acceptance.messages) == 1
    assert not reception.bodies.writers[0].abandoned


def test_unfinished_message_is_abandoned() -> None:
    """A client that leaves in the middle leaves no body behind."""
    reception = Reception()
    client = reception.connect()
    client.type(*ENVELOPE, "DATA", "Subject: x", "", "half")

    client.hang_up()

    assert reception.bodies.writers[0].abandoned
    assert not reception.acceptance.messages


def test_idle_client() -> None:
    """Nothing for five minutes, and the session ends; single octets aren't something."""
    reception = Reception()
    client = reception.connect()
    client.type("EHLO me")
    for _ in range(299):
        reception.clock.advance(1)
        client.send(b"N")
    assert client.connected

    reception.clock.advance(1)

    assert "421 4.4.2" in client.said()
    assert not client.connected
    assert reception.clock.getDelayedCalls() == []


def test_slow_message() -> None:
    """A transaction has an end, however steadily octets come."""
    reception = Reception(limits={"transaction": 600.0})
    client = reception.connect()
    client.type(*ENVELOPE, "DATA")
    for _ in range(60):
        reception.clock.advance(10)
        client.said() if not client.connected else client.send(b"line\r\n")

    assert not client.connected
    assert reception.bodies.writers[0].abandoned


def test_errors_slow_down_then_end() -> None:
    """Past three errors each answer takes a second; past six the session ends."""
    reception = Reception()
    client = reception.connect()
    client.said()
    assert client.send(b"X\r\n" * 20) == ""

    answers = []
    for _ in range(3):
        reception.clock.advance(1)
        answers.append(client.said())

    assert "".join(answers).count("500 5.5.1") == 7
    assert all("421" not in answer for answer in answers[:-1])
    assert answers[-1].endswith("421 4.7.0 Too many errors\r\n")
    assert not client.connected


def test_commands_without_mail() -> None:
    """A client that only talks is sent away."""
    client = Reception().connect()
    client.said()

    said = client.send(b"NOOP\r\n" * 60)

    assert said.count("250 2.0.0") == 51
    assert said.endswith("421 4.7.0 Too many commands without mail\r\n")


def test_recipients_are_not_too_many_commands() -> None:
    """As many as a message may have can be named, whatever else is counted; refused ones count."""
    reception = Reception(limits={"commands": 5, "recipients": 20, "errors": 99, "errors_before_delay": 99})
    client = reception.connect()
    client.type(*ENVELOPE)

    for number in range(19):
        assert client.type(f"RCPT TO:<r{number}@relayed.test>").startswith("250"), number
    assert client.type("DATA", "Subject: x", "", "x", ".").startswith("250")
    assert len(reception.acceptance.messages[0].envelope.recipients) == 20

    for _ in range(7):
        client.type("MAIL FROM:<joe@strangers.test>", "RCPT TO:<r@elsewhere.test>", "RSET")
    assert not client.connected


def test_unread_replies_stop_the_reading() -> None:
    """When the client doesn't take its replies, it isn't read from."""
    client = Reception().connect()

    client.protocol.pauseProducing()
    assert client.transport.producerState == "paused"
    client.protocol.resumeProducing()
    assert client.transport.producerState == "producing"


def test_reading_stays_off_while_an_answer_waits() -> None:
    """Room in the output is no reason to read while a command is being answered."""
    check = SlowCheck()
    client = Reception(checks={"relayed.test": check}).connect()
    client.send(b"EHLO me\r\nMAIL FROM:<>\r\nRCPT TO:<a@relayed.test>\r\n")

    client.protocol.pauseProducing()
    client.protocol.resumeProducing()
    assert client.transport.producerState == "paused"
    client.protocol.pauseProducing()
    check.answer.resolve(None)
    assert client.transport.producerState == "paused"
    client.protocol.resumeProducing()
    assert client.transport.producerState == "producing"


def test_flood_of_a_paused_client() -> None:
    """Who sends on and on although nothing is read is cut off."""
    client = Reception(checks={"relayed.test": SlowCheck()}).connect()
    client.send(b"EHLO me\r\nMAIL FROM:<>\r\nRCPT TO:<a@relayed.test>\r\n")

    said = [client.send(b"x" * 65536) for _ in range(10)]

    assert "421 4.7.0 Too much input" in "".join(said)
    assert not client.connected


def test_places_are_limited() -> None:
    """Two from one network, three in all; who leaves makes room."""
    reception = Reception()
    first, second, third = reception.connect(), reception.connect(), reception.connect()

    assert first.said().startswith("220 ")
    assert third.said().startswith("421 4.7.0")
    assert not third.connected
    second.hang_up()
    third.hang_up()
    assert reception.connect().said().startswith("220 ")


def test_clients_behind_a_gateway() -> None:
    """Where an address stands for clients unknown nothing is taken from it, for now; others are served."""
    reception = Reception(options={"gateways": frozenset({"172.17.0.1"})})

    def connect(host: str) -> Client:
        return Client(reception, Transport(peerAddress=IPv4Address("TCP", host, 54321)))

    for _ in range(3):
        client = connect("172.17.0.1")
        assert client.said().startswith("421 4.3.5 Clients come here by way of a gateway")
        assert not client.connected
    assert connect("172.17.0.2").said().startswith("220 ")


def test_the_clients_goodbye_is_heard() -> None:
    """A session that ends while reading was off reads on, or the end of TLS at the other side would go unnoticed."""
    reception = Reception()
    written: Promise[None] = Promise()
    reception.acceptance.gate = written
    client = reception.connect()
    client.type(*ENVELOPE, "DATA")

    client.send(b"hello\r\n.\r\nQUIT\r\n")
    assert client.transport.producerState == "paused"

    written.resolve(None)
    assert client.said().endswith("221 2.0.0 Bye\r\n")
    assert client.transport.producerState == "producing"


def test_client_that_never_closes_is_cut() -> None:
    """After our last word the connection goes, whether or not the client takes it."""
    reception = Reception()
    client = reception.connect()
    client.transport.loseConnection = lambda: None  # type: ignore[method-assign]
    client.type("QUIT")

    reception.clock.advance(30)

    assert client.transport.aborted


def test_finishing_waits_for_the_message() -> None:
    """When the server stops, idle sessions get 421 at once, the others after their message."""
    reception = Reception()
    idle, busy = reception.connect(), reception.connect()
    idle.type("EHLO me")
    busy.type(*ENVELOPE, "DATA", "Subject: x")
    idle.said()

    reception.factory.finish()

    assert idle.said() == "421 4.3.2 The server is shutting down\r\n"
    assert busy.connected
    said = busy.type("", "text", ".")
    assert "250 2.0.0 Ok: queued" in said
    assert said.endswith("421 4.3.2 The server is shutting down\r\n")
    assert len(reception.acceptance.messages) == 1
    assert not reception.factory.connections


def test_aborting_waits_for_nobody() -> None:
    """When patience is over, every session gets 421; what isn't accepted stays with the client."""
    reception = Reception()
    busy = reception.connect()
    busy.type(*ENVELOPE, "DATA", "Subject: x")

    reception.factory.abort()

    assert busy.said().endswith("421 4.3.2 The server is shutting down\r\n")
    assert not busy.connected


def test_nobody_is_served_before_the_site_is_ready() -> None:
    """A port bound early turns clients away until there is a listener."""
    reception = Reception()
    reception.factory._listener = None

    assert reception.factory.buildProtocol(None) is None
