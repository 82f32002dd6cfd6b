"""IDLE: a client is told what happens in its mailbox, as it happens (RFC 9051 section 6.3.13)."""

from __future__ import annotations

from twistedmail_mta.access.imap.context import Context
from twistedmail_mta.access.imap.news import tell_news
from twistedmail_mta.access.terms import Ending
from twistedmail_mta.tasks import Task, sleep


class Idling:
    """Tells news between IDLE and DONE, a burst of changes at once.

    A client that doesn't take what is sent is told later: what changes
    meanwhile is in the view, not in memory of its own.
    """

    __slots__ = ("_context", "_telling")

    def __init__(self, context: Context) -> None:
        self._context = context
        self._telling: Task[None] | None = None

    def changed(self) -> None:
        """Hear that there may be something to tell."""
        if self._telling is None and self._may_tell():
            self._telling = self._context.listener.terms.tasks.start("imap.idle", self._tell())

    def _may_tell(self) -> bool:
        context = self._context
        selected = context.selected
        if not context.session.idling or context.connection.output_full:
            return False
        return selected is not None and selected.has_news

    def _wait(self) -> float:
        """Return the seconds until this session's turn: what can be told at once, is."""
        context = self._context
        if context.opened.remembers_news:
            return 0
        return context.listener.turns.wait(context.listener.terms.clock.seconds())

    async def finish(self) -> None:
        """Wait until what is being told is told."""
        telling = self._telling
        if telling is not None:
            await telling

    def stop(self) -> None:
        """Tell nothing more: the connection is gone."""
        telling, self._telling = self._telling, None
        if telling is not None:
            telling.cancel()

    async def _tell(self) -> None:
        context = self._context
        try:
            await sleep(context.listener.terms.clock, self._wait())  # what comes meanwhile is told with it
            while self._may_tell():
                if context.opened.view.gone:
                    context.connection.end(Ending.MAILBOX_GONE)
                    return
                await tell_news(context, expunges=True)
                context.connection.flush()
        finally:
            self._telling = None
