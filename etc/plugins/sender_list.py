"""Refuses senders that a file names: one address, or one domain with all below it, on each line.

    plugin_path = ["/etc/mta/plugins"]      # at the top of the site file

    [plugins.senders]
    use  = "sender_list:SenderList"
    file = "refused-senders"                # beside the site file; "#" begins a comment

    [listen.mx]
    plugins = ["senders"]

The file is read again when it has changed; how plugins are written is told in
docs/plugins.md.
"""

from __future__ import annotations

from pathlib import Path

from zope.interface import implementer

from twistedmail_mta.config.values import FilePath, Table, Wait
from twistedmail_mta.model import Address, Reply
from twistedmail_mta.plugins import Kit
from twistedmail_mta.stages import Client, IMailPolicy, MailFrom
from twistedmail_mta.tasks import sleep

REFUSED = Reply(550, "5.7.1", "Mail from this sender isn't taken here")


@implementer(IMailPolicy)
class SenderList:
    """Knows the senders of a file."""

    class Options(Table):
        """What the site file says.

        Attributes:
            file: the senders.
            look_every: how often it is looked at.
        """

        file: FilePath
        look_every: Wait = 60.0

    def __init__(self, options: Options, kit: Kit) -> None:
        self._options, self._kit = options, kit
        self._changed_at = 0.0
        self._senders: frozenset[str] = frozenset()

    async def start(self) -> None:
        """Read the file; a server without it doesn't start."""
        self._changed_at, self._senders = await self._kit.run_in_thread(_read, self._options.file)
        self._kit.tasks.start("sender_list.look", self._look())

    async def _look(self) -> None:
        while True:
            await sleep(self._kit.clock, self._options.look_every)
            try:
                changed_at = await self._kit.run_in_thread(_changed_at, self._options.file)
                if changed_at != self._changed_at:
                    self._changed_at, self._senders = await self._kit.run_in_thread(_read, self._options.file)
                    self._kit.log.info("{count} senders are refused", count=len(self._senders))
            except (OSError, ValueError) as error:
                self._kit.log.warn("the list stays as it was: {reason}", reason=str(error))

    async def sender(self, client: Client, mail: MailFrom) -> Reply | None:
        """Refuse whom the file names; who has logged in may send, whatever it says."""
        return REFUSED if client.account is None and self._names(mail.sender) else None

    def _names(self, sender: Address) -> bool:
        labels = sender.domain.split(".")
        domains = (".".join(labels[place:]) for place in range(len(labels)))
        return str(sender).lower() in self._senders or any(domain in self._senders for domain in domains)


def _read(file: Path) -> tuple[float, frozenset[str]]:
    """Return when a file was changed, and what it names; on a thread."""
    lines = (line.partition("#")[0].strip().lower() for line in file.read_text("utf-8").splitlines())
    return _changed_at(file), frozenset(filter(None, lines))


def _changed_at(file: Path) -> float:
    return file.stat().st_mtime
