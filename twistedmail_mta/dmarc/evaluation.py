"""Whether a message is its author's domain's, and what that domain wants done with it (RFC 9989 section 5.3).

    policy = await discovered(author, records, exists)
    verdict = await evaluated(policy, identifiers, records)

The first needs nothing but the author's domain, so it can be asked for while
signatures are verified.  Both ask at most eight questions for each domain, of
which those that lead to the same names are asked once; identifiers that lie
outside of the author's organizational domain are never asked about.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from twistedmail_mta.dmarc.author import Author
from twistedmail_mta.dmarc.record import Mode, Policy, Record, Tag, lowered
from twistedmail_mta.dmarc.tree import Found, Records, Walk, is_within, organizational_domain, public_suffix, walk
from twistedmail_mta.errors import TemporaryError

Result = Literal["pass", "fail", "none", "temperror", "permerror"]
"""RFC 8601 section 2.7 has these words for DMARC, too."""

Exists = Callable[[str], Awaitable[bool]]
"""Asks whether there is such a domain (RFC 9989 section 3.2.13); raises TemporaryError where that isn't known now."""

SILENT = "the DNS doesn't answer"


@dataclass(frozen=True, slots=True)
class Identifier:
    """A domain that vouches for the message, or might if the DNS answered.

    Attributes:
        method: by which it does.
        domain: in A-labels and lower case.
        is_sure: False if it isn't known now whether it does.
    """

    method: Literal["spf", "dkim"]
    domain: str
    is_sure: bool = True


@dataclass(frozen=True, slots=True)
class Alignment:
    """How an identifier stands to the author's domain.

    Attributes:
        identifier: which.
        is_aligned: None where it isn't known now.
    """

    identifier: Identifier
    is_aligned: bool | None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What DMARC says of a message.

    Attributes:
        result: whether it is the author's domain's.
        author: that domain; empty where there isn't exactly one.
        reason: why it is no plain pass, in plain words and ASCII.
        found_at: the domain whose record applies; empty if there is none.
        record: that record.
        tag: where the policy stands in it.
        policy: what the domain wants done with mail that fails, as it is said.
        organizational: the author's organizational domain; empty where it didn't matter.
        alignments: of each identifier that was looked at.
        author_is_unclear: From names several, or can't be understood.
    """

    result: Result
    author: str
    reason: str = ""
    found_at: str = ""
    record: Record | None = None
    tag: Tag = "p"
    policy: Policy = "none"
    organizational: str = ""
    alignments: tuple[Alignment, ...] = ()
    author_is_unclear: bool = False

    @property
    def wanted(self) -> Policy:
        """What is to be done with this message: nothing unless it failed; less if the domain only tests (t=y)."""
        if self.result != "fail":
            return "none"
        return lowered(self.policy) if self.record is not None and self.record.testing else self.policy


@dataclass(frozen=True, slots=True)
class Discovered:
    """Which record applies to an author, or why none does.

    Attributes:
        verdict: as far as it is known; "none" as long as it depends on identifiers.
        is_final: nothing depends on these.
        walk: the records found on the way, if it was gone.
    """

    verdict: Verdict
    is_final: bool
    walk: Walk | None = None


async def discovered(author: Author, records: Records, exists: Exists) -> Discovered:
    """Look for the policy that applies to an author (RFC 9989 section 4.10.1).

    Trouble of the DNS makes a verdict "temperror": nothing follows from it.
    """
    if author.fault:
        result: Result = "permerror" if author.fault == "unclear" else "none"
        unclear = author.fault == "unclear"
        return Discovered(Verdict(result, "", author.reason, author_is_unclear=unclear), is_final=True)
    domain = author.domain
    try:
        own = await records.at(domain)
        if own is not None:
            return _applied(Verdict("none", domain), Found(domain, own), "p", None)
        found = await walk(domain, records)
        organization = organizational_domain(domain, found)
        above = _applicable(domain, organization, found)
        if above is None:
            return Discovered(Verdict("none", domain, "no policy is published"), is_final=True)
        tag: Tag = "sp" if above.record.missing is None or await exists(domain) else "np"
    except TemporaryError:
        return Discovered(Verdict("temperror", domain, SILENT), is_final=True)
    return _applied(Verdict("none", domain, organizational=organization), above, tag, found)


def _applicable(domain: str, organization: str, found: Walk) -> Found | None:
    """Return the record of the organizational domain, or else of the public suffix."""
    own = next((each for each in found if each.domain == organization), None)
    return own or public_suffix(domain, found)


def _applied(verdict: Verdict, found: Found, tag: Tag, way: Walk | None) -> Discovered:
    policy, taken = found.record.policy_by(tag)
    verdict = replace(verdict, found_at=found.domain, record=found.record, tag=taken, policy=policy)
    if found.record.broken:
        return Discovered(replace(verdict, result="permerror", reason=found.record.broken), is_final=True)
    return Discovered(verdict, is_final=False, walk=way)


async def evaluated(policy: Discovered, identifiers: Iterable[Identifier], records: Records) -> Verdict:
    """Return the verdict: pass if one identifier is aligned (RFC 9989 section 5.3.5).

    It is "temperror" where none is, but one might be if the DNS answered.

    Args:
        policy: as `discovered` gives it.
        identifiers: the domain of MAIL if SPF passed, those of signatures that verify, and those of which
            the DNS doesn't say whether they do.
        records: the same.
    """
    if policy.is_final or policy.verdict.record is None:
        return policy.verdict
    verdict, record = policy.verdict, policy.verdict.record
    aligning = _Aligning(verdict.author, verdict.organizational, records)
    modes: dict[str, Mode] = {"spf": record.spf, "dkim": record.dkim}
    alignments = [Alignment(each, await aligning.of(each.domain, modes[each.method])) for each in identifiers]
    result, reason = _result(alignments)
    organization = aligning.organization or ""
    return replace(verdict, result=result, reason=reason, organizational=organization, alignments=tuple(alignments))


def _result(alignments: Sequence[Alignment]) -> tuple[Result, str]:
    if any(each.is_aligned and each.identifier.is_sure for each in alignments):
        return "pass", ""
    if any(each.is_aligned is not False for each in alignments):
        return "temperror", SILENT
    if not alignments:
        return "fail", "neither SPF nor DKIM vouches for any domain"
    return "fail", "what SPF or DKIM vouch for isn't the author's domain"


class _Aligning:
    """Compares domains with that of an author; asks only where it matters.

    Attributes:
        organization: the author's organizational domain; empty as long as it isn't known.
    """

    def __init__(self, author: str, organization: str, records: Records) -> None:
        self.organization = organization
        self._author = author
        self._records = records

    async def of(self, domain: str, mode: Mode) -> bool | None:
        """Return whether a domain is aligned (RFC 9989 section 4.4); None where the DNS doesn't answer."""
        if domain == self._author:
            return True
        if mode == "s" or not _may_be_of_one(domain, self._author):
            return False
        try:
            if not self.organization:
                self.organization = organizational_domain(self._author, await walk(self._author, self._records))
            if not is_within(domain, self.organization):
                return False
            return organizational_domain(domain, await walk(domain, self._records)) == self.organization
        except TemporaryError:
            return None


def _may_be_of_one(domain: str, author: str) -> bool:
    """Return whether two domains have the same top: else they have no organizational domain in common."""
    return domain.rpartition(".")[2] == author.rpartition(".")[2]
