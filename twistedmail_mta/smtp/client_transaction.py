"""One message in a client's session: its commands, and what their replies mean for each recipient."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from twistedmail_mta.model import Deferred, Delivered, Envelope, Failed, Outcome, Reply, Unconfirmed
from twistedmail_mta.smtp.client_commands import (
    UNSPEAKABLE,
    Extensions,
    is_speakable,
    mail_command,
    obstacle,
    rcpt_command,
    says_smtputf8,
)
from twistedmail_mta.smtp.client_reply import clipped
from twistedmail_mta.smtp.client_steps import Awaited, Command
from twistedmail_mta.smtp.xforward import Forwarded, forward_commands

TAKEN: Final = Reply(250, "2.1.5", "The host takes the recipient")
MESSAGE: Final[Command] = (Awaited.FINAL, b"")
"""Stands for the message itself among commands: chunks, which nothing announces."""
NO_ANSWER: Final = Reply(451, "4.4.2", "The host gave no answer")


@dataclass(frozen=True, slots=True)
class Host:
    """What a session knows of the server it talks to.

    Attributes:
        remote: the host, as outcomes name it: "name [address]".
        extensions: what it offers.
        trusted: we logged in there.
        lmtp: it speaks LMTP.
        encrypted: the connection is protected by TLS.
        forwarded: whom the message came from first, for a content filter; None for any other host.
        proof: how it proved who it is; empty: it didn't.
    """

    remote: str
    extensions: Extensions
    trusted: bool
    lmtp: bool = False
    encrypted: bool = False
    forwarded: Forwarded | None = None
    proof: str = ""

    @property
    def takes_chunks(self) -> bool:
        """Whether messages go there with BDAT; a host where each chunk had to be waited for gets DATA."""
        return "CHUNKING" in self.extensions and "PIPELINING" in self.extensions


class ClientTransaction:
    """Keeps an outcome for each recipient, through as many rounds of MAIL, RCPT and DATA or BDAT as it takes.

    A further round begins when the host took the message for some recipients
    and said "452 too many" to others (RFC 5321 section 4.5.3.1.10).
    """

    def __init__(self, envelope: Envelope, size: int, host: Host, *, probe: bool = False) -> None:
        """Begin a transaction.

        Args:
            envelope: with the recipients that are meant.
            size: octets of the message.
            host: where it goes.
            probe: ask about the recipients only; no message follows.
        """
        self._envelope = envelope
        self._size = size
        self._host = host
        self._probe = probe
        self._outcomes: list[Outcome | None] = [None] * len(envelope.recipients)
        self._round = list(range(len(envelope.recipients)))
        self._answered = 0
        self._accepted: list[int] = []
        self._delivered = 0
        self._again: list[int] = []

    @property
    def outcomes(self) -> Sequence[Outcome]:
        """One for each recipient, in the order of the envelope."""
        return [outcome or Deferred(NO_ANSWER, self._host.remote) for outcome in self._outcomes]

    @property
    def has_accepted(self) -> bool:
        """Whether the host took a recipient in this round."""
        return bool(self._accepted)

    @property
    def is_chunked(self) -> bool:
        """Whether the message goes by BDAT."""
        return self._host.takes_chunks

    @property
    def answers_to_message(self) -> int:
        """How many replies the end of the message has: in LMTP one for each recipient taken (RFC 2033 section 4.2)."""
        return len(self._accepted) if self._host.lmtp else 1

    @property
    def is_last_round(self) -> bool:
        """Whether no recipient waits for another round."""
        return not self._again

    def commands(self) -> list[Command]:
        """Return the commands of this round, BDAT aside; nothing when the host can never take the message."""
        extensions = self._host.extensions
        impossible = obstacle(self._envelope, self._size, extensions)
        if impossible is not None:
            self._decide(self._round, impossible)
            return []
        mail = mail_command(self._envelope, self._size, extensions, trusted=self._host.trusted)
        recipients = self._envelope.recipients
        smtputf8 = says_smtputf8(self._envelope, extensions)
        lines = [rcpt_command(recipients[index], extensions, smtputf8=smtputf8) for index in self._round]
        if not is_speakable((mail, *lines)):
            self._decide(self._round, UNSPEAKABLE)
            return []
        commands = [*self._told(), (Awaited.MAIL, mail), *((Awaited.RCPT, line) for line in lines)]
        return commands if self._probe else [*commands, MESSAGE if self.is_chunked else (Awaited.DATA, b"DATA")]

    def _told(self) -> list[Command]:
        """Return what tells a content filter whom the message came from; its answers don't matter."""
        host = self._host
        if host.forwarded is None or "XFORWARD" not in host.extensions:
            return []
        lines = forward_commands(host.forwarded, host.extensions.keywords["XFORWARD"])
        return [(Awaited.XFORWARD, line) for line in lines]

    def mail_refused(self, reply: Reply) -> None:
        """No recipient can be named: the answer is everybody's, or, in a probe, says nothing about anybody."""
        if self._probe:
            self.abandon(reply, confirmed=True)
        else:
            self._decide(self._round, reply)

    def rcpt_answered(self, reply: Reply) -> None:
        """Take the answer to the next recipient of this round.

        552 means "too many recipients", a thing that passes (RFC 5321 section 4.5.3.1.10).
        """
        index = self._round[self._answered]
        self._answered += 1
        if self._outcomes[index] is not None:
            return  # MAIL was refused
        if reply.accepts:
            self._accepted.append(index)
            return
        if reply.code == 552:
            reply = Reply(452, reply.status and "4" + reply.status[1:], reply.text)
        if reply.code == 452 and reply.status in ("", "4.5.3"):
            self._again.append(index)
        self._decide([index], reply)

    def message_answered(self, reply: Reply) -> None:
        """Take an answer to the end of the message: it is everybody's who was taken, in LMTP the next one's only."""
        if self._host.lmtp:
            self._decide([self._accepted[self._delivered]], reply)
            self._delivered += 1
        elif reply.accepts:
            self._decide(self._accepted, reply)
        else:
            self.message_refused(reply)

    def message_refused(self, reply: Reply) -> None:
        """The host doesn't want the message: the answer is everybody's who was taken and has no other yet."""
        self._decide([index for index in self._accepted if self._outcomes[index] is None], reply)
        self._again = []

    def finish(self) -> None:
        """End in order: after a probe, who was taken has no other answer than that."""
        if self._probe:
            self._decide(self._accepted, TAKEN)

    def next_round(self) -> bool:
        """Turn to the recipients that were too many; whether there are any."""
        if not self._accepted:
            return False
        self._round, self._again = self._again, []
        self._answered, self._accepted, self._delivered = 0, [], 0
        for index in self._round:
            self._outcomes[index] = None
        return bool(self._round)

    def abandon(self, reply: Reply, *, confirmed: bool) -> None:
        """End without an answer: who has no outcome yet is deferred.

        Args:
            reply: why.
            confirmed: whether the host surely has not taken the message.
        """
        doubtful = set() if confirmed else set(self._accepted)
        for index, outcome in enumerate(self._outcomes):
            if outcome is None and index in doubtful:
                self._outcomes[index] = Unconfirmed(reply, self._host.remote)
            elif outcome is None:
                self._outcomes[index] = Deferred(clipped(reply), self._host.remote)

    def _decide(self, indexes: Sequence[int], reply: Reply) -> None:
        outcome = self._judged(clipped(reply))
        for index in indexes:
            self._outcomes[index] = outcome
        if reply.accepts and "DSN" not in self._host.extensions:
            self._owe_reports(indexes, reply)

    def _judged(self, reply: Reply) -> Delivered | Failed | Deferred:
        host = self._host
        if reply.accepts:
            return Delivered(reply, host.remote, encrypted=host.encrypted, proof=host.proof)
        return Failed(reply, host.remote) if reply.is_permanent else Deferred(reply, host.remote)

    def _owe_reports(self, indexes: Sequence[int], reply: Reply) -> None:
        """Note who hears of success from us, since the host never tells (RFC 3461 section 5.2.2)."""
        host = self._host
        is_final = host.lmtp and host.forwarded is None
        owed: Literal["relayed", "delivered"] = "delivered" if is_final else "relayed"
        owes = Delivered(clipped(reply), host.remote, owed, encrypted=host.encrypted, proof=host.proof)
        for index in indexes:
            if "SUCCESS" in (self._envelope.recipients[index].notify or ()):
                self._outcomes[index] = owes
