"""Dialogues as RFCs write them: what a client sends, what must come back, with names for what a server chooses.

A file is named after its RFC.  Lines:

    == section and subject      begins a dialogue, in an account of its own that has logged in
    ; text                      is a comment, as an empty line is
    connected: NAME             begins it without a login instead, at the listener NAME
    mail: MAILBOX (FLAGS) "DATE" COUNT      appends messages; "| " before lines of the one that is meant
    D: command                  another session of the account does this meanwhile, "D2:" a third one
    C: line                     the client sends this
    S: response                 comes back, as its grammar is read, not as it is spelled
    S? response                 may come
    S: ...                      anything else may come too
    tls:                        TLS begins

"<name>" is a number that the server chooses, the same wherever it stands; "<*>" in quotes is any string.  Texts
for people aren't compared, nor is a response code that isn't written.  Capabilities written must be among those
told, those with "-" before them must not.  Responses of LIST, LSUB, SELECT and NOOP come in any order.  What every
account has is listed only where it is written; so are RECENT, UID, and attributes that tell of children and uses.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from imap_client import Answer, Client, Literal
from imap_likeness import Likeness
from imap_responses import Continuation, Listed, Numbered, Response, Status, parse_response

SPECIAL = {b"Drafts", b"Sent", b"Junk", b"Trash", b"Archive"}
UNORDERED = {"SELECT", "EXAMINE", "LIST", "LSUB", "NOOP"}


@dataclass
class Transcript:
    """A dialogue: `lines` with their kind."""

    rfc: str
    title: str
    lines: list[tuple[str, str]] = field(default_factory=list)

    @property
    def id(self) -> str:
        """How the test is called."""
        return f"{self.rfc} {self.title}"

    @property
    def listener(self) -> str | None:
        """Where it begins without a login."""
        return next((text for kind, text in self.lines if kind == "connected"), None)


_LINE = re.compile(r"(connected|mail|tls|C|S|D2?)(\??):? ?(.*)\Z", re.DOTALL)


def read_transcripts(folder: Path) -> Iterator[Transcript]:
    """Yield the dialogues of all files."""
    for path in sorted(folder.glob("*.txt")):
        transcript = None
        for line in path.read_text(encoding="utf-8").splitlines():
            if line.startswith("== "):
                if transcript is not None:
                    yield transcript
                transcript = Transcript(path.stem, line[3:])
            elif line and not line.startswith(";"):
                assert transcript is not None
                transcript.lines.append(("|", line[2:]) if line.startswith("|") else _kind(line))
        if transcript is not None:
            yield transcript


def _kind(line: str) -> tuple[str, str]:
    found = _LINE.match(line)
    assert found is not None, line
    return found[1] + found[2], found[3]


class Reader:
    """Goes through a dialogue with a client, and with others of the same account."""

    def __init__(self, client: Client, others: Any) -> None:
        """Begin.

        Args:
            client: connected, or logged in.
            others: makes one more session by the name that the dialogue gives it.
        """
        self._client = client
        self._others = others
        self._sessions: dict[str, Client] = {}
        self._likeness = Likeness()
        self._begun = b""  # a command whose literal waits for its continuation
        self._challenged = False
        self._untagged: list[Response] = []

    def run(self, lines: list[tuple[str, str]]) -> None:
        """Go through it."""
        place = 0
        while place < len(lines):
            kind = lines[place][0]
            end = place + 1
            while end < len(lines) and lines[end][0][0] == ("|" if kind == "mail" else kind[0]):
                end += 1
            block, place = lines[place:end], end
            if kind == "C":
                self._say("\r\n".join(text for _, text in block).encode() + b"\r\n")
            elif kind[0] == "S":
                self._hear(block)
            elif kind[0] == "D":
                self._meanwhile(block)
            elif kind == "mail":
                self._deliver(block[0][1], [line for _, line in block[1:]])
            else:
                self._client.wire.start_tls()  # type: ignore[attr-defined]

    def _session(self, name: str) -> Client:
        if name not in self._sessions:
            self._sessions[name] = self._others(name)
        return self._sessions[name]

    def _deliver(self, text: str, message: list[str]) -> None:
        found = re.fullmatch(r'(\S+)( \([^)]*\))?( "[^"]+")?( \d+)?', text)
        assert found is not None, text
        for number in range(1, int(found[4] or 1) + 1):
            octets = "".join(line + "\r\n" for line in message).encode() or b"Subject: %d\r\n\r\ntext\r\n" % number
            options = f"{found[1]}{found[2] or ''}{found[3] or ''} "
            self._session("D").ok(f"APPEND {options}", Literal(octets, plus=True))

    def _meanwhile(self, block: list[tuple[str, str]]) -> None:
        for name, text in block:
            answer = self._session(name).command(self._likeness.fill(text))
            assert answer.ok, (text, answer.status)

    # The client's side

    def _say(self, octets: bytes) -> None:
        octets = self._likeness.fill(octets.decode()).encode()
        place = 0
        while place < len(octets) and not self._challenged:
            end = self._line_end(octets, place)
            self._begun += octets[place:end]
            place = end
            if re.search(rb"\{\d+\}\r\n\Z", self._begun):
                assert place == len(octets), "a literal that waits ends what is said"
                break
            self._complete()
        self._challenged = False
        self._client.wire.send(octets)

    def _line_end(self, octets: bytes, place: int) -> int:
        """Return where the line ends that begins here, with literals that don't wait."""
        waited = re.search(rb"\{(\d+)\}\r\n\Z", self._begun)
        end = octets.index(b"\r\n", place + (int(waited[1]) if waited else 0)) + 2
        while found := re.search(rb"\{(\d+)\+\}\r\n\Z", octets[place:end]):
            end = octets.index(b"\r\n", end + int(found[1])) + 2
        return end

    def _complete(self) -> None:
        """A whole command is being sent."""
        command, self._begun = self._begun.removesuffix(b"\r\n"), b""
        if command == b"DONE":
            return
        tag, _, text = command.partition(b" ")
        words = text.decode("latin-1").upper().split()
        verb = " ".join(words[: 2 if words[:1] == ["UID"] else 1])
        self._client._sent(tag.decode(), verb, text)
        if verb in ("SELECT", "EXAMINE"):
            self._client._open()

    # The server's side

    def _hear(self, block: list[tuple[str, str]]) -> None:
        expected = list(self._expected(block))
        last = next((each for _, each in reversed(expected) if each is not None), None)
        heard: list[Response] = []
        wanted = sum(kind == "S" and each is not None for kind, each in expected)
        running = self._client.running
        greeting = self._client.__dict__.pop("greeting", None) if not running and not self._begun else None
        while True:
            response = greeting or self._read()
            greeting = None
            heard.append(response)
            if isinstance(last, Status) and last.tag:
                if isinstance(response, Status) and response.tag == last.tag:
                    break
            elif isinstance(last, Continuation):
                if isinstance(response, Continuation):
                    self._challenged = not self._begun
                    break
            elif len(heard) >= wanted:
                break
        self._compare(expected, heard, running)

    def _read(self) -> Response:
        client = self._client
        tag = self._begun.partition(b" ")[0].decode()
        verb = client.running
        response = client.read(negotiating=tag if self._begun and verb is None else "")
        if isinstance(response, Status) and response.tag:
            if response.tag == tag:
                self._begun = b""
            elif verb is not None:
                client._finished(verb, Answer(response, list(self._untagged)))
                self._untagged.clear()
        elif not isinstance(response, Continuation):
            self._untagged.append(response)
        return response

    def _expected(self, block: list[tuple[str, str]]) -> Iterator[tuple[str, Response | None]]:
        """Yield what is expected; None for anything."""
        lines = iter(block)
        for kind, text in lines:
            if text == "...":
                yield kind, None
                continue
            octets = self._likeness.unknown(text).encode()
            while found := re.search(rb"\{(\d+)\}\Z", octets):
                octets, size = octets + b"\r\n", int(found[1])
                begin = len(octets)
                while len(octets) < begin + size:
                    octets += next(lines)[1].encode() + b"\r\n"
                octets = octets.removesuffix(b"\r\n")
                if len(octets) == begin + size - 2:
                    octets += b"\r\n" + next(lines)[1].encode()
            yield kind, parse_response(octets + b"\r\n", utf8=True)

    def _compare(self, expected: list[tuple[str, Response | None]], heard: list[Response], verb: str | None) -> None:
        told = any(isinstance(each, Numbered) and each.kind == "RECENT" for _, each in expected)
        rest = [each for each in heard if told or not (isinstance(each, Numbered) and each.kind == "RECENT")]
        unordered = verb in UNORDERED
        anything = any(each is None for _, each in expected)
        for kind, each in expected:
            if each is None:
                continue
            places = range(len(rest)) if unordered or anything else range(min(1, len(rest)))
            place = next((place for place in places if self._likeness.matches(each, rest[place])), None)
            assert place is not None or kind == "S?", f"expected {each}, heard {rest} of {heard}"
            if place is not None:
                del rest[place]
        written = {each.name for _, each in expected if isinstance(each, Listed)}
        rest = [each for each in rest if not (isinstance(each, Listed) and each.name in SPECIAL - written)]
        assert anything or not rest, f"not expected: {rest}"
