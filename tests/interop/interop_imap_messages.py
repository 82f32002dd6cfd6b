"""Messages of all kinds that people have in their folders."""

from __future__ import annotations

from base64 import encodebytes

from interop_mail import hostile_bodies, letter

_FROM, _TO = "joe@elsewhere.test", "ann@hosted.test"


def kinds() -> dict[str, bytes]:
    """Return whole messages by name, each with that name as its subject."""
    found = {name: letter(name, _FROM, _TO, body) for name, body in hostile_bodies().items()}
    found["unfinished"] = letter("unfinished", _FROM, _TO, b"the last line has no end")
    found["eight-bit-header"] = letter("eight-bit-header", _FROM, _TO, b"text\r\n", "X-Name: Gr\u00fc\u00dfe")
    found["attachments"] = with_attachments("attachments")
    return found


def with_attachments(token: str) -> bytes:
    """Return a message with a text, a picture and another message."""
    picture = encodebytes(bytes(range(256)) * 40).replace(b"\n", b"\r\n")
    parts = (
        b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\nGr\xc3\xbc\xc3\x9fe\r\n",
        b"Content-Type: image/png; name=dot.png\r\nContent-Transfer-Encoding: base64\r\n"
        b'Content-Disposition: attachment; filename="dot.png"\r\n\r\n' + picture,
        b"Content-Type: message/rfc822\r\n\r\n" + letter("inner", _FROM, _TO, b"within\r\n"),
    )
    body = b"".join(b"--frontier\r\n" + part + b"\r\n" for part in parts) + b"--frontier--\r\n"
    return letter(token, _FROM, _TO, body, "MIME-Version: 1.0", "Content-Type: multipart/mixed; boundary=frontier")


def note(token: str, *fields: str) -> bytes:
    """Return a small message."""
    return letter(token, _FROM, _TO, f"the text of {token}\r\n".encode(), *fields)
