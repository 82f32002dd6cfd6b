"""What passes, what doesn't, and in which words it is said (RFC 6376 section 6.1, RFC 8301, RFC 8601)."""

from __future__ import annotations

import base64
import hashlib

import pytest
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicNumbers
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from dkim_made import AT, DOMAIN, answers, ed25519_record, rsa_key, rsa_record, signers, verdicts, zone

from twistedmail_mta.dkim.body import BodyHasher, hash_of
from twistedmail_mta.dkim.fields import Field, fields_of, selected
from twistedmail_mta.dkim.results import Result
from twistedmail_mta.dkim.signing import Signer, completed, signature_fields
from twistedmail_mta.dkim.verification import fetch, forms_of, judged, names_of, signatures_of
from twistedmail_mta.errors import TemporaryError
from twistedmail_mta.mail.header import Header
from twistedmail_mta.model import Answer, Reply

HEADER = (
    b"Received: from a by b; Mon, 1 Jan 2026 00:00:00 +0000\r\nFrom: Ann <ann@example.org>\r\n"
    b"To: bob@example.net\r\nSubject: one\r\nSubject: two\r\n\r\n"
)
BODY = b"Hello,\r\n  this is it.\r\n"
BODY_AS_SIGNED = b"Hello,\r\n this is it.\r\n"
KEY = f"r._domainkey.{DOMAIN}"
BITS_1023 = (
    b"MIGeMA0GCSqGSIb3DQEBAQUAA4GMADCBiAKBgHvBftzWo+5TAU9zjH+9MuGrlS0NEBL1TONhrgZn6LAn5QogpB4OvKv2DoyjvR2o"
    b"GKNG3mk0ubhrqX5pfMXmvfKSpHHzYlsXowbD1YPeqJJ6eGJzw7cyX1zgyblzo6Ye3l/1eSH8N37sTZJAgU8G9catR6TgHYELM79V"
    b"vgle4rcxAgMBAAE="
)
BITS_4104 = (
    b"MIICIzANBgkqhkiG9w0BAQEFAAOCAhAAMIICCwKCAgIAtyPaDw2LN5DBuyvEOqef38foY42eR4Lwwxxcn0+07tqyr7xLM+vimNX7"
    b"Hq3gL/0NScXqxQHPFf4UfnSUXn0WzhNn84B9fiZDQUisXi+CV9J0jP7Rn3dIUxWZ1LRFG80/LfoZMfviJB3583CF2ekqBVZPQOpX"
    b"/v6Gup4rd3yX5sv2lwI0s8KYm825eW8qJehhFlyjxKLMPMB+5eJGFToGv2vOLh94ouxHvAJjglqCqiBM5rLsHEVNINp9osMRfC5h"
    b"aVwLb5tQLwZbEqSHmmFnZamJz8W6AdmCt4B9k0wVBtWr++OWNcSpSWDbaYCu6L0G7AWLbTl9u6l6vpH4cLaVgyaZB2Hx3G4qB7fq"
    b"pFtLnX+HnyQ1YcFJ1LZK+34cHDuFbrT141G083GVd37xtSJ2w978TbNtmornkB2rJeCZ8lUNEEq5wfCyyYuwgqDWsIuM8DHg/PSf"
    b"7EQpLHPQ71yAmKPw/G6GBEqgN3kqOs4mzX3vtyJwwjIlgwZzjQlL+ErVGPKihMUGLE2hj+d/BCTrzMsgKTSKSAtVcOLhqZ0R6h9p"
    b"iWa+UKAj6vCi+uhwoHGR09MfZXNlvm+8RZnljXEwPciND+tMYoq3IQZzgTJ+eyKWdA9T+Un5wuL+XVHrBwUDvpEJzlftz9LBdETj"
    b"giqUHczM5BMG/WJCj7ujCKi/N8dDAgMBAAE="
)


