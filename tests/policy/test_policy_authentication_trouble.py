"""Trouble of the DNS never makes mail worse than it is: whoever doesn't answer, nothing fails that would pass else."""

from __future__ import annotations

import random

import pytest
from authentication_kit import BANK, BANK_HOST, EVIL_HOST, LIST_HOST, TEXT, chain_with, rig, sent, signed, surroundings
from dkim_made import rsa_record

from twistedmail_mta.soundness import is_reply
from twistedmail_mta.stages import FileInto, IMessagePolicy, Quarantine
from twistedmail_mta.testing.surroundings import Surroundings
from twistedmail_mta.testing.values import arriving, client

ROUNDS = 30
"""Of each seed; in each some of the names that matter don't answer."""
POLICIES = [b"p=reject", b"p=quarantine", b"p=none", b"p=reject; sp=none", b"p=none; sp=reject; np=quarantine"]
POLICIES += [b"p=reject; aspf=s; adkim=s", b"p=reject; t=y", b"p=quarantine; np=reject; psd=y", b"p=reject; psd=n"]
SPF = [b"v=spf1 include:bank.test -all", b"v=spf1 mx exists:%{i}.bank.test -all"]
BELOW = f"news.{BANK}"
SEALED = chain_with(TEXT, b"mx; dmarc=pass header.from=bank.test", "list.test")


def a_zone(source: random.Random) -> Surroundings:
    """Return a DNS in which the bank, what is below it, and what is above, want something or not."""
    around = surroundings()
    names = around.names
    names.add("mx.list.test", "TXT", f"v=spf1 ip4:{LIST_HOST} -all".encode())
    names.add("r._domainkey.mx.list.test", "TXT", rsa_record())
    for domain in ("test", BANK, BELOW):
        wishes = [b"v=DMARC1; " + source.choice(POLICIES)] if source.random() < 0.6 else []
        names.add(f"_dmarc.{domain}", "TXT", *wishes)
    if source.random() < 0.5:
        names.add(BELOW, "A", "192.0.2.1")
    if source.random() < 0.5:
        names.add(BELOW, "TXT", source.choice(SPF))
    return around


def a_message(source: random.Random) -> bytes:
    """Return a message that the bank may have written, signed by some, changed or not, and sealed or not."""
    text = TEXT.replace(b"@bank.test", source.choice([b"@bank.test", b"@news.bank.test", b"@gone.bank.test"]))
    for signer in source.sample([BANK, "mx.list.test", "evil.test"], source.randrange(3)):
        text = signed(text, signer)
    if source.random() < 0.3:
        text = text.replace(b"Hello", b"Hallo")
    if source.random() < 0.3:
        text = chain_with(text, b"mx; dmarc=pass header.from=bank.test", "list.test")
    return text


def severity(around: Surroundings, text: bytes, host: str, sender: str, spf_fail: str) -> int:
    """Return what becomes of a message: 0 for the INBOX, or that it is to come again, 1 for Junk, 2 for nobody."""
    trusting = {"trusted_sealers": "list.test", "trusted_forwarders": "*.list.test"}
    plugin = rig(around, spf_fail=spf_fail, **trusting)
    answer = plugin.ask(IMessagePolicy, client(host, helo="client.test"), arriving(text, sender=sender))
    if is_reply(answer):
        return 2 if answer.code >= 500 else 0
    assert isinstance(answer, tuple)
    return int(any(isinstance(change, FileInto | Quarantine) for change in answer))


@pytest.mark.parametrize("seed", range(4))
def test_nothing_becomes_worse(seed: int) -> None:
    """Any of the names that were asked for may fail; the message is never treated worse than when all answer."""
    source = random.Random(seed)
    judged = set()
    for _ in range(ROUNDS):
        around, text = a_zone(source), a_message(source)
        host = source.choice([BANK_HOST, LIST_HOST, EVIL_HOST])
        sender = source.choice([f"ann@{BANK}", f"ann@{BELOW}", "eve@evil.test", "list@mx.list.test", ""])
        how = (text, host, sender, source.choice(["tag", "refuse"]))
        usual = severity(around, *how)
        asked = sorted({each.rpartition(" ")[0] for each in around.names.asked})
        judged.add(usual)
        for names in [*([name] for name in asked), source.sample(asked, len(asked) // 2), asked]:
            around.names.broken = set(names)

            assert severity(around, *how) <= usual, (names, how)
    assert judged == {0, 1, 2}, "all kinds were tried"


def test_who_is_trusted_is_waited_for() -> None:
    """If DMARC fails, but a trusted sealer's or forwarder's zone doesn't answer, the message is to come again."""
    for broken, text, sender, trusting in (
        ("r._domainkey.list.test", SEALED, "eve@evil.test", {"trusted_sealers": "list.test"}),
        ("list.test", TEXT, "ann@list.test", {"trusted_forwarders": "list.test"}),
        ("r._domainkey.list.test", signed(TEXT, "list.test"), "eve@evil.test", {"trusted_forwarders": "list.test"}),
    ):
        around = surroundings()
        around.names.broken = {broken}

        assert sent(rig(around, **trusting), text, sender=sender)[0].startswith("451 4.4.3 The DNS doesn't say who")
        assert sent(rig(around, reject="tag", **trusting), text, sender=sender)[0].startswith("250")


def test_the_silence_of_strangers_buys_nothing() -> None:
    """A forger whose own zone doesn't answer is refused for good, whoever is trusted."""
    around = surroundings()
    around.names.broken = {"evil.test", "r._domainkey.evil.test"}
    trusting = {"trusted_sealers": "list.test", "trusted_forwarders": "list.test"}
    sealed_twice = chain_with(SEALED, b"mx; arc=pass", "evil.test")

    for text in (signed(TEXT, "evil.test"), sealed_twice, chain_with(TEXT, b"mx; none", "evil.test")):
        assert sent(rig(around, **trusting), text)[0].startswith("550")
