"""The site file that a new site begins with: no more than it needs, and what that is for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from twistedmail_mta.founding.layout import Layout

LETS_ENCRYPT: Final = "https://acme-v02.api.letsencrypt.org/directory"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be served.

    Attributes:
        address: of the first account, as `directory.accounts.account_name` spells it.
        hostname: of this host, in A-labels.
        user: whom the server becomes; None: it stays who starts it.
        acme: an authority is to issue the certificates.
        ports: what is added to each port; 0 for a server of the world, any other number for a trial on loopback.
        addresses: of this host as others see it, where the system doesn't know.
    """

    address: str
    hostname: str
    user: str | None
    acme: bool
    ports: int
    addresses: tuple[str, ...] = ()

    @property
    def domain(self) -> str:
        """The domain whose mail is kept here."""
        return self.address.rpartition("@")[2]

    @property
    def postmaster(self) -> str:
        """Who gets what is for those who run the server."""
        return f"postmaster@{self.domain}"


_LISTENERS: Final = (
    ("mx", 25, "mx", "starttls", "mail of other hosts, for the domains above"),
    ("submission", 587, "submission", "starttls", "mail of accounts; TLS by STARTTLS"),
    ("submissions", 465, "submission", "implicit", "the same, TLS from the first octet: what mail programs prefer"),
    ("imaps", 993, "imap", "implicit", "mailboxes, by IMAP"),
    ("pop3s", 995, "pop3", "implicit", "the same, by POP3"),
)


def site_text(wanted: Wanted, layout: Layout) -> str:
    """Return the text of the site file."""
    return "\n".join((*_head(wanted, layout), *_certificates(wanted, layout), *_domains(wanted), *_listeners(wanted)))


def _head(wanted: Wanted, layout: Layout) -> Iterator[str]:
    yield f"# The site file of {wanted.hostname}, begun by `mta quickstart`."
    yield "# `mta check` says what is wrong with it, `mta reload` lets a running server follow it."
    yield "# etc/mta.toml explains every key."
    yield ""
    yield "config_version = 1"
    yield ""
    yield "[server]"
    yield f"hostname  = {_quoted(wanted.hostname)}   # said in EHLO; its PTR record and the certificate say the same"
    yield f"state_dir = {_quoted(str(layout.state_dir))}   # mail, accounts, queue, DKIM keys"
    yield f"admin     = {_quoted(wanted.postmaster)}   # gets what is for postmaster, abuse and the like"
    if wanted.addresses:
        listed = ", ".join(map(_quoted, wanted.addresses))
        yield f"addresses = [{listed}]   # this host, as others see it"
    if wanted.user is not None:
        yield f"user      = {_quoted(wanted.user)}   # whom the server becomes once its ports are bound"
    yield ""


def _certificates(wanted: Wanted, layout: Layout) -> Iterator[str]:
    if wanted.acme:
        yield "[acme]   # an authority issues the certificate, the server renews it; self-signed until the first comes"
        yield f"directory = {_quoted(LETS_ENCRYPT)}"
        yield "agree     = true   # to that authority's terms of service"
        yield f"email     = {_quoted(wanted.address)}"
    else:
        yield "[tls]   # self-signed by mta quickstart: replace both files, or write [acme] instead (docs/operating.md)"
        yield f"certificate = {_quoted(str(layout.certificate))}"
        yield f"key         = {_quoted(str(layout.key))}"
    yield ""


def _domains(wanted: Wanted) -> Iterator[str]:
    yield f"[domains.{_quoted(wanted.domain)}]   # kept here: mta account add, mta alias add"
    yield ""


def _listeners(wanted: Wanted) -> Iterator[str]:
    if wanted.ports:
        yield f"# A trial on loopback: {wanted.ports} is added to each port."
        yield '# For others to reach it: "tcp:25" and so on, without an interface.'
        yield ""
    if wanted.acme:
        yield from _listener(wanted, "acme", 80, "acme", "starttls", "where the authority sees that the name is yours")
    for name, port, role, tls, why in _LISTENERS:
        yield from _listener(wanted, name, port, role, tls, why)


def _listener(wanted: Wanted, name: str, port: int, role: str, tls: str, why: str) -> Iterator[str]:  # noqa: PLR0913, PLR0917 - the columns of the table
    at = f"tcp:{port + wanted.ports}:interface=127.0.0.1" if wanted.ports else f"tcp:{port}"
    yield f"[listen.{name}]   # {why}"
    yield f"endpoint = {_quoted(at)}"
    yield f"role     = {_quoted(role)}"
    if tls == "implicit":
        yield 'tls      = "implicit"'
    yield ""


def _quoted(text: str) -> str:
    r"""Return a TOML basic string."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
