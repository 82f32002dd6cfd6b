"""The tables [[lane]]: how fast mail goes to a provider or host, where that differs from the usual."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

from pydantic import BeforeValidator, Field, model_validator

from twistedmail_mta.config.units import parse_rate
from twistedmail_mta.config.values import Count, Domain, Table, Wait, one_or_more
from twistedmail_mta.model import LaneTerms


class LaneTable(Table):
    """[[lane]]: what holds for the deliveries to some next hops.

    Attributes:
        match: providers by the names of the shipped table, such as "google";
            MX hosts, explicit hosts or recipient domains, each with all below it.
        concurrency: most deliveries at once.
        messages_per_connection: most messages over one connection.
        rate: most deliveries in a time, such as "100/m", evenly spread; as the
            seconds between two.
        pause: how long the lane rests after a first failure to reach the next hop.
    """

    match: Annotated[tuple[Domain, ...], BeforeValidator(one_or_more), Field(min_length=1)]
    concurrency: Count | None = None
    messages_per_connection: Count | None = None
    rate: Annotated[float, BeforeValidator(parse_rate)] | None = None
    pause: Wait | None = None

    @model_validator(mode="after")
    def _says_something(self) -> LaneTable:
        if not self.model_fields_set - {"match"}:
            raise ValueError("says nothing but match; add concurrency, messages_per_connection, rate or pause")
        return self

    def terms(self) -> Iterable[LaneTerms]:
        """Yield the terms, under each of its names."""
        for name in self.match:
            yield LaneTerms(name, self.concurrency, self.messages_per_connection, self.rate or 0.0, self.pause)


def distinct(lanes: tuple[LaneTable, ...]) -> tuple[LaneTable, ...]:
    """Return lanes, none of which is for what another is for.

    Raises:
        ValueError: a name stands twice.
    """
    names = [name for lane in lanes for name in lane.match]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"{', '.join(twice)} stands in more than one match")
    return lanes
