"""Seals on forwarded mail: what they tell, on which mail they are, and that they hold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from arc_made import ASSESSMENT, BODY, HEADER, sealer, verdict_on, with_seal
from dkim_made import AT

from twistedmail_mta.arc.chain import Verdict
from twistedmail_mta.arc.sealing import sealed
from twistedmail_mta.deliver.sealing import Sealing
from twistedmail_mta.dkim.body import hash_of
from twistedmail_mta.dkim.fields import Field
from twistedmail_mta.mail.header import split
from twistedmail_mta.model import NULL_PATH, Address, Body, Envelope, InlineBody, Message, Origin, Recipient, Tags

OURS = b"Authentication-Results: mail.home.test; spf=pass smtp.mailfrom=ann@example.org;\r\n\tdmarc=pass (ok)\r\n"
THEIRS = b"Authentication-Results: other.test; spf=fail\r\n"
EXAMINED: Tags = (("auth.dmarc", "pass example.org"),)
CHAINED: Tags = (*EXAMINED, ("auth.arc", "pass example.org"))


class Keys:
    """Has the key of example.org."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []

    async def seal(
        self, fields: Sequence[Field], body: Body, verdict: Verdict, assessment: bytes, domain: str
    ) -> bytes:
        self.asked.append((domain, verdict.validation))
        if domain != "example.org":
            return b""
        assert isinstance(body, InlineBody)
        return sealed(fields, hash_of(body.data), verdict, assessment, sealer(), AT)


def message(text: bytes, tags: Tags = EXAMINED) -> Message:
    header, body = split(text)
    envelope = Envelope(NULL_PATH, (Recipient(Address("bob", "far.test")),))
    return Message(7, envelope, header, InlineBody(body), Origin("ESMTP"), 0.0, tags)


def after(text: bytes, tags: Tags = EXAMINED, domain: str = "example.org", keys: Keys | None = None) -> bytes:
    """What leaves."""
    coroutine: Any = Sealing(keys or Keys()).sealed(message(text, tags), domain)
    try:
        coroutine.send(None)
    except StopIteration as end:
        made: Message = end.value
        assert isinstance(made.body, InlineBody)
        assert replace(made, header=b"") == replace(message(text, tags), header=b"")
        return made.header + made.body.data
    raise AssertionError("it waits")


TEXT = b"Received: by mail.home.test\r\n" + THEIRS + OURS + HEADER + BODY


def test_it_tells_what_was_found() -> None:
    """Of all fields the one that tells of DMARC; the message itself is as it was."""
    made = after(TEXT)

    assert made.endswith(TEXT)
    verdict = verdict_on(made)
    assert (verdict.validation, verdict.sealers) == ("pass", ("example.org",))
    assert verdict.sets[0].assessment.split() == OURS.partition(b": ")[2].split()


def test_a_chain_goes_on() -> None:
    """With what was found of it: one set more."""
    made = after(OURS + with_seal(HEADER + BODY), CHAINED)

    verdict = verdict_on(made)
    assert verdict.validation == "pass"
    assert [each.instance for each in verdict.sets] == [1, 2]
    assert verdict.sets[0].assessment == ASSESSMENT


def test_a_broken_chain_is_told_as_one() -> None:
    """Whoever comes next needn't look."""
    broken = with_seal(HEADER + BODY).replace(b"Hello", b"Hullo")
    keys = Keys()

    made = after(OURS + broken, (*EXAMINED, ("auth.arc", "fail")), keys=keys)

    assert keys.asked == [("example.org", "fail")]
    assert b"cv=fail" in made.partition(b"ARC-Message-Signature")[0]
    assert verdict_on(made).validation == "fail"


@pytest.mark.parametrize(
    ("text", "tags", "domain"),
    [
        (TEXT, (), "example.org"),
        (TEXT, (("auth.arc", "pass"),), "example.org"),
        (THEIRS + HEADER + BODY, EXAMINED, "example.org"),
        (HEADER + BODY, EXAMINED, "example.org"),
        (TEXT, EXAMINED, "keyless.test"),
        (TEXT.replace(b"From", b"Form"), EXAMINED, "example.org"),
        (b"ARC-Seal: i=1; cv=none\r\n" + TEXT, CHAINED, "example.org"),
    ],
)
def test_what_is_not_sealed(text: bytes, tags: Tags, domain: str) -> None:
    """Nobody has examined it, or nobody's key is there; or what was a chain then is none any more."""
    assert after(text, tags, domain) == text
