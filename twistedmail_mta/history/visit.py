"""What a session tells of itself when its mail is taken or refused (PURE)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from twistedmail_mta.history.story import Verdict


class Visit(NamedTuple):
    """Who came, by which door, and what was said of him.

    Attributes:
        session: its id.
        listener: the name in the site file.
        peer: the client's address.
        helo: what it called itself.
        tls: version and cipher; empty in clear.
        account: the login; None for strangers.
        mechanism: how it logged in.
        protocol: such as "ESMTPS", as far as it is known.
        verdicts: what plugins answered.
        asked: who was asked about mail that was taken, as `Pipeline.roll`.
        refused: recipients that weren't taken, with the replies.
    """

    session: str
    listener: str
    peer: str
    helo: str
    tls: str
    account: str | None
    mechanism: str
    protocol: str = ""
    verdicts: Sequence[Verdict] = ()
    refused: Sequence[tuple[str, str]] = ()
    asked: str = ""
