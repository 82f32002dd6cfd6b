"""[plugins]: which plugins there are; what a listener's own list of them may hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, Field, model_validator

from twistedmail_mta.config.values import FilePath, Table, Wait, sequence
from twistedmail_mta.plugins import Kind

PluginPath = Annotated[tuple[FilePath, ...], BeforeValidator(sequence)]
"""Folders in which the modules of plugins are looked for first."""


class PluginTable(Table):
    """[plugins.NAME]: one plugin; whatever key isn't among these is an option of its own.

    Attributes:
        use: the name under which an installed package offers it, or `module:attribute`.
        timeout: seconds that one call may take; None: what the plugin says, mostly 10.
        on_error: what an exception or a timeout means: 451, or no answer; None: what the plugin says.
        may_send_anywhere: it may add recipients that this host keeps no mail for.
        options: those of its own, as they were written.
    """

    use: str
    timeout: Wait | None = None
    on_error: Literal["refuse", "abstain"] | None = None
    may_send_anywhere: bool = False
    options: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _gather_options(cls, value: object) -> object:
        if not isinstance(value, Mapping):
            return value
        own = cls.model_fields.keys() - {"options"}
        known = {key: each for key, each in value.items() if key in own}
        return known | {"options": {key: each for key, each in value.items() if key not in own}}


@dataclass(frozen=True, slots=True)
class Found:
    """A plugin of the site file, found and with its options read.

    Attributes:
        name: what the site file calls it.
        table: what it says of it.
        kind: makes it.
        options: for that.
    """

    name: str
    table: PluginTable
    kind: Kind
    options: BaseModel
