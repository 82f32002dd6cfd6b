"""What a connection does for everybody else, and whatever its client sends."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from mail_access import FREE, LOGIN, MAILS, Counter, RunningClock
from twisted.internet.task import Clock
from twisted.logger import LogEvent, globalLogPublisher

from twistedmail_mta.access.visits import MAX_REMEMBERED, Rules, Visit, Visits

LINES = [
    b"STAT",
    b"LIST",
    b"list 2",
    b"UIDL",
    b"RETR 1",
    b"RETR 2",
    b"RETR 3",
    b"TOP 2 1",
    b"DELE 1",
    b"DELE 3",
    b"RSET",
    b"NOOP",
    b"CAPA",
]
LINES += [b"LANG fr", b"AUTH PLAIN", b"*", b"USER x", b"PASS y", b"RETR 99", b"\xff\x00", b"", b"x" * 3000]


def test_others_get_their_turn() -> None:
    """A client that pipelines much is answered a few milliseconds at a time."""
    counter = Counter()
    counter.clock.__class__ = RunningClock
    client = counter.log_in()

    first = client.send(b"NOOP\r\n" * 30)
    assert 0 < first.count("+OK") < 5
    assert client.transport.producerState == "paused"
    counter.clock.advance(0)

    assert first.count("+OK") + client.said().count("+OK") == 30
    assert client.transport.producerState == "producing"


@settings(max_examples=120, derandomize=True, deadline=None)
@given(lines=st.lists(st.sampled_from(LINES), max_size=12), cuts=st.lists(st.integers(0, 400), max_size=6))
def test_any_session_in_any_pieces(lines: list[bytes], cuts: list[int]) -> None:
    """Whatever is sent, however cut, and however slowly it is read: every line is answered, nothing breaks."""
    counter = Counter(options={"errors": 99, "errors_before_delay": 99})
    client, plain = counter.log_in(), Counter(options={"errors": 99, "errors_before_delay": 99}).log_in()
    octets = b"".join(line + b"\r\n" for line in lines)
    places = sorted({min(cut, len(octets)) for cut in cuts})
    failures: list[LogEvent] = []
    look = lambda event: failures.append(event) if "log_failure" in event else None  # noqa: E731 - one line
    globalLogPublisher.addObserver(look)

    said = ""
    for start, end in zip([0, *places], [*places, len(octets)], strict=True):
        client.connection.pauseProducing()
        said += client.send(octets[start:end])
        client.connection.resumeProducing()
        said += client.said()
    globalLogPublisher.removeObserver(look)

    assert failures == []
    assert said == plain.send(octets)
    assert said.count("+OK ") + said.count("-ERR ") + said.count("+ ") >= len(lines)
    assert client.type("QUIT").startswith(("+OK", "-ERR"))


def test_answers_dont_pile_up() -> None:
    """Who asks and asks and never reads isn't answered any further: answers are longer than commands."""
    counter = Counter()
    client = counter.log_in()
    client.connection.pauseProducing()

    assert len(client.send(b"CAPA\r\n" * 20_000)) < 1000
    assert client.transport.producerState == "paused"
    client.connection.resumeProducing()
    assert client.said().count("IMPLEMENTATION") == 19_999


def test_logins_are_forgotten_in_time() -> None:
    """What is remembered for the delay between logins is bounded."""
    clock = Clock()
    visits, rules = Visits(clock), Rules(sessions=1, exclusive=False, delay=60)

    for account in range(MAX_REMEMBERED + 1):
        visit = Visit(account, False, clock.seconds, lambda: None)
        assert visits.enter(visit, rules) is None
        visits.leave(visit)

    forgotten, remembered = (Visit(account, False, clock.seconds, lambda: None) for account in (0, 2))
    assert visits.enter(forgotten, rules) is None
    assert visits.enter(remembered, rules) is not None


def test_accounts_dont_disturb_each_other() -> None:
    """An exclusive session of one account is no matter to another's."""
    counter = Counter(rules=Rules(sessions=1, exclusive=True, delay=0))
    counter.log_in()
    other = counter.connect()

    assert other.type("USER ben@example.org", LOGIN[1]).startswith(f"+OK Logged in: {len(MAILS)} messages")


def test_exclusive_where_another_listener_isnt() -> None:
    """Who has the maildrop for itself keeps it also from listeners that would let many in."""
    clock = Clock()
    visits = Visits(clock)
    exclusive = Rules(sessions=5, exclusive=True, delay=0)

    assert visits.enter(Visit(1, True, clock.seconds, lambda: None), exclusive) is None
    assert visits.enter(Visit(1, False, clock.seconds, lambda: None), FREE) is not None
