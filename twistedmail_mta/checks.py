"""What a site file says, held against this machine: files, users, certificates, directories."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final, Literal

from twistedmail_mta.acme.application import shortcoming as shortcoming_of_acme
from twistedmail_mta.acme.files import standing
from twistedmail_mta.acme.words import remark
from twistedmail_mta.config.acme import ACMETable
from twistedmail_mta.config.checking import LDAPTable, PAMTable, PasswdFileTable
from twistedmail_mta.config.endpoints import parse_endpoint
from twistedmail_mta.config.problems import key_path
from twistedmail_mta.config.secrets import is_credential, read_secret
from twistedmail_mta.config.sending import WayTable
from twistedmail_mta.config.site import CertificateTable, Site, TLSTable
from twistedmail_mta.directory.alias_file import AliasFile
from twistedmail_mta.directory.passwd_file import parse_passwords
from twistedmail_mta.directory.recipients import RecipientFile
from twistedmail_mta.directory.return_paths import read_secrets
from twistedmail_mta.directory.site_logins import shortcoming
from twistedmail_mta.mta_sts.policy import policy_host
from twistedmail_mta.privileges import (
    PrivilegeError,
    User,
    find_user,
    is_passable_for,
    is_writable_for,
    running_user,
    unreadable_for,
)
from twistedmail_mta.tls.certificates import CertificateError, read_identity, shortcomings
from twistedmail_mta.tls.client import ClientTLS
from twistedmail_mta.tls.server import server_context

_PAM_FOLDERS: Final = (Path("/etc/pam.d"), Path("/usr/lib/pam.d"), Path("/usr/share/pam.d"))


@dataclass(frozen=True, slots=True)
class Finding:
    """Something an operator should know.

    Attributes:
        level: an "error" keeps the server from starting, a "warning" doesn't; with a "note" nothing is wrong.
        path: the key of the site file.
        text: what is wrong.
    """

    level: Literal["error", "warning", "note"]
    path: str
    text: str

    def __str__(self) -> str:
        """Return the finding on one line."""
        return f"{self.level}: {self.path}: {self.text}" if self.path else f"{self.level}: {self.text}"


def findings_of(site: Site, now: datetime) -> Iterator[Finding]:
    """Yield everything found, errors, warnings and notes, in the order of the site file."""
    try:
        user = _server_user(site)
    except PrivilegeError as error:
        yield Finding("error", "server.user", str(error))
        user = running_user()
    if user.uid == 0 and site.server.user is None:
        yield Finding("warning", "server.user", "is missing, so the server stays root unless twistd is given --uid")
    yield from _program(user)
    yield from _state_dir(site.server.state_dir, user)
    yield from _certificates(site, user, now)
    yield from _authorities("outbound.ca_file", site.outbound.ca_file, user)
    yield from _srs_secrets(site, user)
    yield from _recipient_files(site, user)
    yield from _alias_files(site, user)
    yield from _checkers(site, user)
    yield from _logins(site, user)
    yield from _plugin_path(site, user)
    yield from _plaintext(site)
    yield from _open_lmtp(site)
    yield from _content_filters(site)


def findings_of_file(source: Path, site: Site) -> Iterator[Finding]:
    """Yield what keeps a server that runs from reading its site file again."""
    try:
        user = _server_user(site)
    except PrivilegeError:
        return  # `findings_of` has told
    if unreadable_for(user, [source]):
        text = f"{user.name} can't read {source}, so it couldn't be reloaded"
        yield Finding("warning", "server.user", f"{text}: chgrp {user.name} {source}; chmod 640 {source}")


def errors_of(findings: Iterable[Finding]) -> list[Finding]:
    """Return the findings that keep the server from starting."""
    return [finding for finding in findings if finding.level == "error"]


def _server_user(site: Site) -> User:
    now = running_user()
    user = find_user(site.server.user) if site.server.user else now
    if now.uid not in (0, user.uid):
        raise PrivilegeError(f"only root can become {user.name}, and this is {now.name}")
    return user


def _program(user: User) -> Iterator[Finding]:
    """Once root is given up, the user must be able to import what wasn't imported yet."""
    for file in unreadable_for(user, [Path(__file__), Path(os.__file__)]):
        text = f"{user.name} can't read the program in {file.parent}; install it where everybody can, such as /opt/mta"
        yield Finding("error", "server.user", text)


def _state_dir(path: Path, user: User) -> Iterator[Finding]:
    existing = next(folder for folder in (path, *path.parents) if folder.exists())
    if not existing.is_dir():
        yield Finding("error", "server.state_dir", f"{existing} is no directory")
    elif existing == path and not is_writable_for(user, path):
        yield Finding("error", "server.state_dir", f"{path} is not writable for {user.name}")
    elif existing != path and not is_writable_for(running_user(), existing):
        yield Finding("error", "server.state_dir", f"{path} doesn't exist and can't be made")
    elif not is_passable_for(user, existing):
        yield Finding("error", "server.state_dir", f"{user.name} can't get at it: {existing} is closed to that user")
    elif existing == path and path.stat().st_mode & 0o007:
        yield Finding("warning", "server.state_dir", f"{path} holds mail and is open to everybody: chmod 700 {path}")


