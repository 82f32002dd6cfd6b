"""Readings of metrics as text for Prometheus, and as JSON."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import accumulate
from typing import Any, Final

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from twistedmail_mta.observe.catalogue import FAMILIES, Family, Reading
from twistedmail_mta.observe.figures import Labels, Spread

MEDIA_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
"""Of the text, as Prometheus calls it."""

_Series = list[tuple[Labels, float | Spread]]


class _Readings(Collector):
    """What the library asks for all metrics."""

    def __init__(self, readings: Iterable[Reading]) -> None:
        self._series: dict[Family, _Series] = {}
        for family, labels, value in readings:
            self._series.setdefault(family, []).append((labels, value))

    def collect(self) -> Iterator[Metric]:
        """Yield every metric, in the order of the catalogue; one without series as well, so that it has a name."""
        for family in FAMILIES:
            yield _metric(family, self._series.get(family, []))


def text_of(readings: Iterable[Reading], *, process: bool = True) -> bytes:
    """Return the text that Prometheus scrapes.

    Args:
        readings: what the metrics are now.
        process: tell of this process, too.
    """
    return generate_latest(_registry(readings, process=process))


def json_of(readings: Iterable[Reading], *, process: bool = True) -> list[dict[str, Any]]:
    """Return the same as values for JSON: metrics with their samples."""
    return [
        {
            "name": each.name,
            "type": each.type,
            "help": each.documentation,
            "samples": [{"name": one.name, "labels": dict(one.labels), "value": one.value} for one in each.samples],
        }
        for each in _registry(readings, process=process).collect()
    ]


def _registry(readings: Iterable[Reading], *, process: bool) -> CollectorRegistry:
    registry = CollectorRegistry()
    registry.register(_Readings(readings))
    if process:
        ProcessCollector(registry=registry)
    return registry


def _metric(family: Family, series: _Series) -> Metric:
    name, words, labels = family.name, family.words, family.labels
    if family.kind == "histogram":
        spread = HistogramMetricFamily(name, words, labels=labels)
        for values, value in series:
            if isinstance(value, Spread):
                spread.add_metric(values, _buckets(value), value.total)
        return spread
    made = CounterMetricFamily if family.kind == "counter" else GaugeMetricFamily
    plain = made(name, words, labels=labels)
    for values, value in series:
        if not isinstance(value, Spread):
            plain.add_metric(values, value)
    return plain


def _buckets(spread: Spread) -> list[tuple[str, float]]:
    numbers = list(accumulate(spread.numbers))
    return list(zip([*map(str, spread.bounds), "+Inf"], numbers, strict=True))
