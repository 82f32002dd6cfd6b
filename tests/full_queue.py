"""A site whose queue is full before it starts, and the hosts that its mail is for.

The mail is for three kinds of domains, all found by MX: `live.test`, which
takes everything; `dead.test`, which takes connections and never says a word;
and `q0.test`, `q1.test` ..., each with a host name of its own, which put off
every recipient.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import apsw
import dns.message
import dns.rdatatype
import dns.rrset

from twistedmail_mta.spool.ids import MessageIds
from twistedmail_mta.store.files import DATABASE_NAME
from twistedmail_mta.store.schema import migrate, shipped_migrations

LIVE, DEAD, BUSY = "127.0.0.2", "127.0.0.3", "127.0.0.4"
HEADER = b"From: <old@sender.test>\r\nMessage-ID: <old@sender.test>\r\nSubject: old\r\n\r\n"
SLICE = 10_000

_BODY = "INSERT INTO body (id, refs, size, data) VALUES (?, 1, ?, ?)"
_MESSAGE = """
INSERT INTO message (id, body, size, received_at, sender_local, sender_domain, eight_bit, smtputf8,
                     protocol, peer, helo, listener, header)
VALUES (?, ?, ?, ?, 'old', 'sender.test', 0, 0, 'ESMTP', '192.0.2.1', 'sender.test', 'mx', ?)
"""
_RECIPIENT = """
INSERT INTO recipient (message, n, local, domain, due, since, epoch, attempts, attempted_at,
                       code, status, reply, remote)
VALUES (?, 0, 'someone', ?, ?, ?, 2, 1, ?, 451, '4.4.1', 'No answer', 'mx')
"""


def mixed(dead: int, others: int, domains: int) -> list[str]:
    """Return recipient domains: `dead` times the dead one first, then `others`, spread over `domains`."""
    return ["dead.test"] * dead + [f"q{n % domains}.test" for n in range(others)]


def fill(state_dir: Path, recipients: Iterable[str], *, due: float, spread: float, age: float, size: int) -> None:
    """Write a queue: a message for each recipient, tried once already.

    Args:
        state_dir: of the site; made here.
        recipients: their domains, in the order in which they are due.
        due: when the first is due, in seconds since the epoch.
        spread: seconds from one to the next.
        age: seconds since all were accepted.
        size: octets of each body.
    """
    received_at = time.time() - age
    state_dir.mkdir(mode=0o700)
    connection = apsw.Connection(str(state_dir / DATABASE_NAME))
    connection.pragma("journal_mode", "wal")
    migrate(connection, shipped_migrations())
    ids = MessageIds(lambda: received_at, process=0)
    numbered = iter(enumerate(recipients))
    while part := [(n, ids.new(), domain) for n, domain in islice(numbered, SLICE)]:
        with connection:
            connection.executemany(_BODY, [(key, size, b"x" * (size - 2) + b"\r\n") for _, key, _ in part])
            connection.executemany(
                _MESSAGE, [(key, key, len(HEADER) + size, received_at, HEADER) for _, key, _ in part]
            )
            connection.executemany(
                _RECIPIENT,
                [(key, domain, due + n * spread, received_at, received_at) for n, key, domain in part],
            )
    connection.close()


def rows(state_dir: Path, sql: str) -> list[tuple[object, ...]]:
    """Look into the database of a site, which may run."""
    connection = apsw.Connection(str(state_dir / DATABASE_NAME), flags=apsw.SQLITE_OPEN_READONLY)
    connection.set_busy_timeout(5000)
    try:
        return list(connection.execute(sql))
    finally:
        connection.close()


@dataclass
class Hosts:
    """The name server and the mail hosts; each runs on a port of its own, the hosts on the same.

    Attributes:
        tried: how often a recipient of each domain was named.
        taken: how many messages each host took.
        silent: connections to the dead host that are open.
    """

    port: int = 0
    dns_port: int = 0
    tried: Counter[str] = field(default_factory=Counter)
    taken: int = 0
    silent: int = 0

    def toml(self) -> str:
        """The tables that lead a site here."""
        return (
            f'[dns]\nnameservers = ["127.0.0.1"]\nport = {self.dns_port}\ndnssec = "off"\n'
            f'[outbound]\nport = {self.port}\nallow_networks = ["127.0.0.0/8"]\ntls = "none"\n'
            '[domains."live.test"]\nrelay_to = "mx"\nrecipients = "any"\n'
        )

    async def silence(self, reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        """Be the dead host."""
        self.silent += 1
        with suppress(OSError):
            await reader.read()
        self.silent -= 1

    async def put_off(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Be a host that takes no recipient now."""
        await self._talk(reader, writer, b"450 4.2.0 busy\r\n")

    async def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Be a host that takes everything."""
        await self._talk(reader, writer, b"250 ok\r\n")

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, rcpt: bytes) -> None:
        writer.write(b"220 host\r\n")
        with suppress(OSError, asyncio.IncompleteReadError):
            while line := await reader.readline():
                verb = line[:4].upper()
                if verb == b"RCPT":
                    self.tried[line.partition(b"@")[2].partition(b">")[0].decode()] += 1
                    writer.write(rcpt)
                elif verb == b"DATA" and rcpt.startswith(b"2"):
                    writer.write(b"354 go\r\n")
                    await reader.readuntil(b"\r\n.\r\n")
                    self.taken += 1
                    writer.write(b"250 2.0.0 taken\r\n")
                elif verb == b"QUIT":
                    break
                else:
                    writer.write(b"250-host\r\n250 PIPELINING\r\n" if verb == b"EHLO" else b"250 ok\r\n")
        writer.close()


class _NameServer(asyncio.DatagramProtocol):
    """Knows a mail host of every domain."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        query = dns.message.from_wire(data)
        question, reply = query.question[0], dns.message.make_response(query)
        name = question.name.to_text()
        if question.rdtype == dns.rdatatype.MX:
            reply.answer.append(dns.rrset.from_text(name, 3600, "IN", "MX", f"10 mx.{name}"))
        elif question.rdtype == dns.rdatatype.A:
            address = {"mx.live.test.": LIVE, "mx.dead.test.": DEAD}.get(name, BUSY)
            reply.answer.append(dns.rrset.from_text(name, 3600, "IN", "A", address))
        self._transport.sendto(reply.to_wire(), addr)  # type: ignore[attr-defined]


@contextmanager
def running_hosts() -> Iterator[Hosts]:
    """Run the name server and the hosts, in a thread."""
    hosts, ready, loop = Hosts(), threading.Event(), asyncio.new_event_loop()
    end = asyncio.Event()

    async def run() -> None:
        transport, _ = await loop.create_datagram_endpoint(_NameServer, ("127.0.0.1", 0))
        hosts.dns_port = transport.get_extra_info("sockname")[1]
        servers = [await asyncio.start_server(hosts.take, LIVE, 0)]
        hosts.port = servers[0].sockets[0].getsockname()[1]
        servers += [await asyncio.start_server(hosts.silence, DEAD, hosts.port, backlog=1000)]
        servers += [await asyncio.start_server(hosts.put_off, BUSY, hosts.port, backlog=1000)]
        ready.set()
        await end.wait()
        transport.close()
        for server in servers:
            server.close()
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()

    thread = threading.Thread(target=loop.run_until_complete, args=(run(),), daemon=True)
    thread.start()
    assert ready.wait(10)
    try:
        yield hosts
    finally:
        loop.call_soon_threadsafe(end.set)
        thread.join(10)
        loop.close()
