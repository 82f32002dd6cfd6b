"""What a site is to others: names, addresses, domains, services, certificates, keys."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Protocol

from twistedmail_mta.dkim.keys import Kind
from twistedmail_mta.mta_sts.policy import Policy


@dataclass(frozen=True, slots=True)
class Host:
    """A name that this host has.

    Attributes:
        name: in A-labels.
        addresses: that the name must lead to; none where they aren't known.
        outgoing: those of them that mail leaves from, under this name in EHLO.
    """

    name: str
    addresses: tuple[str, ...]
    outgoing: tuple[str, ...]

    def addresses_of(self, family: str) -> list[str]:
        """Return the addresses for records of a type, "A" or "AAAA"."""
        version = 4 if family == "A" else 6
        return [each for each in self.addresses if ip_address(each).version == version]


@dataclass(frozen=True, slots=True)
class Service:
    """Something that mail programs find here.

    Attributes:
        label: such as "_imaps._tcp".
        port: where it is.
        priority: the least is preferred, across all services (RFC 6186 section 3.4).
        what: in words.
    """

    label: str
    port: int
    priority: int
    what: str


@dataclass(frozen=True, slots=True)
class Certificate:
    """What is shown to clients that want a name.

    Attributes:
        name: that name.
        chain: the server's own certificate, then those that lead to its issuer, in DER form.
        is_signed: the zone of the name is signed, as far as the resolver tells.
    """

    name: str
    chain: tuple[bytes, ...]
    is_signed: bool = False


class PublishedKey(Protocol):
    """A DKIM key that is to be in the DNS."""

    @property
    def domain(self) -> str:
        """Whose mail it signs."""

    @property
    def name(self) -> str:
        """Where its record belongs."""

    @property
    def record(self) -> str:
        """The text of its record."""

    @property
    def kind(self) -> Kind:
        """What kind of key it is."""

    @property
    def public(self) -> bytes:
        """What the record says."""

    @property
    def state(self) -> str:
        """Where in its life it is."""


@dataclass(frozen=True, slots=True)
class Presence:
    """All of it.

    Attributes:
        hosts: the names of this host; the first is `server.hostname`, which domains name as theirs.
        domains: whose mail is kept here, in the order in which they are told.
        others: those of which nothing is to be told.
        services: for mail programs.
        certificates: for hosts that send mail here.
        keys: that are to be in the DNS.
        policies: that are handed out, by domain (MTA-STS).
        sent_on: those of the domains whose mail isn't kept here, which is what a policy is about all the same.
        reports: addresses at which reports of others are read; none: nobody reads them but people.
        known_from: how the addresses are known.
        doubts: what couldn't be found out, and so can't be compared.
        remarks: what else an operator should know.
    """

    hosts: tuple[Host, ...]
    domains: tuple[str, ...]
    others: frozenset[str] = frozenset()
    services: tuple[Service, ...] = ()
    certificates: tuple[Certificate, ...] = ()
    keys: Sequence[PublishedKey] = ()
    policies: Mapping[str, Policy] = field(default_factory=dict)
    sent_on: frozenset[str] = frozenset()
    reports: tuple[str, ...] = ()
    known_from: str = ""
    doubts: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()

    @property
    def hostname(self) -> str:
        """The name of the mail server."""
        return self.hosts[0].name

    def is_domain(self, name: str) -> bool:
        """Return whether mail of a name is kept here, so that its records are a domain's."""
        return name in self.domains or name in self.others

    @property
    def senders(self) -> list[tuple[str, str]]:
        """Return each address that mail leaves from, with the name said there in EHLO."""
        return [(address, host.name) for host in self.hosts for address in host.outgoing]

    @property
    def addresses(self) -> frozenset[str]:
        """Return all addresses that are this host's."""
        return frozenset(address for host in self.hosts for address in host.addresses)
