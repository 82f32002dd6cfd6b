"""The resolver on real sockets, against a scripted server."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path

import dns_responder as say
import pytest
import pytest_twisted
from dns_responder import Responder
from twisted.internet import reactor
from twisted.internet.defer import Deferred

from twistedmail_mta.dns.nameservers import nameservers
from twistedmail_mta.dns.resolver import Resolver, make_resolver
from twistedmail_mta.dns.upstream import SERVER_FAILED, UNANSWERED
from twistedmail_mta.errors import TemporaryError
from twistedmail_mta.model import Answer, MXRecord
from twistedmail_mta.tasks import Cancelled, Task, sleep

ONE_MX = Answer((MXRecord(10, "mx.example.org"),), "found", authentic=False)


def open_sockets() -> int:
    return sum(link.is_socket() for link in Path("/proc/self/fd").iterdir())


async def failure(resolver: Resolver, domain: str) -> object:
    with pytest.raises(TemporaryError) as caught:
        await resolver.mx(domain)
    return caught.value.reply


async def asked(responder: Responder, count: int) -> None:
    while len(responder.asked) < count:
        await sleep(reactor, 0.001)


@pytest_twisted.ensureDeferred
async def test_mx_over_udp(responder: Responder, resolver: Resolver) -> None:
    """The plain case; each question has a port and an id of its own."""
    for number in range(20):
        responder.add(f"{number}.example.org", "MX", "10 mx.example.org.")

    for number in range(20):
        assert await resolver.mx(f"{number}.example.org") == ONE_MX

    assert {one.over for one in responder.asked} == {"udp"}
    assert len({one.peer[1] for one in responder.asked}) > 10
    assert len({one.message.id for one in responder.asked}) > 10


@pytest_twisted.ensureDeferred
async def test_names_that_do_not_exist(responder: Responder, resolver: Resolver) -> None:
    """NXDOMAIN is "missing", NODATA "empty"."""
    responder.add("mx.example.org", "A", "192.0.2.1")

    assert (await resolver.mx("gone.example.org")).status == "missing"
    assert (await resolver.mx("mx.example.org")).status == "empty"
    assert await resolver.addresses("mx.example.org", "A") == Answer(("192.0.2.1",), "found", authentic=False)


@pytest_twisted.ensureDeferred
async def test_names_and_texts(responder: Responder, resolver: Resolver) -> None:
    """PTR records of both families; TXT records whose strings are one text each, also over TCP."""
    responder.add("1.2.0.192.in-addr.arpa", "PTR", "mail.example.org.")
    responder.add(".".join("1" + "0" * 23 + "8bd01002") + ".ip6.arpa", "PTR", "Mail6.example.org.")
    responder.add("example.org", "TXT", '"v=spf1 " "-all"', *(f'"{number}{"x" * 200}"' for number in range(20)))

    assert (await resolver.host_names("192.0.2.1")).records == ("mail.example.org",)
    assert (await resolver.host_names("2001:db8::1")).records == ("mail6.example.org",)
    assert (await resolver.host_names("192.0.2.2")).status == "missing"
    texts = await resolver.texts("example.org")

    assert b"v=spf1 -all" in texts.records
    assert len(texts.records) == 21
    assert responder.asked[-1].over == "tcp"


@pytest_twisted.ensureDeferred
async def test_large_answer_comes_over_tcp(responder: Responder, resolver: Resolver) -> None:
    """A truncated answer is asked for again over TCP."""
    hosts = [f"192.0.2.{number}" for number in range(200)]
    responder.add("example.org", "A", *hosts)

    answer = await resolver.addresses("example.org", "A")

    assert sorted(answer.records) == sorted(hosts)
    assert [one.over for one in responder.asked] == ["udp", "tcp"]


@pytest.mark.parametrize("forgery", [say.wrong_id, say.wrong_question, say.noise])
@pytest_twisted.ensureDeferred
async def test_foreign_answers_are_passed_over(
    responder: Responder, resolver: Resolver, forgery: Callable[..., bytes]
) -> None:
    """What doesn't repeat id and question is ignored, and the right answer behind it taken."""
    responder.add("example.org", "MX", "10 mx.example.org.")
    responder.script("example.org", say.packets(*[forgery] * 40, say.answer))

    assert await resolver.mx("example.org") == ONE_MX
    assert len(responder.asked) == 1


@pytest_twisted.ensureDeferred
async def test_answer_from_another_port_is_never_seen(responder: Responder, resolver: Resolver) -> None:
    """It may hold the right id and question; the question is asked again."""
    responder.add("example.org", "MX", "10 mx.example.org.")
    responder.script("example.org", say.elsewhere, say.answer)

    assert await resolver.mx("example.org") == ONE_MX
    assert len(responder.asked) == 2


@pytest_twisted.ensureDeferred
async def test_lost_datagram_is_sent_again(responder: Responder, resolver: Resolver) -> None:
    """With another id, from another socket; an answer to the first then comes too late."""
    responder.add("example.org", "MX", "10 mx.example.org.")
    responder.script("example.org", say.late, say.late)
    task = Task("mx", resolver.mx("example.org"))
    await asked(responder, 2)

    responder.release()

    assert await task == ONE_MX
    assert responder.asked[0].message.id != responder.asked[1].message.id or (
        responder.asked[0].peer != responder.asked[1].peer
    )


