"""Daily reports with a clock and a database of one's own, a kind made by hand, and whoever would send them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from twistedmail_mta.cli.offline import ImmediateDatabase
from twistedmail_mta.errors import TemporaryError
from twistedmail_mta.interfaces import Transaction
from twistedmail_mta.mail.report_mail import Enclosed
from twistedmail_mta.model import Address, HTTPAnswer, Message, Reply
from twistedmail_mta.reporting.daily import DailyReports
from twistedmail_mta.reporting.kind import Letter, Post, ReportKind, Sendings
from twistedmail_mta.reporting.outgoing import Outgoing
from twistedmail_mta.reporting.posting import Posting
from twistedmail_mta.store.sync import SyncDatabase
from twistedmail_mta.tasks import Promise, Task

DAY = 86_400
TODAY = 20_788
NOON = TODAY * DAY + DAY / 2.0
DOWN = TemporaryError(Reply(451, "4.4.3", "down"))


def letter(to: str) -> Letter:
    """Return a report to somebody."""
    local, _, domain = to.partition("@")
    enclosed = Enclosed("application/json", "a.json", b"{}")
    return Letter(Address(local, domain), "A report", (), "mixed", "words\n", enclosed)


class Kind:
    """A kind of which there is something to report on some days."""

    name = "test"

    def __init__(self) -> None:
        self.days: dict[int, list[str]] = {}
        self.kept = 0
        self.answers: dict[str, Any] = {}
        self.asked: list[tuple[int, str]] = []

    async def keep(self) -> None:
        self.kept += 1

    def subjects(self, tx: Transaction, day: int, most: int) -> Sequence[str]:
        return self.days.get(day, [])[:most]

    async def sendings(self, day: int, subject: str) -> Sendings:
        self.asked.append((day, subject))
        answer = self.answers.get(subject, Sendings((letter(f"reports@{subject}"),)))
        if isinstance(answer, BaseException):
            raise answer
        if isinstance(answer, Promise):
            answer = await answer
        assert isinstance(answer, Sendings)
        return answer

    def forget(self, tx: Transaction, before: int) -> bool:
        for day in [each for each in self.days if each < before]:
            del self.days[day]
        return False


class Web:
    """Takes what is posted, and answers as it was told."""

    def __init__(self) -> None:
        self.answers: list[Any] = []
        self.posted: list[tuple[str, dict[str, str], bytes]] = []

    async def request(self, method: str, url: str, headers: dict[str, str], body: bytes, **limits: Any) -> HTTPAnswer:
        assert (method, limits) == ("POST", {"timeout": 30.0, "most": 65_536})
        self.posted.append((url, headers, body))
        answer = self.answers.pop(0) if self.answers else 200
        if isinstance(answer, BaseException):
            raise answer
        if isinstance(answer, Promise):
            answer = await answer
        return HTTPAnswer(answer, {}, b"")


class Lab:
    """A day at noon; whatever is sent is in `mail`, which is kept in the database as the queue's would be."""

    def __init__(self, folder: Path, *kinds: ReportKind) -> None:
        self.at = NOON
        self.signatures = b"DKIM-Signature: x\r\n"
        self.messages: list[Message] = []
        self.wakings = 0
        self.chance = 0.0
        self.web = Web()
        self.kinds = kinds
        self.rows = SyncDatabase(folder / "mta.db")
        self.rows.write(lambda tx: list(tx.execute("CREATE TABLE IF NOT EXISTS sent_mail (recipient TEXT)")))
        self.restart()

    def restart(self) -> None:
        """Forget what is in memory."""
        database: Any = ImmediateDatabase(self.rows)
        web: Any = self.web
        author = Address("postmaster", "example.org")
        outgoing = Outgoing(
            author, "mx.example.org", self._new_id, lambda: self.at, self._sign, self._insertion, self._wake
        )
        self.daily = DailyReports(self.kinds, database, outgoing, lambda: self.at, lambda: self.chance)
        self.posting = Posting(web, database, lambda: self.at)
        self.database = database

    def look(self) -> None:
        """Let daily reports do what is due now."""
        done = Task("test", self.daily.look())
        assert done.done
        self._result(done)

    def post(self) -> None:
        """Let what is due be posted."""
        self._result(Task("test", self.posting.look()))

    @property
    def mail(self) -> list[str]:
        """Return to whom mail is in the queue."""
        return [to for (to,) in self.rows.read(lambda tx: list(tx.execute("SELECT recipient FROM sent_mail")))]

    @staticmethod
    def _result(task: Task[None]) -> None:
        outcomes: list[Any] = []

        async def hear() -> None:
            try:
                outcomes.append(await task)
            except BaseException as error:  # noqa: BLE001 - it is raised where the test waits
                outcomes.append(error)

        Task("test.hear", hear())
        (outcome,) = outcomes
        if isinstance(outcome, BaseException):
            raise outcome

    def _new_id(self) -> int:
        return 1000 + len(self.messages)

    async def _sign(self, message: Message) -> bytes:
        return self.signatures

    def _insertion(self, message: Message) -> Callable[[Transaction], None]:
        self.messages.append(message)
        to = str(message.envelope.recipients[0].address)
        return lambda tx: (list(tx.execute("INSERT INTO sent_mail VALUES (?)", (to,))), None)[1]

    def _wake(self) -> None:
        self.wakings += 1


def posts(*urls: str) -> Sendings:
    """Return a report that is posted."""
    return Sendings((), [Post(url, "application/json", b"{}") for url in urls])
