"""Words behind the texts of multipart messages: in the right parts, all or none, and no other octet changes."""

from __future__ import annotations

import email
import email.policy
import re
from collections.abc import Sequence
from email.message import EmailMessage

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twistedmail_mta.mail.header import Header, split
from twistedmail_mta.policy.footing import footed, may_have_words
from twistedmail_mta.policy.part_footing import Words

WORDS = Words("FOOT\r\n", "<i>FOOT</i>\r\n")
MIXED, ALTERNATIVE = "multipart/mixed; boundary=b", 'multipart/alternative; boundary="b"'
PLAIN, HTML, PDF = "text/plain; charset=utf-8", "text/html; charset=utf-8", "application/pdf"


def part(kind: str, text: str, *fields: str) -> str:
    return "\r\n".join([f"Content-Type: {kind}", *fields, "", text])


def multipart(kind: str, *parts: str, boundary: str = "b") -> str:
    """A message, or a part of one."""
    inside = "".join(f"--{boundary}\r\n{each}\r\n" for each in parts)
    return f"Content-Type: {kind}\r\n\r\npreamble\r\n{inside}--{boundary}--\r\nepilogue\r\n"


def put(message: str, words: Words = WORDS) -> str | None:
    """The message with words; None if it can't have them."""
    block, body = split(f"From: ann@in.test\r\nMIME-Version: 1.0\r\n{message}".encode())
    header = Header(block)
    found = footed(header, body, words) if may_have_words(header) else None
    return None if found is None else (block + found).decode().partition("1.0\r\n")[2]


BOTH = multipart(ALTERNATIVE, part(PLAIN, "text"), part(HTML, "<html><body>text</body></html>"))


@pytest.mark.parametrize(
    ("message", "edits"),
    [
        (BOTH, [("text\r\n--b", "text\r\n\r\nFOOT\r\n--b"), ("</body>", "\r\n<i>FOOT</i>\r\n</body>")]),
        (multipart(MIXED, part(PLAIN, "one"), part(PLAIN, "two")), [("one", "one\r\n\r\nFOOT")]),
        (multipart(MIXED, part(PDF, "x"), part(PLAIN, "two")), [("two", "two\r\n\r\nFOOT")]),
        (
            multipart(MIXED, part(PLAIN, "one", "Content-Disposition: attachment"), part(PLAIN, "two")),
            [("two", "two\r\n\r\nFOOT")],
        ),
        (
            multipart(MIXED, part(PLAIN, "one", "Content-Disposition: inline; filename=a.txt"), part(HTML, "<b>two")),
            [("two", "two\r\n\r\n<i>FOOT</i>")],
        ),
        (
            multipart(MIXED, BOTH.replace('="b"', "=a").replace("--b", "--a"), part(PDF, "x")),
            [("text\r\n--a", "text\r\n\r\nFOOT\r\n--a"), ("</body>", "\r\n<i>FOOT</i>\r\n</body>")],
        ),
        (
            multipart(
                ALTERNATIVE,
                part(PLAIN, "text"),
                multipart("multipart/related; boundary=a", part(HTML, "<p>"), part(HTML, "frame"), boundary="a"),
            ),
            [("text\r\n--b", "text\r\n\r\nFOOT\r\n--b"), ("<p>", "<p>\r\n\r\n<i>FOOT</i>")],
        ),
        (multipart("multipart/x-new; boundary=b", "\r\nplain"), [("plain", "plain\r\n\r\nFOOT")]),
        (
            multipart(ALTERNATIVE, part(PLAIN, "only"), part("text/calendar", "C")),
            [("only\r\n", "only\r\n\r\nFOOT\r\n")],
        ),
        (
            multipart(MIXED, part(PLAIN, "ends\r\n"), part("message/rfc822", BOTH.replace('="b"', "=a"))),
            [("ends\r\n", "ends\r\n\r\nFOOT")],
        ),
        (
            multipart(MIXED, part(PLAIN, "see this"), part("message/rfc822", "Content-MD5: 1\r\n\r\n-----BEGIN PGP ")),
            [("see this", "see this\r\n\r\nFOOT")],
        ),
        (part("text/plain; format=flowed", "one \r\ntwo\r\n"), [("two\r\n", "two\r\n\r\nFOOT\r\n")]),
    ],
)  # fmt: skip
def test_where(message: str, edits: list[tuple[str, str]]) -> None:
    """In the texts that readers show as the message, and nowhere else."""
    expected = message
    for old, new in edits:
        assert expected.count(old) == 1
        expected = expected.replace(old, new)
    assert put(message) == expected


SIGNED = "multipart/signed; protocol=x; micalg=y; boundary=b"


