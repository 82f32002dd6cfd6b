"""What a policy has seen lately, against a naive oracle."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.task import Clock

from twistedmail_mta.policy.recent import Recent

LIFETIME, MOST = 10.0, 3
KEYS = st.integers(0, 5)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("note"), KEYS),
        st.tuples(st.just("forget"), KEYS),
        st.tuples(st.just("wait"), st.integers(0, 6)),
    )
)


@given(STEPS)
def test_recent(steps: list[tuple[str, int]]) -> None:
    """The newest few, as long as they live."""
    clock = Clock()
    recent: Recent[int, int] = Recent(clock.seconds, LIFETIME, MOST)
    noted: list[tuple[int, float, int]] = []
    for number, (step, value) in enumerate(steps):
        if step == "wait":
            clock.advance(value)
        else:
            noted = [each for each in noted if each[0] != value]
        if step == "note":
            recent.note(value, number)
            noted.append((value, clock.seconds() + LIFETIME, number))
        elif step == "forget":
            recent.forget(value)
        noted = [each for each in noted if each[1] > clock.seconds()][-MOST:]

        assert {key: recent.get(key) for key in range(6)} == {
            **dict.fromkeys(range(6)),
            **{key: number for key, _, number in noted},
        }
        assert len(recent) == len(noted)
