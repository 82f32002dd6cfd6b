"""A strict IMAP client: it believes nothing that the grammar and the rules of RFC 9051 don't allow."""

from __future__ import annotations

import re
import socket
import ssl
from dataclasses import dataclass, field
from typing import Any, Protocol, Self, TypeVar

from imap_mirror import Ledger, Mirror
from imap_responses import (
    Continuation,
    Fetch,
    Found,
    Listed,
    Numbered,
    Response,
    Status,
    Told,
    Vanished,
    parse_response,
    read_octets,
)

T = TypeVar("T")
PATIENCE = 60.0
_AWARE = re.compile(
    r"\A(?:(?:SELECT|EXAMINE) .* \(.*(?:CONDSTORE|QRESYNC).*\)"
    r"|STATUS .*HIGHESTMODSEQ|(?:UID )?FETCH .*(?:MODSEQ|CHANGEDSINCE)|(?:UID )?STORE .*UNCHANGEDSINCE"
    r"|(?:UID )?(?:SEARCH|SORT|THREAD) .*MODSEQ|ENABLE .*(?:CONDSTORE|QRESYNC))",
    re.IGNORECASE | re.DOTALL,
)
"""Commands that make a client CONDSTORE-aware (RFC 7162 section 3.1)."""


class Wire(Protocol):
    """What a client talks through."""

    def send(self, octets: bytes) -> None:
        """Send octets."""

    def line(self) -> bytes:
        """Return a line with its end; empty at the end of the connection."""

    def take(self, count: int) -> bytes:
        """Return so many octets."""

    def close(self) -> None:
        """Hang up."""


class SocketWire:
    """A connection to a port of this host, or one that is there."""

    def __init__(self, to: int | socket.socket, *, tls: bool = False) -> None:
        self.socket = socket.create_connection(("127.0.0.1", to), PATIENCE) if isinstance(to, int) else to
        self._file = self.socket.makefile("rb")
        if tls:
            self.start_tls()

    def start_tls(self) -> None:
        """Change to TLS; the certificate isn't looked at."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        self._file.close()
        self.socket = context.wrap_socket(self.socket, server_hostname="mail.example.org")
        self._file = self.socket.makefile("rb")

    def send(self, octets: bytes) -> None:
        self.socket.sendall(octets)

    def line(self) -> bytes:
        return self._file.readline()

    def take(self, count: int) -> bytes:
        octets = self._file.read(count)
        assert len(octets) == count
        return octets

    def close(self) -> None:
        self._file.close()
        self.socket.close()


@dataclass(frozen=True)
class Literal:
    """A counted string in a command: `plus` without waiting, `binary` as literal8."""

    octets: bytes
    plus: bool = False
    binary: bool = False

    @property
    def announcement(self) -> bytes:
        """What goes before it."""
        return b"~" * self.binary + b"{%d%s}\r\n" % (len(self.octets), b"+" * self.plus)


@dataclass
class Answer:
    """What came between a command and its tagged response, which is the last."""

    status: Status
    untagged: list[Response] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        return self.status.condition == "OK"

    def of(self, kind: type[T]) -> list[T]:
        """Return the untagged responses of a kind."""
        return [response for response in self.untagged if isinstance(response, kind)]

    def told(self, kind: str) -> list[Any]:
        """Return the values of such untagged responses."""
        return [response.value for response in self.of(Told) if response.kind == kind]

    def one(self, kind: str) -> Any:
        """Return the value of the only such response."""
        (value,) = self.told(kind)
        return value

    def numbered(self, kind: str) -> list[int]:
        """Return the numbers of EXISTS, RECENT or EXPUNGE."""
        return [response.number for response in self.of(Numbered) if response.kind == kind]

    def codes(self) -> dict[str, Any]:
        """Return the response codes, the tagged one's too."""
        return {status.code: status.argument for status in [*self.of(Status), self.status] if status.code}

    def fetched(self) -> dict[int, dict[str, Any]]:
        """Return what was told of messages, by number; of the same item the last."""
        found: dict[int, dict[str, Any]] = {}
        for fetch in self.of(Fetch):
            found.setdefault(fetch.number, {}).update(fetch.items)
        return found

    def by_uid(self) -> dict[int, dict[str, Any]]:
        """Return what was told with UIDs, by these; numbers may have changed meanwhile."""
        found: dict[int, dict[str, Any]] = {}
        for fetch in self.of(Fetch):
            if "UID" in fetch.items:
                found.setdefault(fetch.items["UID"], {}).update(fetch.items)
        return found

    def searched(self) -> list[int]:
        """Return what SEARCH or SORT found."""
        kinds = [response for response in self.of(Told) if response.kind in ("SEARCH", "SORT")]
        (found,) = kinds
        return found.value[0]

    def found(self) -> Found:
        """Return the only ESEARCH."""
        (found,) = self.of(Found)
        return found

    def listed(self) -> dict[bytes, Listed]:
        """Return what LIST or LSUB told, by name."""
        listed = self.of(Listed)
        assert len({each.name for each in listed}) == len(listed), "a mailbox is listed twice"
        return {each.name: each for each in listed}


