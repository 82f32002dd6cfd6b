"""Mail that Postfix sends on for others: relay domains, and networks that may send anywhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from ipaddress import IPv6Address, IPv6Network, ip_network
from typing import Final

from twistedmail_mta.config.narrow import narrow
from twistedmail_mta.migrating.findings import Place
from twistedmail_mta.migrating.postfix.importing import Importing
from twistedmail_mta.migrating.postfix.main_cf import words
from twistedmail_mta.migrating.postfix.master_cf import SERVERS
from twistedmail_mta.migrating.postfix.next_hops import Way, smtp_way
from twistedmail_mta.networks import parse_networks

_DANGER: Final = "hosts there may send to anybody without a login: read what docs/policies.md says of relay_networks"

_GUARDS: Final = ("smtpd_relay_restrictions", "smtpd_recipient_restrictions")
"""What decides who may send to domains of others."""
_LETTING: Final = frozenset({"permit", "permit_mynetworks"})
_CLOSING: Final = frozenset({"reject", "defer", "reject_unauth_destination", "defer_unauth_destination"})


def take_relay_domains(doing: Importing, ways: Mapping[str, Way]) -> None:
    """Send on the mail of `relay_domains`: as `transport_maps` says, by `relayhost`, or to better MX hosts."""
    relayhost = _relayhost(doing)
    if doing.given("relay_domains") is None and _level(doing) >= 2:
        return
    for name, place in doing.listed("relay_domains", doing.words("relay_domains")):
        domain = name.lower().rstrip(".")
        if domain in doing.draft.domains or domain.startswith("localhost") or doing.given("relay_domains") is None:
            continue
        _take_relay_domain(doing, domain, place, ways.get(domain) or relayhost or Way("mx"))
    doing.done.add("relay_domains")


def _level(doing: Importing) -> int:
    """Return the major number of `compatibility_level`, by which defaults differ."""
    text = doing.value("compatibility_level").partition(".")[0]
    return int(text) if text.isascii() and text.isdigit() and len(text) < 6 else 0


def _relayhost(doing: Importing) -> Way | None:
    hop = doing.value("relayhost")
    try:
        return smtp_way(hop) if hop else None
    except ValueError:
        return None


def _take_relay_domain(doing: Importing, name: str, place: Place | None, way: Way) -> None:
    draft = doing.draft
    if name.startswith("."):
        draft.say("unmapped", place, "relay_domains", name, "", "name the domains below it one by one")
        return
    if draft.host(name, f"{place}: relay_domains") is None:
        draft.say("unmapped", place, "relay_domains", name, "", "it is no domain; leave it out, or mend it")
        return
    if way.via == "discard" or way.via.startswith("error:"):
        del draft.tables["domains", name]
        draft.say(
            "unmapped", place, "relay_domains", name, "", "its mail goes nowhere: without the domain it is refused"
        )
        return
    draft.put(("domains", name), "relay_to", way.via, f"{place}: relay_domains")
    draft.say("mapped", place, "relay_domains", name, f'domains."{name}".relay_to', way.remark)


def take_relay_recipients(doing: Importing) -> None:
    """List the addresses of relayed domains, where Postfix knows them; else the next hop is asked."""
    relayed = [name for name in doing.draft.domains if name not in doing.draft.hosted]
    if not relayed:
        return
    rows = [row for table in doing.words("relay_recipient_maps") for row in doing.rows("relay_recipient_maps", table)]
    if not rows:
        for domain in relayed:
            doing.draft.put(("domains", domain), "recipients", "callout", "who is there the next hop is asked")
        if not doing.given("relay_recipient_maps"):
            advice = "Postfix takes mail for anybody there, and bounces it later; here the next hop is asked first"
            doing.say("default", "relay_recipient_maps", "domains.NAME.recipients", advice)
        return
    for domain in relayed:
        listed = [row.key for row in rows if row.key.lower().endswith(f"@{domain}")]
        if f"@{domain}" in (key.lower() for key in listed):
            doing.draft.put(("domains", domain), "recipients", "any", f"{rows[0].place.file}: @{domain}")
        else:
            name = f"recipients-{domain}"
            doing.draft.files[name] = "".join(f"{key}\n" for key in listed)
            doing.draft.put(("domains", domain), "recipients", f"file:{name}", doing.comment("relay_recipient_maps"))
    doing.say("mapped", "relay_recipient_maps", "domains.NAME.recipients")


def take_networks(doing: Importing) -> None:
    """Let the hosts of `mynetworks` send to anybody, with a warning."""
    if doing.given("mynetworks") is None:
        style = doing.given("mynetworks_style")
        if style in ("subnet", "class"):
            advice = "the hosts around may send to anybody: name them in a plugin relay_networks (docs/policies.md)"
            doing.say("unmapped", "mynetworks_style", "relay.plugins", advice)
        else:
            advice = "programs on this host have to log in, or be named in a plugin relay_networks (docs/policies.md)"
            doing.say("default", "mynetworks", "relay.plugins", advice)
        return
    if not any(_lets_networks_send(doing, service) for service in _servers(doing)):
        advice = (
            "they may send to nobody elsewhere, as before: no restrictions of a server have permit_mynetworks first"
        )
        doing.say("default", "mynetworks", "", advice)
        return
    found: list[str] = []
    for entry, place in doing.listed("mynetworks", doing.words("mynetworks")):
        network = _network(entry)
        if network is None:
            advice = "it is no network that can be named here: name its hosts in plugins.networks"
            doing.draft.say("unmapped", place, "mynetworks", entry, "", advice)
        elif network:
            found.append(network)
            advice = "" if ip_network(network).is_loopback else _DANGER
            doing.draft.say("mapped", place, "mynetworks", entry, "plugins.networks.networks", advice)
    doing.done.add("mynetworks")
    if found:
        path = doing.draft.plugin("networks", "relay_networks", f"{doing.comment('mynetworks')}; {_DANGER}")
        doing.draft.put(path, "networks", list(dict.fromkeys(found)))
        doing.draft.put(("relay",), "plugins", ["networks"], doing.comment("mynetworks"))


def _servers(doing: Importing) -> list[Mapping[str, str]]:
    """Return what each server overrides of main.cf."""
    return [each.overrides for each in doing.services if each.kind == "inet" and each.command in SERVERS] or [{}]


def _lets_networks_send(doing: Importing, overrides: Mapping[str, str]) -> bool:
    """Return whether a server sends on what hosts of `mynetworks` of main.cf give it.

    Both of its lists have to let them, each by what it says first (SMTPD_ACCESS_README).
    """
    config = doing.config.with_overrides(overrides)
    lists = []
    for name in _GUARDS:
        try:
            lists.append(words(config.value(name)))
        except ValueError:  # told where restrictions are taken
            return False
    return "mynetworks" not in overrides and all(map(_lets_networks, lists))


def _lets_networks(restrictions: Sequence[str]) -> bool:
    """Return whether restrictions let hosts of `mynetworks` send to domains of others."""
    decisive = (item for item in restrictions if item in _LETTING or item in _CLOSING)
    return next(decisive, "permit") in _LETTING


def _network(entry: str) -> str | None:
    """Return a network as it is written here; "" for one that another one says; None when it can't be named."""
    text = entry.replace("[", "").replace("]", "")
    try:
        network = ip_network(text, strict=False)
        if isinstance(network, IPv6Network) and IPv6Address(network.network_address).ipv4_mapped is not None:
            return ""
        narrow(parse_networks([str(network)]))
    except ValueError:
        return None
    return str(network)
