"""Those who judge passwords, and passwords of the server's own for other hosts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from twistedmail_mta.checks.certificates import findings_of_authorities
from twistedmail_mta.checks.finding import Finding
from twistedmail_mta.checks.permissions import open_to_everybody, unread
from twistedmail_mta.config.checking import LDAPTable, PAMTable, PasswdFileTable
from twistedmail_mta.config.problems import key_path
from twistedmail_mta.config.secrets import read_secret
from twistedmail_mta.config.sending import WayTable
from twistedmail_mta.config.site import Site
from twistedmail_mta.directory.passwd_file import parse_passwords
from twistedmail_mta.directory.site_logins import shortcoming
from twistedmail_mta.privileges import User, unreadable_for

_PAM_FOLDERS: Final = (Path("/etc/pam.d"), Path("/usr/lib/pam.d"), Path("/usr/share/pam.d"))


def findings_of_checkers(site: Site, user: User) -> Iterator[Finding]:
    """Look at what each checker needs."""
    for place, table in enumerate(site.checker):
        path = key_path(("checker", place))
        if text := shortcoming(table):
            mend = "see docs/operating.md, Checkers, for what it needs"
            yield Finding("error", path, text, mend)
        match table:
            case PasswdFileTable():
                yield from _passwd_file(table, f"{path}.path", user)
            case LDAPTable():
                yield from findings_of_authorities(f"{path}.ca_file", table.ca_file, user)
                yield from _login(table, f"{path}.auth", user)
            case PAMTable() if not any((folder / table.service).exists() for folder in _PAM_FOLDERS):
                text = f'there is no service {table.service} in /etc/pam.d, so PAM would use "other"'
                mend = f"write /etc/pam.d/{table.service}, or name a service that is there"
                yield Finding("warning", f"{path}.service", text, mend)


def findings_of_logins(site: Site, user: User) -> Iterator[Finding]:
    """Look at the passwords that routes and the fallback need."""
    for place, route in enumerate(site.route):
        yield from _login(route, key_path(("route", place, "auth")), user)
    if site.outbound.fallback is not None:
        yield from _login(site.outbound.fallback, key_path(("outbound", "fallback", "auth")), user)


def _passwd_file(table: PasswdFileTable, path: str, user: User) -> Iterator[Finding]:
    if unreadable_for(user, [table.path]):
        yield unread(path, user, table.path)
        return
    yield from open_to_everybody(path, table.path)
    for mistake in parse_passwords(table.path.read_bytes(), table.domain).mistakes:
        yield Finding("warning", path, f"{table.path}, {mistake}", "until the line is corrected it counts for nobody")


def _login(way: WayTable | LDAPTable, path: str, user: User) -> Iterator[Finding]:
    if way.auth is None:
        return
    file = way.auth.password_file
    if file is None:
        yield from _source(way.auth.login.password_source, path)
    elif unreadable_for(user, [file]):
        yield unread(path, user, file)
    else:
        yield from open_to_everybody(path, file)


def _source(source: str, path: str) -> Iterator[Finding]:
    try:
        read_secret(source)
    except (OSError, ValueError) as error:
        text = f"the password isn't to be found from here: {error}"
        mend = "it has to be there when the server runs; systemd credentials and its environment aren't seen here"
        yield Finding("warning", path, text, mend)
