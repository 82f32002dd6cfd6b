"""What one filter is told of one client: each thing once, in order, and all of it again where a connection was lost."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

from twistedmail_mta.errors import PermanentError
from twistedmail_mta.milter.answers import Modification, ReplaceBody, Verdict
from twistedmail_mta.milter.errors import MilterError, TooLarge
from twistedmail_mta.milter.session import FilterSession
from twistedmail_mta.milter.terms import MAX_CHUNK
from twistedmail_mta.model import Address, Recipient, Reply
from twistedmail_mta.networks import address_of
from twistedmail_mta.policy import milter_macros as macros
from twistedmail_mta.policy.milter_filter import Filter, FilterGone
from twistedmail_mta.policy.milter_link import Link, LinkLost
from twistedmail_mta.policy.milter_outcome import Judged, Outcome, Shown, outcome_of, refusal_in
from twistedmail_mta.stages import Body, Client, Draft, MailFrom

FIELD_TOO_LARGE: Final = Reply(552, "5.3.4", "A header field is too large to be judged")

MOST_CHANGES: Final = 1000
"""Changes that a filter may make to a message, pieces of a body apart."""

MOST_CHANGED: Final = 1 << 20
"""Octets of all of them."""


class FilterError(Exception):
    """A filter gave no answer that can be used; the text says which, and why."""


@dataclass(slots=True)
class _Told:
    """What the filter was told of a message, and what it thinks of it so far."""

    mail: MailFrom
    outcome: Outcome = None
    recipients: set[Address] = field(default_factory=set)


class Talk:
    """One filter, and one client.

    Asked by one coroutine at a time.  What fails leaves no connection behind,
    and the next time all is told again on a new one.
    """

    def __init__(self, judge: Filter, hostname: str, name: str) -> None:
        """Begin; nothing is told yet.

        Args:
            judge: the filter.
            hostname: ours.
            name: of the client, if it has one that leads to its address.
        """
        self._filter = judge
        self._hostname = hostname
        self._name = name
        self._link: Link | None = None
        self._met: Outcome = None  # what came of the client's connection
        self._greeting: tuple[str, str] | None = None
        self._greeted: Outcome = None
        self._told: _Told | None = None

    # The stages

    async def connected(self, client: Client) -> Reply | None:
        """Tell of a client; return a refusal, or None."""
        with self._failing():
            return refusal_in(await self._meet(client))

    async def greeted(self, client: Client) -> Reply | None:
        """Tell how it calls itself; return a refusal, or None."""
        with self._failing():
            return refusal_in(await self._greet(client))

    async def sender(self, client: Client, mail: MailFrom) -> Reply | None:
        """Tell of MAIL; return a refusal, or None."""
        with self._failing():
            return refusal_in(await self._begin(client, mail))

    async def recipient(self, client: Client, mail: MailFrom, recipient: Recipient) -> Reply | None:
        """Tell of RCPT; return a refusal, or None."""
        with self._failing():
            outcome = await self._begin(client, mail)
            return refusal_in(await self._add(client, recipient) if outcome is None else outcome)

    async def message(self, client: Client, message: Shown) -> Judged:
        """Tell all of a message, and return what is to be done with it.

        Recipients that were told and weren't taken in the end can't be taken
        back: then all of it is told again.

        Raises:
            FilterError: it doesn't say.
            MailError: it is too large for it, or can't be read, or changed.
        """
        with self._failing():
            told, named = self._told, message.envelope.recipients
            if told is not None and not told.recipients <= {each.address for each in named}:
                self._abort()
            mail = told.mail if told is not None and told.mail.id == message.id else None
            outcome = await self._begin(client, mail or MailFrom(message.id, message.envelope.sender))
            for recipient in named:
                outcome = await self._add(client, recipient) if outcome is None else outcome
            if outcome is None:
                outcome = await self._show(client, message)
            return await self._judgement(message) if outcome is None else Judged(outcome)

    def end(self) -> None:
        """Forget the client; nobody asks any more."""
        link, self._link = self._link, None
        if link is not None:
            self._filter.give_back(link)

    # The steps

    async def _meet(self, client: Client) -> Outcome:
        """Tell of the client, if that wasn't done on this connection."""
        if self._met is not None or (self._link is not None and not self._link.lost):
            return self._met
        self._greeting, self._greeted, self._told = None, None, None
        self._link, is_fresh = await self._filter.link()
        if is_fresh or not await self._meet_again(client):
            self._met = await self._connect(client, self._filter.patience.command)
        return self._settled()

    async def _meet_again(self, client: Client) -> bool:
        """Tell of a client on a connection that was used for others; return False, with a new one, if that fails.

        The filter may have ended meanwhile.  One that doesn't answer hasn't heard that another client follows.
        """
        link = self._open
        try:
            self._met = await self._connect(client, self._filter.patience.connect)
            return True
        except LinkLost:
            pass
        except (MilterError, TimeoutError):
            self._filter.takes_turns = False
            link.drop()
        self._link, _ = await self._filter.link(fresh=True)
        return False

    async def _connect(self, client: Client, seconds: float) -> Outcome:
        name, given = macros.client_name(client, self._name).encode(), self._macros(client)
        host = address_of(client.host)
        return await self._ask(lambda filter_: filter_.connect(name, host, client.port, given), seconds)

    async def _greet(self, client: Client) -> Outcome:
        outcome = await self._meet(client)
        if outcome is not None or not client.helo:
            return outcome
        if self._greeting != (client.helo, client.tls):
            self._abort()
            given = self._macros(client)
            self._greeted = await self._command(lambda filter_: filter_.hello(client.helo.encode(), given))
            self._greeting = client.helo, client.tls
            if self._greeted is Verdict.ACCEPT:
                self._met = self._greeted
        return self._settled() or self._greeted

    def _settled(self) -> Outcome:
        """Return what came of the client; where nothing more is asked of it, the filter can forget it."""
        if self._met is Verdict.ACCEPT:
            self.end()
        return self._met

    async def _begin(self, client: Client, mail: MailFrom) -> Outcome:
        outcome = await self._greet(client)
        if outcome is not None:
            return outcome
        if self._told is None or self._told.mail.id != mail.id:
            self._abort()
            words, given = [word.encode() for word in mail.parameters], self._macros(client, mail)
            told = _Told(mail)
            told.outcome = await self._command(lambda filter_: filter_.mail(macros.path(mail.sender), words, given))
            self._told = told
        return self._told.outcome

    async def _add(self, client: Client, recipient: Recipient) -> Outcome:
        told = self._message
        if recipient.address in told.recipients:
            return None
        path, words = macros.path(recipient.address), macros.recipient_words(recipient)
        given = self._macros(client, told.mail) | macros.of_recipient(recipient)
        outcome = await self._command(lambda filter_: filter_.recipient(path, words, given))
        if not isinstance(outcome, Reply):
            told.recipients.add(recipient.address)
            told.outcome = outcome
        return outcome

    async def _show(self, client: Client, message: Shown) -> Outcome:
        """Tell the text of the message, up to its end."""
        told = self._message
        given = self._macros(client, told.mail)
        told.outcome = await self._command(lambda filter_: filter_.data(given))
        for name, value in message.header.fields():
            if told.outcome is None:
                told.outcome = await self._field(name, value)
        if told.outcome is None:
            told.outcome = await self._piece(lambda filter_: filter_.end_of_header(given))
        if told.outcome is None:
            told.outcome = await self._show_body(message.body)
        if told.outcome is None:
            self._session.end_of_message(given)
        return told.outcome

    async def _field(self, name: bytes, value: bytes) -> Outcome:
        try:
            return await self._piece(lambda filter_: filter_.header(name, value))
        except TooLarge:
            raise PermanentError(FIELD_TOO_LARGE) from None

    async def _show_body(self, body: Body) -> Outcome:
        outcome: Outcome = None
        offset = 0
        while outcome is None and self._session.wants_body and offset < body.size:
            piece = await body.read(offset, MAX_CHUNK)
            if not piece:
                raise EOFError(f"the body ends at {offset} of {body.size} octets")
            offset += len(piece)
            outcome = await self._piece(lambda filter_, piece=piece: filter_.body(piece))  # type: ignore[misc]
            await self._open.send(self._filter.patience.content)
        return outcome

    async def _judgement(self, message: Shown) -> Judged:
        """Return what the filter says to the end of the message, which it was told of."""
        changes: list[Modification] = []
        draft: Draft | None = None
        size = 0
        while isinstance(answer := await self._open.answer(self._filter.patience.end), Modification):
            if isinstance(answer, ReplaceBody):
                draft = draft or message.draft()
                await draft.write(answer.chunk)
                continue
            size += _size(answer)
            changes.append(answer)
            if len(changes) > MOST_CHANGES or size > MOST_CHANGED:
                raise MilterError("too many changes")
        outcome, self._told = outcome_of(answer), None
        body = await draft.finish() if draft is not None else None
        return Judged(outcome, self._session.agreement, tuple(changes), body)

    def _abort(self) -> None:
        """Let the filter forget the message it was told of, if there is one."""
        self._told = None
        if self._link is not None and not self._link.lost:
            self._session.abort()

    # Below

    @property
    def _open(self) -> Link:
        if self._link is None:
            raise LinkLost("there is no connection")
        return self._link

    @property
    def _session(self) -> FilterSession:
        return self._open.session

    @property
    def _message(self) -> _Told:
        if self._told is None:
            raise RuntimeError("there is no message")
        return self._told

    def _macros(self, client: Client, mail: MailFrom | None = None) -> dict[bytes, bytes]:
        known = macros.of_client(client, self._name, self._hostname)
        return known | macros.of_mail(mail) if mail is not None else known

    async def _command(self, tell: Callable[[FilterSession], bool]) -> Outcome:
        return await self._ask(tell, self._filter.patience.command)

    async def _piece(self, tell: Callable[[FilterSession], bool]) -> Outcome:
        return await self._ask(tell, self._filter.patience.content)

    async def _ask(self, tell: Callable[[FilterSession], bool], seconds: float) -> Outcome:
        """Tell something; what isn't answered is sent with what follows."""
        link = self._open
        return outcome_of(await link.answer(seconds)) if tell(link.session) else None

    @contextmanager
    def _failing(self) -> Iterator[None]:
        """Leave no connection behind whose answers would be taken for others; say whose failure it was."""
        try:
            yield
        except BaseException as error:
            link, self._link, self._told = self._link, None, None
            if link is not None:
                link.drop()
            if isinstance(error, LinkLost | MilterError | FilterGone | TimeoutError):
                raise FilterError(f"{self._filter.name}: {error}") from error
            raise


def _size(modification: Modification) -> int:
    """Return how many octets a change holds."""
    values = (getattr(modification, name) for name in modification.__slots__)
    return sum(len(value) for value in values if isinstance(value, bytes))
