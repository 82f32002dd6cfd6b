"""Rules about addresses: which ones they mean, of whose mail, where, and what these become (PURE)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Final, Self

from pydantic import BeforeValidator, Field, model_validator

from twistedmail_mta.config.values import AddressPatterns, FilePath, Table, one_or_more
from twistedmail_mta.model import Address
from twistedmail_mta.policy.address_forms import Form, demand_star, made, meant
from twistedmail_mta.policy.header_rules import fits

MAIL: Final = "MAIL"
RCPT: Final = "RCPT"
"""The envelope, by the commands that name its addresses."""

GROUPS: Final = {
    "senders": (MAIL, "From", "Sender", "Reply-To", "Resent-From", "Resent-Sender", "Disposition-Notification-To"),
    "recipients": (RCPT, "To", "Cc", "Bcc", "Resent-To", "Resent-Cc", "Resent-Bcc"),
}
"""Places by what they say; fields are those of RFC 5322 section 3.6, and of RFC 8098 section 2.1."""

_PLACES: Final = tuple(place for group in GROUPS.values() for place in group)


def _places(value: object) -> tuple[str, ...]:
    """Return places, groups taken apart."""
    names = value if isinstance(value, list) else [value]
    places: list[str] = []
    for name in names:
        if name not in (*GROUPS, *_PLACES):
            raise ValueError(f"{name!r} must be one of {', '.join((*GROUPS, *_PLACES))}")
        places += GROUPS.get(name, (name,))
    if not places:
        raise ValueError("must name a place")
    return tuple(dict.fromkeys(places))


MeantForms = Annotated[tuple[Annotated[Form, BeforeValidator(meant)], ...], BeforeValidator(one_or_more)]


class RewriteRule(Table):
    """[[plugins.NAME.rules]]: a rule; an address becomes what the first one that means it makes of it.

    Attributes:
        meant: `from`: forms of addresses.
        to: what they become.
        file: a map of addresses, in the place of these two.
        but: `except`: patterns of addresses that the rule doesn't mean.
        where: places in which it means them.
        sender: patterns of the reverse-paths whose mail it means.
        account: patterns of the logins whose mail it means.
        strangers: it means mail of clients that haven't logged in, too.
    """

    meant: MeantForms = Field(default=(), alias="from")
    to: Annotated[Form, BeforeValidator(made)] | None = None
    file: FilePath | None = None
    but: AddressPatterns = Field(default=(), alias="except")
    where: Annotated[tuple[str, ...], BeforeValidator(_places)] = GROUPS["senders"]
    sender: AddressPatterns = ()
    account: AddressPatterns = ()
    strangers: bool = False

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        if (self.file is None) == (not self.meant) or (self.file is None) == (self.to is None):
            raise ValueError("must have from and to, or else a file")
        if self.account and self.strangers:
            raise ValueError("account means logins, and strangers have none")
        if self.to is not None:
            for form in self.meant:
                try:
                    demand_star(form, self.to)
                except ValueError as error:
                    raise ValueError(f"to {error}") from None
        return self

    def concerns(self, sender: Address, account: Address | None) -> bool:
        """Return whether it is about somebody's mail.

        Args:
            sender: the reverse-path.
            account: the login; None for strangers.
        """
        if account is None and not self.strangers:
            return False
        if self.sender and not any(fits(sender, pattern) for pattern in self.sender):
            return False
        return not self.account or (account is not None and any(fits(account, pattern) for pattern in self.account))

    def new(self, address: Address) -> Address | None:
        """Return what an address becomes by `from` and `to`; None if they don't mean it."""
        if self.to is None:
            return None
        for form in self.meant:
            if (stars := form.stars(address)) is not None:
                return self.to.filled(stars)
        return None


def rewriter(
    rules: Sequence[RewriteRule], maps: Callable[[Path, Address], Address | None]
) -> Callable[[Address], Address | None]:
    """Return what makes another address of one, in one step: the first rule that means it counts, and no other.

    So rules can't run in circles.

    Args:
        rules: those that concern the message and the place.
        maps: returns what a file says an address becomes.
    """

    def new(address: Address) -> Address | None:
        for rule in rules:
            if any(fits(address, pattern) for pattern in rule.but):
                continue
            found = rule.new(address) if rule.file is None else maps(rule.file, address)
            if found is not None:
                return found
        return None

    return new
