"""Whom a recipient stands for, step by step, and how much room there is."""

from __future__ import annotations

from typing import Any, Final

from twistedmail_mta.composition.rehearsing import Rehearsal
from twistedmail_mta.composition.stand_ins import Admitted
from twistedmail_mta.directory.expansion import Passed
from twistedmail_mta.errors import MailError
from twistedmail_mta.model import Address, Delivery, Expansion
from twistedmail_mta.smtp.address import parse_address
from twistedmail_mta.smtp.errors import AddressError

MOST_STEPS: Final = 100
"""Steps and mailboxes that are told of one recipient; an alias may stand for thousands."""
MOST_TARGETS: Final = 20
"""Addresses that an alias leads to, as far as they are told."""


async def recipient_facts(rehearsal: Rehearsal, named: str, admitted: Admitted | None) -> dict[str, Any]:
    """Return what is known of a recipient, as JSON has it.

    Args:
        rehearsal: knows the addresses.
        named: as RCPT named it.
        admitted: what the listener made of it; None: it refused it.
    """
    meant = admitted.meant if admitted is not None else _understood(named)
    facts: dict[str, Any] = {"recipient": named, "meant": "" if meant is None else str(meant), "kept": False}
    if meant is None or not rehearsal.directory.hosts(meant.domain):
        return facts
    try:
        steps, problem = await rehearsal.directory.trail(meant)
    except MailError as error:
        return facts | {"kept": True, "steps": [], "more_steps": 0, "problem": str(error.reply)}
    facts |= {"kept": True, "steps": [_step(each) for each in steps[:MOST_STEPS]], "problem": problem}
    facts["more_steps"] = max(0, len(steps) - MOST_STEPS)
    if admitted is not None and admitted.expansion is not None:
        facts |= await _ends(rehearsal, admitted.expansion)
    return facts


def _understood(named: str) -> Address | None:
    try:
        return parse_address(named)
    except AddressError:
        return None


def _step(passed: Passed) -> dict[str, Any]:
    return {
        "address": str(passed.address),
        "is": passed.what,
        "leads_to": [str(each) for each in passed.leads_to[:MOST_TARGETS]],
        "leads_to_more": max(0, len(passed.leads_to) - MOST_TARGETS),
    }


async def _ends(rehearsal: Rehearsal, expansion: Expansion) -> dict[str, Any]:
    deliveries = expansion.deliveries[:MOST_STEPS]
    return {
        "mailboxes": [await _mailbox(rehearsal, each) for each in deliveries],
        "more_mailboxes": len(expansion.deliveries) - len(deliveries),
        "forwards": [str(each) for each in expansion.forwards[:MOST_STEPS]],
        "more_forwards": max(0, len(expansion.forwards) - MOST_STEPS),
    }


async def _mailbox(rehearsal: Rehearsal, delivery: Delivery) -> dict[str, Any]:
    usage = await rehearsal.quotas().usage(delivery.account)
    return {
        "address": str(delivery.address),
        "mailbox": delivery.mailbox,
        "octets": usage.octets,
        "messages": usage.messages,
        "quota": usage.limits.octets,
        "quota_messages": usage.limits.messages,
    }
