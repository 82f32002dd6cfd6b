"""All that a server looks at before it starts, and `mta check` with it: files, users, certificates, directories."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from twistedmail_mta.checks.certificates import findings_of_authorities, findings_of_certificates
from twistedmail_mta.checks.domains import findings_of_domains
from twistedmail_mta.checks.exposure import findings_of_exposure
from twistedmail_mta.checks.finding import Finding, about
from twistedmail_mta.checks.logins import findings_of_checkers, findings_of_logins
from twistedmail_mta.checks.permissions import (
    findings_of_plugin_path,
    findings_of_program,
    findings_of_secrets,
    findings_of_state_dir,
)
from twistedmail_mta.config.site import Site
from twistedmail_mta.privileges import PrivilegeError, User, find_user, running_user, unreadable_for


def findings_of(site: Site, now: datetime) -> Iterator[Finding]:
    """Yield everything found, errors, warnings and notes, in the order of the site file; asks nobody else."""
    try:
        user = _server_user(site)
    except PrivilegeError as error:
        yield Finding("error", "server.user", str(error), _mend_of_user(site), "permissions")
        user = running_user()
    if user.uid == 0 and site.server.user is None:
        text = "is missing, so the server stays root unless twistd is given --uid"
        mend = 'make a user for the server, such as `useradd --system mta`, and name it: user = "mta"'
        yield Finding("warning", "server.user", text, mend, "permissions")
    yield from about("permissions", findings_of_program(user))
    yield from about("permissions", findings_of_state_dir(site.server.state_dir, user))
    yield from about("certificates", findings_of_certificates(site, user, now))
    yield from about("certificates", findings_of_authorities("outbound.ca_file", site.outbound.ca_file, user))
    yield from about("permissions", findings_of_secrets(site, user))
    yield from about("domains", findings_of_domains(site, user))
    yield from about("logins", findings_of_checkers(site, user))
    yield from about("logins", findings_of_logins(site, user))
    yield from about("plugins", findings_of_plugin_path(site, user))
    yield from about("exposure", findings_of_exposure(site))


def findings_of_file(source: Path, site: Site) -> Iterator[Finding]:
    """Yield what keeps a server that runs from reading its site file again."""
    try:
        user = _server_user(site)
    except PrivilegeError:
        return  # `findings_of` has told
    if unreadable_for(user, [source]):
        text = f"{user.name} can't read {source}, so it couldn't be reloaded"
        mend = f"chgrp {user.name} {source}; chmod 640 {source}"
        yield Finding("warning", "server.user", text, mend, "permissions")


def _server_user(site: Site) -> User:
    now = running_user()
    user = find_user(site.server.user) if site.server.user else now
    if now.uid not in (0, user.uid):
        raise PrivilegeError(f"only root can become {user.name}, and this is {now.name}")
    return user


def _mend_of_user(site: Site) -> str:
    """Say what to do about a user whom this process can't become."""
    name = site.server.user or ""
    try:
        find_user(name)
    except PrivilegeError:
        return f"useradd --system --home-dir {site.server.state_dir} --shell /usr/sbin/nologin {name}"
    return f"do this as root or as {name}"
