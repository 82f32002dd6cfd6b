"""FETCH."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from imap_commands import action, every_form, wrong

from twistedmail_mta.imap.fetch import MAX_PART, Binary, BinarySize, Fetch, Item, Partial, Section, Text, Wanted
from twistedmail_mta.imap.sequences import SequenceSet, parse_set
from twistedmail_mta.imap.tokens import LARGEST_64

ONE = parse_set(b"1")


@pytest.mark.parametrize(
    ("octets", "items"),
    [
        (b"fast", (Item.FLAGS, Item.INTERNALDATE, Item.SIZE)),
        (b"ALL", (Item.FLAGS, Item.INTERNALDATE, Item.SIZE, Item.ENVELOPE)),
        (b"FULL", (Item.FLAGS, Item.INTERNALDATE, Item.SIZE, Item.ENVELOPE, Item.BODY)),
        (b"flags", (Item.FLAGS,)),
        (b"(FLAGS UID FLAGS)", (Item.FLAGS, Item.UID)),
        (b"body[]", (Section(),)),
        (b"BODY.PEEK[]<0.2048>", (Section(partial=Partial(0, 2048), peek=True),)),
        (b"BODY[TEXT]", (Section(text=Text.TEXT),)),
        (b"BODY[1.2.mime]", (Section("1.2", Text.MIME),)),
        (b"BODY[4.2.HEADER]", (Section("4.2", Text.HEADER),)),
        (b"BODY[3]", (Section("3"),)),
        (b"(BODY[HEADER.FIELDS (DATE FROM)])", (Section("", Text.FIELDS, (b"DATE", b"FROM")),)),
        (
            b'BODY.PEEK[1.HEADER.FIELDS.NOT ("a" {1}\r\nb)]<5.1>',
            (Section("1", Text.FIELDS_NOT, (b"a", b"b"), Partial(5, 1), peek=True),),
        ),
        (b"BINARY[1.2]", (Binary("1.2"),)),
        (b"BINARY.PEEK[]<1.2>", (Binary("", Partial(1, 2), peek=True),)),
        (b"BINARY.SIZE[2]", (BinarySize("2"),)),
        (b"(RFC822 RFC822.HEADER RFC822.TEXT)", (Item.RFC822, Item.RFC822_HEADER, Item.RFC822_TEXT)),
    ],
)
def test_items(octets: bytes, items: tuple[Wanted, ...]) -> None:
    """As RFC 9051 section 6.4.5, RFC 3501 section 6.4.5 and RFC 3516 section 4 have them."""
    assert action(b"FETCH 1 " + octets) == Fetch(ONE, by_uid=False, items=items)


def test_uids_and_modifiers() -> None:
    """UID FETCH tells UIDs, CHANGEDSINCE mod-sequences, asked for or not."""
    asked = action(b"UID FETCH 300:* (FLAGS) (CHANGEDSINCE 12345 VANISHED)")

    assert asked == Fetch(parse_set(b"300:*"), True, (Item.UID, Item.FLAGS, Item.MODSEQ), 12345, vanished=True)
    assert action(b"FETCH 1 MODSEQ (CHANGEDSINCE 1)") == Fetch(ONE, by_uid=False, items=(Item.MODSEQ,), changed_since=1)
    assert action(b"UID FETCH $ UID") == Fetch(SequenceSet((), saved=True), by_uid=True, items=(Item.UID,))


@pytest.mark.parametrize(
    "octets",
    [
        b"",
        b" 1",
        b" 1 ",
        b" 0 FLAGS",
        b" x FLAGS",
        b" 1 FOO",
        b" 1 ()",
        b" 1 (ALL)",
        b" 1 (FLAGS",
        b" 1 FLAGS UID",
        b" 1 BODY.PEEK",
        b" 1 BODY.FOO[]",
        b" 1 BODY[",
        b" 1 BODY[FOO]",
        b" 1 BODY[MIME]",
        b" 1 BODY[0]",
        b" 1 BODY[1.]",
        b" 1 BODY[.1]",
        b" 1 BODY[1..2]",
        b" 1 BODY[1TEXT]",
        b" 1 BODY[TEXT.1]",
        b" 1 BODY[HEADER.FIELDS]",
        b" 1 BODY[HEADER.FIELDS ()]",
        b" 1 BODY[HEADER (A)]",
        b" 1 BODY[]<1>",
        b" 1 BODY[]<1.0>",
        b" 1 BODY[]<-1.1>",
        b" 1 BODY[]<1.9223372036854775808>",
        b" 1 BODY[" + b"1." * MAX_PART + b"1]",
        b" 1 BINARY[TEXT]",
        b" 1 BINARY.SIZE[1]<0.1>",
        b" 1 BINARY.SIZE.PEEK[1]",
        b" 1 FLAGS[1]",
        b" 1 FLAGS ()",
        b" 1 FLAGS (FOO)",
        b" 1 FLAGS (CHANGEDSINCE)",
        b" 1 FLAGS (CHANGEDSINCE 0)",
        b" 1 FLAGS (CHANGEDSINCE 1 VANISHED)",
    ],
)
def test_what_is_wrong(octets: bytes) -> None:
    """It is said, with the tag."""
    assert wrong(b"FETCH" + octets)


def test_vanished_needs_more() -> None:
    """A UID FETCH with CHANGEDSINCE (RFC 7162 section 3.2.6)."""
    assert "CHANGEDSINCE" in wrong(b"UID FETCH 1 FLAGS (VANISHED)")


def written(item: Wanted) -> bytes:
    """Return an item as a client writes it."""
    match item:
        case Section(part, text, fields, piece, peek):
            spec = ".".join(filter(None, (part, text.value))).encode()
            names = b" (" + b" ".join(every_form(name)[-1] for name in fields) + b")" if fields else b""
            return b"BODY" + b".PEEK" * peek + b"[" + spec + names + b"]" + of(piece)
        case Binary(part, piece, peek):
            return b"BINARY" + b".PEEK" * peek + b"[" + part.encode() + b"]" + of(piece)
        case BinarySize(part):
            return b"BINARY.SIZE[" + part.encode() + b"]"
        case Item():
            return item.value.encode()


def of(piece: Partial | None) -> bytes:
    """Return which piece is meant as a client writes it."""
    return b"" if piece is None else b"<%d.%d>" % (piece.offset, piece.count)


NUMBERS = st.lists(st.integers(1, 30), max_size=4).map(lambda digits: ".".join(map(str, digits)))
PIECES = st.none() | st.builds(Partial, st.integers(0, LARGEST_64), st.integers(1, LARGEST_64))
FIELDS = st.lists(st.text('aZ-:\\" {3}', min_size=1, max_size=6).map(str.encode), min_size=1, max_size=3).map(tuple)
PLAIN = st.sampled_from([Text.ALL, Text.HEADER, Text.TEXT])
ITEMS: st.SearchStrategy[Wanted] = st.one_of(
    st.sampled_from(Item),
    st.builds(Section, NUMBERS, PLAIN, partial=PIECES, peek=st.booleans()),
    st.builds(Section, NUMBERS, st.sampled_from([Text.FIELDS, Text.FIELDS_NOT]), FIELDS, PIECES, st.booleans()),
    st.builds(Section, NUMBERS.filter(bool), st.just(Text.MIME), partial=PIECES),
    st.builds(Binary, NUMBERS, PIECES, st.booleans()),
    st.builds(BinarySize, NUMBERS),
)


@settings(max_examples=150, derandomize=True, deadline=None)
@given(st.lists(ITEMS, min_size=1, max_size=5, unique=True))
def test_items_come_back(items: list[Wanted]) -> None:
    """Whatever is asked for, in its order."""
    octets = b"FETCH 1 (" + b" ".join(map(written, items)) + b")"

    assert action(octets) == Fetch(ONE, by_uid=False, items=tuple(items))


def test_hostile_sections_cost_little() -> None:
    """Numbers and names as long as a command can be."""
    for section in (b"1." * 30_000 + b"X1", b"1" * 60_000, b"A." * 30_000, b"1.A" * 20_000):
        assert wrong(b"FETCH 1 BODY[" + section + b"]")
