"""Tells plugins what became of mail; nobody waits for them."""

from __future__ import annotations

from typing import Final

from zope.interface import Interface

from twistedmail_mta import stages
from twistedmail_mta.model import (
    Deferred,
    Delivered,
    Failed,
    LocalMail,
    Message,
    Settlement,
    Unconfirmed,
    Withdrawn,
    id_text,
)
from twistedmail_mta.pipeline import Pipeline
from twistedmail_mta.routes import FILTER
from twistedmail_mta.tags import mapping_of
from twistedmail_mta.tasks import TaskGroup

_STAGES: Final[dict[type, type[Interface]]] = {
    Delivered: stages.IDeliveredObserver,
    Deferred: stages.IDeferredObserver,
    Unconfirmed: stages.IDeferredObserver,
    Failed: stages.IBouncedObserver,
}


class Observation:
    """Makes of what happened what plugins are told."""

    def __init__(self, pipeline: Pipeline, tasks: TaskGroup) -> None:
        self._pipeline = pipeline
        self._tasks = tasks

    def follow(self, pipeline: Pipeline, tasks: TaskGroup) -> None:
        """Tell others from now on."""
        self._pipeline, self._tasks = pipeline, tasks

    def attempted(self, message: Message, settlement: Settlement) -> None:
        """Hear what became of a recipient."""
        outcome = settlement.outcome
        stage = _STAGES.get(type(outcome))
        if stage is None or isinstance(outcome, Withdrawn) or not self._pipeline.asks(stage):
            return
        via = settlement.claim.recipient.via
        if isinstance(outcome, Delivered) and via is not None and via.via.startswith(FILTER):
            return  # a filter has it, and nobody else yet
        attempt = stages.Attempted(
            id_text(message.id),
            message.envelope.sender,
            settlement.claim.recipient.address,
            message.origin.account,
            outcome.reply,
            outcome.remote,
            settlement.claim.attempts + 1,
            mapping_of(message.tags),
        )
        self._pipeline.tell_soon(self._tasks, stage, attempt)

    def stored(self, message: Message, local: LocalMail) -> None:
        """Hear what went into mailboxes with its acceptance."""
        if self._pipeline.asks(stages.IMailboxObserver):
            mailboxes = tuple((delivery.address, delivery.mailbox) for delivery in local.deliveries)
            told = stages.Stored(
                id_text(message.id), message.envelope.sender, mailboxes, message.size, mapping_of(message.tags)
            )
            self._pipeline.tell_soon(self._tasks, stages.IMailboxObserver, told)
