"""The languages that responses are said in (RFC 6856 section 3)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from twistedmail_mta.pop3.texts import french, german, portuguese, spanish


@dataclass(frozen=True, slots=True)
class Language:
    """One language.

    Attributes:
        tag: as the list of languages has it.
        name: of the language in itself; empty for what is none.
        texts: by the English ones.
    """

    tag: str
    name: str
    texts: Mapping[str, str]


DEFAULT: Final = Language("i-default", "", {})
"""English in ASCII, for those who haven't chosen (RFC 2277 section 4.5)."""
ENGLISH: Final = Language("en", "English", {})
PREFERRED: Final = ENGLISH

LANGUAGES: Final = (
    DEFAULT,
    ENGLISH,
    Language("pt", "portugu\u00eas", portuguese.TEXTS),
    Language("es", "espa\u00f1ol", spanish.TEXTS),
    Language("de", "Deutsch", german.TEXTS),
    Language("fr", "fran\u00e7ais", french.TEXTS),
)


def find_language(wanted: str) -> Language | None:
    """Return the language that a range asks for, from the most special tag on (RFC 4647 section 3.4).

    Args:
        wanted: a basic language range; "*" is the one that the server prefers.
    """
    if wanted == "*":
        return PREFERRED
    parts = wanted.lower().split("-")
    for length in range(len(parts), 0, -1):
        tag = "-".join(parts[:length])
        found = next((language for language in LANGUAGES if language.tag == tag), None)
        if found is not None:
            return found
    return None
