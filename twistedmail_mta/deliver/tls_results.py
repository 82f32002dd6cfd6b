"""What became of TLS in a session, as reports tell it (RFC 8460 section 4.3)."""

from __future__ import annotations

from typing import Final

from twistedmail_mta.deliver.connection import ClientProtocol
from twistedmail_mta.deliver.demand import Demand
from twistedmail_mta.deliver.target import Target
from twistedmail_mta.model import NextHop, Reply
from twistedmail_mta.smtp.client import INJECTED, ClientSession
from twistedmail_mta.tls_report.report import Failure, Policy, ResultType

_MOST_WORDS: Final = 200
"""Characters of what is told of a failure."""
_MOST_OF_RECORD: Final = 300
"""Characters of a TLSA record; a digest has 128."""


def is_counted(next_hop: NextHop) -> bool:
    """Return whether sessions with the hosts of a next hop are of interest to its domain.

    They are where mail goes by MX and TLS is as good as the domain wants it.
    Where the site file demands TLS or forbids it, and on routes of its own,
    nobody asks what a domain demands.
    """
    return next_hop.mx and next_hop.tls == "opportunistic" and not next_hop.host.startswith("[")


def policy_of(next_hop: NextHop, demand: Demand | None) -> Policy:
    """Return what was demanded of a host, as reports show it."""
    if demand is None:
        return Policy("no-policy-found", next_hop.host)
    if demand.by == "DANE":
        lines = tuple(
            f"{each.usage} {each.selector} {each.matching} {each.data.hex()}"[:_MOST_OF_RECORD]
            for each in demand.published
        )
        return Policy("tlsa", demand.server_name, lines)
    policy = demand.policy
    if policy is None:
        return Policy("sts", next_hop.host)
    return Policy("sts", next_hop.host, policy.lines, policy.patterns)


def came_to_tls(session: ClientSession) -> bool:
    """Return whether a session got as far as TLS, or as learning that the host has none."""
    return session.encrypted or session.is_unproven or session.lacks_tls or session.failure is INJECTED


def failure_of(protocol: ClientProtocol, target: Target) -> Failure | None:
    """Return what was wrong with TLS in a session that came to it, or None."""
    wrong = _wrong(protocol, target.demand)
    if wrong is None:
        return None
    result, reason = wrong
    return Failure(result, protocol.own_address, target.host, target.address, reason=reason[:_MOST_WORDS])


def _wrong(protocol: ClientProtocol, demand: Demand | None) -> tuple[ResultType, str] | None:
    session, security = protocol.session, protocol.security
    if session.lacks_tls:
        return "starttls-not-supported", ""
    if session.failure is INJECTED or session.is_unproven:
        return security.fault or "validation-failure", security.problem or _words(session.failure)
    if demand is None:
        return None
    if demand.by == "DANE" and not demand.records:
        return "tlsa-invalid", "none of the TLSA records can be used"
    if not demand.is_named:
        return "validation-failure", "the policy names other hosts"
    return None if security.proven else (security.fault or "validation-failure", security.problem)


def _words(failure: Reply | None) -> str:
    return "" if failure is None else failure.text


def refusal(domain: str, host: str, reply: Reply, *, by_dns: bool) -> tuple[Policy, Failure]:
    """Return policy and failure of a host that wasn't even tried.

    Args:
        domain: whose host it is.
        host: the host.
        reply: why.
        by_dns: its TLSA records couldn't be had; else the domain's policy doesn't name it.
    """
    if by_dns:
        return Policy("tlsa", host), Failure("dnssec-invalid", mx_host=host, reason=reply.text)
    return Policy("sts", domain), Failure("validation-failure", mx_host=host, reason=reply.text)


def unfetched(domain: str, result: ResultType, reason: str) -> tuple[Policy, Failure]:
    """Return policy and failure of a domain whose MTA-STS policy is announced and can't be had."""
    return Policy("sts", domain), Failure(result, reason=reason[:_MOST_WORDS])
