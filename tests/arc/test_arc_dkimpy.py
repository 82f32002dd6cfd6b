"""Chains held against dkimpy's: what we seal it validates, what it seals we do, in turns too."""

from __future__ import annotations

import random
from functools import partial

import pytest
from arc_made import verdict_on, with_seal
from dkim_made import DOMAIN, pem_of, rsa_key, zone

dkim = pytest.importorskip("dkim")
pytest.importorskip("authres")

AUTHENTICATED = b"Authentication-Results: mx.example.org; spf=pass smtp.mailfrom=ann@example.org\r\n"


def looked_up(name: bytes, timeout: float = 5) -> bytes | None:
    """Answer dkimpy's questions from the test's zone."""
    return zone().get(name.decode().rstrip("."))


def a_message(source: random.Random) -> bytes:
    """Return a message, all fields of which dkimpy signs."""
    words = b" ".join(source.choices([b"one", b"two", b" ", b"\t", b"three"], k=6))
    lines = b"".join(source.choices([b"a  b\r\n", b"\r\n", b"c \r\n", b" d\r\n"], k=source.randrange(6)))
    return (
        AUTHENTICATED + b"From: ann@example.org\r\nTo: list@example.net\r\nSubject: x%s\r\nMIME-Version: 1.0\r\n"
        b"Date: Mon, 1 Jan 2024 00:00:00 +0000\r\nMessage-ID: <1@example.org>\r\n\r\n" % words + lines
    )


def their_seal(message: bytes) -> bytes:
    """Return the message with a set that dkimpy made."""
    key = pem_of(rsa_key(2048))
    return b"".join(dkim.arc_sign(message, b"r", DOMAIN.encode(), key, b"mx.example.org")) + message


def theirs_of(message: bytes) -> str:
    """Return what dkimpy says of the chain."""
    return dkim.arc_verify(message, dnsfunc=looked_up)[0].decode()


@pytest.mark.parametrize("seed", range(5))
def test_in_turns(seed: int) -> None:
    """Thirty chains of up to four sets, made by either in turns, pass with both at each step, and break for both."""
    source = random.Random(seed)
    for _ in range(6):
        message = a_message(source)
        for _ in range(source.randrange(1, 5)):
            message = source.choice([partial(with_seal, now=2e9), their_seal])(message)
            assert theirs_of(message) == "pass", message
            assert verdict_on(message, now=2e9).validation == "pass", message

        changed = message.replace(b"\r\nSubject: x", b"\r\nSubject: y")
        assert (theirs_of(changed), verdict_on(changed).validation) == ("fail", "fail")
        place = message.index(b"spf=pass", message.index(b"ARC-Authentication-Results: i=1;"))
        former = message[:place] + b"spf=none" + message[place + 8 :]
        assert (theirs_of(former), verdict_on(former, now=2e9).validation) == ("fail", "fail")