class Client:
    """A session.

    Attributes:
        mirror: the mailbox that is open.
        enabled: extensions, as ENABLED told them.
        aware: of mod-sequences (RFC 7162 section 3.1).
        capabilities: as they were last told.
    """

    def __init__(self, wire: Wire, ledger: Ledger | None = None, *, prefix: str = "a") -> None:
        """Read the greeting."""
        self.wire = wire
        self.ledger = ledger or Ledger()
        self.mirror: Mirror | None = None
        self.enabled: set[str] = set()
        self.aware = False
        self.capabilities: list[str] = []
        self._prefix = prefix
        self._count = 0
        self._running: list[tuple[str, str]] = []
        self._aware_after: dict[str, bool] = {}
        self._opening: Mirror | None = None
        self._left = False
        greeting = self.read()
        assert isinstance(greeting, Status)
        assert greeting.condition in ("OK", "PREAUTH", "BYE"), greeting
        self.greeting = greeting

    # Commands

    def command(self, *parts: str | bytes | Literal) -> Answer:
        """Send a command and read up to its answer."""
        return self.finish(self.start(*parts))

    def ok(self, *parts: str | bytes | Literal) -> Answer:
        """The same, and it must succeed."""
        answer = self.command(*parts)
        assert answer.ok, (parts, answer.status)
        return answer

    def no(self, *parts: str | bytes | Literal) -> Status:
        """The same, and it must be answered NO."""
        answer = self.command(*parts)
        assert answer.status.condition == "NO", (parts, answer.status)
        return answer.status

    def bad(self, *parts: str | bytes | Literal) -> Status:
        """The same, and it must be answered BAD."""
        answer = self.command(*parts)
        assert answer.status.condition == "BAD", (parts, answer.status)
        return answer.status

    def start(self, *parts: str | bytes | Literal) -> str:
        """Send a command without reading its answer; only what goes before literals that wait is read."""
        self._count += 1
        tag = f"{self._prefix}{self._count}"
        text = b"".join(part if isinstance(part, bytes) else part.encode() for part in parts if _is_text(part))
        verb = " ".join(text.decode("latin-1").upper().split()[: 2 if text[:4].upper() == b"UID " else 1])
        pending = tag.encode() + b" "
        for part in parts:
            if isinstance(part, str | bytes):
                pending += part if isinstance(part, bytes) else part.encode()
                continue
            self.wire.send(pending + part.announcement)
            pending = part.octets
            if not part.plus and not isinstance(self._before_literal(tag), Continuation):
                return tag
        self._sent(tag, verb, text)
        self.wire.send(pending + b"\r\n")
        return tag

    def _sent(self, tag: str, verb: str, text: bytes) -> None:
        self._running.append((tag, verb))
        self._aware_after[tag] = bool(_AWARE.match(text.decode("latin-1")))
        if verb in ("SELECT", "EXAMINE"):
            assert len(self._running) == 1, "not known which answers are whose"
            self._name = _selected_name(text)

    _refused: Status | None = None

    def _before_literal(self, tag: str) -> Response:
        """Return the continuation, or the tagged answer that refuses the literal."""
        self._collected: list[Response] = []
        while True:
            response = self.read(negotiating=tag)
            if isinstance(response, Status) and response.tag:
                assert response.tag == tag
                assert response.condition in ("NO", "BAD")
                self._refused = response
                return response
            if isinstance(response, Continuation):
                return response

    def finish(self, tag: str) -> Answer:
        """Read up to the tagged answer of a command."""
        if self._refused is not None and self._refused.tag == tag:
            refused, self._refused = self._refused, None
            return Answer(refused)
        untagged: list[Response] = []
        running = dict(self._running)[tag]
        if running in ("SELECT", "EXAMINE"):
            self._open()
        while True:
            response = self.read()
            if isinstance(response, Status) and response.tag:
                assert response.tag == tag, f"{response} where {tag} was expected"
                return self._finished(running, Answer(response, untagged))
            assert not isinstance(response, Continuation), response
            untagged.append(response)

    def _open(self) -> None:
        """A mailbox is being opened; what is said of the old one goes before CLOSED."""
        self._opening, self._was_closed = Mirror(self._name, self.ledger), self.mirror is None
        if self.mirror is None:
            self.mirror, self._opening = self._opening, None

    def _finished(self, verb: str, answer: Answer) -> Answer:
        if verb in ("SELECT", "EXAMINE"):
            assert self._opening is None or not answer.ok, "no CLOSED (RFC 7162 section 3.2.11)"
            self._opening = None
            if answer.ok:
                assert self.mirror is not None
                assert answer.status.code == ("READ-ONLY" if verb == "EXAMINE" else "READ-WRITE")
                self.mirror.read_only = verb == "EXAMINE"
                self.mirror.opened()
            elif answer.status.condition == "NO" or self._was_closed:
                self.mirror = None
        if verb in ("CLOSE", "UNSELECT") and answer.ok:
            self.mirror = None
        told = self._aware_after.pop(answer.status.tag, False)
        self.aware = self.aware or (told and answer.ok)
        if self.mirror is not None:
            self.mirror.check()
        self._check_results(verb, answer)
        return answer

    def _check_results(self, verb: str, answer: Answer) -> None:
        for found in answer.of(Found):
            assert found.tag == answer.status.tag, found
            assert found.by_uid == verb.startswith("UID "), found
        if verb in ("UID FETCH", "UID STORE"):
            assert all("UID" in fetch.items for fetch in answer.of(Fetch)), "FETCH without UID"
        if self.mirror is None and verb != "IDLE" and "SELECT" not in verb and verb not in ("EXAMINE", "CLOSE"):
            wrong = [each for each in answer.untagged if isinstance(each, Fetch | Numbered | Vanished)]
            assert not wrong, f"{wrong} while no mailbox is open"

    # Responses

    def read(self, *, negotiating: str = "") -> Response:
        """Read one response, believe it, and return it."""
        octets = read_octets(self.wire.line, self.wire.take)
        assert octets, "the connection ended"
        response = parse_response(octets, utf8=bool(self.enabled & {"IMAP4REV2", "UTF8=ACCEPT"}))
        ends = isinstance(response, Status) and response.tag and self._running
        assert ends or not self._left, f"after BYE: {octets!r}"
        if isinstance(response, Status):
            self._status(response, negotiating)
        elif not isinstance(response, Continuation):
            self._data(response)
        return response

    def _status(self, status: Status, negotiating: str) -> None:
        if status.code == "CAPABILITY":
            self.capabilities = status.argument
        if status.tag:
            if status.tag == negotiating:
                return
            assert self._running, f"{status} answers nothing"
            tag, verb = self._running.pop(0)
            assert status.tag == tag, f"{status} where {tag} {verb} was to be answered"
            return
        if status.condition == "BYE" and not (self._running and self._running[0][1] == "LOGOUT"):
            self._left = True
        if status.code == "CLOSED":
            assert self.mirror is not None, "CLOSED although nothing was open (RFC 9051 section 3.4)"
            self.mirror, self._opening = self._opening, None
            return
        if self.mirror is not None:
            self.mirror.take(status, self.running, qresync=self.qresync)

    def _data(self, response: Response) -> None:
        if isinstance(response, Told) and response.kind == "CAPABILITY":
            self.capabilities = response.value
        if isinstance(response, Told) and response.kind == "ENABLED":
            assert self.running == "ENABLE"
            self.enabled |= set(response.value)
        if isinstance(response, Fetch) and "FLAGS" in response.items:
            solicited = self.running in ("FETCH", "UID FETCH")
            assert solicited or not self.aware or "MODSEQ" in response.items, f"{response} without MODSEQ"
            needs_uid = self.qresync or "IMAP4REV2" in self.enabled
            solicited = solicited or self.running in ("STORE", "UID STORE")
            assert solicited or not needs_uid or "UID" in response.items, f"{response} without UID"
        if self.mirror is not None:
            self.mirror.take(response, self.running, qresync=self.qresync)

    @property
    def running(self) -> str | None:
        """The command that the server is at, as far as the client can know."""
        return self._running[0][1] if self._running else None

    @property
    def qresync(self) -> bool:
        """Whether expunged messages are told by VANISHED."""
        return "QRESYNC" in self.enabled

    # What tests do often

    def login(self, name: str, password: str) -> Self:
        """Log in."""
        self.ok(f'LOGIN {name} "{password}"')
        return self

    def enable(self, *names: str) -> set[str]:
        """Enable extensions; return which were."""
        answer = self.ok(f"ENABLE {' '.join(names)}")
        return set(answer.one("ENABLED"))

    def select(self, name: str = "INBOX", more: str = "", *, examine: bool = False) -> Answer:
        """Open a mailbox."""
        return self.ok(f"{'EXAMINE' if examine else 'SELECT'} {name}{more and ' ' + more}")

    def append(self, name: str, message: bytes, options: str = "", *, plus: bool = True) -> tuple[int, int]:
        """Append a message; return UIDVALIDITY and UID."""
        answer = self.ok(f"APPEND {name} {options and options + ' '}", Literal(message, plus=plus))
        validity, ((first, last),) = answer.codes()["APPENDUID"]
        assert first == last
        return validity, first

    def learn(self) -> dict[int, dict[str, Any]]:
        """Learn all UIDs and flags of the mailbox; return them by UID."""
        assert self.mirror is not None
        if not self.mirror.exists:
            return {}
        return self.ok("UID FETCH 1:* (UID FLAGS)").by_uid()

    def idle(self) -> None:
        """Begin to idle; `read` what comes, then `done`."""
        self._count += 1
        tag = f"{self._prefix}{self._count}"
        self._idle = tag
        self._running.append((tag, "IDLE"))
        self.wire.send(f"{tag} IDLE\r\n".encode())
        self.idled: list[Response] = []
        while not isinstance(response := self.read(), Continuation):
            self.idled.append(response)

    def done(self) -> Answer:
        """End to idle."""
        self.wire.send(b"DONE\r\n")
        return self.finish(self._idle)

    def logout(self) -> None:
        """Log out; nothing may follow."""
        answer = self.ok("LOGOUT")
        assert [each.condition for each in answer.of(Status)] == ["BYE"]
        assert self.wire.line() == b""
        self.wire.close()

    def rest(self) -> bytes:
        """Return all that comes up to the end of the connection."""
        return b"".join(iter(self.wire.line, b""))

    def close(self) -> None:
        """Hang up."""
        self.wire.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _is_text(part: str | bytes | Literal) -> bool:
    return isinstance(part, str | bytes)


def _selected_name(text: bytes) -> bytes:
    found = re.match(rb'\w+ ("(?:[^"\\]|\\.)*"|[^ ]+)', text)
    assert found is not None
    name = re.sub(rb"\\(.)", rb"\1", found[1][1:-1]) if found[1].startswith(b'"') else found[1]
    return b"INBOX" if name.upper() == b"INBOX" else name
