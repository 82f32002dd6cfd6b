"""What the resolver keeps, joins, follows and knows by itself."""

from __future__ import annotations

from dataclasses import dataclass, field

import dns.rdata
import pytest
from dns.rdatatype import RdataType
from twisted.internet.task import Clock
from zope.interface.verify import verifyObject

from twistedmail_mta.dns import resolver as module
from twistedmail_mta.dns.cache import Cache
from twistedmail_mta.dns.codec import Question, Response, parse_name
from twistedmail_mta.dns.resolver import (
    ALIAS_LOOP,
    FAILURE_TTL,
    MAX_NEGATIVE_TTL,
    MIN_TTL,
    TOO_MANY_QUESTIONS,
    Resolver,
)
from twistedmail_mta.errors import TemporaryError
from twistedmail_mta.interfaces import IResolver
from twistedmail_mta.model import Answer, MXRecord, Reply
from twistedmail_mta.tasks import Cancelled, Promise, Task

BROKEN = Reply(451, "4.4.3", "broken")


@dataclass
class ScriptedUpstream:
    """Answers what it was given, at once; holds back every other question."""

    answers: dict[str, Response] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    held: list[Promise[Response]] = field(default_factory=list)
    cancelled: int = 0

    async def ask(self, question: Question) -> Response:
        parse_name(question.name)
        self.asked.append(question.name)
        response = self.answers.get(question.name)
        if response is None:
            return await self._wait()
        if response.status == "failed":
            raise TemporaryError(BROKEN)
        return response

    async def _wait(self) -> Response:
        promise: Promise[Response] = Promise()
        self.held.append(promise)
        try:
            return await promise
        except Cancelled:
            self.cancelled += 1
            raise


def found(kind: str, *texts: str, ttl: int = 300, authentic: bool = True) -> Response:
    records = tuple(dns.rdata.from_text("IN", kind, text) for text in texts)
    return Response("found", records, ttl=ttl, authentic=authentic)


def make(clock: Clock, **answers: Response) -> tuple[Resolver, ScriptedUpstream]:
    upstream = ScriptedUpstream({name.replace("_", "."): response for name, response in answers.items()})
    return Resolver(upstream, Cache(clock.seconds)), upstream


def result(task: Task[Answer[object]]) -> object:
    assert task.done
    error = task._outcome._failure
    return error.reply if isinstance(error, TemporaryError) else error or task._outcome._result


def mx(resolver: Resolver, domain: str) -> object:
    return result(Task("mx", resolver.mx(domain)))


def test_interface() -> None:
    """The resolver provides the seam that the roles see."""
    verifyObject(IResolver, make(Clock())[0])


def test_mx_records() -> None:
    """Hosts come in lower case without the final dot; null MX (RFC 7505) has the empty host."""
    resolver, _ = make(Clock(), a_example=found("MX", "20 B.Example.", "10 c.example."), b_example=found("MX", "0 ."))

    records = (MXRecord(20, "b.example"), MXRecord(10, "c.example"))
    assert mx(resolver, "A.Example.") == Answer(records, "found", authentic=True)
    assert mx(resolver, "b.example") == Answer((MXRecord(0, ""),), "found", authentic=True)


def test_addresses_of_both_families() -> None:
    """Addresses are text; an A and an AAAA question are two questions."""
    resolver, upstream = make(Clock(), a_example=found("AAAA", "2001:DB8::1"))

    six = result(Task("six", resolver.addresses("a.example", "AAAA")))
    upstream.answers["a.example"] = found("A", "192.0.2.1", "192.0.2.2")
    four = result(Task("four", resolver.addresses("a.example", "A")))

    assert six == Answer(("2001:db8::1",), "found", authentic=True)
    assert four == Answer(("192.0.2.1", "192.0.2.2"), "found", authentic=True)


def test_answers_are_kept_for_their_ttl() -> None:
    """One question within the TTL, another one after it; the spelling doesn't matter."""
    clock = Clock()
    resolver, upstream = make(clock, a_example=found("MX", "1 b.example.", ttl=60))

    for seconds in (0, 59, 1, 59):
        clock.advance(seconds)
        mx(resolver, "a.EXAMPLE")

    assert len(upstream.asked) == 2


