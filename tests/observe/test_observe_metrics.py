"""Metrics: numbers that are cheap to count, their text as Prometheus reads it, and the documents that name them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families
from twisted.logger import LogLevel

from twistedmail_mta.observe import catalogue
from twistedmail_mta.observe.catalogue import FAMILIES, PROCESS, Family
from twistedmail_mta.observe.exposition import json_of, text_of
from twistedmail_mta.observe.figures import MOST_SERIES, Counts, Spread, Spreads
from twistedmail_mta.observe.tally import EventTally

DOCS = Path(__file__).resolve().parents[2] / "docs"
PROVIDERS = {"mx1.big.test": "big"}


def samples(*readings: catalogue.Reading) -> dict[tuple[Any, ...], float]:
    """What Prometheus's own reader makes of readings: (name, *labels in order of their names) -> value."""
    families = text_string_to_metric_families(text_of(readings, process=False).decode())
    return {
        (one.name, *(value for _, value in sorted(one.labels.items()))): one.value
        for each in families
        for one in each.samples
    }


def heard(*events: dict[str, Any]) -> dict[tuple[Any, ...], float]:
    """The samples after some log events."""
    tally = EventTally(PROVIDERS.get)
    for event in events:
        tally({"log_level": LogLevel.info, **event})
    return samples(*tally.readings())


def test_the_document_names_every_metric() -> None:
    """docs/metrics.md has the catalogue, no more and no less, word for word."""
    rows = re.findall(r"^\| `(mta_\w+)` \| (\w+) \| (.*?) \| (.*) \|$", (DOCS / "metrics.md").read_text(), re.MULTILINE)

    written = [(name, kind, tuple(re.findall(r"`(\w+)`", labels)), words) for name, kind, labels, words in rows]

    assert written == [(each.name, each.kind, each.labels, each.words) for each in FAMILIES]
    assert all(f"`{name}`" in (DOCS / "metrics.md").read_text() for name in PROCESS)


def test_the_document_tells_what_labels_hold() -> None:
    """Each label of each metric has a row with its values."""
    (table,) = re.findall(r"^\| label \| values \|\n(.*)", (DOCS / "metrics.md").read_text(), re.MULTILINE | re.DOTALL)
    told = {name for row in table.splitlines() for name in re.findall(r"`(\w+)`", row.split("|")[1])}

    assert {label for family in FAMILIES for label in family.labels} == told


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_names_are_as_prometheus_wants_them(family: Family) -> None:
    """Counters end in _total, nothing else does; units are base units; bounds ascend; labels aren't its own."""
    assert re.fullmatch(r"mta_[a-z_]+", family.name)
    assert family.name.endswith("_total") == (family.kind == "counter")
    assert not re.search(r"_(ms|milliseconds|minutes|hours|kb|kilobytes|mb|octets|percent)\b", family.name)
    assert list(family.bounds) == sorted(set(family.bounds))
    assert bool(family.bounds) == (family.kind == "histogram")
    assert not {"le", "job", "instance"} & set(family.labels)
    assert len({each.name for each in FAMILIES}) == len(FAMILIES)


def test_a_spread_is_a_histogram() -> None:
    """Buckets add up, a value on a bound is below it, and the sum is the sum."""
    spread = Spread(catalogue.MOMENTS)
    for value in (0.0005, 0.001, 0.3, 99.0, -1.0):
        spread.note(value)

    told = samples((catalogue.COMMIT, (), spread))

    assert told["mta_store_commit_seconds_bucket", "0.001"] == 3
    assert told["mta_store_commit_seconds_bucket", "0.25"] == 3
    assert told["mta_store_commit_seconds_bucket", "0.5"] == 4
    assert told["mta_store_commit_seconds_bucket", "10.0"] == 4
    assert (
        told["mta_store_commit_seconds_bucket", "+Inf"] == 5 == told["mta_store_commit_seconds_count",] == spread.number
    )
    assert told["mta_store_commit_seconds_sum",] == pytest.approx(99.3015)


def test_labels_are_written_as_they_are() -> None:
    """Whatever an operator calls a listener, the text stays one that can be read."""
    name = 'a"b\\c\nd'

    assert samples((catalogue.SESSIONS, (name,), 7))["mta_sessions", name] == 7


def test_labels_are_bounded() -> None:
    """However many values there are, what is kept isn't more, and nothing is lost."""
    counts, spreads = Counts(), Spreads(catalogue.CALLS)
    for n in range(3 * MOST_SERIES):
        counts.add((str(n), "x"))
        spreads.note((str(n),), 1.0)
    counts.add(("0", "x"))

    assert len(counts.items()) == MOST_SERIES + 1
    assert sum(number for _, number in counts.items()) == 3 * MOST_SERIES + 1
    assert dict(counts.items())["other", "other"] == 2 * MOST_SERIES
    assert dict(counts.items())["0", "x"] == 2
    assert len(list(spreads)) == MOST_SERIES + 1
    assert sum(spread.number for _, spread in spreads) == 3 * MOST_SERIES


def test_all_metrics_have_a_name_at_once() -> None:
    """Rules and dashboards find each, also before anything has happened."""
    names = {each.name for each in text_string_to_metric_families(text_of([]).decode())}

    assert names == {name.removesuffix("_total") for name in (*(each.name for each in FAMILIES), *PROCESS)}


