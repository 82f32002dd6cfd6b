"""How a message in a file came, as far as its header tells."""

from __future__ import annotations

import pytest

from twistedmail_mta.cli.circumstances import circumstances, message_in
from twistedmail_mta.mail.header import Header
from twistedmail_mta.model import NULL_PATH, Address


def came(text: str, ip: str = "", helo: str = "", sender: Address | None = None) -> tuple[str, str, str]:
    """Return client, name and sender."""
    found = circumstances(Header(text.replace("\n", "\r\n").encode()), ip, helo, sender)
    return found.ip, found.helo, str(found.sender)


@pytest.mark.parametrize(
    ("received", "ip", "helo"),
    [
        ("from mx.a.test (mail.a.test [192.0.2.7])\n\tby mail.example.org with ESMTP; x", "192.0.2.7", "mx.a.test"),
        ("from mx.a.test ([IPv6:2001:db8::7])\n\tby mail.example.org; x", "2001:db8::7", "mx.a.test"),
        ("from [192.0.2.7] ([192.0.2.7])\n\tby mail.example.org; x", "192.0.2.7", "[192.0.2.7]"),
        ("from a.test ([::ffff:192.0.2.7]) by x; y", "192.0.2.7", "a.test"),
        ("from a.test by mail.example.org (x [192.0.2.7]); y", "", ""),
        ("by mail.example.org id 1; x", "", ""),
        ("from a.test ([999.1.2.3]) by x; y", "", ""),
        ("from a.test ([127.0.0.1]) by x; y", "", ""),
        ("", "", ""),
    ],
)
def test_client(received: str, ip: str, helo: str) -> None:
    """As this server and others write it; what isn't there isn't guessed."""
    assert came(f"Received: {received}\nFrom: x\n\n") == (ip, helo, "")


def test_the_topmost_from_elsewhere() -> None:
    """Hops within this host are passed over; those below are the sender's own business."""
    text = (
        "Received: by mail.example.org; x\nReceived: from localhost ([127.0.0.1]) by x; y\n"
        "Received: from mx.a.test ([192.0.2.7]) by x; y\nReceived: from pc.a.test ([192.0.2.8]) by x; y\n\n"
    )

    assert came(text)[0] == "192.0.2.7"


def test_what_is_given_counts() -> None:
    """And isn't told as assumed."""
    text = "Return-Path: <ann@a.test>\nReceived: from mx.a.test ([192.0.2.7]) by x; y\n\n"
    given = circumstances(Header(text.encode()), "192.0.2.9", "b.test", NULL_PATH)

    assert (given.ip, given.helo, given.sender, given.assumed) == ("192.0.2.9", "b.test", NULL_PATH, ())
    assert came(text) == ("192.0.2.7", "mx.a.test", "ann@a.test")
    assert len(circumstances(Header(text.encode()), "", "", None).assumed) == 2
    assert came(text, helo="c.test")[1] == "c.test"


@pytest.mark.parametrize("path", ["<>", "ann@a.test", "<not an address>", "<" * 5000])
def test_odd_return_paths(path: str) -> None:
    """Are the null sender."""
    assert came(f"Return-Path: {path}\n\n")[2] == ""


@pytest.mark.parametrize(
    ("octets", "block", "body", "mended"),
    [
        (b"From: a\r\n\r\nb\nc\r\n", b"From: a\r\n\r\n", b"b\nc\r\n", 0),
        (b"From: a\n\nb\n", b"From: a\r\n\r\n", b"b\r\n", 1),
        (b"From a Mon\nFrom: a\n\nb\n", b"From: a\r\n\r\n", b"b\r\n", 2),
        (b"", b"", b"", 0),
    ],
)
def test_files(octets: bytes, block: bytes, body: bytes, mended: int) -> None:
    """Become what was on the wire; what was done for that is told."""
    found = message_in(octets)

    assert (found.header.block, found.body, len(found.assumed)) == (block, body, mended)
