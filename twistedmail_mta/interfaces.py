"""Every seam of the program, as zope interfaces.

A role gets what it needs through these, from `app`; tests give it small fakes.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, Protocol, TypeVar

from zope.interface import Attribute, Interface

from twistedmail_mta.dane.records import TLSA
from twistedmail_mta.dmarc.report import Case, Published
from twistedmail_mta.mail.header import Header
from twistedmail_mta.model import (
    Address,
    Answer,
    Body,
    Claim,
    Delivery,
    Detention,
    DropMessage,
    Expansion,
    FailedRecipient,
    FileBody,
    Former,
    HTTPAnswer,
    InlineBody,
    LaneTerms,
    LocalMail,
    Message,
    MXRecord,
    NextHop,
    Outcome,
    Recipient,
    Reply,
    Report,
    Route,
    Settlement,
    Suspension,
    Via,
)
from twistedmail_mta.tls_report.report import Failure, Policy

T = TypeVar("T")


class Transaction(Protocol):
    """What a function given to `IDatabase` may do: run SQL, nothing else."""

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> Iterable[tuple[Any, ...]]:
        """Run one statement; iterate over its rows."""

    def executemany(self, sql: str, rows: Iterable[Sequence[Any]]) -> Iterable[tuple[Any, ...]]:
        """Run one statement for each of `rows`."""

    def changes(self) -> int:
        """Return how many rows the last statement changed."""


class IDatabase(Interface):
    """Durable rows, with the commits of concurrent writers grouped."""

    def write(function: Callable[[Transaction], T], urgent: bool = False, size: int = 0) -> Awaitable[T]:
        """Run `function` in a transaction and return what it returned, once that is on disk.

        `function` runs on the writer's thread, shares a commit with others, and
        may run twice: it only runs SQL and returns; it computes nothing, sends
        nothing and touches no memory.

        Args:
            function: the body of the transaction.
            urgent: goes before all that is not (settles before accepts), and
                may use the space of the ballast when the disk is full.
            size: about how many octets it writes; what is small may say nothing.

        Raises:
            TemporaryError: nothing of it was kept: disk full, input/output
                error, too much waits already, or the database is closing.
            Exception: what `function` raised; nothing of it was kept.
        """

    def read(function: Callable[[Transaction], T]) -> Awaitable[T]:
        """Run `function` on a reader's thread, on one consistent state.

        It ends within a second; longer reads are cut in pieces by the caller.
        """

    def refusal() -> Reply | None:
        """Return why no new mail should be begun now, or None; cheap, no input or output."""


class IBodyWriter(Interface):
    """Takes one body as it arrives: memory up to the inline limit, then a file."""

    size: int = Attribute("octets taken so far")

    def add(block: bytes) -> bool:
        """Take octets; True when `flush` must be awaited before more is added."""

    def flush() -> Awaitable[None]:
        """Write what waits to the file.

        Raises:
            TemporaryError: disk full or input/output error; the writer is dead.
        """

    def finish() -> Awaitable[InlineBody | FileBody]:
        """Return the body; a file and its directory are on disk by then.

        Raises:
            TemporaryError: as `flush`.
        """

    def abandon() -> None:
        """Forget what was taken; safe to call at any time, also after `finish`."""


class IBodyStore(Interface):
    """Large bodies as files, written before the row that names them."""

    def writer() -> IBodyWriter:
        """Begin a body."""

    def read(body: Body, offset: int, size: int) -> Awaitable[bytes]:
        """Return up to `size` octets of a body from `offset` on; shorter only at its end."""

    def remove(names: Iterable[str]) -> Awaitable[None]:
        """Unlink files that no row names any more."""

    def sweep(named: Callable[[Sequence[str]], Awaitable[Collection[str]]], older_than: float) -> Awaitable[int]:
        """Unlink the files that no row names; return how many.

        What is younger than that, or still being written by a living process,
        is spared.

        Args:
            named: returns those of some names that rows name.
            older_than: seconds; longer than from a body's end to its commit.
        """


class ISpool(Interface):
    """Mail this host has accepted and not yet settled."""

    lease: float = Attribute("seconds a claim holds without `renew`, which is due every third of it")

    def new_id() -> int:
        """Return a new message id, greater than every earlier one of this process."""

    def accept(
        message: Message, claim: bool, local: LocalMail | None = None, detention: Detention | None = None
    ) -> Awaitable[Sequence[Claim]]:
        """Take responsibility for a message: it is on disk when this returns, in all its mailboxes and in the spool.

        Args:
            message: what to keep; its envelope holds only the recipients that
                the queue has to serve, and may hold none if there is `local`.
            claim: lease every recipient to this process at birth.
            local: what goes into mailboxes in the same transaction; nothing of a message that is in quarantine.
            detention: why its recipients wait until an operator releases them; none is claimed then.

        Returns:
            The claims, when `claim`; else nothing.

        Raises:
            TemporaryError: nothing was kept; the quarantine may be full.
        """

    def claim(limit: int, exclude: frozenset[str]) -> Awaitable[Sequence[Claim]]:
        """Lease up to `limit` recipients that are due, oldest due first, but up to half of them those never tried.

        Args:
            limit: how many rows.
            exclude: recipient domains that are not wanted now.
        """

    def message(message_id: int) -> Awaitable[Message | None]:
        """Return a spooled message, or None when it is gone.

        Its envelope holds every recipient not yet settled as delivered or deleted.
        """

    def unreported(message_id: int) -> Awaitable[Sequence[FailedRecipient]]:
        """Return the recipients of a message that failed and are not reported yet."""

    def settle(settlements: Sequence[Settlement], report: Report | None) -> Awaitable[bool]:
        """End claims of one message, and spool the report if it is still right, in one transaction.

        Claims that were taken away (an old epoch) are left alone.  A bounce is
        kept only if the set of unreported failures is exactly the one it names
        and no recipient of the message is leased any more, unless the first
        failure is a minute old.  A report of success is kept if every delivery it
        names ended its claim.  A delay warning is kept if a settlement that
        counts it (`warned`) left its recipient in the spool.  What is wished of a
        claimed recipient (hold, delete) happens now, unless it was delivered.

        Args:
            settlements: what became of claims; may be empty when only a report is due.
            report: what its sender is to be told.

        Returns:
            Whether `report` was kept (True when there was none to keep); the
            settlements count in any case.

        Raises:
            TemporaryError: nothing changed; the claims stay.
        """

    def release_claims(claims: Sequence[Claim]) -> Awaitable[None]:
        """Give claims back without an attempt; due times stay as they were."""

    def renew() -> Awaitable[None]:
        """Prolong the lease of every claim of this process."""

    def next_due(exclude: frozenset[str] = frozenset()) -> Awaitable[float | None]:
        """Return when the earliest unclaimed recipient is due, or None.

        Args:
            exclude: recipient domains that are not wanted now, as for `claim`.
        """

    def reports_due(before: float) -> Awaitable[Sequence[int]]:
        """Return messages whose unreported failures can be reported.

        No recipient of such a message is leased, or the first failed before
        `before`, which is a minute ago or more.
        """

    def suspensions() -> Awaitable[Sequence[Suspension]]:
        """Return what operators have suspended; let go on what waited for the end of others.

        Raises:
            TemporaryError: nothing is known; what was let go on stays so.
        """

    def park(claims: Sequence[Claim], suspension: int) -> Awaitable[None]:
        """End claims without an attempt; their recipients wait for the end of a suspension.

        Those of whom an operator wished something else meanwhile, and all of
        them if it has ended, are given back as by `release_claims`.

        Raises:
            TemporaryError: nothing changed; the claims stay.
        """

    def wanted(claim: Claim) -> bool:
        """Return whether no operator wants the claimed recipient not to be tried now; no input or output."""


class IAccountMail(Interface):
    """The queued mail of one account, for whoever finds that it must not go out.

    What `suspend` and `resume` do is what `mta queue suspend --account` does,
    and outlives a restart.
    """

    def suspend(account: str) -> Awaitable[int]:
        """Begin no attempt at what a login submitted, or will; return how many recipients wait for that to end.

        Raises:
            TemporaryError: the database can't be written; it may be suspended all the same.
        """

    def resume(account: str) -> Awaitable[int]:
        """End that; return how many recipients go on.

        Raises:
            TemporaryError: as `suspend`.
        """

    def discard(account: str) -> Awaitable[int]:
        """Delete what a login submitted, and tell nobody; return how many recipients that were.

        Raises:
            TemporaryError: the database can't be written; what was deleted so far stays so.
        """


class INotices(Interface):
    """Tells the site's administrator what went wrong, by mail."""

    def tell(subject: str, text: str, also: Iterable[Address] = ()) -> Awaitable[None]:
        r"""Send a mail to the administrator, and others; it is on disk when this returns.

        Args:
            subject: one line.
            text: lines end in "\n".
            also: who else is told.

        Raises:
            TemporaryError: nobody was told.
        """


