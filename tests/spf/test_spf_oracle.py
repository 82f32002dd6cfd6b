"""What we find, held against what pyspf finds, which nobody here wrote."""

from __future__ import annotations

import socket
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from spf_generated import Chance
from spf_zones import FAILS, Zones, checked

spf: Any = pytest.importorskip("spf", minversion="2.0.14", reason="pyspf isn't installed (extra `test`)")
"""Without it this folder answers to the name, with no version."""

HELO, RECEIVER = "client.example", "receiver.example"
NOW = 1234567890
NO_MACRO = "is no macro, and no character of a term"


@contextmanager
def asking(zones: Zones, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let pyspf find its answers in these zones."""

    def answers(name: str, rdtype: str, *_: Any) -> Iterator[Any]:
        for value in zones.records.get((name.lower().rstrip("."), rdtype), []):
            if value is FAILS:
                raise spf.TempError("no answer")
            yield (
                (name, rdtype),
                socket.inet_pton(socket.AF_INET6, value) if rdtype == "AAAA" else in_form(rdtype, value),
            )

    with monkeypatch.context() as patch:
        patch.setattr(spf, "DNSLookup", answers)
        yield


def in_form(rdtype: str, value: Any) -> Any:
    return (value,) if rdtype == "TXT" else value


def theirs(zones: Zones, ip: str, sender: str, monkeypatch: pytest.MonkeyPatch) -> tuple[str, str]:
    """Return pyspf's result, and the explanation of a failure."""
    with asking(zones, monkeypatch):
        query = spf.query(i=ip, s=sender, h=HELO, strict=True, receiver=RECEIVER)
        query.t = str(NOW)
        query.set_default_explanation("")
        result, _, explanation = query.check()
    return result, explanation if result == "fail" else ""


@pytest.mark.parametrize("seed", range(5))
def test_generated(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """1,000 zones a seed; we differ only where pyspf takes a macro or character that the grammar doesn't have."""
    chance, results = Chance(seed), Counter[str]()

    for _ in range(1000):
        made = chance.make()
        verdict = checked(made.zones, made.ip, made.sender, HELO, receiver=RECEIVER, now=NOW)
        results[verdict.result] += 1
        if NO_MACRO not in verdict.problem:
            found = (verdict.result, verdict.explanation)
            assert found == theirs(made.zones, made.ip, made.sender, monkeypatch), made.zones.records

    assert results.keys() == {"pass", "fail", "softfail", "neutral", "permerror", "temperror"}
    assert min(results[result] for result in ("pass", "fail", "softfail", "neutral", "permerror")) > 20


def zones(**records: str) -> Zones:
    """Return zones with records, and hosts that they may name."""
    made = Zones()
    for name, record in records.items():
        made.spf(f"{name}.example", record)
    for number in range(3):
        made.add(f"h{number}.example", "AAAA", "2001:db8::7")
        made.add("mail.example", "MX", (number, f"h{number}.example"))
    made.add("broken.example", "A", FAILS)
    made.add("1.2.0.192.in-addr.arpa", "PTR", FAILS)
    return made


@pytest.mark.parametrize(
    ("record", "ours", "other", "why"),
    [
        ("mx:mail.example ip4:192.0.2.1", "pass", "permerror", "terms are limited that find nothing, not questions"),
        ("ip4:192.0.2.1 include:a.example", "pass", "permerror", "what would lead in a circle isn't reached"),
        ("ip4:192.0.2.2 EXP=b.example exp=c.example", "permerror", "neutral", "names of modifiers have no case"),
        ("x=1 x=2 ip4:192.0.2.1", "pass", "permerror", "only redirect and exp stand there once"),
        ("exists:%{d0}.example", "permerror", "neutral", "no macro keeps no part"),
        ("exists:%{d;}.example", "permerror", "neutral", "seven characters delimit"),
        ("exists:%{d.example", "permerror", "neutral", "a macro has an end"),
        ("exists:%{ir2}.example", "permerror", "neutral", "the number comes first"),
        ("ptr ?all", "neutral", "temperror", "a client's names that can't be had match nothing"),
        ("exists:x%%", "neutral", "permerror", "a macro may end a name, this one, too"),
    ],
)
def test_known_differences(record: str, ours: str, other: str, why: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where we read RFC 7208 in another way than pyspf does, and why."""
    made = zones(a=f"v=spf1 {record}", b="v=spf1 -all", c="v=spf1 -all")

    assert checked(made, sender="ann@a.example").result == ours, why
    assert theirs(made, "192.0.2.1", "ann@a.example", monkeypatch)[0] == other
