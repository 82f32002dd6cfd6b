"""Chains: sealed and validated, and everything that breaks one (RFC 8617 sections 4 and 5)."""

from __future__ import annotations

import re
import time

import pytest
from arc_made import ASSESSMENT, BODY, HEADER, sealer, verdict_on, with_seal
from dkim_made import AT, DOMAIN, rsa_key, rsa_record, zone
from hypothesis import given, settings
from hypothesis import strategies as st

from twistedmail_mta.arc.chain import chain_of, validated
from twistedmail_mta.arc.sealing import sealed
from twistedmail_mta.arc.sets import sets_of
from twistedmail_mta.dkim.body import BodyHasher, hash_of
from twistedmail_mta.dkim.fields import Field, fields_of
from twistedmail_mta.dkim.signing import Signer, completed
from twistedmail_mta.errors import TemporaryError
from twistedmail_mta.mail.header import Header, split
from twistedmail_mta.model import Reply

MESSAGE = HEADER + BODY


def sealed_times(number: int, message: bytes = MESSAGE) -> bytes:
    """Return a message with so many sets."""
    for _ in range(number):
        message = with_seal(message)
    return message


def test_no_chain() -> None:
    """Mail without ARC fields has no chain, and nothing is asked."""
    verdict = verdict_on(MESSAGE)

    assert (verdict.validation, verdict.sealers) == ("none", ())
    assert chain_of(fields_of(Header(HEADER))).key_names == ()


@pytest.mark.parametrize("number", [1, 2, 3, 12])
def test_chain_passes(number: int) -> None:
    """However often it was sealed, cv= is "none" in the first set and "pass" in all others."""
    message = sealed_times(number)

    verdict = verdict_on(message)

    assert verdict.validation == "pass"
    assert verdict.sealers == (DOMAIN,) * number
    assert [arc_set.seal.validation for arc_set in verdict.sets] == ["none"] + ["pass"] * (number - 1)
    assert verdict.sets[0].assessment == ASSESSMENT


def test_fifty_sets_and_no_more() -> None:
    """The fiftieth set is the last one (RFC 8617 section 4.2.1); one more changes nothing."""
    message = sealed_times(50)

    assert verdict_on(message).validation == "pass"
    assert with_seal(message) == message
    fifty_one = message.replace(b"i=50;", b"i=51;")
    assert verdict_on(fifty_one).reason == "an ARC field has no instance"


