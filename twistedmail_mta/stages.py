"""The stages of a mail at which plugins act: what they are told, what they may answer.

A plugin is any object that provides one or more of the interfaces below.  Each
has one async method; values go in, an answer comes out.  A plugin can refuse,
delay, change or abstain, and never grant: who may send where is decided by the
core before anybody is asked.  One interface is the exception, `IRelayGrant`,
which counts only for plugins that the site file names under [relay].
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from zope.interface import Interface

from twistedmail_mta.mail.header import Header
from twistedmail_mta.model import Address, Envelope, Notify, Recipient, Reply, TLSLevel, Via
from twistedmail_mta.tags import NO_TAGS

# What plugins are told


@dataclass(frozen=True, slots=True)
class Client:
    """Who is at the other end of a session, as far as it is known.

    Attributes:
        session: names the session in the log.
        listener: the name of the listener in the site file.
        role: its role, such as "mx" or "submission".
        host: the client's address; empty for a unix socket.
        helo: what the client called itself; empty before EHLO.
        extended: it said EHLO, not HELO.
        tls: version and cipher; empty in clear.
        account: the account that logged in; None for strangers.
        mechanism: how it did, such as "PLAIN"; empty for strangers.
        port: the client's; 0 for a unix socket.
        local_host: the address of ours that the client reached; empty for a unix socket.
        local_port: the port there.
        has_spoken: says whether octets have come that no command was read from yet: before the greeting no honest
            client sends any (RFC 5321 section 4.3.1).
    """

    session: str
    listener: str
    role: str
    host: str
    helo: str = ""
    extended: bool = False
    tls: str = ""
    account: str | None = None
    mechanism: str = ""
    port: int = 0
    local_host: str = ""
    local_port: int = 0
    has_spoken: Callable[[], bool] = lambda: False


@dataclass(frozen=True, slots=True)
class MailFrom:
    """What MAIL said.

    Attributes:
        id: the message's id, as the log shows it.
        sender: the reverse-path; null for reports.
        size: octets that SIZE announced; None without it.
        parameters: what else was said, as it is sent on: "BODY=8BITMIME" and the like.
    """

    id: str
    sender: Address
    size: int | None = None
    parameters: tuple[str, ...] = ()


class Body(Protocol):
    """The text of a message behind its header, read in pieces: it may be large."""

    @property
    def size(self) -> int:
        """Return the number of octets."""

    def read(self, offset: int, size: int) -> Awaitable[bytes]:
        """Return up to `size` octets from `offset` on; shorter only at the end.

        Raises:
            TemporaryError: it can't be read now.
        """


class Draft(Protocol):
    """A text that a plugin writes for the place of a body, in pieces; one that isn't used is dropped."""

    def write(self, block: bytes) -> Awaitable[None]:
        """Add octets; line ends become CRLF.

        Raises:
            MailError: it can't be kept, or is too large.
        """

    def finish(self) -> Awaitable[Body]:
        """Return the text for `ReplaceBody`, once it is complete.

        Raises:
            MailError: as `write`.
        """


def _no_draft() -> Draft:
    raise RuntimeError("nothing can be written for this message")


@dataclass(frozen=True, slots=True)
class Arriving:
    """A message whose text is here, before it is taken.

    Attributes:
        id: as the log shows it.
        envelope: all recipients that were taken.
        header: as it came, our own trace field apart.
        body: what follows it.
        size: octets of both.
        draft: begins another text for the body's place, kept where the body is.
    """

    id: str
    envelope: Envelope
    header: Header
    body: Body
    size: int
    draft: Callable[[], Draft] = _no_draft


@dataclass(frozen=True, slots=True)
class Leaving:
    """A recipient's copy in the queue, before it is sent on.

    Attributes:
        id: the message's id, as the log shows it.
        sender: the reverse-path; null for reports.
        recipient: the forward-path.
        account: the login that submitted the message; None for strangers' and our own.
        attempts: how often it was tried before.
        route: where it would go, as operators see it: "smtp://relay.example.net:587"; a domain alone, where its MX
            hosts count; "mailbox" for mailboxes here; "maildir:/PATH"; "discard"; "error:" and a reply.
        tags: what plugins noted about the message.
    """

    id: str
    sender: Address
    recipient: Address
    account: str | None
    attempts: int
    route: str
    tags: Mapping[str, str] = field(default_factory=lambda: NO_TAGS)


