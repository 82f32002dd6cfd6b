"""Where mail of Postfix goes: transport_maps, relay hosts, passwords, TLS, times."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from twistedmail_mta.migrating.draft import Value
from twistedmail_mta.migrating.findings import Place
from twistedmail_mta.migrating.postfix.importing import Importing
from twistedmail_mta.migrating.postfix.next_hops import Way, smtp_way, transport_way
from twistedmail_mta.migrating.postfix.tables import Row

_LEVELS: Final = {
    "none": "none",
    "may": "opportunistic",
    "encrypt": "required",
    "dane": "opportunistic",
    "dane-only": "required",
    "fingerprint": "required",
    "verify": "required",
    "secure": "required",
}
_WITH_LOGIN: Final = "passwords go out within TLS alone, to hosts whose certificate is right"
_STRICTER: Final = "here this demands a certificate that is right, too"


def transports(doing: Importing) -> dict[str, Way]:
    """Return the ways of `transport_maps` by what is looked up; what can't be gone is told."""
    found: dict[str, Way] = {}
    for table in doing.words("transport_maps"):
        for row in doing.rows("transport_maps", table):
            _read_transport(doing, row, found)
    return found


def _read_transport(doing: Importing, row: Row, found: dict[str, Way]) -> None:
    key = row.key.lower()
    value = f"{row.key} {row.value}"
    if "@" in key:
        advice = "routes are by domain: alias the address to one at a domain of its own, with a route for that"
        doing.draft.say("unmapped", row.place, "transport_maps", value, "", advice)
        return
    try:
        way = transport_way(doing, row.value)
    except ValueError as error:
        doing.draft.say("unmapped", row.place, "transport_maps", value, "", f"{error}; see via of [[route]]")
        return
    if way is None or key in doing.draft.hosted:
        advice = "mail for domains that are kept here goes into mailboxes"
        doing.draft.say("default", row.place, "transport_maps", value, "", advice)
        return
    found[key] = way


def take_routes(doing: Importing, ways: Mapping[str, Way]) -> None:
    """Write the routes in the order in which Postfix looks: tables, then relay hosts by sender, then the relay host."""
    logins = _logins(doing)
    policies = _policies(doing)
    for key, way in ways.items():
        _route_to(doing, key, way, logins, policies)
    for key, level in policies.items():
        if key not in ways and not key.startswith("["):
            match: Value = {"to_domain": [_pattern(key)]}
            place, tls = level
            doing.draft.append("route", {"match": match, "via": "mx", "tls": tls}, f"{place}: smtp_tls_policy_maps")
    _routes_by_sender(doing, logins, policies)
    _default_route(doing, logins, policies)


def _route_to(
    doing: Importing, key: str, way: Way, logins: Mapping[str, Row], policies: Mapping[str, tuple[Place, str]]
) -> None:
    draft = doing.draft
    if key in draft.domains:
        return  # relay_to says it
    match: Value = {} if key == "*" else {"to_domain": [_pattern(key)]}
    comment = f"transport_maps: {key}"
    draft.append("route", _table(doing, match, way, logins, policies.get(key, policies.get(way.written))), comment)
    draft.say("mapped", doing.config.place("transport_maps"), "transport_maps", key, "route", way.remark)


def _pattern(key: str) -> str:
    return f"*{key}" if key.startswith(".") else key


def _table(
    doing: Importing, match: Value, way: Way, logins: Mapping[str, Row], level: tuple[Place, str] | None
) -> dict[str, Value]:
    """Return a route, with the login and the TLS that belong to its next hop."""
    table: dict[str, Value] = {"match": match, "via": _implicit(doing, way.via)}
    is_smtp = way.via.startswith("smtp:")
    if level is not None and is_smtp:
        table["tls"] = level[1]
    row = logins.get(way.written) or logins.get(_host(way.written)) if is_smtp else None
    if row is not None and (login := _login(doing, row)) is not None:
        table["auth"] = login
        table["tls"] = "required"  # no password goes out in clear
    return table


def _implicit(doing: Importing, via: str) -> str:
    wrapped = doing.config.is_on("smtp_tls_wrappermode") or via.endswith(":465")
    return via.replace("smtp:", "smtps:", 1) if wrapped and via.startswith("smtp:") else via


def _host(written: str) -> str:
    return re.sub(r"[\[\]]|:[^:\]]*$", "", written)