def _certificates(site: Site, user: User, now: datetime) -> Iterator[Finding]:
    if site.acme is not None:
        yield from _provided(site, site.acme, user, now)
        return
    if site.tls is None:
        yield Finding("warning", "tls", "there is no certificate, so nobody can send mail here encrypted")
        return
    yield from _certificate(("tls",), site.tls, site.server.hostname, user, now)
    for name, files in site.tls.names.items():
        yield from _certificate(("tls", "names", name), files, name, user, now)
    yield from _policy_hosts(site, site.tls)


def _provided(site: Site, table: ACMETable, user: User, now: datetime) -> Iterator[Finding]:
    """Look at what [acme] provides; there is nothing before the first start."""
    if text := shortcoming_of_acme():
        yield Finding("error", "acme", text)
    yield from _authorities("acme.ca_file", table.ca_file, user)
    for name in site.acme_names:
        try:
            found = standing(site.server.state_dir, name, table, now.timestamp())
            level, text = remark(found, now.timestamp())
        except (CertificateError, OSError) as error:
            level, text = "warning", f"has a certificate that can't be looked at: {error}"
        yield Finding(level, "acme", f"{name} {text}")


def _certificate(
    steps: tuple[str, ...], files: CertificateTable, host: str, user: User, now: datetime
) -> Iterator[Finding]:
    path = key_path(steps)
    try:
        identity = read_identity(files.certificate, files.key)
        server_context(identity)
    except CertificateError as error:
        yield Finding("error", path, str(error))
        return
    for text in shortcomings(identity, [host], now):
        yield Finding("warning", path, f"{files.certificate} {text}")
    lasting = [file for file in (files.certificate, files.key) if not is_credential(file)]
    for file in unreadable_for(user, lasting):
        text = f"{user.name} can't read {file}, so it couldn't be reloaded when it is renewed"
        yield Finding("error", path, f"{text}: chgrp {user.name} {file}; chmod 640 {file}")
    if files.key in lasting and files.key.stat().st_mode & 0o007:
        yield Finding("warning", path, f"{files.key} is open to everybody: chmod o= {files.key}")


def _policy_hosts(site: Site, table: TLSTable) -> Iterator[Finding]:
    """Senders that can't verify the host of an MTA-STS policy have none, and never tell."""
    hosts = [host for host in map(policy_host, site.policies) if host not in table.names]
    try:
        identity = read_identity(table.certificate, table.key)
    except CertificateError:
        return  # it has been told
    for host in (host for host in hosts if not identity.covers(host)):
        where = key_path(("tls", "names", host))
        yield Finding("warning", "mta_sts", f"no certificate is for {host}, so nobody can fetch that policy: {where}")


def _unread(user: User, file: Path) -> str:
    """Say why a file can't be used: it isn't there, or it is closed to the server."""
    try:
        file.stat()
    except FileNotFoundError:
        return f"there is no file {file}"
    except OSError:
        pass
    return f"{user.name} can't read {file}"


def _authorities(path: str, file: Path | None, user: User) -> Iterator[Finding]:
    if file is None:
        return
    if unreadable_for(user, [file]):
        yield Finding("error", path, _unread(user, file))
        return
    try:
        ClientTLS(file)
    except CertificateError as error:
        yield Finding("error", path, str(error))


def _srs_secrets(site: Site, user: User) -> Iterator[Finding]:
    path, file = "forwarding.secret_file", site.forwarding.secret_file
    if file is None or site.forwarding.srs == "never":
        return
    if unreadable_for(user, [file]):
        yield Finding("error", path, _unread(user, file))
        return
    if file.stat().st_mode & 0o007:
        yield Finding("warning", path, f"{file} is open to everybody: chmod o= {file}")
    try:
        read_secrets(file)
    except (OSError, ValueError) as error:
        yield Finding("error", path, str(error))


def _recipient_files(site: Site, user: User) -> Iterator[Finding]:
    for name, domain in site.relayed.items():
        kind, _, file = domain.recipients.partition(":")
        path = key_path(("domains", name, "recipients"))
        if kind != "file":
            continue
        if unreadable_for(user, [Path(file)]):
            yield Finding("error", path, _unread(user, Path(file)))
            continue
        try:
            RecipientFile(Path(file))
        except (OSError, ValueError) as error:
            yield Finding("error", path, str(error))


