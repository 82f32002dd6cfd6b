# ruff: noqa: T201 - it prints its findings
"""What DKIM costs: verifying and signing a message of 4 KB, and how fast bodies are made canonical and hashed.

PYTHONPATH=.:tests python tests/bench/dkim_costs.py
"""

from __future__ import annotations

import time
from collections.abc import Callable

from arc_made import sealer, verdict_on
from dkim_made import AT, signers, verdicts, zone

from twistedmail_mta.arc.sealing import sealed
from twistedmail_mta.dkim.body import BodyHasher, hash_of
from twistedmail_mta.dkim.fields import Canon, fields_of
from twistedmail_mta.dkim.signing import signature_fields
from twistedmail_mta.mail.header import Header

HEADER = (
    b"Received: from client.example.org ([192.0.2.1])\r\n\tby mail.example.org with ESMTPS id 1\r\n"
    b"From: Ann <ann@example.org>\r\nTo: bob@example.net\r\nSubject: hello\r\nDate: Mon, 1 Jan 2024 00:00:00 +0000\r\n"
    b"Message-ID: <1@example.org>\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n"
)
LINE = b"The quick brown fox jumps over the lazy dog, and  then it rests for a\twhile. \r\n"
BODY = LINE * 46
ROUNDS = 1000
BLOCK = 262_144


def milliseconds(work: Callable[[], object]) -> float:
    """Return what a call costs, in milliseconds of CPU."""
    begun = time.process_time()
    for _ in range(ROUNDS):
        work()
    return (time.process_time() - begun) * 1000 / ROUNDS


def speed(canon: Canon, text: bytes) -> float:
    """Return megabytes a second."""
    block = text * (BLOCK // len(text))
    hasher = BodyHasher([(canon, None)])
    begun = time.process_time()
    for _ in range(200):
        hasher.add(block)
    hasher.finish()
    return 200 * len(block) / (time.process_time() - begun) / 1e6


def signed(number: int) -> bytes:
    """Return the fields of one signer."""
    return signature_fields(fields_of(Header(HEADER)), hash_of(BODY), signers()[number : number + 1], AT)


for number, name in enumerate(["RSA 2048", "Ed25519"]):
    message, records = signed(number) + HEADER + BODY, zone()
    cost = milliseconds(lambda message=message, records=records: verdicts(message, records))
    print(f"verify {name}, 4 KB: {cost:.3f} ms")
    print(f"sign   {name}, 4 KB: {milliseconds(lambda number=number: signed(number)):.3f} ms")
fields = fields_of(Header(HEADER))
chain = sealed(fields, hash_of(BODY), verdict_on(HEADER + BODY), b"x; none", sealer(), AT)
print(f"validate a chain of one set, 4 KB: {milliseconds(lambda: verdict_on(chain + HEADER + BODY)):.3f} ms")
TEXTS = {"plain lines": LINE, "base64": b"Ab" * 38 + b"\r\n", "spaces": b" ", "empty lines": b"\r\n", "worst": b"  x"}
for name, text in TEXTS.items():
    print(f"{name}: relaxed {speed('relaxed', text):.0f} MB/s, simple {speed('simple', text):.0f} MB/s")
