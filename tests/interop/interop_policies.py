"""A web server with MTA-STS policies, at port 443 of an address of the run's own network."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

PATH = "/.well-known/mta-sts.txt"


@dataclass
class Page:
    """What a host answers.

    Attributes:
        text: the body.
        status: with another than 200 a Location that leads to a host with a policy.
        kind: the media type.
    """

    text: bytes
    status: int = 200
    kind: str = "text/plain"


@dataclass
class Policies:
    """The pages, by host, and what was asked for, as HOST and PATH."""

    pages: dict[str, Page] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        host = self.headers["Host"]
        self.server.policies.asked.append(host + self.path)
        page = self.server.policies.pages.get(host, Page(b"", 404))
        self.send_response(page.status)
        self.send_header("Content-Type", page.kind)
        self.send_header("Content-Length", str(len(page.text)))
        if page.status != 200:
            self.send_header("Location", f"https://mta-sts.right.sts.test{PATH}")
        self.end_headers()
        self.wfile.write(page.text)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, address: str, context: ssl.SSLContext, policies: Policies) -> None:
        super().__init__((address, 443), _Handler)
        self.policies = policies
        self.socket = context.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)

    def handle_error(self, *_: Any) -> None:
        """Clients that don't like the certificate hang up."""


@contextmanager
def running_policies(address: str, certificate: Path) -> Iterator[Policies]:
    """Serve policies, with a certificate and key from a file."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    policies = Policies()
    server = _Server(address, context, policies)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield policies
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
