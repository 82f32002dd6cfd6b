"""Holds an answer against what was expected of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, Final

from twistedmail_mta.explain.situations import Expectations

Object = Mapping[str, Any]

_LEADS_ON: Final = frozenset({"alias", "catch-all", "role"})


@dataclass(frozen=True, slots=True)
class Difference:
    """An expectation that isn't met.

    Attributes:
        key: which.
        expected: what was to be.
        found: what is.
    """

    key: str
    expected: str
    found: str


def differences(expected: Expectations, answer: Object) -> list[Difference]:
    """Return what of an answer isn't as expected, in the order of the keys."""
    found = []
    for key in Expectations.model_fields:
        wanted = getattr(expected, key)
        if key in expected.model_fields_set and (difference := _difference(key, wanted, answer)) is not None:
            found.append(difference)
    return found


def _difference(key: str, wanted: Any, answer: Object) -> Difference | None:  # noqa: ANN401 - of the key's kind
    if isinstance(wanted, tuple):
        actual = sorted(set(_SETS[key](answer)))
        return None if sorted(set(wanted)) == actual else Difference(key, _listed(wanted), _listed(actual))
    if key == "accepted":
        actual_bool = bool(answer["accepted"])
        return None if wanted == actual_bool else Difference(key, _said(wanted), _said(actual_bool))
    if key == "reply":
        reply = answer["reply"]
        begins = reply == wanted or reply.startswith(wanted.rstrip() + " ")
        return None if begins else Difference(key, wanted, reply or "the connection is closed")
    texts = list(dict.fromkeys(_TEXTS[key](answer)))
    fits = bool(texts) and all(fnmatchcase(text, wanted) if key == "sender" else text == wanted for text in texts)
    return None if fits else Difference(key, wanted, _listed(texts))


def _said(value: bool) -> str:
    return "true" if value else "false"


def _listed(texts: Iterable[str]) -> str:
    return ", ".join(sorted(set(texts))) or "none"


def _refused_by(answer: Object) -> Iterator[str]:
    for turn in answer["session"]["turns"]:
        if not turn["accepts"]:
            yield from (each["plugin"] for each in turn["plugins"] if each["answer"][:1] in {"4", "5"})
            return


def _aliases(answer: Object) -> Iterator[str]:
    for recipient in answer["recipients"]:
        yield from (step["address"] for step in recipient.get("steps", ()) if step["is"] in _LEADS_ON)


def _mailboxes(answer: Object) -> Iterator[str]:
    message = answer["message"]
    if message is not None:
        found = message["delivered"]
    else:
        found = [each for recipient in answer["recipients"] for each in recipient.get("mailboxes", ())]
    for each in found:
        yield each["address"] if each["mailbox"] == "INBOX" else f"{each['address']}/{each['mailbox']}"


def _forwards(answer: Object) -> Iterator[str]:
    for recipient in answer["recipients"]:
        yield from recipient.get("forwards", ())


def _of_ways(key: str) -> Callable[[Object], Iterator[str]]:
    def texts(answer: Object) -> Iterator[str]:
        yield from (way[key] for way in answer["ways"] if key in way)

    return texts


def _rules(answer: Object) -> Iterator[str]:
    for way in answer["ways"]:
        if "key" in way:
            yield way["key"] or "mx"


def _hosts(answer: Object) -> Iterator[str]:
    for way in answer["ways"]:
        yield from (each["host"] for each in way.get("hosts", ()))


def _signed_by(answer: Object) -> Iterator[str]:
    if answer["message"] is not None:
        yield from (each["domain"] for each in answer["message"]["signed_by"])


def _tags(answer: Object) -> Iterator[str]:
    if answer["message"] is not None:
        yield from (f"{name}={value}" for name, value in answer["message"]["tags"].items())


_SETS: Final[Mapping[str, Callable[[Object], Iterable[str]]]] = {
    "aliases": _aliases,
    "mailbox": _mailboxes,
    "forwards": _forwards,
    "route": _of_ways("route"),
    "rule": _rules,
    "lane": _of_ways("lane"),
    "host": _hosts,
    "signed_by": _signed_by,
    "tags": _tags,
}
_TEXTS: Final[Mapping[str, Callable[[Object], Iterable[str]]]] = {
    "refused_by": _refused_by,
    "outcome": _of_ways("outcome"),
    "tls": _of_ways("tls_level"),
    "sender": _of_ways("sender"),
}