def test_mail_changed_and_sealed_again() -> None:
    """Only the newest message signature has to fit: a list may change the text and seal what it made of it."""
    first = sealed_times(1)
    header, body = split(first)
    changed = header.replace(b"Subject: hello", b"Subject: [list] hello") + body + b"-- \r\nfooter\r\n"
    assert verdict_on(changed).reason == "newest ARC-Message-Signature: body was changed"
    fields = fields_of(Header(split(changed)[0]))

    before = verdict_on(first)  # as the list found it
    again = sealed(fields, hash_of(split(changed)[1]), before, ASSESSMENT, sealer(), AT) + changed

    assert verdict_on(again).validation == "pass"
    assert len(verdict_on(again).sets) == 2


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        (b"Hello,", b"Bye,", "newest ARC-Message-Signature: body was changed"),
        (b"Subject: hello", b"Subject: bye", "newest ARC-Message-Signature: signature doesn't verify"),
        (b"spf=pass", b"spf=none", "ARC-Seal 2: signature doesn't verify"),
        (b"cv=none", b"cv=pass", "cv= of an ARC-Seal doesn't fit its place"),
        (b"cv=pass", b"cv=none", "cv= of an ARC-Seal doesn't fit its place"),
        (b"cv=pass", b"cv=fail", "the chain was broken before"),
        (b"cv=pass", b"cv=what", "an ARC-Seal has no known cv="),
        (b"cv=pass;", b"cv=pass; h=from;", "an ARC-Seal has h="),
        (b"cv=pass;", b"", "an ARC-Seal has no known cv="),
        (b"ARC-Seal: i=1;", b"ARC-Seal: i=3;", "an ARC set is incomplete"),
        (b"ARC-Seal: i=1;", b"ARC-Seal: i=2;", "an ARC field is there twice"),
        (b"ARC-Seal: i=1;", b"ARC-Seal: i=0;", "an ARC field has no instance"),
        (b"ARC-Seal: i=1;", b"ARC-Seal: i=x;", "an ARC field has no instance"),
        (b"ARC-Seal: i=1;", b"ARC-Seal: i=99999999;", "an ARC field has no instance"),
        (b"ARC-Seal: i=1;", b"X-Seal: i=1;", "an ARC set is incomplete"),
        (b"ARC-Seal: i=1;", b"ARC-Seal: i=1; i=1;", "an ARC field is no tag list"),
        (b"i=1;", b"i=3;", "an ARC set is missing"),
        (b"h=From:", b"h=ARC-Seal:From:", "an ARC-Message-Signature covers ARC fields"),
        (b"s=r", b"s=gone", "newest ARC-Message-Signature: no such key"),
        (b"a=rsa-sha256", b"a=rsa-sha1", "an ARC-Seal can't be used: rsa-sha1 is too weak"),
    ],
)
def test_what_breaks_a_chain(old: bytes, new: bytes, reason: str) -> None:
    """Each way in which a chain of two sets can be broken, and what is said of it; changed is what fits."""
    message = sealed_times(2)
    assert old in message

    verdict = verdict_on(message.replace(old, new))

    assert (verdict.validation, verdict.reason) == ("fail", reason)
    assert not verdict.temporary
    assert verdict.sealers == ()


def test_every_seal_counts() -> None:
    """Any octet of a former set that is changed breaks the chain."""
    message = sealed_times(3)
    first = message.rindex(b"ARC-Seal: i=1")
    for place in range(first, message.index(b"From: ann"), 37):
        if message[place : place + 1] not in b"\r\n\t ;:=":
            changed = message[:place] + bytes((message[place] ^ 1,)) + message[place + 1 :]
            assert verdict_on(changed).validation == "fail", changed


def test_white_space_may_change() -> None:
    """Seals are made over the relaxed form (RFC 8617 section 4.1.3)."""
    message = sealed_times(2).replace(b"spf=pass smtp", b"spf=pass\r\n \t smtp").replace(b"ARC-Seal:", b"arc-seal :")

    assert verdict_on(message).validation == "pass"


def test_broken_chains_are_marked_once() -> None:
    """Who finds a chain broken says so in a set of its own, signed alone; nobody seals after that."""
    broken = sealed_times(2).replace(b"Subject: hello", b"Subject: bye")

    marked = with_seal(broken)

    assert marked.startswith(b"ARC-Seal: i=3; a=rsa-sha256; cv=fail;")
    assert (verdict_on(marked).validation, verdict_on(marked).reason) == ("fail", "the chain was broken before")
    assert with_seal(marked) == marked


def test_a_key_for_each_sealer() -> None:
    """A seal by another's key breaks the chain, whatever the newest set says."""
    fields = fields_of(Header(HEADER))
    other = sealed(
        fields, hash_of(BODY), verdict_on(MESSAGE), ASSESSMENT, Signer("example.com", "x", rsa_key(1024)), AT
    )
    message = with_seal(other + MESSAGE)  # found broken, since example.com has no key in this zone
    records = zone() | {"x._domainkey.example.com": rsa_record(1024)}

    assert verdict_on(other + MESSAGE, records).sealers == ("example.com",)
    assert verdict_on(message, records).validation == "fail"


