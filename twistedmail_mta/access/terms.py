"""What a connection and those who speak over it agree on: a listener's terms, a conversation, its ends."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from twisted.internet.interfaces import IOpenSSLServerConnectionCreator, IReactorTime

from twistedmail_mta.model import Reply
from twistedmail_mta.tasks import TaskGroup


class Ending(Enum):
    """Why a connection ends although its client said nothing of the kind."""

    IDLE = "idle for too long"
    FLOODED = "too much input"
    SHUTTING_DOWN = "the server stops"
    LOGIN_ENDED = "the login is no longer valid"
    TAKEN_OVER = "another session has taken the maildrop"
    MAILBOX_GONE = "the selected mailbox was deleted"
    BROKEN = "an error of ours"


class Conversation(Protocol):
    """What one client and we say to each other."""

    @property
    def closing(self) -> bool:
        """Whether everything is said: close when it is written."""

    @property
    def has_input(self) -> bool:
        """Whether octets wait that no command was answered for yet."""

    @property
    def queued(self) -> int:
        """How many octets `bytes_to_send` would return."""

    def greet(self) -> None:
        """Begin."""

    def receive_bytes(self, data: bytes) -> None:
        """Take octets, also while a command is being answered.

        Raises:
            Overflow: the client sends on and on although it isn't read from.
        """

    def answer_at_once(self) -> bool:
        """Answer the next command if that takes no waiting; return whether nothing is left to do."""

    async def answer_next(self) -> bool:
        """Answer the next command; False when none is complete."""

    def bytes_to_send(self) -> bytes:
        """Take what is to be written."""

    def has_room(self) -> None:
        """Hear that the client takes again what is sent, while no command is being answered."""

    def last_words(self, ending: Ending) -> bytes:
        """Return what is said at the end; nothing in the middle of an answer."""

    def lost(self, reason: str) -> None:
        """Forget what isn't settled: the connection is gone.

        Args:
            reason: why, for the log.
        """


@dataclass(frozen=True, slots=True)
class Terms:
    """What every connection of a listener has to know.

    Attributes:
        name: of the listener, as in the site file.
        protocol: for the log, such as "pop3".
        tls: makes the server side of a TLS connection; None without certificate.
        implicit_tls: TLS from the first octet.
        connections_per_client: at once, from one network.
        idle: seconds without a command.
        idle_before_login: likewise, until the conversation says that somebody has logged in.
        turned_away: what a client hears that isn't let in.
        new_session: names a session in the log.
    """

    name: str
    protocol: str
    tls: IOpenSSLServerConnectionCreator | None
    implicit_tls: bool
    connections_per_client: int
    idle: float
    idle_before_login: float
    turned_away: Callable[[Reply], bytes]
    new_session: Callable[[], str]
    clock: IReactorTime
    tasks: TaskGroup

    @property
    def task(self) -> str:
        """What a task is called that answers a client."""
        return f"{self.protocol}.session"