@pytest.mark.parametrize(
    ("response", "kept"),
    [
        (found("MX", "1 b.", ttl=0), MIN_TTL),
        (found("MX", "1 b.", ttl=10**9), 86400),
        (Response("missing", ttl=0), MIN_TTL),
        (Response("missing", ttl=120), 120),
        (Response("empty", ttl=10**9), MAX_NEGATIVE_TTL),
        (Response("failed"), FAILURE_TTL),
    ],
)
def test_how_long_answers_are_kept(response: Response, kept: float) -> None:
    """TTLs have a floor and a cap; negative answers a lower cap; failures stand for a moment."""
    clock = Clock()
    resolver, upstream = make(clock, a_example=response)

    for seconds in (0, kept - 0.5, 1):
        clock.advance(seconds)
        mx(resolver, "a.example")

    assert len(upstream.asked) == 2


def test_negative_answers_and_failures() -> None:
    """What doesn't exist is an answer; what failed is a temporary error, from the cache too."""
    resolver, _ = make(
        Clock(), no_example=Response("missing"), some_example=Response("empty"), bad_example=Response("failed")
    )

    assert mx(resolver, "no.example") == Answer((), "missing", authentic=False)
    assert mx(resolver, "some.example") == Answer((), "empty", authentic=False)
    assert [mx(resolver, "bad.example") for _ in range(2)] == [BROKEN, BROKEN]


def test_same_question_is_asked_once() -> None:
    """Those who ask while the answer is on its way share it."""
    resolver, upstream = make(Clock())
    tasks = [Task("mx", resolver.mx(name)) for name in ("a.example", "A.example.", "a.example")]

    upstream.held[0].resolve(found("MX", "1 b."))

    assert upstream.asked == ["a.example"]
    assert [result(task) for task in tasks] == [Answer((MXRecord(1, "b"),), "found", authentic=True)] * 3


def test_cancel_of_one_waiter_spares_the_others() -> None:
    """The question lives as long as somebody waits for it."""
    resolver, upstream = make(Clock())
    first, second = Task("1", resolver.mx("a.example")), Task("2", resolver.mx("a.example"))

    first.cancel()

    assert isinstance(result(first), Cancelled)
    assert not second.done
    upstream.held[0].resolve(Response("missing"))
    assert result(second) == Answer((), "missing", authentic=False)


def test_cancel_of_the_last_waiter_ends_the_question() -> None:
    """Then nothing is under way, nothing is kept, and the next one asks anew."""
    resolver, upstream = make(Clock())
    tasks = [Task("mx", resolver.mx("a.example")) for _ in range(2)]

    for task in tasks:
        task.cancel()
    again = Task("mx", resolver.mx("a.example"))

    assert upstream.cancelled == 1
    assert len(upstream.asked) == 2
    assert not again.done
    again.cancel()


def test_stop_gives_up_all_questions() -> None:
    """At the end of the server nothing goes on."""
    resolver, upstream = make(Clock())
    tasks = [Task("mx", resolver.mx(name)) for name in ("a.example", "b.example")]

    resolver.stop()

    assert [isinstance(result(task), Cancelled) for task in tasks] == [True, True]
    assert upstream.cancelled == 2


def test_aliases_are_followed_by_further_questions() -> None:
    """A chain over several answers has the least TTL, and is authentic only as a whole."""
    clock = Clock()
    resolver, upstream = make(
        clock,
        a_example=Response("alias", name="b.example", ttl=30, authentic=True),
        b_example=Response("alias", name="c.example", ttl=20, authentic=False),
        c_example=found("MX", "1 d.", ttl=90),
    )

    assert mx(resolver, "a.example") == Answer((MXRecord(1, "d"),), "found", authentic=False)
    clock.advance(20)
    mx(resolver, "a.example")
    assert upstream.asked == ["a.example", "b.example", "c.example"] * 2


def test_alias_to_nothing() -> None:
    """The end of the chain decides what the answer is."""
    resolver, _ = make(Clock(), a_example=Response("alias", name="b.example", ttl=30), b_example=Response("missing"))

    assert mx(resolver, "a.example") == Answer((), "missing", authentic=False)


def test_circle_of_aliases_ends() -> None:
    """Names that point at one another are a temporary failure, after a bounded number of questions."""
    resolver, upstream = make(
        Clock(), a_example=Response("alias", name="b.example"), b_example=Response("alias", name="a.example")
    )

    assert mx(resolver, "a.example") == ALIAS_LOOP
    assert len(upstream.asked) == 9