@pytest.mark.parametrize(
    "message",
    [
        multipart(SIGNED, part(PLAIN, "text"), part("application/pgp-signature", "x")),
        multipart(MIXED, part(PLAIN, "text"), multipart(SIGNED.replace("=b", "=a"), part(PLAIN, "x"), boundary="a")),
        multipart("multipart/encrypted; protocol=x; boundary=b", part(PLAIN, "text")),
        multipart(MIXED, part(PLAIN, "text"), part("application/pkcs7-mime", "x")),
        multipart(MIXED, part(PLAIN, "text"), part("application/x-pkcs7-signature", "x")),
        multipart("multipart/report; boundary=b", part(PLAIN, "text")),
        multipart("multipart/digest; boundary=b", part(PLAIN, "text")),
        multipart(MIXED, part(PLAIN, "-----BEGIN PGP SIGNED MESSAGE-----")),
        multipart(MIXED, part(HTML, "<pre>-----BEGIN PGP MESSAGE-----")),
        multipart(MIXED, part(PLAIN, "=2D----BEGIN PGP MESSAGE-----", "Content-Transfer-Encoding: quoted-printable")),
        multipart(MIXED, part(PLAIN, "text", "Content-MD5: x")),
        multipart(MIXED, part(PLAIN, "text"), part(PDF, "x", "Content-MD5: x")),
        multipart(MIXED, part(PLAIN, "text", "Content-Type: text/html")),
        multipart(MIXED, part(PLAIN, "text", "Content-Transfer-Encoding: x-odd")),
        multipart(MIXED, part(PDF, "x")),
        multipart(MIXED, part("text/plain; charset=utf-16", "x")),
        multipart(MIXED, part(PLAIN, ""), part(PDF, "x")),
        multipart(MIXED, "Content-Type: text/plain", part(PDF, "x")),
        multipart(ALTERNATIVE, part(PLAIN, "text"), part("text/html; charset=utf-16", "x")),
        multipart("multipart/related; start=2; boundary=b", part(HTML, "x"), part(HTML, "y", "Content-ID: 2")),
        multipart("multipart/mixed", part(PLAIN, "text")),
        f"Content-Type: {MIXED}\r\n\r\nno part",
        multipart(MIXED, *[part(PLAIN, "text")] * 1001),
        "DKIM-Signature: v=1\r\n" + BOTH,
    ],
)  # fmt: skip
def test_what_stays(message: str) -> None:
    """Whatever is signed or encrypted, and whatever could break; also where one of several texts couldn't have it."""
    assert put(message) is None


def test_a_root_by_its_name() -> None:
    """That the first part is the root may be said."""
    message = multipart('multipart/related; start="<1@x>"; boundary=b', part(HTML, "one", "Content-ID: <1@x>"))
    assert put(message) == message.replace("one", "one\r\n\r\n<i>FOOT</i>")


def test_words_that_would_end_a_part() -> None:
    """A boundary can be any line; where it is one of the words', nothing is put there."""
    message = multipart(MIXED, part(PLAIN, "text"), part(PDF, "x"))

    assert put(message, Words("-- \r\nFOOT\r\n", "x")) is not None
    assert put(message, Words("FOOT\r\n--b\r\n", "x")) is None
    assert put(message, Words("FOOT\r\n--bcd\r\n", "x")) is None


def test_flowed_lines_are_stuffed() -> None:
    """Else a reader takes them for quoted or joins them (RFC 3676 section 4.4)."""
    words = Words("> a\r\n b\r\nFrom here\r\nc\r\n", "x")

    assert (put(part("text/plain; format=Flowed", "x\r\n"), words) or "").endswith(
        "x\r\n\r\n > a\r\n  b\r\n From here\r\nc\r\n"
    )
    assert (put(part("text/plain", "x\r\n"), words) or "").endswith("x\r\n\r\n> a\r\n b\r\nFrom here\r\nc\r\n")


# HTML


@pytest.mark.parametrize(
    ("markup", "expected"),
    [
        ("a</body></html>\r\n", "a\r\n#</body></html>\r\n"),
        ("a\r\n</BODY >\r\n", "a\r\n#</BODY >\r\n"),
        ("a</body></html>b</body>\r\n", "a</body></html>b\r\n#</body>\r\n"),
        ("a</html>\r\n", "a\r\n#</html>\r\n"),
        ("a<!-- </body> -->\r\n", "a<!-- </body> -->\r\n\r\n#"),
        ("a</body><!-- </body> -->\r\n", "a\r\n#</body><!-- </body> -->\r\n"),
        ("<!-- x -->a</body>\r\n", "<!-- x -->a\r\n#</body>\r\n"),
        ("a</bodyguard>\r\n", "a</bodyguard>\r\n\r\n#"),
        ("</body>\r\n", "#</body>\r\n"),
        ("a", "a\r\n\r\n#"),
    ],
)
def test_where_html_ends(markup: str, expected: str) -> None:
    """Before the last end of the body that counts; else behind all."""
    header = part("text/html", "")
    assert put(header + markup) == header + expected.replace("#", "<i>FOOT</i>\r\n")


