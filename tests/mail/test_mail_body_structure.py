"""BODYSTRUCTURE and BODY are worded as the header of each part says."""

from __future__ import annotations

import pytest
from awkward_messages import messages
from hypothesis import given, settings
from hypothesis import strategies as st
from imap_answer import read_body, read_envelope

from twistedmail_mta.mail.body_structure import body
from twistedmail_mta.mail.content import MAX_BOUNDARY, PLAIN, content_of
from twistedmail_mta.mail.parts import Encoding, Nesting, find, read_parts
from twistedmail_mta.mail.structure import structure

MIME = b"MIME-Version: 1.0\r\n"


@pytest.mark.parametrize(
    ("fields", "answer"),
    [
        (b"", b'("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 11 2 NIL NIL NIL NIL)'),
        (MIME, b'("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 11 2 NIL NIL NIL NIL)'),
        (
            b"Content-Type: TEXT/HTML; CharSet=utf-8\r\n",
            b'("TEXT" "HTML" ("CharSet" "utf-8") NIL NIL "7bit" 11 2 NIL NIL NIL NIL)',
        ),
        (
            b"Content-Type: text/plain; format=flowed\r\n",
            b'("text" "plain" ("format" "flowed" "charset" "us-ascii") NIL NIL "7bit" 11 2 NIL NIL NIL NIL)',
        ),
        (
            b"Content-Type: image/png\r\nContent-Transfer-Encoding: BASE64 (x)\r\n",
            b'("image" "png" NIL NIL NIL "BASE64" 11 NIL NIL NIL NIL)',
        ),
        (
            (
                b'Content-Type: a/b; c=d;\r\n\te="f\\"\xe9"\r\nContent-ID: <x@y>\r\n'
                b"Content-Description: hello\r\n there\r\n"
                b"Content-MD5: md5\r\nContent-Disposition: attachment; filename*0=a; filename*1=b\r\n"
                b"Content-Language: de, en\r\nContent-Location: http://x.org/\r\nContent-Transfer-Encoding: x-own\r\n"
            ),
            (
                b'("a" "b" ("c" "d" "e" {3}\r\nf"\xe9) "<x@y>" "hello there" "x-own" 11'
                b' "md5" ("attachment" ("filename" "ab")) ("de" "en") "http://x.org/")'
            ),
        ),
        (
            b"Content-Type: text/html\r\nContent-Type: image/png\r\nContent-ID: 1\r\nContent-ID: 2\r\n",
            b'("text" "html" ("charset" "us-ascii") "1" NIL "7bit" 11 2 NIL NIL NIL NIL)',
        ),
        (
            b"Content-Disposition: inline\r\nContent-Type: application/x\r\n",
            b'("application" "x" NIL NIL NIL "7bit" 11 NIL ("inline" NIL) NIL NIL)',
        ),
        (
            b"Content-Type: message/global\r\n",
            b'("message" "global" NIL NIL NIL "7bit" 11 NIL NIL NIL NIL)',
        ),
        (
            b"Content-Type: Message/RFC822\r\n",
            (
                b'("Message" "RFC822" NIL NIL NIL "7bit" 11 (NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)'
                b' ("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 3 0 NIL NIL NIL NIL) 2 NIL NIL NIL NIL)'
            ),
        ),
        (
            (
                b"Content-Type: multipart/x-y; boundary=-\r\nContent-Disposition: inline\r\nContent-MD5: x\r\n"
                b"Content-Transfer-Encoding: base64\r\nContent-Language: de\r\nContent-Location: here\r\n"
            ),
            (
                b'(("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 11 2 NIL NIL NIL NIL)'
                b' "x-y" ("boundary" "-") ("inline" NIL) ("de") "here")'
            ),
        ),
    ],
)
def test_wording(fields: bytes, answer: bytes) -> None:
    """Every field has its place (RFC 9051 section 7.5.2), or the default of RFC 2045 section 5.2."""
    assert structure(fields + b"\r\n", b"a: b\r\n\r\nhi!").body == answer


