"""The server's TLS contexts, against OpenSSL's own client over memory."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from cryptography import x509
from OpenSSL import SSL
from twisted.internet.interfaces import IOpenSSLServerConnectionCreator
from twisted.internet.task import Clock
from zope.interface.verify import verifyObject

from twistedmail_mta.config.site import CertificateTable, TLSTable
from twistedmail_mta.tls.certificates import CertificateError, read_identity
from twistedmail_mta.tls.server import MOST_OF_HELLO, TICKET_KEYS_FOR, ServerTLS, contexts_of, server_context

MakeFiles = Callable[[str], CertificateTable]


def tls_table(default: CertificateTable, names: dict[str, CertificateTable] | None = None) -> TLSTable:
    return TLSTable.model_construct(certificate=default.certificate, key=default.key, names=names or {})


def client_context(version: int = SSL.TLS1_3_VERSION) -> SSL.Context:
    context = SSL.Context(SSL.TLS_CLIENT_METHOD)
    context.set_max_proto_version(version)
    return context


def handshake(tls: ServerTLS, client: SSL.Connection, name: str | None = None) -> SSL.Connection:
    """Run a whole handshake between `client` and a connection of `tls`; return the server's end."""
    server = tls.serverConnectionForTLS(None)
    server.set_accept_state()
    client.set_connect_state()
    if name is not None:
        client.set_tlsext_host_name(name.encode())
    for _ in range(6):
        for side, other in ((client, server), (server, client)):
            with suppress(SSL.WantReadError):
                side.do_handshake()
            carry(side, other)
    for side in (client, server):
        with pytest.raises(SSL.WantReadError):
            side.recv(1)
    return server


def carry(source: SSL.Connection, target: SSL.Connection) -> None:
    with suppress(SSL.WantReadError):
        target.bio_write(source.bio_read(1 << 20))


def shown_name(tls: ServerTLS, asked: str | None) -> str:
    client = SSL.Connection(client_context(), None)
    handshake(tls, client, asked)
    certificate = client.get_peer_certificate(as_cryptography=True)
    return str(certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)[0].value)


def test_is_what_twisted_asks_for(make_files: MakeFiles) -> None:
    """startTLS and TLSMemoryBIOFactory take it as it is."""
    assert verifyObject(IOpenSSLServerConnectionCreator, ServerTLS(tls_table(make_files("mail.example.org"))))


def test_certificate_by_name(make_files: MakeFiles) -> None:
    """Each name gets its certificate; an unknown one, or none, gets the default."""
    tls = ServerTLS(tls_table(make_files("mail.example.org"), {"mx.example.com": make_files("mx.example.com")}))

    assert shown_name(tls, None) == "mail.example.org"
    assert shown_name(tls, "elsewhere.example") == "mail.example.org"
    assert shown_name(tls, "mx.example.com") == "mx.example.com"
    assert shown_name(tls, "MX.Example.COM") == "mx.example.com"


@pytest.mark.parametrize("version", [SSL.TLS1_VERSION, SSL.TLS1_1_VERSION])
def test_old_versions_are_refused(make_files: MakeFiles, version: int) -> None:
    """Nothing below TLS 1.2 is spoken (RFC 8996)."""
    context = client_context(version)
    context.set_min_proto_version(version)
    context.set_cipher_list(b"ALL:@SECLEVEL=0")

    with pytest.raises(SSL.Error):
        handshake(ServerTLS(tls_table(make_files("mail.example.org"))), SSL.Connection(context, None))


def test_only_authenticated_ciphers(make_files: MakeFiles) -> None:
    """A TLS 1.2 client that knows CBC suites alone is refused; one that knows AES-GCM too gets that."""
    tls = ServerTLS(tls_table(make_files("mail.example.org")))
    cbc, both = client_context(SSL.TLS1_2_VERSION), client_context(SSL.TLS1_2_VERSION)
    cbc.set_cipher_list(b"ECDHE-ECDSA-AES128-SHA256")
    both.set_cipher_list(b"ECDHE-ECDSA-AES128-SHA256:ECDHE-ECDSA-AES128-GCM-SHA256")

    client = SSL.Connection(both, None)
    handshake(tls, client)
    assert client.get_cipher_name() == "ECDHE-ECDSA-AES128-GCM-SHA256"
    with pytest.raises(SSL.Error):
        handshake(tls, SSL.Connection(cbc, None))


def test_idle_connections_release_their_buffers(make_files: MakeFiles) -> None:
    """MODE_RELEASE_BUFFERS is set on every context: it halves the cost of an idle connection."""
    files = make_files("mail.example.org")

    assert server_context(read_identity(files.certificate, files.key)).set_mode(0) & SSL.MODE_RELEASE_BUFFERS


@pytest.mark.parametrize("version", [SSL.TLS1_2_VERSION, SSL.TLS1_3_VERSION])
def test_sessions_are_resumed_by_ticket(make_files: MakeFiles, version: int) -> None:
    """A client that comes back with its ticket is spared the full handshake."""
    tls = ServerTLS(tls_table(make_files("mail.example.org")))
    context = client_context(version)
    first, second = SSL.Connection(context, None), SSL.Connection(context, None)
    handshake(tls, first)
    session = first.get_session()
    assert session is not None
    second.set_session(session)

    handshake(tls, second)

    assert was_resumed(second)


NAMES = ("mail.example.org", "mx.example.com", "elsewhere.example")


