"""What the tags of `authentication` say, for those who act on it later."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from twistedmail_mta.arc.sets import Validation

DMARC: Final = "auth.dmarc"
ARC: Final = "auth.arc"

_REFUSE: Final = frozenset({"p=reject", "sp=reject", "np=reject"})
_NOT_SO: Final = frozenset({"t=y", "override=arc", "override=trusted_forwarder"})


def was_examined(tags: Mapping[str, str]) -> bool:
    """Return whether a message was examined when it came."""
    return DMARC in tags


def should_be_refused(tags: Mapping[str, str]) -> bool:
    """Return whether a message fails DMARC and its author's domain wants it refused.

    It doesn't count what the site made of that, unless somebody whom it trusts vouched for the message.
    """
    result, *words = tags.get(DMARC, "none").split(" ")
    return result == "fail" and not _REFUSE.isdisjoint(words[1:]) and _NOT_SO.isdisjoint(words[1:])


def chain_found(tags: Mapping[str, str]) -> Validation:
    """Return what was found of the ARC chain of a message that was examined."""
    result = tags.get(ARC, "none").partition(" ")[0]
    return "pass" if result == "pass" else "none" if result == "none" else "fail"
