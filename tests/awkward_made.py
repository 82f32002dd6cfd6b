"""Awkward messages made by dice that always fall the same way, and some of extreme size or depth."""

from __future__ import annotations

from base64 import encodebytes
from collections.abc import Iterator
from random import Random

from awkward_messages import ADDRESSES, DISPOSITIONS, ENCODINGS, HEAD, LANGUAGES, MIME, PARAMETERS, SUBJECTS, TYPES

ENCODED_WORDS = (
    b"=?utf-8?Q?Gr=C3=BC=C3=9Fe?=",
    b"=?UTF-8?b?R3LDvMOfZQ==?=",
    b"=?utf-8*de?q?Gr=C3=BC=C3=9Fe?=",
    b"=?iso-8859-1?q?Gr=FC=DFe?= =?iso-8859-1?q?_und_mehr?=",
    b"=?utf-8?q?Gr=C3?= =?utf-8?q?=BC=C3=9Fe?=",
    b"=?utf-8?b?R3LDvMOf?=\r\n =?utf-8?b?ZQ==?=",
    b"=?nosuch?q?Gr=FC?=",
    b"=?utf-8?x?Gr?=",
    b"=?utf-8?q?not ended",
    b"=?utf-8?b?R3LDvMOfZQ?=",
    b"=?utf-8?q??=",
    b"x=?utf-8?q?Gr=C3=BC?=y",
    b'"=?utf-8?q?Gr=C3=BC?="',
    b"=?utf-8?q?a?==?utf-8?q?b?=",
    b"=?windows-1252?q?=80_euro?= \xe2\x82\xac",
    b"=?iso-2022-jp?b?GyRCRnxLXBsoQg==?=",
)
"""RFC 2047, right and wrong."""
WORDS = (b"hello", b"world", b"Gr\xc3\xbc\xc3\x9fe", b"x" * 70, b"", b"--", b"--b", b".", b"From me", b"=3D", b"\tx ")
MADE = 150


def made_messages() -> Iterator[tuple[str, bytes]]:
    """Yield the same messages each time, all lines of which end in CRLF."""
    dice = Random(5)
    for number in range(MADE):
        yield f"made {number}", Maker(dice).message()
    for place, word in enumerate(ENCODED_WORDS):
        yield f"word {place}", MIME + b"Subject: " + word + b"\r\nCc: " + word + b" <c@x.test>\r\n\r\ntext\r\n"
    yield from extreme_messages()


def extreme_messages() -> Iterator[tuple[str, bytes]]:
    """Yield large, deep and broken ones."""
    many = b",\r\n ".join(b"Person %d <person%d@example.org>" % (number, number) for number in range(3000))
    yield "extreme thousands of addresses", HEAD.replace(b"bob@lmtp.test", many) + b"\r\ntext\r\n"
    yield "extreme field of 200 KB", HEAD + b"X-Long: " + b"y" * 200_000 + b"\r\nSubject: behind\r\n\r\ntext\r\n"
    folded = b"".join(b"\r\n word%d" % number for number in range(20_000))
    yield "extreme folded field", HEAD + b"X-Folded: x" + folded + b"\r\nSubject: behind\r\n\r\ntext\r\n"
    yield "extreme 5000 fields", HEAD + b"".join(b"X-%d: y\r\n" % n for n in range(5000)) + b"\r\ntext\r\n"
    yield "extreme long line", HEAD + b"\r\n" + b"z" * 300_000 + b"\r\nneedle\r\n"
    yield "extreme no final line end", HEAD + b"Subject: cut\r\n\r\ntext without end"
    yield "extreme many parts", _many_parts(400)
    yield "extreme rfc822 in rfc822", MIME + _RFC822 * 10 + b"Subject: innermost\r\n\r\ntext\r\n"
    yield "extreme empty rfc822 in rfc822", MIME + _RFC822 * 5
    yield "extreme base64", MIME + _BASE64 + b"\r\n" + encodebytes(bytes(range(256)) * 400).replace(b"\n", b"\r\n")
    yield "extreme broken base64", MIME + _BASE64 + b"\r\nUmVh\r\n=bG\r\n!!x5?=\r\nYQ=\r\n"
    yield "extreme quoted-printable", MIME + _PRINTABLE + b"\r\nsoft=\r\nbreak =C3=BC =3d=XX=\r\nend=\r\n"
    yield "extreme text with a charset", MIME + b"Content-Type: text/plain; charset=iso-8859-1\r\n\r\nGr\xfc\xdfe\r\n"
    yield "extreme empty line", b"\r\n"
    yield "extreme empty lines", b"\r\n\r\n\r\n"
    yield "extreme one octet", b"x"