class IEvaluations(Interface):
    """Counts what DMARC found of mail that comes, for the reports that domains ask for (RFC 9990)."""

    def note(published: Published, case: Case, is_report: bool) -> None:
        """Count a message of today; it is on disk within half a minute, and nobody waits for that.

        Args:
            published: the policy that applies.
            case: what is told of the message.
            is_report: the message is a report itself, which is no reason to report.
        """


class ITLSSessions(Interface):
    """Counts the TLS sessions of mail that is sent, for the reports that domains ask for (RFC 8460)."""

    def note(domain: str, policy: Policy, failure: Failure | None) -> None:
        """Count a session of now; it is on disk within half a minute, and nobody waits for that.

        Args:
            domain: whose mail it was for, in A-labels.
            policy: what was demanded of the host.
            failure: what was wrong; None: nothing.
        """


class IAcceptance(Interface):
    """Where the receiving role hands over a complete message."""

    def accept(message: Message, local: LocalMail | None = None, detention: Detention | None = None) -> Awaitable[None]:
        """Take responsibility for a message: it is on disk when this returns.

        Args:
            message: its envelope holds the recipients that the queue has to serve.
            local: what goes into mailboxes of this host in the same transaction.
            detention: why its recipients wait until an operator releases them; None: they don't.

        Raises:
            TemporaryError: it was not taken; the client is told its reply.
        """


