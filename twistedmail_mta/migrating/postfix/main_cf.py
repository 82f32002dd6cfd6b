"""main.cf: its settings, and what their texts stand for (postconf(5))."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from twistedmail_mta.migrating.findings import Place
from twistedmail_mta.migrating.texts import logical_lines

_ASSIGNMENT: Final = re.compile(r"([^\s=]+)\s*=\s*(.*)", re.DOTALL)
_NAME: Final = re.compile(r"[A-Za-z0-9_]+")
_COMPARISON: Final = re.compile(
    r"\s*\{(?P<left>.*?)\}\s*(?P<sign>==|!=|<=|>=|<|>)\s*\{(?P<right>.*?)\}\s*\?(?P<rest>.*)", re.DOTALL
)
_END: Final = re.compile(r"[,\s{]")
_CLOSING: Final = {"{": "}", "(": ")"}
_DEEPEST: Final = 20
_LONGEST: Final = 1 << 20
"""Letters that a value may become."""
_MOST_STEPS: Final = 10_000
"""References that are followed for one value."""

DEFAULTS: Final[Mapping[str, str]] = {
    "alias_maps": "hash:/etc/aliases",
    "bounce_queue_lifetime": "5d",
    "inet_interfaces": "all",
    "inet_protocols": "all",
    "mail_spool_directory": "/var/mail",
    "masquerade_classes": "envelope_sender, header_sender, header_recipient",
    "maximal_backoff_time": "4000s",
    "maximal_queue_lifetime": "5d",
    "message_size_limit": "10240000",
    "minimal_backoff_time": "300s",
    "mydestination": "$myhostname, localhost.$mydomain, localhost",
    "myorigin": "$myhostname",
    "queue_directory": "/var/spool/postfix",
    "relay_domains": "${{$compatibility_level} < {2} ? {$mydestination} : {}}",
    "compatibility_level": "0",
    "virtual_alias_domains": "$virtual_alias_maps",
    "virtual_alias_maps": "$virtual_maps",
    "virtual_mailbox_domains": "$virtual_mailbox_maps",
    "virtual_transport": "virtual",
}
"""What Postfix takes where main.cf doesn't say, as far as it matters here (Postfix 3.7, Debian)."""


@dataclass(frozen=True, slots=True)
class Setting:
    """A setting as it is written.

    Attributes:
        name: of it.
        raw: its text, not expanded.
        place: where it stands.
    """

    name: str
    raw: str
    place: Place


@dataclass(frozen=True, slots=True)
class MainCf:
    """main.cf.

    Attributes:
        settings: by name; of several the last one counts, as for Postfix.
        odd: lines that are no settings.
        hostname: what `myhostname` is where it isn't set.
    """

    settings: Mapping[str, Setting]
    odd: tuple[tuple[Place, str], ...] = ()
    hostname: str = "localhost.localdomain"
    overrides: Mapping[str, str] = field(default_factory=dict)

    def given(self, name: str) -> Setting | None:
        """Return a setting that is there and says something."""
        found = self.settings.get(name)
        return found if found is not None and found.raw.strip() else None

    def place(self, name: str) -> Place | None:
        """Return where a setting stands."""
        found = self.settings.get(name)
        return None if found is None else found.place

    def value(self, name: str) -> str:
        """Return what a setting stands for, all references followed.

        Raises:
            ValueError: it refers to itself, or becomes too long.
        """
        return _Expansion(self).of(self._raw(name), 0).strip()

    def expanded(self, text: str) -> str:
        """Return what a text stands for; raises as `value`."""
        return _Expansion(self).of(text, 0).strip()

    def is_on(self, name: str) -> bool:
        """Return whether a setting says yes; one that can't be understood doesn't."""
        try:
            return self.value(name).lower() == "yes"
        except ValueError:
            return False

    def with_overrides(self, overrides: Mapping[str, str]) -> MainCf:
        """Return what a service of master.cf sees."""
        return MainCf(self.settings, self.odd, self.hostname, {**self.overrides, **overrides})

    def _raw(self, name: str) -> str:
        if name in self.overrides:
            return self.overrides[name]
        if name in self.settings:
            return self.settings[name].raw
        if name == "myhostname":
            return self.hostname
        if name == "mydomain":
            host = self._raw("myhostname")
            return (
                host.partition(".")[2]
                if host.count(".") > 1 or "$" in host
                else host.partition(".")[2] or "localdomain"
            )
        return DEFAULTS.get(name, "")


def parse_main_cf(text: str, file: str, hostname: str) -> MainCf:
    """Read main.cf.

    Args:
        text: of it.
        file: what it is called.
        hostname: of this host in full, where the file doesn't say.
    """
    settings: dict[str, Setting] = {}
    odd: list[tuple[Place, str]] = []
    for line in logical_lines(text, file):
        found = _ASSIGNMENT.fullmatch(line.text)
        if found is None:
            odd.append((line.place, line.text))
        else:
            settings[found[1]] = Setting(found[1], found[2].strip(), line.place)
    return MainCf(settings, tuple(odd), hostname)