@pytest.mark.parametrize("field", [b"Content-Transfer-Encoding: base64\r\n", b"Content-ID: x\r\n"])
def test_not_mime(field: bytes) -> None:
    """A message with neither MIME-Version nor Content-Type isn't MIME, whatever else it says; a part always is."""
    assert content_of(field + b"\r\n") == PLAIN
    assert content_of(field + b"\r\n", mime=True) != PLAIN
    assert content_of(MIME + field + b"\r\n") != PLAIN


@pytest.mark.parametrize(
    ("value", "encoding"),
    [
        (b"7bit", Encoding.IDENTITY),
        (b"8Bit", Encoding.IDENTITY),
        (b"BINARY", Encoding.IDENTITY),
        (b"Quoted-Printable", Encoding.QUOTED_PRINTABLE),
        (b" base64 ", Encoding.BASE64),
        (b"(a) base64 (b)", Encoding.BASE64),
        (b"x-uuencode", Encoding.UNKNOWN),
        (b"", Encoding.IDENTITY),
    ],
)
def test_encoding(value: bytes, encoding: Encoding) -> None:
    """The encoding of a leaf is known; what has parts inside has none (RFC 2045 section 6.4)."""
    field = b"Content-Transfer-Encoding:" + value + b"\r\n\r\n"

    assert content_of(MIME + field).encoding is encoding
    for kind in (b"message/rfc822", b"multipart/mixed; boundary=x"):
        assert content_of(b"Content-Type: " + kind + b"\r\n" + field).encoding is Encoding.IDENTITY


def test_digest() -> None:
    """In a digest a part that names no type is a message (RFC 2046 section 5.1.5)."""
    header = b"Content-Type: multipart/Digest; boundary=b\r\n\r\n"
    text = b"--b\r\n\r\nSubject: 1\r\n\r\nx\r\n--b\r\nContent-Type: text/html\r\n\r\ny\r\n--b--\r\n"

    assert [part.kind for part in read_body(structure(header, text).body).children] == ["message/rfc822", "text/html"]


@pytest.mark.parametrize(
    ("value", "boundary"),
    [
        (b"b", b"b"),
        (b'"b c"', b"b c"),
        (b'"b "', b"b"),
        (b'""', None),
        (b'" "', None),
        (b"x" * 200, b"x" * MAX_BOUNDARY),
    ],
)
def test_boundary(value: bytes, boundary: bytes | None) -> None:
    """A boundary doesn't end in a blank and isn't empty; of a long one the begin counts (RFC 2046 section 5.1.1)."""
    content = content_of(b"Content-Type: multipart/mixed; boundary=" + value + b"\r\n\r\n")

    assert (content.nesting, content.boundary) == (Nesting.MULTIPART, boundary)


def test_long_header_is_read_as_a_short_one() -> None:
    """What is remembered of short headers is what would be read."""
    for kind in (b"text/html", b"multipart/mixed; boundary=b", b"message/rfc822", b'a/b; c="' + b"d" * 300 + b'"'):
        field = b"Content-Type: " + kind + b"\r\n"
        assert content_of(field + b"\r\n") == content_of(field + b"X: " + b"y" * 500 + b"\r\n\r\n")


values = st.text('ab"\\(){}ä \x01', max_size=8).map(str.encode)


@settings(max_examples=200, derandomize=True, deadline=None)
@given(values, values, values)
def test_body_is_without_extension(name: bytes, description: bytes, identity: bytes) -> None:
    """BODY is BODYSTRUCTURE up to the extension data, whatever the strings in it look like."""
    quoted = name.replace(b"\\", b"\\\\").replace(b'"', b'\\"')
    fields = b'Content-Type: text/x; name="%b"\r\nContent-Description: %b\r\nContent-ID: %b\r\n' % (
        (quoted, description, identity)
    )
    text = (
        b"--b\r\n" + fields + b"\r\nx\r\n--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: )(\r\n" + fields + b"\r\ny"
    )
    whole = structure(b"Content-Type: multipart/mixed; boundary=b\r\n\r\n", text).body

    long, short = read_body(whole), read_body(body(whole), extended=False)

    assert short.kind == "multipart/mixed"
    assert short.children[0].parameters[b"name"] == name
    assert (short.children[0].description, short.children[0].id) == (description.strip(), identity.strip())
    assert short.children[1].envelope == long.children[1].envelope
    assert (
        [part.octets for part in short.children]
        == [part.octets for part in long.children]
        == [1, len(text) - text.index(b"Subject")]
    )