def signed(tags: str = "", *, names: str = "from:to", signer: Signer | None = None, body: bytes = BODY) -> bytes:
    """Return the message with a signature that says just what the test wants; `tags` come first and win."""
    signer = signer or signers()[0]
    said = dict(part.strip().split("=", 1) for part in tags.split(";") if part.strip())
    digest = base64.b64encode(hash_of(body, "relaxed")).decode()
    usual = {
        "v": "1",
        "a": signer.algorithm,
        "c": "relaxed/relaxed",
        "d": DOMAIN,
        "s": signer.selector,
        "h": names,
        "bh": digest,
    }
    merged = {key: value for key, value in (usual | said).items() if value != "-"}
    text = "; ".join(f"{key}={value}" for key, value in merged.items())
    begin = Field(b"dkim-signature", f"DKIM-Signature: {text}; b=".encode())
    wanted = [name.strip().lower().encode() for name in merged.get("h", "").split(":")]
    canonical = b"".join(field.canonical("relaxed") for field in selected(fields_of(Header(HEADER)), wanted))
    return completed(begin, canonical, signer) + HEADER


def verdict(header: bytes, records: dict[str, bytes] | None = None, body: bytes = BODY, now: float = AT) -> Result:
    """Verify one signature."""
    (result,) = verdicts(header + body, zone() if records is None else records, now)
    return result


def test_pass() -> None:
    """A plain signature passes, and the result says whose it is."""
    result = verdict(signed())

    assert result.word == "pass"
    assert (result.domain, result.selector, result.identity) == (DOMAIN, "r", f"@{DOMAIN}")
    assert result.algorithm == "rsa-sha256"
    assert len(result.begin) == 8
    assert not result.reason


@pytest.mark.parametrize(
    ("tags", "word", "reason"),
    [
        ("v=2", "neutral", "signature version not known"),
        ("v=-", "neutral", "signature without v="),
        ("a=-", "neutral", "signature without a="),
        ("a=rsa-sha512", "neutral", "algorithm not known"),
        ("a=ed25519-sha256", "permerror", "key is of another kind than the signature"),
        ("c=strict", "neutral", "canonical form not known"),
        ("c=simple/nothing", "neutral", "canonical form not known"),
        ("d=-", "neutral", "signature without d="),
        ("d=exa mple.org", "neutral", "d= of the signature is no domain"),
        ("s=-", "neutral", "signature without s="),
        ("s=..", "neutral", "s= of the signature is no domain"),
        ("s=nothing", "permerror", "no such key"),
        ("h=to:subject", "permerror", "From isn't signed"),
        ("h=from::to", "neutral", "h= of the signature has no name where one should be"),
        ("h=-", "neutral", "signature without h="),
        ("bh=-", "neutral", "signature without bh="),
        ("bh=!", "neutral", "bh= of the signature is no base64"),
        ("bh=", "neutral", "bh= of the signature is empty"),
        ("bh=AAAA", "fail", "body was changed"),
        ("i=nobody", "neutral", "i= of the signature is no address"),
        ("i=@example.com", "permerror", "i= of the signature isn't within d="),
        ("i=@badexample.org", "permerror", "i= of the signature isn't within d="),
        ("q=http", "neutral", "no known way to the key"),
        ("l=x", "neutral", "l= of the signature is no number"),
        ("l=999", "fail", "body is shorter than l="),
        ("t=yesterday", "neutral", "t= of the signature is no time"),
        ("t=1700010000", "fail", "signature is from the future"),
        ("x=1699999999", "fail", "signature has expired"),
        ("t=1699999999; x=1699999999", "neutral", "signature expires before it was made"),
    ],
)
def test_what_is_wrong_with_a_signature(tags: str, word: str, reason: str) -> None:
    """Each thing that can be wrong is told by its own reason; nothing of it passes."""
    result = verdict(signed(tags))

    assert (result.word, result.reason) == (word, reason)


@pytest.mark.parametrize(
    "tags",
    [
        "i=ann@example.org",
        "i=ann@mail.example.org",
        "i=@EXAMPLE.ORG",
        "q=http:dns/txt",
        "t=1699999999; x=1700000001",
        "t=1700003000",  # a clock may be ahead a little
        "h=FROM : To",
        "h=from:from:to:nothing",
        "z=From:forged",
        "unknown=value",
        "c=relaxed/relaxed; l=22",  # the whole canonical body
    ],
)
def test_what_is_right_with_a_signature(tags: str) -> None:
    """What the RFC allows passes."""
    assert verdict(signed(tags)).word == "pass"