@dataclass(frozen=True, slots=True)
class Attempted:
    """What became of one recipient of a message in the queue.

    Attributes:
        id: the message's id, as the log shows it.
        sender: the reverse-path.
        recipient: the forward-path.
        account: the login that submitted the message; None for strangers' and our own.
        reply: what the next hop said, or we say for it.
        remote: the host that said so; empty where none was reached.
        attempts: how often it was tried by now.
        tags: what plugins noted about the message.
    """

    id: str
    sender: Address
    recipient: Address
    account: str | None
    reply: Reply
    remote: str
    attempts: int
    tags: Mapping[str, str] = field(default_factory=lambda: NO_TAGS)


@dataclass(frozen=True, slots=True)
class Stored:
    """A message that went into mailboxes of this host.

    Attributes:
        id: the message's id, as the log shows it.
        sender: the reverse-path.
        mailboxes: for whom, and the name of the mailbox.
        size: octets of header and body.
        tags: what plugins noted about the message.
    """

    id: str
    sender: Address
    mailboxes: tuple[tuple[Address, str], ...]
    size: int
    tags: Mapping[str, str] = field(default_factory=lambda: NO_TAGS)


# What plugins answer


@dataclass(frozen=True, slots=True)
class AddHeader:
    """Put a field above all others, or behind them if `last`; the value may be folded with CRLF."""

    name: str
    value: str
    last: bool = False


@dataclass(frozen=True, slots=True)
class InsertHeader:
    """Put a field behind so many others, or behind all if there are fewer; our own trace field isn't counted."""

    index: int
    name: str
    value: str


@dataclass(frozen=True, slots=True)
class RemoveHeader:
    """Remove every field of a name, or of these the one that is named otherwise.

    Attributes:
        name: of the fields.
        occurrence: only this one, counted from 1 and from above.
        value: only those that have this value, as `Header.get_all` gives it; what isn't UTF-8 stands in it as
            surrogates (PEP 383).  So a field is found wherever other plugins have moved it.  Not both.
    """

    name: str
    occurrence: int | None = None
    value: str | None = None


@dataclass(frozen=True, slots=True)
class ReplaceHeader:
    """Put a field in the place of the first of its name, and remove the others; where there is none, above all.

    With an `occurrence`, counted from 1 and from above, that one alone is
    replaced; where there is none, the field goes behind all others.
    """

    name: str
    value: str
    occurrence: int | None = None


@dataclass(frozen=True, slots=True)
class ChangeHeader:
    """Put another value in the place of one; no other octet of the header changes.

    Both are as `Header.get_all` gives them; what isn't UTF-8 stands in them as
    surrogates (PEP 383).  Where no field has the old value, as after somebody
    else's change, nothing is done.

    Attributes:
        name: of the field.
        old: its value.
        new: what comes.
        occurrence: which of the fields of this name it is, counted from 1 and from above; if that one hasn't the old
            value any more, it is the first that has.
    """

    name: str
    old: str
    new: str
    occurrence: int = 1


@dataclass(frozen=True, slots=True)
class ReplaceBody:
    """Put another text in the place of the body; the last one that is asked for counts.

    It is one that `Arriving.draft` was written to, or any other, which is
    copied: that one must be there until the message is answered.
    """

    body: Body


@dataclass(frozen=True, slots=True)
class AddRecipient:
    """Send a copy to one more address: one kept here, or any other if the plugin's table says `may_send_anywhere`.

    `notify` and `orcpt` are those of `Recipient`.
    """

    address: Address
    notify: frozenset[Notify] | None = None
    orcpt: str | None = None


@dataclass(frozen=True, slots=True)
class RemoveRecipient:
    """Send nothing to one of the recipients; a message without any left is taken and discarded."""

    address: Address


@dataclass(frozen=True, slots=True)
class ChangeRecipient:
    """Send to another address what was for one of the recipients, with the same wishes about reports.

    Both is done, or nothing: where the new one can't be had for good, the
    message goes to the old one still, and the log warns of it; where it can't
    be had for now, the message is refused for now.  It is one kept here, or
    any other if the plugin's table says `may_send_anywhere`.  Other changes go
    on naming the recipient as it came.
    """

    old: Address
    new: Address


@dataclass(frozen=True, slots=True)
class ChangeSender:
    """Send with another reverse-path."""

    sender: Address


