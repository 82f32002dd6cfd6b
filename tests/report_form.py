"""The form of aggregate reports as RFC 9990 appendix A has it, written down apart from what writes them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from xml.etree import ElementTree as ET

NAMESPACE = "{urn:ietf:params:xml:ns:dmarc-2.0}"
MANY = 10**9


@dataclass(frozen=True)
class Child:
    """An element below another: how often it may stand there."""

    name: str
    least: int = 1
    most: int = 1


def _maybe(*names: str) -> tuple[Child, ...]:
    return tuple(Child(name, 0) for name in names)


def _once(*names: str) -> tuple[Child, ...]:
    return tuple(Child(name) for name in names)


CHILDREN: Mapping[str, tuple[Child, ...]] = {
    "feedback": (*_maybe("version"), *_once("report_metadata", "policy_published"), Child("record", 1, MANY)),
    "report_metadata": (
        *_once("org_name", "email"),
        *_maybe("extra_contact_info"),
        *_once("report_id", "date_range"),
        *_maybe("error", "generator"),
    ),
    "date_range": _once("begin", "end"),
    "policy_published": (
        *_once("domain"),
        *_maybe("discovery_method"),
        *_once("p"),
        *_maybe("sp", "np", "fo", "adkim", "aspf", "testing"),
    ),
    "record": _once("row", "identifiers", "auth_results"),
    "row": _once("source_ip", "count", "policy_evaluated"),
    "policy_evaluated": (*_once("disposition"), *_once("dkim", "spf"), Child("reason", 0, MANY)),
    "reason": (*_once("type"), *_maybe("comment")),
    "identifiers": (*_once("header_from"), *_maybe("envelope_from", "envelope_to")),
    "auth_results": (Child("dkim", 0, 100), Child("spf", 0, 1)),
    "auth_results/dkim": (*_once("domain", "selector", "result"), *_maybe("human_result")),
    "auth_results/spf": (*_once("domain"), *_maybe("scope"), *_once("result"), *_maybe("human_result")),
}
"""What stands below each element, in the order of the tables of RFC 9990 section 3.1.1."""

_POLICIES = ("none", "quarantine", "reject")
VALUES: Mapping[str, tuple[str, ...]] = {
    "version": ("1.0",),
    "discovery_method": ("psl", "treewalk"),
    "p": _POLICIES,
    "sp": _POLICIES,
    "np": _POLICIES,
    "adkim": ("r", "s"),
    "aspf": ("r", "s"),
    "testing": ("n", "y"),
    "disposition": ("none", "pass", "quarantine", "reject"),
    "policy_evaluated/dkim": ("pass", "fail"),
    "policy_evaluated/spf": ("pass", "fail"),
    "type": ("local_policy", "mailing_list", "other", "policy_test_mode", "trusted_forwarder"),
    "dkim/result": ("none", "pass", "fail", "policy", "neutral", "temperror", "permerror"),
    "spf/result": ("none", "pass", "fail", "softfail", "policy", "neutral", "temperror", "permerror"),
    "scope": ("mfrom",),
}
"""What elements may say."""
NUMBERS = ("begin", "end", "count")


def flaws(xml: bytes) -> list[str]:
    """Return how a report differs from the form; nothing if it doesn't."""
    root = ET.fromstring(xml)
    if root.tag != f"{NAMESPACE}feedback":
        return [f"the root is {root.tag}"]
    return list(_flaws(root, "feedback", ""))


def _flaws(element: ET.Element, name: str, above: str) -> Iterator[str]:
    path = f"{above}/{name}"
    children = CHILDREN.get(path, CHILDREN.get(name) if path not in VALUES else None)
    if children is None:
        yield from _wrong_text(element, name, path)
        return
    names = [child.tag.removeprefix(NAMESPACE) for child in element]
    order = [child.name for child in children]
    yield from (f"{path}: no place for {each}" for each in names if each not in order)
    if [each for each in order for _ in range(names.count(each))] != names:
        yield f"{path}: another order: {names}"
    for child in children:
        if not child.least <= names.count(child.name) <= child.most:
            yield f"{path}: {names.count(child.name)} of {child.name}"
    for each, child_name in zip(element, names, strict=True):
        yield from _flaws(each, child_name, name)


def _wrong_text(element: ET.Element, name: str, path: str) -> Iterator[str]:
    text = element.text or ""
    allowed = VALUES.get(path, VALUES.get(name))
    if len(element):
        yield f"{path}: has elements below it"
    if allowed is not None and text not in allowed:
        yield f"{path}: says {text!r}"
    if name in NUMBERS and not text.isdigit():
        yield f"{path}: {text!r} is no number"
