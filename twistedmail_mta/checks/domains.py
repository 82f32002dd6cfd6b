"""Files of recipients and of aliases, as domains name them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from twistedmail_mta.checks.finding import Finding
from twistedmail_mta.checks.permissions import unread
from twistedmail_mta.config.problems import key_path
from twistedmail_mta.config.site import Site
from twistedmail_mta.directory.alias_file import AliasFile
from twistedmail_mta.directory.recipients import RecipientFile
from twistedmail_mta.privileges import User, unreadable_for

_ONE_ADDRESS = "put one address on a line, and nothing else"
_AS_ALIASES = 'write it as aliases(5) has it, "name: target, target"; see docs/operating.md'


def findings_of_domains(site: Site, user: User) -> Iterator[Finding]:
    """Look at the files that relayed domains, and hosted ones, name."""
    for name, domain in site.relayed.items():
        kind, _, file = domain.recipients.partition(":")
        if kind == "file":
            path = key_path(("domains", name, "recipients"))
            yield from _read(path, Path(file), user, RecipientFile, _ONE_ADDRESS)
    for name, hosted in site.hosted.items():
        if hosted.aliases_file is not None:
            path = key_path(("domains", name, "aliases_file"))
            yield from _read(path, hosted.aliases_file, user, partial(AliasFile, domain=name), _AS_ALIASES)


def _read(path: str, file: Path, user: User, read: Callable[[Path], object], mend: str) -> Iterator[Finding]:
    if unreadable_for(user, [file]):
        yield unread(path, user, file)
        return
    try:
        read(file)
    except (OSError, ValueError) as error:
        yield Finding("error", path, str(error), mend)
