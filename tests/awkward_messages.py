"""Messages that readers of MIME don't agree about, and some that they should."""

from __future__ import annotations

from collections.abc import Iterator

HEAD = b"From: Alice <alice@sender.test>\r\nTo: bob@lmtp.test\r\nDate: Sat, 21 Nov 2026 08:00:00 +0000\r\n"
MIME = HEAD + b"MIME-Version: 1.0\r\n"
PARTS = b"--b\r\n\r\nfirst\r\n--b\r\nContent-Type: text/html\r\n\r\n<p>second\r\n--b--\r\n"

Messages = Iterator[tuple[str, bytes]]
"""A name, and a message whose lines all end in CRLF."""


def messages() -> Messages:
    """Yield every message."""
    yield from _fields("address", ADDRESSES, HEAD.removeprefix(b"From: Alice <alice@sender.test>\r\n"), b"From: ")
    yield from _fields("subject", SUBJECTS, HEAD, b"Subject: ")
    yield from _fields("type", TYPES, MIME, b"Content-Type: ")
    yield from _fields("parameter", PARAMETERS, MIME, b"Content-Type: application/x; ")
    yield from _fields("boundary", BOUNDARIES, MIME, b"Content-Type: multipart/mixed; ")
    yield from _fields("encoding", ENCODINGS, MIME, b"Content-Transfer-Encoding: ")
    yield from _fields("disposition", DISPOSITIONS, MIME, b"Content-Disposition: ")
    yield from _fields("language", LANGUAGES, MIME, b"Content-Language: ")
    for name, block in HEADERS.items():
        yield f"header {name}", block + b"\r\ntext\r\n"
    multipart = MIME + b'Content-Type: multipart/mixed; boundary="b"\r\n\r\n'
    for name, body in BODIES.items():
        yield f"body {name}", multipart + body
    for name, message in WHOLE.items():
        yield f"whole {name}", message


def _fields(kind: str, values: tuple[bytes, ...], head: bytes, name: bytes) -> Messages:
    for value in values:
        yield f"{kind} {value.decode('latin-1')!r}", head + name + value + b"\r\n\r\n" + PARTS


