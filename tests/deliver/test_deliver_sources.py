"""Which of our addresses mail comes from."""

from __future__ import annotations

from collections import Counter

from twistedmail_mta.deliver.sources import Source, Sources

FIRST, SECOND, THIRD = (Source(f"192.0.2.{number}") for number in (1, 2, 3))
SIXTH = Source("2001:db8::6")
NAMES = [f"domain{number}.example" for number in range(300)]


def test_no_source() -> None:
    """Without addresses the system chooses; so it does for a family without one, and for unix sockets."""
    assert Sources().source("198.51.100.1", "example.org") is None
    assert Sources([SIXTH]).source("198.51.100.1", "example.org") is None
    assert Sources([FIRST]).source("/run/lmtp", "example.org") is None


def test_family() -> None:
    """An address goes with its family."""
    sources = Sources([FIRST, SIXTH])

    assert sources.source("198.51.100.1", "example.org") is FIRST
    assert sources.source("2001:db8::1", "example.org") is SIXTH


def test_an_originator_keeps_its_address() -> None:
    """The same originator has the same address, whatever the order in the file, and all addresses are used alike."""
    sources, turned = Sources([FIRST, SECOND, THIRD]), Sources([THIRD, FIRST, SECOND])

    chosen = [sources.source("198.51.100.1", name) for name in NAMES]

    assert chosen == [turned.source("203.0.113.9", name) for name in NAMES]
    assert min(Counter(chosen).values()) > len(NAMES) / 5


def test_one_address_less_moves_only_its_own() -> None:
    """Taking an address away leaves everybody else where they were."""
    before, after = Sources([FIRST, SECOND, THIRD]), Sources([FIRST, SECOND])

    for name in NAMES:
        chosen = before.source("198.51.100.1", name)
        assert chosen is THIRD or after.source("198.51.100.1", name) is chosen
