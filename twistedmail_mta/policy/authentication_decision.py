"""What follows from findings: refused, filed, quarantined or only told, and whose word goes before DMARC's."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network
from typing import Final, Literal

from twistedmail_mta.dmarc.evaluation import Verdict
from twistedmail_mta.dmarc.record import Policy
from twistedmail_mta.mail.authentication_results import Results, read
from twistedmail_mta.model import Reply
from twistedmail_mta.networks import is_in
from twistedmail_mta.policy.authentication_options import AuthenticationOptions
from twistedmail_mta.policy.authenticity import Findings
from twistedmail_mta.policy.exempt import matches
from twistedmail_mta.stages import Changes, FileInto, Quarantine

Trusted = Literal["", "arc", "trusted_forwarder"]

LATER: Final = "The DNS doesn't say whether this mail is its author's; please try again in 5 minutes"
NOT_YET: Final = Reply(451, "4.4.3", "The DNS doesn't say who hands on this mail; please try again in 5 minutes")


@dataclass(frozen=True, slots=True)
class Decision:
    """What is done with a message.

    Attributes:
        refusal: told to the client; None if the message is taken.
        changes: where it goes instead of the INBOX.
        done: how that is told in the header: "dis=none override=arc"; empty where DMARC asks for nothing.
        disposition: what DMARC made of it, as reports say it: what other reasons make of it isn't in here.
        trusted: whose word went before DMARC's; empty if nobody's did.
    """

    refusal: Reply | None = None
    changes: Changes = ()
    done: str = ""
    disposition: Policy = "none"
    trusted: Trusted = ""


def decided(findings: Findings, host: str, options: AuthenticationOptions) -> Decision:
    """Return what is done with a message.

    Args:
        findings: of it.
        host: the client's address.
        options: what the site wants.
    """
    dmarc = findings.dmarc
    trusted = _trusted(findings, host, options)
    if trusted:
        return Decision(done=f"dis=none override={trusted}" if dmarc.wanted != "none" else "", trusted=trusted)
    decision = _by_itself(findings, host, options)
    if (decision.changes or _is_for_good(decision.refusal)) and _may_be_trusted(findings, options):
        return Decision(NOT_YET)
    return decision


def _is_for_good(refusal: Reply | None) -> bool:
    return refusal is not None and refusal.code >= 500


def _by_itself(findings: Findings, host: str, options: AuthenticationOptions) -> Decision:
    """Return what is done with a message for which nobody else vouches."""
    dmarc = findings.dmarc
    if options.on_temperror == "defer" and dmarc.result == "temperror":
        return Decision(Reply(451, "4.4.3", LATER))
    if dmarc.author_is_unclear and options.unclear_author == "refuse":
        return Decision(_unclear(dmarc))
    if dmarc.result == "fail":
        decision = _by_policy(dmarc, options)
        if decision.refusal or decision.changes:
            return decision
    may_pass = dmarc.result in {"pass", "temperror"}
    if options.spf_fail == "refuse" and not may_pass and _fails_spf(findings):
        return Decision(_not_by_spf(findings, host))
    return Decision(done=f"dis={dmarc.wanted if dmarc.wanted == 'none' else 'none override=local'}")


def _by_policy(dmarc: Verdict, options: AuthenticationOptions) -> Decision:
    """Do what the author's domain wants, as far as the site wants it."""
    match dmarc.wanted:
        case "reject":
            wish: str = options.reject
        case "quarantine":
            wish = options.quarantine
        case "none":
            return Decision()
    match wish:
        case "honour":
            return Decision(_refused(dmarc), disposition="reject")
        case "junk":
            return Decision(changes=(FileInto(options.mailbox),), done="dis=quarantine", disposition="quarantine")
        case "quarantine":
            reason = f"DMARC: not by {dmarc.author}, whose policy is {dmarc.policy}"
            return Decision(changes=(Quarantine(reason),), done="dis=quarantine", disposition="quarantine")
    return Decision()


def _refused(dmarc: Verdict) -> Reply:
    whose = dmarc.author if dmarc.found_at == dmarc.author else f"{dmarc.author}, given by {dmarc.found_at}"
    return Reply(
        550,
        "5.7.1",
        f"Refused by the DMARC policy of {whose}: {dmarc.reason}\n"
        f"Send it by a server of {dmarc.author}, or with another address in From; who runs its mail can tell more",
    )


def _unclear(dmarc: Verdict) -> Reply:
    return Reply(
        550,
        "5.7.1",
        f"Nobody can tell whose mail this is: {dmarc.reason}\n"
        "Send it with one From field, whose addresses are all of one domain (RFC 5322 section 3.6.2, DMARC)",
    )


def _fails_spf(findings: Findings) -> bool:
    return findings.sender is not None and findings.sender.verdict.result == "fail"


def _not_by_spf(findings: Findings, host: str) -> Reply:
    domain = findings.sender.verdict.domain if findings.sender is not None else ""
    text = f"{host} may not send for {domain}, says its SPF record\nSend it by a server of {domain}"
    return Reply(550, "5.7.23", text)  # RFC 7372 section 3.2


def _trusted(findings: Findings, host: str, options: AuthenticationOptions) -> Trusted:
    """Return whose word goes before DMARC's: that of a forwarder, or of an ARC sealer; empty if nobody's does."""
    networks = tuple(each for each in options.trusted_forwarders if isinstance(each, IPv4Network | IPv6Network))
    domains = [each for each in options.trusted_forwarders if isinstance(each, str)]
    if networks and is_in(host, networks):
        return "trusted_forwarder"
    if domains and any(matches(domain, domains) for domain in findings.vouching):
        return "trusted_forwarder"
    return "arc" if _sealed_as_genuine(findings, options) else ""


def _may_be_trusted(findings: Findings, options: AuthenticationOptions) -> bool:
    """Return whether only the DNS, which doesn't answer, keeps a forwarder or a sealer from being trusted.

    It has to fail for a domain that is trusted: somebody else's silence buys nothing.
    """
    domains = [each for each in options.trusted_forwarders if isinstance(each, str)]
    if any(matches(domain, domains) for domain in findings.unsure):
        return True
    unanswered = findings.chain.unanswered
    return bool(unanswered) and matches(unanswered, options.trusted_sealers)


def _sealed_as_genuine(findings: Findings, options: AuthenticationOptions) -> bool:
    """Return whether a sealer found that the message was its author's, and who has sealed it since is trusted, too.

    Sets are looked at from the newest on, to the first by somebody else: what
    lies before may be anybody's invention (RFC 8617 section 7.2).
    """
    for arc_set in reversed(findings.chain.sets):
        if not matches(arc_set.seal.domain, options.trusted_sealers):
            return False
        found = read(arc_set.assessment)
        if found is not None and _vouches(found, findings.dmarc.author):
            return True
    return False


def _vouches(found: Results, author: str) -> bool:
    """Return whether a sealer says that an author's domain vouched for the message when it came there."""
    for each in found.statements:
        if each.result == "pass" and author:
            said = {"dmarc": each.get("header.from"), "dkim": each.get("header.d")}.get(each.method, "")
            if said.lower() == author:
                return True
    return False
