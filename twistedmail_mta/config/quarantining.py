"""[quarantine]: mail that plugins want kept from its recipients."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Final, TypeVar

from pydantic import BeforeValidator, Field

from twistedmail_mta.config.units import parse_duration, parse_size
from twistedmail_mta.config.values import Mailbox, Table

T = TypeVar("T")

_NONE: Final = "none"


def or_none(reader: Callable[[object], T]) -> BeforeValidator:
    """Read a value with its unit, or "none": without a limit."""

    def read(value: object) -> T | None:
        if value == _NONE:
            return None
        try:
            return reader(value)
        except ValueError as error:
            raise ValueError(f'{error}; or "{_NONE}"') from error

    return BeforeValidator(read)


class QuarantineTable(Table):
    """[quarantine]: what becomes of mail that plugins want quarantined.

    Attributes:
        keep: seconds after which it is deleted; None: never.
        max_size: octets of all such mail; more is refused for now.  None: no limit.
        mailbox: an address kept here whose mailbox gets it at once; None: it waits for an operator.
    """

    keep: Annotated[Annotated[float, Field(gt=0)] | None, or_none(parse_duration)] = 30 * 86400.0
    max_size: Annotated[Annotated[int, Field(gt=0)] | None, or_none(parse_size)] = 1 << 30
    mailbox: Mailbox | None = None
