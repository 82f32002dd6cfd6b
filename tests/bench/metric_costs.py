"""What counting costs a message, and what a scrape costs: run it by hand, `python tests/bench/metric_costs.py`.

The events of one message that comes in and one that is delivered are given to
the log's observers, with the tally and without it; then the numbers of a busy
site are made into text.
"""

# ruff: noqa: T201 - it prints

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from twisted.logger import Logger, LogPublisher

from twistedmail_mta.deliver.providers import shipped_providers
from twistedmail_mta.observe import catalogue
from twistedmail_mta.observe.catalogue import FAMILIES, Reading
from twistedmail_mta.observe.exposition import text_of
from twistedmail_mta.observe.figures import Spread
from twistedmail_mta.observe.tally import EventTally

NUMBER = 100_000
TAGS = {"auth.spf": "pass a.test", "auth.dkim": "pass a.test", "auth.dmarc": "pass a.test p=none"}


def events(log: Logger) -> None:
    """Log what one message makes."""
    log.info(
        "{queue_id}", event="smtp.accepted", queue_id="0a", listener="mx", tls="TLSv1.3 TLS_AES_256_GCM_SHA384",
        size=4096, seconds=0.002, tags=TAGS,
    )  # fmt: skip
    log.info(
        "{queue_id}", event="queue.delivered", queue_id="0a", outcome="delivered", proof="DANE", seconds=3.0, tls=True,
        remote="gmail-smtp-in.l.google.com [192.0.2.1]",
    )  # fmt: skip


def ignore(event: dict[str, Any]) -> None:
    """Stand for the observer that writes lines."""


def each(call: Callable[[], object], number: int = NUMBER) -> float:
    """Return the microseconds of a call, the best of five rounds."""
    best = float("inf")
    for _ in range(5):
        began = time.process_time()
        for _ in range(number // 5):
            call()
        best = min(best, time.process_time() - began)
    return best / (number // 5) * 1e6


def readings(tally: EventTally) -> list[Reading]:
    """Return the numbers of a site where everything happens."""
    spread = Spread(catalogue.CALLS)
    found = [*tally.readings()]
    for family in FAMILIES:
        value = Spread(family.bounds) if family.kind == "histogram" else 3
        found += [(family, tuple(f"{label}{n}" for label in family.labels), value) for n in range(20)]
    return [*found, (catalogue.PLUGIN, ("a", "b"), spread)]


def main() -> None:
    """Measure, and print."""
    tally, spread = EventTally(shipped_providers().of), Spread(catalogue.CALLS)
    without = each(lambda: events(Logger("a", observer=LogPublisher(ignore))))
    with_tally = each(lambda: events(Logger("a", observer=LogPublisher(ignore, tally))))
    nothing = each(lambda: tally({"event": "unheard.of"}))
    print(f"both events of a message: {with_tally - without:.1f} us more; any other event {nothing:.2f} us")
    print(f"a value of a histogram: {each(lambda: spread.note(0.003)):.2f} us")
    found = readings(tally)
    text = text_of(found)
    print(f"a scrape of {text.count(b'{')} series, on its thread: {each(lambda: text_of(found), 50) / 1000:.1f} ms")


if __name__ == "__main__":
    main()
