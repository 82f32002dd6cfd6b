"""What the site file says of the brake."""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator, Field

from twistedmail_mta.config.values import Count, Mailbox, Table, Wait, sequence
from twistedmail_mta.directory.patterns import EVERYBODY
from twistedmail_mta.policy.limits_options import AccountPattern

Patterns = Annotated[tuple[AccountPattern, ...], BeforeValidator(sequence)]
Factor = Annotated[float, Field(ge=1.0)]


class BrakeOptions(Table):
    """The options of the policy.

    Attributes:
        learn: how long after it was first used on this site it only looks on.
        strangers: recipients never written to before that an account may write to in a short time, whatever its
            normal is.
        strangers_away: likewise from networks that aren't its own, where it has any.
        networks: unknown networks in a day that are too many, where to friends alone one counts half.
        failures: recipients that failed in a day, a tenth of all or more, that are too many.
        recipients_an_hour: any recipients that are never too many.
        recipients_a_day: likewise.
        factor: how many times its normal an account may do.
        exempt: accounts that are never stopped: `user@domain` or `*@domain`.
        owners: who is told besides the administrator, by account; an address elsewhere, which the thief doesn't read.
        permanent: refuse with 550 5.7.0 instead of 450 4.7.0.
    """

    learn: Wait = 35 * 86400.0
    strangers: Count = 40
    strangers_away: Count = 25
    networks: Count = 8
    failures: Count = 15
    recipients_an_hour: Count = 1000
    recipients_a_day: Count = 2000
    factor: Factor = 3.0
    exempt: Patterns = ()
    owners: dict[AccountPattern, Mailbox] = Field(default_factory=dict)
    permanent: bool = False

    def exempts(self, account: str) -> bool:
        """Return whether an account is never stopped."""
        return bool(self.exempt) and (account in self.exempt or EVERYBODY + account.rpartition("@")[2] in self.exempt)
