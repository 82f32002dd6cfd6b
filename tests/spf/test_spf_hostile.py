"""Zones made to cost us: what each can make us ask, and how long it can keep us computing."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from spf_zones import Zones, checked, ran

from twistedmail_mta.model import Address
from twistedmail_mta.networks import reverse_name
from twistedmail_mta.spf.budget import MAX_ADDRESSES, MAX_MACROS, MAX_TERMS, MAX_TEXT
from twistedmail_mta.spf.check import check_host
from twistedmail_mta.spf.names import can_be_asked

MOST_QUESTIONS = 123
"""The record; ten terms, each for ten hosts; ten names of the client, and the explanation: 1 + 10 * 11 + 11 + 1."""

CLIENT = "192.0.2.1"


def loop() -> Zones:
    """Records that include each other."""
    return Zones(
        {(f"{name}.example", "TXT"): [f"v=spf1 include:{other}.example".encode()] for name, other in ("ab", "ba")}
    )


def fan() -> Zones:
    """Records that include two others each, without end."""
    zones = Zones()
    for number in range(1100):
        zones.spf(
            f"{number or 'a'}.example",
            f"v=spf1 include:{2 * number + 1}.example include:{2 * number + 2}.example",
        )
    return zones


def redirects() -> Zones:
    """A record that redirects to a name that is new each time."""
    return Zones({(f"{'x.' * number}a.example", "TXT"): [b"v=spf1 redirect=x.%{d}"] for number in range(50)})


def mail_hosts(terms: int, hosts: int) -> Zones:
    """Terms that ask for hosts of mail, each with an address."""
    zones = Zones()
    zones.spf("a.example", f"v=spf1 {' '.join(f'mx:m{term}.example' for term in range(terms))} -all")
    for term in range(terms):
        zones.add(f"m{term}.example", "MX", *[(host, f"h{host}.m{term}.example") for host in range(hosts)])
        for host in range(hosts):
            zones.add(f"h{host}.m{term}.example", "A", "198.51.100.1")
    return zones


def mail_hosts_without_address() -> Zones:
    """The same without addresses: all asked in vain."""
    zones = mail_hosts(10, 10)
    zones.records = {key: values for key, values in zones.records.items() if key[1] != "A"}
    return zones


def everything() -> Zones:
    """All that ten terms, the client's names and an explanation can ask for."""
    zones = mail_hosts(10, 10)
    zones.records["a.example", "TXT"][0] += b" exp=%{p}.b.example"
    zones.add(reverse_name(CLIENT), "PTR", *[f"h{number}.a.example" for number in range(30)])
    for number in range(30):
        zones.add(f"h{number}.a.example", "A", "198.51.100.1")
    zones.add("unknown.b.example", "TXT", b"%{p}")
    return zones


def client_names() -> Zones:
    """A client with thousands of names, of which one would lead back."""
    zones = Zones({("a.example", "TXT"): [b"v=spf1 ptr:b.example exists:%{p}.c.example -all"]})
    zones.add(reverse_name(CLIENT), "PTR", *[f"h{number}.b.example" for number in range(3000)])
    for number in range(3000):
        zones.add(f"h{number}.b.example", "A", CLIENT if number == 2999 else "198.51.100.1")
    zones.add("unknown.c.example", "A", "127.0.0.2")
    return zones


def nothing_there() -> Zones:
    """Names that aren't there."""
    return Zones({("a.example", "TXT"): [("v=spf1 " + " ".join(f"exists:{n}.%{{d}}" for n in range(50))).encode()]})


@pytest.mark.parametrize(
    ("make", "result", "questions"),
    [
        (loop, "permerror", 2),
        (fan, "permerror", 11),
        (redirects, "permerror", 11),
        (lambda: mail_hosts(1, 11), "permerror", 2),
        (lambda: mail_hosts(1, 3000), "permerror", 2),
        (lambda: mail_hosts(10, 10), "fail", 111),
        (lambda: mail_hosts(11, 10), "permerror", 111),
        (mail_hosts_without_address, "permerror", 25),
        (everything, "fail", MOST_QUESTIONS),
        (client_names, "pass", 13),
        (nothing_there, "permerror", 4),
    ],
)
def test_questions(make: Callable[[], Zones], result: str, questions: int) -> None:
    """What a zone makes us ask is counted, and there is an end to it."""
    zones = make()

    verdict = checked(zones, ip=CLIENT, sender="ann@a.example")

    assert verdict.result == result
    assert len(zones.asked) == questions <= MOST_QUESTIONS
    assert len(verdict.asked) == questions


