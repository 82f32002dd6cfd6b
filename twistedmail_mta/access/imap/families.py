"""Who answers which command."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

from twistedmail_mta.access.imap import (
    basics,
    expunging,
    fetching,
    searching,
    selecting,
    sorting,
    status,
)
from twistedmail_mta.access.imap.context import Context
from twistedmail_mta.imap.command import Command
from twistedmail_mta.imap.response import Response

Family = Callable[[Context, Command], Awaitable[Response]]

FAMILIES: Final[dict[str, Family]] = {
    "NOOP": basics.noop,
    "CHECK": basics.noop,
    "ENABLE": basics.enable,
    "ID": basics.identify,
    "SELECT": selecting.select,
    "EXAMINE": selecting.select,
    "CLOSE": selecting.close,
    "UNSELECT": selecting.unselect,
    "STATUS": status.status,
    "EXPUNGE": expunging.expunge,
    "UID EXPUNGE": expunging.expunge,
    "FETCH": fetching.fetch,
    "UID FETCH": fetching.fetch,
    "SEARCH": searching.search,
    "UID SEARCH": searching.search,
    "SORT": sorting.sort,
    "UID SORT": sorting.sort,
    "THREAD": sorting.thread,
    "UID THREAD": sorting.thread,
}
"""By verb; what isn't here is answered by the conversation itself."""
