"""What this host writes is signed by the domain it is from, and sent unsigned rather than lost."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from zope.interface import implementer

from twistedmail_mta.errors import TemporaryError
from twistedmail_mta.interfaces import ISigning
from twistedmail_mta.mail.header import Header
from twistedmail_mta.model import NULL_PATH, Body, Envelope, InlineBody, Message, Origin, Reply
from twistedmail_mta.queue.own_mail import OwnMail, above
from twistedmail_mta.tasks import Cancelled, TaskGroup

REPORT = Message(
    1,
    Envelope(NULL_PATH, ()),
    b"From: <MAILER-DAEMON@mail.example.org>\r\n\r\n",
    InlineBody(b"x\r\n"),
    Origin("local"),
    0.0,
)


@implementer(ISigning)
class Signing:
    """Signs, or fails, as the test wants."""

    def __init__(self, fields: bytes = b"DKIM-Signature: x\r\n", error: BaseException | None = None) -> None:
        self.fields = fields
        self.error = error
        self.asked: list[tuple[bytes, Body, tuple[str, ...]]] = []

    async def has_keys(self) -> bool:
        return True

    async def signature(self, header: Header, body: Body, domains: Sequence[str]) -> bytes:
        self.asked.append((header.block, body, tuple(domains)))
        if self.error is not None:
            raise self.error
        return self.fields


def signed(signing: Any, message: Message = REPORT) -> Message | BaseException:
    """Return what becomes of a message."""
    results: list[Message | BaseException] = []

    async def run() -> None:
        try:
            results.append(await OwnMail(signing).signed(message))
        except BaseException as error:  # noqa: BLE001 - the test looks at it
            results.append(error)

    TaskGroup().start("test", run())
    return results[0]


def test_signed_by_the_domain_of_the_host() -> None:
    """The host's own name is asked for first, then what is above it, but no top-level domain."""
    signing = Signing()

    message = signed(signing)

    assert isinstance(message, Message)
    assert message.header == b"DKIM-Signature: x\r\n" + REPORT.header
    assert signing.asked == [(REPORT.header, REPORT.body, ("mail.example.org", "example.org"))]


@pytest.mark.parametrize(
    ("domain", "expected"),
    [
        ("a.b.example.org", ("a.b.example.org", "b.example.org", "example.org")),
        ("example.org", ("example.org",)),
        ("x", ("x",)),
    ],
)
def test_domains_above(domain: str, expected: tuple[str, ...]) -> None:
    """Two labels at least, but for a host without a domain."""
    assert above(domain) == expected


def test_no_keys_and_no_signing() -> None:
    """Without keys, and without anybody who signs, the message is the same."""
    assert signed(Signing(b"")) is REPORT
    assert signed(None) is REPORT


@pytest.mark.parametrize("error", [TemporaryError(Reply(451, "4.3.0", "no")), ValueError("no key")])
def test_reports_are_never_lost(error: Exception) -> None:
    """A report that can't be signed goes as it is; it may be the only news of lost mail."""
    assert signed(Signing(error=error)) is REPORT


def test_cancelling() -> None:
    """A stop of the server isn't taken for a failure."""
    assert isinstance(signed(Signing(error=Cancelled())), Cancelled)


def test_no_author() -> None:
    """A message without From has no domain that could sign it."""
    signing = Signing(b"")

    signed(signing, Message(1, REPORT.envelope, b"Subject: x\r\n\r\n", REPORT.body, REPORT.origin, 0.0))

    assert signing.asked[0][2] == ()