@dataclass(frozen=True, slots=True)
class FileInto:
    """Deliver into a mailbox other than INBOX, such as "Junk", made where it is missing.

    Copies that the queue delivers, and those of a message that is held, go there, too.

    Attributes:
        mailbox: its name.
        recipient: whose copy; None for all that are kept here.
    """

    mailbox: str
    recipient: Address | None = None


@dataclass(frozen=True, slots=True)
class SetNextHop:
    """Send the message to a next hop instead of where it would go.

    The last one that is asked for counts, and one for a recipient before one for all.

    Copies for mailboxes of this host go there, too, and into no mailbox: what
    comes of them is the next hop's business.  The choice is kept with the
    message, until it is delivered or an operator takes it back (`mta queue
    reroute --back`).

    Attributes:
        via: as in a route of the site file: "smtp://HOST[:PORT]", "smtps://...", "lmtp://...", "lmtp+unix:/PATH",
            "maildir:/PATH" or "mx"; behind "filter+" a content filter, which gives the mail back (not the last two).
        tls: what is demanded there; None: what [outbound] says.
        recipient: whose copy; None for all of them.
    """

    via: str
    tls: TLSLevel | None = None
    recipient: Address | None = None


@dataclass(frozen=True, slots=True)
class Tag:
    """Note something about the message, kept with it as long as it is in the queue.

    The log shows it, operators see it (`mta queue show`), and later stages are
    told.  A message has up to 20; of several of one name the last counts.

    Attributes:
        name: up to 64 ASCII letters, digits, and `_.-`.
        value: up to 200 characters that can be printed.
    """

    name: str
    value: str = ""


@dataclass(frozen=True, slots=True)
class Hold:
    """Keep the message in the queue until an operator releases it (`mta queue release`); mailboxes wait as well."""

    reason: str


@dataclass(frozen=True, slots=True)
class Quarantine:
    """Keep the message from all of its recipients until an operator has looked at it (`mta quarantine`).

    Nobody is told of it, and it isn't tried meanwhile; `[quarantine]` of the site file says for how long it stays.
    It goes before a `Hold`, and of several the first counts.

    Attributes:
        reason: why, for the operator.
        mailbox_of: an address whose mail is kept here: it goes into that mailbox at once instead, with fields that
            say what the envelope was.  If it can't, it waits for the operator after all.
    """

    reason: str
    mailbox_of: Address | None = None


HeaderChange = AddHeader | InsertHeader | RemoveHeader | ReplaceHeader | ChangeHeader
RecipientChange = AddRecipient | RemoveRecipient | ChangeRecipient
Decision = FileInto | SetNextHop | Tag | Hold | Quarantine
Change = HeaderChange | ReplaceBody | RecipientChange | ChangeSender | Decision
Changes = tuple[Change, ...]


@dataclass(frozen=True, slots=True)
class Grant:
    """Mail of this client for this recipient may be sent on, though neither is known here.

    Nothing else lets mail through: no other value, however it looks, and no failure.

    Attributes:
        reason: why, in printable ASCII; the log says it.
    """

    reason: str


Answer = Reply | Changes | None
"""A reply of 4xx or 5xx refuses; one of 2xx ends this stage's asking; changes are made, and the next is asked.

None abstains.
"""


# The stages


class IConnectPolicy(Interface):
    """Asked when a client has connected, before it is greeted."""

    def connected(client: Client) -> Awaitable[Reply | None]:
        """Return why the client is turned away: a 4xx or 5xx, which becomes 421 or 554."""


class IHelloPolicy(Interface):
    """Asked at EHLO, HELO and LHLO."""

    def greeted(client: Client) -> Awaitable[Reply | None]:
        """Return a refusal, or None."""


class ILoginPolicy(Interface):
    """Asked when a name and password were right."""

    def logged_in(client: Client) -> Awaitable[Reply | None]:
        """Return a refusal, and then the login doesn't count; or None."""


class IMailPolicy(Interface):
    """Asked at MAIL, after the core has found that the login may use the sender."""

    def sender(client: Client, mail: MailFrom) -> Awaitable[Reply | None]:
        """Return a refusal, or None."""


class IRecipientPolicy(Interface):
    """Asked at RCPT, after the core has granted the recipient."""

    def recipient(client: Client, mail: MailFrom, recipient: Recipient) -> Awaitable[Reply | None]:
        """Return a refusal, or None."""


