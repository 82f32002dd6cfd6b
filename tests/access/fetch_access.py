"""FETCH on mailboxes in memory: what is said of a command, read strictly, and how it was written."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from imap_responses import Fetch, Response, Status, Vanished, parse_response, read_octets
from mail_at_rest import Rest, run

from twistedmail_mta.access.imap.context import Context
from twistedmail_mta.access.imap.fetching import fetch
from twistedmail_mta.access.imap.news import tell_news
from twistedmail_mta.access.imap.selected import NEVER, Selected
from twistedmail_mta.imap.capability import Extension
from twistedmail_mta.imap.command import Command, read_command
from twistedmail_mta.imap.response import encode
from twistedmail_mta.imap.session import ServerSession
from twistedmail_mta.mail.header import split
from twistedmail_mta.mail.structure import structure
from twistedmail_mta.tasks import Promise


class Wire:
    """The part of a connection that answers use; its client takes everything, unless the test says otherwise."""

    def __init__(self, session: ServerSession) -> None:
        self.session = session
        self.writes: list[bytes] = []
        self.aborted: str | None = None
        self.gate: Promise[None] | None = None

    def flush(self) -> None:
        if octets := self.session.bytes_to_send():
            self.writes.append(octets)

    async def room(self) -> None:
        self.flush()
        if self.gate is not None:
            await self.gate

    def abort(self, reason: str) -> None:
        self.aborted = reason


@dataclass
class Told:
    """What was said of a command."""

    status: Status
    responses: list[Response]
    octets: bytes
    writes: list[bytes] = field(default_factory=list)

    @property
    def messages(self) -> list[tuple[int, dict[str, Any]]]:
        """Number and items of each FETCH response."""
        return [(each.number, each.items) for each in self.responses if isinstance(each, Fetch)]

    @property
    def vanished(self) -> list[Vanished]:
        return [each for each in self.responses if isinstance(each, Vanished)]

    def item(self, name: str) -> list[Any]:
        """One item, of each message."""
        return [items[name] for _, items in self.messages]


def read_answer(octets: bytes) -> list[Response]:
    """Return the responses in these octets, read by the grammar."""
    rest = memoryview(octets)
    place = 0

    def line() -> bytes:
        nonlocal place
        begin, place = place, octets.index(b"\n", place) + 1
        return octets[begin:place]

    def take(count: int) -> bytes:
        nonlocal place
        begin, place = place, place + count
        return bytes(rest[begin:place])

    found = []
    while place < len(octets):
        found.append(parse_response(read_octets(line, take)))
    return found


class FetchSession:
    """A session with a mailbox open."""

    def __init__(
        self,
        rest: Rest,
        *,
        read_only: bool = False,
        enabled: Iterable[Extension] = (),
        recent_from: int = NEVER,
        account: int = 1,
    ) -> None:
        self.rest = rest
        self.session = ServerSession()
        for extension in enabled:
            self.session.enable(extension)
        self.wire = Wire(self.session)
        self.view = rest.view(account)
        self.selected = Selected(
            rest.inbox(account), self.view, lambda: None, read_only=read_only, recent_from=recent_from
        )
        wire: Any = self.wire
        listener: Any = SimpleNamespace(store=rest.store)
        self.context = Context(listener, wire, self.session, lambda: None, selected=self.selected)

    def begin(self, text: str | bytes) -> Any:
        """Return the coroutine that answers a command."""
        octets = text.encode() if isinstance(text, str) else text
        return fetch(self.context, read(octets))

    def fetch(self, text: str | bytes) -> Told:
        """Give a command, such as "FETCH 1 FLAGS"; return what was said."""
        response = run(self.begin(text))
        self.wire.flush()
        writes, self.wire.writes = self.wire.writes, []
        octets = b"".join(writes)
        (status,) = read_answer(encode(b"a", response))
        assert isinstance(status, Status)
        return Told(status, read_answer(octets), octets, writes)

    def news(self, *, expunges: bool = False) -> list[Response]:
        """Return what a command that says nothing itself would tell."""
        run(tell_news(self.context, expunges=expunges))
        self.wire.flush()
        writes, self.wire.writes = self.wire.writes, []
        return read_answer(b"".join(writes))


def read(octets: bytes) -> Command:
    """Read a command without literals."""
    command = read_command((b"a " + octets,))
    assert isinstance(command, Command), command
    return command


def put(rest: Rest, *messages: bytes, account: int = 1, file: bool = False, **options: Any) -> list[int]:
    """Put messages into an INBOX as they are; return their UIDs."""
    incoming = []
    for message in messages:
        header, body = split(message)
        made = rest.incoming(header=header, body=rest.body(body, file=file), **options)
        object.__setattr__(made, "structure", structure(header, body))
        incoming.append(made)
    return list(run(rest.store.append(rest.inbox(account).id, incoming)))