class IFilteredMail(Interface):
    """Knows what is with a content filter."""

    def former(message_id: int) -> Awaitable[Former | None]:
        """Return what is known of a message that is with a filter at this moment; None where no such one is.

        Raises:
            TemporaryError: it can't be read now.
        """


class IRouter(Interface):
    """Decides where mail goes next, from the site file alone."""

    def route(sender: Address | None, recipient: Address, attempts: int = 0, account: str | None = None) -> Route:
        """Return the next hop; no input or output.

        Args:
            sender: the reverse-path; None: anybody's, so that routes for the mail of some don't count.
            recipient: the forward-path.
            attempts: how often it was tried before: after some the way may be another.
            account: the login that submitted the mail; None for strangers' and our own.
        """

    def chosen(via: Via, recipient: Address) -> Route:
        """Return the next hop that was chosen for a recipient; no input or output.

        Raises:
            ValueError: this release doesn't know such a one; the mail waits, for the router's may be the wrong one.
        """


class IDeliveryAgent(Interface):
    """Carries a message to its next hop."""

    def deliver(
        message: Message,
        recipients: Sequence[Recipient],
        next_hop: NextHop,
        wanted: Callable[[Recipient], bool],
    ) -> Awaitable[Sequence[Outcome]]:
        """Try to deliver once; return an outcome for each recipient, in their order.

        Never raises for what a peer does; anything unexpected that it raises
        counts as Deferred.

        Args:
            message: what to send; header and body go out octet for octet.
            recipients: those of the message's recipients that go this way.
            next_hop: where.
            wanted: asked just before MAIL for each recipient; those for which
                it says no become Withdrawn.
        """


class ILanePlan(Interface):
    """Says which next hops share a lane, and on what terms."""

    def known(next_hop: NextHop) -> LaneTerms | None:
        """Return the terms of a next hop's lane if they can be said at once."""

    def find(next_hop: NextHop) -> Awaitable[LaneTerms]:
        """Return them in any case; what the DNS doesn't say now is a lane of its own."""


class IResolver(Interface):
    """Questions to the DNS, answered from a cache where possible."""

    def mx(domain: str) -> Awaitable[Answer[MXRecord]]:
        """Return the MX records of a domain (A-labels), CNAMEs followed.

        Raises:
            TemporaryError: SERVFAIL, refused, malformed or no answer in time.
        """

    def addresses(host: str, family: str) -> Awaitable[Answer[str]]:
        """Return the addresses of a host; `family` is "A" or "AAAA".

        Raises:
            TemporaryError: as `mx`.
        """

    def host_names(address: str) -> Awaitable[Answer[str]]:
        """Return the names that an IPv4 or IPv6 address has by its PTR records; whether they are its own is not said.

        Raises:
            TemporaryError: as `mx`.
        """

    def texts(name: str) -> Awaitable[Answer[bytes]]:
        """Return the TXT records of a name, the strings of each put together without spaces (RFC 7208 section 3.3).

        Raises:
            TemporaryError: as `mx`.
        """


