"""ImapFlow, a client for Node.js, as an object here: each call is made in a process of its own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from base64 import b64decode, b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import Queue
from threading import Thread
from typing import Any

from interop_daemons import PATIENCE
from interop_imap_site import HOST, Account

MODULES = Path(os.environ.get("MTA_TEST_NODE", "/var/cache/mta-tests/node"))
IMAPFLOW = MODULES / "node_modules" / "imapflow"
NODE = shutil.which("node")
_SESSION = Path(__file__).with_name("imapflow_session.mjs")


class ImapFlowError(Exception):
    """The client threw it; its code is the server's response code."""

    def __init__(self, answer: dict[str, Any]) -> None:
        super().__init__(answer)
        self.code = answer["code"]


class ImapFlow:
    """A connected client: methods are those of ImapFlow, by its names."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self._answers: Queue[dict[str, Any]] = Queue()
        self._events: Queue[tuple[str, Any]] = Queue()
        Thread(target=self._read, daemon=True).start()

    def call(self, method: str, *arguments: Any) -> Any:
        """Call a method and return what it returns; `property` returns one of the client's."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"call": method, "arguments": arguments}, default=_as_octets) + "\n")
        self._process.stdin.flush()
        answer = self._answers.get(timeout=PATIENCE)
        if "error" in answer:
            raise ImapFlowError(answer)
        return answer["result"]

    def event(self, name: str) -> Any:
        """Wait for an event and return what it tells; earlier ones of other names are passed by."""
        while True:
            found, told = self._events.get(timeout=PATIENCE)
            if found == name:
                return told

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            answer = json.loads(line, object_hook=_lively)
            if "event" in answer:
                self._events.put((answer["event"], answer["told"]))
            else:
                self._answers.put(answer)


@contextmanager
def imapflow(account: Account, **options: Any) -> Iterator[ImapFlow]:
    """Connect, log in, and log out at the end; over TLS unless `options`, which are ImapFlow's, say otherwise."""
    settings = {
        "host": HOST,
        "port": account.implicit,
        "secure": True,
        "auth": {"user": account.user, "pass": account.password},
        "tls": {"ca": account.trusted.read_text()},
        **options,
    }
    command = [str(NODE), str(_SESSION), str(MODULES), json.dumps(settings)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        client = ImapFlow(process)
        try:
            client.call("connect")
            yield client
            client.call("logout")
        finally:
            process.kill()


def number(value: int) -> dict[str, str]:
    """Return a number as JavaScript's BigInt, which UIDVALIDITY and modification sequences are there."""
    return {"number": str(value)}


def _as_octets(value: Any) -> dict[str, str]:
    return {"octets": b64encode(value).decode()}


def _lively(value: dict[str, Any]) -> Any:
    if "octets" in value:
        return b64decode(value["octets"])
    return int(value["number"]) if "number" in value else value
