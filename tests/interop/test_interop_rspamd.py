"""rspamd beside us: it verifies what we sign and seal, we verify what it does, and both think the same of forgeries."""

from __future__ import annotations

import base64
import random
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, TypeVar

import pytest
from arc_made import verdict_on, with_seal
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from dkim_made import (
    AT,
    DOMAIN,
    awkward_letter,
    ed25519_key,
    ed25519_record,
    rsa_key,
    rsa_record,
    signers,
    verdicts,
    zone,
)
from interop_daemons import LoopbackNetwork
from interop_milters import need
from interop_peers import start_knot, write
from interop_rspamd import SCORES, Keys, Rspamd, seal, signatures, start_authenticating_rspamd, symbols
from interop_scanners import RSPAMD

from twistedmail_mta.dkim.body import hash_of
from twistedmail_mta.dkim.fields import fields_of
from twistedmail_mta.dkim.signing import Signer, signature_fields
from twistedmail_mta.mail.header import Header, split
from twistedmail_mta.policy.authenticity import Examiner, Findings
from twistedmail_mta.smtp.address import parse_address
from twistedmail_mta.spf.identity import Visit
from twistedmail_mta.testing.rig import Asked
from twistedmail_mta.testing.surroundings import Surroundings
from twistedmail_mta.testing.values import MemoryBody

T = TypeVar("T")

KNOT, ASKED = 54, 43
"""Hosts of the network."""
MESSAGES = 100
SOON = 2e9
"""A time after every signature of this test."""
SEALER = "home.test"

HONEST, EVIL = "192.0.2.10", "192.0.2.66"
SPF = f"v=spf1 ip4:{HONEST} -all".encode()
RECORDS: dict[str, bytes] = {
    DOMAIN: SPF,
    f"r._domainkey.{DOMAIN}": rsa_record(),
    f"e._domainkey.{DOMAIN}": ed25519_record(),
    f"small._domainkey.{DOMAIN}": b"v=DKIM1; p=",
    f"_dmarc.{DOMAIN}": b"v=DMARC1; p=reject; sp=quarantine",
    f"news.{DOMAIN}": b"v=spf1 -all",
    "strict.test": SPF,
    "r._domainkey.strict.test": rsa_record(),
    "r._domainkey.below.strict.test": rsa_record(),
    "_dmarc.strict.test": b"v=DMARC1; p=quarantine; adkim=s; aspf=s",
    "soft.test": f"v=spf1 ip4:{HONEST} ~all".encode(),
    "_dmarc.soft.test": b"v=DMARC1; p=none",
    "neutral.test": f"v=spf1 ip4:{HONEST} ?all".encode(),
    "evil.test": f"v=spf1 ip4:{EVIL} -all".encode(),
    "r._domainkey.evil.test": rsa_record(),
    f"r._domainkey.{SEALER}": rsa_record(),
}
BROKEN = "broken.test"
ZONES = (DOMAIN, "strict.test", "soft.test", "neutral.test", "evil.test", SEALER)

_SPF = {
    "pass": "R_SPF_ALLOW",
    "fail": "R_SPF_FAIL",
    "softfail": "R_SPF_SOFTFAIL",
    "neutral": "R_SPF_NEUTRAL",
    "none": "R_SPF_NA",
    "temperror": "R_SPF_DNSFAIL",
}
_DKIM = {
    "pass": "R_DKIM_ALLOW",
    "fail": "R_DKIM_REJECT",
    "none": "R_DKIM_NA",
    "permerror": "R_DKIM_PERMFAIL",
    "temperror": "R_DKIM_TEMPFAIL",
}
_DMARC = {
    "pass": "DMARC_POLICY_ALLOW",
    "reject": "DMARC_POLICY_REJECT",
    "quarantine": "DMARC_POLICY_QUARANTINE",
    "fail": "DMARC_POLICY_SOFTFAIL",
    "none": "DMARC_NA",
    "temperror": "DMARC_DNSFAIL",
}


def _zone_of(name: str) -> str:
    """Return what knot has of a zone."""
    lines = []
    for owner, record in RECORDS.items():
        if owner == name or owner.endswith(f".{name}"):
            text = record.decode()
            parts = " ".join(f'"{text[begin : begin + 200]}"' for begin in range(0, len(text), 200))
            lines.append(f"{owner}. TXT {parts}")
    return "\n".join(lines)