class ISecureResolver(IResolver):
    """A resolver that can be asked what DANE asks."""

    def tlsa(name: str) -> Awaitable[Answer[TLSA]]:
        """Return the TLSA records of a name such as `_25._tcp.mx.example.net`, CNAMEs followed.

        Raises:
            TemporaryError: as `mx`.
        """

    def cname(name: str) -> Awaitable[Answer[str]]:
        """Return what a name itself is an alias of, and whether that can be believed.

        Raises:
            TemporaryError: as `mx`.
        """


class IHTTPClient(Interface):
    """Questions to web services, over connections that are kept for the next."""

    def request(  # noqa: PLR0913, PLR0917 - a request consists of all that
        method: str,
        url: str,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        stream: ReadInPieces | None = None,
        timeout: float = 10.0,
        most: int = 1 << 20,
    ) -> Awaitable[HTTPAnswer]:
        """Ask, and return the answer; a redirection is an answer as any other.

        Args:
            method: such as "POST".
            url: http: or https:; then the server's certificate must be its own.
            headers: what is sent besides Host and Content-Length.
            body: what is sent.
            stream: what is sent behind that, such as the body of a message, read in pieces as the server takes them.
            timeout: seconds for all of it.
            most: octets of the answer's body.

        Raises:
            HTTPError: there is no answer, or it is too large.
            ValueError: it is no URL, or a header that can't be sent.
        """


class ReadInPieces(Protocol):
    """Octets that are read piece by piece."""

    @property
    def size(self) -> int:
        """Return how many there are."""

    def read(self, offset: int, size: int) -> Awaitable[bytes]:
        """Return up to `size` octets from `offset` on; shorter only at the end."""


class ISubmitter(Interface):
    """The avatar of a login that may submit mail."""

    account: str = Attribute("the account's address, as it is stored")

    def may_send_as(address: Address) -> bool:
        """Return whether the login may use `address` as envelope sender or From."""


class IAuthenticator(Interface):
    """Judges a login; its answers end in `twisted.cred`'s portal."""

    def password(  # noqa: PLR0913, PLR0917 - a login consists of all that
        authcid: str,
        authzid: str,
        password: bytes,
        peer: str,
        protocol: str,
        tls: bool,
        session: str = "",
        avatar: type[Interface] = ISubmitter,
    ) -> Awaitable[Any]:
        """Check a name and password; return the avatar that `avatar` asks for.

        Args:
            authcid: the name given.
            authzid: whom to act for; empty for oneself.
            password: in UTF-8.
            peer: the client's address, for limits.
            protocol: "smtp", "pop3" or "imap".
            tls: whether the connection is encrypted.
            session: names the session in the log.
            avatar: `ISubmitter`, `IMaildropAccess` or `IMailAccess`.

        Raises:
            PermanentError: 535 5.7.8 wrong credentials, and the like.
            TemporaryError: 454 4.7.0 too many failures, or too busy to check.
        """


class IRecipientCheck(Interface):
    """Says which recipients of a domain exist, before their mail is taken."""

    def verify(recipient: Address) -> Awaitable[Reply | None]:
        """Return the refusal to give at RCPT, or None when the recipient is fine or can't be judged now."""


class IDirectory(Interface):
    """Says which domains this host keeps mail for, and whom their addresses stand for."""

    def hosts(domain: str) -> bool:
        """Return whether the domain (A-labels) is hosted here; from memory, no input or output."""

    def known(recipient: Address) -> Expansion | Reply | None:
        """Return what `resolve` would, if it can be said at once; else None."""

    def resolve(recipient: Address) -> Awaitable[Expansion | Reply]:
        """Return whom an address at a hosted domain stands for, or why it is refused (550 5.1.1).

        Domain aliases, aliases (nested), subaddresses, the catch-all and role
        addresses are all followed.

        Raises:
            TemporaryError: it can't be said now.
        """


class IReturnPaths(Interface):
    """Knows for whom the senders stand that mail was forwarded with (see `mail.srs`)."""

    def claims(address: Address) -> bool:
        """Return whether an address at a hosted domain has the form of such a sender; no input or output."""

    def original(address: Address) -> Awaitable[Address]:
        """Return the sender that an address stands for, which `claims` is true of: it may get a report now.

        Raises:
            PermanentError: it wasn't made here, or too long ago (550 5.1.1).
            TemporaryError: it can't be said now, or he gets too many reports.
        """


