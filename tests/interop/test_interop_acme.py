"""Certificates issued by Pebble: the first, the next, none, and what is said of it."""

from __future__ import annotations

import http.server
import imaplib
import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from interop_daemons import own_network
from interop_pebble import HTTP_PORT, PEBBLE, TLS_PORT, Pebble
from running_site import ACCOUNT, PASSWORD, RunningSite, wait_until

pytestmark = pytest.mark.skipif(not PEBBLE.exists(), reason="pebble isn't installed (tests/interop/install-peers.sh)")

HOST, OTHER = "mail.example.org", "mail.example.com"


@pytest.fixture
def pebble(tmp_path: Path) -> Iterator[Pebble]:
    """The authority; it doesn't run yet."""
    authority = Pebble(tmp_path / "pebble", own_network())
    yield authority
    authority.stop()


Make = Callable[..., RunningSite]


@pytest.fixture
def make(tmp_path: Path, pebble: Pebble) -> Iterator[Make]:
    """Makes a site that asks the authority, with IMAP and a listener for challenges; it doesn't run yet."""
    made: list[RunningSite] = []

    def make_site(listener: str, more: str = "") -> RunningSite:
        site = RunningSite(tmp_path / "site", host=pebble.address)
        site.config.write_text(
            "config_version = 1\n"
            f'[server]\nhostname = "{HOST}"\nstate_dir = "{site.state}"\nadmin = "postmaster@example.org"\n'
            f'[acme]\ndirectory = "{pebble.directory}"\nagree = true\nca_file = "{pebble.ca_file}"\n{more}\n'
            f'[listen.acme]\nrole = "acme"\n{listener}\n'
            f'[listen.imaps]\nendpoint = "tcp:0:interface={pebble.address}"\nrole = "imap"\ntls = "implicit"\n'
            '[domains."example.org"]\n'
        )
        made.append(site)
        return site

    yield make_site
    for site in made:
        site.stop()


def http_listener(pebble: Pebble, port: int = HTTP_PORT) -> str:
    return f'endpoint = "tcp:{port}:interface={pebble.address}"'


def shown(site: RunningSite, name: str = HOST, port: str = "imaps") -> x509.Certificate:
    """Return the certificate that a client is shown who asks for a name."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    plain = socket.create_connection((site.host, site.ports[port]), timeout=10)
    with closing(plain), closing(context.wrap_socket(plain, server_hostname=name)) as connection:
        der = connection.getpeercert(binary_form=True)
    assert der is not None
    return x509.load_der_x509_certificate(der)


def is_issued(site: RunningSite, name: str = HOST) -> bool:
    return "Pebble" in shown(site, name).issuer.rfc4514_string()


def names_of(certificate: x509.Certificate) -> list[str]:
    extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    return list(extension.value.get_values_for_type(x509.DNSName))


def standing_of(site: RunningSite) -> list[dict[str, object]]:
    return json.loads(site.mta("acme", "status", "--json").stdout)


def test_renewal_is_shown_while_sessions_go_on(make: Make, pebble: Pebble) -> None:
    """The first certificate comes by http-01; the next takes its place under an open IMAP session."""
    pebble.start()
    site = make(http_listener(pebble)).start()
    site.add_account(ACCOUNT, PASSWORD)
    wait_until(lambda: is_issued(site))
    first = shown(site)
    assert names_of(first) == [HOST]
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    session = imaplib.IMAP4_SSL(site.host, site.ports["imaps"], ssl_context=context, timeout=10)
    session.login(ACCOUNT, PASSWORD)

    renewed = site.mta("acme", "renew")

    assert f"{HOST}: issued" in renewed.stdout
    assert session.select("INBOX")[0] == "OK"
    session.logout()
    second = shown(site)
    assert names_of(second) == [HOST]
    assert second.serial_number != first.serial_number
    assert second.public_key() == first.public_key()
    site.mta("acme", "renew", "--new-key")
    assert shown(site).public_key() != first.public_key()
    (standing,) = standing_of(site)
    assert (standing["state"], standing["error"], standing["failures"]) == ("issued", None, 0)
    assert f"{HOST} has a certificate of Pebble Intermediate" in site.mta("check", "--offline").stdout
    private = [file.stat().st_mode & 0o077 for file in (site.state / "acme").iterdir()]
    assert private == [0] * len(private)


def test_the_account_is_known_again(make: Make, pebble: Pebble) -> None:
    """After a restart nothing is asked for, and the next request is made by the account of the first."""
    pebble.start()
    site = make(http_listener(pebble)).start()
    wait_until(lambda: is_issued(site))
    serial, key = shown(site).serial_number, (site.state / "acme" / "account.key").read_bytes()
    site.stop()

    site.start()
    assert shown(site).serial_number == serial
    site.mta("acme", "renew")

    assert shown(site).serial_number != serial
    assert (site.state / "acme" / "account.key").read_bytes() == key
    assert pebble.output().count("accounts in memory") == 1, pebble.output()


CUSTOMER = "a2tr" * 8
"""The key of a customer of the authority."""


@pytest.mark.parametrize(
    ("key", "problem"),
    [(CUSTOMER, ""), ("b29v" * 8, "unauthorized: "), (None, "externalAccountRequired: ")],
    ids=["right", "wrong", "none"],
)
def test_an_authority_that_wants_customers(
    tmp_path: Path, make: Make, pebble: Pebble, key: str | None, problem: str
) -> None:
    """Our account is bound to the customer's by its key (RFC 8555 section 7.3.4); what is wrong is said."""
    file = tmp_path / "customer.key"
    file.write_text(f"{key}\n")
    private = Pebble(tmp_path / "private", own_network(), {"customer": CUSTOMER})
    private.start()
    try:
        told = "" if key is None else f'external_account = {{ id = "customer", key_file = "{file}" }}'
        site = make(http_listener(private), told)
        site.config.write_text(site.config.read_text().replace(str(pebble.ca_file), str(private.ca_file)))
        site.start()
        wait_until(lambda: is_issued(site) or "no certificate for" in site.log)

        (standing,) = standing_of(site)
        assert str(standing["error"] or "").startswith(problem)
        assert is_issued(site) == (not problem)
    finally:
        private.stop()


