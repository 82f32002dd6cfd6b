"""Which identity of a client is checked (RFC 7208 section 2.3 and section 2.4), and how that is told (RFC 8601)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from twistedmail_mta.model import Address
from twistedmail_mta.spf.check import Verdict, check_host
from twistedmail_mta.spf.questions import Lookup


@dataclass(frozen=True, slots=True)
class Visit:
    """A client's visit, as far as SPF looks at it.

    Attributes:
        ip: the client's address.
        helo: what it said in HELO or EHLO; empty if nothing.
        receiver: the name of this host, for explanations.
        now: seconds since the epoch, likewise.
    """

    ip: str
    helo: str
    receiver: str = "unknown"
    now: float = 0.0


@dataclass(frozen=True, slots=True)
class Checked:
    """What was checked, and what it came to.

    Attributes:
        identity: the sender of MAIL, or the name in HELO.
        value: that address or name, as the client said it.
        verdict: what it came to.
    """

    identity: Literal["mailfrom", "helo"]
    value: str
    verdict: Verdict

    @property
    def properties(self) -> tuple[tuple[str, str], ...]:
        """Return what RFC 8601 section 2.7.2 wants in Authentication-Results beside "spf=": names and their values.

        A value isn't quoted yet.
        """
        return ((f"smtp.{self.identity}", self.value),)


async def check_sender(visit: Visit, sender: Address, lookup: Lookup, *, explain: bool = True) -> Checked:
    """Check the sender of a message; of the null sender the name in HELO (RFC 7208 section 2.4).

    Args:
        visit: whose message it is.
        sender: the reverse-path.
        lookup: who is asked.
        explain: as `check_host` has it.

    Raises:
        ValueError: the client has no IP address.
    """
    if sender.is_null:
        return await check_helo(visit, lookup, explain=explain)
    return Checked("mailfrom", str(sender), await _checked(visit, sender, lookup, explain=explain))


async def check_helo(visit: Visit, lookup: Lookup, *, explain: bool = True) -> Checked:
    """Check the name in HELO (RFC 7208 section 2.3).

    Raises:
        ValueError: the client has no IP address.
    """
    nobody = Address("", visit.helo)
    return Checked("helo", visit.helo, await _checked(visit, nobody, lookup, explain=explain))


async def _checked(visit: Visit, sender: Address, lookup: Lookup, *, explain: bool) -> Verdict:
    return await check_host(
        visit.ip,
        sender.domain,
        sender,
        visit.helo,
        lookup,
        receiver=visit.receiver,
        now=visit.now,
        explain=explain,
    )