def _alias_files(site: Site, user: User) -> Iterator[Finding]:
    for name, domain in site.hosted.items():
        path, file = key_path(("domains", name, "aliases_file")), domain.aliases_file
        if file is None:
            continue
        if unreadable_for(user, [file]):
            yield Finding("error", path, _unread(user, file))
            continue
        try:
            AliasFile(file, name)
        except (OSError, ValueError) as error:
            yield Finding("error", path, str(error))


def _checkers(site: Site, user: User) -> Iterator[Finding]:
    for place, table in enumerate(site.checker):
        path = key_path(("checker", place))
        if text := shortcoming(table):
            yield Finding("error", path, text)
        match table:
            case PasswdFileTable():
                yield from _passwd_file(table, f"{path}.path", user)
            case LDAPTable():
                yield from _authorities(f"{path}.ca_file", table.ca_file, user)
                yield from _login(table, f"{path}.auth", user)
            case PAMTable() if not any((folder / table.service).exists() for folder in _PAM_FOLDERS):
                text = f'there is no service {table.service} in /etc/pam.d, so PAM would use "other"'
                yield Finding("warning", f"{path}.service", text)


def _passwd_file(table: PasswdFileTable, path: str, user: User) -> Iterator[Finding]:
    if unreadable_for(user, [table.path]):
        yield Finding("error", path, _unread(user, table.path))
        return
    if table.path.stat().st_mode & 0o007:
        yield Finding("warning", path, f"{table.path} is open to everybody: chmod o= {table.path}")
    for mistake in parse_passwords(table.path.read_bytes(), table.domain).mistakes:
        yield Finding("warning", path, f"{table.path}, {mistake}")


def _logins(site: Site, user: User) -> Iterator[Finding]:
    for place, route in enumerate(site.route):
        yield from _login(route, key_path(("route", place, "auth")), user)
    if site.outbound.fallback is not None:
        yield from _login(site.outbound.fallback, key_path(("outbound", "fallback", "auth")), user)


def _login(way: WayTable | LDAPTable, path: str, user: User) -> Iterator[Finding]:
    if way.auth is None:
        return
    file = way.auth.password_file
    if file is not None:
        if unreadable_for(user, [file]):
            yield Finding("error", path, _unread(user, file))
        elif file.stat().st_mode & 0o007:
            yield Finding("warning", path, f"{file} is open to everybody: chmod o= {file}")
        return
    try:
        read_secret(way.auth.login.password_source)
    except (OSError, ValueError) as error:
        yield Finding("warning", path, f"the password isn't to be found from here: {error}")


def _plugin_path(site: Site, user: User) -> Iterator[Finding]:
    """Whoever writes modules there runs them as the user who starts the server, which is root.

    A reload imports them as the server's user.
    """
    for place, folder in enumerate(site.plugin_path):
        path = key_path(("plugin_path", place))
        if not folder.is_dir():
            yield Finding("warning", path, f"there is no folder {folder}")
            continue
        files = (folder, *sorted(file for file in folder.glob("*.py") if file.exists()))
        for each in unreadable_for(user, files):
            yield Finding("warning", path, f"{user.name} can't read {each}, so a reload couldn't import it")
        for each in files:
            status = each.stat()
            if status.st_mode & 0o022 or status.st_uid not in (0, os.geteuid()):
                text = f"{each} can be changed by others, and is imported as {running_user().name}"
                yield Finding("warning", path, f"{text}: chown {running_user().name} {each}; chmod go-w {each}")


def _plaintext(site: Site) -> Iterator[Finding]:
    for name, listener in site.listen.items():
        if listener.plaintext_login:
            networks = ", ".join(str(network) for network in listener.plaintext_login)
            path = key_path(("listen", name, "plaintext_login"))
            yield Finding("warning", path, f"passwords cross the network in clear from {networks}")


def _open_lmtp(site: Site) -> Iterator[Finding]:
    """LMTP is for the mail system's own hosts: policies and limits stand before it, in whatever hands mail over."""
    for name, listener in site.listen.items():
        if listener.preset.lmtp and not all(parse_endpoint(text).is_private for text in listener.endpoint):
            text = "is open to other hosts: LMTP is for the mail systems in front of this one, so let no other reach it"
            yield Finding("warning", key_path(("listen", name, "endpoint")), text)


def _content_filters(site: Site) -> Iterator[Finding]:
    """What goes to a filter has to come back, from nobody else."""
    back = {name: table for name, table in site.listen.items() if table.preset.takes_back}
    for name, table in site.plugins.items():
        if table.use == "content_filter" and not back:
            text = "sends mail to a content filter, and no listener of role reinject takes it back"
            yield Finding("warning", key_path(("plugins", name)), text)
    for name, listener in back.items():
        if listener.trusted:
            networks = ", ".join(str(network) for network in listener.trusted)
            text = f"whoever connects from {networks} can send anything to anybody: no login is asked for"
            yield Finding("warning", key_path(("listen", name, "trusted")), text)
