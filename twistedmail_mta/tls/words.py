"""What logs and trace fields say of TLS."""

from __future__ import annotations

from OpenSSL import SSL
from twisted.internet.interfaces import ITCPTransport


def describe_tls(transport: ITCPTransport) -> str:
    """Return version and cipher of an encrypted connection, as a trace field tells them; empty before and after."""
    connection = transport.getHandle()  # type: ignore[attr-defined]
    cipher = None if connection is None else connection.get_cipher_name()
    return "" if cipher is None else f"{connection.get_protocol_version_name()} {cipher}"


def failure_reason(error: SSL.Error) -> str:
    """Return what OpenSSL says of a failure; it says nothing when the client has just gone."""
    errors = error.args[0] if error.args else ()
    return "; ".join(str(entry[-1]) for entry in errors if entry) or "the client went away"
