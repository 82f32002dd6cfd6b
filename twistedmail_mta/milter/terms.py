"""What server and filter agree on: actions, steps, and the macros of each stage.

The protocol has no RFC; its reference is libmilter (include/libmilter/mfdef.h
and mfapi.h of Sendmail 8.14 and later), whose values these are.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum, IntFlag
from typing import Final

VERSION: Final = 6
OLDEST_VERSION: Final = 2

MAX_CHUNK: Final = 65535
"""Octets of a packet behind its command that libmilter takes."""


class Action(IntFlag):
    """What a filter may do to a message (SMFIF_*)."""

    ADD_HEADER = 0x001
    CHANGE_BODY = 0x002
    ADD_RECIPIENT = 0x004
    DELETE_RECIPIENT = 0x008
    CHANGE_HEADER = 0x010
    QUARANTINE = 0x020
    CHANGE_SENDER = 0x040
    ADD_RECIPIENT_WITH_PARAMETERS = 0x080
    SET_MACROS = 0x100


class Step(IntFlag):
    """What a filter isn't told, doesn't answer, or may answer besides (SMFIP_*)."""

    NO_CONNECT = 0x000001
    NO_HELLO = 0x000002
    NO_MAIL = 0x000004
    NO_RECIPIENT = 0x000008
    NO_BODY = 0x000010
    NO_HEADERS = 0x000020
    NO_END_OF_HEADER = 0x000040
    SILENT_HEADER = 0x000080
    NO_UNKNOWN = 0x000100
    NO_DATA = 0x000200
    SKIP = 0x000400
    REFUSED_RECIPIENTS = 0x000800
    SILENT_CONNECT = 0x001000
    SILENT_HELLO = 0x002000
    SILENT_MAIL = 0x004000
    SILENT_RECIPIENT = 0x008000
    SILENT_DATA = 0x010000
    SILENT_UNKNOWN = 0x020000
    SILENT_END_OF_HEADER = 0x040000
    SILENT_BODY = 0x080000
    LEADING_SPACE = 0x100000


ALL_ACTIONS: Final = Action(0x1FF)

ALL_STEPS: Final = Step(0x1FFFFF) & ~Step.REFUSED_RECIPIENTS
"""Recipients that are refused here are no filter's business."""


class Stage(IntEnum):
    """The stages for which a filter may name the macros it wants (SMFIM_*)."""

    CONNECT = 0
    HELLO = 1
    MAIL = 2
    RECIPIENT = 3
    DATA = 4
    END_OF_MESSAGE = 5
    END_OF_HEADER = 6


@dataclass(frozen=True, slots=True)
class Agreement:
    """What was agreed on for a connection.

    Attributes:
        version: the filter's.
        actions: what it may do.
        steps: what it isn't told, doesn't answer, or may answer besides.
        macros: the names it wants, by stage; a stage that is missing gets what is usual.
    """

    version: int = VERSION
    actions: Action = ALL_ACTIONS
    steps: Step = ALL_STEPS
    macros: Mapping[int, tuple[bytes, ...]] = field(default_factory=dict)