def test_a_name_that_comes_later(make: Make, pebble: Pebble) -> None:
    """A reload is enough: its clients are shown something of our own at once, and then what was issued."""
    pebble.start()
    site = make(http_listener(pebble)).start()
    wait_until(lambda: is_issued(site))
    text = site.config.read_text()
    site.config.write_text(text.replace("agree = true", f'agree = true\nnames = ["{OTHER}"]'))

    assert "Changed: acme.names" in site.mta("reload").stdout
    assert names_of(shown(site, OTHER)) == [OTHER]
    assert f"{OTHER}: issued" in site.mta("acme", "renew", OTHER).stdout

    assert is_issued(site, OTHER)
    assert names_of(shown(site)) == [HOST]


def test_challenges_in_handshakes(make: Make, pebble: Pebble) -> None:
    """By tls-alpn-01, with RSA, and for a second name that clients ask for by SNI (RFC 8737)."""
    pebble.start()
    listener = f'endpoint = "tcp:{TLS_PORT}:interface={pebble.address}"\ntls = "implicit"'
    site = make(listener, f'challenge = "tls-alpn-01"\nkey = "rsa-2048"\nnames = ["{OTHER}"]').start()

    wait_until(lambda: is_issued(site, OTHER))

    assert names_of(shown(site)) == [HOST]
    assert names_of(shown(site, OTHER)) == [OTHER]
    assert isinstance(shown(site).public_key(), rsa.RSAPublicKey)
    with pytest.raises(ssl.SSLError):
        shown(site, port="acme")
    assert "Traceback" not in site.log


def test_the_authority_is_away_at_first(make: Make, pebble: Pebble) -> None:
    """The server serves with a certificate of its own meanwhile, says why, and may ask again."""
    site = make(http_listener(pebble)).start()
    wait_until(lambda: "no certificate for" in site.log)
    assert not is_issued(site)
    assert names_of(shown(site)) == [HOST]
    assert "can't be reached" in site.log
    said = site.mta("check", "--offline").stdout
    assert f"warning: acme: {HOST} has no certificate of an authority yet, a self-signed one is shown" in said
    assert "possible from" in site.mta("acme", "renew", check=False).stdout

    pebble.start()
    record = site.state / "acme" / f"{HOST}.json"
    noted = json.loads(record.read_bytes())
    record.write_text(json.dumps(noted | {"failed": [at - 3600 for at in noted["failed"]], "next_at": 0}))

    site.mta("acme", "renew")  # instead of half a minute until it looks by itself
    assert is_issued(site)
    assert standing_of(site)[0]["error"] is None


def test_a_wrong_answer(make: Make, pebble: Pebble) -> None:
    """Where the name leads to another server nothing is issued, and its operator is told in the authority's words."""
    pebble.start()
    site = make(http_listener(pebble, HTTP_PORT + 1))
    with _another_server(pebble.address):
        site.start()
        wait_until(lambda: "no certificate for" in site.log)

    (standing,) = standing_of(site)
    assert (standing["state"], standing["failures"]) == ("self-signed", 1)
    assert str(standing["error"]).startswith("unauthorized: ")
    assert "unauthorized: " in site.mta("check", "--offline").stdout
    assert not is_issued(site)


class _Wrong(http.server.BaseHTTPRequestHandler):
    """Answers every challenge with the same words."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"something else")

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def _another_server(address: str) -> Iterator[None]:
    with http.server.HTTPServer((address, HTTP_PORT), _Wrong) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield
        server.shutdown()
        thread.join()
