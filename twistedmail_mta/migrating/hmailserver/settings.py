"""Settings, ports and routes of hMailServer."""

from __future__ import annotations

import re
from collections.abc import Mapping
from ipaddress import ip_address
from typing import Final

from twistedmail_mta.config.units import written_duration, written_size
from twistedmail_mta.migrating.draft import Draft, Value
from twistedmail_mta.migrating.endpoints import endpoint_at
from twistedmail_mta.migrating.hmailserver.rows import Row, Tables
from twistedmail_mta.routes import parse_via

_SMTP, _POP3, _IMAP = 1, 3, 5
_IMPLICIT, _REQUIRED = 1, 3
"""Of `connectionsecurity`: TLS from the first octet, and STARTTLS that has to be."""
_DEFAULT_PORTS: Final = ((_SMTP, 25), (_SMTP, 587), (_POP3, 110), (_IMAP, 143))
_UNMAPPED: Final[Mapping[str, str]] = {
    "usemxchecks": (
        "whether the sender's domain has MX hosts isn't asked: the plugin authentication knows forgers better"
    ),
    "enableattachmentblocking": "attachments aren't judged by their names: let a scanner do it (docs/policies.md)",
    "usescriptserver": "scripts are plugins here: docs/plugins.md",
    "usecustomvirusscanner": "see the plugins clamav and milter (docs/policies.md)",
    "avclamwinenable": "see the plugin clamav (docs/policies.md)",
    "authallowplaintext": "nobody logs in without TLS; see plaintext_login of a listener for networks that may",
    "antispamprependsubject": "a rule of the plugin headers writes into Subject (docs/policies.md)",
}
"""Settings that matter where they are on."""
_JUDGED: Final = frozenset({"usespf", "asdkimverificationenabled", "asdmarcenabled"})


class Settings:
    """The rows of hm_settings, and which of them were looked at."""

    def __init__(self, tables: Tables) -> None:
        self.rows = {row.text("settingname").lower(): row for row in tables.of("settings")}
        self.done: set[str] = set()

    def row(self, name: str) -> Row | None:
        """Return a setting, and note that it was looked at."""
        self.done.add(name)
        return self.rows.get(name)

    def text(self, name: str) -> str:
        """Return its text."""
        row = self.row(name)
        return "" if row is None else row.text("settingstring")

    def number(self, name: str) -> int:
        """Return its number."""
        row = self.row(name)
        return 0 if row is None else row.number("settinginteger")

    def is_on(self, name: str) -> bool:
        """Return whether it is on."""
        return self.number(name) != 0


def mapped(settings: Settings, draft: Draft, name: str, key: str, advice: str = "") -> None:
    """Tell that a setting is in the new site."""
    row = settings.row(name)
    if row is not None:
        value = row.text("settingstring") or row.text("settinginteger")
        draft.say("unmapped" if advice else "mapped", row.place, name, value, key, advice)


def take_settings(tables: Tables, draft: Draft) -> str | None:
    """Take the settings of the server; return the name of the host, if it is said."""
    settings = Settings(tables)
    size = settings.number("maxmessagesize")
    if size > 0:
        draft.put(("limits",), "message_size", written_size(size << 10), "hm_settings: maxmessagesize")
        mapped(settings, draft, "maxmessagesize", "limits.message_size")
    if settings.number("maxsmtpconnections") > 0:
        draft.put(("limits",), "connections", settings.number("maxsmtpconnections"), "hm_settings: maxsmtpconnections")
        mapped(settings, draft, "maxsmtpconnections", "limits.connections")
    _take_relayer(settings, draft)
    _take_mirror(settings, draft)
    _take_source(settings, draft)
    _take_policies(settings, tables, draft)
    hostname = settings.text("hostname") or None
    if hostname:
        mapped(settings, draft, "hostname", "server.hostname")
    _tell_the_rest(settings, draft)
    return hostname


def _take_relayer(settings: Settings, draft: Draft) -> None:
    host, port = settings.text("smtprelayer"), settings.number("smtprelayerport") or 25
    security, user = settings.number("smtprelayerconnectionsecurity"), settings.text("smtprelayerusername")
    settings.done.add("smtprelayerpassword")
    if not host:
        return
    table = _route(host, port, security, user if settings.is_on("usesmtprelayerauthentication") else "", "relayer")
    if table is None:
        mapped(settings, draft, "smtprelayer", "route", "it is no host that mail can be given to: see [[route]]")
        return
    draft.append("route", {"match": {}, **table}, "hm_settings: smtprelayer")
    mapped(settings, draft, "smtprelayer", "route")
    if "auth" in table:
        advice = "it is encrypted with Blowfish: put the password into the file password-relayer beside the site file"
        mapped(settings, draft, "smtprelayerusername", "route.auth", advice)


