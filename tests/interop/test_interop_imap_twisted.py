"""The IMAP client of Twisted, whose server we don't use."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from io import BytesIO

import pytest
import pytest_twisted
from interop_imap_messages import kinds, note, with_attachments
from interop_imap_site import HOST, SPECIAL, Account
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import HostnameEndpoint, connectProtocol, wrapClientTLS
from twisted.internet.ssl import Certificate, optionsForClientTLS
from twisted.mail.imap4 import IMAP4Client, MessageSet


class Client(IMAP4Client):
    """A client that says when it was greeted, and when it is gone."""

    def __init__(self) -> None:
        super().__init__()
        self.greeted, self.gone = Deferred[None](), Deferred[None]()

    def serverGreeting(self, caps: object) -> None:  # noqa: N802 - Twisted's name
        self.greeted.callback(None)

    def connectionLost(self, reason: object = None) -> None:  # noqa: N802
        super().connectionLost(reason)
        self.gone.callback(None)


@asynccontextmanager
async def logged_in(account: Account, *, tls: bool) -> AsyncIterator[Client]:
    """A session that ends with LOGOUT, over TLS from the start or after STARTTLS."""
    options = optionsForClientTLS(HOST, trustRoot=Certificate.loadPEM(account.trusted.read_bytes()))
    endpoint = HostnameEndpoint(reactor, HOST, account.implicit if tls else account.starttls)
    client = await connectProtocol(wrapClientTLS(options, endpoint) if tls else endpoint, Client())
    await client.greeted
    if not tls:
        await client.startTLS(options)
    await client.login(account.user.encode(), account.password.encode())
    yield client
    await client.logout()
    client.transport.loseConnection()
    await client.gone


@pytest.mark.parametrize("tls", [False, True], ids=["starttls", "implicit"])
@pytest_twisted.ensureDeferred
async def test_octets(account: Account, tls: bool) -> None:
    """What is appended is read as it was."""
    async with logged_in(account, tls=tls) as client:
        for message in kinds().values():
            await client.append("Archive", BytesIO(message), [r"\Seen"])
        assert (await client.select("Archive"))["EXISTS"] == len(kinds())
        whole = await client.fetchSpecific(MessageSet(1, None), peek=True)
        stored = [whole[number][0][-1] for number in sorted(whole)]
        assert stored == [message.decode("latin-1") for message in kinds().values()]


@pytest_twisted.ensureDeferred
async def test_folders_and_messages(account: Account) -> None:
    """Folders, flags, search, copies, and mail that comes in."""
    async with logged_in(account, tls=True) as client:
        listed = {name: set(flags) for flags, _, name in await client.list("", "*")}
        assert all(use in listed[name] for use, name in SPECIAL.items())
        await client.create("Gr\u00fc\u00dfe & mehr")
        await client.rename("Gr\u00fc\u00dfe & mehr", "\u4f60\u597d")
        await client.subscribe("\u4f60\u597d")
        assert "\u4f60\u597d" in [name for _, _, name in await client.lsub("", "*")]
        assert (await client.status("\u4f60\u597d", "MESSAGES"))["MESSAGES"] == 0
        await client.select("INBOX")
        account.deliver(with_attachments("parts"))
        account.deliver(note("second"))
        assert [b"2", b"EXISTS"] in await client.noop()
        assert await client.search("SUBJECT", "parts") == [1]
        (envelope,) = (await client.fetchEnvelope("1")).values()
        assert envelope["ENVELOPE"][1] == "parts"
        (structure,) = (await client.fetchBodyStructure("1")).values()
        assert [part[1] for part in structure["BODYSTRUCTURE"][:3]] == ["plain", "png", "rfc822"]
        await client.addFlags("2", [r"\Deleted"])
        await client.copy("2", "\u4f60\u597d", uid=False)
        assert await client.expunge() == [2]
        assert (await client.namespace())[0] == [["", "/"]]
        await client.close()
        await client.delete("\u4f60\u597d")
