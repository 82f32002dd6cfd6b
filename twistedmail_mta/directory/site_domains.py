"""The hosted domains of the site file, with their aliases."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from twistedmail_mta.config.hosting import DomainTable
from twistedmail_mta.directory.alias_file import AliasFile
from twistedmail_mta.directory.aliases import Alias, make_alias
from twistedmail_mta.directory.domains import HostedDomain
from twistedmail_mta.model import Address


class SiteDomains:
    """What the site file says of domains that mail is kept for.

    Attributes:
        domains: those that are hosted, by name.
    """

    def __init__(
        self,
        domains: Iterable[HostedDomain],
        files: Mapping[str, AliasFile],
        catch_alls: Mapping[str, Address],
        relayed: Iterable[str] = (),
    ) -> None:
        """Put it together.

        Args:
            domains: the hosted domains.
            files: the aliases of domains that have a file of them.
            catch_alls: where mail to unknown addresses goes, for domains that say so.
            relayed: the names of the other domains, whose mail is sent on.
        """
        self.domains: Mapping[str, HostedDomain] = {domain.name: domain for domain in domains}
        self._relayed = frozenset(relayed)
        self._files = files
        self._catch_alls: Mapping[str, Sequence[Alias]] = {
            f"@{name}": (make_alias(f"@{name}", [str(to)]),) for name, to in catch_alls.items()
        }

    def declares(self, name: str) -> bool:
        """Return whether a domain stands in the site file, hosted or relayed: then the database mustn't have it."""
        return name in self.domains or name in self._relayed

    def joined_by(self, others: Iterable[HostedDomain]) -> dict[str, HostedDomain]:
        """Return all domains that are hosted, by name, with those of the database that the site file doesn't have."""
        return {other.name: other for other in others if not self.declares(other.name)} | dict(self.domains)

    def aliases(self, folded: str) -> Sequence[Alias]:
        """Return the aliases that a folded address may mean; more than one where case tells them apart."""
        file = self._files.get(folded.rpartition("@")[2])
        of_file = () if file is None else file.aliases.get(folded, ())
        return (*of_file, *self._catch_alls.get(folded, ()))

    def every_alias(self) -> Iterator[Alias]:
        """Yield all aliases, domain by domain."""
        for file in self._files.values():
            for same in file.aliases.values():
                yield from same
        for catch_all in self._catch_alls.values():
            yield from catch_all


def site_domains(tables: Mapping[str, DomainTable]) -> SiteDomains:
    """Return what the site file says of the domains that are hosted; blocks.

    Raises:
        OSError: a file of aliases can't be read.
        ValueError: it can't be understood; the message says where.
    """
    hosted = {name: table for name, table in tables.items() if table.is_hosted}
    return SiteDomains(
        hosted_domains(tables).values(),
        {name: AliasFile(table.aliases_file, name) for name, table in hosted.items() if table.aliases_file is not None},
        {name: table.catch_all for name, table in hosted.items() if table.catch_all is not None},
        tables.keys() - hosted.keys(),
    )


def hosted_domains(tables: Mapping[str, DomainTable]) -> dict[str, HostedDomain]:
    """Return the domains of the site file that are hosted, by name."""
    return {name: _hosted(name, table) for name, table in tables.items() if table.is_hosted}


def _hosted(name: str, table: DomainTable) -> HostedDomain:
    return HostedDomain(
        name=name,
        alias_of=table.alias_of,
        subaddress=table.subaddress,
        case_sensitive=table.case_sensitive,
        quota=table.quota,
        quota_messages=table.quota_messages,
        over_quota=table.over_quota,
    )
