"""MTA-STS policies of other domains (RFC 8461): announced by the DNS, fetched by HTTPS, kept as long as they say."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Final

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from twistedmail_mta.deliver.sts_rows import Kept, find_policy, keep_policy, old_policies
from twistedmail_mta.errors import HTTPError, TemporaryError, UntrustedServerError
from twistedmail_mta.interfaces import IDatabase, IHTTPClient, IResolver
from twistedmail_mta.model import HTTPAnswer
from twistedmail_mta.mta_sts.policy import MAX_SIZE, MEDIA_TYPE, PATH, Policy, parse_policy, policy_host
from twistedmail_mta.mta_sts.record import policy_id, record_name
from twistedmail_mta.tasks import Cancelled, Task, TaskGroup, sleep
from twistedmail_mta.tls_report.report import ResultType

FETCH_TIMEOUT: Final = 60.0
"""Seconds for a policy (RFC 8461 section 3.3)."""
FAILED_FOR: Final = 300.0
"""Seconds after which a policy that couldn't be had is asked for again (RFC 8461 section 3.3)."""
MOST_KNOWN: Final = 10_000
"""Domains that are remembered in memory."""
MOST_FETCHES: Final = 50
"""Policies that are fetched at once; mail to further domains goes by what is known of them."""
REFRESH_INTERVAL: Final = 3600.0


@dataclass(frozen=True, slots=True)
class _Trouble:
    """Why a policy can't be had, and until when, on the clock, it isn't asked for again."""

    until: float
    result: ResultType
    reason: str


