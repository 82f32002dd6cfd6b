"""Who can read what: the program, the state directory, secrets, modules of plugins."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from twistedmail_mta.checks.finding import Finding
from twistedmail_mta.config.problems import key_path
from twistedmail_mta.config.site import Site
from twistedmail_mta.directory.return_paths import read_secrets
from twistedmail_mta.privileges import User, is_passable_for, is_writable_for, running_user, unreadable_for

_OTHERS = 0o007


def findings_of_program(user: User) -> Iterator[Finding]:
    """Once root is given up, the user must be able to import what wasn't imported yet."""
    for file in unreadable_for(user, [Path(__file__), Path(os.__file__)]):
        text = f"{user.name} can't read the program in {file.parent}"
        yield Finding("error", "server.user", text, "install it where everybody can, such as /opt/mta")


def findings_of_state_dir(path: Path, user: User) -> Iterator[Finding]:
    """Look whether the user of the server can use the state directory, and nobody else."""
    existing = next(folder for folder in (path, *path.parents) if folder.exists())
    if not existing.is_dir():
        yield Finding("error", "server.state_dir", f"{existing} is no directory", "name another, or move it away")
    elif existing == path and not is_writable_for(user, path):
        text = f"{path} is not writable for {user.name}"
        yield Finding("error", "server.state_dir", text, f"chown -R {user.name} {path}; chmod 700 {path}")
    elif existing != path and not is_writable_for(running_user(), existing):
        mend = f"make it as root: install -d -m 700 -o {user.name} {path}"
        yield Finding("error", "server.state_dir", f"{path} doesn't exist and can't be made", mend)
    elif not is_passable_for(user, existing):
        text = f"{user.name} can't get at it: {existing} is closed to that user"
        yield Finding("error", "server.state_dir", text, f"chmod o+x {existing}, or put the state directory elsewhere")
    elif existing == path:
        yield from _ownership(path, user)


def findings_of_secrets(site: Site, user: User) -> Iterator[Finding]:
    """Look at the file of secrets that rewritten senders are signed with."""
    path, file = "forwarding.secret_file", site.forwarding.secret_file
    if file is None or site.forwarding.srs == "never":
        return
    if unreadable_for(user, [file]):
        yield unread(path, user, file)
        return
    yield from open_to_everybody(path, file)
    try:
        read_secrets(file)
    except (OSError, ValueError) as error:
        yield Finding("error", path, str(error), "docs/operating.md says what belongs there")


def findings_of_plugin_path(site: Site, user: User) -> Iterator[Finding]:
    """Whoever writes modules there runs them as the user who starts the server, which is root.

    A reload imports them as the server's user.
    """
    for place, folder in enumerate(site.plugin_path):
        path = key_path(("plugin_path", place))
        if not folder.is_dir():
            yield Finding("warning", path, f"there is no folder {folder}", "make it, or take it out of plugin_path")
            continue
        files = (folder, *sorted(file for file in folder.glob("*.py") if file.exists()))
        for each in unreadable_for(user, files):
            text = f"{user.name} can't read {each}, so a reload couldn't import it"
            yield Finding("warning", path, text, f"chmod o=rX {each}")
        yield from _foreign_hands(path, files)


def open_to_everybody(path: str, file: Path) -> Iterator[Finding]:
    """Tell of a secret in a file that all users of this system can read."""
    if file.stat().st_mode & _OTHERS:
        yield Finding("warning", path, f"{file} is open to everybody", f"chmod o= {file}")


def unread(path: str, user: User, file: Path) -> Finding:
    """Say why a file can't be used: it isn't there, or it is closed to the server."""
    try:
        file.stat()
    except FileNotFoundError:
        return Finding("error", path, f"there is no file {file}", "put it there, or correct the name")
    except OSError:
        pass
    return Finding("error", path, f"{user.name} can't read {file}", f"chgrp {user.name} {file}; chmod 640 {file}")


def _ownership(path: Path, user: User) -> Iterator[Finding]:
    status = path.stat()
    if status.st_mode & _OTHERS:
        text = f"{path} holds mail and is open to everybody"
        yield Finding("warning", "server.state_dir", text, f"chmod 700 {path}")
    if status.st_uid != user.uid:
        text = f"{path} doesn't belong to {user.name}, so commands of root wouldn't act as the server does"
        yield Finding("warning", "server.state_dir", text, f"chown -R {user.name} {path}")


def _foreign_hands(path: str, files: tuple[Path, ...]) -> Iterator[Finding]:
    me = running_user().name
    for each in files:
        status = each.stat()
        if status.st_mode & 0o022 or status.st_uid not in (0, os.geteuid()):
            text = f"{each} can be changed by others, and is imported as {me}"
            yield Finding("warning", path, text, f"chown {me} {each}; chmod go-w {each}")