@pytest.mark.parametrize(
    "field",
    [
        b"v=1; v=1",
        b"no tags at all",
        b"v=1; =x",
        b"v=1; 1a=x",
        b"v=1; a=\x00",
        b"v=1;; a=rsa-sha256",
        b"a=b;" * 101,
        b"a=" + b"x" * 70000,
        b"",
        b";",
    ],
)
def test_what_is_no_tag_list(field: bytes) -> None:
    """A field that is no tag list is neutral, whatever else it is (RFC 8601 section 2.7.1)."""
    assert verdict(b"DKIM-Signature: " + field + b"\r\n" + HEADER).word == "neutral"


@pytest.mark.parametrize(
    ("record", "word", "reason"),
    [
        (b"", "permerror", "key record without p="),
        (b"v=DKIM1; p=", "permerror", "key revoked"),
        (b"v=spf1 -all", "permerror", "version of the key record not known"),
        (b"spf1", "permerror", "key record: no tag where one should be"),
        (b"k=rsa; v=DKIM1; p=AAAA", "permerror", "version of the key record not known"),
        (b"v=DKIM1; p=AAAA", "permerror", "key can't be read"),
        (b"v=DKIM1; p=!", "permerror", "key is no base64"),
        (b"v=DKIM1; k=dsa; p=AAAA", "permerror", "kind of key not known"),
        (b"v=DKIM1; k=ed25519; p=AAAA", "permerror", "key is of another kind than the signature"),
        (b"v=DKIM1; p=" + b"A" * 9000, "permerror", "key record too long"),
        (rsa_record(tags="v=DKIM1; h=sha1; "), "permerror", "key isn't for SHA-256"),
        (rsa_record(tags="v=DKIM1; s=tlsrpt; "), "permerror", "key isn't for mail"),
        (rsa_record(tags="v=DKIM1; t=s; "), "permerror", "key isn't for subdomains"),
        (rsa_record(1536), "fail", "signature doesn't verify"),
    ],
)
def test_what_is_wrong_with_a_key(record: bytes, word: str, reason: str) -> None:
    """Each thing that can be wrong with a key record (RFC 6376 section 6.1.2); here i= is a subdomain."""
    result = verdict(signed("i=@sub.example.org"), {KEY: record})

    assert (result.word, result.reason) == (word, reason)


@pytest.mark.parametrize(
    "tags",
    [
        "",
        "k=rsa; ",
        "v=DKIM1; g=nobody; ",
        "v=DKIM1; h=sha1 : sha256; ",
        "v=DKIM1; s=other:*; ",
        "v=DKIM1; s=email; n=a note; ",
    ],
)
def test_what_is_right_with_a_key(tags: str) -> None:
    """All that is needed is p=; g= and notes are passed over."""
    assert verdict(signed(), {KEY: rsa_record(tags=tags)}).word == "pass"


def test_strict_key() -> None:
    """A key for the domain alone (t=s) is good for i= there, and in a list of flags."""
    record = rsa_record(tags="v=DKIM1; t=s:x; ")

    assert verdict(signed("i=ann@example.org"), {KEY: record}).word == "pass"


def test_key_for_tests() -> None:
    """With t=y mail is treated as if it weren't signed, and yet it is said what would be."""
    record = rsa_record(tags="v=DKIM1; t=y; ")

    good, bad = verdict(signed(), {KEY: record}), verdict(signed(), {KEY: record}, body=b"other\r\n")

    assert (good.word, good.testing, good.reason) == ("none", True, "key is for tests only; signature verifies")
    assert (bad.word, bad.testing, bad.reason) == ("none", True, "key is for tests only; body was changed")


@pytest.mark.parametrize("bits", [1024, 4096])
def test_sizes_of_rsa_keys(bits: int) -> None:
    """Keys of 1024 to 4096 bits are good (RFC 8301 section 3.2)."""
    signer = Signer(DOMAIN, "r", rsa_key(bits))

    assert verdict(signed(signer=signer), {KEY: rsa_record(bits)}).word == "pass"


@pytest.mark.parametrize(
    ("key", "reason"),
    [(BITS_1023, "RSA key of 1023 bits is too weak"), (BITS_4104, "RSA key is longer than any in use")],
)
def test_rsa_keys_that_never_pass(key: bytes, reason: str) -> None:
    """Keys below 1024 bits prove nothing (RFC 8301 section 3.2), those above 4096 only cost time."""
    result = verdict(signed(), {KEY: b"v=DKIM1; p=" + key})

    assert (result.word, result.reason) == ("policy", reason)


