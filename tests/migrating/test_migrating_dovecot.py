"""Dovecot: typical configurations, and what becomes of their settings."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from imported import dovecot

from twistedmail_mta.cli.import_files import find_files, read_text
from twistedmail_mta.directory.schemes import scheme_matches
from twistedmail_mta.migrating.dovecot.conf import Block, parse_conf

ISP = """\
protocols = imap lmtp sieve
listen = 192.0.2.1, ::1
mail_location = maildir:/var/vmail/%d/%n/Maildir   # where it is
auth_mechanisms = plain login cram-md5
ssl_cert = </etc/ssl/mail.pem
ssl_key = </etc/ssl/mail.key
mail_plugins = quota
disable_plaintext_auth = no
!include conf.d/*.conf
!include_try missing.conf
!include also-missing.conf
passdb {
  driver = passwd-file
  args = scheme=PLAIN-MD5 username_format=%u /etc/dovecot/users
}
userdb {
  driver = static
  args = uid=vmail gid=vmail home=/var/vmail/%d/%n
}
service imap-login {
  inet_listener imap {
    port = 0
  }
  inet_listener imaps { port = 9993 }
}
service lmtp {
  inet_listener lmtp {
    address = 127.0.0.1
    port = 24
  }
}
plugin {
  quota = maildir:User quota
  quota_rule = *:storage=2G
  sieve = ~/.dovecot.sieve
}
namespace shared {
  type = shared
}
strange_setting = \\
  2
odd line
"""
OTHERS = {
    "/etc/dovecot/conf.d/10.conf": "mail_max_userip_connections = 7\nmail_plugins = $mail_plugins acl\n",
    "/etc/dovecot/users": (
        "# people\nann@example.org:5ebe2294ecd0e0f08eab7690d2a6ee69::::::userdb_quota_rule=*:storage=500M\n"
        "bob@example.net:{PLAIN}secret:1000:1000::/home/bob\ncarl@example.org:{ODD}x\ndora@example.org:{PLAIN}x::::::nologin\n"
    ),
}


def test_isp() -> None:
    """People of a passwd-file with passwords and quotas, listeners, certificate, and how their mail comes."""
    done = dovecot(ISP, OTHERS)

    accounts = done.draft.accounts
    assert set(accounts) == {"ann@example.org", "bob@example.net", "carl@example.org", "dora@example.org"}
    assert scheme_matches(accounts["ann@example.org"].stored or "", "secret")
    assert accounts["ann@example.org"].quota == 500 << 20
    assert accounts["carl@example.org"].stored is None
    assert not accounts["dora@example.org"].enabled
    assert set(done.site.listen) == {"imaps", "lmtp"}
    assert done.site.listen["imaps"].endpoint == ("tcp:9993:interface=192.0.2.1", "tcp6:9993:interface=\\:\\:1")
    assert done.site.listen["imaps"].limits.sessions_per_account == 7
    assert done.site.domains["example.org"].quota == 2 << 30
    assert "mta mailbox import ann@example.org /var/vmail/example.org/ann/Maildir" in done.draft.commands


def test_what_is_left() -> None:
    """Scripts, shared mailboxes, mechanisms, unknown settings and lines, files that aren't there: all are told."""
    done = dovecot(ISP, OTHERS)

    assert done.unmapped == {
        "protocols",
        "auth_mechanisms",
        "disable_plaintext_auth",
        "sieve",
        "namespace shared",
        "strange_setting",
        "odd line",
        "!include also-missing.conf",
        "passwd-file",
        "a line of it",
    }
    assert all(each.advice for each in done.draft.findings if each.outcome == "unmapped")
    assert [str(each.place) for each in done.findings("strange_setting")] == ["/etc/dovecot/dovecot.conf:40"]


@pytest.mark.parametrize("driver", ["sql", "ldap", "dict", "checkpassword"])
def test_people_elsewhere(driver: str) -> None:
    """Where people are in a database the report says how to print them."""
    done = dovecot(
        f"passdb {{\n driver = {driver}\n args = /etc/dovecot/x.conf.ext\n}}\nauth_default_realm = example.org\n"
    )

    assert done.outcome(f"passdb {driver}") == "unmapped"


def test_pam() -> None:
    """Users of the system are judged by PAM, at the domain that is theirs."""
    done = dovecot("auth_default_realm = example.org\npassdb {\n driver = pam\n args = session=yes dovecot\n}\n")

    internal, pam = done.site.checker
    assert internal.use == "internal"
    assert pam.use == "pam"
    assert (pam.service, pam.user, pam.domains) == ("dovecot", "local", ("example.org",))


@pytest.mark.parametrize(
    ("location", "commands"),
    [
        ("maildir:~/Maildir", ["mta mailbox import ann@example.org /home/ann/Maildir"]),
        (
            "mbox:~/mail:INBOX=/var/mail/%n",
            ["mta mailbox import ann@example.org /var/mail/ann", "mta mailbox import ann@example.org /home/ann/mail"],
        ),
        (
            "mdbox:~/mdbox",
            [
                "doveadm backup -u ann@example.org maildir:/var/tmp/mail-ann@example.org",
                "mta mailbox import ann@example.org /var/tmp/mail-ann@example.org",
            ],
        ),
    ],
)
def test_mail(location: str, commands: list[str]) -> None:
    """The commands that bring the mail are those for the form in which it is."""
    conf = f"mail_location = {location}\npassdb {{\n driver = passwd-file\n args = /u\n}}\n"

    done = dovecot(conf, {"/u": "ann@example.org:{PLAIN}x:1000:1000::/home/ann::\n"})

    assert done.draft.commands == commands


def test_pop3_names() -> None:
    """What POP3 called messages is kept by the option that the commands need."""
    conf = "pop3_uidl_format = %f\nmail_location = maildir:/m/%u\npassdb {\n driver = passwd-file\n args = /u\n}\n"

    done = dovecot(conf, {"/u": "ann@example.org:{PLAIN}x\n"})

    assert done.draft.commands == ["mta mailbox import --uidl '%f' ann@example.org /m/ann@example.org"]


def flat(block: Block, above: str = "") -> dict[str, str]:
    """Return the settings of blocks that doveconf -n prints in the same way."""
    found = {f"{above}{key}": setting.value for key, setting in block.settings.items()}
    for inner in block.blocks:
        if inner.kind in ("namespace", "mailbox", "plugin"):
            found |= flat(inner, f"{above}{inner.kind} {inner.name}/")
    return found


@pytest.mark.skipif(
    not Path("/etc/dovecot/dovecot.conf").exists() or shutil.which("doveconf") is None, reason="Dovecot isn't installed"
)
def test_as_doveconf_has_it() -> None:
    """Of Debian's own configuration Dovecot prints nothing that was read otherwise."""
    said = subprocess.run(["doveconf", "-n"], capture_output=True, text=True, check=False, timeout=60).stdout
    known: dict[str, str] = {}
    for line in said.splitlines():
        if line and line[0] not in " #}" and " = " in line:
            key, _, value = line.partition(" = ")
            known[key] = value

    conf = parse_conf("/etc/dovecot/dovecot.conf", read_text, find_files)

    read = flat(conf.whole)
    assert conf.odd == []
    assert {"mail_location", "mail_privileged_group"} <= set(known)
    same = {key: value for key, value in known.items() if key in read and "hidden" not in value}
    assert {key: read[key].strip() for key in same} == {key: value.strip() for key, value in same.items()} | (
        {"protocols": read["protocols"]} if "protocols" in same else {}
    )
