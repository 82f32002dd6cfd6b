"""What Postfix asks of strangers: restrictions, policy services, milters, content filters."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from twistedmail_mta.migrating.draft import Value
from twistedmail_mta.migrating.findings import Place
from twistedmail_mta.migrating.postfix.importing import Importing
from twistedmail_mta.migrating.postfix.main_cf import words
from twistedmail_mta.migrating.postfix.next_hops import transport_way

LISTS: Final = (
    "smtpd_client_restrictions",
    "smtpd_helo_restrictions",
    "smtpd_sender_restrictions",
    "smtpd_relay_restrictions",
    "smtpd_recipient_restrictions",
    "smtpd_data_restrictions",
    "smtpd_end_of_data_restrictions",
    "smtpd_etrn_restrictions",
)
_ALWAYS: Final[Mapping[str, str]] = {
    "permit": "",
    "permit_mynetworks": "the plugin relay_networks names them, if any",
    "permit_sasl_authenticated": "people log in on listeners of role submission",
    "permit_auth_destination": "",
    "permit_mx_backup": 'a relayed domain is named: [domains.NAME] relay_to = "mx"',
    "permit_tls_all_clientcerts": "certificates of clients aren't asked for: let them log in",
    "reject_unauth_destination": "strangers never send on through this host",
    "defer_unauth_destination": "strangers never send on through this host",
    "reject_unlisted_recipient": "who isn't here is refused at RCPT",
    "reject_unlisted_sender": "a login may use its own addresses alone",
    "reject_unverified_recipient": "relayed domains: the next hop is asked at RCPT",
    "reject_non_fqdn_sender": "addresses without a domain aren't taken",
    "reject_non_fqdn_recipient": "addresses without a domain aren't taken",
    "reject_sender_login_mismatch": "a login may use its own addresses alone: mta account set --send-as",
    "reject_authenticated_sender_login_mismatch": "a login may use its own addresses alone: mta account set --send-as",
    "reject_known_sender_login_mismatch": "a login may use its own addresses alone: mta account set --send-as",
    "reject_unauth_pipelining": "the plugin early turns away who speaks before the greeting",
    "reject_multi_recipient_bounce": "",
    "reject": "listeners of role submission want a login",
    "defer": "",
    "defer_if_permit": "",
    "defer_if_reject": "",
}
_NAMES: Final[Mapping[str, tuple[str, str]]] = {
    "reject_unknown_client_hostname": ("unconfirmed", "defer"),
    "reject_unknown_client": ("unconfirmed", "defer"),
    "reject_unknown_reverse_client_hostname": ("no_reverse", "defer"),
    "reject_invalid_helo_hostname": ("syntax", "refuse"),
    "reject_invalid_hostname": ("syntax", "refuse"),
    "reject_non_fqdn_helo_hostname": ("unqualified", "refuse"),
    "reject_non_fqdn_hostname": ("unqualified", "refuse"),
    "reject_unknown_helo_hostname": ("unresolvable", "defer"),
    "reject_unknown_hostname": ("unresolvable", "defer"),
}
"""Faults of clients that the plugin names knows, and how Postfix answers (450 or 5xx)."""
_LISTS_OF: Final[Mapping[str, tuple[str, int]]] = {
    "reject_rbl_client": ("client", 1),
    "reject_rhsbl_helo": ("helo", 1),
    "reject_rhsbl_sender": ("sender", 1),
    "permit_dnswl_client": ("client", -100),
}
_ARGUMENT: Final = re.compile(r"(check_|reject_rbl|reject_rhsbl|permit_dnswl|permit_rhswl|sleep)")
_GREYLISTS: Final = ("postgrey", "10023", "60000", "sqlgrey", "2501", "milter-greylist")
_JUDGES: Final = ("spf", "dmarc")


def take_restrictions(doing: Importing) -> None:
    """Turn the lists of restrictions into plugins of the listeners of role mx."""
    seen: set[str] = set()
    for name in LISTS:
        if doing.given(name):
            _take_list(doing, name, words(doing.value(name)), seen)


def _take_list(doing: Importing, name: str, items: list[str], seen: set[str]) -> None:
    """Take the items of one list; what comes twice is told once."""
    queue = list(items)
    warns = False
    while queue:
        item = queue.pop(0)
        argument = queue.pop(0) if _ARGUMENT.match(item) and queue else ""
        if item == "warn_if_reject":
            warns = True
            continue
        whole = f"{item} {argument}".strip()
        if whole not in seen:
            seen.add(whole)
            _take_item(doing, name, item, argument, warns=warns)
        warns = False


def _take_item(doing: Importing, name: str, item: str, argument: str, *, warns: bool) -> None:
    place = doing.config.place(name)
    whole = f"{item} {argument}".strip()
    if item in _ALWAYS:
        doing.draft.say("default", place, name, whole, "", _ALWAYS[item])
    elif item in _NAMES:
        key, answer = _NAMES[item]
        path = _plugin(doing, "names", "names", f"{place}: {item}")
        doing.draft.put(path, key, "tag" if warns else answer, f"{place}: {item}")
        doing.draft.say("mapped", place, name, whole, f"plugins.names.{key}")
    elif item in _LISTS_OF:
        _take_zone(doing, name, item, argument)
    elif item == "check_policy_service":
        _take_service(doing, name, argument)
    elif item in ("check_sender_access", "check_recipient_access"):
        _take_access(doing, name, item, argument)
    elif item == "sleep":
        path = _plugin(doing, "early", "early", f"{place}: {item}")
        doing.draft.say("mapped", place, name, whole, "plugins.early", f"it waits for {argument}: see {path[1]}.wait")
    else:
        advice = "nothing here asks that: see what docs/policies.md has, or write a plugin (docs/plugins.md)"
        doing.draft.say("unmapped", place, name, whole, "", advice)


def _plugin(doing: Importing, name: str, use: str, comment: str) -> tuple[str, ...]:
    """Let all listeners for strangers ask a plugin."""
    path = doing.draft.plugin(name, use, comment)
    for listener in doing.draft.listeners("mx"):
        doing.draft.ask(listener, name)
    return path


def _take_zone(doing: Importing, name: str, item: str, argument: str) -> None:
    place, draft = doing.config.place(name), doing.draft
    zone, _, codes = argument.partition("=")
    kind, weight = _LISTS_OF[item]
    if not re.fullmatch(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)+", zone):
        draft.say("unmapped", place, name, f"{item} {argument}", "plugins.dnsbl.zones", "its zone is no name")
        return
    entry: dict[str, Value] = {"zone": zone.lower(), "weight": weight}
    if kind != "client":
        entry["of"] = kind
    if re.fullmatch(r"127(\.\d{1,3}){3}", codes):
        entry = {key: value for key, value in entry.items() if key != "weight"} | {"codes": {codes: weight}}
    advice = ""
    if codes and "codes" not in entry:
        advice = f"the codes {codes} aren't taken over: see codes of its zone"
    path = _plugin(doing, "dnsbl", "dnsbl", f"{place}: {item}")
    zones = draft.table(path)["zones"].value if "zones" in draft.table(path) else []
    if isinstance(zones, list):
        draft.put(path, "zones", [*zones, entry], f"{place}: {name}")
    draft.say("unmapped" if advice else "mapped", place, name, f"{item} {argument}", "plugins.dnsbl.zones", advice)


def _take_service(doing: Importing, name: str, argument: str) -> None:
    """Take a policy service that is known by its port or socket."""
    place, draft, service = doing.config.place(name), doing.draft, argument.strip("{} ")
    whole = f"check_policy_service {argument}"
    if any(part in service for part in _GREYLISTS):
        _plugin(doing, "greylist", "greylist", f"{place}: {service}")
        draft.say("mapped", place, name, whole, "plugins.greylist", "it begins to learn who is known anew")
    elif any(part in service for part in _JUDGES):
        _plugin(doing, "authentication", "authentication", f"{place}: {service}")
        draft.say("mapped", place, name, whole, "plugins.authentication")
    else:
        advice = "policy services aren't asked: see limits, greylist, names in docs/policies.md, or write a plugin"
        draft.say("unmapped", place, name, whole, "", advice)


def _take_access(doing: Importing, name: str, item: str, table: str) -> None:
    """Turn the REJECT lines of a table into rules of the plugin headers."""
    key = "sender" if item == "check_sender_access" else "recipient"
    for row in doing.rows(name, table):
        action, _, text = row.value.partition(" ")
        whole = f"{item} {row.key} {row.value}"
        pattern = _access_pattern(row.key)
        if action.upper() in ("OK", "PERMIT", "DUNNO"):
            doing.draft.say("default", row.place, name, whole, "", "nobody is asked for leave: it counts for nothing")
        elif action.upper() in ("REJECT", "DISCARD") and pattern is not None:
            reply = re.sub(r"[^ -~]", "", re.sub(r"^\d\.\d+\.\d+ ", "", text.strip()))[:300] or "Access denied"
            rule: Value = {key: [pattern], "strangers": True}
            does: Value = {"refuse": f"554 5.7.1 {reply}"} if action.upper() == "REJECT" else {"discard": True}
            if isinstance(rule, dict) and isinstance(does, dict):
                add_rule(doing, {**rule, **does}, row.place)
            doing.draft.say("mapped", row.place, name, whole, "plugins.headers.rules")
        else:
            advice = (
                "only REJECT and DISCARD of addresses and domains are: see the rules of headers in docs/policies.md"
            )
            doing.draft.say("unmapped", row.place, name, whole, "plugins.headers.rules", advice)


def _access_pattern(key: str) -> str | None:
    if key == "<>" or re.fullmatch(r"[^@\s*]+@[A-Za-z0-9.-]+", key):
        return key.lower()
    if re.fullmatch(r"\.?[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+", key) and not key.rpartition(".")[2].isdigit():
        return f"*@*{key.lower()}" if key.startswith(".") else f"*@{key.lower()}"
    return f"{key[:-1].lower()}@*" if re.fullmatch(r"[^@\s*]+@", key) else None


def add_rule(doing: Importing, rule: Value, place: Place | None) -> None:
    """Add a rule to the plugin headers, on all listeners that take mail."""
    path = doing.draft.plugin("headers", "headers", place)
    table = doing.draft.table(path)
    rules = table["rules"].value if "rules" in table else []
    if isinstance(rules, list):
        doing.draft.put(path, "rules", [*rules, rule], place)
    ask_everywhere(doing, "headers")


def ask_everywhere(doing: Importing, plugin: str) -> None:
    """Let listeners for strangers and for logins ask a plugin."""
    for role in ("mx", "submission"):
        for listener in doing.draft.listeners(role):
            doing.draft.ask(listener, plugin)


def take_milters(doing: Importing) -> None:
    """Ask the filters of `smtpd_milters`, in their order."""
    if not doing.given("smtpd_milters"):
        return
    endpoints = []
    for item in words(doing.value("smtpd_milters")):
        first = words(item.strip("{}"))[:1] or [""]
        endpoint = _client_endpoint(first[0], doing.value("queue_directory"))
        if endpoint is None:
            advice = 'write it as "tcp:HOST:PORT" or "unix:PATH"'
            doing.draft.say(
                "unmapped", doing.config.place("smtpd_milters"), "smtpd_milters", item, "plugins.milters", advice
            )
        else:
            endpoints.append(endpoint)
    if endpoints:
        path = doing.draft.plugin("milters", "milter", doing.comment("smtpd_milters"))
        doing.draft.put(path, "endpoint", list(endpoints))
        if doing.given("milter_default_action") == "accept":
            doing.draft.put(path, "on_error", "abstain", doing.comment("milter_default_action"))
            doing.say("mapped", "milter_default_action", "plugins.milters.on_error")
        ask_everywhere(doing, "milters")
        advice = "a socket below Postfix's chroot has to be open for the server's user"
        doing.say(
            "mapped", "smtpd_milters", "plugins.milters", advice if any("unix:" in each for each in endpoints) else ""
        )


def _client_endpoint(text: str, queue: str) -> str | None:
    kind, _, rest = text.partition(":")
    if kind in ("unix", "local") and rest:
        return f"unix:{rest if rest.startswith('/') else f'{queue}/{rest}'}"
    host, _, port = rest.rpartition(":")
    if kind in ("inet", "inet6") and host and port.isascii() and port.isdigit():
        return f"tcp:{host.strip('[]').replace(':', chr(92) + ':')}:{port}"
    return None


def take_content_filter(doing: Importing) -> None:
    """Send what is accepted through `content_filter`."""
    text = doing.given("content_filter")
    if text is None:
        return
    try:
        way = transport_way(doing, text)
    except ValueError as error:
        doing.say("unmapped", "content_filter", "plugins.filter", f"{error}; filters speak SMTP or LMTP here")
        return
    if way is None or not way.via.startswith(("smtp:", "lmtp")):
        doing.say("unmapped", "content_filter", "plugins.filter", "it names no host: filters speak SMTP or LMTP here")
        return
    path = doing.draft.plugin("filter", "content_filter", doing.comment("content_filter"))
    doing.draft.put(path, "via", way.via)
    ask_everywhere(doing, "filter")
    back = doing.draft.listeners("reinject")
    advice = "" if back else "nowhere does it give mail back: write a [listen.back] of role reinject (docs/policies.md)"
    doing.say("mapped" if back else "unmapped", "content_filter", "plugins.filter.via", advice)
