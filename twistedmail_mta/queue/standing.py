"""How lanes stand, for whoever looks at them (PURE)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LaneStanding:
    """How one lane stands.

    Attributes:
        name: of the lane; "? HOST" while its MX hosts are being asked for.
        running: transfers under way.
        allowed: transfers that may be under way now; 0 while the lane has no name.
        waiting: transfers that wait for their turn.
        recipients: of all these.
        rest: seconds until the next transfer may begin; 0: at once.
        is_dead: the next hop wasn't reached several times in a row, so mail for it isn't kept waiting here.
        is_crowded: it takes no more mail for now.
        said: the last answer of the next hop, or why it wasn't reached; empty where nothing is known.
    """

    name: str
    running: int
    allowed: int
    waiting: int
    recipients: int
    rest: float
    is_dead: bool
    is_crowded: bool
    said: str


@dataclass(frozen=True, slots=True)
class LanesStanding:
    """How all lanes stand.

    Attributes:
        number: how many there are, with work or at rest.
        running: transfers under way in all of them.
        waiting: transfers that wait in all of them.
        recipients: of all these.
        troubles: why nothing is begun at present; empty: it is.
        lanes: those with most work first, then those at rest; not all of them if there are many.
    """

    number: int
    running: int
    waiting: int
    recipients: int
    troubles: tuple[str, ...]
    lanes: tuple[LaneStanding, ...]