@pytest.mark.parametrize(
    ("markup", "expected"),
    [
        ("=C3=A4 a</body>\r\n", "=C3=A4 a=\r\n#</body>\r\n"),
        ("a=\r\n</body>\r\n", "a=\r\n#</body>\r\n"),
        ("a</bo=\r\ndy>\r\n", "a=\r\n#</bo=\r\ndy>\r\n"),
        ("a<= \r\n/=62ody=3E\r\n", "a=\r\n#<= \r\n/=62ody=3E\r\n"),
        ("a=3C/body>\r\n", "a=\r\n#=3C/body>\r\n"),
        ("a=\r\n", "a=\r\n\r\n#"),
    ],
)
def test_quoted_html(markup: str, expected: str) -> None:
    """Tags that are broken, or quoted without need, are found; what is decoded has just the words more."""
    header = part(HTML, "", "Content-Transfer-Encoding: quoted-printable")

    found = put(header + markup)

    assert found == header + expected.replace("#", "<i>FOOT</i>\r\n")


# Generated messages

LINES = st.lists(st.text(st.characters(codec="latin-1", exclude_categories=["C"]), max_size=90), max_size=5)
TEXT = st.builds("\n".join, LINES).map(lambda text: f"x{text}\n")
ENCODING = st.sampled_from(["7bit", "8bit", "quoted-printable", "base64"])
CHARSET = st.sampled_from(["utf-8", "iso-8859-1"])


@st.composite
def messages(draw: st.DrawFn) -> bytes:
    """What mail clients write: text, HTML, both, with pictures, with attachments."""

    def content(text: str) -> dict[str, str]:
        encoding = draw(ENCODING if text.isascii() else ENCODING.filter(lambda name: name != "7bit"))
        return {"charset": "utf-8" if encoding == "8bit" else draw(CHARSET), "cte": encoding}

    message = EmailMessage(policy=email.policy.SMTP)
    message["From"] = "ann@in.test"
    text = draw(TEXT)
    message.set_content(text, **content(text))
    if draw(st.booleans()):
        markup = f"<html><body><p>{draw(TEXT)}</p></body></html>\n"
        message.add_alternative(markup, subtype="html", **content(markup))
        if draw(st.booleans()):
            message.get_payload(1).add_related(b"\x89PNG\r\n", "image", "png", cid="<1@x>")  # type: ignore[union-attr]
    for number in range(draw(st.integers(0, 2))):
        message.add_attachment(draw(st.binary(max_size=200)), "application", "pdf", filename=f"{number}.pdf")
    if draw(st.booleans()):
        message.add_attachment("attached\n", filename="a.txt")
    for number, each in enumerate(message.walk()):
        if each.is_multipart():
            each.set_boundary(f"=={number}==")
    return message.as_bytes()


def _texts(octets: bytes) -> Sequence[tuple[str, bytes]]:
    message = email.message_from_bytes(octets, policy=email.policy.SMTP)
    return [
        (f"{each.get_content_type()} {each.get_content_disposition()}", each.get_payload(decode=True))
        for each in message.walk()
        if not each.is_multipart()
    ]


@settings(max_examples=200, deadline=None)
@given(messages())
def test_what_readers_find(octets: bytes) -> None:
    """Python's reader finds the words behind each text once, and every other part with the octets it had."""
    block, body = split(octets)

    found = footed(Header(block), body, WORDS)

    assert found is not None
    before, after = _texts(octets), _texts(block + found)
    assert [kind for kind, _ in before] == [kind for kind, _ in after]
    for (kind, old), (_, new) in zip(before, after, strict=True):
        if "None" not in kind or not kind.startswith("text/"):
            assert new == old
        elif kind.startswith("text/plain"):
            assert new.rstrip() == old.rstrip(b"\r\n") + b"\r\n\r\nFOOT" or new.rstrip() == old + b"\r\nFOOT"
        else:
            head, tail = re.split(rb"(?:\r?\n)?<i>FOOT</i>\r?\n", new)
            assert (head + tail).replace(b"\r\n", b"\n") == old.replace(b"\r\n", b"\n")
            assert tail.startswith(b"</body>")


@settings(max_examples=200, deadline=None)
@given(messages())
def test_all_that_was_there_stays(octets: bytes) -> None:
    """Outside of base64 the words are put in between: taken out again they leave the octets that came."""
    block, body = split(octets)
    if b"base64" in octets.partition(b"attachment")[0]:
        return

    found = footed(Header(block), body, WORDS)

    assert found is not None
    pieces = re.split(rb"(?:=?\r\n)*(?:<i>FOOT</i>|FOOT)(?:\r\n)*", found)
    assert len(pieces) == len(re.findall(rb"FOOT", found)) + 1
    assert re.fullmatch(rb"(?:=?\r\n)*".join(map(re.escape, pieces)), body)
