"""[relay]: who may let strangers send mail on through this host."""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator

from twistedmail_mta.config.values import Table, sequence


class RelayTable(Table):
    """[relay]: mail of clients that haven't logged in, for domains elsewhere.

    Attributes:
        plugins: names of plugins that may grant it, asked in this order; none: nobody grants it.
    """

    plugins: Annotated[tuple[str, ...], BeforeValidator(sequence)] = ()