def test_trouble_with_the_dns() -> None:
    """It is a failure too (RFC 8617 section 5.2.1), but one that may pass, and that is said."""
    header, body = split(sealed_times(1))
    fields = fields_of(Header(header))
    chain = chain_of(fields)
    hasher = BodyHasher(chain.forms)
    hasher.add(body)
    keys = {name: TemporaryError(Reply(451, "4.4.3", "no")) for name in chain.key_names}

    verdict = validated(chain, fields, hasher.finish(), keys, AT)

    assert (verdict.validation, verdict.temporary) == ("fail", True)


def test_one_question_for_each_key() -> None:
    """A chain that the same host sealed twenty times costs one question."""
    chain = chain_of(fields_of(Header(split(sealed_times(20))[0])))

    assert chain.key_names == (f"r._domainkey.{DOMAIN}",)


def test_signatures_of_others_are_sealed() -> None:
    """DKIM-Signature is among the signed fields, Authentication-Results never is (RFC 8617 section 4.1.2)."""
    message = sealed_times(1, b"DKIM-Signature: v=1\r\nAuthentication-Results: x; none\r\n" + MESSAGE)
    (arc_set,) = verdict_on(message).sets
    names = re.sub(rb"\s", b"", arc_set.message.value).lower().partition(b";h=")[2].partition(b";")[0].split(b":")

    assert b"dkim-signature" in names
    assert b"from" in names
    assert b"authentication-results" not in names


def test_expired_message_signature() -> None:
    """An ARC-Message-Signature may expire as any other signature."""
    digest = "uoq1oCgLlTqpdDX/iUbLy7J1Wic="
    field = Field(
        b"arc-message-signature",
        f"ARC-Message-Signature: i=1; a=rsa-sha256; d={DOMAIN}; s=r; x=5; h=from; bh={digest}; b=".encode(),
    )
    message = completed(field, b"", sealer())
    rest = b"ARC-Seal: i=1; a=rsa-sha256; cv=none; d=example.org; s=r; b=AAAA\r\nARC-Authentication-Results: i=1; x\r\n"

    assert verdict_on(message + rest + MESSAGE).reason == "newest ARC-Message-Signature: signature has expired"


@given(
    st.lists(st.sampled_from(["ARC-Seal", "ARC-Message-Signature", "ARC-Authentication-Results"]), max_size=8),
    st.data(),
)
@settings(max_examples=400)
def test_any_fields(names: list[str], data: st.DataObject) -> None:
    """Whatever ARC fields hold, the chain is "fail", or "none" where there are none; and it can be sealed."""
    values = st.binary(max_size=40) | st.sampled_from(
        [b"i=1; cv=none", b"i=1; x", b"i=1; a=rsa-sha256; d=x; s=y; b=AA=="]
    )
    block = b"".join(
        name.encode() + b": " + data.draw(values).replace(b"\n", b"").replace(b"\r", b"") + b"\r\n" for name in names
    )

    verdict = verdict_on(block + MESSAGE)

    assert verdict.validation == ("fail" if names else "none")
    assert verdict.reason.isascii()
    assert verdict_on(with_seal(block + MESSAGE)).validation == ("fail" if names else "pass")


def test_thousands_of_fields_cost_little() -> None:
    """More than 50 sets are refused before anything is asked or calculated."""
    fields = fields_of(Header(b"ARC-Seal: i=1; a=b\r\n" * 20_000 + HEADER))
    begun = time.process_time()

    chain = chain_of(fields)

    assert time.process_time() - begun < 0.5
    assert (chain.broken, chain.key_names) == ("more than 50 ARC sets", ())


def test_sets_as_they_came() -> None:
    """The example of RFC 8617 appendix B is a chain of three sets."""
    sets = sets_of(fields_of(Header(RFC8617)))

    assert [arc_set.seal.domain for arc_set in sets] == ["lists.example.org", "gmail.example", "clochette.example.org"]
    assert [arc_set.seal.validation for arc_set in sets] == ["none", "pass", "pass"]
    assert sets[0].assessment.startswith(b"lists.example.org; spf=pass")
    assert verdict_on(RFC8617 + b"Hey gang\r\n").reason == "newest ARC-Message-Signature: no such key"


