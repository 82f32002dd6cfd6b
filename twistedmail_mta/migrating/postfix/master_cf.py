"""master.cf: the services that Postfix runs (master(5))."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from twistedmail_mta.migrating.findings import Place
from twistedmail_mta.migrating.postfix.main_cf import words
from twistedmail_mta.migrating.texts import logical_lines

SERVERS: Final = ("smtpd", "postscreen")
"""Programs that take mail from the network."""
_COLUMNS: Final = 8
_PORTS: Final = {"smtp": 25, "smtps": 465, "submission": 587, "submissions": 465, "urd": 465}
"""Names of ports that /etc/services knows."""
_OVERRIDE: Final = re.compile(r"([A-Za-z0-9_]+)\s*=\s*(.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Service:
    """A line of master.cf.

    Attributes:
        name: its first column.
        kind: "inet", "unix", "fifo" or "pass".
        command: the program.
        arguments: behind the program.
        overrides: what its -o options set.
        place: where it stands.
    """

    name: str
    kind: str
    command: str
    arguments: tuple[str, ...]
    overrides: Mapping[str, str]
    place: Place

    @property
    def host(self) -> str:
        """The address it is bound to; empty: what `inet_interfaces` says."""
        if self.name.startswith("["):
            return self.name[1:].partition("]")[0]
        return self.name.rpartition(":")[0]

    @property
    def port(self) -> int | None:
        """The port; None when its name isn't known."""
        text = self.name.rpartition(":")[2]
        if text.isascii() and text.isdigit() and len(text) < 6:
            return int(text) if 0 < int(text) < 65536 else None
        return _PORTS.get(text)


def parse_master_cf(text: str, file: str) -> Iterator[Service | tuple[Place, str]]:
    """Yield the services, and the lines that are none."""
    for line in logical_lines(text, file):
        columns = line.text.split(None, _COLUMNS - 1)
        if len(columns) < _COLUMNS or columns[1] not in ("inet", "unix", "unix-dgram", "fifo", "pass"):
            yield line.place, line.text
            continue
        command, *arguments = words(columns[7].replace(",", "\0")) or [""]
        given = [argument.replace("\0", ",") for argument in arguments]
        yield Service(columns[0], columns[1], command, tuple(given), dict(_overrides(given)), line.place)


def _overrides(arguments: list[str]) -> Iterator[tuple[str, str]]:
    """Yield what -o options set: `-o name=value`, `-oname=value`, `-o { name = value }`."""
    for number, argument in enumerate(arguments):
        if argument == "-o":
            text = arguments[number + 1] if number + 1 < len(arguments) else ""
        elif argument.startswith("-o"):
            text = argument[2:]
        else:
            continue
        found = _OVERRIDE.fullmatch(text.strip("{} "))
        if found is not None:
            yield found[1], found[2].strip()
