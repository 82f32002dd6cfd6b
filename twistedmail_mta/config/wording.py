"""Values of the site file as people write them there."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final, get_args, get_origin

from pydantic import BaseModel, BeforeValidator, TypeAdapter
from pydantic.fields import FieldInfo

from twistedmail_mta.config.problems import fields_of, key_path
from twistedmail_mta.config.site import Site
from twistedmail_mta.config.units import parse_duration, parse_size, written_duration, written_size
from twistedmail_mta.config.values import mail_address

NOTHING: Final = "nothing"


@dataclass(frozen=True, slots=True)
class Kind:
    """What values of a key are.

    Attributes:
        annotation: as Python has it.
        metadata: what goes with that.
    """

    annotation: object
    metadata: Sequence[object] = ()

    def readers(self) -> set[Callable[..., Any]]:
        """Return what reads values of the file before they are of their type."""
        return {each.func for each in _flat(self) if isinstance(each, BeforeValidator)}

    def inside(self, step: str | int) -> Kind:
        """Return what the values of a key inside it are."""
        for each in _alternatives(self.annotation):
            if isinstance(each, type) and issubclass(each, BaseModel):
                found = fields_of(each).get(str(step))
                if found is not None:
                    return Kind(found.annotation, found.metadata)
            elif get_origin(each) is dict:
                return Kind(get_args(each)[1])
            elif get_origin(each) is tuple:
                return Kind(get_args(each)[0])
        return Kind(object)

    def default(self, step: str) -> object:
        """Return the default of a key inside it, as JSON has it; None where there is none."""
        for each in _alternatives(self.annotation):
            if isinstance(each, type) and issubclass(each, BaseModel) and step in fields_of(each):
                found = fields_of(each)[step]
                value = None if found.is_required() else found.get_default(call_default_factory=True)
                return TypeAdapter(object).dump_python(value, mode="json")
        return None


WHOLE: Final = Kind(Site)


def kind_of(steps: Sequence[str | int]) -> Kind:
    """Return what the values of a key of the site file are, from the steps that lead to it."""
    kind = WHOLE
    for step in steps:
        kind = kind.inside(step)
    return kind


def as_written(value: object, kind: Kind) -> str:
    """Return a value as the site file would have it; `nothing` for None.

    Args:
        value: as JSON has it.
        kind: of the key.
    """
    match value:
        case None:
            return NOTHING
        case bool():
            return str(value).lower()
        case int() | float():
            return _number(value, kind)
        case Mapping():
            return _table(value, kind)
        case list() | tuple():
            return f"[{', '.join(as_written(each, kind.inside(place)) for place, each in enumerate(value))}]"
    return json.dumps(str(value), ensure_ascii=False)


def _number(value: float, kind: Kind) -> str:
    readers = kind.readers()
    if parse_duration in readers:
        return f'"{written_duration(value)}"'
    if parse_size in readers:
        return f'"{written_size(int(value))}"'
    return f"{value:g}" if isinstance(value, float) else str(value)


def _table(value: Mapping[str, Any], kind: Kind) -> str:
    """Return an inline table, without what is as it would be anyway."""
    if mail_address in kind.readers():
        return json.dumps(f"{value['local']}@{value['domain']}", ensure_ascii=False)
    said = {key: each for key, each in value.items() if each is not None and each != kind.default(key)}
    if not said:
        return "{}"
    return (
        f"{{ {', '.join(f'{key_path((key,))} = {as_written(each, kind.inside(key))}' for key, each in said.items())} }}"
    )


def _alternatives(annotation: object) -> Iterator[object]:
    """Yield the types that a value may have, without None and without what is said about them."""
    origin = get_origin(annotation)
    if origin is Annotated:
        yield from _alternatives(get_args(annotation)[0])
    elif origin in {dict, tuple} or not get_args(annotation):
        yield annotation
    else:
        for each in get_args(annotation):
            yield from _alternatives(each)


def _flat(kind: Kind) -> Iterator[object]:
    """Yield all that is said about a type."""
    for each in kind.metadata:
        yield each
        if isinstance(each, FieldInfo):
            yield from each.metadata
    origin, arguments = get_origin(kind.annotation), get_args(kind.annotation)
    if origin is Annotated:
        yield from _flat(Kind(arguments[0], arguments[1:]))
    elif origin not in {dict, tuple}:
        for each in arguments:
            yield from _flat(Kind(each))
