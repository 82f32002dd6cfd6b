"""`mta quickstart`: what it makes, what it leaves alone, what it says."""

from __future__ import annotations

import json
import os
import re
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest
from click.testing import CliRunner, Result
from free_ports import free_base
from mta_command import CHECK, Command

from twistedmail_mta.checks.finding import Finding
from twistedmail_mta.cli.main import mta
from twistedmail_mta.cli.offline import finished
from twistedmail_mta.cli.quickstart_name import confirmed_names
from twistedmail_mta.dns.resolver import Resolver
from twistedmail_mta.dns.upstream import UNANSWERED
from twistedmail_mta.errors import TemporaryError
from twistedmail_mta.model import Answer
from twistedmail_mta.privileges import running_user
from twistedmail_mta.tls.certificates import read_identity

YOU = "you@example.org"


def quickstart(*arguments: str) -> Result:
    """Run it for an address of example.org, on a host that needn't be asked for its name."""
    return CliRunner().invoke(mta, ["quickstart", YOU, "--hostname", "mail.example.org", *arguments])


@pytest.fixture
def ports() -> int:
    """A number for --ports that leads to ports which are free now."""
    return free_base()


def files_below(folder: Path) -> dict[str, bytes]:
    """Return every file, with its content."""
    found = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(found)}


def test_a_key_of_one_s_own(tmp_path: Path, ports: int) -> None:
    """Where no user is named nobody else reads it: one's group may be that of all users of a host."""
    result = quickstart("--dir", str(tmp_path), "--ports", str(ports))

    assert result.exit_code == 0, result.output
    assert (tmp_path / "tls" / "key.pem").stat().st_mode & 0o777 == 0o600
    assert "a self-signed certificate for mail.example.org, mode 600" in result.output


def test_empty_folder(tmp_path: Path, ports: int) -> None:
    """All that a site needs, for nobody but its owner, and `mta check` has nothing to say against it."""
    result = quickstart("--dir", str(tmp_path), "--ports", str(ports), "--user", running_user().name)

    assert result.exit_code == 0, result.output
    command = Command(tmp_path / "mta.toml")
    assert command.worries() == []
    assert (tmp_path / "state").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "tls" / "key.pem").stat().st_mode & 0o777 == (0o600 if os.geteuid() else 0o640)
    assert (tmp_path / "mta.toml").stat().st_mode & 0o777 == 0o640
    assert read_identity(tmp_path / "tls" / "fullchain.pem", tmp_path / "tls" / "key.pem").covers("mail.example.org")
    assert [each["state"] for each in command.json("dkim", "list")] == ["made", "made"]
    assert [each["address"] for each in command.json("account", "list")] == [YOU]
    (alias,) = command.json("alias", "list")
    assert (alias["address"], alias["targets"]) == ("postmaster@example.org", [YOU])


def test_what_it_says(tmp_path: Path, ports: int) -> None:
    """The password, the records with the keys just made, and commands that go on from there."""
    output = quickstart("--dir", str(tmp_path), "--ports", str(ports)).output

    assert re.search(rf"^Password of {YOU}, shown this once: [\w-]{{16}}$", output, re.MULTILINE)
    assert "example.org. 3600 IN MX 10 mail.example.org." in output
    assert "._domainkey.example.org. 3600 IN TXT" in output
    assert f"twistd -n mta --config {tmp_path}/mta.toml" in output
    assert f"curl -k 'imaps://127.0.0.1:{ports + 993}/INBOX;MAILINDEX=1'" in output


def test_twice(tmp_path: Path, ports: int) -> None:
    """The second time nothing changes, and nothing is said but that; no password is shown again."""
    quickstart("--dir", str(tmp_path), "--ports", str(ports))
    before = files_below(tmp_path)

    result = quickstart("--dir", str(tmp_path), "--ports", str(ports))

    assert result.exit_code == 0
    assert "made:" not in result.output.replace("would make:", "")
    assert "Password" not in result.output
    assert {name: text for name, text in files_below(tmp_path).items() if "mta.db" not in name} == {
        name: text for name, text in before.items() if "mta.db" not in name
    }


def test_goes_on_with_what_lacks(tmp_path: Path, ports: int) -> None:
    """A site file of one's own is left as it is and followed: its host name, its folders, another domain."""
    own = Command(tmp_path / "mta.toml")
    text = 'config_version = 1\n[server]\nhostname = "mx.example.net"\nadmin = "postmaster@example.net"\n'
    text += 'state_dir = "elsewhere"\n[domains."example.net"]\n[tls]\ncertificate = "c.pem"\nkey = "k.pem"\n'
    text += f'[listen.mx]\nrole = "mx"\nendpoint = "tcp:{ports + 25}:interface=127.0.0.1"\n'
    own.file.write_text(text)

    output = quickstart("--dir", str(tmp_path)).output

    assert own.file.read_text() == text
    assert f"there already: {own.file}, the site file" in output
    assert "made: the domain example.org, kept here" in output
    assert read_identity(tmp_path / "c.pem", tmp_path / "k.pem").covers("mx.example.net")
    assert (tmp_path / "elsewhere" / "mta.db").exists()
    assert "Mail of example.org on mx.example.net (as the site file says)" in output


