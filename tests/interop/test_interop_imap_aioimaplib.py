"""aioimaplib, on an event loop: mail is announced while the client waits."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aioimaplib import IMAP4, IMAP4_SSL, Response
from interop_daemons import PATIENCE
from interop_imap_messages import kinds, note
from interop_imap_site import HOST, SPECIAL, Account


@asynccontextmanager
async def logged_in(account: Account, *, tls: bool) -> AsyncIterator[IMAP4]:
    """A session that ends with LOGOUT; in clear where TLS isn't from the start, since this client has no STARTTLS."""
    if tls:
        client = IMAP4_SSL(HOST, account.implicit, ssl_context=account.context(), timeout=PATIENCE)
    else:
        client = IMAP4(HOST, account.clear, timeout=PATIENCE)
    await client.wait_hello_from_server()
    done(await client.login(account.user, account.password))
    yield client
    done(await client.logout())


def done(answer: Response) -> list[bytes]:
    """Return the lines of an answer that says OK, without the last."""
    assert answer.result == "OK", answer
    return answer.lines[:-1]


async def told(client: IMAP4, line: bytes) -> None:
    """Wait in IDLE until the server says `line`."""
    waiting = await client.idle_start(PATIENCE)
    while line not in await client.wait_server_push(PATIENCE):
        pass
    client.idle_done()
    done(await waiting)


@pytest.mark.parametrize("tls", [False, True], ids=["clear", "implicit"])
def test_octets(account: Account, tls: bool) -> None:
    """What is appended is read as it was."""

    async def session() -> None:
        async with logged_in(account, tls=tls) as client:
            for message in kinds().values():
                done(await client.append(message, "Archive", r"\Seen"))
            assert f"{len(kinds())} EXISTS".encode() in done(await client.select("Archive"))
            lines = done(await client.fetch("1:*", "(UID FLAGS BODY.PEEK[])"))
            assert [bytes(line) for line in lines if isinstance(line, bytearray)] == list(kinds().values())

    asyncio.run(session())


def test_idle(account: Account) -> None:
    """A message that comes in, a flag and a removal are told to who waits."""

    async def session() -> None:
        async with logged_in(account, tls=True) as waiting, logged_in(account, tls=False) as other:
            done(await waiting.select())
            account.deliver(note("news"))
            await told(waiting, b"1 EXISTS")
            done(await other.select())
            done(await other.store("1", "+FLAGS.SILENT", r"(\Deleted)"))
            done(await other.expunge())
            await told(waiting, b"1 EXPUNGE")
            done(await waiting.noop())

    asyncio.run(session())


def test_idle_before_the_mail(account: Account) -> None:
    """The announcement comes while the client is waiting, not when it asks next."""

    async def session() -> None:
        async with logged_in(account, tls=True) as client:
            done(await client.select())
            waiting = await client.idle_start(PATIENCE)
            await asyncio.get_running_loop().run_in_executor(None, account.deliver, note("news"))
            assert b"1 EXISTS" in await client.wait_server_push(PATIENCE)
            client.idle_done()
            done(await waiting)
            (flags, *_) = done(await client.fetch("1", "(FLAGS)"))
            assert rb"\Seen" not in flags

    asyncio.run(session())


def test_folders_and_messages(account: Account) -> None:
    """Folders come and go; messages are found, copied and moved."""

    async def session() -> None:
        async with logged_in(account, tls=True) as client:
            listed = done(await client.list('""', "*"))
            assert all(any(use.encode() in line for line in listed) for use in SPECIAL)
            done(await client.create("Work"))
            done(await client.subscribe("Work"))
            done(await client.rename("Work", "Play"))
            done(await client.append(note("first"), "Play"))
            done(await client.append(note("second"), "Play"))
            done(await client.select("Play"))
            assert done(await client.search("SUBJECT", "second"))[0] == b"2"
            assert done(await client.uid_search("ALL", charset=None))[0] == b"1 2"
            done(await client.copy("1", "Archive"))
            done(await client.uid("move", "2", "Trash"))
            done(await client.close())
            assert done(await client.status("Play", "(MESSAGES)"))[0].endswith(b"(MESSAGES 1)")
            done(await client.delete("Play"))
            assert "OK" not in (await client.select("Play")).result

    asyncio.run(session())


def test_about_the_account(account: Account) -> None:
    """ID, NAMESPACE and QUOTA."""

    async def session() -> None:
        async with logged_in(account, tls=True) as client:
            assert done(await client.id(name="aioimaplib"))
            assert done(await client.namespace())[0] == b'(("" "/")) NIL NIL'
            assert any(b"STORAGE 0 102400" in line for line in done(await client.getquotaroot("INBOX")))
            done(await client.enable("CONDSTORE"))

    asyncio.run(session())
