"""The way of a message, as its header tells: hops with their delays, clocks that can't be right, verdicts (PURE)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from twistedmail_mta.mail.authentication_results import Results, read
from twistedmail_mta.mail.decoded_field import decoded_field
from twistedmail_mta.mail.field_value import unfolded
from twistedmail_mta.mail.header import Header
from twistedmail_mta.mail.hop import Hop, read_hop
from twistedmail_mta.mail.sent_date import sent_date

MOST_HOPS: Final = 200
MOST_VERDICTS: Final = 50
LONGEST: Final = 500
"""Characters of a field that are shown."""
SLACK: Final = 1
"""Seconds by which clocks may differ, since fields tell whole ones."""

_INSTANCE: Final = re.compile(rb"\s*+i\s*+=\s*+([0-9]{1,3})\s*+;")
_TAG: Final = re.compile(rb"(?:^|;)\s*+(d|s|cv|i)\s*+=\s*+([^\s;]{1,255})")
_SPF: Final = re.compile(rb"\s*+([a-z]{1,20})", re.IGNORECASE)
_SHOWN: Final = (b"From", b"To", b"Subject", b"Date", b"Message-ID", b"Return-Path")


@dataclass(frozen=True, slots=True)
class Leg:
    """A hop, and how long it took to get there.

    Attributes:
        hop: what the field says.
        delay: seconds since the hop before, or since the message was written; None where one of the times isn't known.
        clock: what can't be right about the time; empty if nothing.
    """

    hop: Hop
    delay: int | None
    clock: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one host found of the message.

    Attributes:
        field: the name of the header field.
        results: who says what.
        instance: in an ARC set, which; 0 elsewhere.
    """

    field: str
    results: Results
    instance: int = 0


@dataclass(frozen=True, slots=True)
class Journey:
    """All of it.

    Attributes:
        fields: what people know the message by: names and texts.
        written_at: the Date field, in seconds since the epoch; None where there is none that can be read.
        legs: the oldest first.
        total: seconds from the first known time to the last; None where there are no two.
        verdicts: as they stand, the newest first.
        received_spf: results in Received-SPF fields, the newest first.
        signatures: who signed with DKIM: domain and selector.
        seals: ARC seals, the newest first: instance, domain, what was found of the chain before.
        more: hops that weren't read, for there were too many.
    """

    fields: tuple[tuple[str, str], ...]
    written_at: int | None
    legs: tuple[Leg, ...]
    total: int | None
    verdicts: tuple[Verdict, ...]
    received_spf: tuple[str, ...]
    signatures: tuple[tuple[str, str], ...]
    seals: tuple[tuple[int, str, str], ...]
    more: int = 0


def journey(header: Header) -> Journey:
    """Return what a header tells of the way of its message."""
    received = header.get_all(b"Received")
    hops = [read_hop(each) for each in reversed(received[:MOST_HOPS])]
    date = header.get(b"Date")
    written = sent_date(unfolded(date)) if date is not None else None
    written_at = None if written is None else written.at
    legs = tuple(_legs(hops, written_at))
    times = [at for at in (written_at, *(hop.at for hop in hops)) if at is not None]
    return Journey(
        fields=tuple((name.decode(), _shown(value)) for name in _SHOWN if (value := header.get(name)) is not None),
        written_at=written_at,
        legs=legs,
        total=times[-1] - times[0] if len(times) > 1 else None,
        verdicts=tuple(_verdicts(header)),
        received_spf=tuple(_received_spf(header)),
        signatures=tuple(_signatures(header)),
        seals=tuple(_seals(header)),
        more=max(0, len(received) - MOST_HOPS),
    )


def _shown(value: bytes) -> str:
    return decoded_field(value[: 4 * LONGEST]).strip()[:LONGEST]


def _legs(hops: Sequence[Hop], written_at: int | None) -> Iterator[Leg]:
    before, what = written_at, "the message was written, as its Date says"
    for hop in hops:
        delay = None if hop.at is None or before is None else hop.at - before
        yield Leg(hop, delay, _clock(hop, delay, what))
        if hop.at is not None:
            before, what = hop.at, f"{hop.host or 'the host before'} had it"


def _clock(hop: Hop, delay: int | None, before: str) -> str:
    """Return what is wrong with a time."""
    if hop.at is None:
        return "the field has no time that can be read"
    if delay is not None and delay < -SLACK:
        return f"{-delay} s before {before}: one of the two clocks is wrong, or the field is made up"
    return ""


def _verdicts(header: Header) -> Iterator[Verdict]:
    for value in header.get_all(b"Authentication-Results")[:MOST_VERDICTS]:
        if (found := read(value)) is not None:
            yield Verdict("Authentication-Results", found)
    for value in header.get_all(b"ARC-Authentication-Results")[:MOST_VERDICTS]:
        instance = _INSTANCE.match(value)
        if instance is not None and (found := read(value[instance.end() :])) is not None:
            yield Verdict("ARC-Authentication-Results", found, int(instance[1]))


def _received_spf(header: Header) -> Iterator[str]:
    for value in header.get_all(b"Received-SPF")[:MOST_VERDICTS]:
        if (found := _SPF.match(unfolded(value))) is not None:
            yield found[1].decode().lower()


def _signatures(header: Header) -> Iterator[tuple[str, str]]:
    for value in header.get_all(b"DKIM-Signature")[:MOST_VERDICTS]:
        tags = _tags(value)
        yield tags.get("d", ""), tags.get("s", "")


def _seals(header: Header) -> Iterator[tuple[int, str, str]]:
    for value in header.get_all(b"ARC-Seal")[:MOST_VERDICTS]:
        tags = _tags(value)
        instance = tags.get("i", "")
        yield int(instance) if instance.isascii() and instance.isdigit() else 0, tags.get("d", ""), tags.get("cv", "")


def _tags(value: bytes) -> dict[str, str]:
    return {name.decode(): text.decode("utf-8", "replace") for name, text in _TAG.findall(unfolded(value[:8000]))}