def _route(host: str, port: int, security: int, user: str, name: str) -> dict[str, Value] | None:
    via = f"{'smtps' if security == _IMPLICIT else 'smtp'}://{f'[{host}]' if ':' in host else host}:{port}"
    try:
        parse_via(via, "opportunistic")
    except ValueError:
        return None
    table: dict[str, Value] = {"via": via, "tls": "required" if security in (_IMPLICIT, _REQUIRED) else "opportunistic"}
    if user:
        table["tls"] = "required"  # no password goes out in clear
        table["auth"] = {"user": user, "password_file": f"password-{re.sub(r'[^A-Za-z0-9.-]', '-', name)}"}
    return table


def _take_mirror(settings: Settings, draft: Draft) -> None:
    mirror = settings.text("mirroremailaddress")
    if mirror:
        path = draft.plugin("headers", "headers", "hm_settings: mirroremailaddress")
        draft.put(path, "always_bcc", mirror)
        if mirror.rpartition("@")[2].lower() not in draft.hosted:
            draft.put(path, "may_send_anywhere", True, f"for copies to {mirror}")
        ask(draft, "headers", "mx", "submission")
        mapped(settings, draft, "mirroremailaddress", "plugins.headers.always_bcc")


def _take_source(settings: Settings, draft: Draft) -> None:
    address = settings.text("smtpdeliverybindtoip")
    if address:
        draft.put(("outbound",), "source_addresses", [address], "hm_settings: smtpdeliverybindtoip")
        mapped(settings, draft, "smtpdeliverybindtoip", "outbound.source_addresses")


def ask(draft: Draft, plugin: str, *roles: str) -> None:
    """Let the listeners of some roles ask a plugin."""
    for role in roles:
        for listener in draft.listeners(role):
            draft.ask(listener, plugin)


def _take_policies(settings: Settings, tables: Tables, draft: Draft) -> None:
    """Turn what judges strangers' mail into plugins."""
    marks, deletes = settings.number("spammarkthreshold"), settings.number("spamdeletethreshold")
    if settings.is_on("usegreylisting"):
        path = draft.plugin("greylist", "greylist", "hm_settings: usegreylisting")
        delay = settings.number("greylistinginitialdelay")
        if delay > 0:
            draft.put(path, "delay", written_duration(delay * 60), "hm_settings: greylistinginitialdelay")
        mapped(settings, draft, "usegreylisting", "plugins.greylist")
    zones = [zone for row in tables.of("dnsbl") if (zone := _zone(row, draft)) is not None]
    if zones:
        path = draft.plugin("dnsbl", "dnsbl", "hm_dnsbl")
        if deletes > 0:
            draft.put(path, "refuse_at", deletes, "hm_settings: spamdeletethreshold")
        if marks > 0:
            draft.put(path, "tag_at", marks, "hm_settings: spammarkthreshold")
        draft.put(path, "zones", list(zones))
    judged = [name for name in sorted(_JUDGED) if settings.is_on(name)]
    for name in judged:
        draft.plugin("authentication", "authentication", f"hm_settings: {name}")
        mapped(settings, draft, name, "plugins.authentication")
    if settings.is_on("spamassassinenabled"):
        host, port = settings.text("spamassassinhost") or "127.0.0.1", settings.number("spamassassinport") or 783
        path = draft.plugin("spamassassin", "spamd", "hm_settings: spamassassinenabled")
        draft.put(path, "server", f"tcp:{host}:{port}", "hm_settings: spamassassinhost, spamassassinport")
        mapped(settings, draft, "spamassassinenabled", "plugins.spamassassin")
    for name in ("dnsbl", "greylist", "authentication", "spamassassin"):
        if ("plugins", name) in draft.tables:
            ask(draft, name, "mx")


def _zone(row: Row, draft: Draft) -> Value | None:
    zone, score = row.text("sbldnshost").lower(), row.number("sblscore") or 1
    if not row.is_on("sblactive"):
        draft.say("default", row.place, "hm_dnsbl", zone, "", "it isn't active")
        return None
    codes = [
        code
        for code in row.text("sblresult").split("|")
        if re.fullmatch(r"127(\.\d{1,3}){2}\.\d{1,3}(-\d{1,3})?", code)
    ]
    draft.say("mapped", row.place, "hm_dnsbl", zone, "plugins.dnsbl.zones")
    if codes:
        return {"zone": zone, "codes": dict.fromkeys(codes, score)}
    return {"zone": zone, "weight": score}


def _tell_the_rest(settings: Settings, draft: Draft) -> None:
    told = {finding.setting for finding in draft.findings}
    for name, row in settings.rows.items():
        value = row.text("settingstring") or row.text("settinginteger")
        if name in told:
            continue
        if name in _UNMAPPED and settings.is_on(name):
            draft.say("unmapped", row.place, name, value, "", _UNMAPPED[name])
        elif name == "defaultdomain" and value not in ("", "0"):
            draft.say("unmapped", row.place, name, value, "", "people log in with their whole address: tell them")
        else:
            advice = (
                "it is part of what is told above"
                if name in settings.done
                else "it is off, of hMailServer's own program, or so here anyway"
            )
            draft.say("default", row.place, name, value, "", advice)


