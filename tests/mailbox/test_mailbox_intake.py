"""Header and body come apart at the same place, however the octets are cut."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from memory_bodies import MemoryBodies

from twistedmail_mta.errors import PermanentError
from twistedmail_mta.mail.header import split
from twistedmail_mta.mailbox.intake import Intake
from twistedmail_mta.model import InlineBody
from twistedmail_mta.tasks import Task

PIECES = st.sampled_from(["A: b", "no field", "\r\n", " folded", ":", "", "é", "text\r\n\r\n", "Sub", "ject: x"])


def taken(blocks: list[bytes], limit: int = 10_000) -> tuple[bytes, bytes]:
    """Header and body after all blocks."""
    intake = Intake(MemoryBodies().writer(), limit)
    bodies: list[InlineBody] = []
    errors: list[PermanentError] = []

    async def take() -> None:
        try:
            for block in blocks:
                await intake.add(block)
            body = await intake.finish()
        except PermanentError as error:
            errors.append(error)
            return
        assert isinstance(body, InlineBody)
        bodies.append(body)

    assert Task("take", take()).done
    if errors:
        raise errors[0]
    return intake.header, bodies[0].data


@settings(max_examples=200, derandomize=True)
@given(st.lists(PIECES), st.lists(st.integers(0, 60)))
def test_cuts_change_nothing(pieces: list[str], cuts: list[int]) -> None:
    """Any cutting gives what the whole gives."""
    data = "".join(pieces).encode() + b"\r\n"
    places = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    blocks = [data[start:end] for start, end in pairwise(places)]

    assert taken(blocks) == split(data)


def test_header_is_bounded() -> None:
    """A header block that never ends is refused when it is too large, not when memory is."""
    with pytest.raises(PermanentError):
        taken([b"A: b\r\n"] * 100, limit=300)
    with pytest.raises(PermanentError):
        taken([b"A: b\r\n" * 100 + b"\r\n"], limit=300)


def test_first_line_without_end_is_body() -> None:
    """A first line longer than any header is no header; the body isn't bounded here."""
    assert taken([b"x" * 200, b"x" * 200], limit=300) == (b"", b"x" * 400)
