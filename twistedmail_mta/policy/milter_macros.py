"""The macros that filters are given, as Sendmail and Postfix name them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from twistedmail_mta.model import Address, Recipient
from twistedmail_mta.stages import Client, MailFrom

VERSION: Final = b"twistedmail-mta"


def client_name(client: Client, name: str) -> str:
    """Return what SMFIC_CONNECT calls a client: a name that leads to its address, or the address in brackets."""
    return name or (f"[{client.host}]" if client.host else "localhost")


def of_client(client: Client, name: str, hostname: str) -> dict[bytes, bytes]:
    """Return the macros of a client.

    Args:
        client: who it is.
        name: a name that leads to its address; empty if there is none.
        hostname: ours.
    """
    tls_version, _, cipher = client.tls.partition(" ")
    known = name or "unknown"
    return _values(
        {
            b"j": hostname,
            b"_": f"{known} [{client.host}]" if client.host else "localhost",
            b"{daemon_name}": client.listener,
            b"{daemon_addr}": client.local_host,
            b"{daemon_port}": str(client.local_port or ""),
            b"{if_name}": hostname,
            b"{if_addr}": client.local_host,
            b"{client_addr}": client.host,
            b"{client_name}": known,
            b"{client_ptr}": known,
            b"{client_port}": str(client.port or ""),
            b"{client_resolve}": "OK" if name else "FAIL",
            b"{tls_version}": tls_version,
            b"{cipher}": cipher,
            b"{auth_type}": client.mechanism,
            b"{auth_authen}": client.account or "",
            b"s": client.helo,
        }
    ) | {b"v": VERSION}


def of_mail(mail: MailFrom) -> dict[bytes, bytes]:
    """Return the macros of a message."""
    author = next((word.removeprefix("AUTH=") for word in mail.parameters if word.startswith("AUTH=")), "")
    return _values(
        {
            b"i": mail.id,
            b"{mail_addr}": str(mail.sender),
            b"{mail_host}": mail.sender.domain,
            b"{auth_author}": author,
            b"f": str(mail.sender),
        }
    )


def of_recipient(recipient: Recipient) -> dict[bytes, bytes]:
    """Return the macros of a recipient."""
    return _values({b"{rcpt_addr}": str(recipient.address), b"{rcpt_host}": recipient.address.domain})


def path(address: Address) -> bytes:
    """Return an address as MAIL and RCPT say it."""
    return f"<{address}>".encode()


def recipient_words(recipient: Recipient) -> tuple[bytes, ...]:
    """Return the parameters of RCPT as a client would say them."""
    notify = ["NOTIFY=" + ",".join(sorted(recipient.notify))] if recipient.notify else []
    orcpt = [f"ORCPT={recipient.orcpt}"] if recipient.orcpt is not None else []
    return tuple(word.encode() for word in (*notify, *orcpt))


def _values(texts: Mapping[bytes, str]) -> dict[bytes, bytes]:
    return {name: text.encode("utf-8", "replace") for name, text in texts.items() if text}