def take_ports(tables: Tables, draft: Draft) -> None:
    """Write the listeners."""
    rows = tables.of("tcpipports")
    for row in rows:
        _take_port(row, draft)
    if not rows:
        for protocol, port in _DEFAULT_PORTS:
            _listen(draft, protocol, port, "starttls", f"tcp:{port}", "hMailServer's default")
    if not draft.listeners("submission"):
        _listen(draft, _SMTP, 587, "starttls", "tcp:587", "people logged in at port 25")
        _listen(draft, _SMTP, 465, "implicit", "tcp:465", "people logged in at port 25")
        advice = "nobody logs in at port 25 here: tell people to set their programs to port 465 (TLS) or 587 (STARTTLS)"
        draft.say("unmapped", None, "hm_tcpipports", "25", "listen.submission", advice)


def _take_port(row: Row, draft: Draft) -> None:
    protocol, port = row.number("portprotocol"), row.number("portnumber")
    tls = "implicit" if row.number("portconnectionsecurity") == _IMPLICIT else "starttls"
    if protocol not in (_SMTP, _POP3, _IMAP) or not 0 < port < 65536:
        draft.say(
            "unmapped",
            row.place,
            "hm_tcpipports",
            str(port),
            "listen",
            "its protocol isn't known: write a [listen] for it",
        )
        return
    endpoint = _address(row, port) or f"tcp:{port}"
    name = _listen(draft, protocol, port, tls, endpoint, str(row.place))
    draft.say("mapped", row.place, "hm_tcpipports", str(port), f"listen.{name}")


def _address(row: Row, port: int) -> str | None:
    """Return the endpoint of a port at an address; None: at all of them."""
    text, number = row.text("portaddress1"), row.number("portaddress1")
    try:
        address = (
            ip_address(number) if number and "." not in text and not row.text("portaddress2") else ip_address(text)
        )
    except ValueError:
        return None
    return None if address.is_unspecified else endpoint_at(port, str(address))


def _listen(draft: Draft, protocol: int, port: int, tls: str, endpoint: str, comment: str) -> str:  # noqa: PLR0913, PLR0917 - a listener
    role = {_POP3: "pop3", _IMAP: "imap"}.get(protocol, "mx" if port == 25 else "submission")
    name = f"{role}s" if tls == "implicit" and role != "mx" else role
    name = name if ("listen", name) not in draft.tables else f"{name}-{port}"
    path = ("listen", name)
    if path in draft.tables:
        return name
    draft.put(path, "endpoint", endpoint, comment)
    draft.put(path, "role", role)
    if tls == "implicit" and role != "mx":
        draft.put(path, "tls", tls)
    return name


def take_routes(tables: Tables, draft: Draft) -> None:
    """Write the routes: domains that hMailServer took mail for are relayed, for others mail goes there."""
    for row in tables.of("routes"):
        domain, user = row.text("routedomainname").lower(), row.text("routeauthenticationusername")
        table = _route(
            row.text("routetargetsmthost"),
            row.number("routetargetsmtport") or 25,
            row.number("routeconnectionsecurity"),
            user if row.is_on("routeuseauthentication") else "",
            domain,
        )
        if table is None or not re.fullmatch(r"(\*\.)?[\w-]+(\.[\w-]+)+", domain):
            draft.say(
                "unmapped",
                row.place,
                "hm_routes",
                domain,
                "route",
                "its domain or host can't be one here: see [[route]]",
            )
        elif (
            row.is_on("routetreatsecurityaslocal")
            and "auth" not in table
            and draft.host(domain, f"{row.place}: hm_routes")
        ):
            _relay(row, domain, table, tables, draft)
        else:
            draft.append("route", {"match": {"to_domain": [domain]}, **table}, f"{row.place}: hm_routes")
            advice = f"put the password of {user} into the file password-{domain}" if "auth" in table else ""
            draft.say("unmapped" if advice else "mapped", row.place, "hm_routes", domain, "route", advice)


def _relay(row: Row, domain: str, table: dict[str, Value], tables: Tables, draft: Draft) -> None:
    path = ("domains", domain)
    draft.put(path, "relay_to", table["via"], f"{row.place}: hm_routes")
    draft.put(path, "tls", table["tls"])
    if not row.is_on("routealladdresses"):
        addresses = [
            each.text("routeaddressaddress")
            for each in tables.where("routeaddresses", "routeaddressrouteid", row.text("routeid"))
        ]
        draft.files[f"recipients-{domain}"] = "".join(f"{each}\n" for each in addresses)
        draft.put(path, "recipients", f"file:recipients-{domain}")
    draft.say("mapped", row.place, "hm_routes", domain, f'domains."{domain}".relay_to')