RFC8617 = b"""ARC-Seal: i=3; a=rsa-sha256; cv=pass; d=clochette.example.org; s=
        clochette; t=12345; b=CU87XzXlNlk5X/yW4l73UvPUcP9ivwYWxyBWcVrRs7
        +HPx3K05nJhny2fvymbReAmOA9GTH/y+k9kEc59hAKVg==
ARC-Message-Signature: i=3; a=rsa-sha256; c=relaxed/relaxed; d=
        clochette.example.org; h=message-id:date:from:to:subject; s=
        clochette; t=12345; bh=KWSe46TZKCcDbH4klJPo+tjk5LWJnVRlP5pvjXFZY
        LQ=; b=o71vwyLsK+Wm4cOSlirXoRwzEvi0vqIjd/2/GkYFYlSd/GGfKzkAgPqxf
        K7ccBMP7Zjb/mpeggswHjEMS8x5NQ==
ARC-Authentication-Results: i=3; clochette.example.org; spf=fail
    smtp.from=jqd@d1.example; dkim=fail (512-bit key)
    header.i=@d1.example; dmarc=fail; arc=pass (as.2.gmail.example=pass,
    ams.2.gmail.example=pass, as.1.lists.example.org=pass,
    ams.1.lists.example.org=fail (message has been altered))
ARC-Seal: i=2; a=rsa-sha256; cv=pass; d=gmail.example; s=20120806; t=
        12345; b=Zpukh/kJL4Q7Kv391FKwTepgS56dgHIcdhhJZjsalhqkFIQQAJ4T9BE
        8jjLXWpRNuh81yqnT1/jHn086RwezGw==
ARC-Message-Signature: i=2; a=rsa-sha256; c=relaxed/relaxed; d=
        gmail.example; h=message-id:date:from:to:subject; s=20120806; t=
        12345; bh=KWSe46TZKCcDbH4klJPo+tjk5LWJnVRlP5pvjXFZYLQ=; b=CVoG44
        cVZvoSs2mMig2wwqPaJ4OZS5XGMCegWqQs1wvRZJS894tJM0xO1RJLgCPsBOxdA5
        9WSqI9s9DfyKDfWg==
ARC-Authentication-Results: i=2; gmail.example; spf=fail
    smtp.from=jqd@d1.example; dkim=fail (512-bit key)
    header.i=@example.org; dmarc=fail; arc=pass
    (as.1.lists.example.org=pass, ams.1.lists.example.org=pass)
ARC-Seal: i=1; a=rsa-sha256; cv=none; d=lists.example.org; s=dk-lists;
         t=12345; b=TlCCKzgk3TrAa+G77gYYO8Fxk4q/Ml0biqduZJeOYh6+0zhwQ8u/
        lHxLi21pxu347isLSuNtvIagIvAQna9a5A==
ARC-Message-Signature: i=1; a=rsa-sha256; c=relaxed/relaxed; d=
        lists.example.org; h=message-id:date:from:to:subject; s=
        dk-lists; t=12345; bh=KWSe46TZKCcDbH4klJPo+tjk5LWJnVRlP5pvjXFZYL
        Q=; b=DsoD3n3hiwlrN1ma8IZQFgZx8EDO7Wah3hUjIEsYKuShRKYB4LwGUiKD5Y
        yHgcIwGHhSc/4+ewYqHMWDnuFxiQ==
ARC-Authentication-Results: i=1; lists.example.org; spf=pass
    smtp.mfrom=jqd@d1.example; dkim=pass (512-bit key)
    header.i=@d1.example; dmarc=pass
From: John Q Doe <jqd@d1.example>
To: arc@dmarc.example
Subject: Example 1

""".replace(b"\n", b"\r\n")
