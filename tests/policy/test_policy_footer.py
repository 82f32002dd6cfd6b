"""Footers: whose mail has which, in the charset and encoding of the text, and never where a signature would break."""

from __future__ import annotations

import base64
import email
import email.policy
import quopri
import re
import tomllib
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from repute_kit import result, stranger
from scanner_kit import Text, arriving, kit, logged_in

from twistedmail_mta.model import Address
from twistedmail_mta.plugins import find, verified
from twistedmail_mta.policy.footer import SMALL, Footer
from twistedmail_mta.policy.footer_options import Footers, author_domain
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
    ("wrong", "complaint"),
    [
        ({"text": ""}, "must be a text"),
        ({"text": "x" * 901}, "must be a text"),
        ({"text": "a\0b"}, "must be a text"),
        ({"html": " \n"}, "must be a text"),
        ({"sender": []}, "belong together"),
        ({"sender": "sender.test"}, "must be an address"),
        ({"text": None}, "belong together"),
        ({"text": None, "sender": []}, "must have text and sender, or domains"),
        ({"text": None, "sender": [], "html": "x", "domains": {"a.test": {"text": "x"}}}, "text is missing"),
        ({"domains": {"a.test": {}}}, "Field required"),
        ({"domains": {"a.test": {"text": "x", "htlm": "y"}}}, "Extra"),
        ({"domains": {"a b": {"text": "x"}}}, "no domain name"),
        ({"inside": "x"}, "must be an address"),
        ({"max_size": "17MB"}, "less than or equal"),
    ],
)
def test_wrong_options(wrong: dict[str, Any], complaint: str) -> None:
    """Nobody's mail gets one who wasn't named."""
    with pytest.raises(ValidationError, match=complaint):
        Footer.Options.model_validate({"text": "x", "sender": "*"} | wrong)


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
        (UTF8 + b"Content-Transfer-Encoding: x-uuencode\r\n", "green", None),
        (MIME + b'Content-Type: text/plain;\r\n\tcharset="ISO-8859-1"\r\nContent-Transfer-Encoding: 8BIT\r\n',
         "gr\u00fcn", b"gr\xfcn"),
        (MIME + b"Content-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: 8bit\r\n", "\u20ac", None),
        (MIME + b"Content-Type: text/plain; charset=iso-2022-jp\r\n", "green", None),
        (MIME + b"Content-Type: text/plain; charset=utf-16\r\n", "green", None),
        (MIME + b"Content-Type: text/html\r\n", "gr\u00fcn<", b"<p>gr&#252;n&lt;</p>"),
        (MIME + b"Content-Type: text/html; charset=x\r\n", "green", None),
        (MIME + b"Content-Type: text/calendar\r\n", "green", None),
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


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"dGV4dA==\r\n", b"text\r\n\r\n#\r\n"),
        (b"dGV4\r\ndA==\r\n\r\n", b"text\r\n\r\n#\r\n"),
        (b"dGV4dAo=\r\n", b"text\n\n#\n"),
        (b"", b"\r\n#\r\n"),
        (b"dGV4dA=\r\n", None),
        (b"dGV4dA==\r\nsent from my phone\r\n", None),
        (base64.encodebytes(b"-----BEGIN PGP SIGNED MESSAGE-----\r\n"), None),
    ],
)
def test_base64(body: bytes, expected: bytes | None) -> None:
    """It is encoded anew, with the line ends of the text; what is broken, or signed, stays."""
    found = changed(UTF8 + b"Content-Transfer-Encoding: Base64\r\n", body, text="#")

    assert (found and base64.b64decode(found)) == expected
    assert found is None or found.endswith(b"\r\n")


@pytest.mark.parametrize("before", [0, 1, 100, PIECE - 30, PIECE - 15, PIECE - 2, PIECE - 1, PIECE, PIECE + 1])
def test_pgp(before: int) -> None:
    """Wherever in the body it begins, and however that is cut in pieces."""
    body = b"x" * max(before - 2, 0) + b"\r\n" * bool(before)
    assert changed(body=body + b"-----BEGIN PGP SIGNED MESSAGE-----\r\n") is None
    assert changed(body=body + b"> -----BEGIN PGP SIGNED MESSAGE-----\r\n") is not None


def test_large_messages() -> None:
    """Have none; others are copied in pieces."""
    body = Text(b"x" * 70_000 + b"\r\n")
    assert len(body.octets) > SMALL
    assert changed(body=body, max_size="50KB") is None
    assert changed(body=body) == body.octets + b"\r\nWe sell\r\ngood things\r\n"
    assert max(body.pieces) <= PIECE


TEXTS = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=200)


