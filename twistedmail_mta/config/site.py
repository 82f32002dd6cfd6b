"""The whole site as frozen models; attribute names are the names in the file."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, BeforeValidator, Field, PrivateAttr

from twistedmail_mta.config.acme import ACMETable, certificate_file
from twistedmail_mta.config.checking import CheckerTable, one_internal
from twistedmail_mta.config.forwarding import ForwardingTable
from twistedmail_mta.config.hosting import DomainTable
from twistedmail_mta.config.lanes import LaneTable, distinct
from twistedmail_mta.config.listening import LimitsTable, ListenTable
from twistedmail_mta.config.logging import LogTable
from twistedmail_mta.config.mta_sts import MTASTSTable
from twistedmail_mta.config.plugging import Found, PluginPath, PluginTable
from twistedmail_mta.config.quarantining import QuarantineTable
from twistedmail_mta.config.relaying import RelayTable
from twistedmail_mta.config.remembering import HistoryTable
from twistedmail_mta.config.reporting import ReportsTable
from twistedmail_mta.config.sending import OutboundTable, QueueTable, RouteTable
from twistedmail_mta.config.signing import DKIMTable
from twistedmail_mta.config.values import Addresses, Domain, FilePath, Mailbox, Port, Table, Wait, Zone, sequence
from twistedmail_mta.mta_sts.policy import Policy, policy_host

_MAX_STATE_DIR: Final = 90


def _short(path: Path) -> Path:
    if len(os.fsencode(path)) > _MAX_STATE_DIR:
        raise ValueError(f"is longer than {_MAX_STATE_DIR} octets, too long for the control socket in it")
    return path


class ServerTable(Table):
    """[server]: who we are.

    Attributes:
        hostname: the name in EHLO, Received and Message-ID.
        state_dir: database, bodies, control socket.
        admin: who gets mail to `<postmaster>`, and who reports name as contact.
        addresses: ours as others see us, for loop detection; empty: what the
            listeners are bound to.
        gateway: whether listeners of role mx take mail from a container's gateway, which all clients may seem to be.
        user: whom the server runs as once the ports are bound; None stays.
    """

    hostname: Domain
    state_dir: Annotated[FilePath, AfterValidator(_short)]
    admin: Mailbox
    addresses: Addresses = ()
    gateway: Literal["refuse", "accept"] = "refuse"
    user: str | None = Field(default=None, min_length=1)


class ProbeTable(Table):
    """[dns.probe]: what name servers are asked, to see whether they validate.

    Attributes:
        signed: a zone that is signed, and all above it; "." is the root.
        broken: a zone whose signatures are wrong.
    """

    signed: Zone = "."
    broken: Domain = "dnssec-failed.org"


class DNSTable(Table):
    """[dns]: whom we ask.

    Attributes:
        nameservers: empty: those of /etc/resolv.conf.
        timeout: seconds for a question, all tries together.
        dnssec: whether the AD bit of the nameservers is believed.
        probe: see there.
    """

    nameservers: Addresses = ()
    port: Port = 53
    timeout: Wait = 5.0
    dnssec: Literal["probe", "trust", "off"] = "probe"
    probe: ProbeTable = ProbeTable()


class CertificateTable(Table):
    """A certificate chain and its key, both PEM files."""

    certificate: FilePath
    key: FilePath


class TLSTable(CertificateTable):
    """[tls]: the certificate shown by default, and one for each further name (SNI)."""

    names: dict[Domain, CertificateTable] = Field(default_factory=dict)


def _listeners(value: dict[str, ListenTable]) -> dict[str, ListenTable]:
    if not value:
        raise ValueError("names no listener, so no mail would ever arrive")
    return value


class Site(Table):
    """The site file."""

    config_version: Literal[1]
    server: ServerTable
    dns: DNSTable = DNSTable()
    tls: TLSTable | None = None
    acme: ACMETable | None = None
    mta_sts: MTASTSTable | None = None
    domains: dict[Domain, DomainTable] = Field(default_factory=dict)
    listen: Annotated[dict[str, ListenTable], AfterValidator(_listeners)]
    limits: LimitsTable = LimitsTable()
    outbound: OutboundTable = OutboundTable()
    queue: QueueTable = QueueTable()
    reports: ReportsTable = ReportsTable()
    dkim: DKIMTable = DKIMTable()
    forwarding: ForwardingTable = ForwardingTable()
    quarantine: QuarantineTable = QuarantineTable()
    history: HistoryTable = HistoryTable()
    log: LogTable = LogTable()
    route: Annotated[tuple[RouteTable, ...], BeforeValidator(sequence)] = ()
    lane: Annotated[tuple[LaneTable, ...], BeforeValidator(sequence), AfterValidator(distinct)] = ()
    plugin_path: PluginPath = ()
    plugins: dict[str, PluginTable] = Field(default_factory=dict)
    relay: RelayTable = RelayTable()
    checker: Annotated[tuple[CheckerTable, ...], BeforeValidator(sequence), AfterValidator(one_internal)] = ()

    _found: tuple[Found, ...] = PrivateAttr(default=())

    def take_plugins(self, found: Sequence[Found]) -> None:
        """Keep the plugins that were found when the file was read."""
        self._found = tuple(found)

    @property
    def found_plugins(self) -> tuple[Found, ...]:
        """The plugins, in the order of the file."""
        return self._found

    @property
    def certificates(self) -> TLSTable | None:
        """The files of the certificates: those that [tls] names, or those that [acme] provides."""
        if self.acme is None:
            return self.tls
        first, *others = (certificate_file(self.server.state_dir, name) for name in self.acme_names)
        names = {file.stem: CertificateTable.model_construct(certificate=file, key=file) for file in others}
        return TLSTable.model_construct(certificate=first, key=first, names=names)

    @property
    def acme_names(self) -> tuple[str, ...]:
        """The names for which [acme] provides certificates, the one shown by default first."""
        further = () if self.acme is None else self.acme.names
        return tuple(dict.fromkeys((self.server.hostname, *further, *map(policy_host, self.policies))))

    @property
    def policies(self) -> dict[str, Policy]:
        """The MTA-STS policies that are handed out, by domain."""
        if self.mta_sts is None:
            return {}
        domains = self.hosted if self.mta_sts.domains is None else self.mta_sts.domains
        return {domain: self.mta_sts.policy(domain, self.server.hostname) for domain in domains}

    @property
    def relayed(self) -> dict[str, DomainTable]:
        """The domains whose mail is sent on."""
        return {name: table for name, table in self.domains.items() if not table.is_hosted}

    @property
    def hosted(self) -> dict[str, DomainTable]:
        """The domains whose mail is kept here."""
        return {name: table for name, table in self.domains.items() if table.is_hosted}