def test_domain_that_is_sent_on(tmp_path: Path, ports: int) -> None:
    """Its mail can't be kept here as well: that is said, without a traceback."""
    quickstart("--dir", str(tmp_path), "--ports", str(ports))
    file = tmp_path / "mta.toml"
    file.write_text(file.read_text().replace('[domains."example.org"]', '[domains."example.org"]\nrelay_to = "mx"\n'))

    result = quickstart("--dir", str(tmp_path))

    assert result.exit_code == 1
    assert "Error: the site file has mail of example.org sent on" in result.output


def test_dry_run(tmp_path: Path, ports: int) -> None:
    """Every file with its content, and nothing changed."""
    result = quickstart("--root", str(tmp_path), "--ports", str(ports), "--dry-run")

    assert result.exit_code == 0, result.output
    assert list(tmp_path.iterdir()) == []
    assert f"would make: {tmp_path}/etc/mta/mta.toml, the site file, mode 640" in result.output
    assert '\n    hostname  = "mail.example.org"' in result.output
    assert f"would make: {tmp_path}/etc/systemd/system/mta.service, the systemd unit, mode 644" in result.output
    assert "\n    NoNewPrivileges=yes\n" in result.output
    assert "shown this once" not in result.output
    assert result.output.endswith("Nothing was changed.\n")


def test_below_a_root(tmp_path: Path, ports: int) -> None:
    """The places of a system, with its unit, for images and packages."""
    result = quickstart("--root", str(tmp_path), "--ports", str(ports))

    assert result.exit_code == 0, result.output
    made = set(files_below(tmp_path))
    assert {"etc/mta/mta.toml", "etc/mta/tls/key.pem", "etc/systemd/system/mta.service", "var/lib/mta/mta.db"} <= made
    unit = (tmp_path / "etc" / "systemd" / "system" / "mta.service").read_text()
    assert f"ExecStart={sys.prefix}/bin/twistd --nodaemon --pidfile= mta --config {tmp_path}/etc/mta/mta.toml\n" in unit
    assert f"ReadWritePaths={tmp_path}/var/lib/mta\n" in unit


def test_whoever_is_not_root(monkeypatch: pytest.MonkeyPatch) -> None:
    """He is told what to do, before anything is tried."""
    monkeypatch.setattr(os, "geteuid", lambda: 1000)

    refused = quickstart()

    assert refused.exit_code == 1
    assert refused.output.startswith("Error: run this as root, which sets it up in /etc/mta and /var/lib/mta; or say")


@pytest.fixture
def taken(ports: int) -> Iterator[int]:
    """A number for --ports whose port for other hosts is held by this process."""
    with socket.create_server(("127.0.0.1", ports + 25)):
        yield ports


def test_port_that_is_taken(tmp_path: Path, taken: int) -> None:
    """Everything is set up nevertheless; who has the port is said, and the exit status is 1."""
    result = quickstart("--dir", str(tmp_path), "--ports", str(taken))

    assert result.exit_code == 1
    assert "To be mended before the start:" in result.output
    assert f"error: listen.mx.endpoint: 127.0.0.1:{taken + 25} is held by " in result.output
    assert (tmp_path / "state" / "mta.db").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="whoever is not root gives no file away")
def test_user_who_is_not_there(tmp_path: Path) -> None:
    """Only the user of a system is made; another must be there, and no site file is left half shared."""
    result = quickstart("--dir", str(tmp_path / "site"), "--user", "nobody-of-that-name")

    assert result.exit_code == 1
    assert str(result.exception) == "there is no user nobody-of-that-name"
    assert files_below(tmp_path) == {}


