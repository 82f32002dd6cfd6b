"""What stories are looked for by, as numbers, and the spans of time that these lie in (PURE)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache
from hashlib import blake2b
from typing import Final

EPOCH: Final = 1_577_836_800
"""2020-01-01T00:00:00Z, from which the ids of messages count milliseconds."""
_TIME_SHIFT: Final = 21
"""Bits of an id below its milliseconds."""
_SPAN: Final = 3_600_000
"""Milliseconds: an hour.  A file that is full loses terms by whole spans, so they are to be a small part of it."""

SENDER: Final = "s:"
RECIPIENT: Final = "r:"
MESSAGE_ID: Final = "m:"
CLIENT: Final = "c:"
ACCOUNT: Final = "a:"
OUTCOME: Final = "o:"


def span_of(story: int) -> int:
    """Return the span of time of a story's id: the first is that after 2020 began."""
    return (story >> _TIME_SHIFT) // _SPAN


def first_id(at: float) -> int:
    """Return the least id that a message can have that began then, in seconds since the epoch."""
    return max(0, int((at - EPOCH) * 1000)) << _TIME_SHIFT


def start_of(story: int) -> float:
    """Return when a message of that id began, in seconds since the epoch."""
    return (story >> _TIME_SHIFT) / 1000 + EPOCH


def key_of(text: str) -> int:
    """Return the number that stands for a term; others may have the same, so what is found is looked at."""
    digest = blake2b(text.encode("utf-8", "surrogateescape"), digest_size=8).digest()
    return int.from_bytes(digest, signed=True)


@lru_cache(8192)
def _known(text: str) -> int:
    """Return the same of what many stories share."""
    return key_of(text)


def client_key(peer: str) -> int:
    """Return the key of a client's address."""
    return _known(CLIENT + peer)


def account_key(account: str) -> int:
    """Return the key of a login."""
    return _known(ACCOUNT + account)


def outcome_key(name: str) -> int:
    """Return the key of what became of a message."""
    return _known(OUTCOME + name)


def message_id_key(message_id: str) -> int:
    """Return the key of a Message-ID, with or without its angle brackets."""
    return key_of(MESSAGE_ID + bare(message_id))


def bare(message_id: str) -> str:
    """Return a Message-ID without its angle brackets."""
    return message_id.strip().removeprefix("<").removesuffix(">")


def sender_keys(address: str) -> tuple[int, ...]:
    """Return the keys of a sender: its own, and that of its domain."""
    return _of(SENDER, address)


def recipient_keys(addresses: Iterable[str]) -> Iterator[int]:
    """Yield the keys of recipients, as `sender_keys`."""
    for address in addresses:
        yield from _of(RECIPIENT, address)


def _of(kind: str, address: str) -> tuple[int, ...]:
    return _keys(kind, address.lower())


@lru_cache(8192)
def _keys(kind: str, address: str) -> tuple[int, ...]:
    _, at, domain = address.rpartition("@")
    return (key_of(kind + address), _known(f"{kind}@{domain}")) if at else (key_of(kind + address),)


def domain_keys(domain: str) -> tuple[int, int]:
    """Return the keys of a domain, as a sender's and as a recipient's."""
    return _known(f"{SENDER}@{domain.lower()}"), _known(f"{RECIPIENT}@{domain.lower()}")