ADDRESSES = (
    b"alice@sender.test",
    b"Alice <alice@sender.test>",
    b"Alice B. C. <alice@sender.test>",
    b'"Alice, B" <alice@sender.test>',
    b'"Alice \\"B\\" \\\\ C" <alice@sender.test>',
    b"alice@sender.test (Alice)",
    b"<alice@sender.test> (Alice)",
    b"Alice (B) C <alice@sender.test>",
    b"=?utf-8?q?J=C3=B6rg?= <alice@sender.test>",
    b"J\xc3\xb6rg <alice@sender.test>",
    b"J\xf6rg <alice@sender.test>",
    b"alice@sender.test, bob@lmtp.test",
    b"alice@sender.test,, bob@lmtp.test,",
    b"alice@sender.test; bob@lmtp.test",
    b"alice@sender.test bob@lmtp.test",
    b"team: alice@sender.test, Bob <bob@lmtp.test>;",
    b"team: alice@sender.test",
    b"undisclosed-recipients:;",
    b"a: b@x.test;, c: d@x.test;",
    b"<@r.test,@s.test:alice@sender.test>",
    b"<@r.test:alice@sender.test>",
    b"alice",
    b"Alice Example",
    b"<alice>",
    b"Alice <alice>",
    b"<>",
    b"",
    b"Alice <>",
    b"alice@",
    b"@sender.test",
    b"<alice@sender.test",
    b"Alice <alice@sender.test, bob@lmtp.test",
    b"alice@sender.test>",
    b"alice@b@sender.test",
    b"<alice@b@sender.test>",
    b'"alice b"@sender.test',
    b'<"alice b"@sender.test>',
    b'"alice',
    b"(alice",
    b"alice@[192.0.2.1]",
    b"Alice <alice@[192.0.2.1]>",
    b"alice . b @ sender . test",
    b"Alice\t\tB   C <alice@sender.test>",
    b"Alice\r\n B <alice@sender.test>,\r\n\tbob@lmtp.test",
    b"alice@sender.test (a (b) c)",
    b"Alice [x] <alice@sender.test>",
    b"mailto:alice@sender.test",
    b"<mailto:alice@sender.test>",
    b"A <alice@sender.test> B <bob@lmtp.test>",
    b"'Alice' <alice@sender.test>",
    b'"" <alice@sender.test>',
    b"alice@sender.test <alice@sender.test>",
    b".alice.@sender.test",
    b"a\\b@sender.test",
)
SUBJECTS = (
    b"",
    b"plain",
    b'"quoted" \\ back',
    b"=?utf-8?q?J=C3=B6rg?=",
    b"J\xc3\xb6rg",
    b"\xff\xfe",
    b"folded\r\n once",
    b"folded\r\n\ttab \r\n  twice",
    b"  spaces  ",
    b"tab\there",
    b"bell\x07",
    b"NIL",
    b"{5}",
    b"(x)",
    b"x" * 2000,
)
TYPES = (
    b"",
    b"text",
    b"text/",
    b"text/plain",
    b"TEXT/PLAIN; CHARSET=UTF-8",
    b"text/html; charset=iso-8859-1",
    b"text/plain;",
    b"text/plain charset=utf-8",
    b"text / plain ; charset = utf-8",
    b"text/plain; format=flowed",
    b"text (x) / (y) plain (z); (a) charset (b) = (c) utf-8 (d)",
    b"text/plain; charset=utf-8 (comment)",
    b"text/plain (",
    b"/plain",
    b"/",
    b";charset=utf-8",
    b'"text/plain"',
    b"text/plain/x",
    b"text plain",
    b"application/octet-stream",
    b"application/x; a",
    b"application/x; a=; b=c",
    b"application/x; =a; b=c",
    b"application/x; a=b c=d",
    b"application/x;; a=b;;c=d;",
    b"x-unknown/x-y; name=z",
    b"message/delivery-status",
    b"message/partial; id=x; number=1",
    b"message/global",
    b"multipart/mixed",
    b"multipart",
    b"multipart/",
    b"multipart/alternative; boundary=b",
    b"multipart/x-own; boundary=b",
    b"MULTIPART/MIXED; BOUNDARY=b",
    b"multipart/digest; boundary=b",
    b"t\xc3\xa9xt/plain",
    b"text/plain; charset=\xc3\xa9",
    b"image/png; name=a.png\r\n\t; x=y",
)
PARAMETERS = (
    b'name="a b.pdf"',
    b"name=a b.pdf",
    b'name="a',
    b'name="a\\"b\\\\c"',
    b"name=a(1).pdf",
    b"name=a (1).pdf",
    b"name=a/b?c",
    b"name=a=b",
    b"NAME=a; name=b",
    b"name*0=a; name*1=b",
    b"name*1=b; name*0=a",
    b"name*0=a; name*2=c",
    b"name*1=b",
    b"name*0=a; name*0=b; name*1=c",
    b"name*=utf-8''a%20b",
    b"name*0*=utf-8''a%20; name*1*=b%20c",
    b"name*0*=utf-8''a%20; name*1=\"b c\"",
    b"name*0=a; name*1*=b%20c",
    b"name*00=a; name*01=b",
    b"name=x; name*=utf-8''y",
    b"name*x=y",
    b"name==?utf-8?q?a?=",
    b'name="=?utf-8?q?a=20b?="',
    b"name=\xc3\xa9",
    b'name="\xc3\xa9"',
    b'name=""',
    b'"name"=a',
    b"a=b; c=d; e=f",
    b"a='b c'",
)
BOUNDARIES = (
    b"boundary=b",
    b'boundary="b"',
    b"boundary=b; boundary=c",
    b"boundary=c; boundary=b",
    b"boundary*0=b",
    b"boundary*=us-ascii''b",
    b'boundary="b "',
    b'boundary=" b"',
    b'boundary="',
    b'boundary="b',
    b"boundary",
    b"boundary=",
    b'boundary=""',
    b"boundary=b (comment)",
    b"charset=x; boundary=b; type=y",
    b'boundary="-"',
    b'boundary="b--"',
    b"boundary=B",
)
ENCODINGS = (
    b"7bit",
    b"8BIT",
    b"Base64",
    b"quoted-printable",
    b"",
    b"binary (comment)",
    b"(comment) base64",
    b"x-uuencode",
    b"base64; x=y",
    b"base 64",
    b'"base64"',
    b"base64\r\n ",
    b"\xc3\xa9",
)
DISPOSITIONS = (
    b"attachment",
    b"ATTACHMENT; FILENAME=A",
    b"",
    b"; filename=a",
    b'attachment; filename="a b"; size=5',
    b"attachment; filename*0*=utf-8''a; filename*1*=b",
    b"inline (x); (y) filename=a",
    b"attachment filename=a",
    b'"attachment"',
    b"filename=a",
)
LANGUAGES = (b"en", b"en, de", b"en,", b"", b"en-US (comment), i-mingo", b", en", b"en de", b"\xc3\xa9")
HEADERS = {
    "none": b"",
    "no mime version": HEAD + b"Content-Type: text/html\r\n",
    "only an encoding": HEAD + b"Content-Transfer-Encoding: base64\r\n",
    "only a disposition": HEAD + b"Content-Disposition: attachment\r\n",
    "every field": MIME
    + b"Content-Type: application/x\r\nContent-ID: <a@b>\r\nContent-Description: =?x?q?y?= z\r\n"
    + b"Content-MD5: Q2hlY2sgSW50ZWdyaXR5IQ==\r\nContent-Location: http://x.test/\r\n y\r\nContent-Language: de\r\n"
    + b"Content-Disposition: inline; filename=x\r\nContent-Transfer-Encoding: base64\r\n",
    "empty fields": MIME + b"Content-ID:\r\nContent-Description: \r\nContent-MD5:\r\nContent-Location:\r\n",
    "two types": MIME + b"Content-Type: text/html\r\nContent-Type: image/png\r\nContent-ID: a\r\nContent-ID: b\r\n",
    "two encodings": MIME + b"Content-Transfer-Encoding: base64\r\nContent-Transfer-Encoding: 7bit\r\n",
    "two of each": HEAD * 2
    + b"Subject: a\r\nSubject: b\r\nMessage-ID: <a>\r\nMessage-ID: <b>\r\nCc: c\r\nCc: d, e\r\n",
    "sender and reply": HEAD + b"Sender: s@x.test\r\nReply-To: r@x.test\r\nCc: c@x.test\r\nBcc: b@x.test\r\n",
    "empty sender and reply": HEAD + b"Sender:\r\nReply-To: \r\nCc:\r\nBcc:\r\n",
    "no from": b"To: bob@lmtp.test\r\nSubject: x\r\n",
    "ids": HEAD + b"Message-ID: <a b@c> (x)\r\nIn-Reply-To: Your message\r\n of today <c@d>\r\n",
    "space before colon": HEAD + b"Subject : x\r\nContent-Type : text/html\r\n",
    "broken line": HEAD + b"Subject: x\r\nnonsense\r\nMessage-ID: <a>\r\n",
    "nul": HEAD + b"Subject: a\0b\r\n",
    "folded empty": HEAD + b"Subject:\r\n x\r\nMessage-ID:\r\n\t<a@b>\r\n",
}
_RFC822 = b"Content-Type: message/rfc822\r\n"
_INNER = (
    b"Content-Type: multipart/alternative; boundary=c\r\n\r\n"
    b"--c\r\n\r\nx\r\n--c\r\nContent-Type: text/html\r\n\r\ny\r\n--c--\r\n"
)
BODIES = {
    "two parts": PARTS,
    "preamble and epilogue": b"preamble\r\n" + PARTS + b"epilogue\r\nmore",
    "no end": PARTS.removesuffix(b"--b--\r\n"),
    "no end, no line end": b"--b\r\n\r\nfirst",
    "empty": b"",
    "no parts": b"nothing\r\nhere\r\n",
    "end alone": b"--b--\r\n",
    "text, end": b"text\r\n--b--\r\n",
    "boundary without line end": b"--b\r\n\r\nx\r\n--b",
    "boundary and end": b"--b\r\n--b--\r\n",
    "empty parts": b"--b\r\n--b\r\n\r\n--b\r\n\r\n\r\n--b\r\n\r\n\r\n\r\n--b--\r\n",
    "header without empty line": b"--b\r\nContent-Type: text/html\r\n--b\r\nContent-Type: image/png\r\n\r\n--b--\r\n",
    "header to the end": b"--b\r\nContent-Type: text/html\r\n",
    "text without header": b"--b\r\nthis is text\r\nmore\r\n--b--\r\n",
    "space behind boundary": b"--b  \r\n\r\nx\r\n--b \r\n\r\ny\r\n--b-- \r\n",
    "longer lines": b"--b\r\n\r\nx\r\n--bb\r\n\r\ny\r\n--b-\r\n\r\nz\r\n--b--c\r\nepilogue\r\n--b\r\n\r\nmore\r\n",
    "boundary not at line begin": b"--b\r\n\r\nx --b\r\n --b\r\ny\r\n--b--\r\n",
    "parts after end": PARTS + PARTS,
    "nested": b"--b\r\n" + _INNER + b"--b\r\n\r\nz\r\n--b--\r\n",
    "nested without end": b"--b\r\n" + _INNER.removesuffix(b"--c--\r\n") + b"--b\r\n\r\nz\r\n--b--\r\n",
    "nested with epilogue": b"--b\r\n" + _INNER + b"epilogue\r\n--c\r\nmore\r\n--b\r\n\r\nz\r\n--b--\r\n",
    "nested same boundary": b"--b\r\n"
    + _INNER.replace(b"=c", b"=b").replace(b"--c", b"--b")
    + b"--b\r\n\r\nz\r\n--b--\r\n",
    "nested prefix": b"--b\r\n" + _INNER.replace(b"=c", b"=bc").replace(b"--c", b"--bc") + b"--b\r\n\r\nz\r\n--b--\r\n",
    "nested, outer is longer": b'--b\r\nContent-Type: multipart/mixed; boundary=""\r\n\r\n--\r\n\r\nx\r\n--b--\r\n',
    "nested without parts": b"--b\r\nContent-Type: multipart/mixed; boundary=c\r\n\r\nx\r\n--b--\r\n",
    "nested header only": b"--b\r\nContent-Type: multipart/mixed; boundary=c\r\n--b--\r\n",
    "message": b"--b\r\n" + _RFC822 + b"\r\n" + HEAD + b"Subject: inner\r\n\r\ntext\r\n--b--\r\n",
    "message multipart": b"--b\r\n" + _RFC822 + b"\r\nSubject: inner\r\n" + _INNER + b"--b--\r\n",
    "message of message": b"--b\r\n"
    + _RFC822
    + b"\r\nSubject: a\r\n"
    + _RFC822
    + b"\r\nSubject: b\r\n\r\nx\r\n--b--\r\n",
    "message empty": b"--b\r\n" + _RFC822 + b"\r\n--b--\r\n",
    "message without header": b"--b\r\n" + _RFC822 + b"\r\n\r\ntext\r\n--b--\r\n",
    "message header only": b"--b\r\n" + _RFC822 + b"\r\nSubject: inner\r\n--b--\r\n",
    "message cut": b"--b\r\n" + _RFC822 + b"--b--\r\n",
    "message text": b"--b\r\n" + _RFC822 + b"\r\nno header here\r\nmore\r\n\r\ntext\r\n--b--\r\n",
    "message base64": b"--b\r\n"
    + _RFC822
    + b"Content-Transfer-Encoding: base64\r\n\r\nU3ViamVjdDogeA0KDQo=\r\n--b--\r\n",
    "message with type only": b"--b\r\n" + _RFC822 + b"\r\nContent-Transfer-Encoding: base64\r\n\r\nx\r\n--b--\r\n",
    "multipart base64": b"--b\r\n"
    + _INNER.replace(b"\r\n\r\n", b"\r\nContent-Transfer-Encoding: base64\r\n\r\n", 1)
    + b"--b--\r\n",
    "part without type": b"--b\r\nContent-Transfer-Encoding: base64\r\nContent-ID: <x>\r\n\r\nYQ==\r\n--b--\r\n",
    "many lines": b"--b\r\n\r\n" + b"line\r\n" * 1000 + b"--b--\r\n",
    "eight bit": b"--b\r\n\r\n\xff\xfe\r\n--b--\r\n",
}
_DIGEST = b'Content-Type: multipart/digest; boundary="b"\r\n'
_LONG = b"x" * 90
_DEEPER = b"Content-Type: multipart/mixed; boundary=d%d-\r\n\r\n--d%d-\r\n"
WHOLE = {
    "digest": MIME
    + _DIGEST
    + b"\r\n--b\r\n\r\nSubject: one\r\n\r\n1\r\n--b\r\nContent-Type: text/plain\r\n\r\n2\r\n--b--\r\n",
    "digest no empty line": MIME + _DIGEST + b"\r\n--b\r\nSubject: one\r\n\r\n1\r\n--b--\r\n",
    "message": MIME + _RFC822 + b"\r\nSubject: inner\r\n\r\ntext\r\n",
    "message multipart": MIME + _RFC822 + b"\r\nSubject: inner\r\n" + _INNER,
    "message nothing": MIME + _RFC822 + b"\r\n",
    "header only": HEAD,
    "text first": b"Dear Bob,\r\n\r\nhello\r\n",
    "long boundary": MIME
    + b"Content-Type: multipart/mixed; boundary=%b\r\n\r\n--%b\r\n\r\nx\r\n--%b--\r\n" % ((_LONG,) * 3),
    "longest boundary": MIME
    + b"Content-Type: multipart/mixed; boundary=%b\r\n\r\n--%b\r\n\r\nx\r\n--%b--\r\nepilogue" % ((_LONG[:80],) * 3),
    "no mime multipart": HEAD + b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + PARTS,
    "no lines": HEAD + b"\r\nno line end",
    "deep": MIME + b"".join(_DEEPER % (depth, depth) for depth in range(20)) + b"\r\nx\r\n",
}
