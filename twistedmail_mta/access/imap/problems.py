"""What is answered when something can't be done with a mailbox (RFC 5530 section 3)."""

from __future__ import annotations

from typing import Final

from twistedmail_mta.imap.response import Response, no
from twistedmail_mta.mailbox.problem import Problem

_REFUSALS: Final = {
    Problem.BAD_NAME: no("No mailbox can be named so", b"CANNOT"),
    Problem.EXISTS: no("There is a mailbox of that name already", b"ALREADYEXISTS"),
    Problem.MISSING: no("There is no such mailbox", b"NONEXISTENT"),
    Problem.IS_INBOX: no("INBOX can't be deleted", b"CANNOT"),
    Problem.INTO_ITSELF: no("A mailbox can't be moved below itself", b"CANNOT"),
    Problem.TOO_MANY: no("There can't be more of them", b"LIMIT"),
    Problem.BAD_USE: no("No mailbox can be for that", b"USEATTR"),
    Problem.USE_TAKEN: no("Another mailbox is for that", b"USEATTR"),
}


def refused(problem: Problem) -> Response:
    """Return why something wasn't done."""
    return _REFUSALS[problem]
