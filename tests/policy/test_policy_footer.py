"""Footers: behind plain text alone, in its charset and encoding, and never where a signature would break."""

from __future__ import annotations

import email
import email.policy
import quopri
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from repute_kit import result, stranger
from scanner_kit import Text, arriving, kit, logged_in

from twistedmail_mta.plugins import find, verified
from twistedmail_mta.policy.footer import Footer, encoded
from twistedmail_mta.policy.scanned import PIECE
from twistedmail_mta.stages import ReplaceBody
from twistedmail_mta.tasks import Task

FROM = b"From: ann@sender.test\r\n"
MIME = FROM + b"MIME-Version: 1.0\r\n"
UTF8 = MIME + b"Content-Type: text/plain; charset=utf-8\r\n"


@dataclass
class Draft:
    """A text in memory."""

    octets: bytearray = field(default_factory=bytearray)

    async def write(self, block: bytes) -> None:
        self.octets += block

    async def finish(self) -> Text:
        return Text(bytes(self.octets))


def changed(header: bytes = FROM, body: bytes | Text = b"text\r\n", client: Any = None, **options: Any) -> Any:
    """The body with a footer; None if there is none."""
    told = {"text": "We sell\ngood things ", "sender": "*@sender.test"} | options
    sender = told.pop("from", "ann@sender.test")
    policy = Footer(Footer.Options.model_validate(told), kit())
    message = replace(arriving(body, header + b"\r\n", sender), draft=Draft)
    answer = result(Task("asks", policy.message(client or logged_in(), message)))
    if answer is None:
        return None
    (change,) = answer
    assert isinstance(change, ReplaceBody)
    return change.body.octets  # type: ignore[attr-defined]


def test_it_is_a_plugin() -> None:
    kind = find("footer")
    options = kind.options.model_validate({"text": "x", "sender": "*"})
    assert verified("footer", kind.make(options, kit()))


@pytest.mark.parametrize(
    "wrong", [{}, {"text": ""}, {"text": "x" * 901}, {"text": "a\0b"}, {"sender": []}, {"sender": "sender.test"}]
)
def test_wrong_options(wrong: dict[str, Any]) -> None:
    """Nobody's mail gets one who wasn't named."""
    given_ = {"text": "x", "sender": "*"} | wrong if wrong else {"text": "x"}
    with pytest.raises(ValidationError):
        Footer.Options.model_validate(given_)


def test_plain_text() -> None:
    """Below an empty line; also where the last line wasn't ended."""
    assert changed() == b"text\r\n\r\nWe sell\r\ngood things\r\n"
    assert changed(body=b"text") == b"text\r\n\r\nWe sell\r\ngood things\r\n"
    assert changed(body=b"") == b"\r\nWe sell\r\ngood things\r\n"


def test_whose_mail() -> None:
    """Of the senders that were named, and have logged in; reports have none."""
    assert changed(client=stranger()) is None
    assert changed(client=stranger(), strangers=True) is not None
    assert changed(**{"from": "eve@other.test"}) is None
    assert changed(**{"from": "", "sender": "*"}) is None


@pytest.mark.parametrize(
    ("header", "text", "expected"),
    [
        (FROM, "gr\u00fcn", None),
        (UTF8, "gr\u00fcn", None),
        (UTF8 + b"Content-Transfer-Encoding: 8bit\r\n", "gr\u00fcn", "gr\u00fcn".encode()),
        (UTF8 + b"Content-Transfer-Encoding: quoted-printable\r\n", "gr\u00fcn=", b"gr=C3=BCn=3D"),
        (UTF8 + b"Content-Transfer-Encoding: base64\r\n", "green", None),
        (MIME + b'Content-Type: text/plain;\r\n\tcharset="ISO-8859-1"\r\nContent-Transfer-Encoding: 8BIT\r\n',
         "gr\u00fcn", b"gr\xfcn"),
        (MIME + b"Content-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: 8bit\r\n", "\u20ac", None),
        (MIME + b"Content-Type: text/plain; charset=iso-2022-jp\r\n", "green", None),
        (MIME + b"Content-Type: text/plain; charset=utf-16\r\n", "green", None),
        (MIME + b"Content-Type: text/html\r\n", "green", None),
        (MIME + b"Content-Type: multipart/mixed; boundary=b\r\n", "green", None),
        (MIME + b"Content-Type: multipart/signed; boundary=b\r\n", "green", None),
        (MIME + b"Content-Type: application/pkcs7-mime\r\n", "green", None),
        (MIME + b"Content-Type: text/plain\r\nContent-Type: text/html\r\n", "green", None),
        (FROM + b"DKIM-Signature: v=1\r\n", "green", None),
        (FROM + b"ARC-Message-Signature: i=1\r\n", "green", None),
        (FROM + b"Content-MD5: x\r\n", "green", None),
    ],
)  # fmt: skip
def test_what_it_is_put_behind(header: bytes, text: str, expected: bytes | None) -> None:
    """Nothing whose charset or encoding can't have it, and nothing that is signed."""
    found = changed(header, text=text)
    assert found == (None if expected is None else b"text\r\n\r\n" + expected + b"\r\n")


@pytest.mark.parametrize("before", [0, 1, 100, PIECE - 30, PIECE - 15, PIECE - 2, PIECE - 1, PIECE, PIECE + 1])
def test_pgp(before: int) -> None:
    """Wherever in the body it begins, and however that is cut in pieces."""
    body = b"x" * max(before - 2, 0) + b"\r\n" * bool(before)
    assert changed(body=body + b"-----BEGIN PGP SIGNED MESSAGE-----\r\n") is None
    assert changed(body=body + b"> -----BEGIN PGP SIGNED MESSAGE-----\r\n") is not None


def test_large_messages() -> None:
    """Have none; others are copied in pieces."""
    body = Text(b"x" * 70_000 + b"\r\n")
    assert changed(body=body, max_size="50KB") is None
    assert changed(body=body) == body.octets + b"\r\nWe sell\r\ngood things\r\n"
    assert max(body.pieces) <= PIECE


@given(st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=200))
def test_readers_see_it(text: str) -> None:
    """Behind what the sender wrote, whatever the encoding."""
    footer = f"{text}\r\n"
    for encoding in ("8bit", "quoted-printable"):
        header = UTF8 + f"Content-Transfer-Encoding: {encoding}\r\n\r\n".encode()
        from_header = arriving(header=header).header
        octets = encoded(footer, from_header)
        assert octets is not None
        assert encoding == "8bit" or all(len(line) <= 76 for line in octets.split(b"\r\n"))
        body = b"text\r\n" if encoding == "8bit" else quopri.encodestring(b"text\r\n")
        read = email.message_from_bytes(header + body + b"\r\n" + octets, policy=email.policy.SMTP)
        assert read.get_payload(decode=True).decode().split() == ["text", *text.split()]
