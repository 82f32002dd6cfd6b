"""The name servers: whether they answer, and whether they validate, which DANE needs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from dns.rdatatype import RdataType

from twistedmail_mta.checks.finding import Finding
from twistedmail_mta.dns.codec import Question
from twistedmail_mta.dns.validation import PROVEN, Asker, Probe, Verdict, verdict_on_all
from twistedmail_mta.errors import TemporaryError

_VALIDATING: Final = (
    'let a validating resolver such as unbound run on this host, and name it: nameservers = ["127.0.0.1"]'
)


@dataclass(frozen=True, slots=True)
class Answers:
    """What came of asking the name servers.

    Attributes:
        answering: the addresses of those that answer.
        silent: of those that don't.
        validation: whether those on this host validate; None where nobody wants to know.
    """

    answering: tuple[str, ...]
    silent: tuple[str, ...]
    validation: Verdict | None


async def answers_of(
    servers: Sequence[tuple[str, Asker]], trusted: Sequence[tuple[str, Asker]], probe: Probe, *, validating: bool
) -> Answers:
    """Ask each name server about a zone that exists.

    Args:
        servers: all of them, by address.
        trusted: those whose word on DNSSEC counts.
        probe: what to ask.
        validating: whether it matters that they validate.
    """
    heard = {name: await _is_heard(server, probe) for name, server in servers}
    verdict = await verdict_on_all(trusted, probe) if validating else None
    return Answers(
        tuple(name for name, answers in heard.items() if answers),
        tuple(name for name, answers in heard.items() if not answers),
        verdict,
    )


def findings_of_resolver(answers: Answers) -> Iterator[Finding]:
    """Judge what came of it."""
    for name in answers.silent:
        text = f"the name server {name} doesn't answer"
        if answers.answering:
            yield Finding("warning", "dns.nameservers", text, "take it out, or let it run: each question waits for it")
        else:
            mend = "no mail leaves without one: name those of your network, or let unbound run on this host"
            yield Finding("warning", "dns.nameservers", text, mend)
    if answers.validation is not None and answers.validation != PROVEN:
        text = f"the name servers aren't known to validate, so DANE is off: {answers.validation.reason}"
        yield Finding("warning", "dns.dnssec", text, _VALIDATING)


async def _is_heard(server: Asker, probe: Probe) -> bool:
    try:
        await server.ask(Question(probe.signed, RdataType.SOA))
    except TemporaryError:
        return False
    return True
