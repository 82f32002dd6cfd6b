"""`mta check`: what keeps a site from starting, and what an operator should know."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import apsw
import pytest
import trustme
from mta_command import CHECK, SITE, Command

from twistedmail_mta.directory import site_logins
from twistedmail_mta.privileges import running_user
from twistedmail_mta.tls.certificates import write_self_signed


def test_good_site(command: Command) -> None:
    """Nothing is wrong: exit status 0."""
    result = command(*CHECK)

    note = f"{command.file.parent / 'cert.pem'} is self-signed: mail programs ask before they trust it"
    assert result.exit_code == 0
    assert result.output == f"note: tls: {note}\n{command.file} is ready to be used.\n"
    assert command.json(*CHECK) == {
        "file": str(command.file),
        "ok": True,
        "findings": [{"level": "note", "subject": "certificates", "path": "tls", "text": note, "mend": ""}],
    }


def test_every_mistake_of_the_file(command: Command) -> None:
    """All of them at once, each with its key path; exit status 1."""
    command.file.write_text(SITE.replace("hostname", "hostnam").replace("mx", "nntp"))

    result = command(*CHECK)

    assert result.exit_code == 1
    assert "error: server.hostname: is missing" in result.output
    assert "error: server.hostnam: is unknown; did you mean hostname?" in result.output
    assert (
        'error: listen.nntp.role: must be "mx", "submission", "lmtp", "reinject", "pop3", "imap", "acme", "mta-sts" or '
        '"metrics"' in result.output
    )


STS = """\
[domains."example.org"]
[mta_sts]
[listen.sts]
endpoint = "tcp:8443"
role = "mta-sts"
tls = "implicit"
"""


def test_certificate_for_policies(command: Command, tmp_path: Path) -> None:
    """Senders that can't verify the host of a policy have none: a warning, until a certificate is for it."""
    command.file.write_text(SITE + STS)
    warning = (
        "warning: mta_sts: no certificate is for mta-sts.example.org, so nobody can fetch that policy\n"
        '    name one that is in tls.names."mta-sts.example.org"\n'
    )
    before = command(*CHECK)

    write_self_signed(tmp_path / "sts.pem", tmp_path / "sts.key", ["mta-sts.example.org"], datetime.now(UTC))
    table = '[tls.names."mta-sts.example.org"]\ncertificate = "sts.pem"\nkey = "sts.key"\n'
    command.file.write_text(SITE + STS + table)

    assert (before.exit_code, warning in before.output) == (0, True)
    assert "mta_sts" not in command(*CHECK).output


def test_file_that_is_not_there(command: Command) -> None:
    """What is wrong with the file as a whole has no key, and no gap for one."""
    command.file.unlink()

    assert command(*CHECK).output.startswith("error: can't be read: No such file or directory\n")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_state_directory_behind_a_closed_door(command: Command, tmp_path: Path) -> None:
    """A directory that is yet to be made must lie where the server's user can get at it."""
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    text = SITE.replace('"state"', '"closed/state"').replace(f'user = "{running_user().name}"', 'user = "nobody"')
    command.file.write_text(text)

    result = command(*CHECK)

    assert result.exit_code == 1
    assert f"error: server.state_dir: nobody can't get at it: {closed} is closed to that user" in result.output


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_what_a_reload_could_not_read(command: Command, tmp_path: Path) -> None:
    """The server has become its user by then: the site file, and modules of plugins."""
    folder = tmp_path / "plugins"
    folder.mkdir()
    (folder / "one.py").write_text("")
    text = SITE.replace(f'user = "{running_user().name}"', 'user = "nobody"').replace('"state"', '"/var/lib/mta-none"')
    command.file.write_text('plugin_path = ["plugins"]\n' + text)
    for file in (command.file, folder / "one.py"):
        file.chmod(0o600)

    output = command(*CHECK).output

    assert f"warning: server.user: nobody can't read {command.file}, so it couldn't be reloaded" in output
    assert f"warning: plugin_path[0]: nobody can't read {folder / 'one.py'}, so a reload couldn't import it" in output


@pytest.mark.skipif(os.geteuid() != 0, reason="somebody else is no root to begin with")
def test_staying_root_is_warned_of(command: Command) -> None:
    """A site file that names nobody to become."""
    command.file.write_text(SITE.replace(f'user = "{running_user().name}"\n', ""))

    assert "warning: server.user: is missing, so the server stays root" in command(*CHECK).output


def test_options_behind_the_command(command: Command) -> None:
    """The site file's name belongs before it; other mistakes are told as ever."""
    assert "belongs before the command: mta --config FILE" in command(*CHECK, "--config", "x").output
    assert "No such option" in command(*CHECK, "--colour").output


