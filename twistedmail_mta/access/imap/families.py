"""Who answers which command."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

from twistedmail_mta.access.imap import (
    basics,
    copying,
    expunging,
    fetching,
    listing,
    mailboxes,
    quota,
    searching,
    selecting,
    sorting,
    status,
    storing,
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
    "CREATE": mailboxes.create,
    "DELETE": mailboxes.delete,
    "RENAME": mailboxes.rename,
    "SUBSCRIBE": mailboxes.subscribe,
    "UNSUBSCRIBE": mailboxes.subscribe,
    "NAMESPACE": mailboxes.namespace,
    "LIST": listing.list_mailboxes,
    "LSUB": listing.list_subscribed,
    "COPY": copying.copy,
    "UID COPY": copying.copy,
    "MOVE": copying.copy,
    "UID MOVE": copying.copy,
    "STORE": storing.store,
    "UID STORE": storing.store,
    "GETQUOTA": quota.get_quota,
    "GETQUOTAROOT": quota.get_quota_root,
    "SETQUOTA": quota.set_quota,
    "SORT": sorting.sort,
    "UID SORT": sorting.sort,
    "THREAD": sorting.thread,
    "UID THREAD": sorting.thread,
}
"""By verb; what isn't here is answered by the conversation itself."""
