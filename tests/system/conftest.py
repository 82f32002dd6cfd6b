"""A real server, a next hop that keeps what it gets, and a person typing at a socket."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from explained_site import made, other_domains
from mail_sink import Sink, running_sink
from name_server import NameServer
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


@pytest.fixture(scope="module")
def own_sink() -> Iterator[Sink]:
    """A next hop for one site, which nobody else talks to."""
    with running_sink() as sink:
        yield sink


@pytest.fixture(scope="module")
def other_names() -> Iterator[NameServer]:
    """The DNS of some domains elsewhere."""
    server = other_domains()
    yield server
    server.close()


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, own_sink: Sink, other_names: NameServer) -> Iterator[RunningSite]:
    """A site with something to explain of everything, started."""
    site = made(tmp_path_factory.mktemp("running"), own_sink, other_names).start()
    yield site
    assert site.stop() == 0


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory, own_sink: Sink, other_names: NameServer) -> RunningSite:
    """The same site, which nobody has ever started."""
    return made(tmp_path_factory.mktemp("stopped"), own_sink, other_names)


@pytest.fixture(params=["running", "stopped"])
def either(request: pytest.FixtureRequest) -> RunningSite:
    """The site, running and not."""
    found: RunningSite = request.getfixturevalue(request.param)
    return found