@pytest.fixture(scope="module")
def rspamd(root: Path, network: LoopbackNetwork) -> Iterator[Rspamd]:
    """One that knows the records, signs for one domain and seals for another; `root` skips where there is no knot."""
    need(RSPAMD, SCORES)
    with ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="mta-rspamd-")))
        home.chmod(0o755)
        zones: dict[str, str | None] = {name: _zone_of(name) for name in ZONES}
        knot = start_knot(home, network, {"test": "", "org": "", BROKEN: None} | zones, KNOT)
        stack.callback(knot.stop)
        ours = start_authenticating_rspamd(home, network, ASKED, network.address(KNOT), _keys(home))
        stack.callback(ours.daemon.stop)
        yield ours


def _keys(home: Path) -> Keys:
    """Return what it signs with; a path of letters and slashes alone would be taken for a key itself."""
    rsa = rsa_key(2048).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    seed = ed25519_key().private_bytes_raw() + ed25519_key().public_key().public_bytes_raw()
    files = {"r": write(home / "rsa.key", rsa), "e": write(home / "ed25519.key", base64.b64encode(seed).decode())}
    return Keys(DOMAIN, files, SEALER)


def signed(text: bytes, *by: Signer) -> bytes:
    """Return a message with signatures, by default both of the domain's."""
    header, body = split(text)
    return signature_fields(fields_of(Header(header)), hash_of(body), by or signers(), AT) + text


def by_rsa(domain: str, selector: str = "r") -> Signer:
    """Return who signs for a domain."""
    return Signer(domain, selector, rsa_key(2048))


def letter(author: str) -> bytes:
    """Return a message."""
    return (
        f"From: Ann <{author}>\r\nTo: bob@{SEALER}\r\nSubject: some words\r\nDate: Mon, 1 Jan 2024 00:00:00 +0000\r\n"
        f"Message-ID: <1@{DOMAIN}>\r\n\r\nHello  there \r\n\r\n\tthis is it.\r\n\r\n"
    ).encode()


def letters(seed: int, count: int) -> Iterator[bytes]:
    """Yield messages, but for those whose body is all white space: rspamd 3.4 hashes these in a way of its own."""
    source = random.Random(seed)
    while count:
        text = awkward_letter(source)
        _, body = split(text)
        if body.strip() or not body:
            count -= 1
            yield text


def test_it_verifies_what_we_sign(rspamd: Rspamd) -> None:
    """Both signatures of every message, and neither once a word is another."""
    for text in map(signed, letters(1, MESSAGES)):
        found = symbols(rspamd.asked(text, EVIL, "eve@evil.test"))
        assert sorted(found["R_DKIM_ALLOW"]) == [f"{DOMAIN}:s=e", f"{DOMAIN}:s=r"], text
        assert "DMARC_POLICY_ALLOW" in found

        found = symbols(rspamd.asked(text.replace(b"words", b"swords"), EVIL, "eve@evil.test"))
        assert sorted(found["R_DKIM_REJECT"]) == [f"{DOMAIN}:s=e", f"{DOMAIN}:s=r"], text
        assert "R_DKIM_ALLOW" not in found


def test_we_verify_what_it_signs(rspamd: Rspamd) -> None:
    """RSA and Ed25519, and neither once a word is another."""
    for bare in letters(2, MESSAGES):
        text = signatures(rspamd.asked(bare, HONEST, f"ann@{DOMAIN}", account=f"ann@{DOMAIN}")) + bare

        assert [each.word for each in verdicts(text, zone(), SOON)] == ["pass", "pass"], text
        for changed in (text.replace(b"words", b"swords"), text + b"more\r\n"):
            assert [each.word for each in verdicts(changed, zone(), SOON)] == ["fail", "fail"], text


@pytest.mark.parametrize("hands", ["ooo", "roo", "oro", "rro"])
def test_chains_of_both(rspamd: Rspamd, hands: str) -> None:
    """Each seals what the other (`o`: we) has sealed; both find the chain right, and wrong once a word is another.

    rspamd 3.4 seals wrongly from the third set on, says itself.
    """
    for bare in letters(3, 10):
        text = bare
        for hand in hands:
            theirs = rspamd.asked(text, EVIL, "eve@evil.test")
            text = with_seal(text, SOON, RECORDS) if hand == "o" else seal(theirs) + text
            assert verdict_on(text, RECORDS, SOON).reason == "", text
            assert "ARC_ALLOW" in symbols(rspamd.asked(text, EVIL, "eve@evil.test")), text

        changed = text.replace(b"words", b"swords")
        assert verdict_on(changed, RECORDS, SOON).validation == "fail"
        assert "ARC_REJECT" in symbols(rspamd.asked(changed, EVIL, "eve@evil.test"))


