"""The text of messages, as searches look at it, in blocks cut anywhere."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from awkward_messages import messages

from twistedmail_mta.mail.casemap import casemapped
from twistedmail_mta.mail.charset import decoded_text
from twistedmail_mta.mail.content_type import content_type
from twistedmail_mta.mail.decoded_field import decoded_field
from twistedmail_mta.mail.field_value import unfolded
from twistedmail_mta.mail.header import Header, split
from twistedmail_mta.mail.message_text import BodyText
from twistedmail_mta.mail.needles import Needles
from twistedmail_mta.mail.parts import Nesting, Part, read_parts
from twistedmail_mta.mail.structure import structure
from twistedmail_mta.mail.transfer_decoding import decoded

_LETTERS = "Grüße 日本語 "
CODED = (
    b"MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\npreamble\r\n--b\r\n"
    b"Content-Type: text/plain; charset=utf-8\r\nX-Own: =?utf-8?q?=C3=B6?=\r\n\r\n"
    + _LETTERS.encode()
    + b"\r\n--b\r\nContent-Type: text/plain; charset=shift_jis\r\nContent-Transfer-Encoding: base64\r\n\r\nk/qWe4zq\r\n"
    b"--b\r\nContent-Type: text/html; charset=iso-8859-1\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
    b"Gr=FC=DF=\r\ne =E4\r\n--b\r\nContent-Type: image/png\r\n\r\nnever\r\n"
    b"--b\r\nContent-Type: text/plain; charset=utf-16\r\nContent-Transfer-Encoding: base64\r\n\r\n//5hAPYA\r\n"
    b"--b--\r\nend\r\n"
)
MESSAGES = {**dict(messages()), "coded": CODED}
SHORT = [pytest.param(mail, id=name) for name, mail in MESSAGES.items() if len(mail) < 700]


class Recorder(Needles):
    """Remembers what it was shown, in one piece between two cuts."""

    def __init__(self) -> None:
        super().__init__([b"never there"])
        self.texts: list[bytes] = [b""]

    def look(self, text: bytes) -> None:
        self.texts[-1] += text

    def cut(self) -> None:
        self.texts.append(b"")

    @property
    def seen(self) -> list[bytes]:
        return [text for text in self.texts if text]


def shown(mail: bytes, size: int, *, headers: bool) -> list[bytes]:
    """Return the texts that are looked at, if the body comes in blocks of this size."""
    header, body = split(mail)
    recorder = Recorder()
    text = BodyText(recorder, header, read_parts(structure(header, body).parts), headers=headers)
    while not text.done:
        at = text.wanted
        text.look(body[at : at + size], at)
    return recorder.seen


def naive(mail: bytes, *, headers: bool) -> list[bytes]:
    """Work the same out part by part, with all at hand."""
    header, body = split(mail)
    tree = read_parts(structure(header, body).parts)
    texts = [casemapped(text) for text in _texts(tree, header, body, headers=headers, is_root=True)]
    return [text for text in texts if text]


def _texts(part: Part, header: bytes, body: bytes, *, headers: bool, is_root: bool = False) -> Iterator[str]:
    if not is_root:
        header = body[part.header : part.begin]
        if headers:
            yield decoded_field(header)
    kind = content_type(unfolded(Header(header).get(b"content-type") or b"text/plain"))
    if part.nesting is Nesting.LEAF and kind.type.lower() in (b"text", b"message"):
        yield decoded_text(kind.parameter(b"charset"), decoded(part.encoding, body[part.begin : part.end]))
    for child in part.children:
        yield from _texts(child, header, body, headers=headers)


@pytest.mark.parametrize("headers", [False, True])
@pytest.mark.parametrize("mail", SHORT)
def test_whatever_the_blocks(mail: bytes, headers: bool) -> None:
    expected = naive(mail, headers=headers)

    for size in (1, 2, 3, 5, 64, 10_000):
        assert shown(mail, size, headers=headers) == expected


def test_each_cut() -> None:
    """Letters, encodings and parts are cut in two everywhere."""
    header, body = split(CODED)
    tree = read_parts(structure(header, body).parts)
    expected = naive(CODED, headers=True)

    for cut in range(len(body) + 1):
        recorder = Recorder()
        text = BodyText(recorder, header, tree, headers=True)
        text.look(body[:cut], 0)
        text.look(body[cut:], cut)
        assert recorder.seen == expected
        assert text.done


def test_what_is_in_it() -> None:
    """Each part for itself, decoded; the text around them isn't."""
    texts = [text.decode() for text in naive(CODED, headers=False)]

    assert texts == [casemapped(text).decode() for text in ("Grüße 日本語 ", "日本語", "Grüße ä", "aö")]


def test_a_body_that_is_too_short() -> None:
    """What isn't there isn't found; nothing breaks."""
    header, body = split(CODED)
    tree = read_parts(structure(header, body).parts)

    for end in range(0, len(body), 7):
        recorder = Recorder()
        text = BodyText(recorder, header, tree, headers=True)
        text.look(body[:end], 0)
        text.end()
        assert text.done


def test_nothing_is_wanted_that_is_no_text() -> None:
    """A large attachment is passed over."""
    attachment = b"x" * 1000
    mail = CODED.replace(b"never", attachment)
    header, body = split(mail)
    text = BodyText(Recorder(), header, read_parts(structure(header, body).parts), headers=True)
    wanted = set()
    while not text.done:
        wanted.add(text.wanted)
        text.look(body[text.wanted : text.wanted + 1], text.wanted)

    assert not wanted & set(range(body.index(attachment), body.index(attachment) + len(attachment)))


def test_it_ends_with_the_last_text_found() -> None:
    header, body = split(CODED)
    needles = Needles([b"GR"])
    text = BodyText(needles, header, read_parts(structure(header, body).parts), headers=False)

    text.look(body, 0)

    assert text.done
    assert not needles.missing
