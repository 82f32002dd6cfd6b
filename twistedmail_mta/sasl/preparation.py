"""Passwords in the one form in which they are compared and hashed.

The same password arrives in different octets from different keyboards; both
profiles below make one form of them.  `opaque_string` is for passwords that
are sent to us (PLAIN, LOGIN) or set by an operator; `saslprep` is what SCRAM
clients apply before they derive their keys (RFC 5802 section 2.2).
"""

from __future__ import annotations

import stringprep
import unicodedata
from typing import Final

MAX_PASSWORD: Final = 1024
"""Octets in UTF-8.  Normalising takes quadratic time on piled-up accents, so there is a bound."""


def opaque_string(password: str) -> str:
    """Return a password as the OpaqueString profile wants it (RFC 8265 section 4.2).

    Every space becomes U+0020 and the whole is brought into NFC; case and
    width stay.  Of what the profile forbids only control characters are
    refused: code points that this Python doesn't know yet must not lock out a
    password that a newer one accepted.

    Raises:
        ValueError: it is empty, too long, or holds a control character.
    """
    if not password or len(password.encode("utf-8")) > MAX_PASSWORD:
        raise ValueError(f"a password has 1 to {MAX_PASSWORD} octets")
    if password.isascii():
        if not password.isprintable():
            raise ValueError("a password holds no control characters")
        return password
    if any(unicodedata.category(letter) == "Cc" for letter in password):
        raise ValueError("a password holds no control characters")
    spaced = "".join(" " if unicodedata.category(letter) == "Zs" else letter for letter in password)
    return unicodedata.normalize("NFC", spaced)


def saslprep(password: str) -> str:
    """Return a password as RFC 4013 prepares a stored string.

    Raises:
        ValueError: it holds what the profile forbids, or nothing is left of it.
    """
    mapped = "".join(
        " " if stringprep.in_table_c12(letter) else letter for letter in password if not stringprep.in_table_b1(letter)
    )
    prepared = unicodedata.ucd_3_2_0.normalize("NFKC", mapped)
    if not prepared or any(_is_prohibited(letter) for letter in prepared) or not _reads_one_way(prepared):
        raise ValueError("a password that SASLprep forbids")
    return prepared


def _is_prohibited(letter: str) -> bool:
    """RFC 4013 section 2.3, and the unassigned code points of section 2.5."""
    return (
        stringprep.in_table_a1(letter)
        or stringprep.in_table_c12(letter)
        or stringprep.in_table_c21_c22(letter)
        or stringprep.in_table_c3(letter)
        or stringprep.in_table_c4(letter)
        or stringprep.in_table_c5(letter)
        or stringprep.in_table_c6(letter)
        or stringprep.in_table_c7(letter)
        or stringprep.in_table_c8(letter)
        or stringprep.in_table_c9(letter)
    )


def _reads_one_way(text: str) -> bool:
    """RFC 3454 section 6: right-to-left text begins and ends so, and holds no left-to-right letter."""
    if not any(stringprep.in_table_d1(letter) for letter in text):
        return True
    ends_right_to_left = stringprep.in_table_d1(text[0]) and stringprep.in_table_d1(text[-1])
    return ends_right_to_left and not any(stringprep.in_table_d2(letter) for letter in text)