def least_time(call: Callable[[], object]) -> float:
    """Return how long a call takes when nothing else happens, in seconds."""
    times = []
    for _ in range(5):
        begin = time.process_time()
        call()
        times.append(time.process_time() - begin)
    return min(times)


def large(record: str) -> Zones:
    """A record of 64 KB."""
    return Zones({("a.example", "TXT"): [f"v=spf1 {record * (65536 // len(record))}".encode()]})


@pytest.mark.parametrize(
    "record", ["ip4:192.0.2.7 ", "a ", "%{d}", "x=%{l1r-.} ", "/", "all", "exists:%{s}%{s}.example "]
)
def test_large_records(record: str) -> None:
    """A record of 64 KB isn't even read."""
    begin = time.process_time()

    verdict = checked(large(record), sender="ann@a.example")

    assert time.process_time() - begin < 0.04
    assert verdict.problem == f"the records have more than {MAX_TEXT} octets, {MAX_TERMS} terms or {MAX_MACROS} macros"


def test_records_add_up() -> None:
    """Ten large records are as bad as one that is ten times as large."""
    zones = Zones()
    for number in range(12):  # of 2,500 octets each
        terms = f"include:{number + 1}.example" + " ip4:198.51.100.7" * 150
        zones.spf(f"{number}.example", f"v=spf1 {terms}")

    verdict = checked(zones, sender="ann@0.example")

    assert verdict.result == "permerror"
    assert len(zones.asked) == 1 + MAX_TEXT // 2500


def test_most_addresses() -> None:
    """Hosts may have many addresses, but not any number; those of one host count once."""
    zones = Zones({("a.example", "TXT"): [b"v=spf1 a a a:b.example -all"]})
    zones.add("a.example", "A", *[f"198.51.{number // 256}.{number % 256}" for number in range(MAX_ADDRESSES)])
    assert checked(zones, sender="ann@a.example").result == "fail"

    zones.add("b.example", "A", CLIENT)

    assert checked(zones, sender="ann@a.example").problem == f"the hosts have more than {MAX_ADDRESSES} addresses"


@pytest.mark.parametrize(
    "record",
    [
        "ip4:192.0.2.7 " * (MAX_TERMS - 1),
        "ip6:2001:db8::7 " * 760,
        "x=" + "%{l1r-.}" * 100,
        "a:" + "%{h}" * 100 + " ?all",
        "exists:" + "%{s1r.-+,/_=}" * 100 + ".example",
        "mx -all",
    ],
)
def test_time(record: str) -> None:
    """The worst that fits in takes 3 ms where it was measured; this test is content with some more."""
    zones = Zones({("a.example", "TXT"): [f"v=spf1 {record}".encode()]})
    zones.add("a.example", "MX", *[(host, f"h{host}.a.example") for host in range(10)])
    for host in range(10):
        zones.add(f"h{host}.a.example", "A", *[f"198.{host}.{number // 256}.{number % 256}" for number in range(500)])

    assert least_time(lambda: checked(zones, sender=f"{'-'.join('abcdefghij' * 6)}@a.example", helo="")) < 0.02


TEXTS = st.text(max_size=80)
PIECES = st.sampled_from(
    (" ", "a", "mx", "ptr", "include:", "exists:", "redirect=", "exp=", ":", "%{s}", "%{p}", "a.example", "-all")
)


@given(st.lists(PIECES | TEXTS, max_size=12).map("".join), st.builds(Address, TEXTS, TEXTS), TEXTS, TEXTS)
def test_anything(record: str, sender: Address, helo: str, name: str) -> None:
    """Whatever records, senders, greetings and hosts' names are, there is a verdict, and only names are asked for."""
    zones = Zones({("a.example", "A"): [CLIENT], ("a.example", "MX"): [(0, name), (1, "a.example")]})
    zones.add("a.example", "TXT", b"v=spf1 " + record.encode(errors="replace"))
    zones.add("b.example", "TXT", f"v=spf1 exp=why.%{{d}} -{record}".encode(errors="replace"))
    zones.add("why.b.example", "TXT", record.encode(errors="replace"))
    zones.add(reverse_name(CLIENT), "PTR", name, "a.example")

    for domain in ("a.example", "b.example", sender.domain, helo):
        verdict = ran(check_host(CLIENT, domain, sender, helo, zones))
        assert (verdict.explanation + verdict.problem).isascii()

    assert len(zones.asked) <= 4 * MOST_QUESTIONS
    assert all(rdtype == "PTR" or can_be_asked(name) for rdtype, name in zones.asked)
