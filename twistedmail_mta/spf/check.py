"""`check_host`: whether a client may speak for a domain (RFC 7208 section 4)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from twistedmail_mta.model import Address
from twistedmail_mta.networks import address_of
from twistedmail_mta.spf.budget import Budget
from twistedmail_mta.spf.errors import PermError, SPFError, TempError
from twistedmail_mta.spf.evaluation import Evaluation, Outcome, Way
from twistedmail_mta.spf.macros import parse_explanation
from twistedmail_mta.spf.names import a_labels, can_be_asked, can_have_record
from twistedmail_mta.spf.questions import Asked, Lookup, Questions
from twistedmail_mta.spf.record import Result
from twistedmail_mta.spf.subject import Subject, name_of, text_of

NOBODY: Final = "postmaster"
"""The local part of senders that have none (RFC 7208 section 4.3)."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a check came to.

    Attributes:
        result: as in RFC 7208 section 2.6.
        domain: that was asked about, in A-labels.
        decided_by: the terms that led to the result, as published, the outermost first, such as
            ("include:_spf.example.com", "ip4:192.0.2.0/24"); none where no term matched.
        explanation: of "fail", if the domain gives one: ASCII of at most 400 characters that strangers wrote.
        problem: of "temperror" and "permerror", what it is.
        asked: the questions to the DNS, in their order.
    """

    result: Result
    domain: str
    decided_by: Way = ()
    explanation: str = ""
    problem: str = ""
    asked: tuple[Asked, ...] = ()


async def check_host(  # noqa: PLR0913 - RFC 7208 section 4.1 has the first four, macros need the others
    ip: str,
    domain: str,
    sender: Address,
    helo: str,
    lookup: Lookup,
    *,
    receiver: str = "unknown",
    now: float = 0.0,
    explain: bool = True,
) -> Verdict:
    """Return whether the client at `ip` may speak for `domain`.

    Trouble of the DNS is never a failure of the client: it is "temperror",
    also where the client's own names can't be found out and "fail" would
    follow.  At most 10 terms ask the DNS, which makes 123 questions at most;
    how long they may take in all is the lookup's business: one that raises
    TemporaryError from some time on ends a check there.

    Args:
        ip: the client's address; a v4-mapped IPv6 address is an IPv4 one (RFC 7208 section 5).
        domain: of the sender, or what HELO said.
        sender: its local part may be missing, and may be UTF-8.
        helo: what the client said in HELO or EHLO.
        lookup: who is asked.
        receiver: the name of this host, for explanations.
        now: seconds since the epoch, likewise.
        explain: whether the domain is asked for its explanation of a failure.

    Raises:
        ValueError: `ip` is no address.
    """
    address = address_of(ip)
    if address is None:
        raise ValueError(f"no IP address: {ip!r}")
    domain = a_labels(domain).lower()
    if not can_have_record(domain):
        return Verdict("none", domain)
    local, of = sender.local or NOBODY, a_labels(sender.domain)
    subject = Subject(address, local, of, a_labels(helo), receiver, now)
    return await _verdict(subject, domain, Questions(lookup, Budget()), explain=explain)


async def _verdict(subject: Subject, domain: str, questions: Questions, *, explain: bool) -> Verdict:
    evaluation = Evaluation(subject, questions)
    try:
        outcome = await evaluation.of(domain)
        if outcome.result == "fail" and evaluation.in_doubt:
            raise TempError(f"the DNS doesn't say what {subject.ip} is called")
    except SPFError as error:
        result: Result = "permerror" if isinstance(error, PermError) else "temperror"
        return Verdict(result, domain, problem=str(error), asked=tuple(questions.asked))
    text = await _explanation(outcome, evaluation, questions) if explain and outcome.result == "fail" else ""
    return Verdict(outcome.result, domain, outcome.decided_by, text, asked=tuple(questions.asked))


async def _explanation(outcome: Outcome, evaluation: Evaluation, questions: Questions) -> str:
    """Return the domain's text about a failure (RFC 7208 section 6.2); empty if it has none, or one that is wrong.

    What is asked for that counts for itself: the result is known.
    """
    spec, domain = outcome.explanation, outcome.domain
    if spec is None:
        return ""
    questions.budget = Budget()
    try:
        name = name_of(spec, await evaluation.values(spec, domain))
        texts = await questions.texts(name) if can_be_asked(name) else ()
        if len(texts) != 1:
            return ""
        parts = parse_explanation(texts[0].decode("ascii"))
        return text_of(parts, await evaluation.values(parts, domain))
    except (SPFError, UnicodeDecodeError):
        return ""
