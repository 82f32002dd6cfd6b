"""A person who types at a server, or a program that does."""

from __future__ import annotations

import socket
import ssl
from typing import Self


class Typist:
    """Types at a server, character for character, and reads what it answers."""

    def __init__(self, port: int, host: str = "127.0.0.1", source: str | None = None) -> None:
        self.socket = socket.create_connection((host, port), 20, source_address=(source, 0) if source else None)
        self.lines = self.socket.makefile("rb")

    def reply(self) -> str:
        """Read one reply; its lines joined by newlines, empty at the end of the connection."""
        lines = []
        while line := self.lines.readline().decode():
            lines.append(line.rstrip("\r\n"))
            if line[3:4] != "-":
                break
        return "\n".join(lines)

    def send(self, octets: bytes) -> None:
        """Send octets as they are."""
        self.socket.sendall(octets)

    def type(self, line: str) -> str:
        """Send a line and read the answer."""
        self.send(line.encode() + b"\r\n")
        return self.reply()

    def start_tls(self) -> None:
        """Change to TLS after the 220."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        self.socket = context.wrap_socket(self.socket, server_hostname="mail.example.org")
        self.lines = self.socket.makefile("rb")

    def rest(self) -> bytes:
        """Read until the server closes."""
        try:
            return self.lines.read()
        except OSError:
            return b""

    def close(self) -> None:
        """Hang up."""
        self.lines.close()
        self.socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
