"""Text in the charsets of mail, known or not, right or broken."""

from __future__ import annotations

import codecs
from encodings.aliases import aliases
from functools import lru_cache
from typing import Final, Protocol

_LENIENT: Final = "mail.eight-bit"
"""Takes what isn't UTF-8 for Windows-1252, octet by octet: no letter is lost that a reader may look for."""
_READ_LENIENTLY: Final = frozenset({"utf_8", "cp1252"})
_ASCII: Final = bytes(range(128))

_WIDER: Final = {
    "ascii": "utf_8",
    "latin_1": "cp1252",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "euc_kr": "cp949",
    "shift_jis": "cp932",
    "iso2022_jp": "iso2022_jp_3",
    "tis_620": "cp874",
    "iso8859_9": "cp1254",
}
"""Charsets that are said where more is meant (https://encoding.spec.whatwg.org/#names-and-labels)."""
_OTHER_NAMES: Final = {
    "iso_8859_8_i": "iso8859_8",
    "iso_8859_8_e": "iso8859_8",
    "ks_c_5601_1987": "euc_kr",
    "x_gbk": "gbk",
    "x_sjis": "shift_jis",
    "x_euc_jp": "euc_jp",
    "x_mac_roman": "mac_roman",
    "x_big5": "big5",
    "unicode_1_1_utf_7": "utf_7",
    "utf8mb4": "utf_8",
    "latin_9": "iso8859_15",
    "windows_31j": "cp932",
    "windows_874": "cp874",
    **{name: name for name in ("koi8_u", "cp720", "cp737", "cp856", "cp874", "cp1006", "mac_romanian")},
    **{f"cp_{number}": f"cp{number}" for number in range(1250, 1259)},
}
_SWITCHING: Final = ("iso2022_", "hz", "utf_7")
"""Codecs in which octets of ASCII say that other letters follow."""
_MARKS: Final = {
    "utf_16": (codecs.BOM_UTF16_BE, codecs.BOM_UTF16_LE),
    "utf_32": (codecs.BOM_UTF32_BE, codecs.BOM_UTF32_LE),
}
_NO_CHARSETS: Final = {"idna", "punycode", "undefined", "unicode_escape", "raw_unicode_escape", "mbcs", "oem"}
_BYTE_CODECS: Final = {"base64_codec", "bz2_codec", "hex_codec", "quopri_codec", "rot_13", "uu_codec", "zlib_codec"}
_CODECS: Final = {
    name: codec
    for name, codec in {**aliases, **{codec: codec for codec in aliases.values()}, **_OTHER_NAMES}.items()
    if codec not in _NO_CHARSETS | _BYTE_CODECS
}
"""Python's codecs by the names it knows: none is looked for that isn't here, for each that is missing is remembered."""


def _as_windows(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    octets = error.object[error.start : error.end]
    try:
        return octets.decode("cp1252"), error.end
    except UnicodeDecodeError:
        return octets.decode("latin-1"), error.end


codecs.register_error(_LENIENT, _as_windows)


class TextDecoder:
    """Turns octets in a charset, cut anywhere, into text; never raises.

    Attributes:
        keeps_ascii: octets of ASCII mean themselves, wherever nothing waits.
    """

    __slots__ = ("_decoder", "keeps_ascii")

    def __init__(self, charset: bytes | None) -> None:
        """Begin; a charset that isn't named or isn't known is UTF-8, with other octets as Windows-1252."""
        codec, self.keeps_ascii = _codec_of(charset)
        self._decoder: _Decoding = _Marked(codec) if codec in _MARKS else _decoder(codec)

    @property
    def waits(self) -> bool:
        """Whether the next octets may belong to a letter that has begun."""
        return bool(self._decoder.getstate()[0])

    def decode(self, octets: bytes, *, final: bool = False) -> str:
        """Return the text of these octets, of the last ones if `final`."""
        try:
            return self._decoder.decode(octets, final)
        except (UnicodeError, ValueError, OverflowError):
            self._decoder.reset()  # UTF-7 can promise a letter that there isn't, whatever is to be done about errors
            return octets.decode("latin-1")


class _Decoding(Protocol):
    """What is used of `codecs.IncrementalDecoder`."""

    def decode(self, octets: bytes, final: bool = False, /) -> str: ...

    def getstate(self) -> tuple[bytes, int]: ...

    def reset(self) -> None: ...


class _Marked:
    """Decodes UTF-16 and UTF-32 as the first octets say, else the highest octet first (RFC 2781 section 4.3)."""

    def __init__(self, codec: str) -> None:
        self._codec = codec
        self._begin = b""
        self._inner: _Decoding | None = None

    def decode(self, octets: bytes, final: bool = False, /) -> str:
        if self._inner is not None:
            return self._inner.decode(octets, final)
        self._begin += octets
        big, little = _MARKS[self._codec]
        if len(self._begin) < len(big) and not final:
            return ""
        self._inner = _decoder(self._codec + ("_le" if self._begin.startswith(little) else "_be"))
        marked = self._begin.startswith((big, little))
        return self._inner.decode(self._begin[len(big) if marked else 0 :], final)

    def getstate(self) -> tuple[bytes, int]:
        return (self._begin, 0) if self._inner is None else self._inner.getstate()

    def reset(self) -> None:
        self._begin, self._inner = b"", None


def _decoder(codec: str) -> _Decoding:
    return codecs.getincrementaldecoder(codec)(_LENIENT if codec in _READ_LENIENTLY else "replace")


def decoded_text(charset: bytes | None, octets: bytes) -> str:
    """Return octets in a charset, all at hand, as text."""
    codec, keeps_ascii = _codec_of(charset)
    if keeps_ascii and octets.isascii():
        return octets.decode("ascii")
    if codec in _READ_LENIENTLY:
        return octets.decode(codec, _LENIENT)
    return TextDecoder(charset).decode(octets, final=True)


@lru_cache(maxsize=256)
def _codec_of(charset: bytes | None) -> tuple[str, bool]:
    """Return Python's codec, and whether ASCII means itself in it."""
    name = (charset or b"").decode("latin-1").strip().lower()
    for separator in "-. :":
        name = name.replace(separator, "_")
    codec = _CODECS.get(name, "utf_8")
    codec = _WIDER.get(codec, codec)
    return codec, _keeps_ascii(codec)


def _keeps_ascii(codec: str) -> bool:
    return not codec.startswith(_SWITCHING) and _ASCII.decode(codec, "replace") == _ASCII.decode("ascii")
