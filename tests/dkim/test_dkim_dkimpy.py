"""Held against dkimpy: thousands of generated messages, each way, and canonical bodies octet by octet."""

from __future__ import annotations

import base64
import random

import pytest
from dkim_made import AT, DOMAIN, ed25519_key, pem_of, random_body, random_message, rsa_key, signers, verdicts, zone

from twistedmail_mta.dkim.body import BodyHasher, CanonicalBody, hash_of
from twistedmail_mta.dkim.fields import Canon, fields_of
from twistedmail_mta.dkim.signing import signature_fields
from twistedmail_mta.mail.header import Header, split

dkim = pytest.importorskip("dkim")
canonicalization = pytest.importorskip("dkim.canonicalization")
pytest.importorskip("nacl")


def looked_up(name: bytes, timeout: float = 5) -> bytes | None:
    """Answer dkimpy's questions from the test's zone."""
    return zone().get(name.decode().rstrip("."))


def as_dkimpy_reads(message: bytes) -> bytes:
    """Return a message without bare LF, of which dkimpy makes line ends, and with a last line that ends."""
    header, body = split(message)
    return header + body.replace(b"\r\n", b"\0").replace(b"\n", b"").replace(b"\0", b"\r\n") + b"\r\n"


def test_canonical_bodies() -> None:
    """2,000 bodies, made canonical in blocks of 1, 2, 3 and 7 octets, are dkimpy's to the octet."""
    source = random.Random(1)
    kinds: dict[Canon, object] = {"simple": canonicalization.Simple, "relaxed": canonicalization.Relaxed}
    for _ in range(2000):
        body = random_body(source) + b"\r\n"  # dkimpy keeps white space at the end of a last line without end
        for canon, theirs in kinds.items():
            expected = theirs.canonicalize_body(body)
            for cut in (1, 2, 3, 7):
                ours = CanonicalBody(canon)
                blocks = [b"".join(ours.add(body[begin : begin + cut])) for begin in range(0, len(body), cut)]
                assert b"".join(blocks) + b"".join(ours.finish()) == expected


def test_canonical_bodies_cut_at_every_place() -> None:
    """100 bodies, cut in two at every place."""
    source = random.Random(2)
    for _ in range(100):
        body = random_body(source) + b"\r\n"
        expected = canonicalization.Relaxed.canonicalize_body(body)
        for cut in range(len(body) + 1):
            ours = CanonicalBody("relaxed")
            first, second = b"".join(ours.add(body[:cut])), b"".join(ours.add(body[cut:]))
            assert first + second + b"".join(ours.finish()) == expected


def test_canonical_fields() -> None:
    """Fields of 2,000 headers in relaxed form are dkimpy's to the octet."""
    source = random.Random(3)
    for _ in range(2000):
        header, _ = split(random_message(source))
        ours = [field.canonical("relaxed") for field in fields_of(Header(header))]
        parsed, _ = dkim.rfc822_parse(header)
        theirs = [name + b":" + value for name, value in canonicalization.Relaxed.canonicalize_headers(parsed)]
        assert ours == theirs


def test_they_verify_what_we_sign() -> None:
    """Both signatures of 2,000 messages pass there."""
    source = random.Random(4)
    for _ in range(2000):
        header, body = split(as_dkimpy_reads(random_message(source)))
        message = signature_fields(fields_of(Header(header)), hash_of(body), signers(), AT) + header + body

        for index in (0, 1):
            assert dkim.DKIM(message).verify(idx=index, dnsfunc=looked_up), message


@pytest.mark.parametrize("canons", [(a, b) for a in (b"simple", b"relaxed") for b in (b"simple", b"relaxed")])
def test_we_verify_what_they_sign(canons: tuple[bytes, bytes]) -> None:
    """500 messages for each pair of canonical forms pass, by Ed25519, a tenth of them by RSA as well."""
    source = random.Random(5)
    seed = ed25519_key().private_bytes_raw()
    for number in range(500):
        message = as_dkimpy_reads(random_message(source))
        signed = _signed(message, b"e", _base64(seed), canons, b"ed25519-sha256") + message
        if not number % 10:
            signed = _signed(message, b"r", pem_of(rsa_key(2048)), canons, b"rsa-sha256") + signed

        assert {result.word for result in verdicts(signed, zone(), AT * 2, cut=5)} == {"pass"}, signed


def test_both_refuse_what_was_changed() -> None:
    """An octet changed anywhere in body or signed fields: where they say no, we do, and the other way round."""
    source = random.Random(6)
    compared = 0
    for _ in range(500):
        message = as_dkimpy_reads(random_message(source))
        header, body = split(message)
        signed = signature_fields(fields_of(Header(header)), hash_of(body), signers()[1:], AT)
        place = source.randrange(len(message))
        changed = message[:place] + b"q" + message[place + 1 :]
        if as_dkimpy_reads(changed) != changed + b"\r\n" or not changed.startswith(header[:1]):
            continue

        theirs = _verifies(signed + changed)
        if theirs is not None:
            assert [result.word == "pass" for result in verdicts(signed + changed, zone())] == [theirs], changed
            compared += 1
    assert compared > 300


def test_length_tag() -> None:
    """What they sign with l= passes as long as nothing follows, and isn't vouched for once something does."""
    message = b"From: a@example.org\r\n\r\nHello\r\n"
    seed = _base64(ed25519_key().private_bytes_raw())
    signed = (
        dkim.sign(message, b"e", DOMAIN.encode(), seed, signature_algorithm=b"ed25519-sha256", length=True) + message
    )

    assert [result.word for result in verdicts(signed, zone(), AT * 2)] == ["pass"]
    assert [result.word for result in verdicts(signed + b"Buy\r\n", zone(), AT * 2)] == ["policy"]


def _signed(message: bytes, selector: bytes, key: bytes, canons: tuple[bytes, bytes], algorithm: bytes) -> bytes:
    return dkim.sign(message, selector, DOMAIN.encode(), key, canonicalize=canons, signature_algorithm=algorithm)


def _base64(seed: bytes) -> bytes:
    return base64.b64encode(seed)


def _verifies(message: bytes) -> bool | None:
    """Return whether it passes there; None where dkimpy takes it for no message, since a line is no field."""
    try:
        return bool(dkim.DKIM(message).verify(dnsfunc=looked_up))
    except dkim.MessageFormatError:
        return None
    except dkim.DKIMException:
        return False


def test_a_hasher_of_nothing() -> None:
    """Without forms nothing is hashed, and nothing is there to be asked."""
    hasher = BodyHasher([])
    hasher.add(b"text")

    assert hasher.finish() == {}
