"""Zones as a lookup that answers at once, and counts what it is asked."""

from __future__ import annotations

from collections.abc import Coroutine, Iterable, Mapping
from typing import Any, Literal, TypeVar

from twistedmail_mta.errors import TemporaryError
from twistedmail_mta.model import Address, Answer, MXRecord, Reply
from twistedmail_mta.networks import reverse_name
from twistedmail_mta.spf.check import Verdict, check_host

T = TypeVar("T")

SILENT = Reply(451, "4.4.3", "No answer")
FAILS = object()
"""A record that stands for no answer."""
MAX_ALIASES = 8


class Zones:
    """Names with records: texts, addresses, (preference, host), names; FAILS among them makes that question fail.

    A CNAME is followed.  Every question stands in `asked`.
    """

    def __init__(self, records: Mapping[tuple[str, str], Iterable[Any]] = {}) -> None:
        self.records: dict[tuple[str, str], list[Any]] = {}
        self.asked: list[tuple[str, str]] = []
        for (name, rdtype), values in records.items():
            self.add(name, rdtype, *values)

    def add(self, name: str, rdtype: str, *values: Any) -> None:
        self.records.setdefault((name.lower(), rdtype), []).extend(values)

    def spf(self, name: str, text: str) -> None:
        self.add(name, "TXT", text.encode())

    async def mx(self, domain: str) -> Answer[MXRecord]:
        return self._answer("MX", domain, lambda value: MXRecord(*value))

    async def addresses(self, host: str, family: str) -> Answer[str]:
        return self._answer(family, host, str)

    async def host_names(self, address: str) -> Answer[str]:
        return self._answer("PTR", reverse_name(address), str)

    async def texts(self, name: str) -> Answer[bytes]:
        return self._answer("TXT", name, bytes)

    def _answer(self, rdtype: str, name: str, read: Any) -> Answer[Any]:
        self.asked.append((rdtype, name))
        values = self._found(rdtype, name.lower())
        if FAILS in values:
            raise TemporaryError(SILENT)
        return Answer(tuple(map(read, values)), self._status(name.lower(), values), authentic=False)

    def _found(self, rdtype: str, name: str) -> list[Any]:
        for _ in range(MAX_ALIASES):
            alias = self.records.get((name, "CNAME"))
            if not alias:
                return self.records.get((name, rdtype), [])
            name = alias[0].lower().removesuffix(".")
        return [FAILS]

    def _status(self, name: str, values: list[Any]) -> Literal["found", "empty", "missing"]:
        if values:
            return "found"
        return "empty" if any(known == name for known, _ in self.records) else "missing"


def ran(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine that never has to wait."""
    try:
        coroutine.send(None)
    except StopIteration as end:
        return end.value
    raise AssertionError("it waits")


def checked(
    zones: Zones, ip: str = "192.0.2.1", sender: str = "ann@example.org", helo: str = "client.test", **more: Any
) -> Verdict:
    """Check a sender's domain."""
    local, _, domain = sender.rpartition("@")
    return ran(check_host(ip, domain, Address(local, domain), helo, zones, **more))
