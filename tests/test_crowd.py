"""How many clients are let in."""

from __future__ import annotations

from twistedmail_mta.crowd import TOO_MANY_CONNECTIONS, Crowd


def test_another_limit() -> None:
    """It counts for those who come; whoever is in stays, and is counted."""
    crowd = Crowd(2)
    assert [crowd.enter("mx", "192.0.2.1", 9) for _ in range(3)] == [None, None, TOO_MANY_CONNECTIONS]

    crowd.allow(1)
    crowd.leave("mx", "192.0.2.1")
    assert crowd.enter("mx", "192.0.2.1", 9) is TOO_MANY_CONNECTIONS
    crowd.allow(3)

    assert crowd.enter("mx", "192.0.2.1", 9) is None
