"""By what a story is found (PURE)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Final

from twistedmail_mta.history.keys import (
    account_key,
    client_key,
    message_id_key,
    outcome_key,
    recipient_keys,
    sender_keys,
)
from twistedmail_mta.history.story import Outcome, Row
from twistedmail_mta.history.tables import STORY_COLUMNS

_PLACE: Final = {name: place for place, name in enumerate(STORY_COLUMNS)}
_SENDER, _RECIPIENTS, _MESSAGE_ID = _PLACE["sender"], _PLACE["recipients"], _PLACE["message_id"]
_PEER, _ACCOUNT, _OUTCOME = _PLACE["peer"], _PLACE["account"], _PLACE["outcome"]
_REFUSED, _FILED, _DETAINED = _PLACE["refused"], _PLACE["filed"], _PLACE["detained"]
_TOLD: Final = (Outcome.refused, Outcome.abandoned, Outcome.discarded)


def story_keys(row: Row) -> Iterator[int]:
    """Yield the keys of one of `tables.STORY_COLUMNS`."""
    if (sender := row[_SENDER]) is not None:
        yield from sender_keys(sender)
    if recipients := row[_RECIPIENTS]:
        yield from recipient_keys(recipients.split("\n"))
    if message_id := row[_MESSAGE_ID]:
        yield message_id_key(message_id)
    if peer := row[_PEER]:
        yield client_key(peer)
    if account := row[_ACCOUNT]:
        yield account_key(account)
    for column in (_REFUSED, _FILED):
        if row[column]:
            yield from recipient_keys(each[0] for each in json.loads(row[column]) if each[0] != recipients)
    yield from _outcome_keys(row)


def _outcome_keys(row: Row) -> Iterator[int]:
    outcome = row[_OUTCOME]
    if outcome in _TOLD:
        yield outcome_key(Outcome(outcome).name)
    if row[_REFUSED] and outcome != Outcome.refused:
        yield outcome_key("refused")
    if row[_DETAINED]:
        yield outcome_key("held")