def ours(text: bytes, host: str, sender: str) -> Findings:
    """Return what we find of a message, with the same records."""
    around = Surroundings()
    for name, record in RECORDS.items():
        around.names.add(name, "TXT", record)
    around.names.broken |= {BROKEN, f"_dmarc.{BROKEN}", f"r._domainkey.{BROKEN}"}
    header, body = split(text)
    examiner = Examiner(around.names, around.clock, 10.0, _at_once)
    visit = Visit(host, "client.test", "mail.example.org", SOON)
    findings: Findings = Asked(examiner.findings(visit, parse_address(sender), Header(header), MemoryBody(body))).answer
    return findings


async def _at_once(function: Callable[..., T], *arguments: Any) -> T:
    return function(*arguments)


FORGED = signed(letter(f"ann@{DOMAIN}")).replace(b"this is", b"this was")
CASES = {
    "spf": (letter(f"ann@{DOMAIN}"), HONEST, f"ann@{DOMAIN}"),
    "neither": (letter(f"ann@{DOMAIN}"), EVIL, f"ann@{DOMAIN}"),
    "another's": (letter(f"ann@{DOMAIN}"), EVIL, "eve@evil.test"),
    "signed": (signed(letter(f"ann@{DOMAIN}")), EVIL, "eve@evil.test"),
    "signed by another": (signed(letter(f"ann@{DOMAIN}"), by_rsa("evil.test")), EVIL, "eve@evil.test"),
    "changed": (FORGED, EVIL, "eve@evil.test"),
    "changed, from home": (FORGED, HONEST, f"ann@{DOMAIN}"),
    "revoked": (signed(letter(f"ann@{DOMAIN}"), by_rsa(DOMAIN, "small")), EVIL, "eve@evil.test"),
    "no such key": (signed(letter(f"ann@{DOMAIN}"), by_rsa(DOMAIN, "gone")), EVIL, "eve@evil.test"),
    "subdomain": (letter(f"ann@news.{DOMAIN}"), EVIL, "eve@evil.test"),
    "subdomain, signed above": (signed(letter(f"ann@news.{DOMAIN}"), by_rsa(DOMAIN)), EVIL, "eve@evil.test"),
    "strict": (signed(letter("ann@strict.test"), by_rsa("strict.test")), EVIL, "eve@evil.test"),
    "strict, signed below": (signed(letter("ann@strict.test"), by_rsa("below.strict.test")), EVIL, "eve@evil.test"),
    "strict, from home": (letter("ann@strict.test"), HONEST, "ann@strict.test"),
    "soft": (letter("ann@soft.test"), EVIL, "ann@soft.test"),
    "neutral": (letter("ann@neutral.test"), EVIL, "ann@neutral.test"),
    "no record": (letter("ann@nothing.test"), EVIL, "ann@nothing.test"),
    "trouble": (letter(f"ann@{BROKEN}"), EVIL, f"ann@{BROKEN}"),
    "trouble with the key": (signed(letter("ann@evil.test"), by_rsa(BROKEN)), EVIL, "eve@evil.test"),
    "case": (signed(letter(f"ANN@{DOMAIN.upper()}"), by_rsa(DOMAIN)), EVIL, "eve@evil.test"),
    "author in a comment": (letter(f"eve@evil.test (ann@{DOMAIN})"), EVIL, "eve@evil.test"),
}


@pytest.mark.parametrize("name", CASES)
def test_it_thinks_the_same(rspamd: Rspamd, name: str) -> None:
    """SPF, DKIM and DMARC of the same message come to the same.

    Wrong SPF records aren't among them: rspamd passes over what it doesn't understand in one.
    """
    text, host, sender = CASES[name]

    found = ours(text, host, sender)

    assert found.sender is not None
    words = [each.word for each in found.signatures] or ["none"]
    dmarc = found.dmarc
    expected = {
        _SPF[found.sender.verdict.result],
        _DKIM["pass" if "pass" in words else words[0]],
        _DMARC[dmarc.policy if dmarc.result == "fail" and dmarc.policy != "none" else dmarc.result],
    }
    theirs = symbols(rspamd.asked(text, host, sender))
    told = {each for each in theirs if each in {*_SPF.values(), *_DKIM.values(), *_DMARC.values()}}
    assert told == expected, (found, theirs)
