"""What can be measured of a site from outside of its server: files, the disk, certificates, the queue."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from twistedmail_mta.config.site import Site
from twistedmail_mta.observe import catalogue
from twistedmail_mta.observe.catalogue import Reading
from twistedmail_mta.spool.census import Census
from twistedmail_mta.store.files import DATABASE_NAME, MARGIN
from twistedmail_mta.store.space import free_octets
from twistedmail_mta.tls.certificates import CertificateError, read_chain


def file_readings(site: Site) -> Iterator[Reading]:
    """Yield what files tell; what can't be read is left out.  Blocks."""
    state = site.server.state_dir
    with suppress(OSError):
        yield catalogue.DISK_FREE, (), free_octets(state)
    yield catalogue.DISK_MARGIN, (), MARGIN
    for name, suffix in (("database", ""), ("wal", "-wal")):
        yield catalogue.STORE_BYTES, (name,), _size(state / f"{DATABASE_NAME}{suffix}")
    yield from _expiries(site)


def queue_readings(census: Census, counted_at: float, now: float) -> Iterator[Reading]:
    """Yield what was counted of the queue.

    Args:
        census: what was.
        counted_at: when, in seconds since the epoch.
        now: likewise.
    """
    yield catalogue.QUEUED_MESSAGES, (), census.messages
    yield catalogue.COUNTED, (), counted_at
    for labels, number in census.recipients.items():
        yield catalogue.QUEUED, labels, number
    for state, came in census.oldest.items():
        yield catalogue.OLDEST, (state,), max(0.0, now - came)


def _expiries(site: Site) -> Iterator[Reading]:
    table = site.certificates
    if table is None:
        return
    files = {site.server.hostname: table.certificate} | {name: each.certificate for name, each in table.names.items()}
    for name, file in files.items():
        try:
            ends = read_chain(file)[0].not_valid_after_utc
        except (CertificateError, OSError):
            continue
        yield catalogue.EXPIRY, (name,), ends.timestamp()


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except OSError:
        return 0