class IQuotas(Interface):
    """Decides at RCPT whether there is room, and keeps it until the message is in."""

    def reserve(deliveries: Sequence[Delivery], size: int) -> Awaitable[Reply | None]:
        """Reserve room for a message in every account of `deliveries`.

        Args:
            deliveries: the mailboxes of one recipient.
            size: octets announced by SIZE; 0 when nothing was.

        Returns:
            The refusal (452 4.2.2, or 552 5.2.2 where the site file says so), and
            then nothing is reserved; or None.
        """

    def release(deliveries: Sequence[Delivery], size: int) -> None:
        """Give back what was reserved: the message is in, or it never will be."""


class IMailboxDelivery(Interface):
    """Where the queue puts mail that its acceptance couldn't put into mailboxes."""

    def deliver(message: Message, local: LocalMail, done: tuple[int, int] | None = None) -> Awaitable[None]:
        """Put a message into mailboxes, in one transaction; each gets it once however often this is called.

        Args:
            message: a spooled message.
            local: at most 100 mailboxes.
            done: message id and a place of the caller's choice, under which
                progress is kept until the message is gone from the spool, so
                that a repetition after a crash leaves out the mailboxes that
                have it.  Nobody else may use the same meanwhile.

        Raises:
            TemporaryError: nothing was kept.
        """


class IMaildrop(Interface):
    """A POP3 session's snapshot of an account's INBOX (RFC 1939 section 3)."""

    messages: Sequence[DropMessage] = Attribute("in the order of their UIDs, as they stood when it was opened")
    uids: Sequence[int] = Attribute("the UID of each of them, for those who want nothing else of many")
    sizes: Sequence[int] = Attribute("the size of each, likewise")
    uidls: Iterable[str] = Attribute("the unique id of each, likewise; can be gone through again")

    def fetch(uids: Sequence[int], most: int) -> Awaitable[Sequence[bytes | None]]:
        """Return whole messages for a begin of `uids`: as many as fit into `most` octets, but at least one.

        None stands for a message that was removed meanwhile.

        Raises:
            TemporaryError: they can't be read now.
        """

    def read(uid: int, offset: int, size: int) -> Awaitable[bytes]:
        """Return up to `size` octets of a message; shorter only at its end, or when it was removed.

        Raises:
            TemporaryError: it can't be read now.
        """

    def remove(uids: Collection[int]) -> Awaitable[None]:
        """Remove messages for good, in one transaction for each 10,000; those that are gone already don't matter.

        Raises:
            TemporaryError: none was removed; of more than 10,000 perhaps some.
        """

    def close() -> None:
        """Forget the snapshot; nothing is removed."""


class IMaildropAccess(Interface):
    """The avatar of a login that may fetch mail by POP3."""

    account: str = Attribute("the account's address, as it is stored")
    account_id: int = Attribute("its id")

    def open() -> Awaitable[IMaildrop]:
        """Take a snapshot of the account's INBOX.

        Raises:
            TemporaryError: it can't be read now.
        """


class IMailAccess(Interface):
    """The avatar of a login that may use all mailboxes of an account, by IMAP."""

    account: str = Attribute("the account's address, as it is stored")
    account_id: int = Attribute("its id")


class ILogins(Interface):
    """Tells sessions when their login ends although they go on."""

    def watch(avatar: Any, ended: Callable[[], None]) -> Callable[[], None]:
        """Call `ended` once when the login of `avatar` is no longer good.

        That is so when the password was changed, the account disabled or
        removed, or the protocol withdrawn.

        Returns:
            What to call when the session is over.
        """


class ISigning(Interface):
    """Signs mail by DKIM (RFC 6376), for the domains that have keys."""

    def has_keys() -> Awaitable[bool]:
        """Return whether any domain signs, so that nothing else need be done where none does.

        Raises:
            TemporaryError: it can't be read now.
        """

    def signature(header: Header, body: Body, domains: Sequence[str]) -> Awaitable[bytes]:
        """Return the signature fields of a message, each with its CRLF; nothing if none of the domains signs.

        Args:
            header: as it leaves, but for trace fields.
            body: as it leaves.
            domains: in whose name it may be signed, in A-labels; the first that has keys signs.

        Raises:
            TemporaryError: keys or body can't be read now, or there is too much to sign.
        """


class IChanges(Interface):
    """Tells of commits of other processes on the same database."""

    def subscribe(changed: Callable[[], None]) -> None:
        """Call `changed` when another process may have committed: within a second or two, at once after a notice."""
