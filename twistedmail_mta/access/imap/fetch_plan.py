"""What one FETCH asks for, worked out once: what is read of each message, and how it is told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from twistedmail_mta.access.imap.fetch_texts import TextItem, sets_seen, text_columns, text_item
from twistedmail_mta.access.imap.fetch_values import Value, value, value_columns
from twistedmail_mta.imap.fetch import Item, Wanted
from twistedmail_mta.imap.flag_list import FlagLists
from twistedmail_mta.mailbox.described import Column

READ: Final = 512 * 1024
"""Octets that are read at once."""
STRUCTURES: Final = 128 * 1024
"""The same, where BODY has to be made of what BODYSTRUCTURE says: that takes a millisecond for 70 KB."""


@dataclass(frozen=True, slots=True)
class Plan:
    r"""A FETCH.

    Attributes:
        items: in the order they were asked for.
        columns: what is read of each message; none where the view has it all.
        values: the items, if they are all such that many messages are formatted together; else none.
        sets_seen: \Seen is set where it isn't.
        changed: what is told besides of a message whose flags this changed.
        at_once: octets that are read at once.
    """

    items: Sequence[Value | TextItem]
    columns: tuple[Column, ...]
    values: Sequence[Value]
    sets_seen: bool
    changed: Sequence[Value]
    at_once: int


def plan_of(items: Sequence[Wanted], flags: FlagLists, told: Sequence[Item], *, read_only: bool) -> Plan:
    """Return what a FETCH asks for.

    Args:
        items: as the command has them.
        flags: of the mailbox, worded.
        told: what has to be told of a message whose flags changed.
        read_only: flags stay as they are.
    """
    seen = not read_only and any(map(sets_seen, items))
    needed = {wanted: value_columns(wanted) for wanted in items}
    every = [text_columns(wanted) if columns is None else columns for wanted, columns in needed.items()]
    columns = tuple(dict.fromkeys(column for each in every for column in each))
    made = [text_item(wanted) if needed[wanted] is None else value(wanted, columns, flags) for wanted in items]
    values = [item for item in made if isinstance(item, Value)]
    together = values if len(values) == len(made) and not seen else ()
    changed = [value(item, columns, flags) for item in told if item not in items]
    return Plan(made, columns, together, seen, changed, STRUCTURES if Item.BODY in items else READ)
