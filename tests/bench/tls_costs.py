"""What handshakes cost the server and the client: full ones, and sessions taken up again.

PYTHONPATH=.:tests python tests/bench/tls_costs.py
"""

# ruff: noqa: T201 - it prints

from __future__ import annotations

import tempfile
import time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from OpenSSL import SSL

from twistedmail_mta.config.site import CertificateTable, TLSTable
from twistedmail_mta.tls.certificates import write_self_signed
from twistedmail_mta.tls.server import ServerTLS

HANDSHAKES = 2000
DEFAULT, NAMED = "mail.example.org", "mx.example.com"


class Meter:
    """CPU seconds of both ends."""

    def __init__(self) -> None:
        self.spent = {"server": 0.0, "client": 0.0}

    def step(self, end: str, connection: SSL.Connection) -> bytes:
        """Let one end do what it can; return what it says."""
        begun = time.process_time()
        with suppress(SSL.WantReadError):
            connection.do_handshake()
        said = b""
        with suppress(SSL.WantReadError):
            said = connection.bio_read(1 << 20)
        self.spent[end] += time.process_time() - begun
        return said


def handshake(
    tls: ServerTLS, context: SSL.Context, session: SSL.Session | None, name: str, meter: Meter
) -> SSL.Session:
    """Shake hands once, and return the client's session."""
    begun = time.process_time()
    server = tls.serverConnectionForTLS(None)
    server.set_accept_state()
    meter.spent["server"] += time.process_time() - begun
    client = SSL.Connection(context, None)
    client.set_connect_state()
    client.set_tlsext_host_name(name.encode())
    if session is not None:
        client.set_session(session)
    for _ in range(3):
        said = meter.step("client", client)
        begun = time.process_time()
        if said:
            server.bio_write(said)
        meter.spent["server"] += time.process_time() - begun
        said = meter.step("server", server)
        if said:
            client.bio_write(said)
    with suppress(SSL.WantReadError):
        client.recv(1)  # tickets of TLS 1.3 come after the handshake
    client.set_shutdown(SSL.SENT_SHUTDOWN)  # OpenSSL takes up no session that ended without
    assert was_resumed(client) == (session is not None)
    found = client.get_session()
    assert found is not None
    return found


def was_resumed(connection: SSL.Connection) -> bool:
    """Return whether a session was taken up again; pyOpenSSL has no public name for it."""
    return bool(SSL._lib.SSL_session_reused(connection._ssl))


def main() -> None:
    """Print microseconds of CPU for each end."""
    with tempfile.TemporaryDirectory() as folder:
        files = {}
        for name in (DEFAULT, NAMED):
            certificate, key = Path(folder, f"{name}.pem"), Path(folder, f"{name}.key")
            write_self_signed(certificate, key, [name], datetime.now(UTC))
            files[name] = CertificateTable.model_construct(certificate=certificate, key=key)
        default = files[DEFAULT]
        plain = TLSTable.model_construct(certificate=default.certificate, key=default.key, names={})
        named = TLSTable.model_construct(certificate=default.certificate, key=default.key, names={NAMED: files[NAMED]})
        for words, table, name in (("one name", plain, DEFAULT), ("by name", named, NAMED)):
            for version, number in (("TLS 1.2", SSL.TLS1_2_VERSION), ("TLS 1.3", SSL.TLS1_3_VERSION)):
                measure(f"{version}, {words}", ServerTLS(table), number, name)


def measure(words: str, tls: ServerTLS, version: int, name: str) -> None:
    """Print what one kind of handshake costs."""
    context = SSL.Context(SSL.TLS_CLIENT_METHOD)
    context.set_max_proto_version(version)
    for how in ("full", "resumed"):
        meter, session = Meter(), None
        if how == "resumed":
            session = handshake(tls, context, None, name, Meter())
        for _ in range(HANDSHAKES):
            handshake(tls, context, session, name, meter)
        server, client = (meter.spent[end] / HANDSHAKES * 1e6 for end in ("server", "client"))
        rate = f"{1e6 / server:.0f} a second"
        print(f"{words}, {how}: {server:.0f} us of the server ({rate}), {client:.0f} us of the client")


if __name__ == "__main__":
    main()
