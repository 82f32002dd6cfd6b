"""The policy of a domain (RFC 8461 section 3.2), and which MX hosts it names (section 4.1)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Literal, cast

MAX_AGE: Final = 31_557_600
"""Seconds: the longest that a policy is kept (RFC 8461 section 3.2)."""
MAX_SIZE: Final = 65_536
"""Octets: a larger one isn't read (RFC 8461 section 3.3)."""
MAX_PATTERNS: Final = 256

Mode = Literal["enforce", "testing", "none"]

_MODES: Final = ("enforce", "testing", "none")
_FIELD: Final = re.compile(r"([A-Za-z0-9][A-Za-z0-9_.-]{0,31})[ \t]*:[ \t]*(.*?)[ \t]*")
_LABEL: Final = r"(?:[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9])?)"
_PATTERN: Final = re.compile(rf"(?:\*\.)?{_LABEL}(?:\.{_LABEL})*")
PATH: Final = "/.well-known/mta-sts.txt"
"""Where it is on the host that `policy_host` names (RFC 8461 section 3.2)."""
MEDIA_TYPE: Final = "text/plain"

_SECONDS: Final = re.compile(r"[0-9]{1,10}")


@dataclass(frozen=True, slots=True)
class Policy:
    """What a domain says of its MX hosts.

    Attributes:
        mode: whether other hosts are refused, only told of, or nothing is said.
        max_age: how long it may be kept, in seconds.
        patterns: the hosts, in lower case; `*.` stands for one label.
    """

    mode: Mode
    max_age: int
    patterns: tuple[str, ...] = ()

    @property
    def lines(self) -> tuple[str, ...]:
        """Return it in lines, as it may have been written."""
        return ("version: STSv1", f"mode: {self.mode}", *(f"mx: {each}" for each in self.patterns),
                f"max_age: {self.max_age}")  # fmt: skip

    def names(self, host: str) -> bool:
        """Return whether a host, in lower case, is one of the domain's."""
        _, _, below = host.partition(".")
        return host in self.patterns or (bool(below) and f"*.{below}" in self.patterns)


def policy_host(domain: str) -> str:
    """Return the host that has the policy of a domain (RFC 8461 section 3.2)."""
    return f"mta-sts.{domain}"


def policy_text(policy: Policy) -> bytes:
    """Return a policy as it is handed out (RFC 8461 section 3.2)."""
    fields = ["version: STSv1", f"mode: {policy.mode}", *(f"mx: {pattern}" for pattern in policy.patterns)]
    return "".join(f"{field}\r\n" for field in (*fields, f"max_age: {policy.max_age}")).encode("ascii")


def parse_policy(octets: bytes) -> Policy:
    """Read a policy; fields that aren't known are ignored, and so are all but the first of a name.

    Raises:
        ValueError: it is none, and why.
    """
    fields, patterns = _fields(octets)
    if fields.get("version") != "STSv1":
        raise ValueError("its version isn't STSv1")
    mode = fields.get("mode")
    if mode not in _MODES:
        raise ValueError("its mode is none of enforce, testing and none")
    seconds = fields.get("max_age", "")
    if not _SECONDS.fullmatch(seconds):
        raise ValueError("its max_age is no number of seconds")
    if not patterns and mode != "none":
        raise ValueError("it names no MX host")
    return Policy(cast(Mode, mode), min(int(seconds), MAX_AGE), patterns)


def _fields(octets: bytes) -> tuple[dict[str, str], tuple[str, ...]]:
    """Return the fields, and apart from them the names of hosts, the only ones that may stand there often."""
    fields: dict[str, str] = {}
    patterns: dict[str, None] = {}
    for line in octets.decode("utf-8", "replace").replace("\r\n", "\n").split("\n"):
        field = _FIELD.fullmatch(line)
        if field is None:
            if line.strip(" \t"):
                raise ValueError("a line of it is no field")
            continue
        name, value = field[1], field[2]
        if name != "mx":
            fields.setdefault(name, value)
        elif not _PATTERN.fullmatch(value):
            raise ValueError("one of its MX hosts can't be one")
        else:
            patterns[value.lower()] = None
    if len(patterns) > MAX_PATTERNS:
        raise ValueError("it names too many MX hosts")
    return fields, tuple(patterns)