class IRelayGrant(Interface):
    """Asked at RCPT, where relaying would be refused else, and only if [relay] of the site file names the plugin.

    That is where a client that hasn't logged in names a recipient at a domain that this host neither keeps nor
    relays mail for, on a listener of role mx.  A local part that reads as a route, such as `user%other`, is
    refused before anybody is asked.
    """

    def may_relay(client: Client, mail: MailFrom, recipient: Recipient) -> Awaitable[Grant | Reply | None]:
        """Return a `Grant`, a refusal (4xx or 5xx), or None: the next is asked, and if none grants it is 550 5.7.1.

        Anything else is a failure, which grants nothing, whatever `on_error` says.
        """


class IHeaderPolicy(Interface):
    """Asked when the header is here, before the body; a refusal is told at the end of the data."""

    def header(client: Client, envelope: Envelope, header: Header) -> Awaitable[Reply | None]:
        """Return a refusal, or None; the rest of the message isn't kept then."""


class IMessagePolicy(Interface):
    """Asked when the whole message is here, before it is taken."""

    def message(client: Client, message: Arriving) -> Awaitable[Answer]:
        """Return a refusal, changes, or None.

        An answer is for all recipients.  Who wants to spare some of them removes
        these, or files their copies elsewhere: one that was refused for a part of
        its recipients would have to be reported to a stranger.
        """


class IRoutePolicy(Interface):
    """Asked in the queue before each attempt, for each recipient, when the site file has said which way it goes.

    All plugins that act at this stage are asked, in the order of the site file,
    whichever listener the mail came by; not for a recipient whose next hop was
    chosen already (`SetNextHop`, an operator), nor for what goes into mailboxes
    with its acceptance.
    """

    def routed(leaving: Leaving) -> Awaitable[Via | Reply | None]:
        """Return another way, or why the mail doesn't go now (4xx: it is tried later) or ever (5xx), or None.

        The first answer counts: a 2xx, too, which leaves the way as it is.  It is
        for this attempt alone.  A failure defers the mail, or counts for nothing
        where `on_error` says so.
        """


class IEndedObserver(Interface):
    """Told when a transaction is over, whose MAIL no plugin refused: what was reserved for it can be given back."""

    def ended(client: Client, mail: MailFrom, taken: bool) -> Awaitable[None]:
        """Take note.

        Args:
            client: as at MAIL.
            mail: what MAIL said; another sender if a plugin changed it.
            taken: the message was accepted; else it was refused or given up.
        """


class IDisconnectObserver(Interface):
    """Told when a client is gone that a connect policy could have been asked about, however it went."""

    def disconnected(client: Client) -> Awaitable[None]:
        """Take note: no stage of this session follows, and none is under way."""


class IRefusalObserver(Interface):
    """Told when a client is refused something, by whomever."""

    def refused(client: Client, reply: Reply) -> Awaitable[None]:
        """Take note, before the client hears of it: the answer waits for the end of this.

        Only what the session says by itself about bad syntax may go out before.
        """


class IDeliveredObserver(Interface):
    """Told when a recipient's copy has reached its next hop, or a mailbox by way of the queue."""

    def delivered(attempt: Attempted) -> Awaitable[None]:
        """Take note."""


class IDeferredObserver(Interface):
    """Told when an attempt has failed for now."""

    def deferred(attempt: Attempted) -> Awaitable[None]:
        """Take note."""


class IBouncedObserver(Interface):
    """Told when a recipient has failed for good."""

    def bounced(attempt: Attempted) -> Awaitable[None]:
        """Take note."""


class IMailboxObserver(Interface):
    """Told when a message went into mailboxes of this host with its acceptance."""

    def stored(message: Stored) -> Awaitable[None]:
        """Take note."""


GRANTS = (IRelayGrant,)
POLICIES = (IConnectPolicy, IHelloPolicy, ILoginPolicy, IMailPolicy, IRecipientPolicy, IHeaderPolicy, IMessagePolicy)
ROUTING = (IRoutePolicy,)
OBSERVERS = (
    IDisconnectObserver,
    IRefusalObserver,
    IEndedObserver,
    IDeliveredObserver,
    IDeferredObserver,
    IBouncedObserver,
    IMailboxObserver,
)


def stages_of(plugin: Any) -> Iterator[type[Interface]]:  # noqa: ANN401 - anything may be a plugin
    """Yield the stages at which a plugin acts."""
    for stage in (*POLICIES, *GRANTS, *ROUTING, *OBSERVERS):
        if stage.providedBy(plugin):
            yield stage
