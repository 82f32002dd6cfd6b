"""Web servers whose names our own resolver knows, asked over TLS on loopback."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
import trustme
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509 import load_pem_x509_certificate
from OpenSSL import SSL
from twisted.internet import reactor as real_reactor
from twisted.internet.ssl import ContextFactory
from twisted.web.resource import Resource
from twisted.web.server import Site

from twistedmail_mta.errors import HTTPError
from twistedmail_mta.policy.own_names import OwnNames, with_names
from twistedmail_mta.policy.web import WebClient
from twistedmail_mta.tasks import promise_of
from twistedmail_mta.testing.surroundings import Names
from twistedmail_mta.tls.client import ClientTLS

reactor: Any = real_reactor
NAME = "mta-sts.example.net"


class Page(Resource):
    """A page at every path."""

    isLeaf = True  # noqa: N815

    def render_GET(self, request: Any) -> bytes:  # noqa: N802
        return b"for " + request.getHeader("host").partition(":")[0].encode()


class Context(ContextFactory):
    """A server's certificate for a name."""

    def __init__(self, issued: trustme.LeafCert) -> None:
        self._context = SSL.Context(SSL.TLS_SERVER_METHOD)
        self._context.use_certificate(load_pem_x509_certificate(issued.cert_chain_pems[0].bytes()))
        self._context.use_privatekey(load_pem_private_key(issued.private_key_pem.bytes(), None))

    def getContext(self) -> SSL.Context:  # noqa: N802
        return self._context


async def asked(folder: Path, names: Names, certificate: str = NAME, forbidden: tuple[str, ...] = ()) -> bytes:
    """Return what a web server on loopback says under the name."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(folder / "ca.pem")
    port = reactor.listenSSL(
        0, Site(Page(), timeout=None), Context(authority.issue_cert(certificate)), interface="127.0.0.1"
    )
    own = OwnNames(names, lambda address: address in forbidden)
    client = WebClient(with_names(reactor, own), ClientTLS(folder / "ca.pem"))
    try:
        return (await client.request("GET", f"https://{NAME}:{port.getHost().port}/")).body
    finally:
        await client.close()
        await promise_of(port.stopListening())


@pytest_twisted.ensureDeferred
async def test_own_resolver_is_asked(tmp_path: Path) -> None:
    """Its addresses are used, of which one that nobody is at doesn't matter, and the certificate is for the name."""
    names = Names()
    names.add(NAME, "A", "127.0.0.1")
    names.add(NAME, "AAAA", "::1")

    assert await asked(tmp_path, names) == b"for " + NAME.encode()
    assert sorted(names.asked) == [f"{NAME} A", f"{NAME} AAAA"]


@pytest.mark.parametrize(
    ("address", "certificate", "forbidden", "words"),
    [
        ("127.0.0.1", "example.net", (), "TLS failed"),
        ("127.0.0.1", NAME, ("127.0.0.1",), "no results|DNS"),
        (None, NAME, (), "no results|DNS"),
    ],
)
@pytest_twisted.ensureDeferred
async def test_no_answer(
    tmp_path: Path, address: str | None, certificate: str, forbidden: tuple[str, ...], words: str
) -> None:
    """Another's certificate, an address that a stranger's name may not lead to, and a name that can't be found."""
    names = Names()
    if address is None:
        names.broken.add(NAME)
    else:
        names.add(NAME, "A", address)

    with pytest.raises(HTTPError, match=words):
        await asked(tmp_path, names, certificate, forbidden)