@pytest.mark.parametrize("step", [say.rcode("SERVFAIL"), say.rcode("REFUSED"), say.rcode("FORMERR"), say.garbage])
@pytest_twisted.ensureDeferred
async def test_bad_answers_are_temporary(responder: Responder, resolver: Resolver, step: say.Step) -> None:
    """Neither yes nor no: 451 4.4.3, asked once and remembered for a moment."""
    responder.script("example.org", step)

    assert await failure(resolver, "example.org") == SERVER_FAILED
    assert await failure(resolver, "example.org") == SERVER_FAILED
    assert len(responder.asked) == 1


@pytest_twisted.ensureDeferred
async def test_silence_is_temporary(responder: Responder) -> None:
    """No answer in time is 451 4.4.3, and leaves no socket and no timer."""
    responder.script("example.org", say.silent)
    before = open_sockets()

    resolver = make_resolver(reactor, [responder.nameserver], timeout=0.05)

    assert await failure(resolver, "example.org") == UNANSWERED
    assert open_sockets() == before


@pytest_twisted.ensureDeferred
async def test_second_server_answers(responder: Responder) -> None:
    """A port where nobody listens refuses at once (ICMP), and the next server is asked."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as unused:
        unused.bind(("127.0.0.1", 0))
        dead = nameservers(["127.0.0.1"], unused.getsockname()[1])
    responder.add("example.org", "MX", "10 mx.example.org.")

    resolver = make_resolver(reactor, [*dead, responder.nameserver], timeout=3600)

    assert await resolver.mx("example.org") == ONE_MX


@pytest_twisted.ensureDeferred
async def test_refused_tcp_is_temporary(responder: Responder, resolver: Resolver) -> None:
    """A server that truncates but has no TCP is a failure."""
    responder.script("example.org", say.truncated)
    await Deferred.fromCoroutine(stop_tcp(responder))

    assert await failure(resolver, "example.org") == SERVER_FAILED


async def stop_tcp(responder: Responder) -> None:
    await responder._ports.pop(1).stopListening()


@pytest_twisted.ensureDeferred
async def test_cancel_closes_the_socket(responder: Responder) -> None:
    """A cancelled question leaves nothing behind, over UDP and over TCP."""
    responder.script("udp.example", say.silent)
    responder.script("tcp.example", say.truncated, say.silent)
    resolver = make_resolver(reactor, [responder.nameserver], timeout=3600)
    before = open_sockets()
    tasks = [Task("mx", resolver.mx(name)) for name in ("udp.example", "tcp.example")]
    await asked(responder, 3)

    for task in tasks:
        task.cancel()
        with pytest.raises(Cancelled):
            await task
    while responder._connections:
        await sleep(reactor, 0.001)

    assert open_sockets() == before


@pytest_twisted.ensureDeferred
async def test_ad_bit_is_asked_for_and_believed(responder: Responder) -> None:
    """From a resolver on loopback, not with `dnssec = "off"`."""
    responder.add("example.org", "MX", "10 mx.example.org.")
    responder.script("example.org", say.authentic)

    found = {}
    for dnssec in ("probe", "off"):
        servers = nameservers([responder.address], responder.port, dnssec)
        answer = await make_resolver(reactor, servers).mx("example.org")
        found[dnssec] = (answer.authentic, bool(responder.asked[-1].message.flags & 0x20))

    assert found == {"probe": (True, True), "off": (False, False)}


@pytest.mark.parametrize("chases", [True, False])
@pytest_twisted.ensureDeferred
async def test_cname_chain(responder: Responder, resolver: Resolver, chases: bool) -> None:
    """CNAMEs are followed whether or not the server does it."""
    responder.chases = chases
    responder.add("example.org", "CNAME", "a.example.net.")
    responder.add("a.example.net", "CNAME", "b.example.com.")
    responder.add("b.example.com", "MX", "10 mx.example.org.")

    assert await resolver.mx("example.org") == ONE_MX
    assert len(responder.asked) == (1 if chases else 3)


@pytest_twisted.ensureDeferred
async def test_ipv6_server(responder: Responder) -> None:
    """Servers are asked over IPv6 too, UDP and TCP."""
    six = Responder(address="::1")
    try:
        six.start(reactor)
    except Exception:  # noqa: BLE001
        pytest.skip("no IPv6 on this host")
    six.add("example.org", "MX", "10 mx.example.org.")
    six.script("example.org", say.truncated)

    answer = await make_resolver(reactor, [six.nameserver]).mx("example.org")
    await six.stop()

    assert answer == ONE_MX
    assert [one.over for one in six.asked] == ["udp", "tcp"]


@pytest_twisted.ensureDeferred
async def test_many_questions_at_once(responder: Responder) -> None:
    """A thousand questions share the sockets there are, and all are answered."""
    names = [f"{number}.example.org" for number in range(1000)]
    for name in names:
        responder.add(name, "MX", "10 mx.example.org.")
    resolver = make_resolver(reactor, [responder.nameserver], timeout=60)
    before = open_sockets()

    tasks = [Task("mx", resolver.mx(name)) for name in names]
    most = open_sockets() - before
    answers = [await task for task in tasks]

    assert most == 256
    assert answers == [ONE_MX] * 1000
    assert open_sockets() == before
