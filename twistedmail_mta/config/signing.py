"""[dkim]: how mail is signed."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import AfterValidator

from twistedmail_mta.config.values import Table, Wait

DAY: Final = 86400.0


def _at_least_a_day(seconds: float) -> float:
    if seconds < DAY:
        raise ValueError("must be at least 1d: mail waits in queues, and keys in caches")
    return seconds


Days = Annotated[Wait, AfterValidator(_at_least_a_day)]


class DKIMTable(Table):
    """[dkim]: how mail is signed by domains that have keys; `mta dkim` makes them.

    Attributes:
        expire: seconds for which signatures are good; None: for ever.
        rotate: seconds after which a new pair of keys is made, which signs once the DNS shows it; None: `mta dkim
            rotate` does both.
    """

    expire: Days | None = None
    rotate: Days | None = None