def test_no_sha1() -> None:
    """A signature by rsa-sha1 that is right never passes (RFC 8301 section 3.1)."""
    digest = base64.b64encode(hashlib.sha1(BODY).digest()).decode()
    begin = Field(
        b"dkim-signature",
        f"DKIM-Signature: v=1; a=rsa-sha1; c=simple/simple; d={DOMAIN}; s=r; h=from; bh={digest}; b=".encode(),
    )
    data = b"From: Ann <ann@example.org>\r\n" + begin.octets
    value = base64.b64encode(rsa_key(2048).sign(data, PKCS1v15(), SHA1()))

    result = verdict(begin.octets + value + b"\r\n" + HEADER)

    assert (result.word, result.reason) == ("policy", "rsa-sha1 is too weak")
    assert (result.domain, result.algorithm) == (DOMAIN, "rsa-sha1")


def test_appended_text_is_never_covered() -> None:
    """What stands behind l= could be anybody's, so such a signature doesn't pass however right it is."""
    header = signed("l=22")

    assert verdict(header).word == "pass"
    result = verdict(header, body=BODY + b"Buy!\r\n")

    assert (result.word, result.reason) == ("policy", "l= leaves 6 octets of the body unsigned")
    empty = base64.b64encode(hashlib.sha256(b"").digest()).decode()
    assert verdict(signed(f"l=0; bh={empty}")).word == "policy"


def test_a_second_from() -> None:
    """A From put before the signed one doesn't get its signature (RFC 6376 section 8.15)."""
    result = verdict(b"From: Mallory <mallory@example.com>\r\n" + signed())

    assert (result.word, result.reason) == ("policy", "a From field isn't signed")
    assert verdict(b"From: x@example.com\r\n" + signed(names="from:from:to")).word == "fail"


def test_fields_are_taken_from_below() -> None:
    """Of several the lowest is signed first (RFC 6376 section 5.4.2): what comes above that is not."""
    once, twice = signed(names="from:subject"), signed(names="from:subject:subject")
    changed = (b"Subject: one", b"Subject: other")

    assert verdict(once.replace(*changed)).word == "pass"
    assert verdict(twice.replace(*changed)).word == "fail"
    assert verdict(once.replace(b"Subject: two", b"Subject: other")).word == "fail"


def test_names_of_fields_that_are_not_there() -> None:
    """A name that stands in h= once more than in the header keeps a field of that name from being added."""
    header = signed(names="from:to:to:cc")

    assert verdict(header).word == "pass"
    assert verdict(b"Cc: x@example.com\r\n" + header).word == "fail"
    assert verdict(b"To: x@example.com\r\n" + header).word == "fail"
    assert verdict(b"Bcc: x@example.com\r\n" + header).word == "pass"


def test_internationalized_domains() -> None:
    """What stands there in UTF-8 is looked up, compared and told in A-labels (RFC 8616 section 4)."""
    name = "r._domainkey.xn--bcher-kva.example"

    result = verdict(signed("d=bücher.example; i=@post.bücher.example"), {name: rsa_record()})

    assert result.word == "pass"
    assert (result.domain, result.identity) == ("xn--bcher-kva.example", "@post.xn--bcher-kva.example")
    assert verdict(signed("d=xn--bcher-kva.example; i=@bücher.example"), {name: rsa_record()}).word == "pass"


def test_eight_bit_fields() -> None:
    """Octets above 127 in signed fields are hashed as they are."""
    header = HEADER.replace(b"Ann", b"\xc4nn").replace(b"bob", "ö".encode())
    fields = signature_fields(fields_of(Header(header)), hash_of(BODY), signers(), AT)

    results = verdicts(fields + header + BODY, zone())

    assert [result.word for result in results] == ["pass", "pass"]
    assert [result.word for result in verdicts(fields + header.replace(b"\xc4", b"\xd6") + BODY, zone())] == [
        "fail"
    ] * 2


def test_only_five_signatures() -> None:
    """The five topmost are looked at; a hundred cost no more questions and no more results."""
    header = b"".join(signed(f"s=s{number}").partition(HEADER)[0] for number in range(100)) + HEADER

    results = verdicts(header + BODY, zone())

    assert [result.selector for result in results] == ["s0", "s1", "s2", "s3", "s4"]


