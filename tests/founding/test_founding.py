"""A site from nothing: its name, its site file, its unit."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from running_site import CHECKOUT

from twistedmail_mta.config.load import parse_site
from twistedmail_mta.founding.layout import debian_layout, one_folder
from twistedmail_mta.founding.naming import chosen_name, is_public, own_name
from twistedmail_mta.founding.site_file import LETS_ENCRYPT, Wanted, site_text
from twistedmail_mta.founding.unit import unit_text

YOU = "you@example.org"
HOSTS = "127.0.0.1 localhost\n127.0.1.1\tmx1.example.net mx1 # that is us\n"


def test_name_that_is_said() -> None:
    """It counts, whatever else is known."""
    assert chosen_name("mx.example.org", "example.org", "mx1.example.net", {}).text == "mx.example.org"


def test_name_of_the_system() -> None:
    """The full one, of uname or of hosts(5)."""
    assert own_name("mx1", HOSTS) == "mx1.example.net"
    assert own_name("MX2.example.net", HOSTS) == "mx2.example.net"
    assert own_name("other", HOSTS) == "other"
    assert chosen_name(None, "example.org", "mx1.example.net", {}).text == "mx1.example.net"


def test_name_that_the_dns_has() -> None:
    """One of the provider's, such as static-7.isp.example, is no name for a mail server of example.org."""
    names = {"192.0.2.1": ["static-7.isp.example"], "192.0.2.2": ["mx.example.org"]}

    found = chosen_name(None, "example.org", "box", names)

    assert (found.text, found.source) == ("mx.example.org", "what the DNS calls 192.0.2.2")


def test_name_that_is_made_up() -> None:
    """If nobody knows better."""
    assert (
        chosen_name(None, "example.org", "box.localdomain", {"192.0.2.1": ["x.isp.example"]}).text == "mail.example.org"
    )


@pytest.mark.parametrize("name", ["box", "box.local", "box.localdomain", "10.0.0.7", "", "a..example", "x.home.arpa"])
def test_names_that_nobody_can_look_up(name: str) -> None:
    """They say nothing to other hosts."""
    assert not is_public(name)


@pytest.mark.parametrize("acme", [False, True])
@pytest.mark.parametrize("ports", [0, 2000])
@pytest.mark.parametrize("addresses", [(), ("203.0.113.5", "2001:db8::5")])
def test_site_file(acme: bool, ports: int, addresses: tuple[str, ...]) -> None:
    """It can be read, and says what was wanted."""
    layout = debian_layout(Path("/"))
    wanted = Wanted(YOU, "mail.example.org", "mta", acme, ports, addresses)

    site = parse_site(site_text(wanted, layout), layout.site_file.parent, "it")

    assert (site.server.hostname, site.server.user, str(site.server.admin)) == (
        "mail.example.org",
        "mta",
        "postmaster@example.org",
    )
    assert tuple(map(str, site.server.addresses)) == addresses
    assert list(site.hosted) == ["example.org"]
    assert site.server.state_dir == Path("/var/lib/mta")
    assert (site.acme.directory if site.acme else None) == (LETS_ENCRYPT if acme else None)
    assert {name: table.role for name, table in site.listen.items()} == {
        **({"acme": "acme"} if acme else {}),
        "mx": "mx",
        "submission": "submission",
        "submissions": "submission",
        "imaps": "imap",
        "pop3s": "pop3",
    }
    assert not any(table.plaintext_login for table in site.listen.values())
    assert site.listen["mx"].endpoint == (f"tcp:{ports + 25}:interface=127.0.0.1" if ports else "tcp:25",)


def test_awkward_places() -> None:
    """Paths are quoted as TOML wants it."""
    layout = one_folder(Path('/home/a "b"\\c'))
    wanted = Wanted(YOU, "mail.example.org", None, False, 0)

    site = parse_site(site_text(wanted, layout), layout.site_file.parent, "it")

    assert site.server.state_dir == Path('/home/a "b"\\c/state')
    assert site.server.user is None


def test_unit_is_the_one_in_etc() -> None:
    """What is documented is what is installed."""
    text = unit_text(Path("/opt/mta"), Path("/etc/mta/mta.toml"), Path("/var/lib/mta"), "mta")

    assert (CHECKOUT / "etc" / "mta.service").read_text() == text


def test_unit_elsewhere() -> None:
    """A state directory that systemd doesn't make must be writable all the same."""
    text = unit_text(Path("/srv/venv"), Path("/srv/mta.toml"), Path("/srv/state"), "post")

    assert "\nReadWritePaths=/srv/state\n" in text
    assert "StateDirectory" not in text
    assert "\nUser=post\n" in text


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze")
def test_sandbox_of_the_unit() -> None:
    """systemd's own judgement, from 0 to 10: what a server on the network can do without is closed."""
    program = ["systemd-analyze", "security", "--offline=yes", "--threshold=20", str(CHECKOUT / "etc" / "mta.service")]

    result = subprocess.run(program, capture_output=True, text=True, check=False)

    assert result.returncode == 0, result.stdout


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze")
@pytest.mark.parametrize("unit", ["mta.service", "mta.socket"])
def test_units_are_understood(unit: str, tmp_path: Path) -> None:
    """No key is misspelt; what they start is put where they look for it."""
    for name in ("mta.service", "mta.socket"):
        text = (CHECKOUT / "etc" / name).read_text().replace("/opt/mta/bin/mta", "/bin/true")
        (tmp_path / name).write_text(text.replace("/opt/mta/bin/twistd", "/bin/true"))

    program = ["systemd-analyze", "verify", "--man=no", str(tmp_path / unit)]
    result = subprocess.run(program, capture_output=True, text=True, check=False)

    assert (result.returncode, [line for line in result.stderr.splitlines() if str(tmp_path) in line]) == (0, [])
