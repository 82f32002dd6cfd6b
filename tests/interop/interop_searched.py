"""Messages whose texts are written in many ways, and keys that look for them."""

from __future__ import annotations

import base64
import quopri

_HEAD = b"From: Alice <alice@sender.test>\r\nTo: bob@lmtp.test\r\n"
_MIME = _HEAD + b"MIME-Version: 1.0\r\nContent-Type: "
_TEXT = "Grüße aus Köln, straße 5 ПОИСК поиск 日本語 €uro ﬁne Ärger".encode()


def _coded(charset: str, text: str, encoding: str = "8bit") -> bytes:
    octets = text.encode(charset)
    if encoding == "base64":
        octets = base64.encodebytes(octets).replace(b"\n", b"\r\n")
    elif encoding == "quoted-printable":
        octets = quopri.encodestring(octets).replace(b"\n", b"\r\n")
    head = f"text/plain; charset={charset}\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n"
    return _MIME + head.encode() + octets


def _subject(value: bytes) -> bytes:
    return _HEAD + b"Subject: " + value + b"\r\n\r\ntext\r\n"


def _date(value: bytes) -> bytes:
    return _HEAD + b"Date: " + value + b"\r\n\r\ntext\r\n"


def _parts(*parts: bytes) -> bytes:
    body = b"".join(b"--b\r\n" + part + b"\r\n" for part in parts)
    return _MIME + b"multipart/mixed; boundary=b\r\n\r\npreamble zinc\r\n" + body + b"--b--\r\nepilogue zinc\r\n"


MESSAGES = {
    **{
        f"{charset} {encoding}": _coded(charset, text, encoding)
        for charset, text in (
            ("utf-8", _TEXT.decode()),
            ("iso-8859-1", "Grüße aus Köln, straße 5 Ärger"),
            ("windows-1252", "Grüße aus Köln, €uro"),
            ("koi8-r", "ПОИСК поиск"),
            ("iso-2022-jp", "日本語 text"),
            ("shift_jis", "日本語 text"),
            ("gb2312", "中文 text"),
            ("euc-kr", "한국어 text"),
            ("utf-16be", "Grüße aus Köln"),
        )
        for encoding in ("8bit", "base64", "quoted-printable")
        if not (charset == "utf-16be" and encoding == "8bit")
    },
    "no charset utf-8": _MIME + b"text/plain\r\n\r\n" + _TEXT,
    "no charset latin-1": _MIME + b"text/plain\r\n\r\n" + "Grüße".encode("latin-1"),
    "unknown charset": _MIME + b"text/plain; charset=x-nowhere\r\n\r\nplain " + _TEXT,
    "ascii charset utf-8": _MIME + b"text/plain; charset=us-ascii\r\n\r\n" + _TEXT,
    "wrong utf-8": _MIME + b"text/plain; charset=utf-8\r\n\r\nbefore \xff\xfe after Gr\xfc\xdfe",
    "broken base64": _MIME + b"text/plain\r\nContent-Transfer-Encoding: base64\r\n\r\naGVsbG8g!!d29ybGQ\r\n",
    "base64 and a footer": _MIME
    + b"text/plain\r\nContent-Transfer-Encoding: base64\r\n\r\naGVsbG8gd29ybGQ=\r\n-- footer zinc --\r\n",
    "broken quoted-printable": _MIME
    + b"text/plain\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\na=ZZb =C3=BC=\r\nend=",
    "unknown encoding": _MIME + b"text/plain\r\nContent-Transfer-Encoding: x-odd\r\n\r\nhello world\r\n",
    "html": _MIME + b"text/html; charset=utf-8\r\n\r\n<p class=zinc>hello <b>wor</b>ld</p>\r\n",
    "attachment": _parts(b"\r\nhello", b"Content-Type: application/x; name=zinc.bin\r\n\r\nworld zinc"),
    "text attachment": _parts(b"\r\nhello", b"Content-Type: text/x-c\r\nContent-Disposition: attachment\r\n\r\nzinc"),
    "part header": _parts(b"Content-Type: text/plain\r\nContent-Description: zinc =?utf-8?q?K=C3=B6ln?=\r\n\r\nhello"),
    "inner message": _parts(
        b"Content-Type: message/rfc822\r\n\r\nSubject: zinc =?utf-8?q?K=C3=B6ln?=\r\nX-Own: copper\r\n\r\nhello world"
    ),
    "inner report": _parts(b"Content-Type: message/delivery-status\r\n\r\nFinal-Recipient: rfc822; zinc@x.test\r\n"),
    "inner header": _parts(b"Content-Type: text/rfc822-headers\r\n\r\nSubject: zinc\r\n"),
    "cut by a part": _parts(b"\r\nhello wo", b"\r\nrld"),
    "lines": _HEAD + b"\r\nhello\r\nworld  two   blanks\r\ntab\there\r\n",
    "subject word": _subject(b"=?utf-8?q?Gr=C3=BC=C3=9Fe?= aus =?iso-8859-1?q?K=F6ln?="),
    "subject words": _subject(b"=?utf-8?q?hello?= =?utf-8?q?_world?="),
    "subject folded words": _subject(b"=?utf-8?q?hello_wo?=\r\n =?utf-8?q?rld?="),
    "subject folded": _subject(b"hello\r\n world"),
    "subject folded by tab": _subject(b"hello\r\n\tworld"),
    "subject folded wide": _subject(b"hello  \r\n    world"),
    "subject raw utf-8": _subject("Grüße aus Köln".encode()),
    "subject raw latin-1": _subject("Grüße aus Köln".encode("latin-1")),
    "subject split letter": _subject(b"=?utf-8?b?S8M=?= =?utf-8?b?tmxu?="),
    "subject broken word": _subject(b"=?utf-8?q?K=C3=B6ln hello"),
    "subject unknown charset": _subject(b"=?x-nowhere?q?hello?= world"),
    "subject with a language": _subject(b"=?utf-8*de?q?K=C3=B6ln?="),
    "subject twice": _HEAD + b"Subject: hello\r\nSubject: world\r\n\r\ntext\r\n",
    "subject empty": _subject(b""),
    "name in words": b"From: =?utf-8?q?J=C3=B6rg_M=C3=BCller?= <joerg@sender.test>\r\nCc: zinc@x.test\r\n\r\nx\r\n",
    "name quoted": b'From: "zinc, \\"q\\" =?utf-8?q?J=C3=B6rg?=" <a@b.test>\r\nBcc: hidden@x.test\r\n\r\nx\r\n',
    "to twice": _HEAD + b"To: zinc@x.test\r\n\r\nx\r\n",
    "to folded": _HEAD.replace(b"bob@lmtp.test", b"bob@lmtp.test,\r\n\tzinc <carl@lmtp.test>") + b"\r\nx\r\n",
    **{
        f"date {value.decode()}": _date(value)
        for value in (
            b"Sat, 21 Nov 2026 23:30:00 -1100",
            b"Sat, 21 Nov 2026 00:30:00 +1100",
            b"21 Nov 26 08:00 EST",
            b"21 Nov 2026",
            b"Sat, 21-Nov-2026 08:00:00 +0000",
            b"Sat Nov 21 08:00:00 2026",
            b"Fri, 20 Nov 2026 10:00:00 +0000 (comment)",
            b"Sun, 22 Nov 2026 25:00:00 +0000",
            b"Sun, 31 Feb 2026 10:00:00 +0000",
            b"nonsense",
            b"",
            b"Mon, 22 Nov 99 10:00:00 +0000",
        )
    },
    "no header": b"hello world\r\n\r\nzinc\r\n",
    "nothing": b"\r\n",
}

