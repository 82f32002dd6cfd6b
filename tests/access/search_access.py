"""SEARCH, SORT and THREAD on mailboxes in memory: what is said of a command, as octets."""

from __future__ import annotations

from collections.abc import Iterable
from types import SimpleNamespace
from typing import Any

from fetch_access import Wire
from mail_at_rest import Rest, run

from twistedmail_mta.access.imap import searching, sorting
from twistedmail_mta.access.imap.context import Context
from twistedmail_mta.access.imap.selected import NEVER, Selected
from twistedmail_mta.imap.capability import Extension
from twistedmail_mta.imap.command import Command, read_command
from twistedmail_mta.imap.reader import CommandReader, Complete
from twistedmail_mta.imap.response import encode
from twistedmail_mta.imap.session import ServerSession

FAMILIES = {"SEARCH": searching.search, "SORT": sorting.sort, "THREAD": sorting.thread}


class SearchSession:
    """A session with a mailbox open."""

    def __init__(
        self, rest: Rest, *, enabled: Iterable[Extension] = (), recent_from: int = NEVER, account: int = 1
    ) -> None:
        self.rest = rest
        self.session = ServerSession()
        for extension in enabled:
            self.session.enable(extension)
        self.wire: Any = Wire(self.session)
        self.view = rest.view(account)
        self.selected = Selected(rest.inbox(account), self.view, lambda: None, read_only=False, recent_from=recent_from)
        listener: Any = SimpleNamespace(store=rest.store)
        self.context = Context(listener, self.wire, self.session, lambda: None, selected=self.selected)

    def begin(self, command: Command) -> Any:
        """Return the coroutine that answers a command."""
        return FAMILIES[command.verb.removeprefix("UID ")](self.context, command)

    def say(self, text: str) -> str:
        """Give a command such as "SEARCH ALL"; return all that was said, the tag of the command being "a"."""
        command = read(text)
        response = run(self.begin(command))
        self.wire.flush()
        writes, self.wire.writes = self.wire.writes, []
        return (b"".join(writes) + encode(command.tag, response)).decode()

    def numbers(self, keys: str) -> list[int]:
        """Return the numbers of messages that keys find."""
        answer = self.say(f"SEARCH {keys}")
        line, status, _ = answer.split("\r\n")
        assert status.startswith("a OK"), answer
        return [int(number) for number in line.removeprefix("* SEARCH").split()]


def read(text: str) -> Command:
    """Read a command; strings that aren't ASCII are given as literals."""
    pieces = text.split('"')
    for place in range(1, len(pieces), 2):
        octets = pieces[place].encode()
        pieces[place] = f'"{pieces[place]}"' if octets.isascii() else f"{{{len(octets)}+}}\r\n{pieces[place]}"
    reader = CommandReader()
    reader.receive(b"a " + "".join(pieces).encode() + b"\r\n")
    complete = reader.next_event()
    assert isinstance(complete, Complete)
    command = read_command(complete.parts)
    assert isinstance(command, Command), command
    return command
