"""Posts reports to web servers, again and again for a day at most."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, Final

from twisted.logger import Logger

from twistedmail_mta.errors import HTTPError
from twistedmail_mta.interfaces import IDatabase, IHTTPClient
from twistedmail_mta.reporting import rows
from twistedmail_mta.reporting.turns import at_once
from twistedmail_mta.tasks import Cancelled

TIMEOUT: Final = 30.0
"""Seconds for one report, answer included."""
ANSWER: Final = 65_536
"""Octets of an answer; nobody reads it."""
RETRY: Final = 300.0
"""Seconds after which a report is posted again, twice as many each further time (RFC 8460 section 5.5)."""
GIVEN_UP_AFTER: Final = 86_400.0
"""Seconds (RFC 8460 section 5.5)."""
AT_ONCE: Final = 12
"""Reports that are posted at once, so that servers that never answer don't hold up those for others."""

_MAY_PASS: Final = (408, 425, 429)
"""Refusals of a client that don't mean the report."""


class Posting:
    """Posts what is due.

    A try is written down before it is made. So a server that dies meanwhile
    posts the report again later, never at once; its id tells that it is the same.
    """

    log: ClassVar[Logger] = Logger()

    def __init__(self, web: IHTTPClient, database: IDatabase, now: Callable[[], float]) -> None:
        """Prepare.

        Args:
            web: verifies servers, and follows nobody elsewhere.
            database: knows what is due.
            now: seconds since the epoch.
        """
        self._web = web
        self._database = database
        self._now = now

    async def look(self) -> None:
        """Post what is due, a few at once; a cancel ends them all.

        Raises:
            TemporaryError: the database can't be read or written now.
        """
        now = self._now()
        if not await self._database.read(lambda tx: rows.due_posts(tx, now, 1)):
            return
        await at_once(AT_ONCE, "reporting.posts", self._in_turn)

    async def _in_turn(self) -> None:
        """Post one after the other, until none is due."""
        while (post := await self._next()) is not None:
            await self._try(post)

    async def _next(self) -> rows.DuePost | None:
        now = self._now()
        return await self._database.write(lambda tx: rows.take_post(tx, now, RETRY))

    async def _try(self, due: rows.DuePost) -> None:
        again_at = self._now() + RETRY * 2**due.tries
        problem, is_final = await self._post(due)
        is_final = is_final or again_at > due.begun_at + GIVEN_UP_AFTER
        if is_final:
            await self._database.write(lambda tx: rows.remove_post(tx, due.id))
        self.log.info(
            "the report for {url} was {outcome}",
            url=due.post.url.partition("?")[0],
            outcome=_outcome(problem, is_final=is_final),
            event="report.posted" if not problem else "report.not_posted",
        )

    async def _post(self, due: rows.DuePost) -> tuple[str, bool]:
        """Post it once; return what went wrong, and whether there is no use in another try."""
        headers = {"Content-Type": due.post.content_type}
        try:
            answer = await self._web.request("POST", due.post.url, headers, due.post.body, timeout=TIMEOUT, most=ANSWER)
        except HTTPError as error:
            return str(error), False
        except ValueError as error:
            return str(error), True
        except Cancelled:
            raise
        except Exception as error:  # noqa: BLE001 - one server that breaks the client must not keep the others
            self.log.failure("a report can't be posted", event="report.failed")
            return type(error).__name__, False
        if 200 <= answer.status < 300:
            return "", True
        return f"the answer is {answer.status}", 400 <= answer.status < 500 and answer.status not in _MAY_PASS


def _outcome(problem: str, *, is_final: bool) -> str:
    if not problem:
        return "posted"
    return f"given up: {problem}" if is_final else f"not posted now: {problem}"
