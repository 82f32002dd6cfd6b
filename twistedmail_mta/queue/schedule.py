"""When a recipient is tried again, when its sender is warned, and when it is given up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from twistedmail_mta.model import Reply
from twistedmail_mta.smtp.meaning import Meaning

GROWTH: Final = 1.5
JITTER: Final = 0.1

HINT_SPAN: Final = 12.0
"""A host's own time for the next attempt counts from a twelfth of the usual wait to twelve times as long."""

_MOST_GROWTHS: Final = 100

NO_MEANING: Final = Meaning("other")


@dataclass(frozen=True, slots=True)
class RetrySchedule:
    """The waits between attempts (RFC 5321 section 4.5.4.1); all in seconds.

    Attributes:
        retry: waits after the first attempts; then each is 1.5 times the last.
        cap: where that growth ends.
        lifetime: how long a recipient is tried.
        bounce_lifetime: the same for mail with a null sender.
        warn_after: ages at which senders who logged in are told of a delay.
    """

    retry: tuple[float, ...] = (300.0, 600.0, 1200.0, 2400.0, 3600.0)
    cap: float = 14_400.0
    lifetime: float = 432_000.0
    bounce_lifetime: float = 86_400.0
    warn_after: tuple[float, ...] = (14_400.0, 86_400.0)

    def after(
        self, attempts: int, age: float, spread: float, *, is_report: bool, meaning: Meaning = NO_MEANING
    ) -> float | None:
        """Return how long to wait before the next attempt, or None when time is up.

        Time is judged after an attempt, so that even mail that waited for a
        long outage of this host is tried once more.

        A host that names a time is not tried before it.  One that greylists is
        tried then even if the usual wait is longer.

        Args:
            attempts: attempts made so far, one at least.
            age: seconds the recipient has waited.
            spread: from 0 to 1, at random; moves the wait by up to a tenth
                either way, so that what was deferred together comes apart.
            is_report: the sender is null.
            meaning: what the last answer means.
        """
        if age >= self.lifetime_of(is_report=is_report):
            return None
        usual = self._wait(attempts)
        hinted = self._hinted(usual, meaning)
        if meaning.kind == "greylisted":
            return (hinted or usual) * (1 + JITTER * spread)
        return max(usual * (1 + JITTER * (2 * spread - 1)), hinted * (1 + JITTER * spread))

    def lifetime_of(self, *, is_report: bool) -> float:
        """Return how long such mail is tried."""
        return self.bounce_lifetime if is_report else self.lifetime

    def warnings_due(self, age: float) -> int:
        """Return how many delay warnings a recipient of this age should have had."""
        return sum(1 for threshold in self.warn_after if age >= threshold)

    def _hinted(self, usual: float, meaning: Meaning) -> float:
        """Return the time that the host named; 0 when it named none.

        It has bounds, which grow with the usual wait: no host makes us come
        every few seconds for days, or forget its mail.
        """
        if meaning.retry_in is None:
            return 0.0
        return max(usual / HINT_SPAN, min(meaning.retry_in, usual * HINT_SPAN, max(usual, self.cap)))

    def _wait(self, attempts: int) -> float:
        if attempts <= len(self.retry):
            return self.retry[attempts - 1]
        growths = min(attempts - len(self.retry), _MOST_GROWTHS)
        return max(self.retry[-1], min(self.cap, self.retry[-1] * GROWTH**growths))


def expired(last: Reply) -> Reply:
    """Return why a recipient is given up when time is up; `last` is what the last attempt met."""
    return Reply(554, "5.4.7", f"Delivery time expired; the last attempt met: {last}")
