"""One record after the other is held against a client (RFC 7208 section 4.6, section 5 and section 6.1)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from twistedmail_mta.spf.budget import MAX_HOSTS
from twistedmail_mta.spf.client_names import UNKNOWN, ClientNames
from twistedmail_mta.spf.errors import PermError
from twistedmail_mta.spf.macros import MacroString, shown, uses
from twistedmail_mta.spf.names import can_be_asked, can_have_record
from twistedmail_mta.spf.parsing import is_record, read
from twistedmail_mta.spf.questions import Questions
from twistedmail_mta.spf.record import All, Exists, Hosts, Include, Mechanism, Network, Record, Result, Reverse
from twistedmail_mta.spf.subject import Subject, Values, name_of

Way = tuple[str, ...]
"""Terms that led to a result, the outermost first."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a domain's record says of a client.

    Attributes:
        result: what it comes to.
        domain: whose record decided: that of the last redirect.
        decided_by: the terms that led there; none where nothing matched.
        explanation: where that record explains a failure.
    """

    result: Result
    domain: str
    decided_by: Way = ()
    explanation: MacroString | None = None


class Evaluation:
    """Holds records against one client, and asks what it needs for that.

    Every record that is read was asked for by a term, but for the first, and
    terms that ask are counted: so records that name each other end.
    """

    def __init__(self, subject: Subject, questions: Questions) -> None:
        self._subject = subject
        self._questions = questions
        self._names = ClientNames(subject, questions)

    @property
    def in_doubt(self) -> bool:
        """Return whether names of the client were asked for that the DNS didn't tell."""
        return self._names.in_doubt

    async def of(self, domain: str) -> Outcome:
        """Return what the record of a domain says.

        Args:
            domain: in lower case; one that can have a record.

        Raises:
            PermError: a record is wrong, or asks for too much.
            TempError: the DNS doesn't answer.
        """
        record = await self._record(domain)
        if record is None:
            return Outcome("none", domain)
        for directive in record.directives:
            way = await self._way_through(directive.mechanism, domain)
            if way is not None:
                return Outcome(directive.result, domain, (directive.text, *way), record.explanation)
        if record.redirect is not None and not self._is_beyond_the_dns(record.redirect):
            return await self._redirected(record.redirect, domain)
        return Outcome("neutral", domain)

    async def _record(self, domain: str) -> Record | None:
        """Return the one record among a domain's texts (RFC 7208 section 4.5)."""
        texts = [text for text in await self._questions.texts(domain) if is_record(text)]
        if len(texts) > 1:
            raise PermError(f"{domain} has {len(texts)} records")
        if not texts:
            return None
        try:
            text = texts[0].decode("ascii")
        except UnicodeDecodeError:
            raise PermError(f"the record of {domain} isn't ASCII") from None
        self._questions.budget.count_record(text)
        try:
            return read(text)
        except PermError as error:
            raise PermError(f"in the record of {domain}: {error}") from None

    async def _redirected(self, spec: MacroString, domain: str) -> Outcome:
        """Return what the record says that decides instead (RFC 7208 section 6.1)."""
        target, outcome = await self._of_another(spec, domain)
        return replace(outcome, decided_by=(f"redirect={target}", *outcome.decided_by))

    async def _of_another(self, spec: MacroString, domain: str) -> tuple[str, Outcome]:
        """Return a domain that a record names, and what its own record says; it must have one."""
        self._questions.budget.begin_lookup()
        target = await self._name(spec, domain)
        outcome = await self.of(target) if can_have_record(target) else None
        if outcome is None or outcome.result == "none":
            raise PermError(f"the record of {domain} leads to {shown(target)}, which has none")
        return target, outcome

    async def _way_through(self, mechanism: Mechanism, domain: str) -> Way | None:
        """Return the terms behind a mechanism that matches, most often none; None where it doesn't match."""
        match mechanism:
            case Network():
                return () if self._subject.is_in(mechanism) else None
            case All():
                return ()
            case _ if self._is_beyond_the_dns(mechanism.target):
                return None
            case Include():
                _, outcome = await self._of_another(mechanism.target, domain)
                return outcome.decided_by if outcome.result == "pass" else None
        return () if await self._asks_and_matches(mechanism, domain) else None

    def _is_beyond_the_dns(self, spec: MacroString | None) -> bool:
        """Return whether a local part makes a name that nobody can have: then nothing matches (RFC 8616 section 4)."""
        return spec is not None and not self._subject.local.isascii() and uses(spec, "sl")

    async def _asks_and_matches(self, mechanism: Hosts | Reverse | Exists, domain: str) -> bool:
        """Return whether a mechanism matches that asks for a name.

        A name that can't be in the DNS has nothing there (RFC 7208 section 4.8 leaves that open).
        """
        self._questions.budget.begin_lookup()
        name = domain if mechanism.target is None else await self._name(mechanism.target, domain)
        if isinstance(mechanism, Reverse):
            return await self._names.has_one_below(name)
        if not can_be_asked(name):
            return False
        if isinstance(mechanism, Exists):
            return bool(await self._questions.addresses(name, "A"))
        return await self._is_host(mechanism, name)

    async def _is_host(self, mechanism: Hosts, name: str) -> bool:
        prefix = mechanism.prefix4 if self._subject.ip.version == 4 else mechanism.prefix6
        hosts = await self._mail_hosts(name) if mechanism.by_mx else (name,)
        for host in hosts:
            addresses = await self._questions.addresses(host, self._subject.family)
            if self._subject.is_one_of(addresses, prefix):
                return True
        return False

    async def _mail_hosts(self, name: str) -> Sequence[str]:
        hosts = await self._questions.mail_hosts(name)
        if len(hosts) > MAX_HOSTS:
            raise PermError(f"{name} has more than {MAX_HOSTS} hosts for its mail")
        return [host for host in hosts if can_be_asked(host)]  # that of a null MX can't be

    async def _name(self, spec: MacroString, domain: str) -> str:
        return name_of(spec, await self.values(spec, domain))

    async def values(self, parts: MacroString, domain: str) -> Values:
        """Return what the letters of a macro string stand for.

        Args:
            parts: the string; the client's name is found out only if it is used.
            domain: whose record it belongs to.

        Raises:
            PermError: too much is asked for to find that name.
        """
        if all(isinstance(part, str) for part in parts):
            return {}
        confirmed = await self._names.best(domain) if uses(parts, "p") else UNKNOWN
        return self._subject.values(domain, confirmed)
