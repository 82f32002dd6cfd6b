"""Configurations for tests, read from texts instead of files."""

from __future__ import annotations

import fnmatch
from collections.abc import Mapping
from pathlib import Path

from twistedmail_mta.config.site import Site
from twistedmail_mta.founding.layout import one_folder
from twistedmail_mta.migrating.completing import Frame, complete, usable_hostname
from twistedmail_mta.migrating.dovecot.reading import read_dovecot
from twistedmail_mta.migrating.draft import Draft
from twistedmail_mta.migrating.findings import Finding, Outcome
from twistedmail_mta.migrating.hmailserver.reading import read_hmailserver
from twistedmail_mta.migrating.postfix.reading import read_postfix

MASTER = "smtp inet n - y - - smtpd\nsmtp unix - - y - - smtp\nrelay unix - - y - - smtp\n"
SUBMISSION = "submission inet n - y - - smtpd\n  -o smtpd_sasl_auth_enable=yes\n"


class Files(dict[str, str]):
    """Files by path."""

    def read(self, path: str) -> str:
        if path not in self:
            raise OSError("No such file or directory")
        return self[path]

    def find(self, pattern: str) -> list[str]:
        return sorted(path for path in self if fnmatch.fnmatchcase(path, pattern))


class Imported:
    """What came of an import."""

    def __init__(self, draft: Draft, said: str | None) -> None:
        self.draft = draft
        hostname = usable_hostname(draft, said) or "mail.example.org"
        folder = one_folder(Path("/nonexistent/new"))
        self.site: Site
        self.site, self.text = complete(draft, Frame("test", folder, None, hostname))

    def findings(self, setting: str, outcome: Outcome | None = None) -> list[Finding]:
        return [each for each in self.draft.findings if each.setting == setting and outcome in (None, each.outcome)]

    def outcome(self, setting: str) -> str:
        """The outcome of a setting that is told once."""
        (found,) = self.findings(setting)
        return found.outcome

    @property
    def unmapped(self) -> set[str]:
        return {each.setting for each in self.draft.findings if each.outcome == "unmapped"}

    @property
    def aliases(self) -> dict[str, tuple[str, ...]]:
        return {each.address: each.targets for each in self.draft.aliases.values()}


def postfix(main: str, master: str = MASTER, tables: Mapping[str, str] | None = None) -> Imported:
    """Import a Postfix."""
    files = Files({"/etc/postfix/main.cf": main, "/etc/postfix/master.cf": master, **(tables or {})})
    draft = Draft()
    return Imported(draft, read_postfix("/etc/postfix", files.read, "mail.example.org", draft))


def dovecot(conf: str, others: Mapping[str, str] | None = None) -> Imported:
    """Import a Dovecot."""
    files = Files({"/etc/dovecot/dovecot.conf": conf, **(others or {})})
    draft = Draft()
    return Imported(draft, read_dovecot("/etc/dovecot", files.read, files.find, draft))


def hmailserver(*texts: str) -> Imported:
    """Import an hMailServer."""
    draft = Draft()
    named = [(f"dump-{number}", text) for number, text in enumerate(texts, 1)]
    return Imported(draft, read_hmailserver(named, draft))
