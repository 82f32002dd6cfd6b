"""The values every layer speaks of: addresses, messages, replies, next hops, outcomes.

Nothing here does anything: no input, no output, no clock.  Times are seconds
since the epoch, durations are seconds, sizes are octets.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final, Generic, Literal, TypeVar

T = TypeVar("T")

CRLF: Final = b"\r\n"

_ATEXT = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~\u0080-\U0010FFFF-]+"
_DOT_STRING = re.compile(rf"{_ATEXT}(?:\.{_ATEXT})*")


@dataclass(frozen=True, slots=True)
class Address:
    """A mailbox of RFC 5321 section 4.1.2, or the null reverse-path.

    Attributes:
        local: the local part, unquoted, its case kept.
        domain: in lower case, as A-labels (RFC 5890), or an address literal
            with its brackets.  Empty for `<postmaster>` and the null path.
    """

    local: str
    domain: str

    def __str__(self) -> str:
        """Return the form used between angle brackets; empty for the null path."""
        local = self.local if self.is_null or _DOT_STRING.fullmatch(self.local) else self._quoted()
        return f"{local}@{self.domain}" if self.domain else local

    def _quoted(self) -> str:
        return '"' + self.local.replace("\\", "\\\\").replace('"', '\\"') + '"'

    @property
    def is_null(self) -> bool:
        """Whether this is the null reverse-path, `<>`."""
        return not self.local and not self.domain

    @property
    def is_ascii(self) -> bool:
        """Whether the address can be sent without SMTPUTF8 (RFC 6531)."""
        return self.local.isascii() and self.domain.isascii()


NULL_PATH: Final = Address("", "")


@dataclass(frozen=True, slots=True)
class Reply:
    r"""An SMTP reply, ours or a peer's.

    Attributes:
        code: the three digits of RFC 5321 section 4.2.
        status: the enhanced status code of RFC 3463, such as "5.7.1"; empty
            where none is sent (greeting, EHLO, 334, 354).
        text: what follows; several lines are separated by "\n".
    """

    code: int
    status: str
    text: str

    @property
    def accepts(self) -> bool:
        """Whether this is a positive completion (2xx)."""
        return 200 <= self.code < 300

    @property
    def is_permanent(self) -> bool:
        """Whether this is a permanent refusal (5xx)."""
        return self.code >= 500

    def __str__(self) -> str:
        """Return the reply on one line, as logs and bounces show it."""
        text = self.text.replace("\n", " ")
        return " ".join(part for part in (str(self.code), self.status, text) if part)


Notify = Literal["NEVER", "SUCCESS", "FAILURE", "DELAY"]


TLSLevel = Literal["none", "opportunistic", "required"]


@dataclass(frozen=True, slots=True)
class Via:
    """A next hop that was chosen for some mail, whatever the routes of the site file say.

    Attributes:
        via: as a route has it, such as "smtp://relay.example.net:587", or "mx".
        tls: what is demanded there; None: what [outbound] says.
    """

    via: str
    tls: TLSLevel | None = None


@dataclass(frozen=True, slots=True)
class Recipient:
    """A forward-path with what its sender asked of reports about it, and what was decided of the way there.

    Attributes:
        address: where the message goes.
        notify: the NOTIFY parameter of RFC 3461 section 4.1; None when absent.
        orcpt: the ORCPT parameter as received, "addr-type;xtext" (section 4.2).
        via: the next hop that a plugin or an operator chose; None for the router's.
        mailbox: the mailbox that a plugin chose, where mail for it is kept here; None for INBOX.
        forwarded_by: the domain of ours whose alias stands for this address; None where RCPT named it itself.
    """

    address: Address
    notify: frozenset[Notify] | None = None
    orcpt: str | None = None
    via: Via | None = None
    mailbox: str | None = None
    forwarded_by: str | None = None


@dataclass(frozen=True, slots=True)
class Envelope:
    """What MAIL and RCPT said (RFC 5321 section 2.3.1), parameters included.

    Attributes:
        sender: the reverse-path; null for reports.
        recipients: the forward-paths, in the order given.
        eight_bit: BODY=8BITMIME was given (RFC 6152), or the text holds 8-bit octets.
        smtputf8: envelope or headers really hold non-ASCII (RFC 6531).
        ret: the RET parameter (RFC 3461 section 4.3).
        envid: the ENVID parameter as received, in xtext (section 4.4).
        auth: the AUTH= parameter as received, in xtext, if a login vouches for it; else "<>", or None without one.
    """

    sender: Address
    recipients: tuple[Recipient, ...]
    eight_bit: bool = False
    smtputf8: bool = False
    ret: Literal["FULL", "HDRS"] | None = None
    envid: str | None = None
    auth: str | None = None


@dataclass(frozen=True, slots=True)
class InlineBody:
    """A body that is small enough to be a row; complete in memory."""

    data: bytes

    @property
    def size(self) -> int:
        """Return the number of octets."""
        return len(self.data)


@dataclass(frozen=True, slots=True)
class FileBody:
    """A large body: a file of the body store, on disk before the row that names it."""

    name: str
    size: int


Body = InlineBody | FileBody


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a message came from.

    Attributes:
        protocol: the transmission type of RFC 3848, such as "ESMTPSA"; "local" for our own reports.
        peer: the client's address; empty for our own messages.
        helo: what the client called itself.
        account: the login that submitted it; None for strangers.
        listener: the name of the listener in the site file.
    """

    protocol: str
    peer: str = ""
    helo: str = ""
    account: str | None = None
    listener: str = ""


