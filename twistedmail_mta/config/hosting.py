"""The tables [domains.NAME]: domains whose mail is kept here, and domains whose mail is relayed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Final, Literal

from pydantic import BeforeValidator, Field, ValidationInfo, model_validator

from twistedmail_mta.config.sending import OutboundTable
from twistedmail_mta.config.values import Count, Domain, FilePath, Size, Table, domain_name, file_path
from twistedmail_mta.model import Address, NextHop, TLSLevel
from twistedmail_mta.routes import HOPS, NO_TLS_THERE, parse_via
from twistedmail_mta.smtp.address import parse_address
from twistedmail_mta.smtp.errors import AddressError

SEPARATORS: Final = "!#$%&'*+-./=?^_`{|}~"
"""Characters that can set off a subaddress: those of a local part that are no letters or digits."""

_RELAYING: Final[tuple[str, ...]] = ("tls", "recipients")
_HOSTING: Final[tuple[str, ...]] = (
    "alias_of",
    "subaddress",
    "case_sensitive",
    "aliases_file",
    "catch_all",
    "quota",
    "quota_messages",
    "over_quota",
)


def separators(text: object) -> str:
    """Check characters that set off subaddresses.

    Raises:
        ValueError: one of them can't.
    """
    if not isinstance(text, str):
        raise ValueError('must be characters in quotes, such as "+"; "" for none')  # noqa: TRY004 - pydantic collects ValueErrors
    wrong = [letter for letter in text if letter not in SEPARATORS]
    if wrong:
        raise ValueError(f'"{wrong[0]}" can\'t set off a subaddress; "+" and "-" are usual')
    return text


def _catch_all(text: object) -> Address:
    try:
        address = parse_address(text) if isinstance(text, str) else Address("", "")
    except AddressError as error:
        raise ValueError(str(error)) from None
    if not address.local or not address.domain:
        raise ValueError("must be an address such as office@example.org")
    return address


def _recipients(value: object, info: ValidationInfo) -> object:
    if value in ("callout", "any"):
        return value
    kind, _, path = value.partition(":") if isinstance(value, str) else ("", "", "")
    if kind == "file" and path:
        return f"file:{file_path(path, info)}"
    raise ValueError('must be "callout", "file:PATH" or "any"')


def _next_hop(via: str, tls: TLSLevel, port: int = 25) -> NextHop:
    match parse_via(via, tls, None, port):
        case NextHop() as hop:
            return hop
    raise ValueError(f"relay_to must be {HOPS}")


class DomainTable(Table):
    """[domains.NAME]: a domain we take mail for: with `relay_to` to send it on, else to keep it.

    Attributes:
        relay_to: where its mail goes, as a route's `via`; "mx" means hosts
            with a better preference than ours only.  None: its mail is kept here.
        tls: what is demanded of that next hop.
        recipients: how its addresses are known: "callout" asks the next hop at
            RCPT, "file:PATH" lists them, "any" takes all.
        alias_of: the hosted domain whose addresses these are, too.
        subaddress: characters of which each sets off a subaddress; "": none does.
        case_sensitive: whether the case of letters tells local parts apart.
        aliases_file: a file of aliases, as aliases(5) or virtual(5) have them.
        catch_all: who gets what is for nobody else; None: it is refused.
        quota: octets in each account that has no quota of its own; None: no limit.
        quota_messages: the same for the number of messages.
        over_quota: whether mail over the quota is deferred (452) or refused for good (552).
    """

    relay_to: str | None = None
    tls: TLSLevel = "opportunistic"
    recipients: Annotated[str, BeforeValidator(_recipients)] = "callout"
    alias_of: Domain | None = None
    subaddress: Annotated[str, BeforeValidator(separators)] = "+"
    case_sensitive: bool = False
    aliases_file: FilePath | None = None
    catch_all: Annotated[Address, BeforeValidator(_catch_all)] | None = None
    quota: Annotated[Size, Field(ge=1)] | None = None
    quota_messages: Count | None = None
    over_quota: Literal["defer", "reject"] = "defer"

    @property
    def is_hosted(self) -> bool:
        """Whether its mail is kept here."""
        return self.relay_to is None

    @model_validator(mode="after")
    def _makes_sense(self) -> DomainTable:
        said = self.model_fields_set
        if self.relay_to is not None:
            if found := [key for key in _HOSTING if key in said]:
                raise ValueError(f"{found[0]} is for a domain whose mail is kept here, which relay_to excludes")
            if _next_hop(self.relay_to, self.tls).is_here and self.tls == "required":
                raise ValueError(NO_TLS_THERE)
        elif found := [key for key in _RELAYING if key in said]:
            raise ValueError(
                f"{found[0]} means something only with relay_to; without it the domain's mail is kept here"
            )
        elif self.alias_of is not None and len(said) > 1:
            other = next(key for key in _HOSTING if key in said and key != "alias_of")
            raise ValueError(f"{other} means nothing beside alias_of: {self.alias_of} says that")
        return self

    def next_hop(self, outbound: OutboundTable) -> NextHop:
        """Return where the mail of a relayed domain goes; with "mx" its host is still empty.

        Raises:
            ValueError: its mail is kept here.
        """
        if self.relay_to is None:
            raise ValueError("mail of a hosted domain goes nowhere else")
        return _next_hop(self.relay_to, self.tls, outbound.port)


def misled(domains: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the domains of a raw site file whose alias_of can't be right, with the reason.

    One that names no domain of the file may name one of the database.
    """
    tables = {_spelled(name): table for name, table in domains.items() if isinstance(table, dict)}
    for name, table in domains.items():
        meant = _spelled(table.get("alias_of")) if isinstance(table, dict) and "alias_of" in table else None
        if meant is not None and meant == _spelled(name):
            yield name, "is an alias of itself"
        elif meant in tables and "relay_to" in tables[meant]:
            yield name, f"{meant} isn't hosted here, its mail is relayed"
        elif meant in tables and "alias_of" in tables[meant]:
            yield name, f"{meant} is an alias itself; name the domain that has the addresses"


def _spelled(name: object) -> str | None:
    try:
        return domain_name(name)
    except ValueError:
        return None
