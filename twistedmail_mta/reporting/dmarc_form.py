"""What DMARC reports will say, as text for rows: the same for the same values, so that rows can be counted by it."""

from __future__ import annotations

import json
from typing import Any

from twistedmail_mta.dmarc.report import Case, Override, Published, SenderResult, SignatureResult


def case_text(case: Case) -> str:
    """Return a case as text."""
    sender = case.sender
    return _text(
        [
            case.source,
            case.disposition,
            case.dkim,
            case.spf,
            case.header_from,
            case.envelope_from,
            case.envelope_to,
            [[each.kind, each.comment] for each in case.overrides],
            [[each.domain, each.selector, each.word, each.reason] for each in case.signatures],
            None if sender is None else [sender.domain, sender.word, sender.reason],
        ]
    )


def case_of(text: str) -> Case:
    """Return the case that `case_text` made a text of."""
    *plain, overrides, signatures, sender = json.loads(text)
    source, disposition, dkim, spf, header_from, envelope_from, envelope_to = plain
    return Case(
        source,
        disposition,
        dkim,
        spf,
        header_from,
        envelope_from,
        envelope_to,
        tuple(Override(*each) for each in overrides),
        tuple(SignatureResult(*each) for each in signatures),
        None if sender is None else SenderResult(*sender),
    )


def published_text(published: Published) -> str:
    """Return a policy as text."""
    return _text(
        [
            published.domain,
            published.policy,
            published.subdomains,
            published.missing,
            published.dkim,
            published.spf,
            published.discovery,
            published.failure_options,
            published.testing,
        ]
    )


def published_of(text: str) -> Published:
    """Return the policy that `published_text` made a text of."""
    return Published(*json.loads(text))


def _text(value: Any) -> str:  # noqa: ANN401 - what JSON has
    return json.dumps(value, ensure_ascii=True, separators=(",", ":"))