class _Expansion:
    """Follows the references of one value, so many and no more."""

    def __init__(self, config: MainCf) -> None:
        self._config = config
        self._steps = 0

    def of(self, text: str, depth: int) -> str:
        """Return a text with its references followed.

        Raises:
            ValueError: there is no end to them.
        """
        if depth > _DEEPEST:
            raise ValueError("it refers to itself")
        parts: list[str] = []
        length = at = 0
        while at < len(text):
            dollar = text.find("$", at)
            if dollar < 0 or dollar == len(text) - 1:
                piece, at = text[at:], len(text)
            elif dollar > at:
                piece, at = text[at:dollar], dollar
            else:
                piece, at = self._reference(text, dollar + 1, depth)
            length += len(piece)
            if length > _LONGEST:
                raise ValueError("it becomes too long")
            parts.append(piece)
        return "".join(parts)

    def _reference(self, text: str, at: int, depth: int) -> tuple[str, int]:
        """Return what stands behind a dollar, and where it ends."""
        self._steps += 1
        if self._steps > _MOST_STEPS:
            raise ValueError("it refers to too much")
        if text[at] == "$":
            return "$", at + 1
        if text[at] in _CLOSING:
            inner, end = _bracketed(text, at)
            return self._braced(inner, depth), end
        found = _NAME.match(text, at)
        if found is None:
            return "$", at
        return self.of(self._config._raw(found[0]), depth + 1), found.end()  # noqa: SLF001 - the other half of it

    def _braced(self, inner: str, depth: int) -> str:
        """Return what `${...}` stands for: a value, or one of two texts."""
        compared = _COMPARISON.fullmatch(inner) if inner.lstrip().startswith("{") else None
        if compared is not None:
            left, right = self.of(compared["left"], depth + 1), self.of(compared["right"], depth + 1)
            holds = _compare(left.strip(), compared["sign"], right.strip())
            return self._choice(compared["rest"], holds, depth)
        found = _NAME.match(inner.strip())
        if found is None:
            raise ValueError(f"${{{inner}}} can't be understood")
        value = self.of(self._config._raw(found[0]), depth + 1)  # noqa: SLF001 - see above
        rest = inner.strip()[found.end() :].lstrip()
        if not rest:
            return value
        if rest[0] == "?":
            return self._choice(rest[1:], bool(value), depth)
        if rest[0] == ":":
            return value or self.of(_unbraced(rest[1:])[0], depth + 1)
        raise ValueError(f"${{{inner}}} can't be understood")

    def _choice(self, text: str, holds: bool, depth: int) -> str:
        """Return one of `{yes}:{no}`; without braces all is what holds if it does."""
        yes, rest = _unbraced(text)
        if holds:
            return self.of(yes, depth + 1)
        rest = rest.lstrip()
        return self.of(_unbraced(rest[1:])[0], depth + 1) if rest.startswith(":") else ""


def _bracketed(text: str, at: int) -> tuple[str, int]:
    """Return what stands between the bracket at a place and the one that closes it, and where that ends."""
    opening, closing, depth = text[at], _CLOSING[text[at]], 0
    for place in range(at, len(text)):
        if text[place] == opening:
            depth += 1
        elif text[place] == closing:
            depth -= 1
            if not depth:
                return text[at + 1 : place], place + 1
    raise ValueError(f"{text[at:]!r} isn't closed")


def _unbraced(text: str) -> tuple[str, str]:
    """Return a text without its braces, and what follows them."""
    bare = text.lstrip()
    if not bare.startswith("{"):
        return text, ""
    inner, end = _bracketed(bare, 0)
    return inner.strip(), bare[end:]


def _compare(left: str, sign: str, right: str) -> bool:
    """Compare as Postfix does: numbers as numbers, versions part by part, all else as texts."""
    first, second = _ordered(left), _ordered(right)
    if first is None or second is None:
        first, second = [left], [right]  # type: ignore[list-item] # both are texts then
    if sign in ("==", "!="):
        return (first == second) == (sign == "==")
    return {"<": first < second, "<=": first <= second, ">": first > second, ">=": first >= second}[sign]


def _ordered(text: str) -> list[int] | None:
    parts = text.split(".")
    if not all(part.isascii() and part.isdigit() and len(part) < 10 for part in parts):
        return None
    return [int(part) for part in parts] + [0] * (3 - len(parts))


def words(text: str) -> list[str]:
    """Return the words of a list: commas and white space part them, braces hold them together."""
    found: list[str] = []
    at = 0
    while at < len(text):
        if text[at] == "," or text[at].isspace():
            at += 1
        elif text[at] == "{":
            try:
                inner, at = _bracketed(text, at)
            except ValueError:
                inner, at = text[at + 1 :], len(text)
            found.append(f"{{{inner}}}")
        else:
            end = _END.search(text, at + 1)
            stop = end.start() if end else len(text)
            found.append(text[at:stop])
            at = stop
    return found


def seconds(text: str, unit: str = "s") -> int | None:
    """Return the seconds of a time such as "5d"; None when it is none.

    Args:
        text: a number, with s, m, h, d or w.
        unit: where there is none.
    """
    found = re.fullmatch(r"(\d{1,9})([smhdw]?)", text.strip(), re.ASCII)
    if found is None:
        return None
    return int(found[1]) * {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}[found[2] or unit]
