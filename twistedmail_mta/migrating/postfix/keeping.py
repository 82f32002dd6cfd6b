"""Numbers of Postfix: sizes, times, limits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from twistedmail_mta.config.units import written_duration, written_size
from twistedmail_mta.migrating.postfix.importing import Importing
from twistedmail_mta.migrating.postfix.main_cf import seconds

_COUNTS: Final[Mapping[str, tuple[tuple[str, ...], str]]] = {
    "hopcount_limit": (("limits",), "hops"),
    "smtpd_hard_error_limit": (("limits",), "errors"),
    "smtpd_soft_error_limit": (("limits",), "errors_before_delay"),
    "smtpd_recipient_limit": (("limits",), "recipients"),
    "smtpd_client_connection_count_limit": (("limits",), "connections_per_client"),
    "default_destination_concurrency_limit": (("outbound",), "concurrency"),
    "smtp_destination_concurrency_limit": (("outbound",), "concurrency"),
}
_TIMES: Final[Mapping[str, tuple[tuple[str, ...], str]]] = {
    "smtpd_timeout": (("limits",), "idle"),
    "smtp_connect_timeout": (("outbound", "timeouts"), "connect"),
    "smtp_helo_timeout": (("outbound", "timeouts"), "ehlo"),
    "smtp_mail_timeout": (("outbound", "timeouts"), "mail"),
    "smtp_rcpt_timeout": (("outbound", "timeouts"), "rcpt"),
    "smtp_data_init_timeout": (("outbound", "timeouts"), "data"),
    "smtp_data_xfer_timeout": (("outbound", "timeouts"), "block"),
    "smtp_data_done_timeout": (("outbound", "timeouts"), "final"),
}
_RATES: Final = {
    "smtpd_client_message_rate_limit": "messages",
    "smtpd_client_recipient_rate_limit": "recipients",
}
_NOT_IDLE: Final = "${stress?{10}:{300}}s"
"""What Debian's main.cf may say of smtpd_timeout; it is longer here, and fixed."""


def take_sizes(doing: Importing) -> None:
    """Take how large messages and mailboxes may be."""
    size = _number(doing.value("message_size_limit"))
    if size:
        doing.draft.put(("limits",), "message_size", written_size(size), doing.comment("message_size_limit"))
        doing.say("mapped", "message_size_limit", "limits.message_size")
    else:
        doing.draft.put(("limits",), "message_size", "1GB", doing.comment("message_size_limit"))
        doing.say("unmapped", "message_size_limit", "limits.message_size", "a message has a limit here: it is 1GB now")
    quota = _number(doing.value("mailbox_size_limit"))
    if quota:
        for domain in doing.draft.hosted:
            if "alias_of" not in doing.draft.tables["domains", domain]:
                doing.draft.put(("domains", domain), "quota", written_size(quota), doing.comment("mailbox_size_limit"))
        doing.say("mapped", "mailbox_size_limit", "domains.NAME.quota", "of all mailboxes of an account together")
    elif doing.given("mailbox_size_limit"):
        doing.say("default", "mailbox_size_limit", "domains.NAME.quota", "without one there is no limit")
    header = _number(doing.given("header_size_limit") or "")
    if header:
        doing.draft.put(("limits",), "header_size", written_size(header), doing.comment("header_size_limit"))
        doing.say("mapped", "header_size_limit", "limits.header_size")


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 13 else None


def take_queue(doing: Importing) -> None:
    """Take how long and how often mail is tried."""
    for name, key, unit in (
        ("maximal_queue_lifetime", "lifetime", "d"),
        ("bounce_queue_lifetime", "bounce_lifetime", "d"),
    ):
        time = seconds(doing.value(name), unit)
        if time:
            doing.draft.put(("queue",), key, written_duration(time), doing.comment(name))
            doing.say("mapped", name, f"queue.{key}")
        else:
            doing.say("unmapped", name, f"queue.{key}", "mail is tried for longer than no time here: say for how long")
    least, most = doing.given("minimal_backoff_time"), doing.given("maximal_backoff_time")
    if least or most:
        first, last = seconds(least or "300s") or 300, seconds(most or "4000s") or 4000
        waits = [first]
        while waits[-1] * 2 < last and len(waits) < 12:
            waits.append(waits[-1] * 2)
        comment = doing.comment("minimal_backoff_time" if least else "maximal_backoff_time")
        doing.draft.put(("queue",), "retry", [written_duration(each) for each in waits], comment)
        doing.draft.put(
            ("queue",), "retry_cap", written_duration(max(first, last)), doing.comment("maximal_backoff_time")
        )
        for name in ("minimal_backoff_time", "maximal_backoff_time"):
            doing.say("mapped", name, "queue.retry, queue.retry_cap")
    delay = seconds(doing.given("delay_warning_time") or "", "h")
    if delay is not None:
        doing.draft.put(
            ("queue",), "warn_after", [written_duration(delay)] if delay else [], doing.comment("delay_warning_time")
        )
        doing.say("mapped", "delay_warning_time", "queue.warn_after")


def take_limits(doing: Importing) -> None:
    """Take what is counted and timed."""
    for name, (path, key) in _COUNTS.items():
        number = _number(doing.given(name) or "")
        if number:
            doing.draft.put(path, key, number, doing.comment(name))
            doing.say("mapped", name, f"{path[0]}.{key}")
        elif number == 0:
            doing.say("default", name, f"{path[0]}.{key}", "no limit there; here the default counts")
    for name, (path, key) in _TIMES.items():
        given = doing.config.given(name)
        if given is not None and given.raw == _NOT_IDLE:
            doing.say("default", name, f"limits.{key}", "it is five minutes, and less is held by each connection")
            continue
        time = seconds(doing.given(name) or "")
        if time:
            doing.draft.put(path, key, written_duration(time), doing.comment(name))
            doing.say("mapped", name, f"{'.'.join(path)}.{key}")
    _take_rates(doing)


def _take_rates(doing: Importing) -> None:
    unit = seconds(doing.value("anvil_rate_time_unit") or "60s") or 60
    hour: dict[str, int] = {}
    for name, key in _RATES.items():
        number = _number(doing.given(name) or "")
        if number:
            hour[key] = max(1, number * 3600 // unit)
            doing.say(
                "mapped", name, f"plugins.limits.network.hour.{key}", f"in {unit} s there, as many for an hour here"
            )
    if hour:
        path = doing.draft.plugin("limits", "limits", doing.comment("smtpd_client_message_rate_limit"))
        doing.draft.put(path, "network", {"hour": dict(hour)})
        for listener in doing.draft.listeners("mx"):
            doing.draft.ask(listener, "limits")
