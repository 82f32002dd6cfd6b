"""What a domain publishes at `_dmarc` (RFC 9989 section 4.7): a record as a value, wrong tags left out."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, cast

Policy = Literal["none", "quarantine", "reject"]
"""What the owner of a domain wants done with mail that fails."""
Mode = Literal["r", "s"]
"""How identifiers have to be aligned: relaxed or strict."""
Tag = Literal["p", "sp", "np"]
"""The tag that a policy was taken from."""

MOST_TAGS: Final = 100
"""Tags that are looked at."""
MOST_URIS: Final = 20
"""Addresses for reports that are looked at."""
MOST_OCTETS: Final = 16384
"""Of a record; a longer one is none."""

_RECORD: Final = re.compile(rb"[vV][ \t]*+=[ \t]*+DMARC1[ \t]*+(?:;|\Z)")
_TAG: Final = re.compile(r"[ \t]*+([A-Za-z]++)[ \t]*+=([\x20-\x3a\x3c-\x7e\t]++)")
_URI: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*+:[^\s,!;\"<>\\^`{|}]++)(?:![0-9]++[kmgtKMGT]?)?")
_POLICIES: Final = ("none", "quarantine", "reject")
_LOWERED: Final[Mapping[Policy, Policy]] = {"none": "none", "quarantine": "none", "reject": "quarantine"}


@dataclass(frozen=True, slots=True)
class Record:
    """A record, as far as it counts.

    Attributes:
        policy: for the domain itself (p=).
        subdomains: for those below it (sp=); None where it isn't said.
        missing: for those below it that don't exist (np=); None where it isn't said.
        psd: "y": a public suffix; "n": the organizational domain; "u": neither is said.
        testing: each policy is to be applied one level below (t=y).
        dkim: the alignment that signatures need (adkim=).
        spf: the alignment that SPF needs (aspf=).
        aggregate: where aggregate reports are wanted (rua=).
        failures: where failure reports are wanted (ruf=).
        failure_options: which of these (fo=): of "0", "1", "d" and "s".
        broken: what makes DMARC not apply at all (RFC 9989 section 4.10.1); empty if it does.
    """

    policy: Policy = "none"
    subdomains: Policy | None = None
    missing: Policy | None = None
    psd: Literal["y", "n", "u"] = "u"
    testing: bool = False
    dkim: Mode = "r"
    spf: Mode = "r"
    aggregate: tuple[str, ...] = ()
    failures: tuple[str, ...] = ()
    failure_options: frozenset[str] = frozenset("0")
    broken: str = ""

    def policy_by(self, tag: Tag) -> tuple[Policy, Tag]:
        """Return the policy for a domain itself ("p"), one below it ("sp") or one that doesn't exist ("np").

        Returns:
            The policy, and the tag that it is taken from: what isn't said is that of the tag before.
        """
        if tag == "np" and self.missing is not None:
            return self.missing, "np"
        if tag != "p" and self.subdomains is not None:
            return self.subdomains, "sp"
        return self.policy, "p"


def lowered(policy: Policy) -> Policy:
    """Return the policy one level below, as it is applied while a domain tests its own (RFC 9989 section 4.7, t=)."""
    return _LOWERED[policy]


def is_record(text: bytes) -> bool:
    """Return whether a TXT record is one of DMARC: the version is its first tag, in capital letters."""
    return len(text) <= MOST_OCTETS and _RECORD.match(text) is not None


def parse_record(text: bytes) -> Record:
    """Read a record, see `is_record`.

    Unknown tags and values that are none are passed over, as are tags of older
    versions; of a tag that stands there twice the first counts.  A record
    without p= is one of p=none.  One whose p=, sp= or np= is wrong is so only if it wants
    aggregate reports; else it doesn't apply (RFC 9989 section 4.10.1).
    """
    tags = _tags(text)
    policies = {name: tags[name].lower() for name in ("p", "sp", "np") if name in tags}
    wrong = [name for name, value in policies.items() if value not in _POLICIES]
    aggregate, failures = _uris(tags.get("rua", "")), _uris(tags.get("ruf", ""))
    if wrong:
        policies = {}
    return Record(
        policy=cast(Policy, policies.get("p", "none")),
        subdomains=cast(Policy | None, policies.get("sp")),
        missing=cast(Policy | None, policies.get("np")),
        psd=cast(Literal["y", "n", "u"], _one_of("ynu", tags.get("psd"), "u")),
        testing=_one_of("yn", tags.get("t"), "n") == "y",
        dkim=cast(Mode, _one_of("rs", tags.get("adkim"), "r")),
        spf=cast(Mode, _one_of("rs", tags.get("aspf"), "r")),
        aggregate=aggregate,
        failures=failures,
        failure_options=_failure_options(tags.get("fo", "0")),
        broken=f"{wrong[0]}= of the record is no policy" if wrong and not aggregate else "",
    )


def _tags(text: bytes) -> dict[str, str]:
    """Return what the tags say, but for those that are none."""
    tags: dict[str, str] = {}
    for spec in text.decode("latin-1").split(";", MOST_TAGS)[1:MOST_TAGS]:
        found = _TAG.fullmatch(spec)
        if found is not None:
            tags.setdefault(found[1].lower(), found[2].strip(" \t"))
    return tags


def _one_of(letters: str, value: str | None, usual: str) -> str:
    """Return a value of one letter; the usual one if it isn't there, or wrong."""
    letter = (value or "").lower()
    return letter if len(letter) == 1 and letter in letters else usual


def _uris(value: str) -> tuple[str, ...]:
    """Return the URIs of a list, without what older versions said of sizes."""
    found = (_URI.fullmatch(part.strip(" \t")) for part in value.split(",", MOST_URIS)[:MOST_URIS])
    return tuple(each[1] for each in found if each is not None)


def _failure_options(value: str) -> frozenset[str]:
    options = [part.strip(" \t").lower() for part in value.split(":", 5)]
    is_right = len(set(options)) == len(options) and set(options) <= set("01ds") and not {"0", "1"} <= set(options)
    return frozenset(options) if is_right else frozenset("0")
