"""What the tests of the resolver share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import pytest_twisted
from dns_responder import Responder
from twisted.internet import reactor
from twisted.internet.defer import Deferred

from twistedmail_mta.dns.resolver import Resolver, make_resolver


@pytest.fixture
def responder() -> Iterator[Responder]:
    """A scripted name server on the real reactor."""
    responder = Responder()
    responder.start(reactor)
    yield responder
    pytest_twisted.blockon(Deferred.fromCoroutine(responder.stop()))


@pytest.fixture
def resolver(responder: Responder) -> Iterator[Resolver]:
    """A resolver that asks `responder`, over real sockets."""
    resolver = make_resolver(reactor, [responder.nameserver], timeout=2.0)
    yield resolver
    resolver.stop()
