"""One attempt to deliver one message: who still needs a host, and what the last word on each is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

from twistedmail_mta.model import Deferred, Envelope, Message, Outcome, Recipient, Reply, Withdrawn

NOT_TRIED: Final = Reply(451, "4.4.1", "No host could be tried")


class Attempt:
    """The recipients of an attempt with their outcomes so far.

    A recipient is finished with any outcome but Deferred: what one host defers
    another may take at once.  What a host said in a session outweighs that
    another could not be reached.
    """

    def __init__(self, message: Message, recipients: Sequence[Recipient], wanted: Callable[[Recipient], bool]) -> None:
        """Begin an attempt; the arguments are those of `IDeliveryAgent.deliver`."""
        self.message = message
        self._recipients = recipients
        self._wanted = wanted
        self._outcomes: list[Outcome | None] = [None] * len(recipients)
        self._named: list[int] = []

    @property
    def finished(self) -> bool:
        """Whether nobody needs another host."""
        return not self._open()

    def envelope(self) -> Envelope | None:
        """Return the envelope of a transaction that begins now, or None when nobody is left.

        Who is no longer wanted becomes Withdrawn.
        """
        self._named = []
        for index in self._open():
            if self._wanted(self._recipients[index]):
                self._named.append(index)
            else:
                self._outcomes[index] = Withdrawn()
        if not self._named:
            return None
        named = tuple(self._recipients[index] for index in self._named)
        envelope = self.message.envelope
        return envelope if named == envelope.recipients else replace(envelope, recipients=named)

    def decide(self, outcomes: Sequence[Outcome]) -> None:
        """Take the outcomes of the recipients of the last `envelope`, in its order."""
        for index, outcome in zip(self._named, outcomes, strict=True):
            self._outcomes[index] = outcome

    def unreached(self, outcome: Outcome) -> None:
        """No transaction was possible: this is the outcome of all that have none yet."""
        self._outcomes = [known or outcome for known in self._outcomes]

    def outcomes(self) -> Sequence[Outcome]:
        """Return the outcome of each recipient, in the order given."""
        return [outcome or Deferred(NOT_TRIED) for outcome in self._outcomes]

    def _open(self) -> list[int]:
        return [index for index, outcome in enumerate(self._outcomes) if outcome is None or type(outcome) is Deferred]
