"""Packets: cut anywhere, bounded, the same in both directions."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twistedmail_mta.milter.errors import MilterError
from twistedmail_mta.milter.packets import MOST, Packet, PacketReader, encode

letters = st.binary(min_size=1, max_size=1)
packets = st.lists(st.tuples(letters, st.binary(max_size=40)), max_size=6)


def read_all(reader: PacketReader) -> list[Packet]:
    """Every packet that is complete."""
    found = []
    while (packet := reader.next_packet()) is not None:
        found.append(packet)
    return found


@given(packets)
def test_cut_anywhere(sent: list[tuple[bytes, bytes]]) -> None:
    """However the stream is cut in two, the same packets come out of it."""
    stream = b"".join(encode(letter, content) for letter, content in sent)

    for cut in range(len(stream) + 1):
        reader = PacketReader()
        reader.receive(stream[:cut])
        found = read_all(reader)
        reader.receive(stream[cut:])
        found += read_all(reader)
        assert found == sent
        assert len(reader) == 0


@given(packets)
def test_one_by_one(sent: list[tuple[bytes, bytes]]) -> None:
    """Octet by octet as well."""
    reader, found = PacketReader(), []
    for octet in b"".join(encode(letter, content) for letter, content in sent):
        reader.receive(bytes([octet]))
        found += read_all(reader)
    assert found == sent


@pytest.mark.parametrize("length", [0, MOST + 1, 0xFFFFFFFF])
def test_lengths_that_no_packet_has(length: int) -> None:
    """They are refused before anything is kept for them."""
    reader = PacketReader()
    reader.receive(length.to_bytes(4, "big") + b"c")
    with pytest.raises(MilterError):
        reader.next_packet()


def test_what_is_left_is_counted() -> None:
    """So that whoever reads can stop reading."""
    reader = PacketReader()
    reader.receive(encode(b"c") + b"\0\0")
    assert reader.next_packet() == (b"c", b"")
    assert len(reader) == 2


def test_the_parts_of_a_packet_are_put_together() -> None:
    """Their length is that of all of them, the letter included."""
    assert encode(b"L", b"Subject\0", b"hi\0") == b"\0\0\0\x0cLSubject\0hi\0"
