"""Certificates: those of files and those of an authority; names, expiry, chain, key, and who can read them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from twistedmail_mta.acme.application import shortcoming as shortcoming_of_acme
from twistedmail_mta.acme.files import standing
from twistedmail_mta.acme.words import remark
from twistedmail_mta.checks.finding import Finding
from twistedmail_mta.checks.permissions import open_to_everybody, unread
from twistedmail_mta.config.acme import ACMETable
from twistedmail_mta.config.problems import key_path
from twistedmail_mta.config.secrets import is_credential
from twistedmail_mta.config.site import CertificateTable, Site, TLSTable
from twistedmail_mta.mta_sts.policy import policy_host
from twistedmail_mta.privileges import User, unreadable_for
from twistedmail_mta.tls.certificates import CertificateError, Identity, read_identity, shortcomings
from twistedmail_mta.tls.chains import gap
from twistedmail_mta.tls.client import ClientTLS
from twistedmail_mta.tls.server import server_context

_ANOTHER = "get another that is, and `mta reload`; or let the server get them by itself: [acme], see docs/operating.md"


def findings_of_certificates(site: Site, user: User, now: datetime) -> Iterator[Finding]:
    """Look at what clients are shown, by every name."""
    if site.acme is not None:
        yield from _provided(site, site.acme, user, now)
        return
    if site.tls is None:
        text = "there is no certificate, so nobody can send mail here encrypted"
        yield Finding("warning", "tls", text, "add [tls] with certificate and key, or [acme]; see docs/operating.md")
        return
    yield from _certificate(("tls",), site.tls, site.server.hostname, user, now)
    for name, files in site.tls.names.items():
        yield from _certificate(("tls", "names", name), files, name, user, now)
    yield from _policy_hosts(site, site.tls)


def findings_of_authorities(path: str, file: Path | None, user: User) -> Iterator[Finding]:
    """Look at a file of authorities that vouch for others."""
    if file is None:
        return
    if unreadable_for(user, [file]):
        yield unread(path, user, file)
        return
    try:
        ClientTLS(file)
    except CertificateError as error:
        yield Finding("error", path, str(error), "put the certificates of authorities there, in PEM form")


def _provided(site: Site, table: ACMETable, user: User, now: datetime) -> Iterator[Finding]:
    """Look at what [acme] provides; there is nothing before the first start."""
    if text := shortcoming_of_acme():
        yield Finding("error", "acme", text, "install it beside the server, in the same environment")
    yield from findings_of_authorities("acme.ca_file", table.ca_file, user)
    for name in site.acme_names:
        try:
            found = standing(site.server.state_dir, name, table, now.timestamp())
            level, text = remark(found, now.timestamp())
        except (CertificateError, OSError) as error:
            level, text = "warning", f"has a certificate that can't be looked at: {error}"
        mend = f"`mta acme status` says what the authority said, `mta acme renew {name}` asks again"
        yield Finding(level, "acme", f"{name} {text}", mend if level == "warning" else "")


def _certificate(
    steps: tuple[str, ...], files: CertificateTable, host: str, user: User, now: datetime
) -> Iterator[Finding]:
    path = key_path(steps)
    try:
        identity = read_identity(files.certificate, files.key)
        server_context(identity)
    except CertificateError as error:
        mend = "certificate names a PEM file with the whole chain, key one with the key of its first certificate"
        yield Finding("error", path, str(error), mend)
        return
    for text in shortcomings(identity, [host], now):
        yield Finding("warning", path, f"{files.certificate} {text}", _ANOTHER)
    yield from _chain(path, files, identity)
    yield from _readable(path, files, user)


def _chain(path: str, files: CertificateTable, identity: Identity) -> Iterator[Finding]:
    """Tell of certificates that are missing on the way to an authority, which few clients look for themselves."""
    if identity.is_self_signed:
        text = f"{files.certificate} is self-signed: mail programs ask before they trust it"
        yield Finding("note", path, text)
    elif problem := gap(identity.chain):
        mend = (
            "put the certificates of those who issued it behind it in the same file; authorities call it fullchain.pem"
        )
        yield Finding("warning", path, f"{files.certificate} {problem}", mend)


def _policy_hosts(site: Site, table: TLSTable) -> Iterator[Finding]:
    """Senders that can't verify the host of an MTA-STS policy have none, and never tell."""
    hosts = [host for host in map(policy_host, site.policies) if host not in table.names]
    try:
        identity = read_identity(table.certificate, table.key)
    except CertificateError:
        return  # it has been told
    for host in (host for host in hosts if not identity.covers(host)):
        text = f"no certificate is for {host}, so nobody can fetch that policy"
        yield Finding("warning", "mta_sts", text, f"name one that is in {key_path(('tls', 'names', host))}")


def _readable(path: str, files: CertificateTable, user: User) -> Iterator[Finding]:
    lasting = [file for file in (files.certificate, files.key) if not is_credential(file)]
    for file in unreadable_for(user, lasting):
        text = f"{user.name} can't read {file}, so it couldn't be reloaded when it is renewed"
        yield Finding("error", path, text, f"chgrp {user.name} {file}; chmod 640 {file}")
    if files.key in lasting:
        yield from open_to_everybody(path, files.key)