def test_json_tells_the_same() -> None:
    """The same samples, with their labels by name."""
    (sessions,) = [each for each in json_of([(catalogue.SESSIONS, ("mx",), 3)]) if each["name"] == "mta_sessions"]

    assert sessions["type"] == "gauge"
    assert sessions["help"] == catalogue.SESSIONS.words
    assert sessions["samples"] == [{"name": "mta_sessions", "labels": {"listener": "mx"}, "value": 3}]


def accepted(**fields: Any) -> dict[str, Any]:
    return {"event": "smtp.accepted", "listener": "mx", "tls": "", "size": 1000, "seconds": 0.02} | fields


def test_accepted_messages() -> None:
    """By listener and version of TLS, their octets and time, and what was found of whose they are."""
    tags = {
        "auth.spf": "pass sender.test",
        "auth.dkim": "invented words",
        "auth.dmarc": "fail a.test p=reject",
        "x": "y",
    }

    told = heard(accepted(tls="TLSv1.3 TLS_AES_256_GCM_SHA384"), accepted(tls="TLSv9 x", tags=tags), accepted())

    assert told["mta_messages_accepted_total", "mx", "TLSv1.3"] == 1
    assert told["mta_messages_accepted_total", "mx", "other"] == 1
    assert told["mta_messages_accepted_total", "mx", "none"] == 1
    assert told["mta_messages_accepted_bytes_total", "mx"] == 3000
    assert told["mta_acceptance_seconds_bucket", "0.025", "mx"] == 3
    assert told["mta_authentication_results_total", "spf", "pass"] == 1
    assert told["mta_authentication_results_total", "dkim", "other"] == 1
    assert told["mta_authentication_results_total", "dmarc", "fail"] == 1


def test_refusals() -> None:
    """By the command, not by what stood in it."""
    told = heard(
        {"event": "smtp.refused", "listener": "mx", "command": "RCPT TO:<evil@x>", "code": 550},
        {"event": "smtp.refused", "listener": "mx", "command": "RCPT TO:<worse@x>", "code": 451},
        {"event": "smtp.refused", "listener": "mx", "command": "the message", "code": 554},
        {"event": "smtp.turned_away", "listener": "mx", "code": 421},
    )

    assert {key: value for key, value in told.items() if key[0] == "mta_refusals_total"} == {
        ("mta_refusals_total", "5xx", "RCPT", "mx"): 1,
        ("mta_refusals_total", "4xx", "RCPT", "mx"): 1,
        ("mta_refusals_total", "5xx", "message", "mx"): 1,
        ("mta_refusals_total", "4xx", "connect", "mx"): 1,
    }


def attempt(outcome: str, remote: str, **fields: Any) -> dict[str, Any]:
    return {"event": f"queue.{outcome}", "outcome": outcome, "remote": remote, "seconds": 2.0} | fields


def test_deliveries() -> None:
    """By the provider of the host, which is looked up in a fixed table; and by how it proved who it is."""
    told = heard(
        attempt("delivered", "MX1.big.test [192.0.2.1]", tls=True, proof="DANE"),
        attempt("delivered", "mx.small.test [192.0.2.2]", tls=True, proof=""),
        attempt("delivered", ""),
        attempt("deferred", "mx1.big.test [192.0.2.1]"),
        attempt("failed", ""),
    )

    assert told["mta_deliveries_total", "delivered", "big"] == 1
    assert told["mta_deliveries_total", "deferred", "big"] == 1
    assert told["mta_deliveries_total", "delivered", "other"] == 1
    assert told["mta_deliveries_total", "delivered", "here"] == 1
    assert told["mta_deliveries_total", "failed", "none"] == 1
    assert told["mta_delivery_seconds_count", "remote"] == 2
    assert told["mta_delivery_seconds_sum", "here"] == 2
    assert told["mta_deliveries_tls_total", "DANE"] == 1
    assert told["mta_deliveries_tls_total", "none"] == 1


def test_the_rest_of_the_log() -> None:
    """Logins, TLS, reports, plugins, and trouble of any kind."""
    told = heard(
        {"event": "auth.ok", "protocol": "imap"},
        {"event": "auth.failed", "protocol": "pop3"},
        {"event": "auth.failed", "protocol": "a peer's word"},
        {"event": "imap.tls.failed"},
        {"event": "deliver.tls.failed"},
        {"event": "queue.reported", "kind": "failure"},
        {"event": "queue.untold", "log_level": LogLevel.warn},
        {"event": "smtp.discarded"},
        {"event": "plugin.refused", "plugin": "lists", "stage": "rcpt"},
        {"event": "authentication.found", "tags": {"auth.dmarc": "fail x"}},
        {"event": "unheard.of", "log_level": LogLevel.critical},
        {"log_level": LogLevel.error},
    )

    assert told["mta_logins_total", "ok", "imap"] == 1
    assert told["mta_logins_total", "failed", "pop3"] == 1
    assert told["mta_logins_total", "failed", "other"] == 1
    assert told["mta_tls_failed_total", "in"] == 1
    assert told["mta_tls_failed_total", "out"] == 1
    assert told["mta_reports_total", "failure"] == 1
    assert told["mta_reports_untold_total",] == 1
    assert told["mta_messages_discarded_total",] == 1
    assert told["mta_plugin_refusals_total", "lists", "rcpt"] == 1
    assert told["mta_authentication_results_total", "dmarc", "fail"] == 1
    assert [told["mta_log_complaints_total", level] for level in ("warning", "critical", "error")] == [1, 1, 1]
