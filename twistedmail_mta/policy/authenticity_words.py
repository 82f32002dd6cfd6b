"""How findings are told: in Authentication-Results, as tags of the message, in the log."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from twistedmail_mta.dkim.results import Result
from twistedmail_mta.dmarc.evaluation import Verdict
from twistedmail_mta.mail.authentication_results import Statement
from twistedmail_mta.policy.authenticity import Findings
from twistedmail_mta.spf.identity import Checked
from twistedmail_mta.stages import Tag

_MOST_OF_A_TAG: Final = 200
_UNPRINTABLE: Final = re.compile(r"[^ -~]")


def statements(findings: Findings, ip: str, done: str = "") -> tuple[Statement, ...]:
    """Return what Authentication-Results says (RFC 8601 section 2.7, RFC 8617 section 10.1, RFC 9989).

    Args:
        findings: to be told.
        ip: the client's address.
        done: what followed from DMARC, and by whose decision.
    """
    return (*_spf(findings), *_dkim(findings.signatures), *_arc(findings, ip), _dmarc(findings.dmarc, done))


def _spf(findings: Findings) -> Iterator[Statement]:
    if findings.sender is not None:
        yield _checked(findings.sender)
    if findings.helo is not None and findings.helo.verdict.result != "none":
        yield _checked(findings.helo)


def _checked(checked: Checked) -> Statement:
    """Return what SPF says; other letters than ASCII stand in senders alone, who said SMTPUTF8 then."""
    properties = checked.properties
    if checked.identity == "helo":
        properties = tuple((name, _plain(value)) for name, value in properties)
    return Statement("spf", checked.verdict.result, _plain(checked.verdict.problem), properties)


def _dkim(signatures: tuple[Result, ...]) -> Iterator[Statement]:
    if not signatures:
        yield Statement("dkim", "none")
    for each in signatures:
        properties = (
            ("header.d", each.domain),
            ("header.i", each.identity),
            ("header.s", each.selector),
            ("header.a", each.algorithm),
            ("header.b", each.begin),
        )
        yield Statement("dkim", each.word, each.reason, tuple(pair for pair in properties if pair[1]))


def _arc(findings: Findings, ip: str) -> Iterator[Statement]:
    chain = findings.chain
    if chain.validation != "none":
        sealed = f"sealed by {', '.join(chain.sealers)}" if chain.sealers else ""
        address = (("smtp.remote-ip", ip),) if ip else ()
        yield Statement("arc", chain.validation, chain.reason, address, sealed)


def _dmarc(verdict: Verdict, done: str) -> Statement:
    properties = [("header.from", verdict.author)] if verdict.author else []
    if verdict.record is not None:
        properties += [("polrec.domain", verdict.found_at), ("polrec.p", verdict.record.policy)]
    return Statement("dmarc", verdict.result, verdict.reason, tuple(properties), _policy(verdict, done))


def _policy(verdict: Verdict, done: str) -> str:
    """Return what the author's domain wants, and what was done."""
    if verdict.result != "fail":
        return ""
    testing = " t=y" if verdict.record is not None and verdict.record.testing else ""
    return f"{verdict.tag}={verdict.policy}{testing}{f' {done}' if done else ''}"


def tags(findings: Findings, done: str) -> Iterator[Tag]:
    """Yield what later stages and operators see."""
    if findings.sender is not None:
        yield _tag("auth.spf", findings.sender.verdict.result, findings.sender.verdict.domain)
    passed = dict.fromkeys(each.domain for each in findings.signatures if each.word == "pass")
    words = dict.fromkeys(each.word for each in findings.signatures)
    yield _tag("auth.dkim", "pass", *passed) if passed else _tag("auth.dkim", *words or ("none",))
    if findings.chain.validation != "none":
        yield _tag("auth.arc", findings.chain.validation, *findings.chain.sealers)
    dmarc = findings.dmarc
    yield _tag("auth.dmarc", dmarc.result, dmarc.author, _policy(dmarc, done))


def _tag(name: str, *words: str) -> Tag:
    return Tag(name, _plain(" ".join(word for word in words if word))[:_MOST_OF_A_TAG])


def _plain(text: str) -> str:
    return _UNPRINTABLE.sub("?", text)
