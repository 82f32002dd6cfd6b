"""A control server in a directory of its own, on the real reactor."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest_twisted
from twisted.internet import reactor
from twisted.internet.defer import Deferred

from twistedmail_mta.control.server import CommandError, ControlServer
from twistedmail_mta.control.wire import Object
from twistedmail_mta.tasks import TaskGroup


async def echo(arguments: Object) -> Object:
    return {"said": arguments}


async def refuse(_: Object) -> Object:
    raise CommandError("not today")


async def fail(_: Object) -> Object:
    raise ZeroDivisionError


@pytest_twisted.async_yield_fixture
async def server_dir(tmp_path: Path) -> AsyncIterator[Path]:
    server = ControlServer(reactor, tmp_path, "1.2.3", {"echo": echo, "refuse": refuse, "fail": fail}, TaskGroup())
    server.lock()
    server.start()
    yield tmp_path
    await server.stop()
    settled: Deferred[None] = Deferred()
    reactor.callLater(0, settled.callback, None)
    await settled