Tags = tuple[tuple[str, str], ...]
"""What plugins noted about a message: names, each once, with values."""


@dataclass(frozen=True, slots=True)
class Former:
    """What was known of a message before a content filter had it, and holds of what that gives back.

    Attributes:
        origin: where it came from; None where that isn't known.
        tags: what plugins noted about it.
        mailboxes: those that plugins chose, by recipient.
    """

    origin: Origin | None = None
    tags: Tags = ()
    mailboxes: Mapping[Address, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Message:
    """A message this host has taken, or is about to take, responsibility for.

    `header` followed by `body` is the message exactly as it is sent on:
    `header` holds the trace fields and every header field, and the empty line
    behind them where there is one.  All line ends are CRLF.

    Attributes:
        id: time-ordered and unique on this host; `id_text` is what people see.
        received_at: when the message was accepted.
        tags: what plugins noted about it.
    """

    id: int
    envelope: Envelope
    header: bytes
    body: Body
    origin: Origin
    received_at: float
    tags: Tags = ()

    @property
    def size(self) -> int:
        """Return the number of octets sent on, before dot-stuffing."""
        return len(self.header) + self.body.size

    @property
    def originator(self) -> str:
        """Return whose mail it is: the account that submitted it, else the sender's domain."""
        return self.origin.account or self.envelope.sender.domain

    @property
    def octets_in_memory(self) -> int:
        """Return how much of the message is in memory: a body in a file isn't."""
        return len(self.header) + (len(self.body.data) if isinstance(self.body, InlineBody) else 0)


@dataclass(frozen=True, slots=True)
class Detention:
    """Why a message waits for an operator.

    Attributes:
        kind: "hold" ends with `mta queue release`, "quarantine" with `mta quarantine release` alone.
        reason: in words, without control characters.
        plugin: who asked for it, as the site file calls it.
    """

    kind: Literal["hold", "quarantine"]
    reason: str
    plugin: str


@dataclass(frozen=True, slots=True)
class Structure:
    """What is worked out once of a message that is kept in mailboxes.

    Attributes:
        envelope: the ENVELOPE of RFC 9051 section 7.5.2, ready to send.
        body: the BODYSTRUCTURE of the same section, ready to send.
        parts: where every part lies, packed; offsets count from the body's begin.
    """

    envelope: bytes
    body: bytes
    parts: bytes


@dataclass(frozen=True, slots=True)
class Delivery:
    """One mailbox of this host that a message is delivered into (RFC 5598 section 4.3.3).

    Attributes:
        account: the id of the account that owns the mailbox.
        address: for whom, aliases expanded; what Delivered-To says (RFC 9228).
        mailbox: the name of the mailbox.
    """

    account: int
    address: Address
    mailbox: str = "INBOX"


@dataclass(frozen=True, slots=True)
class LocalMail:
    """The part of an acceptance that ends in mailboxes of this host."""

    structure: Structure
    deliveries: tuple[Delivery, ...]


@dataclass(frozen=True, slots=True)
class Expansion:
    """What a recipient at a hosted domain stands for, aliases expanded.

    Attributes:
        deliveries: the mailboxes.
        forwards: addresses that this host doesn't keep mail for.
    """

    deliveries: tuple[Delivery, ...]
    forwards: tuple[Address, ...] = ()


_ID_DIGITS: Final = "0123456789abcdefghjkmnpqrstvwxyz"
_ID_LENGTH: Final = 13


@lru_cache(4096)
def id_text(message_id: int) -> str:
    """Return the 13 letters and digits by which people know a message."""
    return "".join(_ID_DIGITS[message_id >> shift & 31] for shift in range(60, -1, -5))


def parse_id(text: str) -> int:
    """Return the message id that `text` names.

    Raises:
        ValueError: it is not the form that `id_text` makes.
    """
    digits = [_ID_DIGITS.find(letter) for letter in text.lower()]
    if len(digits) != _ID_LENGTH or min(digits) < 0:
        raise ValueError(f"not a queue id: {text!r}")
    value = 0
    for digit in digits:
        value = value << 5 | digit
    return value


@dataclass(frozen=True, slots=True)
class RelayLogin:
    """How we log in at a next hop; the password is read when it is needed."""

    user: str
    password_source: str


@dataclass(frozen=True, slots=True)
class NextHop:
    """Where mail is sent on to; equal next hops share a lane.

    Attributes:
        host: a mail domain whose MX records count (`mx`), or a host name or
            address, or the path of a unix socket, which begins with "/".
        port: the TCP port; 0 for a unix socket.
        mx: look for MX records of `host`; then never a loopback or like address
            (unless allowed), while an explicit host is exempt.
        implicit_tls: TLS from the first octet (`smtps`).
        tls: what is demanded of STARTTLS; "required" also verifies the name.
        login: how to log in, or None.
        lmtp: LMTP is spoken there (RFC 2033), not SMTP.
        is_filter: a content filter is there, which gives the mail back; it is told whom the mail came from.
        local: no host at all: "mailbox" are the mailboxes of this host,
            "maildir" are files whose path is made from the template `host`.
    """

    host: str
    port: int
    mx: bool = False
    implicit_tls: bool = False
    tls: TLSLevel = "opportunistic"
    login: RelayLogin | None = None
    lmtp: bool = False
    local: Literal["mailbox", "maildir"] | None = None
    is_filter: bool = False

    @property
    def is_socket(self) -> bool:
        """Whether it is a unix socket of this host."""
        return self.local is None and self.host.startswith("/")

    @property
    def is_here(self) -> bool:
        """Whether nothing leaves this host on the way there."""
        return self.local is not None or self.is_socket


MAILBOXES: Final = NextHop("", 0, tls="none", local="mailbox")
"""The next hop of mail for the mailboxes of this host, where the queue delivers it."""


@dataclass(frozen=True, slots=True)
class LaneTerms:
    """What the site file says of a lane: the deliveries to one next hop, by whatever domains they got there.

    Attributes:
        name: a provider's name, the MX hosts of a domain, or an explicit host with its port.
        concurrency: most deliveries at once; None: as many as usual.
        messages: most messages over one connection; None: as many as usual.
        interval: seconds from the begin of a delivery to that of the next.
        pause: seconds of rest after a first failure; None: as long as usual.
    """

    name: str
    concurrency: int | None = None
    messages: int | None = None
    interval: float = 0.0
    pause: float | None = None


@dataclass(frozen=True, slots=True)
class Discard:
    """A route that makes the mail vanish, as the site file says."""


@dataclass(frozen=True, slots=True)
class Refuse:
    """A route that fails the mail with a reply, as the site file says."""

    reply: Reply


Route = NextHop | Discard | Refuse


@dataclass(frozen=True, slots=True)
class Delivered:
    """The next hop took responsibility.

    Attributes:
        reply: its answer to the final dot.
        remote: who it was: "name [address]"; empty when nobody was reached.
        owed: what the sender, who asked to hear of success, is to be told:
            "relayed" to a host that tells nothing further, "delivered", or
            "expanded" where an alias stood for several (RFC 3461 section 5.2);
            None when it didn't ask, or that host reports.
        forwards: who takes this recipient's place in the queue from now on.
        encrypted: the message went over TLS; for the log, not compared.
        proof: how the host proved who it is, such as "DANE"; empty: it didn't have to; for the log, not compared.
    """

    reply: Reply
    remote: str = ""
    owed: Literal["relayed", "delivered", "expanded"] | None = None
    forwards: tuple[Recipient, ...] = ()
    encrypted: bool = field(default=False, compare=False)
    proof: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Deferred:
    """Not now: the recipient is tried again later.

    Attributes:
        reply: why.
        remote: who said so; empty when it was nobody.
        unreached: no session could be had with the next hop, which says
            nothing of this mail but something of the next hop.
    """

    reply: Reply
    remote: str = ""
    unreached: bool = field(default=False, compare=False)


@dataclass(frozen=True, slots=True)
class Unconfirmed:
    """The whole message was sent but the answer to the final dot was lost.

    The next hop may have it; it is tried again, and may arrive twice
    (RFC 1047).
    """

    reply: Reply
    remote: str = ""


@dataclass(frozen=True, slots=True)
class Failed:
    """Never: the sender is told."""

    reply: Reply
    remote: str = ""


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """An operator held or deleted the recipient before MAIL was sent."""


Outcome = Delivered | Deferred | Unconfirmed | Failed | Withdrawn


@dataclass(frozen=True, slots=True)
class Claim:
    """One recipient of a spooled message, leased to this process.

    Attributes:
        message_id: the message.
        index: the recipient's place in the envelope as accepted.
        epoch: raised by every claim; a settle with an older one is refused.
        recipient: who.
        attempts: delivery attempts made before this one.
        age: seconds the recipient has waited, time down and on hold left out.
        warnings: delay warnings sent so far.
    """

    message_id: int
    index: int
    epoch: int
    recipient: Recipient
    attempts: int
    age: float
    warnings: int


@dataclass(frozen=True, slots=True)
class Suspended:
    """What an operator can suspend, so that no attempt is begun at it.

    Attributes:
        kind: what the name is of; "all" has none.
        name: a recipient domain, the name of a lane, or an account.
    """

    kind: Literal["all", "domain", "lane", "account"]
    name: str = ""


@dataclass(frozen=True, slots=True)
class Suspension:
    """A suspension that stands, since a time in seconds since the epoch."""

    id: int
    what: Suspended
    since: float


@dataclass(frozen=True, slots=True)
class FailedRecipient:
    """A recipient whose delivery failed for good and whose sender isn't told yet."""

    index: int
    recipient: Recipient
    outcome: Failed
    failed_at: float


@dataclass(frozen=True, slots=True)
class Settlement:
    """What became of one claim, and what follows from it.

    Attributes:
        claim: the claim that ends.
        outcome: what happened.
        attempted_at: when.
        due: when a deferred recipient is tried next; None for every other outcome.
        warned: a delay warning goes out with this settlement.
        reason: the class of what the attempt met, by which operators count the
            queue; None where it has none.
    """

    claim: Claim
    outcome: Outcome
    attempted_at: float
    due: float | None = None
    warned: bool = False
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """A report composed for one message: a bounce, a delay warning or news of success.

    Attributes:
        about: the id of the message reported on.
        failed: the indexes of the failed recipients that `message` reports;
            empty for a delay warning.
        message: the report itself, to be spooled; None when the failures are
            reported to nobody (a null sender).
        delivered: the indexes of the recipients whose success `message`
            reports; they are settled with it.
    """

    about: int
    failed: frozenset[int]
    message: Message | None
    delivered: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class DropMessage:
    """One message of a maildrop (RFC 1939 section 3).

    Attributes:
        uid: its UID in the mailbox.
        size: octets of the message, line ends as CRLF, without dot-stuffing.
        uidl: its unique id, 1 to 70 characters of 0x21 to 0x7E (section 7, UIDL).
    """

    uid: int
    size: int
    uidl: str


@dataclass(frozen=True, slots=True)
class MXRecord:
    """One MX record; the host is in lower case, without the final dot, "" for null MX."""

    preference: int
    host: str


@dataclass(frozen=True, slots=True)
class Answer(Generic[T]):
    """What the DNS said.

    Attributes:
        records: the records, in the order received.
        status: "found", "empty" (the name exists, this type doesn't) or
            "missing" (NXDOMAIN).
        authentic: the AD bit of a trusted resolver was set.
        alias: the name at the end of the CNAMEs that were followed; empty when there were none.
    """

    records: tuple[T, ...]
    status: Literal["found", "empty", "missing"]
    authentic: bool
    alias: str = ""


@dataclass(frozen=True, slots=True)
class HTTPAnswer:
    """What a web service answered, whatever its status.

    Attributes:
        status: such as 200.
        headers: names in lower case; the values of one that came several times are joined by ", " (RFC 9110
            section 5.2).
        body: all of it.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