def test_program_that_the_user_cannot_read(tmp_path: Path, ports: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is the server's own isn't made by a process that couldn't go on; what to mend is said, and to come back."""
    finding = Finding("error", "server.user", "mta can't read the program in /root", "install it elsewhere")
    monkeypatch.setattr("twistedmail_mta.cli.quickstart.findings_of", lambda *_: [finding])

    result = quickstart("--dir", str(tmp_path), "--ports", str(ports))

    assert result.exit_code == 1
    assert not (tmp_path / "state").exists()
    assert result.output.endswith("run this again: it isn't complete.\n")


def test_acme(tmp_path: Path, ports: int) -> None:
    """The server is to get the certificate itself; no file is made for it."""
    result = quickstart("--dir", str(tmp_path), "--ports", str(ports), "--acme", "--user", running_user().name)

    assert result.exit_code == 0, result.output
    assert not (tmp_path / "tls").exists()
    findings = Command(tmp_path / "mta.toml").json(*CHECK)["findings"]
    assert [each["text"] for each in findings if each["path"] == "acme"] == [
        "mail.example.org has no certificate of an authority yet; it is asked for when the server runs"
    ]


def test_json(tmp_path: Path, ports: int) -> None:
    """All of it for programs, the password included."""
    result = quickstart("--dir", str(tmp_path), "--ports", str(ports), "--json")

    told = json.loads(result.stdout)
    assert (told["ok"], told["changed"], told["hostname"]) == (True, True, "mail.example.org")
    assert told["account"] == YOU
    assert len(told["password"]) == 16
    assert {step["state"] for step in told["steps"]} == {"made"}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--address", "mail"], "must be an IPv4 or IPv6 address"),
        (["--dir", "a", "--root", "b"], "--dir and --root contradict each other"),
        (["--ports", "65000"], "65000 is not in the range"),
        (["--hostname", "a b"], "Invalid value"),
    ],
)
def test_mistakes(arguments: list[str], words: str) -> None:
    """In words, before anything is made."""
    result = quickstart(*arguments)

    assert result.exit_code == 2
    assert words in result.output


def test_address_that_is_none() -> None:
    """An account must be able to log in with it."""
    assert "Invalid value for 'YOU@DOMAIN'" in CliRunner().invoke(mta, ["quickstart", "you"]).output


def test_addresses_behind_nat(tmp_path: Path, ports: int) -> None:
    """They go into the site file and the records."""
    output = quickstart("--dir", str(tmp_path), "--ports", str(ports), "--address", "203.0.113.5").output

    assert 'addresses = ["203.0.113.5"]' in (tmp_path / "mta.toml").read_text()
    assert "mail.example.org. 3600 IN A 203.0.113.5" in output


class Names:
    """A DNS in which an address has several names, one of which leads elsewhere, and another address is silent."""

    async def host_names(self, address: str) -> Answer[str]:
        if address == "192.0.2.9":
            raise TemporaryError(UNANSWERED)
        return Answer(("forged.example.org", "mx.example.org"), "found", authentic=False)

    async def addresses(self, host: str, family: str) -> Answer[str]:
        where = {("mx.example.org", "A"): "192.0.2.1", ("forged.example.org", "A"): "192.0.2.7"}
        found = where.get((host, family))
        return Answer((found,) if found else (), "found" if found else "missing", authentic=False)


def test_names_that_the_dns_has() -> None:
    """Only those that lead back to the address: anybody can call his own address by our name."""
    found = finished(confirmed_names(cast(Resolver, Names()), ["192.0.2.1", "192.0.2.9"]))

    assert found == {"192.0.2.1": ["mx.example.org"]}


def test_postmaster_is_an_account_of_its_own(tmp_path: Path, ports: int) -> None:
    """No alias stands for somebody who is there."""
    arguments = ["--hostname", "mail.example.org", "--dir", str(tmp_path), "--ports", str(ports)]
    result = CliRunner().invoke(mta, ["quickstart", "postmaster@example.org", *arguments])

    assert result.exit_code == 0
    assert Command(tmp_path / "mta.toml").json("alias", "list") == []


def test_link_in_place_of_a_draft(tmp_path: Path, ports: int) -> None:
    """Who can write into the folder that root sets up has nothing written elsewhere."""
    victim = tmp_path / "victim"
    victim.write_text("as it was")
    folder = tmp_path / "site"
    (folder / "tls").mkdir(parents=True)
    for name in ("mta.toml.new", "tls/key.pem.new", "tls/fullchain.pem.new"):
        (folder / name).symlink_to(victim)

    result = quickstart("--dir", str(folder), "--ports", str(ports))

    assert result.exit_code == 0, result.output
    assert victim.read_text() == "as it was"
    assert [each for each in folder.rglob("*") if each.is_symlink()] == []


def test_folder_that_a_site_file_cannot_name(tmp_path: Path) -> None:
    """What couldn't be read afterwards isn't written: a second run would stumble over it."""
    folder = tmp_path / "two\nlines"

    result = quickstart("--dir", str(folder), "--ports", "2000")

    assert result.exit_code == 1
    assert "is no TOML" in str(result.exception)
    assert not folder.exists()
