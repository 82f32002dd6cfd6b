"""The history of a site: what is kept of it, as the site file says, and where."""

from __future__ import annotations

import time
from functools import partial

from twistedmail_mta.config.site import Site
from twistedmail_mta.history import tables
from twistedmail_mta.history.recorder import IReactorHistory, Keep, Recorder
from twistedmail_mta.history.scribe import History
from twistedmail_mta.history.writer import HistoryWriter
from twistedmail_mta.store.aside import AsideDatabase
from twistedmail_mta.store.schema import UnusableDatabase, demand_known
from twistedmail_mta.store.upgrading import version_of


def make_history(reactor: IReactorHistory, site: Site) -> History:
    """Return the history of a site; its file is opened when there is something to write."""
    path = site.server.state_dir / tables.NAME
    writer = HistoryWriter(partial(AsideDatabase, path, tables.MIGRATIONS), path)
    return History(Recorder(reactor, writer, keep_of(site), time.time))


def demand_known_history(site: Site) -> None:
    """See to it that the history, if there is one, isn't of a newer release; one that is broken begins anew later.

    Raises:
        SchemaError: it is: nothing could be noted in it.
    """
    try:
        version = version_of(site.server.state_dir / tables.NAME)
    except UnusableDatabase:
        return
    demand_known(tables.NAME, version, tables.MIGRATIONS)


def keep_of(site: Site) -> Keep:
    """Return how much of the past a site file wants to be kept."""
    table = site.history
    return Keep(table.enabled, table.keep, table.max_size)
