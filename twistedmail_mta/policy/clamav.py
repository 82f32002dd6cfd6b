"""Viruses: every message is shown to ClamAV's daemon, and refused or kept away if that knows what it holds."""

from __future__ import annotations

import re
import struct
from fnmatch import fnmatchcase
from typing import Annotated, Final, Literal

from pydantic import BeforeValidator, Field
from zope.interface import implementer

from twistedmail_mta.config.values import Count, MailboxName, Size, Table, sequence
from twistedmail_mta.model import Reply
from twistedmail_mta.plugins import Kit
from twistedmail_mta.policy.daemon import Connection, Daemon, DaemonError, Place, Places
from twistedmail_mta.policy.scanned import pass_on, printable
from twistedmail_mta.policy.verdict import JUNK, discarded, filed, without_foreign
from twistedmail_mta.stages import AddHeader, Answer, Arriving, Client, IMessagePolicy, Quarantine

MARK: Final = "X-Virus-Status"

TOO_LARGE: Final = Reply(552, "5.3.4", "Message too large to be scanned for viruses")

_COMMAND: Final = b"zINSTREAM\0"
_LENGTH: Final = struct.Struct("!L")
_END: Final = _LENGTH.pack(0)
_AS_MAIL: Final = b"From mta\n"
"""What lets clamd take a file for mail, whatever its first field is.

Of one that begins with a field such as "%PDF-1.4:" it wouldn't decode what is attached.
"""

_FOUND: Final = re.compile(r"stream: (.+) FOUND", re.DOTALL)
_CLEAN: Final = "stream: OK"
_LIMIT: Final = "size limit exceeded"


class ClamAVOptions(Table):
    """Options of `clamav`.

    Attributes:
        server: where clamd listens; several are tried in order.
        connections: how many messages are scanned at once.
        max_size: octets; at most clamd's own StreamMaxLength.
        too_large: what becomes of messages that are larger, and so aren't scanned.
        infected: what becomes of messages that hold a virus.
        junk: patterns of signatures, such as "Heuristics.*"; what they find is filed as spam instead.
        mailbox: where to.
        mark: say in a field of the header that a message was scanned.
    """

    server: Places = (Place("/run/clamav/clamd.ctl"),)
    connections: Count = 10
    max_size: Annotated[Size, Field(gt=0)] = 25 << 20
    too_large: Literal["pass", "refuse"] = "pass"
    infected: Literal["refuse", "quarantine", "discard"] = "refuse"
    junk: Annotated[tuple[str, ...], BeforeValidator(sequence)] = ()
    mailbox: MailboxName = JUNK
    mark: bool = False


@implementer(IMessagePolicy)
class ClamAV:
    """Asks clamd with INSTREAM; while it can't be asked, mail is delayed unless the site file says otherwise."""

    Options = ClamAVOptions

    def __init__(self, options: ClamAVOptions, kit: Kit) -> None:
        self._options = options
        self._daemon = Daemon(options.server, options.connections, kit)
        self._log = kit.log

    async def message(self, client: Client, message: Arriving) -> Answer:
        """Refuse what clamd has a signature for, or do with it what the site file says."""
        options = self._options
        answer = await self._scanned(message) if message.size <= options.max_size else _LIMIT
        if answer == _CLEAN:
            return (*without_foreign(client, [MARK]), AddHeader(MARK, "Clean")) if options.mark else None
        if _LIMIT in answer:
            return TOO_LARGE if options.too_large == "refuse" else without_foreign(client, [MARK])
        found = _FOUND.fullmatch(answer)
        if found is None:
            raise DaemonError(f"clamd answers {answer!r:.200}")
        name = printable(found[1])
        self._log.info("{queue_id} holds {virus}", event="clamav.found", queue_id=message.id, virus=name)
        if any(fnmatchcase(name, pattern) for pattern in options.junk):
            mark = AddHeader(MARK, f"Suspicious ({name})")
            return (*without_foreign(client, [MARK]), mark, *filed(into_junk=True, mailbox=options.mailbox))
        return self._infected(client, message, name)

    def _infected(self, client: Client, message: Arriving, name: str) -> Answer:
        """Return what becomes of a message with a virus."""
        match self._options.infected:
            case "quarantine":
                mark = AddHeader(MARK, f"Infected ({name})")
                return (*without_foreign(client, [MARK]), mark, Quarantine(f"holds a virus: {name}"))
            case "discard":
                return discarded(message)
        return Reply(554, "5.7.1", f"Message refused, it holds a virus: {name}")

    async def _scanned(self, message: Arriving) -> str:
        """Return what clamd says of a message."""
        async with self._daemon.connection() as connection:
            await connection.write(_COMMAND)
            if await pass_on(message, lambda piece: _chunk(connection, piece), _AS_MAIL):
                await connection.write(_END)
            answer = await connection.read_line(b"\0")
        return answer.decode("ascii", "replace").strip()


async def _chunk(connection: Connection, piece: bytes) -> bool:
    return await connection.write(_LENGTH.pack(len(piece)) + piece)
