"""Nothing that strangers send or publish makes `authentication` fail: it would delay their mail, or let it through."""

from __future__ import annotations

import random

import pytest
from authentication_kit import BANK, BANK_HOST, EVIL_HOST, LIST_HOST, TEXT, chain_with, rig, signed, surroundings

from twistedmail_mta.mail.authentication_results import read
from twistedmail_mta.soundness import is_reply, is_sound
from twistedmail_mta.stages import AddHeader, IMessagePolicy
from twistedmail_mta.testing.values import arriving, client

ROUNDS = 300
BASES = [TEXT, signed(), chain_with(signed(), b"mx; dmarc=pass header.from=bank.test"), signed(TEXT, "evil.test", BANK)]
PIECES = [
    b"",
    b";",
    b"=",
    b"\r\n ",
    b"\r\n",
    b":",
    b"@",
    b"<",
    b'"',
    b"(",
    b"\\",
    b"\xff",
    b"\xc3\xa9",
    b"\x00",
    b"a",
    b"i=2",
    b"b=",
    b"From: x@y.test\r\n",
    b"DKIM-Signature: v=1; a=rsa-sha256; d=bank.test\r\n",
    b"ARC-Seal: i=51; cv=none\r\n",
    b"Authentication-Results: mail.example.org\r\n",
]
RECORDS = [
    b"",
    b"v=DMARC1",
    b"v=DMARC1; p=reject; rua=mailto:x@y.test",
    b"v=DMARC1; p=x",
    b"v=spf1 include:bank.test -all",
    b"v=spf1 \xff",
    b"v=spf1 exists:%{l}.%{d} ~all",
    b"v=DKIM1; p=",
    b"v=DKIM1; k=ed25519; p=AAAA",
    b"p=MA==",
    b"\x00" * 300,
]
HELOS = ["client.test", "", "[192.0.2.1]", "a..b", "\u00fc.test", "x" * 300, "\x85", "%{d}", BANK]
SENDERS = ["", f"ann@{BANK}", '"a b"@evil.test', "x@" + "a." * 100 + "test"]


def changed(text: bytes, source: random.Random) -> bytes:
    """Return a message with some octets replaced."""
    for _ in range(source.randrange(6)):
        begin = source.randrange(len(text))
        text = text[:begin] + source.choice(PIECES) + text[begin + source.randrange(30) :]
    return text


@pytest.mark.parametrize("seed", range(4))
def test_anything(seed: int) -> None:
    """Each answer is one that the server can do, and the field reads back as the one that it is."""
    source = random.Random(seed)
    for _ in range(ROUNDS):
        around = surroundings(source.choice(["p=reject", "p=none", "sp=x", "p=quarantine; t=y"]))
        for name in (BANK, f"_dmarc.{BANK}", f"r._domainkey.{BANK}", "_dmarc.test", "evil.test"):
            if source.random() < 0.3:
                around.names.add(name, "TXT", *source.choices(RECORDS, k=source.randrange(3)))
            if source.random() < 0.1:
                around.names.broken.add(name)
        options = {"trusted_sealers": "example.org", "spf_fail": source.choice(["tag", "refuse"])}
        host = source.choice([BANK_HOST, EVIL_HOST, LIST_HOST, "2001:db8::1", "::ffff:192.0.2.10"])
        message = arriving(changed(source.choice(BASES), source), source.choice(SENDERS))

        answer = rig(around, **options).ask(IMessagePolicy, client(host, helo=source.choice(HELOS)), message)

        if is_reply(answer):
            assert answer.code in {550, 451}
            continue
        assert all(is_sound(change) for change in answer)
        (field,) = (change for change in answer if isinstance(change, AddHeader))
        found = read(field.value.encode())
        assert found is not None
        assert found.service == "mail.example.org"
        assert {each.method for each in found.statements} <= {"spf", "dkim", "arc", "dmarc"}
        assert [each.method for each in found.statements].count("dmarc") == 1