@pytest.mark.parametrize(("typed", "meant"), [("acount", "account"), ("mailboxes", "mailbox"), ("chek", "check")])
def test_mistyped_command(command: Command, typed: str, meant: str) -> None:
    """What comes near to a command is asked for."""
    assert f"No such command '{typed}'. Did you mean '{meant}'?" in command(typed, "list").output


def added(command: Command, text: str) -> str:
    command.file.write_text(SITE + text)
    result = command(*CHECK)
    assert result.exit_code == ("error: " in result.output)
    return result.output


def test_hosted_domain(command: Command) -> None:
    """A domain without relay_to is kept here."""
    assert "error" not in added(command, '[domains."example.org"]\n')


def test_lmtp_is_for_the_own_hosts(command: Command) -> None:
    """A port that other hosts reach is warned of; 25 is out of the question (RFC 2033 section 5)."""
    table = '[listen.lmtp]\nrole = "lmtp"\nendpoint = {}\n'

    open_to_all = added(command, table.format('"tcp:24"'))
    assert "warning: listen.lmtp.endpoint: is open to other hosts" in open_to_all
    assert "other hosts" not in added(command, table.format('["tcp:24:interface=127.0.0.1", "unix:/run/mta/lmtp"]'))
    assert "LMTP must not be spoken on port 25" in added(command, table.format('"tcp:25:interface=127.0.0.1"'))


def test_files_that_are_missing(command: Command, tmp_path: Path) -> None:
    """Recipient lists and passwords are looked for before the mail needs them."""
    text = '[domains."example.com"]\nrelay_to = "smtp://10.0.0.7"\nrecipients = "file:/no/list"\n'
    text += '[[route]]\nmatch = {}\nvia = "smtp://h:587"\nauth = { user = "u", password_file = "pass" }\n'

    assert 'error: domains."example.com".recipients: ' in added(command, text)
    assert f"there is no file {tmp_path / 'pass'}" in added(command, text)
    assert "error: outbound.ca_file: " in added(command, '[outbound]\nca_file = "ca.pem"\n')
    (tmp_path / "ca.pem").write_text("no certificate\n")
    assert "can't be read as certificates" in added(command, '[outbound]\nca_file = "ca.pem"\n')


def test_open_files_are_warned_of(command: Command, tmp_path: Path) -> None:
    """A key, a password or a state directory that everybody can read is worth a warning, no more."""
    (tmp_path / "pass").write_text("secret")
    (tmp_path / "state").mkdir(mode=0o755)
    for name in ("pass", "key.pem"):
        (tmp_path / name).chmod(0o644)

    output = added(command, '[[route]]\nmatch = {}\nvia = "smtp://h"\nauth = { user = "u", password_file = "pass" }\n')

    assert output.count("is open to everybody") == 3
    assert output.endswith("is ready to be used.\n")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_state_directory_of_somebody_else(command: Command) -> None:
    """Commands of root act as its owner, so the owner must be the server's user."""
    command.state_dir.mkdir(mode=0o700)
    os.chown(command.state_dir, 65534, 65534)

    output = command(*CHECK).output

    user = running_user().name
    assert f"warning: server.state_dir: {command.state_dir} doesn't belong to {user}" in output
    assert f"    chown -R {user} {command.state_dir}\n" in output


def test_chain_without_its_issuer(command: Command, tmp_path: Path) -> None:
    """A certificate alone, which an intermediate one has signed, is what clients can't follow."""
    issued = trustme.CA().create_child_ca().issue_cert("mail.example.org")
    issued.private_key_pem.write_to_path(str(tmp_path / "key.pem"))
    issued.cert_chain_pems[0].write_to_path(str(tmp_path / "cert.pem"))

    (found,) = [each for each in command.worries() if "ends before" in each["text"]]

    assert (found["level"], found["path"], found["subject"]) == ("warning", "tls", "certificates")
    assert "fullchain.pem" in found["mend"]


def test_files_of_passwords(command: Command, tmp_path: Path) -> None:
    """One that can't be read is an error; bad lines and open doors are worth a warning."""
    text = '[[checker]]\nuse = "passwd-file"\npath = "users"\n'
    assert "error: checker[0].path: " in added(command, text)

    (tmp_path / "users").write_text("tim@example.org:{OTP}1\n")
    (tmp_path / "users").chmod(0o644)
    output = added(command, text)

    assert f"warning: checker[0].path: {tmp_path / 'users'} is open to everybody" in output
    assert "users, line 1: the scheme OTP is unknown" in output
    assert output.endswith("is ready to be used.\n")


