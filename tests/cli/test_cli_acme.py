"""`mta acme`, and what `mta check` says of certificates that an authority issues."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from mta_command import CHECK, SITE, Command

from twistedmail_mta.acme import application
from twistedmail_mta.acme.files import provide_for, write_identity, write_record
from twistedmail_mta.acme.record import Record
from twistedmail_mta.cli.dns_presence import shown_certificates
from twistedmail_mta.config.acme import certificate_file
from twistedmail_mta.config.load import read_site
from twistedmail_mta.control.wire import SOCKET_NAME
from twistedmail_mta.tls.certificates import Identity, read_identity

HOST = "mail.example.org"
TEXT = SITE.replace(
    '[tls]\ncertificate = "cert.pem"\nkey = "key.pem"\n',
    '[acme]\ndirectory = "https://ca.test/dir"\nagree = true\n[listen.acme]\nendpoint = "tcp:80"\nrole = "acme"\n',
)


@pytest.fixture
def site(command: Command) -> Command:
    """A site with [acme] whose server has never run."""
    command.file.write_text(TEXT)
    command.state_dir.mkdir(mode=0o700)
    return command


def issue(site: Command, days: float) -> None:
    """Put a certificate of an authority there that is good for so many more days of 90."""
    now, key = datetime.now(UTC), ec.generate_private_key(ec.SECP256R1())
    certificate = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([]))
        .issuer_name(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Some Authority")]))
        .public_key(key.public_key())
        .serial_number(1000)
        .not_valid_before(now + timedelta(days=days - 90))
        .not_valid_after(now + timedelta(days=days, minutes=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(HOST)]), critical=True)
        .sign(key, hashes.SHA256())
    )
    provide_for(site.state_dir, HOST)
    write_identity(certificate_file(site.state_dir, HOST), Identity((certificate,), key))


def failed(site: Command) -> None:
    """Note a failure."""
    now = time.time()
    write_record(site.state_dir, HOST, Record("", (), (now,), "dns: no such name", now + 3600))


def findings(site: Command) -> list[tuple[str, str]]:
    """Return what `mta check` says of it."""
    found = site.json(*CHECK)["findings"]
    return [(each["level"], each["text"]) for each in found if each["path"] == "acme"]


def test_before_the_first_start(site: Command) -> None:
    """There is nothing, and nothing is wrong."""
    assert findings(site) == [
        ("note", f"{HOST} has no certificate of an authority yet; it is asked for when the server runs")
    ]
    assert site(*CHECK).exit_code == 0
    (status,) = site.json("acme", "status")
    assert (status["state"], status["expires_at"], status["error"]) == ("none", None, None)


def test_all_is_well(site: Command) -> None:
    """`mta check` tells the days left, and the day of renewal."""
    issue(site, 60.0)
    ((level, text),) = findings(site)

    assert level == "note"
    assert text.startswith(f"{HOST} has a certificate of Some Authority for 60 more days, renewed from 20")
    (status,) = site.json("acme", "status")
    assert (status["state"], status["issuer"], status["days_left"]) == ("issued", "Some Authority", 60.0)
    assert status["expires_at"] - status["next_at"] == pytest.approx(30 * 86400, abs=100)


@pytest.mark.parametrize(
    ("days", "text"),
    [
        (20.0, "has a certificate of Some Authority for 20 more days"),
        (-3.0, "has a certificate that expired 3 days ago"),
    ],
)
def test_a_renewal_that_failed(site: Command, days: float, text: str) -> None:
    """Is a warning, with the authority's words and the time of the next."""
    issue(site, days)
    failed(site)
    ((level, said),) = findings(site)

    assert level == "warning"
    assert said.startswith(f"{HOST} {text}; the last attempt failed: dns: no such name; the next is at 20")
    assert "dns: no such name" in site("acme", "status").stdout


def test_soon_to_expire(site: Command) -> None:
    """Though nothing failed: the server may not have run for long."""
    issue(site, 10.0)

    assert [level for level, _ in findings(site)] == ["warning"]


