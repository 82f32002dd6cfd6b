"""Who is let in, and how many that were."""

from __future__ import annotations

from twistedmail_mta.crowd import TOO_MANY_CONNECTIONS, TOO_MANY_FROM_YOU, Crowd


def test_begun_counts_those_who_were_let_in() -> None:
    """By listener, and for good: neither who is turned away nor who leaves changes that."""
    crowd = Crowd(3)
    assert crowd.enter("mx", "192.0.2.1", 1) is None
    assert crowd.enter("mx", "192.0.2.1", 1) is TOO_MANY_FROM_YOU
    assert crowd.enter("imap", "192.0.2.1", 1) is None
    assert crowd.enter("mx", "192.0.2.2", 1) is None
    assert crowd.enter("mx", "192.0.2.3", 1) is TOO_MANY_CONNECTIONS
    crowd.leave("mx", "192.0.2.1")

    assert crowd.begun == {"mx": 2, "imap": 1}