@pytest.mark.parametrize("version", [SSL.TLS1_2_VERSION, SSL.TLS1_3_VERSION])
@pytest.mark.parametrize("before", NAMES)
@pytest.mark.parametrize("then", NAMES)
def test_sessions_of_a_name(make_files: MakeFiles, version: int, before: str, then: str) -> None:
    """Are taken up for no name with another certificate (RFC 6066 section 3); the client has that one then."""
    tls = ServerTLS(tls_table(make_files("mail.example.org"), {"mx.example.com": make_files("mx.example.com")}))
    context = client_context(version)
    first, second = SSL.Connection(context, None), SSL.Connection(context, None)
    handshake(tls, first, before)
    session = first.get_session()
    assert session is not None
    second.set_session(session)

    handshake(tls, second, then)

    assert was_resumed(second) == ((before == "mx.example.com") == (then == "mx.example.com"))
    shown = second.get_peer_certificate(as_cryptography=True).subject.rfc4514_string()
    assert shown == ("CN=mx.example.com" if then == "mx.example.com" else "CN=mail.example.org")


@pytest.mark.parametrize("version", [SSL.TLS1_2_VERSION, SSL.TLS1_3_VERSION])
@pytest.mark.parametrize("name", ["mail.example.org", "mx.example.com"])
def test_keys_of_tickets_grow_no_older_than_a_day(make_files: MakeFiles, version: int, name: str) -> None:
    """A session of yesterday isn't taken up, whatever the name; one of today is (RFC 9325 section 3.4)."""
    clock = Clock()
    table = tls_table(make_files("mail.example.org"), {"mx.example.com": make_files("mx.example.com")})
    tls, context = ServerTLS(table, clock.seconds), client_context(version)

    def comes_back(*, after: float) -> bool:
        first, second = SSL.Connection(context, None), SSL.Connection(context, None)
        handshake(tls, first, name)
        session = first.get_session()
        assert session is not None
        second.set_session(session)
        clock.advance(after)
        handshake(tls, second, name)
        return was_resumed(second)

    assert comes_back(after=TICKET_KEYS_FOR - 1)
    assert not comes_back(after=1)
    assert comes_back(after=TICKET_KEYS_FOR - 1)


@pytest.mark.parametrize("size", [1, 7, 1 << 16])
def test_first_message_in_pieces(make_files: MakeFiles, size: int) -> None:
    """The name is found wherever TCP cuts; what is no TLS fails as it does without names."""
    tls = ServerTLS(tls_table(make_files("mail.example.org"), {"mx.example.com": make_files("mx.example.com")}))
    server, client = tls.serverConnectionForTLS(None), SSL.Connection(client_context(), None)
    server.set_accept_state()
    client.set_connect_state()
    client.set_tlsext_host_name(b"mx.example.com")
    with pytest.raises(SSL.WantReadError):
        client.do_handshake()
    hello = client.bio_read(1 << 16)
    for at in range(0, len(hello), size):
        assert server.bio_write(hello[at : at + size]) == len(hello[at : at + size])
        with pytest.raises(SSL.WantReadError):
            server.do_handshake()
    carry(server, client)
    with suppress(SSL.WantReadError):
        client.do_handshake()

    assert client.get_peer_certificate(as_cryptography=True).subject.rfc4514_string() == "CN=mx.example.com"


@pytest.mark.parametrize("octets", [b"EHLO you\r\n", b"\x16" * MOST_OF_HELLO * 2])
def test_what_is_no_tls(make_files: MakeFiles, octets: bytes) -> None:
    """Nothing is held back of it."""
    tls = ServerTLS(tls_table(make_files("mail.example.org"), {"mx.example.com": make_files("mx.example.com")}))
    server = tls.serverConnectionForTLS(None)
    server.set_accept_state()
    server.bio_write(octets)

    with pytest.raises(SSL.Error) as caught:
        server.do_handshake()
    assert not isinstance(caught.value, SSL.WantReadError)


def was_resumed(connection: SSL.Connection) -> bool:
    return bool(SSL._lib.SSL_session_reused(connection._ssl))  # pyOpenSSL has no public name for it


def test_reload_takes_new_files(make_files: MakeFiles) -> None:
    """After a reload new connections show the new certificate."""
    files, other = make_files("old.example.org"), make_files("new.example.org")
    tls = ServerTLS(tls_table(files))
    shutil.copy(other.certificate, files.certificate)
    shutil.copy(other.key, files.key)

    assert shown_name(tls, None) == "old.example.org"
    tls.use(contexts_of(tls_table(files)))
    assert shown_name(tls, None) == "new.example.org"


@pytest.mark.parametrize("damage", ["missing", "junk", "key of another", "second name"])
def test_reload_of_bad_files_changes_nothing(make_files: MakeFiles, damage: str) -> None:
    """One bad file and everything stays as it was, for every name."""
    files, named = make_files("old.example.org"), make_files("mx.example.com")
    tls = ServerTLS(tls_table(files, {"mx.example.com": named}))
    other = make_files("new.example.org")
    shutil.copy(other.certificate, files.certificate)
    if damage != "key of another":
        shutil.copy(other.key, files.key)
    spoil(damage, files.certificate, named.key)

    with pytest.raises(CertificateError):
        tls.use(contexts_of(tls_table(files, {"mx.example.com": named})))
    assert shown_name(tls, None) == "old.example.org"
    assert shown_name(tls, "mx.example.com") == "mx.example.com"


def spoil(damage: str, certificate: Path, named_key: Path) -> None:
    if damage == "missing":
        certificate.unlink()
    elif damage == "junk":
        certificate.write_text("no certificate")
    elif damage == "second name":
        named_key.write_text("no key")


def test_bad_files_stop_the_start(make_files: MakeFiles, tmp_path: Path) -> None:
    """The error says which file and why."""
    files = make_files("mail.example.org")
    missing = CertificateTable.model_construct(certificate=files.certificate, key=tmp_path / "none")

    with pytest.raises(CertificateError, match="none can't be read: No such file"):
        ServerTLS(tls_table(missing))
