"""Every metric of the server: its name, what it means, and what it is told apart by (PURE).

`docs/metrics.md` lists the same; a test keeps both equal.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal

from twistedmail_mta.observe.figures import Labels, Spread

MOMENTS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Bounds of what should take milliseconds, in seconds."""
WAYS: Final = (0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0, 14_400.0, 43_200.0, 86_400.0, 259_200.0)
"""Bounds of how long mail is on its way, in seconds."""
CALLS: Final = (0.00001, 0.0001, 0.001, 0.01, 0.1, 1.0, 10.0)
"""Bounds of what plugins take, in seconds."""
GROUP: Final = (1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0)
"""Bounds of how many writes share a commit."""

Kind = Literal["counter", "gauge", "histogram"]


@dataclass(frozen=True, slots=True)
class Family:
    """A metric.

    Attributes:
        name: with its unit; that of a counter ends in "_total".
        kind: what Prometheus calls it.
        words: what it means, in one sentence.
        labels: what its series are told apart by; peers can't make any of their values.
        bounds: of a histogram.
    """

    name: str
    kind: Kind
    words: str
    labels: tuple[str, ...] = ()
    bounds: tuple[float, ...] = ()


Reading = tuple[Family, Labels, float | Spread]
"""What a metric is now, for some labels."""


def _counter(name: str, words: str, *labels: str) -> Family:
    return Family(f"mta_{name}_total", "counter", words, labels)


def _gauge(name: str, words: str, *labels: str) -> Family:
    return Family(f"mta_{name}", "gauge", words, labels)


def _histogram(name: str, words: str, bounds: tuple[float, ...], *labels: str) -> Family:
    return Family(f"mta_{name}", "histogram", words, labels, bounds)


INFO: Final = _gauge("info", "1; which release runs.", "release")

ACCEPTED: Final = _counter(
    "messages_accepted", "Messages taken, by listener and the version of TLS (none: in clear).", "listener", "tls"
)
FILED: Final = _counter(
    "messages_filed", "Copies that were in mailboxes as soon as their message was taken.", "listener"
)
ACCEPTED_BYTES: Final = _counter("messages_accepted_bytes", "Octets of messages taken.", "listener")
DISCARDED: Final = _counter("messages_discarded", "Messages that plugins left no recipient.")
REFUSED: Final = _counter(
    "refusals",
    "Answers 4xx and 5xx of listeners where mail arrives, by the command refused; connect: a client turned away.",
    *("listener", "command", "code"),
)
ACCEPTANCE: Final = _histogram(
    "acceptance_seconds", "From the last octet of a message until it is on disk.", MOMENTS, "listener"
)
SESSIONS: Final = _gauge("sessions", "Connections of clients that are open.", "listener")
TLS_FAILED: Final = _counter(
    "tls_failed", "TLS handshakes that came to nothing; in: clients', out: ours with other hosts.", "direction"
)
LOGINS: Final = _counter("logins", "Logins that were judged.", "protocol", "outcome")
VERDICTS: Final = _counter(
    "authentication_results",
    "What was found of strangers' mail: SPF of the sender, DKIM, DMARC and ARC, if it was taken or refused for that.",
    *("method", "result"),
)

QUEUED: Final = _gauge(
    "queue_recipients", "Recipients in the queue, by state and by the class of the last answer.", "state", "reason"
)
QUEUED_MESSAGES: Final = _gauge("queue_messages", "Messages in the queue.")
OLDEST: Final = _gauge("queue_oldest_seconds", "Age of the oldest message with a recipient in that state.", "state")
COUNTED: Final = _gauge("queue_counted_timestamp_seconds", "When the queue was counted; it isn't for each scrape.")
ATTEMPTS: Final = _counter(
    "deliveries",
    "Attempts for a recipient, by the provider of the host that answered (here: own mailboxes; none: nobody was "
    "reached; other: hosts of nobody in the table of providers).",
    *("provider", "outcome"),
)
DELIVERY: Final = _histogram(
    "delivery_seconds", "From the acceptance of a message until a recipient's copy was delivered.", WAYS, "place"
)
DELIVERED_TLS: Final = _counter(
    "deliveries_tls", "Copies that other hosts took, by how they proved who they are over TLS.", "proof"
)
OUTBOUND: Final = _counter("outbound_sessions", "Sessions opened with other hosts, by the version of TLS.", "tls")
LANES: Final = _gauge("lanes", "Lanes of deliveries that have work; dead: the next hop can't be reached.", "state")
LANE_RECIPIENTS: Final = _gauge("lane_recipients", "Recipients in lanes, waiting for their turn or being delivered.")
REPORTS: Final = _counter("reports", "Reports to senders: failure (a bounce), delay, success.", "kind")
UNTOLD: Final = _counter("reports_untold", "Failures that nobody could be told of.")

COMMIT: Final = _histogram("store_commit_seconds", "A transaction of the database, until it is on disk.", MOMENTS)
GROUPED: Final = _histogram("store_group_writes", "Writes that shared a transaction.", GROUP)
WAITED: Final = _histogram("store_wait_seconds", "From the wish to write until the writer began with it.", MOMENTS)
WRITES: Final = _gauge("store_waiting_writes", "Writes that wait or are being done.")
STORE_BYTES: Final = _gauge("store_bytes", "Octets of the database's files.", "file")
DISK_FREE: Final = _gauge("disk_free_bytes", "Octets free on the disk of the state directory.")
DISK_MARGIN: Final = _gauge("disk_margin_bytes", "Octets that must be free there for new mail to be taken.")
POOLS: Final = _gauge("pool_calls", "Calls that wait for a thread of a pool, or run on one.", "pool")
POOL_LIMIT: Final = _gauge("pool_limit_calls", "How many a pool takes; more are refused.", "pool")
LAG: Final = _histogram("reactor_lag_seconds", "How late the reactor is, looked at every second.", MOMENTS)

DNS: Final = _histogram(
    "dns_seconds", "Questions to name servers, those that the cache answers left out.", MOMENTS, "type", "outcome"
)
PLUGIN: Final = _histogram(
    "plugin_seconds", "Answers of plugins, with all that they wait for.", CALLS, "plugin", "stage"
)
PLUGIN_FAILURES: Final = _counter("plugin_failures", "Exceptions, timeouts and useless answers of plugins.", "plugin")
PLUGIN_REFUSALS: Final = _counter("plugin_refusals", "What plugins refused.", "plugin", "stage")
PLUGIN_RESTING: Final = _gauge("plugin_resting", "1 while a plugin isn't asked, having kept the server busy.", "plugin")

EXPIRY: Final = _gauge("certificate_expiry_timestamp_seconds", "When a certificate of ours ends.", "name")
COMPLAINTS: Final = _counter("log_complaints", "Log lines that tell of trouble, by their level.", "level")

FAMILIES: Final = tuple(each for each in tuple(globals().values()) if isinstance(each, Family))
"""All of them, in the order in which they are told."""

PROCESS: Final = (
    *("process_virtual_memory_bytes", "process_resident_memory_bytes", "process_start_time_seconds"),
    *("process_cpu_seconds_total", "process_open_fds", "process_max_fds"),
)
"""What the library for Prometheus tells of any process."""


def of_counts(family: Family, numbers: Iterable[tuple[Labels, float]]) -> list[Reading]:
    """Return the readings of a metric from its numbers by labels."""
    return [(family, labels, number) for labels, number in numbers]