@pytest.mark.parametrize("message", [pytest.param(message, id=name) for name, message in messages()])
def test_body_with_literals(message: bytes) -> None:
    """BODY of what has a literal somewhere, which is made word by word, is that of what has none."""
    header = b"Content-Type: multipart/mixed; boundary=_z_\r\n\r\n"
    text = (
        b"--_z_\r\nContent-Type: message/rfc822\r\n\r\n" + message + b"\r\n--_z_\r\nContent-Description: MARK\r\n\r\n"
    )

    quoted, literal = (body(structure(header, each).body) for each in (text, text.replace(b"MARK", b"M\xe9RK")))

    assert quoted.replace(b'"MARK"', b"{4}\r\nM\xe9RK") == literal
    assert read_body(quoted, extended=False)


NAMES = (
    *("Content-Type", "Content-Disposition", "Content-Language", "Content-ID", "Content-Location", "Content-MD5"),
    *("Content-Transfer-Encoding", "Content-Description", "MIME-Version", "From", "To", "Subject", "X"),
)
JUNK = [
    *'a/b;="\\(),*<>@:',
    "\r\n",
    "\r\n ",
    "\n",
    "\r",
    "\0",
    "ä",
    " ",
    "multipart/mixed",
    "boundary=b",
    "message/rfc822",
]
fields = st.lists(st.tuples(st.sampled_from([*NAMES, ""]), st.lists(st.sampled_from(JUNK), max_size=8)), max_size=6)


@settings(max_examples=300, derandomize=True, deadline=None)
@given(fields, fields, st.booleans())
def test_any_header(outer: list[tuple[str, list[str]]], inner: list[tuple[str, list[str]]], ended: bool) -> None:
    """Whatever a header holds, the answers are of the grammar, and without line breaks but for literals."""
    head, part = ("".join(f"{name}: {''.join(value)}\r\n" for name, value in one).encode() for one in (outer, inner))
    text = b"--b\r\n" + part + b"\r\nx\r\n--b\r\nContent-Type: message/rfc822\r\n\r\n" + part + b"\r\ny\r\n--b--"

    for header in (head + b"\r\n" * ended, b"Content-Type: multipart/mixed; boundary=b\r\n" + head):
        found = structure(header, text)
        assert read_envelope(found.envelope)
        assert read_body(found.body)
        assert read_body(body(found.body), extended=False)
        assert read_parts(found.parts).end == len(text)


def test_sections() -> None:
    """Ranges that answer FETCH for each kind of section."""
    header = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n"
    inner = b"Subject: inner\r\n\r\nhello\r\n"
    text = (
        b"--b\r\nContent-Type: message/rfc822\r\n\r\n"
        + inner
        + b"\r\n--b\r\nContent-Transfer-Encoding: base64\r\n\r\neA==\r\n--b--"
    )
    tree = read_parts(structure(header, text).parts)
    first, second = find(tree, "1"), find(tree, "2")

    assert first is not None
    assert second is not None
    assert first.message is not None
    assert text[first.header : first.begin] == b"Content-Type: message/rfc822\r\n\r\n"
    assert text[first.begin : first.end] == inner
    assert text[first.message.header : first.message.begin] == b"Subject: inner\r\n\r\n"
    assert text[first.message.begin : first.message.end] == b"hello\r\n"
    assert find(tree, "1.1") == first.message
    assert (text[second.begin : second.end], second.encoding) == (b"eA==", Encoding.BASE64)
