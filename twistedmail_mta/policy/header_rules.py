"""Rules about headers: which messages they mean, and what is to become of these."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Final, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from twistedmail_mta.config.values import NULL_SENDER, AddressPatterns, Mailbox, MailboxName, Table, one_or_more
from twistedmail_mta.mail.decoded_field import decoded_field
from twistedmail_mta.mail.header import Header
from twistedmail_mta.model import Address, Reply
from twistedmail_mta.policy.pattern import Pattern
from twistedmail_mta.soundness import is_sound
from twistedmail_mta.stages import AddHeader

MOST_FIELDS: Final = 100
MAX_VALUE: Final = 4000
"""How many fields of a name a rule looks at, and how many letters of each."""

_ACTIONS: Final = ("add", "replace", "remove", "refuse", "file", "hold", "quarantine", "bcc", "discard", "stop")
_REPLY: Final = re.compile(r"(?:([45])[0-9]{2} ([45])\.[0-9]{1,3}\.[0-9]{1,3} |(?![0-9]{3}\b))[ -~]{1,400}")
_SPLIT: Final = re.compile(r"([45][0-9]{2}) (\S+) (.*)")


def _pattern(text: str) -> str:
    Pattern(text)
    return text


def _name(text: str) -> str:
    if not is_sound(AddHeader(text, "x")):
        raise ValueError(f"{text!r} is no name of a field")
    return text


def _fields(value: Mapping[str, str]) -> Mapping[str, str]:
    for name, text in value.items():
        _name(name)
        if not text.isascii() or not is_sound(AddHeader(name, text)):
            raise ValueError(f"{text!r} must be printable ASCII on one line, as a field's value")
    return value


def _reply(text: str) -> str:
    found = _REPLY.fullmatch(text)
    if found is None or found[1] != found[2]:
        raise ValueError('must be a text in ASCII, such as "Not here" or "550 5.7.1 Not here"')
    return text


def fits(address: Address, pattern: str) -> bool:
    """Return whether an address is one that a pattern means; upper and lower case are one."""
    if pattern in {NULL_SENDER, "*"}:
        return pattern == "*" or address.is_null
    local, _, domain = pattern.rpartition("@")
    below = domain.startswith("*.") and address.domain.endswith(domain[1:])
    return local in {"*", address.local.lower()} and (below or domain in {"*", address.domain})


Name = Annotated[str, AfterValidator(_name)]
Names = Annotated[tuple[Name, ...], BeforeValidator(one_or_more)]


class RuleTable(Table):
    """[[plugins.NAME.rules]]: a rule; it means messages for which all of its conditions hold.

    Attributes:
        field: the name of a field; alone, it must be there.
        matches: a regular expression that is looked for in one of its values; see `pattern_syntax`.
        case: upper and lower case count.
        unless: turn the field's condition around.
        sender: patterns of the reverse-path.
        recipient: patterns of recipients, one of whom it has; what it files are their copies.
        strangers: only mail of clients that haven't logged in, or only of those that have; None: of both.
        add: fields to put above all others.
        replace: fields to put in the place of others; {value} stands for what is there.
        remove: names of fields.
        refuse: the reply's text, or all of it.
        file: the mailbox it goes into.
        hold: why it waits for an operator.
        quarantine: why it goes into quarantine.
        bcc: who gets a copy.
        discard: take it, and forget it.
        stop: the rules behind this one don't count.
    """

    field: Name | None = None
    matches: Annotated[str, AfterValidator(_pattern)] | None = None
    case: bool = False
    unless: bool = False
    sender: AddressPatterns = ()
    recipient: AddressPatterns = ()
    strangers: bool | None = None
    add: Annotated[dict[str, str], AfterValidator(_fields)] = Field(default_factory=dict)
    replace: Annotated[dict[str, str], AfterValidator(_fields)] = Field(default_factory=dict)
    remove: Names = ()
    refuse: Annotated[str, AfterValidator(_reply)] | None = None
    file: MailboxName | None = None
    hold: Annotated[str, Field(min_length=1)] | None = None
    quarantine: Annotated[str, Field(min_length=1)] | None = None
    bcc: Annotated[tuple[Mailbox, ...], BeforeValidator(one_or_more)] = ()
    discard: bool = False
    stop: bool = False

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        if self.field is None and (self.matches is not None or self.unless):
            raise ValueError("field is missing: whose value is it that matches?")
        if not any(getattr(self, action) for action in _ACTIONS):
            raise ValueError(f"does nothing: it must have one of {', '.join(_ACTIONS)}")
        return self

    @property
    def reply(self) -> Reply | None:
        """Return the refusal, if it is one."""
        if self.refuse is None:
            return None
        found = _SPLIT.fullmatch(self.refuse)
        return Reply(554, "5.7.1", self.refuse) if found is None else Reply(int(found[1]), found[2], found[3])


class Rule:
    """A rule that is ready to be asked."""

    __slots__ = ("_pattern", "table")

    def __init__(self, table: RuleTable) -> None:
        self.table = table
        self._pattern = Pattern(table.matches, folded=not table.case) if table.matches is not None else None

    def means(self, header: Header) -> bool:
        """Return whether the header is as the rule wants it.

        Raises:
            TooHardError: that takes too long to find out.
        """
        name = self.table.field
        if name is None:
            return True
        pattern, values = self._pattern, _values(header, name.encode())
        found = any(map(pattern.found_in, values)) if pattern is not None else header.has(name.encode())
        return found != self.table.unless

    def concerns(self, sender: Address, recipients: Sequence[Address], *, stranger: bool) -> bool:
        """Return whether it is about such mail."""
        table = self.table
        if table.strangers is not None and table.strangers != stranger:
            return False
        if table.sender and not any(fits(sender, pattern) for pattern in table.sender):
            return False
        return not table.recipient or any(map(self.is_for, recipients))

    def is_for(self, recipient: Address) -> bool:
        """Return whether a recipient is one of those whom it is about."""
        return any(fits(recipient, pattern) for pattern in self.table.recipient)


def _values(header: Header, name: bytes) -> Iterator[str]:
    """Yield the values of the fields of a name, as people read them: unfolded, encoded words decoded."""
    for value in header.get_all(name)[:MOST_FIELDS]:
        yield decoded_field(value[: MAX_VALUE * 4])[:MAX_VALUE]


def chosen(rules: Sequence[Rule], header: Header) -> list[Rule]:
    """Return the rules that mean a header, in their order, up to one that refuses or stops.

    Raises:
        TooHardError: it takes too long to find out.
    """
    found: list[Rule] = []
    for rule in rules:
        if rule.means(header):
            found.append(rule)
            if rule.table.stop or rule.table.refuse is not None:
                break
    return found