@pytest.mark.parametrize("host", ["localhost", "LocalHost.", "a.b.localhost"])
def test_localhost_is_known_here(host: str) -> None:
    """RFC 6761 section 6.3: loopback addresses, nothing else, and nobody is asked."""
    resolver, upstream = make(Clock())

    four, six = (result(Task("a", resolver.addresses(host, family))) for family in ("A", "AAAA"))

    assert four == Answer(("127.0.0.1",), "found", authentic=False)
    assert six == Answer(("::1",), "found", authentic=False)
    assert mx(resolver, host) == Answer((), "empty", authentic=False)
    assert upstream.asked == []


@pytest.mark.parametrize("name", ["no.invalid", "a..b", "x" * 64, "b\u00fccher.example", "a\\b.example"])
def test_names_that_cannot_be(name: str) -> None:
    """They are missing (RFC 6761 section 6.4, RFC 1035 section 2.3.4), and nobody is asked."""
    resolver, upstream = make(Clock())

    assert mx(resolver, name) == Answer((), "missing", authentic=False)
    assert upstream.asked == []


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("192.0.2.1", "1.2.0.192.in-addr.arpa"),
        ("::ffff:192.0.2.1", "1.2.0.192.in-addr.arpa"),
        ("2001:db8::1%eth0", ".".join("1" + "0" * 23 + "8bd01002") + ".ip6.arpa"),
    ],
)
def test_names_of_an_address(address: str, name: str) -> None:
    """They come in lower case, without the final dot, in the order received; a v4-mapped address is its IPv4 one."""
    resolver, upstream = make(Clock())
    upstream.answers[name] = found("PTR", "Mail.Example.org.", "b.example.")

    answer = result(Task("names", resolver.host_names(address)))

    assert answer == Answer(("mail.example.org", "b.example"), "found", authentic=True)
    assert upstream.asked == [name]


def test_names_of_what_is_no_address() -> None:
    """There are none, and nobody is asked."""
    resolver, upstream = make(Clock())

    for text in ("", "mail.example.org", "1.2.3"):
        assert result(Task("names", resolver.host_names(text))) == Answer((), "missing", authentic=False)
    assert upstream.asked == []


def test_names_that_are_no_names() -> None:
    """Whatever octets a label holds, the name is told, and has no addresses."""
    resolver, upstream = make(Clock())
    upstream.answers["1.2.0.192.in-addr.arpa"] = found("PTR", r"a\.b\000.example.", ".")

    answer = result(Task("names", resolver.host_names("192.0.2.1")))

    assert isinstance(answer, Answer)
    assert answer.records == (r"a\.b\000.example", "")
    resolved = result(Task("addresses", resolver.addresses(str(answer.records[0]), "A")))
    assert resolved == Answer((), "missing", authentic=False)


def test_texts() -> None:
    """The strings of a record are one text, whatever octets they hold; each record is one of its own."""
    resolver, _ = make(Clock(), a_example=found("TXT", r'"v=spf1" " -all" "\255"', '""'), b_example=Response("failed"))

    answer = result(Task("texts", resolver.texts("A.Example.")))

    assert answer == Answer((b"v=spf1 -all\xff", b""), "found", authentic=True)
    assert result(Task("texts", resolver.texts("b.example"))) == BROKEN


def test_other_types() -> None:
    """Whatever type dnspython knows can be asked for."""
    resolver, _ = make(Clock(), a_example=found("TXT", '"v=spf1" " -all"'))

    answer = result(Task("txt", resolver.query("a.example", RdataType.TXT)))

    assert isinstance(answer, Answer)
    assert answer.records[0].strings == (b"v=spf1", b" -all")


def test_questions_under_way_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Past the limit a new question fails at once; a joined one doesn't count."""
    monkeypatch.setattr(module, "MAX_QUESTIONS", 2)
    resolver, _ = make(Clock())
    tasks = [Task("mx", resolver.mx(name)) for name in ("a.example", "b.example", "a.example")]

    assert mx(resolver, "c.example") == TOO_MANY_QUESTIONS
    assert not any(task.done for task in tasks)
    resolver.stop()
