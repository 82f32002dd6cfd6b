"""What came of a signature, in the words of RFC 8601 section 2.7.1."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Word = Literal["pass", "fail", "neutral", "policy", "permerror", "temperror", "none"]


@dataclass(frozen=True, slots=True)
class Result:
    """The verdict on one signature.

    What the signature says of itself is empty where it can't be read.

    Attributes:
        word: the result; only "pass" vouches for anything.
        reason: why, in plain words and ASCII; empty for a plain pass.
        domain: who signed (d=), in A-labels.
        selector: of the key (s=).
        identity: on whose behalf (i=), such as "@example.org".
        algorithm: such as "rsa-sha256" (a=).
        begin: the first 8 letters of the signature itself (b=), which tell several apart (RFC 6008).
        testing: the key says that its domain only tries DKIM (t=y); then the result is never better than "none".
    """

    word: Word
    reason: str
    domain: str = ""
    selector: str = ""
    identity: str = ""
    algorithm: str = ""
    begin: str = ""
    testing: bool = False


class Unverified(Exception):
    """A signature, or its key, can't pass.

    Attributes:
        word: what its result is.
        reason: why, in plain words and ASCII.
    """

    def __init__(self, word: Word, reason: str) -> None:
        super().__init__(f"{word}: {reason}")
        self.word = word
        self.reason = reason