def test_directories_and_pam(command: Command, tmp_path: Path) -> None:
    """What a checker needs is looked for before anybody logs in."""
    ldap = '[[checker]]\nuse = "ldap"\nurl = "ldaps://h"\nbase = "dc=x"\n'

    assert "error: checker[0]: filter is none of RFC 4515" in added(command, ldap + 'filter = "mail={address}"\n')
    ldap += 'filter = "(mail={address})"\n'
    assert "error: checker[0].ca_file: " in added(command, ldap + 'ca_file = "none.pem"\n')
    assert "error: checker[0].auth: " in added(command, ldap + 'auth = { user = "x", password_file = "none" }\n')
    assert "is ready to be used" in added(command, ldap)
    assert "warning: checker[0].service: there is no service mta-test-none" in added(
        command, '[[checker]]\nuse = "pam"\nservice = "mta-test-none"\n'
    )


@pytest.mark.parametrize("use", ["ldap", "pam"])
def test_extras_that_are_missing(command: Command, monkeypatch: pytest.MonkeyPatch, use: str) -> None:
    """The operator is told what to install."""

    def import_module(name: str) -> None:
        raise ImportError(f"No module named {name!r}")

    monkeypatch.setattr(site_logins, "import_module", import_module)
    more = 'url = "ldaps://h"\nuser_dn = "mail={address}"\n' if use == "ldap" else ""

    output = added(command, f'[[checker]]\nuse = "{use}"\n{more}')

    assert f"error: checker[0]: use = \"{use}\" needs more: pip install 'twistedmail-mta[{use}]'" in output


def test_login_in_clear_is_warned_of(command: Command) -> None:
    """plaintext_login outside the trial site is named with its networks."""
    listener = '[listen.sub]\nendpoint = "tcp:2587"\nrole = "submission"\nplaintext_login = ["10.0.0.0/8"]\n'

    assert "warning: listen.sub.plaintext_login: passwords cross the network in clear from 10.0.0.0/8" in added(
        command, listener
    )


@pytest.mark.parametrize("name", ["cert.pem", "key.pem"])
def test_certificate_that_cannot_be_used(command: Command, tmp_path: Path, name: str) -> None:
    """A missing file is an error of its table."""
    (tmp_path / name).unlink()

    assert f"error: tls: {tmp_path / name} can't be read" in added(command, "")


def test_certificate_for_another_name(command: Command) -> None:
    """Clients would complain, but the server can start."""
    command.file.write_text(SITE.replace("mail.example.org", "mx.example.org"))

    result = command(*CHECK)

    assert result.exit_code == 0
    assert "is not for mx.example.org, only for mail.example.org" in result.output


