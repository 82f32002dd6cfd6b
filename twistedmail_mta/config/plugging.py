"""[plugins]: which plugins there are; what a listener's own list of them may hold."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, Field, model_validator

from twistedmail_mta.config.values import FilePath, Table, Wait, sequence
from twistedmail_mta.plugin_code import Code
from twistedmail_mta.plugins import Kind

PluginPath = Annotated[tuple[FilePath, ...], BeforeValidator(sequence)]
"""Folders in which the modules of plugins are looked for first."""

Files = frozenset[tuple[Path, tuple[int, ...]]]
"""Files, each with what changes when it does."""


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
        code: of what stands in the folders of `plugin_path`, its own and what that imports there.
        files: those that its options name, as they were.
    """

    name: str
    table: PluginTable
    kind: Kind
    options: BaseModel
    code: Code = frozenset()
    files: Files = frozenset()

    def is_same_as(self, other: Found) -> bool:
        """Return whether it would be made of the same: then what was made of it can go on."""
        return (self.name, self.table, self.code, self.files) == (other.name, other.table, other.code, other.files)


def files_in(options: object) -> Files:
    """Return the files that options name, as they are now."""
    return frozenset((path, _look_of(path)) for path in _paths_in(options))


def _look_of(path: Path) -> tuple[int, ...]:
    """Return what changes with a file; nothing of one that isn't to be had."""
    try:
        status = path.stat()
    except OSError:
        return ()
    return status.st_mtime_ns, status.st_size, status.st_ino


def _paths_in(value: object) -> Iterator[Path]:
    match value:
        case Path():
            yield value
        case BaseModel():
            for name in type(value).model_fields:
                yield from _paths_in(getattr(value, name))
        case Mapping():
            for each in value.values():
                yield from _paths_in(each)
        case tuple() | list() | set() | frozenset():
            for each in value:
                yield from _paths_in(each)
