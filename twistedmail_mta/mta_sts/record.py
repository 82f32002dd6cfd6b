"""The TXT record that says whether a domain has a policy, and which one (RFC 8461 section 3.1)."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from typing import Final

from twistedmail_mta.mta_sts.policy import Policy, policy_text

MOST_OF_ID: Final = 32
"""Letters and digits (RFC 8461 section 3.1)."""

_RECORD: Final = re.compile(
    rb"v=STSv1(?P<fields>(?:[ \t]*;[ \t]*[A-Za-z0-9][A-Za-z0-9_.-]{0,31}=[!-:<>-~]+)*)[ \t]*;?[ \t]*"
)
_BEGINS: Final = re.compile(rb"v=STSv1[ \t]*;")
_ID: Final = re.compile(rb"[ \t;]id=([A-Za-z0-9]{1,32})(?=[ \t;]|$)")


def record_name(domain: str) -> str:
    """Return where the record of a domain belongs (RFC 8461 section 3.1)."""
    return f"_mta-sts.{domain}"


def id_of(policy: Policy) -> str:
    """Return an id for a policy that changes when it does, and at no other time."""
    return hashlib.sha256(policy_text(policy)).hexdigest()[:MOST_OF_ID]


def record_text(policy: Policy) -> str:
    """Return the record that tells of a policy."""
    return f"v=STSv1; id={id_of(policy)};"


def policy_id(texts: Iterable[bytes]) -> str | None:
    """Return the id of a domain's policy, or None when it has none.

    Texts that are something else don't count; of several records none does.

    Args:
        texts: the TXT records of `_mta-sts.` and the domain.
    """
    records = [text for text in texts if _BEGINS.match(text)]
    if len(records) != 1:
        return None
    whole = _RECORD.fullmatch(records[0])
    found = _ID.search(whole["fields"]) if whole is not None else None
    return found[1].decode("ascii") if found is not None else None
