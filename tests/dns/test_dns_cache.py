"""The cache of answers."""

from __future__ import annotations

from twisted.internet.task import Clock

from twistedmail_mta.dns.cache import ENTRY_OVERHEAD, SWEEP_INTERVAL, Cache


def test_value_lives_as_long_as_its_ttl() -> None:
    """A value is there until its time is over, and gone, memory included, from then on."""
    clock = Clock()
    cache: Cache[str, int] = Cache(clock.seconds)

    cache.put("a", 1, 10, 0)
    clock.advance(9.9)
    assert cache.get("a") == 1
    clock.advance(0.1)
    assert cache.get("a") is None
    assert len(cache) == 0


def test_least_recently_used_goes_first() -> None:
    """When there is no room the value that nobody asked for longest makes it."""
    cache: Cache[str, int] = Cache(Clock().seconds, max_size=2 * ENTRY_OVERHEAD)
    cache.put("a", 1, 10, 0)
    cache.put("b", 2, 10, 0)
    cache.get("a")

    cache.put("c", 3, 10, 0)

    assert [cache.get(key) for key in "abc"] == [1, None, 3]


def test_octets_are_bounded() -> None:
    """Large values take the room of many small ones, and one too large for the cache takes none."""
    cache: Cache[int, int] = Cache(Clock().seconds, max_size=10 * ENTRY_OVERHEAD)
    for key in range(10):
        cache.put(key, key, 10, 0)

    cache.put(10, 10, 10, 4 * ENTRY_OVERHEAD)
    assert [cache.get(key) for key in range(4, 11)] == [None, 5, 6, 7, 8, 9, 10]

    cache.put(11, 11, 10, 100 * ENTRY_OVERHEAD)
    assert len(cache) == 0


def test_replaced_value_is_counted_once() -> None:
    """Writing one key again and again takes no more room."""
    cache: Cache[str, int] = Cache(Clock().seconds, max_size=2 * ENTRY_OVERHEAD)
    cache.put("other", 0, 10, 0)

    for number in range(5):
        cache.put("a", number, 10, 0)

    assert cache.get("other") == 0
    assert cache.get("a") == 4


def test_sweep_drops_what_nobody_asks_for() -> None:
    """Expired values leave even if they are never asked for again."""
    clock = Clock()
    cache: Cache[int, int] = Cache(clock.seconds)
    for key in range(100):
        cache.put(key, key, 5, 0)
    clock.advance(SWEEP_INTERVAL)

    cache.put(100, 100, 5, 0)

    assert len(cache) == 1
