"""The public test suite of RFC 7208 (openspf.org, release 2014.04), as JSON beside this file, with its licence."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from spf_zones import FAILS, Zones, ran

from twistedmail_mta.model import NULL_PATH, Address
from twistedmail_mta.spf.identity import Visit, check_sender

SUITE = json.loads(Path(__file__).with_name("rfc7208-tests.json").read_text())["scenarios"]
TYPES = ("A", "AAAA", "MX", "PTR", "TXT", "SPF", "CNAME")


def cases() -> Iterator[Any]:
    for scenario in SUITE:
        for name, case in scenario["tests"].items():
            yield pytest.param(scenario["zonedata"], case, id=name)


def zones_of(zonedata: dict[str, list[Any]]) -> Zones:
    """Return the zones of a scenario; SPF records are TXT records where there are no such."""
    zones = Zones()
    for name, records in zonedata.items():
        for record in told(records):
            for rdtype, value in record.items():
                if (rdtype, value) != ("TXT", "NONE"):
                    zones.add(name, rdtype, value_of(rdtype, value))
        if "TIMEOUT" in records:
            for rdtype in TYPES:
                if (name.lower(), rdtype) not in zones.records:
                    zones.add(name, rdtype, FAILS)
            zones.records.pop((name.lower(), "CNAME"))
    return zones


def told(records: list[Any]) -> list[dict[str, Any]]:
    """Return the records of a name, SPF as TXT."""
    named = [record for record in records if record != "TIMEOUT"]
    has_text = any("TXT" in record for record in named)
    as_text = [{"TXT": record["SPF"]} for record in named if "SPF" in record and not has_text]
    return [record for record in named if "SPF" not in record] + as_text


def value_of(rdtype: str, value: Any) -> Any:
    if rdtype == "TXT":
        return "".join(value).encode()
    if rdtype == "PTR":
        return value.removesuffix(".")
    return value


@pytest.mark.parametrize(("zonedata", "case"), list(cases()))
def test_suite(zonedata: dict[str, list[Any]], case: dict[str, Any]) -> None:
    """Each case of the suite: one of the results it allows, and its explanation."""
    local, _, domain = case["mailfrom"].rpartition("@")
    sender = Address(local, domain) if domain else NULL_PATH
    visit = Visit(case["host"], case["helo"], "receiver.example")

    verdict = ran(check_sender(visit, sender, zones_of(zonedata))).verdict

    allowed = case["result"] if isinstance(case["result"], list) else [case["result"]]
    assert verdict.result in allowed
    if "explanation" in case:
        assert (verdict.explanation or "DEFAULT") == case["explanation"]


def test_all_of_it() -> None:
    """No case is lost on the way from the file."""
    assert len(list(cases())) == 203
