"""A content filter for tests: takes mail by LMTP, marks it, and gives it back before it answers."""

from __future__ import annotations

import smtplib
import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

MARK = b"X-Looked-At: yes\r\n"


@dataclass
class Filter:
    """What it was given, and how it behaves.

    Attributes:
        port: where it listens.
        back: the port where it gives mail back.
        told: the arguments of XFORWARD, for each message.
        says: given these, what it tells of the client when it gives mail back.
        refuses: given a recipient, the answer for that one, who isn't given back; None: it is.
    """

    port: int = 0
    back: int = 0
    told: list[str] = field(default_factory=list)
    says: Callable[[str], str] = lambda told: told
    refuses: Callable[[str], str | None] = lambda _: None

    def give_back(self, told: str, sender: str, recipients: list[str], data: bytes) -> str:
        """Send a message on; return the answer."""
        with smtplib.SMTP("127.0.0.1", self.back, local_hostname="filter.test") as client:
            client.ehlo()
            if said := self.says(told):
                client.docmd("XFORWARD", said)
            client.docmd(f"MAIL FROM:{sender}")
            for recipient in recipients:
                code, text = client.docmd(f"RCPT TO:{recipient}")
                if code >= 300:
                    return f"{code} {text.decode()}"
            code, text = client.data(MARK + data)
            return f"{code} {text.decode()}"


class _Session(socketserver.StreamRequestHandler):
    server: _Server

    def handle(self) -> None:
        known = self.server.known
        self._say("220 filter LMTP")
        told, sender, recipients = "", "", []
        for raw in self.rfile:
            line = raw.decode().rstrip("\r\n")
            verb, _, rest = line.partition(" ")
            match verb.upper():
                case "LHLO":
                    self._say("250-filter", "250-PIPELINING", "250-8BITMIME", "250-SMTPUTF8", "250-DSN",
                              "250 XFORWARD NAME ADDR PORT PROTO HELO IDENT SOURCE")  # fmt: skip
                case "XFORWARD":
                    told = f"{told} {rest}".strip()
                    self._say("250 2.0.0 ok")
                case "MAIL":
                    sender, recipients = rest[5:], []
                    self._say("250 2.1.0 ok")
                case "RCPT":
                    recipients.append(rest[3:])
                    self._say("250 2.1.5 ok")
                case "DATA":
                    self._say("354 go on")
                    known.told.append(told)
                    self._say(*self._answers(told, sender, recipients, self._data()))
                    told = ""
                case "QUIT":
                    self._say("221 bye")
                    return
                case _:
                    self._say("250 ok")

    def _answers(self, told: str, sender: str, recipients: list[str], data: bytes) -> list[str]:
        known = self.server.known
        answers = {recipient: known.refuses(recipient) for recipient in recipients}
        wanted = [recipient for recipient, answer in answers.items() if answer is None]
        given = known.give_back(told, sender, wanted, data) if wanted else ""
        return [answer or given for answer in answers.values()]

    def _say(self, *lines: str) -> None:
        self.wfile.write("".join(f"{line}\r\n" for line in lines).encode())

    def _data(self) -> bytes:
        lines = []
        while (line := self.rfile.readline()) not in {b".\r\n", b""}:
            lines.append(line[1:] if line.startswith(b".") else line)
        return b"".join(lines)


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 128
    known: Filter

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing when a peer breaks off."""


@contextmanager
def running_filter() -> Iterator[Filter]:
    """Run a filter on a free port of loopback."""
    with _Server(("127.0.0.1", 0), _Session) as server:
        server.known = Filter(server.server_address[1])
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield server.known
        finally:
            server.shutdown()
            thread.join()