KEYS = (
    *("BODY köln", "BODY KÖLN", "BODY grüsse", "BODY grüße", "BODY GRÜSSE", "BODY straße", "BODY поиск", "BODY ПОИСК"),
    *(
        "BODY 日本語",
        "BODY 中文",
        "BODY 한국어",
        "BODY €uro",
        "BODY ärger",
        "BODY o",
        "BODY ö",
        "BODY fine",
        "BODY ﬁne",
    ),
    *("BODY hello", "BODY world", 'BODY "hello world"', 'BODY "lo wo"', "BODY zinc", "BODY copper", "BODY subject"),
    *("BODY after", "BODY before", "BODY aZZb", "BODY a=ZZb", "BODY üend", "BODY footer", 'BODY "two blanks"'),
    *('BODY "two   blanks"', 'BODY "hello world  two"', "BODY text", 'BODY ""', "BODY paragraph", "BODY class"),
    *("TEXT köln", "TEXT zinc", "TEXT hello", "TEXT copper", 'TEXT "subject: hello"', 'TEXT "hello world"', 'TEXT ""'),
    *("TEXT alice", "TEXT content-type", "TEXT utf-8", 'TEXT "=?utf-8"', "TEXT text/plain", "TEXT jörg", "TEXT müller"),
    *(
        "SUBJECT köln",
        "SUBJECT grüße",
        "SUBJECT hello",
        "SUBJECT world",
        'SUBJECT "hello world"',
        'SUBJECT "hello  world"',
    ),
    *('SUBJECT ""', "SUBJECT kln", 'SUBJECT "=?"', "SUBJECT jörg", "SUBJECT x", "SUBJECT folded", 'SUBJECT "d once"'),
    *(
        "FROM alice",
        "FROM jörg",
        'FROM "alice <"',
        "FROM sender.test",
        'FROM ""',
        'FROM "alice, b"',
        "FROM müller",
        "FROM bob",
    ),
    *(
        "FROM zinc",
        "TO bob",
        "TO zinc",
        "TO carl",
        'TO "bob@lmtp.test, zinc"',
        "CC zinc",
        "CC d",
        'CC ""',
        "BCC hidden",
    ),
    *(
        'BCC ""',
        "HEADER subject hello",
        'HEADER Subject ""',
        'HEADER X-None ""',
        "HEADER Content-Type charset",
        'HEADER "From" alice',
    ),
    *(
        'HEADER Content-Type ""',
        'HEADER Message-ID "<a"',
        "HEADER MIME-Version 1.0",
        'HEADER Date "2026"',
        'HEADER Content-ID ""',
    ),
    *(
        "SENTON 21-Nov-2026",
        "SENTBEFORE 21-Nov-2026",
        "SENTSINCE 21-Nov-2026",
        "SENTON 20-Nov-2026",
        "SENTON 22-Nov-2026",
    ),
    *(
        "SENTBEFORE 1-Jan-2000",
        "SENTSINCE 1-Jan-2100",
        "NOT SENTBEFORE 1-Jan-2100",
        "LARGER 500",
        "SMALLER 200",
        "NOT BODY o",
    ),
    *("OR SUBJECT hello BODY hello", "SUBJECT hello BODY text", "NOT (SUBJECT hello BODY text)", "NOT TEXT alice"),
)
