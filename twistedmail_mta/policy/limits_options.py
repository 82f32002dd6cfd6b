"""What the site file says of limits, and the rules that come of it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Annotated, Final

from pydantic import BeforeValidator, Field

from twistedmail_mta.config.units import parse_size
from twistedmail_mta.config.values import Networks, Table
from twistedmail_mta.directory.patterns import EVERYBODY, parse_pattern
from twistedmail_mta.policy.buckets import MEASURES, SECONDS, Rule

UNLIMITED: Final = "none"


def _number(value: object) -> object:
    if value == UNLIMITED:
        return math.inf
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueError('must be a number, or "none"')
    return float(value)


def _octets(value: object) -> object:
    return math.inf if value == UNLIMITED else float(parse_size(value))


def _pattern(value: object) -> object:
    pattern = parse_pattern(value) if isinstance(value, str) else ""
    if "@" not in pattern:
        raise ValueError("must be user@domain or *@domain")
    return pattern


Number = Annotated[float, BeforeValidator(_number)]
Octets = Annotated[float, BeforeValidator(_octets)]
AccountPattern = Annotated[str, BeforeValidator(_pattern)]


class Amounts(Table):
    """How much may be used in a period; "none" is no limit.

    Attributes:
        messages: that were accepted.
        recipients: of them; a message for several counts as several.
        new_recipients: those never written to before.
        octets: of header and body, once for each message.
    """

    messages: Number = math.inf
    recipients: Number = math.inf
    new_recipients: Number = math.inf
    octets: Octets = math.inf


class Limits(Table):
    """The limits of an hour and of a day."""

    hour: Amounts = Field(default_factory=Amounts)
    day: Amounts = Field(default_factory=Amounts)

    def rules(self, base: Limits | None = None) -> tuple[Rule, ...]:
        """Return what is limited.

        Args:
            base: what counts where this says nothing.
        """
        return tuple(self._rules(base))

    def _rules(self, base: Limits | None) -> Iterator[Rule]:
        for period in SECONDS:
            own: Amounts = getattr(self, period)
            for measure in MEASURES:
                said = own if base is None or measure in own.model_fields_set else getattr(base, period)
                allowed: float = getattr(said, measure)
                if allowed != math.inf:
                    yield Rule(measure, period, allowed)


class AccountDay(Amounts):
    """What an account may send in a day where the site file doesn't say."""

    messages: Number = 1000.0
    new_recipients: Number = 200.0


class AccountLimits(Limits):
    """The limits of each account."""

    day: AccountDay = Field(default_factory=AccountDay)


class LimitsOptions(Table):
    """The options of the policy.

    Attributes:
        account: of each login.
        accounts: of some of them, by `user@domain` or `*@domain`; the rest is as `account` says.
        sender_domain: of the domain of each envelope sender, whoever sends.
        network: of each client's IPv4 address or IPv6 /64, whoever sends.
        exempt_networks: clients there are judged by account and sender domain alone.
        permanent: refuse with 550 5.7.1 instead of 450 4.7.1.
    """

    account: AccountLimits = Field(default_factory=AccountLimits)
    accounts: dict[AccountPattern, Limits] = Field(default_factory=dict)
    sender_domain: Limits = Field(default_factory=Limits)
    network: Limits = Field(default_factory=Limits)
    exempt_networks: Networks = ()
    permanent: bool = False


class AccountRules:
    """The rules of accounts, worked out once for each pattern."""

    def __init__(self, account: Limits, accounts: Mapping[str, Limits]) -> None:
        self._others = account.rules()
        self._of = {pattern: limits.rules(account) for pattern, limits in accounts.items()}

    def of(self, account: str) -> tuple[Rule, ...]:
        """Return the rules of an account: its own, else those of its domain, else everybody's."""
        own = self._of.get(account)
        if own is None:
            own = self._of.get(EVERYBODY + account.rpartition("@")[2])
        return self._others if own is None else own