def test_no_certificate_yet(site: Command) -> None:
    """And why."""
    provide_for(site.state_dir, HOST)
    failed(site)
    ((level, text),) = findings(site)

    assert level == "warning"
    assert text.startswith(f"{HOST} has no certificate of an authority yet, a self-signed one is shown; the last")
    assert site.json("acme", "status")[0]["failures"] == 1


def test_a_damaged_certificate(site: Command) -> None:
    """Is told in words."""
    provide_for(site.state_dir, HOST)
    certificate_file(site.state_dir, HOST).write_text("nothing")

    assert "can't be looked at" in findings(site)[0][1]
    assert site("acme", "status").exit_code == 1
    assert "holds no PEM certificate" in site("acme", "status").output


def test_the_certificate_that_the_dns_names(site: Command) -> None:
    """`mta dns` makes TLSA records of what clients are shown, whoever vouches for it."""
    provide_for(site.state_dir, HOST)
    file = certificate_file(site.state_dir, HOST)

    shown = shown_certificates(read_site(site.file))

    assert [each.name for each in shown.certificates] == [HOST]
    assert shown.certificates[0].chain == (read_identity(file, file).certificate.public_bytes(Encoding.DER),)


def test_libraries_that_are_missing(site: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error that says what to install."""
    monkeypatch.setattr(application, "_LIBRARIES", ("no_such_library",))

    result = site(*CHECK)

    assert result.exit_code == 1
    assert "error: acme: needs more: pip install 'twistedmail-mta[acme]'" in result.output


@pytest.mark.parametrize("arguments", [("status",), ("renew",)])
def test_a_site_without(command: Command, arguments: tuple[str, ...]) -> None:
    """Is told so."""
    result = command("acme", *arguments)

    assert result.exit_code == 1
    assert "the site file has no [acme]" in result.output


def test_renewal_needs_the_server(site: Command) -> None:
    """Which has to answer the challenge."""
    result = site("acme", "renew")

    assert result.exit_code == 1
    assert "no server runs in" in result.output


def test_names_nobody_asked_for(site: Command) -> None:
    """Are no reason to ask the server."""
    result = site("acme", "renew", "mail.example.net")

    assert result.exit_code == 1
    assert "[acme] doesn't name mail.example.net" in result.output


@contextmanager
def answering(site: Command, attempts: list[dict[str, Any]]) -> Iterator[list[Any]]:
    """A server that answers one request, which is kept."""
    asked: list[Any] = []
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(site.state_dir / SOCKET_NAME))
        listening.listen()

        def serve() -> None:
            connection, _ = listening.accept()
            with connection, connection.makefile("rwb") as stream:
                stream.write(b'{"control": 1}\n')
                stream.flush()
                asked.append(json.loads(stream.readline()))
                stream.write(json.dumps({"result": {"attempts": attempts}}).encode() + b"\n")

        thread = threading.Thread(target=serve)
        thread.start()
        yield asked
        thread.join()


@pytest.mark.parametrize(
    ("attempt", "status", "words"),
    [
        ({"outcome": "issued", "text": "", "next_at": 0.0}, 0, "issued, and shown to whoever connects"),
        ({"outcome": "failed", "text": "dns: no", "next_at": 4e9}, 1, "failed: dns: no; tried again at 2096-"),
        ({"outcome": "waits", "text": "dns: no", "next_at": 4e9}, 1, "possible from 2096-"),
    ],
)
def test_what_came_of_it(site: Command, attempt: dict[str, Any], status: int, words: str) -> None:
    """In words, or as the server says it; the exit status tells whether all were issued."""
    attempts = [{"name": HOST, **attempt}]
    with answering(site, attempts) as asked:
        result = site("acme", "renew", "MAIL.example.org")

    assert asked == [{"command": "acme.renew", "arguments": {"names": [HOST], "new_key": False}}]
    assert result.exit_code == status
    assert result.output.startswith(f"{HOST}: ")
    assert words in result.output
    (site.state_dir / SOCKET_NAME).unlink()
    with answering(site, attempts):
        assert json.loads(site("acme", "renew", "--json").stdout) == attempts