@given(TEXTS, st.sampled_from(["8bit", "quoted-printable", "base64"]))
def test_readers_see_it(text: str, encoding: str) -> None:
    """Behind what the sender wrote, whatever the encoding."""
    header = UTF8 + f"Content-Transfer-Encoding: {encoding}\r\n".encode()
    written = {"8bit": b"text\r\n", "quoted-printable": quopri.encodestring(b"text\r\n"), "base64": b"dGV4dA0K\r\n"}

    body = changed(header, written[encoding], text=text)

    assert encoding == "8bit" or all(len(line) <= 76 for line in body.split(b"\r\n"))
    read = email.message_from_bytes(header + b"\r\n" + body, policy=email.policy.SMTP)
    assert read.get_payload(decode=True).decode() == f"text\r\n\r\n{text}\r\n"


# Whose mail has which


DOMAINS = {"a.test": {"text": "of a"}, "*.a.test": {"text": "below a"}, "*.b.a.test": {"text": "below b"}}


@pytest.mark.parametrize(
    ("author", "sender", "expected"),
    [
        ("x@a.test", "x@sender.test", "of a"),
        ("X <x@A.test>, y@b.test", "x@sender.test", "of a"),
        ("x@c.a.test", "x@sender.test", "below a"),
        ("x@b.a.test", "x@sender.test", "below a"),
        ("x@c.b.a.test", "x@sender.test", "below b"),
        ("x@other.test", "x@sender.test", "We sell\r\ngood things"),
        ("x@other.test", "x@other.test", None),
        ("x@other.test", "x@a.test", None),
        ("broken <", "x@a.test", "of a"),
        ("x@b.test\r\nFrom: y@b.test", "x@a.test", "of a"),
    ],
)
def test_domains(author: str, sender: str, expected: str | None) -> None:
    """By the first author's domain, which a login may use; by the sender's where From can't be read."""
    header = f"From: {author}\r\n".encode()

    found = changed(header, domains=DOMAINS, **{"from": sender})

    assert found == (expected and f"text\r\n\r\n{expected}\r\n".encode())


def test_every_domain() -> None:
    """A star alone stands for what is left; umlauts and A-labels mean the same."""
    options = {"domains": {"*": {"text": "any"}, "b\u00fccher.test": {"text": "books"}}}
    footers = Footers(Footer.Options.model_validate(options))

    for author, text in (("a@x.test", "any"), ("a@xn--bcher-kva.test", "books"), ("a@b\u00fccher.test", "books")):
        words = footers.of(arriving(header=f"From: {author}\r\n\r\n".encode()).header, Address("a", "y.test"))
        assert words is not None
        assert words.text == f"{text}\r\n"


def test_authors() -> None:
    header = arriving(header=b"From: team: a@one.test, b@two.test;\r\n\r\n").header
    assert author_domain(header, Address("x", "y.test")) == "one.test"


@pytest.mark.parametrize(
    ("recipients", "has"),
    [
        (("a@in.test",), False),
        (("a@in.test", "b@sub.in.test"), False),
        (("a@in.test", "b@out.test"), True),
    ],
)
def test_mail_that_stays_inside(recipients: tuple[str, ...], has: bool) -> None:
    """Has none, where that is wished for; one recipient elsewhere is enough to have it."""
    options = {"text": "x", "sender": "*", "inside": ["*@in.test", "*@*.in.test"]}
    policy = Footer(Footer.Options.model_validate(options), kit())
    message = replace(arriving(b"text\r\n", FROM + b"\r\n", recipients=recipients), draft=Draft)

    assert (result(Task("asks", policy.message(logged_in(), message))) is not None) == has


@pytest.mark.parametrize("field", [b"In-Reply-To: <1@x>\r\n", b"References: <1@x>\r\n"])
def test_replies(field: bytes) -> None:
    """They quote it already, where that is wished for."""
    assert changed(FROM + field) is not None
    assert changed(FROM + field, replies=False) is None
    assert changed(FROM, replies=False) is not None


def test_the_guide() -> None:
    """The examples can be used as they are, and all options are told."""
    guide = (Path(__file__).parents[2] / "docs" / "policies.md").read_text(encoding="utf-8")
    (section,) = re.findall(r"\n## footer\n(.*?)(?=\n## )", guide, re.DOTALL)
    tables = tomllib.loads("\n".join(re.findall(r"^(?:    (.*)|)$", section, re.MULTILINE)))["plugins"]

    for table in tables.values():
        assert find(table.pop("use")).options.model_validate(table)
    assert len(tables) == 2
    assert set(Footer.Options.model_fields) <= set(re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE))
