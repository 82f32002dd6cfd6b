"""Ways to hide a second message in the first, judged by what arrives at the next hop."""

from __future__ import annotations

import uuid

import pytest
from mail_sink import Sink
from running_site import wait_until
from typist import Typist

LONE_DOTS = [b"\n.\n", b"\n.\r\n", b"\r\n.\n", b"\r.\r", b"\r.\r\n", b"\r\n.\r", b"\n.\r", b"\r.\n"]
"""A dot alone on a line of which at least one ending is bare: some server takes each for the end."""

OTHERS = [b"\r\n\x00.\r\n", b"\r\n.\x00\r\n", b"\r\n..\r\n", b"\r\r\n..\r\r\n", b"\n..\n", b"\r\n. \r\n"]
"""Look-alikes that end nothing once they are repaired."""

SMUGGLED = b"MAIL FROM:<evil@strangers.test>\r\nRCPT TO:<ann@relayed.test>\r\nDATA\r\nSubject: smuggled\r\n\r\n%s\r\n"


def envelope(mx: Typist) -> None:
    """Get as far as the 354."""
    for line in ("EHLO me", "MAIL FROM:<joe@strangers.test>", "RCPT TO:<ann@relayed.test>"):
        assert mx.type(line).startswith("250")
    assert mx.type("DATA").startswith("354")


@pytest.mark.parametrize("sequence", LONE_DOTS)
def test_lone_dots_are_refused(mx: Typist, sink: Sink, sequence: bytes) -> None:
    """A message with an ambiguous ending is refused whole, once, at its real end."""
    mark = uuid.uuid4().hex.encode()
    envelope(mx)

    mx.send(b"Subject: first\r\n\r\nbody" + sequence + SMUGGLED % mark + b".\r\n")

    assert mx.reply().startswith("550 5.6.11")
    assert mx.type("NOOP").startswith("250")
    assert not [message for message in sink.messages if mark in message.data]


@pytest.mark.parametrize("sequence", OTHERS)
def test_look_alikes_stay_text(mx: Typist, sink: Sink, sequence: bytes) -> None:
    """What ends nothing arrives inside the one message, whose line endings are all CRLF."""
    mark = uuid.uuid4().hex.encode()
    envelope(mx)

    mx.send(b"Subject: first\r\n\r\nbody" + sequence + SMUGGLED % mark + b".\r\n")

    assert mx.reply().startswith("250 2.0.0")
    wait_until(lambda: [message for message in sink.messages if mark in message.data])
    (message,) = [message for message in sink.messages if mark in message.data]
    assert message.sender.startswith("<joe@strangers.test>")
    repaired = message.data.replace(b"\r\n", b"")
    assert b"\n" not in repaired
    assert b"\r" not in repaired


def test_long_lines_do_not_end_the_message(mx: Typist, sink: Sink) -> None:
    """A line past every buffer stays one line of the message, and what follows stays text."""
    mark = uuid.uuid4().hex.encode()
    envelope(mx)

    mx.send(b"Subject: long\r\n\r\n" + b"x" * 300_000 + b"\r\n" + SMUGGLED % mark + b".\r\n")

    assert mx.reply().startswith("250 2.0.0")
    wait_until(lambda: [message for message in sink.messages if mark in message.data])
    (message,) = [message for message in sink.messages if mark in message.data]
    assert b"\r\n" + b"x" * 300_000 + b"\r\n" in message.data


def test_chunks_cannot_smuggle(mx: Typist, sink: Sink) -> None:
    """BDAT counts octets; a dot line inside is text, and is stuffed again on the way out."""
    mark = uuid.uuid4().hex.encode()
    for line in ("EHLO me", "MAIL FROM:<joe@strangers.test>", "RCPT TO:<ann@relayed.test>"):
        assert mx.type(line).startswith("250")
    text = b"Subject: chunks\r\n\r\nbody\r\n.\r\n" + SMUGGLED % mark

    mx.send(b"BDAT %d LAST\r\n" % len(text) + text)

    assert mx.reply().startswith("250 2.0.0")
    wait_until(lambda: [message for message in sink.messages if mark in message.data])
    (message,) = [message for message in sink.messages if mark in message.data]
    assert message.data.endswith(text)
