"""A spool of its own for each test."""

from __future__ import annotations

import pytest
from spool_in_memory import Site, new_site

from twistedmail_mta.spool.spool import Spool


@pytest.fixture
def site() -> Site:
    return new_site()


@pytest.fixture
def spool(site: Site) -> Spool:
    return site.start()
