"""What `mta plugin new` writes; `@NAME@` and `@CLASS@` stand for the plugin's own."""

from __future__ import annotations

from typing import Final

_PLUGIN: Final = '''\
"""Refuses recipients whose local part begins with a word."""

from __future__ import annotations

from twistedmail_mta.config.values import Table
from twistedmail_mta.model import Recipient, Reply
from twistedmail_mta.plugins import Kit
from twistedmail_mta.stages import Client, IRecipientPolicy, MailFrom
from zope.interface import implementer


@implementer(IRecipientPolicy)
class @CLASS@:
    """One of the stages is enough; docs/plugins.md lists them all."""

    class Options(Table):
        """What the site file may say in [plugins.@NAME@].

        Attributes:
            word: what the local part must not begin with.
        """

        word: str = "no-reply"

    # What an exception, or too long a wait, means: "refuse" is 451, "abstain" is no answer.
    on_error = "refuse"

    def __init__(self, options: Options, kit: Kit) -> None:
        """Keep what is needed later; nothing may wait here, `async def start(self)` may."""
        self._word = options.word
        self._log = kit.log

    async def recipient(self, client: Client, mail: MailFrom, recipient: Recipient) -> Reply | None:
        """Return a refusal (4xx: later, 5xx: never), or None; a plugin can't let anything in."""
        if recipient.address.local.lower().startswith(self._word):
            self._log.info("{recipient} isn't read", recipient=str(recipient.address))
            return Reply(550, "5.1.1", "Nobody reads what is sent here")
        return None
'''

_TEST: Final = '''\
"""@NAME@, asked by hand and in a session."""

from __future__ import annotations

import pytest
from twistedmail_mta.stages import IRecipientPolicy
from twistedmail_mta.testing.rig import Rig
from twistedmail_mta.testing.site import Site
from twistedmail_mta.testing.values import client, mail_from, recipient

from @NAME@ import @CLASS@


@pytest.mark.parametrize(
    ("address", "refused"), [("no-reply@home.test", True), ("No-Reply-7@home.test", True), ("ann@home.test", False)]
)
def test_recipients(address: str, refused: bool) -> None:
    """What begins with the word is refused."""
    answer = Rig(@CLASS@).ask(IRecipientPolicy, client(), mail_from(), recipient(address))

    assert (answer is not None and answer.code == 550) == refused


def test_another_word() -> None:
    """As the site file says."""
    rig = Rig(@CLASS@, {"word": "bounces"})

    assert rig.ask(IRecipientPolicy, client(), mail_from(), recipient("bounces+1@home.test")).is_permanent
    assert rig.ask(IRecipientPolicy, client(), mail_from(), recipient("no-reply@home.test")) is None


def test_a_session() -> None:
    """The other recipients of a message get it."""
    site = Site(Rig(@CLASS@))

    assert site.connect().mail("eve@sender.test", "no-reply@home.test", "ann@home.test").startswith("250")
    assert [list(each.mailboxes) for each in site.accepted] == [["ann@home.test"]]
'''

FILES: Final = {"@NAME@.py": _PLUGIN, "test_@NAME@.py": _TEST}
"""The text of each file, by its name."""