def test_no_site_file(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that was named must be there."""
    monkeypatch.setenv("MTA_CONFIG", str(command.file))
    command.file.unlink()

    result = command(*CHECK)

    assert result.exit_code == 1
    assert "can't be read: No such file or directory" in result.output


def hosted(command: Command, *names: str, **keys: str) -> None:
    """Let the site file declare hosted domains."""
    with command.file.open("a") as file:
        for name in names:
            file.write(f'[domains."{name}"]\n' + "".join(f'{key} = "{value}"\n' for key, value in keys.items()))


def test_aliases_file(command: Command) -> None:
    """One that isn't there or can't be understood keeps the server from starting."""
    hosted(command, "example.org", aliases_file="aliases")
    assert "aliases_file: " in command(*CHECK).output

    (command.file.parent / "aliases").write_text("a: b\nroot: |cmd\n")
    result = command(*CHECK)

    assert result.exit_code == 1
    assert 'error: domains."example.org".aliases_file: ' in result.output
    assert "line 2: |cmd is a command" in result.output


def test_domain_in_both_places(command: Command) -> None:
    """The server wouldn't start, and here is said why."""
    command("domain", "add", "example.org")
    command("account", "add", "postmaster@example.org", "--external")
    hosted(command, "example.org")

    result = command(*CHECK)

    assert result.exit_code == 1
    assert 'error: domains."example.org": stands in the site file and in the database' in result.output


def test_what_is_odd_about_hosted_domains(command: Command) -> None:
    """The site file is held against the database; what is found there lets the server start."""
    for name in ("tim@dashed.example", "tim-x@dashed.example"):
        command("account", "add", name, "--external")
    hosted(command, "b.example", alias_of="gone.example")
    hosted(command, "dashed.example", subaddress="-", catch_all="tim@dashed.example")
    command.file.write_text(command.file.read_text().replace("postmaster@example.org", "tim@dashed.example"))

    found = {(item["level"], item["path"], item["text"]) for item in command.worries()}

    assert found == {
        ("warning", 'domains."b.example"', "is an alias of gone.example, which has no addresses here"),
        (
            "warning",
            'domains."dashed.example"',
            "the account tim-x@dashed.example would be a subaddress of the account tim@dashed.example",
        ),
    }


def test_admin_who_is_nobody(command: Command) -> None:
    """Somebody must get mail for postmaster (RFC 5321 section 4.5.1)."""
    command("domain", "add", "example.org")
    (found,) = command.worries()
    assert (found["level"], found["path"]) == ("warning", "server.admin")
    assert "postmaster@example.org is nobody here who takes mail" in found["text"]

    command("account", "add", "postmaster@example.org", "--external")
    assert command.worries() == []


def test_mailbox_for_the_quarantine(command: Command) -> None:
    """One that nobody has isn't used: the operator hears of it before the first virus comes."""
    command.file.write_text(command.file.read_text() + '[quarantine]\nmailbox = "suspects@example.org"\n')
    hosted(command, "else.example", catch_all="tim@else.example")
    for name in ("tim@else.example", "postmaster@example.org"):
        command("account", "add", name, "--external")

    (found,) = [each for each in command.worries() if each["path"] == "quarantine.mailbox"]
    assert (found["level"], "example.org isn't hosted here" in found["text"]) == ("warning", True)
    command("domain", "add", "example.org")
    (found,) = command.worries()
    assert found["text"].startswith("suspects@example.org is nobody here who takes mail, so what is quarantined waits")

    command("account", "add", "suspects@example.org", "--external")
    assert command.worries() == []


def test_reports_that_nobody_signs(command: Command) -> None:
    """Who says whom reports are from wants them sent: without a key none would be."""
    command("domain", "add", "example.org")
    command("account", "add", "postmaster@example.org", "--external")
    assert command.worries() == []
    command.file.write_text(command.file.read_text() + '[reports]\naddress = "reports@mail.example.org"\n')

    (found,) = command.worries()
    assert (found["level"], found["path"]) == ("warning", "reports.address")
    assert found["text"].startswith("no DKIM key signs for mail.example.org, nor for one above it, so no report goes")
    command("dkim", "create", "example.org")
    assert len(command.worries()) == 1, "a key that doesn't sign yet is none"
    command("dkim", "rotate", "example.org", "--force")
    assert command.worries() == []


def test_reports_that_nobody_wants(command: Command) -> None:
    """Where none are sent nothing has to be signed."""
    command("domain", "add", "example.org")
    command("account", "add", "postmaster@example.org", "--external")
    table = '[reports]\naddress = "reports@example.org"\ntls = false\ndmarc = false\n'
    command.file.write_text(command.file.read_text() + table)

    assert command.worries() == []


def test_accounts_that_reports_come_to(command: Command) -> None:
    """One that isn't there reads nothing: that is told, with the command that makes it."""
    command.file.write_text(command.file.read_text() + '[reports]\ninbox = ["Reports@example.org"]\n')
    command("domain", "add", "example.org")
    command("account", "add", "postmaster@example.org", "--external")

    (found,) = [each for each in command.worries() if each["path"] == "reports.inbox"]
    assert (found["level"], found["mend"]) == ("warning", "mta account add reports@example.org")
    command("account", "add", "reports@example.org", "--external")
    assert command.worries() == []


def test_database_of_another_release_is_left_alone(command: Command) -> None:
    """A check changes nothing, least of all the schema under a server of an older release."""
    command("domain", "add", "example.org")
    database = apsw.Connection(str(command.state_dir / "mta.db"))
    database.pragma("user_version", 2)

    assert command.worries() == []
    assert database.pragma("user_version") == 2
    database.close()


FILTER = '[plugins.amavis]\nuse = "content_filter"\n'
BACK = '[listen.back]\nrole = "reinject"\nendpoint = "tcp:10025'


def test_a_filter_without_a_way_back(command: Command) -> None:
    """Worth a warning: what the filter gives back would be refused."""
    command.file.write_text(f'{SITE}plugins = ["amavis"]\n{FILTER}')
    text = "plugins.amavis: sends mail to a content filter, and no listener of role reinject takes it back"
    assert f"warning: {text}\n" in command(*CHECK).output

    command.file.write_text(f'{SITE}plugins = ["amavis"]\n{FILTER}{BACK}:interface=127.0.0.1"\n')
    assert "reinject" not in command(*CHECK).output


def test_a_way_back_for_others(command: Command) -> None:
    """Whoever is trusted there can send anything: it is said each time."""
    command.file.write_text(f'{SITE}{BACK}"\ntrusted = ["10.0.0.7", "10.1.0.0/24"]\n')

    result = command(*CHECK)

    assert result.exit_code == 0
    text = "whoever connects from 10.0.0.7/32, 10.1.0.0/24 can send anything to anybody: no login is asked for"
    assert f"warning: listen.back.trusted: {text}\n" in result.output
