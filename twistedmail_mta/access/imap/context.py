"""What every family of commands works with: one session, its login, its mailbox."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from twistedmail_mta.access.connection import Connection
from twistedmail_mta.access.imap.listener import IMAPListener
from twistedmail_mta.access.imap.selected import Selected
from twistedmail_mta.imap.session import ServerSession


@dataclass(slots=True, eq=False)
class Context:
    """One session.

    Attributes:
        listener: where it came in.
        connection: of the client.
        session: what was said; takes what is to be sent.
        changed: called when there may be news of the selected mailbox.
        account: the id of the account that logged in; 0 before.
        address: its address; empty before.
        selected: the mailbox that is open.
    """

    listener: IMAPListener
    connection: Connection
    session: ServerSession
    changed: Callable[[], None]
    account: int = 0
    address: str = ""
    selected: Selected | None = None

    @property
    def opened(self) -> Selected:
        """The mailbox that is open; the session lets no command through that needs one where none is.

        Raises:
            RuntimeError: there is none.
        """
        if self.selected is None:
            raise RuntimeError("no mailbox is selected")
        return self.selected

    def close_mailbox(self) -> None:
        """Leave the selected mailbox, if there is one; nothing is expunged."""
        selected, self.selected = self.selected, None
        if selected is not None:
            selected.close()
            self.listener.store.leave(selected.view)
