"""A whole SMTP or LMTP session, as a client holds it who waits for each reply."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from twistedmail_mta.composition.rehearsing import Rehearsal
from twistedmail_mta.config.endpoints import parse_endpoint
from twistedmail_mta.config.site import Site
from twistedmail_mta.crowd import Crowd
from twistedmail_mta.explain.connection import Connection
from twistedmail_mta.explain.question import Question
from twistedmail_mta.policy.witness import Answered
from twistedmail_mta.receive.factory import ServerFactory

_ANYWHERE = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Turn:
    """What was said, and what was answered.

    Attributes:
        said: the client's line, without secrets; empty for the greeting.
        reply: the server's, perhaps of several lines; empty when it closed the connection instead.
        answers: those of the plugins that were asked meanwhile.
        recipient: whom RCPT named; None for other commands.
    """

    said: str
    reply: str
    answers: tuple[Answered, ...] = ()
    recipient: str | None = None

    @property
    def accepts(self) -> bool:
        """Whether the server said yes."""
        return self.reply[:1] in {"2", "3"}

    @property
    def last_line(self) -> str:
        """The reply on one line, as people quote it."""
        lines = self.reply.split("\n")
        if len(lines) == 1:
            return lines[0]
        status = lines[0][:4].replace("-", " ")
        return status + " ".join(line[4:] for line in lines)


@dataclass(slots=True)
class Transcript:
    """A session from the greeting on.

    Attributes:
        turns: in order; the farewell isn't among them.
        decisive: the turn that says whether the mail is taken: the first refusal, else the last.
    """

    turns: list[Turn] = field(default_factory=list)

    @property
    def decisive(self) -> Turn:
        """Return it."""
        return next((turn for turn in self.turns if not turn.accepts), self.turns[-1])


async def held(rehearsal: Rehearsal, question: Question, name: str) -> Transcript:
    """Hold a session and return what was said.

    Args:
        rehearsal: has the listener.
        question: what the client wants.
        name: of the listener.
    """
    listener = rehearsal.listener(name)
    factory = ServerFactory(Crowd(1))
    factory.serve(listener)
    protocol = factory.buildProtocol(None)
    if protocol is None:
        raise RuntimeError("a listener that serves makes a connection")
    connection = Connection(protocol, rehearsal.clock, question.from_ip, *_place(rehearsal.site, name))
    transcript = Transcript()
    try:
        async for turn in _Client(connection, rehearsal, question, listener.implicit_tls, listener.role.lmtp).turns():
            transcript.turns.append(turn)
    finally:
        connection.hang_up()
    return transcript


class _Client:
    """Says one line after another, until one is refused that the rest needs."""

    def __init__(
        self, connection: Connection, rehearsal: Rehearsal, question: Question, implicit_tls: bool, lmtp: bool
    ) -> None:
        self._connection = connection
        self._answers = rehearsal.minutes.answers
        self._question = question
        self._implicit_tls = implicit_tls
        self._hello = "LHLO" if lmtp else "EHLO"
        self._lmtp = lmtp

    async def turns(self) -> AsyncIterator[Turn]:
        """Yield what was said and answered, to the end of the session."""
        if self._implicit_tls:
            self._connection.shake_hands()
        for say in (self._greeting, self._begin, self._mail):
            async for turn in say():
                yield turn
                if not turn.accepts:
                    return
        taken = 0
        for recipient in self._question.recipients:
            turn = await self._said(f"RCPT TO:<{recipient}>", recipient=recipient)
            yield turn
            taken += turn.accepts
        if taken and self._question.data is not None:
            async for turn in self._message(self._question.data, taken):
                yield turn

    async def _greeting(self) -> AsyncIterator[Turn]:
        yield await self._heard("")

    async def _begin(self) -> AsyncIterator[Turn]:
        question = self._question
        yield await self._said(f"{self._hello} {question.helo}")
        if question.encrypts and not self._implicit_tls:
            yield await self._said("STARTTLS")
            yield await self._said(f"{self._hello} {question.helo}")
        if question.account is not None:
            secret = base64.b64encode(f"\0{question.account}\0none".encode()).decode("ascii")
            yield await self._said(f"AUTH PLAIN {secret}", f"AUTH PLAIN as {question.account}, with any password")

    async def _mail(self) -> AsyncIterator[Turn]:
        question = self._question
        parameters = "" if question.size is None else f" SIZE={question.size}"
        if not "".join((question.sender, *question.recipients)).isascii():
            parameters += " SMTPUTF8"
        yield await self._said(f"MAIL FROM:<{question.sender}>{parameters}")

    async def _message(self, data: bytes, taken: int) -> AsyncIterator[Turn]:
        turn = await self._said("DATA")
        yield turn
        if not turn.accepts:
            return
        await self._connection.say(_stuffed(data))
        for _ in range(taken if self._lmtp else 1):
            yield await self._heard("the message")

    async def _said(self, line: str, shown: str | None = None, recipient: str | None = None) -> Turn:
        await self._connection.say(line.encode("utf-8") + b"\r\n")
        return await self._heard(line if shown is None else shown, recipient)

    async def _heard(self, said: str, recipient: str | None = None) -> Turn:
        reply = await self._connection.reply()
        answers, self._answers[:] = tuple(self._answers), []
        return Turn(said, reply, answers, recipient)


def _stuffed(octets: bytes) -> bytes:
    """Return a message as it is sent, with its end (RFC 5321 section 4.5.2)."""
    dotted = octets.replace(b"\r\n.", b"\r\n..")
    begin = b"." if octets.startswith(b".") else b""
    return begin + dotted + (b"" if octets.endswith(b"\r\n") else b"\r\n") + b".\r\n"


def _place(site: Site, name: str) -> tuple[str, int]:
    """Return address and port of a listener, as a client would reach it."""
    for text in site.listen[name].endpoint:
        arguments = parse_endpoint(text).arguments
        if arguments.get("port", "").isdigit():
            return arguments.get("interface", _ANYWHERE), int(arguments["port"])
    return _ANYWHERE, 0
