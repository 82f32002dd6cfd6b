"""Every reply that stands in the program, whichever part says it."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator

import twistedmail_mta
from twistedmail_mta.model import Refuse, Reply

WITHOUT_STATUS = {
    "twistedmail_mta.receive.replies.HELLO",  # the answer to EHLO (RFC 2034 section 3)
    "twistedmail_mta.receive.replies.SEND_DATA",  # 354 has no class
}


def constants() -> Iterator[tuple[str, Reply]]:
    """Every reply that is a constant of a module, with its name."""
    for module in pkgutil.walk_packages(twistedmail_mta.__path__, "twistedmail_mta."):
        for name, value in vars(importlib.import_module(module.name)).items():
            if isinstance(value, Refuse):
                yield f"{module.name}.{name}", value.reply
            elif isinstance(value, Reply):
                yield f"{module.name}.{name}", value


def test_every_reply_has_a_status() -> None:
    """The enhanced status code is there, and of the class of its reply (RFC 2034 section 4)."""
    replies = dict(constants())

    assert len(replies) > 100
    bare = {name for name, reply in replies.items() if not reply.status}
    assert bare == WITHOUT_STATUS
    wrong = {name for name, reply in replies.items() if reply.status and reply.status[0] != str(reply.code)[0]}
    assert not wrong
