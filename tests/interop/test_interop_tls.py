"""What OpenSSL's own client is offered on every port: versions, suites, names, sessions that are taken up again."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from interop_daemons import PATIENCE
from running_site import RunningSite

from twistedmail_mta.tls.certificates import write_self_signed

OPENSSL = Path("/usr/bin/openssl")
pytestmark = pytest.mark.skipif(not OPENSSL.exists(), reason="not installed: openssl")

DEFAULT, NAMED, UNKNOWN = "mail.example.org", "mx.example.com", "elsewhere.example"
ROLES = {
    "mx": ("mx", "smtp"),
    "submission": ("submission", "smtp"),
    "submissions": ("submission", ""),
    "imap": ("imap", "imap"),
    "imaps": ("imap", ""),
    "pop3": ("pop3", "pop3"),
    "pop3s": ("pop3", ""),
}
"""By listener: its role, and how s_client asks for TLS there; empty for TLS from the first octet."""
VERSIONS = ("-tls1_2", "-tls1_3")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSite]:
    """A server with all of these listeners, and a certificate for a second name."""
    folder = tmp_path_factory.mktemp("tls")
    write_self_signed(folder / "named.pem", folder / "named.key", [NAMED], datetime.now(UTC))
    listeners = "".join(
        f'[listen.{name}]\nendpoint = "tcp:0:interface=127.0.0.1"\nrole = "{role}"\n'
        + ("" if starttls else 'tls = "implicit"\n')
        for name, (role, starttls) in ROLES.items()
    )
    names = f'[tls.names."{NAMED}"]\ncertificate = "named.pem"\nkey = "named.key"\n'
    site = RunningSite(folder, names, listeners)
    try:
        yield site.start()
        assert "Traceback" not in site.log
    finally:
        site.stop()


def s_client(site: RunningSite, listener: str, *options: str | Path, name: str = DEFAULT) -> str:
    """Shake hands, take leave, and return what s_client says of it."""
    role, starttls = ROLES[listener]
    secure = ["-starttls", starttls] if starttls else []
    where = ["-connect", f"127.0.0.1:{site.ports[listener]}", "-servername", name, "-ign_eof", "-crlf"]
    done = subprocess.run(
        [OPENSSL, "s_client", *where, *secure, *options],
        input=b"a LOGOUT\n" if role == "imap" else b"QUIT\n",
        capture_output=True,
        timeout=PATIENCE,
        check=False,
    )
    return (done.stdout + done.stderr).decode(errors="replace")


def agreed(said: str) -> tuple[str, str, str]:
    """Return whether the session is new or reused, the version, and the suite."""
    found = re.search(r"^(New|Reused), (TLSv\S+), Cipher is (\S+)$", said, re.MULTILINE)
    assert found is not None, said
    return found[1], found[2], found[3]


def shown(said: str) -> str:
    """Return whose certificate s_client has: in this handshake, or in that of the session that it took up."""
    found = re.search(r"^subject=CN ?= ?(\S+)$", said, re.MULTILINE)
    assert found is not None, said
    return found[1]


@pytest.mark.parametrize("listener", ROLES)
def test_versions_and_suites(site: RunningSite, listener: str) -> None:
    """TLS 1.2 and 1.3, with the suites of RFC 9325 section 4.2, and these alone."""
    assert agreed(s_client(site, listener, "-tls1_3"))[:2] == ("New", "TLSv1.3")
    for suite in ("ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384", "ECDHE-ECDSA-CHACHA20-POLY1305"):
        assert agreed(s_client(site, listener, "-tls1_2", "-cipher", suite)) == ("New", "TLSv1.2", suite)


@pytest.mark.parametrize("listener", ROLES)
@pytest.mark.parametrize(
    "options",
    [
        ("-tls1_1", "-cipher", "ALL:@SECLEVEL=0"),
        ("-tls1", "-cipher", "ALL:@SECLEVEL=0"),
        ("-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-SHA256:ECDHE-ECDSA-AES256-SHA"),
        ("-tls1_2", "-cipher", "AES128-GCM-SHA256:AES256-SHA"),
        ("-tls1_2", "-cipher", "DHE-RSA-AES256-GCM-SHA384"),
    ],
    ids=["1.1", "1.0", "CBC", "no forward secrecy", "finite fields"],
)
def test_what_is_refused(site: RunningSite, listener: str, options: tuple[str, ...]) -> None:
    """Older versions (RFC 8996), and suites without AEAD or forward secrecy: no suite is agreed on."""
    said = s_client(site, listener, *options)

    assert "Cipher is (NONE)" in said
    assert re.search("alert (protocol version|handshake failure)|no protocols available|unsupported protocol", said), (
        said
    )


@pytest.mark.parametrize("listener", ["mx", "imaps"])
def test_names(site: RunningSite, listener: str) -> None:
    """Each gets its certificate, an unknown one the default."""
    for name, expected in ((DEFAULT, DEFAULT), (NAMED.upper(), NAMED), (UNKNOWN, DEFAULT)):
        assert shown(s_client(site, listener, name=name)) == expected


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", [DEFAULT, NAMED])
@pytest.mark.parametrize("listener", ROLES)
def test_sessions_are_taken_up_again(site: RunningSite, tmp_path: Path, listener: str, version: str, name: str) -> None:
    """By ticket, in either version, and more than once."""
    ticket = tmp_path / "session"
    assert agreed(s_client(site, listener, version, "-sess_out", ticket, name=name))[0] == "New"

    for _ in range(2):
        assert agreed(s_client(site, listener, version, "-sess_in", ticket, name=name))[0] == "Reused"


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("listener", ["mx", "imaps"])
@pytest.mark.parametrize(("before", "then"), [(DEFAULT, NAMED), (NAMED, DEFAULT), (NAMED, UNKNOWN)])
def test_sessions_of_another_name(
    site: RunningSite, tmp_path: Path, *, listener: str, version: str, before: str, then: str
) -> None:
    """Are not taken up (RFC 6066 section 3): the client is shown the certificate of the name that it wants."""
    ticket = tmp_path / "session"
    s_client(site, listener, version, "-sess_out", ticket, name=before)

    said = s_client(site, listener, version, "-sess_in", ticket, name=then)

    assert agreed(said)[0] == "New"
    assert shown(said) == (NAMED if then == NAMED else DEFAULT)


@pytest.mark.parametrize("version", VERSIONS)
def test_reload(site: RunningSite, tmp_path: Path, version: str) -> None:
    """The next handshake shows the new certificate, also to who comes back with a session of the old one."""
    ticket = tmp_path / "session"
    before = s_client(site, "imaps", version, "-sess_out", ticket, name=NAMED)
    write_self_signed(tmp_path / "new.pem", tmp_path / "new.key", [NAMED], datetime.now(UTC))
    for ending in ("pem", "key"):
        shutil.copy(tmp_path / f"new.{ending}", site.directory / f"named.{ending}")

    site.mta("reload")
    after = s_client(site, "imaps", version, "-sess_in", ticket, name=NAMED)

    old, new = (said.partition("-----BEGIN CERTIFICATE-----")[2].partition("-----END")[0] for said in (before, after))
    assert agreed(after)[0] == "New"
    assert new.strip() in (tmp_path / "new.pem").read_text()
    assert old != new
