"""Which language an author reads, as its header tells."""

from __future__ import annotations

import pytest

from twistedmail_mta.mail.header import Header
from twistedmail_mta.mail.language import language_of

KNOWN = {"en", "pt", "de", "fr"}


@pytest.mark.parametrize(
    ("header", "language"),
    [
        (b"Accept-Language: de-DE, en;q=0.8\r\n", "de"),
        (b"Accept-Language: en;q=0.5, pt-BR; q=0.9, de;q=0\r\n", "pt"),
        (b"Accept-Language: tlh, fr;q=0.1\r\n", "fr"),
        (b"Accept-Language: de;q=0\r\n", None),
        (b"X-Accept-Language: pt\r\n", "pt"),
        (b"Content-Language: DE\r\n", "de"),
        (b"Content-Language: i-klingon, en (English)\r\n", "en"),
        (b"Content-Language: fr\r\nAccept-Language: de\r\n", "de"),
        (b"Accept-Language: de_DE; q=x, ,;;\r\n", None),
        (b"Accept-Language: \xff\xfe\r\n", None),
        (b"Subject: de\r\n", None),
        (b"", None),
    ],
)
def test_language(header: bytes, language: str | None) -> None:
    """What the author wants to read, the most wanted known one first; then what it wrote in."""
    assert language_of(Header(header + b"\r\n"), KNOWN) == language


def test_only_the_beginning_is_read() -> None:
    """A field of any length costs little."""
    assert language_of(Header(b"Accept-Language: " + b"(" * 100_000 + b", de\r\n\r\n"), KNOWN) is None
