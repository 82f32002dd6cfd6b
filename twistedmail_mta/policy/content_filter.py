"""Sends accepted mail to a content filter, such as amavisd, which gives it back to a listener of role reinject."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator
from zope.interface import implementer

from twistedmail_mta.config.values import Bytes, Table
from twistedmail_mta.model import TLSLevel, Via
from twistedmail_mta.plugins import Kit
from twistedmail_mta.routes import FILTER, chosen_hop
from twistedmail_mta.stages import Arriving, Client, IMessagePolicy, SetNextHop


def _filter(value: str) -> str:
    """Return where a filter is, as it was written."""
    chosen_hop(Via(FILTER + value))
    return value


@implementer(IMessagePolicy)
class ContentFilter:
    """Chooses the filter as next hop for every recipient, those who are kept here included."""

    class Options(Table):
        """What the site file says.

        Attributes:
            via: where the filter is: SMTP or LMTP, TCP or a unix socket.
            tls: what is demanded there.
            max_size: octets above which mail goes on unfiltered; None: none does.
        """

        via: Annotated[str, AfterValidator(_filter)] = "lmtp://127.0.0.1:10024"
        tls: TLSLevel = "opportunistic"
        max_size: Bytes | None = None

    def __init__(self, options: Options, _: Kit) -> None:
        self._most = options.max_size
        self._change = SetNextHop(FILTER + options.via, options.tls)

    async def message(self, _: Client, message: Arriving) -> tuple[SetNextHop, ...] | None:
        """Send it by way of the filter."""
        if self._most is not None and message.size > self._most:
            return None
        return (self._change,)