def _logins(doing: Importing) -> dict[str, Row]:
    """Return the rows of `smtp_sasl_password_maps` by next hop, if they are used at all."""
    rows = [
        row for table in doing.words("smtp_sasl_password_maps") for row in doing.rows("smtp_sasl_password_maps", table)
    ]
    if not doing.config.is_on("smtp_sasl_auth_enable"):
        if rows:
            advice = "smtp_sasl_auth_enable isn't yes, so Postfix doesn't use them"
            doing.say("default", "smtp_sasl_password_maps", "", advice)
        return {}
    doing.done.add("smtp_sasl_auth_enable")
    for row in rows:
        doing.draft.say("mapped", row.place, "smtp_sasl_password_maps", row.key, "route.auth", _WITH_LOGIN)
    return {row.key: row for row in rows} | {_host(row.key): row for row in rows}


def _login(doing: Importing, row: Row) -> Value | None:
    user, _, password = row.value.partition(":")
    if not user or not password or "@" in row.key:
        return None
    name = f"password-{re.sub(r'[^A-Za-z0-9.-]+', '-', row.key).strip('-')}"
    doing.draft.secrets[name] = f"{password}\n"
    return {"user": user, "password_file": name}


def _policies(doing: Importing) -> dict[str, tuple[Place, str]]:
    """Return what is demanded of next hops and domains by `smtp_tls_policy_maps`."""
    found: dict[str, tuple[Place, str]] = {}
    for table in doing.words("smtp_tls_policy_maps"):
        for row in doing.rows("smtp_tls_policy_maps", table):
            level = row.value.split()[0] if row.value.split() else ""
            if level not in _LEVELS:
                advice = "its level is unknown: see tls of [[route]]"
                doing.draft.say("unmapped", row.place, "smtp_tls_policy_maps", f"{row.key} {row.value}", "", advice)
                continue
            found[row.key.lower()] = row.place, _LEVELS[level]
            advice = _STRICTER if level == "encrypt" else ""
            doing.draft.say("mapped", row.place, "smtp_tls_policy_maps", f"{row.key} {row.value}", "route.tls", advice)
    return found


def _routes_by_sender(doing: Importing, logins: Mapping[str, Row], policies: Mapping[str, tuple[Place, str]]) -> None:
    for table in doing.words("sender_dependent_relayhost_maps"):
        for row in doing.rows("sender_dependent_relayhost_maps", table):
            try:
                way = smtp_way(row.value)
            except ValueError as error:
                value = f"{row.key} {row.value}"
                doing.draft.say(
                    "unmapped", row.place, "sender_dependent_relayhost_maps", value, "", f"{error}; see [[route]]"
                )
                continue
            by_sender = next((logins[key] for key in (row.key,) if key in logins), None)
            known = {**logins, way.written: by_sender} if by_sender is not None else logins
            match: Value = {"from": [f"*{row.key}" if row.key.startswith("@") else row.key]}
            table_ = _table(doing, match, way, known, policies.get(way.written))
            doing.draft.append("route", table_, f"{row.place}: sender_dependent_relayhost_maps")
            doing.draft.say("mapped", row.place, "sender_dependent_relayhost_maps", row.key, "route", way.remark)


def _default_route(doing: Importing, logins: Mapping[str, Row], policies: Mapping[str, tuple[Place, str]]) -> None:
    hop = doing.given("relayhost")
    if hop is None:
        doing.done.add("relayhost")
        return
    try:
        way = smtp_way(hop)
    except ValueError as error:
        doing.say("unmapped", "relayhost", "", f"{error}; see [[route]]")
        return
    table = _table(doing, {}, way, logins, policies.get(way.written))
    doing.draft.append("route", table, doing.comment("relayhost"))
    doing.say("mapped", "relayhost", "route", way.remark)


def take_outbound(doing: Importing) -> None:
    """Take what is said of all connections to other hosts."""
    level = doing.given("smtp_tls_security_level")
    if level is not None and level in _LEVELS:
        doing.draft.put(("outbound",), "tls", _LEVELS[level], doing.comment("smtp_tls_security_level"))
        doing.say("mapped", "smtp_tls_security_level", "outbound.tls", _STRICTER if level == "encrypt" else "")
    elif level is not None:
        doing.say("unmapped", "smtp_tls_security_level", "outbound.tls", f"{level} is no level")
    _take_sources(doing)


def _take_sources(doing: Importing) -> None:
    name = doing.given("smtp_helo_name")
    sources: list[Value] = []
    for key in ("smtp_bind_address", "smtp_bind_address6"):
        address = doing.given(key)
        if address is not None:
            source: Value = {"address": address.strip("[]")}
            sources.append({**source, "ehlo": name} if name and isinstance(source, dict) else source)
            doing.say("mapped", key, "outbound.source_addresses")
    if sources:
        doing.draft.put(("outbound",), "source_addresses", sources, doing.comment("smtp_bind_address"))
    if name and not sources and name != doing.value("myhostname"):
        doing.say("unmapped", "smtp_helo_name", "outbound.source_addresses", "say it there, with the address: ehlo")
    elif name:
        doing.say("mapped", "smtp_helo_name", "outbound.source_addresses")