def test_several_keys_of_one_name() -> None:
    """Any of the first three records may be the right one (RFC 6376 section 6.1.2)."""
    fields = fields_of(Header(signed()))
    signatures = signatures_of(fields)
    hasher = BodyHasher(forms_of(signatures))
    hasher.add(BODY)
    hashes = hasher.finish()

    def word(*records: bytes) -> str:
        keys = {KEY: Answer(records, "found", authentic=False)}
        return judged(signatures, fields, hashes, keys, AT)[0].word

    assert word(b"v=spf1 -all", rsa_record()) == "pass"
    assert word(rsa_record(1536), rsa_record()) == "pass"
    assert word(rsa_record(1536), rsa_record(1024)) == "fail"
    assert word(b"x", b"x", b"x", rsa_record()) == "permerror"


def test_one_name_is_asked_for_once() -> None:
    """Two signatures with the same key cost one question, and share a pass over the body."""
    signatures = signatures_of(fields_of(Header(signed().partition(HEADER)[0] + signed())))

    assert names_of(signatures) == (KEY,)
    assert forms_of(signatures) == {("relaxed", None)}


def test_trouble_with_the_dns() -> None:
    """A key that can't be had now is a temporary error, and others are asked for all the same."""

    async def texts(name: str) -> Answer[bytes]:
        if name == KEY:
            raise TemporaryError(Reply(451, "4.4.3", "no"))
        return Answer((ed25519_record(),), "found", authentic=False)

    header = signature_fields(fields_of(Header(HEADER)), hash_of(BODY), signers(), AT) + HEADER
    fields = fields_of(Header(header))
    signatures = signatures_of(fields)
    hasher = BodyHasher(forms_of(signatures))
    hasher.add(BODY)
    fetching = fetch(names_of(signatures), texts)
    with pytest.raises(StopIteration) as end:
        fetching.send(None)

    results = judged(signatures, fields, hasher.finish(), end.value.value, AT)

    assert [(result.word, result.reason) for result in results] == [("temperror", "key can't be had now"), ("pass", "")]


def test_no_signature() -> None:
    """Mail that isn't signed has no results, and asks for nothing."""
    assert verdicts(HEADER + BODY, zone()) == ()
    assert answers({}) == {}


def test_what_is_told_of_a_broken_signature() -> None:
    """What is shown of a signature is never what could forge a line of a log or header."""
    result = verdict(b'DKIM-Signature: v=1; a=evil (pass); d=x\r\n y; s=a; b="<>; i=a b@example.org\r\n' + HEADER)

    assert (result.word, result.algorithm, result.domain, result.begin) == ("neutral", "", "", "")
    assert verdict(signed('i="a b"@example.org')).identity == "@example.org"


@pytest.mark.parametrize("octets", [1, 2, 3])
def test_few_octets_behind_a_length(octets: int) -> None:
    """However little l= leaves open, it isn't the body that was signed."""
    digest = base64.b64encode(hashlib.sha256(BODY_AS_SIGNED[:-octets]).digest()).decode()

    result = verdict(signed(f"l={len(BODY_AS_SIGNED) - octets}; bh={digest}"))

    assert (result.word, result.reason) == ("policy", f"l= leaves {octets} octets of the body unsigned")


@pytest.mark.parametrize(("bits", "word"), [(64, "fail"), (65, "policy")])
def test_large_exponents(bits: int, word: str) -> None:
    """An exponent of thousands of bits would cost a hundred times as much as those in use."""
    numbers = RSAPublicNumbers((1 << (bits - 1)) + 1, rsa_key(2048).public_key().public_numbers().n)
    octets = numbers.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)

    (result,) = verdicts(signed() + BODY, {KEY: b"p=" + base64.b64encode(octets)})

    assert result.word == word


def test_a_tag_twice() -> None:
    """Such a list can't be read in one way (RFC 6376 section 3.2), be it a signature's or a key's."""
    twice = signed().replace(b"; s=", b"; s=other; s=", 1)
    assert verdict(twice).reason == "signature: tag s twice"
    (result,) = verdicts(signed() + BODY, {KEY: rsa_record() + b"; p="})
    assert (result.word, result.reason) == ("permerror", "key record: tag p twice")