class STS:
    """Knows the policies of domains.

    A policy that is kept counts until its time is over, whatever becomes of
    its TXT record and its web server: neither can be taken away by who stands
    in between (RFC 8461 section 5.1). Past half its time it is fetched anew,
    in the background.
    """

    log: ClassVar[Logger] = Logger()

    def __init__(  # noqa: PLR0913, PLR0917 - what it asks, and where it keeps the answers
        self,
        resolver: IResolver,
        web: IHTTPClient,
        database: IDatabase,
        clock: IReactorTime,
        now: Callable[[], float],
        tasks: TaskGroup,
    ) -> None:
        """Know nothing yet.

        Args:
            resolver: for TXT records.
            web: fetches, and verifies certificates.
            database: keeps policies.
            clock: for what is asked again after a time.
            now: seconds since the epoch.
            tasks: where policies are fetched that nobody waits for.
        """
        self._resolver = resolver
        self._web = web
        self._database = database
        self._clock = clock
        self._now = now
        self._tasks = tasks
        self._known: OrderedDict[str, Kept | None] = OrderedDict()  # what the database has, the longest unused first
        self._fetches: dict[str, Task[Kept | None]] = {}
        self._failed: OrderedDict[str, _Trouble] = OrderedDict()
        self._refresher: Task[None] | None = None

    async def policy(self, domain: str) -> Policy | None:
        """Return the policy of a mail domain (A-labels), or None when it has none."""
        announced = await self._announced(domain)
        kept = await self._kept(domain)
        if announced is not None and (kept is None or kept.id != announced):
            kept = await self._fetched(domain, announced) or kept
        if kept is None or kept.expires_at <= self._now():
            return None
        return kept.policy

    def problem(self, domain: str) -> tuple[ResultType, str] | None:
        """Return why an announced policy can't be had now, as reports tell it; None: it can, or there is none."""
        trouble = self._failed.get(domain)
        if trouble is None or trouble.until <= self._clock.seconds():
            return None
        return trouble.result, trouble.reason

    def start(self) -> None:
        """Fetch policies anew from now on before their time is over."""
        self._refresher = self._tasks.start("deliver.sts", self._refresh())

    def stop(self) -> None:
        """Give up what is under way."""
        if self._refresher is not None:
            self._refresher.cancel()
        for task in tuple(self._fetches.values()):
            task.cancel()

    async def _announced(self, domain: str) -> str | None:
        try:
            return policy_id((await self._resolver.texts(record_name(domain))).records)
        except TemporaryError:
            return None

    async def _kept(self, domain: str) -> Kept | None:
        if domain in self._known:
            self._known.move_to_end(domain)
            kept = self._known[domain]
        else:
            kept = await self._database.read(lambda tx: find_policy(tx, domain))
            self._remember(domain, kept)
        return kept if kept is None or kept.expires_at > self._now() else None

    def _remember(self, domain: str, kept: Kept | None) -> None:
        self._known[domain] = kept
        self._known.move_to_end(domain)
        if len(self._known) > MOST_KNOWN:
            self._known.popitem(last=False)

    async def _fetched(self, domain: str, announced: str) -> Kept | None:
        """Fetch a policy, once for all who wait for it; None when it can't be had now."""
        if self.problem(domain) is not None:
            return None
        task = self._fetches.get(domain)
        if task is None:
            if len(self._fetches) >= MOST_FETCHES:
                return None
            task = Task("deliver.sts", self._fetch(domain, announced))
            if not task.done:
                self._fetches[domain] = task
        return await task

    async def _fetch(self, domain: str, announced: str) -> Kept | None:
        result: ResultType = "sts-policy-fetch-error"
        try:
            text = await fetched_text(self._web, domain, FETCH_TIMEOUT)
            result = "sts-policy-invalid"
            policy = parse_policy(text)
        except (HTTPError, ValueError) as error:
            self._note_failure(
                domain, error, "sts-webpki-invalid" if isinstance(error, UntrustedServerError) else result
            )
            return None
        finally:
            self._fetches.pop(domain, None)
        self._failed.pop(domain, None)
        now = self._now()
        kept = Kept(announced, policy, now, now + policy.max_age)
        self._remember(domain, kept)
        try:
            times = (kept.fetched_at, kept.expires_at)
            await self._database.write(lambda tx: keep_policy(tx, domain, announced, text, times), size=len(text))
        except TemporaryError as error:
            self.log.warn(
                "the MTA-STS policy of {domain} can't be kept: {reply}",
                domain=domain,
                reply=str(error.reply),
                event="sts.not_kept",
            )
        return kept

    def _note_failure(self, domain: str, error: Exception, result: ResultType) -> None:
        self._failed[domain] = _Trouble(self._clock.seconds() + FAILED_FOR, result, str(error))
        self._failed.move_to_end(domain)
        if len(self._failed) > MOST_KNOWN:
            self._failed.popitem(last=False)
        self.log.info(
            "no MTA-STS policy of {domain} can be had, though it announces one: {problem}",
            domain=domain,
            problem=str(error),
            event="sts.failed",
        )

    async def _refresh(self) -> None:
        while True:
            await sleep(self._clock, REFRESH_INTERVAL)
            try:
                await self.refresh()
            except TemporaryError as error:
                self.log.warn("MTA-STS policies can't be read: {reply}", reply=str(error.reply), event="sts.unreadable")

    async def refresh(self) -> None:
        """Fetch anew what is past half its time and still announced, some at a time.

        Raises:
            TemporaryError: the database can't be read.
        """
        after = ""
        while domains := await self._old_after(after):
            renewals = [Task("deliver.sts", self._renew(domain)) for domain in domains]
            try:
                for renewal in renewals:
                    await renewal
            except Cancelled:
                for renewal in renewals:
                    renewal.cancel()
                raise
            after = domains[-1]

    async def _old_after(self, after: str) -> list[str]:
        now = self._now()
        return await self._database.read(lambda tx: old_policies(tx, now, after))

    async def _renew(self, domain: str) -> None:
        announced = await self._announced(domain)
        if announced is not None:
            await self._fetched(domain, announced)


async def fetched_text(web: IHTTPClient, domain: str, within: float) -> bytes:
    """Fetch the text of a policy.

    Args:
        web: fetches, and verifies certificates.
        domain: whose, in A-labels.
        within: seconds for all of it.

    Raises:
        HTTPError: there is no answer.
        ValueError: the answer is no policy's text, and why.
    """
    url = f"https://{policy_host(domain)}{PATH}"
    return _text_of(await web.request("GET", url, timeout=within, most=MAX_SIZE))


def _text_of(answer: HTTPAnswer) -> bytes:
    """Return the text of a policy (RFC 8461 section 3.3): nobody is followed elsewhere, and no web page is read."""
    if answer.status != 200:
        raise ValueError(f"the answer is {answer.status}")
    kind = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != MEDIA_TYPE:
        raise ValueError(f"the answer isn't {MEDIA_TYPE}")
    return answer.body
