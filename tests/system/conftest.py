"""A real server, a next hop that keeps what it gets, and a person typing at a socket."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from mail_sink import Sink, running_sink
from running_site import ACCOUNT, PASSWORD, RunningSite
from typist import Typist


@pytest.fixture(scope="module")
def sink() -> Iterator[Sink]:
    """Where everything is relayed to."""
    with running_sink() as sink:
        yield sink


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, sink: Sink) -> Iterator[RunningSite]:
    """A site that is the MX of relayed.test, has one login, and sends everything to the sink."""
    site = RunningSite(
        tmp_path_factory.mktemp("site"),
        f'[domains."relayed.test"]\nrelay_to = "smtp://127.0.0.1:{sink.port}"\nrecipients = "any"\n'
        f'[[route]]\nmatch = {{}}\nvia = "smtp://127.0.0.1:{sink.port}"\n',
    )
    site.start()
    site.add_account(ACCOUNT, PASSWORD)
    yield site
    assert site.stop() == 0
    assert "Traceback" not in site.log


@pytest.fixture
def mx(site: RunningSite) -> Iterator[Typist]:
    """A connection to the MX listener, greeted."""
    with Typist(site.ports["mx"]) as typist:
        assert typist.reply().startswith("220 mail.example.org ESMTP")
        yield typist


@pytest.fixture
def submission(site: RunningSite) -> Iterator[Typist]:
    """A connection to the submission listener, greeted."""
    with Typist(site.ports["submission"]) as typist:
        assert typist.reply().startswith("220 mail.example.org ESMTP")
        yield typist


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """A directory for a site of the test's own."""
    return tmp_path / "site"
