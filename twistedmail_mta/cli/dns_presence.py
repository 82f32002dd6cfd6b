"""What a site is to others, put together from its site file, certificates and database."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from cryptography.hazmat.primitives.serialization import Encoding

from twistedmail_mta.cli.dns_addresses import INSIDE, Known
from twistedmail_mta.config.endpoints import Endpoint, parse_endpoint
from twistedmail_mta.config.sending import RouteTable
from twistedmail_mta.config.site import Site
from twistedmail_mta.directory.dkim_rows import StoredKey
from twistedmail_mta.model import NextHop
from twistedmail_mta.mta_sts.policy import policy_host
from twistedmail_mta.networks import address_of, is_in
from twistedmail_mta.publishing.presence import Certificate, Host, Presence, Service
from twistedmail_mta.tls.certificates import CertificateError, read_chain

_SERVICES: Final[Mapping[tuple[str, str], tuple[str, int, str]]] = {
    ("submission", "implicit"): ("_submissions._tcp", 0, "submission with TLS from the start"),
    ("submission", "starttls"): ("_submission._tcp", 10, "submission with STARTTLS"),
    ("imap", "implicit"): ("_imaps._tcp", 0, "IMAP with TLS from the start"),
    ("imap", "starttls"): ("_imap._tcp", 10, "IMAP with STARTTLS"),
    ("pop3", "implicit"): ("_pop3s._tcp", 20, "POP3 with TLS from the start"),
    ("pop3", "starttls"): ("_pop3._tcp", 30, "POP3 with STARTTLS"),
}
"""By role and TLS: the label, the priority, and what it is; TLS from the start is preferred (RFC 8314 section 3)."""


@dataclass(frozen=True, slots=True)
class Shown:
    """What hosts that send mail here are shown.

    Attributes:
        certificates: those that can be read.
        doubts: why others can't.
    """

    certificates: tuple[Certificate, ...]
    doubts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Domains:
    """The domains whose mail is kept here.

    Attributes:
        told: those that are of interest, among them domains that have a policy here though their mail is sent on.
        others: the others.
        keys: that are to be in the DNS: of the first, and of none at all.
        sent_on: those of the first whose mail is sent on.
    """

    told: tuple[str, ...]
    others: frozenset[str] = frozenset()
    keys: tuple[StoredKey, ...] = ()
    sent_on: frozenset[str] = frozenset()


def presence_of(site: Site, known: Known, shown: Shown, domains: Domains) -> Presence:
    """Return what a site is to others.

    Args:
        site: the site file.
        known: the addresses.
        shown: the certificates.
        domains: whose mail is kept here, and what signs it.
    """
    hidden = [str(each.address) for each in site.outbound.source_addresses if _is_hidden(str(each.address), known)]
    return Presence(
        hosts=tuple(_hosts(site, known, hidden)),
        domains=domains.told,
        others=domains.others,
        services=tuple(_services(site)),
        certificates=shown.certificates,
        keys=domains.keys,
        policies=site.policies,
        sent_on=domains.sent_on,
        reports=tuple(map(str, site.reports.inbox)),
        known_from=known.source,
        doubts=(*_doubts(known, hidden), *shown.doubts),
        remarks=tuple(_remarks(site)),
    )


def shown_certificates(site: Site) -> Shown:
    """Read the certificates that MX listeners show, by the name that clients want; nothing where none takes mail."""
    shown = site.certificates
    if shown is None or not any(table.role == "mx" for table in site.listen.values()):
        return Shown((), ())
    files = {site.server.hostname: shown.certificate}
    others = set(map(policy_host, site.policies))  # nobody sends mail there
    files |= {name: table.certificate for name, table in shown.names.items() if name not in others}
    certificates, doubts = [], []
    for name, file in files.items():
        try:
            chain = tuple(each.public_bytes(Encoding.DER) for each in read_chain(file))
            certificates.append(Certificate(name, chain))
        except CertificateError as error:
            doubts.append(f"what TLSA records of {name} should say isn't known: {error}")
    return Shown(tuple(certificates), tuple(doubts))


def _hosts(site: Site, known: Known, hidden: Sequence[str]) -> Iterator[Host]:
    """Yield the names in EHLO; mail of a family without a source of its own leaves from where mail comes in."""
    hostname = site.server.hostname
    if not sends_itself(site):
        yield Host(hostname, known.addresses, ())
        return
    sources = site.outbound.source_addresses
    families = {each.address.version for each in sources}
    by_name = {hostname: [each for each in known.addresses if _version(each) not in families]}
    for each in sources:
        if str(each.address) not in hidden:
            by_name.setdefault(each.ehlo or hostname, []).append(str(each.address))
    others = {address for name, addresses in by_name.items() if name != hostname for address in addresses}
    for name, outgoing in by_name.items():
        incoming = _incoming(known, others) if name == hostname else ()
        yield Host(name, tuple(dict.fromkeys((*incoming, *outgoing))), tuple(outgoing))


def sends_itself(site: Site) -> bool:
    """Return whether any mail goes to MX hosts: not if a route takes all of it before."""
    for each in site.route:
        hop = each.route(site.outbound)
        if isinstance(hop, NextHop) and hop.mx:
            return True
        if _is_for_everything(each):
            return False
    return True


def _is_for_everything(route: RouteTable) -> bool:
    match = route.match
    return (match.to_domain is None or "*" in match.to_domain) and match.sender is None and match.account is None


def _incoming(known: Known, others: set[str]) -> list[str]:
    """Return the addresses that mail comes to: not those that have another name, unless a family has no other."""
    own = [each for each in known.addresses if each not in others]
    families = set(map(_version, own))
    return [each for each in known.addresses if each in own or _version(each) not in families]


def _version(address: str) -> int:
    found = address_of(address)
    return found.version if found is not None else 0


def _is_hidden(address: str, known: Known) -> bool:
    return address not in known.addresses and is_in(address, INSIDE)


def _doubts(known: Known, hidden: Sequence[str]) -> Iterator[str]:
    if not known.addresses:
        seen = f" (it sees {', '.join(known.hidden)}, which nobody else can reach)" if known.hidden else ""
        yield f"this host's addresses aren't known{seen}: name them in server.addresses"
    for each in hidden:
        yield f"mail leaves from {each}, and what others see instead isn't known: name it in server.addresses"


def _remarks(site: Site) -> Iterator[str]:
    """Yield whose servers must be allowed, too: those that send on what this host sends."""
    for each in site.route:
        hop = each.route(site.outbound)
        everywhere = each.match.to_domain is None or "*" in each.match.to_domain
        if everywhere and isinstance(hop, NextHop) and not hop.mx and not hop.is_here:
            yield f"a route sends mail on through {hop.host}: SPF records must allow what that sends from, too"
    fallback = site.outbound.fallback
    if fallback is not None:
        host = fallback.next_hop(site.outbound).host
        yield f"outbound.fallback sends mail on through {host}: SPF records must allow what that sends from, too"


def _services(site: Site) -> Iterator[Service]:
    told: set[str] = set()
    for table in site.listen.values():
        label, priority, what = _SERVICES.get((table.role, table.tls), ("", 0, ""))
        port = next((port for text in table.endpoint if (port := _open_port(parse_endpoint(text)))), 0)
        if label and port and label not in told:
            told.add(label)
            yield Service(label, port, priority, what)


def _open_port(endpoint: Endpoint) -> int:
    """Return the port that others can reach; 0 for none."""
    return 0 if endpoint.is_private else int(endpoint.arguments.get("port", "0"))