_RFC822 = b"Content-Type: message/rfc822\r\n\r\n"
_BASE64 = b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n"
_PRINTABLE = b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n"


def _many_parts(count: int) -> bytes:
    parts = b"".join(b"--b\r\nContent-ID: <%d>\r\n\r\npart %d\r\n" % (number, number) for number in range(count))
    return MIME + b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + parts + b"--b--\r\n"


class Maker:
    """Makes one message."""

    def __init__(self, dice: Random) -> None:
        self._dice = dice
        self._boundaries = 0

    def message(self) -> bytes:
        """Return a message."""
        return self._envelope() + self._entity(0)

    def _envelope(self) -> bytes:
        dice, fields = self._dice, []
        choices = {b"From": ADDRESSES, b"To": ADDRESSES, b"Cc": ADDRESSES, b"Subject": (*SUBJECTS, *ENCODED_WORDS)}
        for name, values in choices.items():
            fields += [name + b": " + dice.choice(values)] * (dice.random() < 0.8)
        fields += [b"Date: Sat, %d Nov 2026 08:00:00 +0000" % dice.randint(1, 30)] * (dice.random() < 0.8)
        fields += [b"Message-ID: <%d@x.test>" % dice.randint(1, 99)] * (dice.random() < 0.8)
        dice.shuffle(fields)
        return b"".join(field + b"\r\n" for field in fields)

    def _entity(self, depth: int) -> bytes:
        """Return MIME fields, an empty line and a body."""
        kind = self._dice.random()
        if depth < 4 and kind < 0.45:
            return self._multipart(depth)
        if depth < 4 and kind < 0.6:
            inner = self._envelope() + self._entity(depth + 1) if self._dice.random() < 0.85 else b""
            return b"Content-Type: message/rfc822\r\n" + self._fields() + b"\r\n" + inner
        head = b"" if kind < 0.7 else b"Content-Type: " + self._type() + b"\r\n"
        return head + self._fields() + b"\r\n" + self._text()

    def _type(self) -> bytes:
        parameter = b"; " + self._dice.choice(PARAMETERS) if self._dice.random() < 0.4 else b""
        plain = [kind for kind in TYPES if b"multipart" not in kind.lower()]
        return self._dice.choice(plain) + parameter

    def _fields(self) -> bytes:
        dice, fields = self._dice, b""
        for name, values in ((b"Disposition", DISPOSITIONS), (b"Language", LANGUAGES)):
            if dice.random() < 0.2:
                fields += b"Content-" + name + b": " + dice.choice(values) + b"\r\n"
        if dice.random() < 0.2:
            fields += b"Content-Transfer-Encoding: " + dice.choice(ENCODINGS) + b"\r\n"
        return fields

    def _text(self) -> bytes:
        lines = [self._dice.choice(WORDS) for _ in range(self._dice.randint(0, 5))]
        return b"\r\n".join(lines) + b"\r\n" * (self._dice.random() < 0.8)

    def _multipart(self, depth: int) -> bytes:
        """Return a multipart, whose boundary may be broken, doubled, missing or the outer one's."""
        dice = self._dice
        self._boundaries += dice.random() < 0.9
        boundary = b"b%d" % self._boundaries
        kind = dice.choice((b"mixed", b"alternative", b"digest", b"signed", b"x-own"))
        text = b"Content-Type: multipart/" + kind + b'; boundary="' + boundary + b'"\r\n' + self._fields() + b"\r\n"
        text += self._text() * (dice.random() < 0.2)
        for _ in range(dice.randint(0, 4)):
            text += b"--" + boundary + dice.choice((b"", b"", b"", b"", b" ", b"x")) + b"\r\n"
            text += self._entity(depth + 1) + b"\r\n" * (dice.random() < 0.8)
        text += b"--" + boundary + b"--\r\n" if dice.random() < 0.8 else b""
        return text + self._text() * (dice.random() < 0.2)
