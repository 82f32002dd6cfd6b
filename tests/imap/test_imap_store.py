"""STORE, COPY, MOVE, UID EXPUNGE."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from imap_commands import NAMES, action, mailbox, wrong

from twistedmail_mta.imap.sequences import SequenceSet, parse_set
from twistedmail_mta.imap.store import Change, Copy, ExpungeUIDs, Store
from twistedmail_mta.imap.tokens import LARGEST_64

SOME = parse_set(b"2:4")


@pytest.mark.parametrize(
    ("octets", "value"),
    [
        (b"STORE 2:4 +FLAGS (\\Deleted)", Store(SOME, False, Change.ADD, ("\\Deleted",))),
        (
            b"UID STORE 2:4 -flags.silent \\Seen $Junk",
            Store(SOME, True, Change.REMOVE, ("\\Seen", "$Junk"), silent=True),
        ),
        (b"STORE 2:4 FLAGS ()", Store(SOME, False, Change.REPLACE, ())),
        (b"STORE 2:4 FLAGS a a", Store(SOME, False, Change.REPLACE, ("a",))),
        (
            b"STORE 2:4 (UNCHANGEDSINCE 0) +FLAGS.SILENT (\\Seen)",
            Store(SOME, False, Change.ADD, ("\\Seen",), silent=True, unchanged_since=0),
        ),
        (
            b"STORE 2:4 +FLAGS (\\Seen) (UNCHANGEDSINCE 7)",
            Store(SOME, False, Change.ADD, ("\\Seen",), unchanged_since=7),
        ),
        (b"COPY 2:4 MEETING", Copy(SOME, False, "MEETING", move=False)),
        (b"UID COPY 2:4 inbox", Copy(SOME, True, "INBOX", move=False)),
        (b"MOVE 2:4 {1}\r\nx", Copy(SOME, False, "x", move=True)),
        (b'UID MOVE 2:4 "x y"', Copy(SOME, True, "x y", move=True)),
        (b"UID EXPUNGE 2:4", ExpungeUIDs(SOME)),
        (b"uid expunge $", ExpungeUIDs(SequenceSet((), saved=True))),
    ],
)
def test_commands(octets: bytes, value: object) -> None:
    """As the RFCs have them."""
    assert action(octets) == value


@pytest.mark.parametrize(
    "octets",
    [
        b"STORE",
        b"STORE 1",
        b"STORE 1 FLAGS",
        b"STORE 1 FLAGS ",
        b"STORE 1 FOO (a)",
        b"STORE 1 FLAGS.LOUD (a)",
        b"STORE 1 FLAGS (a",
        b"STORE 1 FLAGS (\\*)",
        b"STORE 1 FLAGS a (b)",
        b'STORE 1 FLAGS ("a")',
        b"STORE 1 () FLAGS a",
        b"STORE 1 (UNCHANGEDSINCE) FLAGS a",
        b"STORE 1 (FOO 1) FLAGS a",
        b"STORE 1 FLAGS (a) (FOO 1)",
        b"STORE 1 FLAGS (a) ",
        b"STORE 1 FLAGS a (UNCHANGEDSINCE 1)",
        b"STORE 1 (UNCHANGEDSINCE 1) FLAGS (a) (UNCHANGEDSINCE 1)",
        b"STORE 1 (UNCHANGEDSINCE 1 UNCHANGEDSINCE 1) FLAGS a",
        b"STORE 1 (UNCHANGEDSINCE 9223372036854775808) FLAGS a",
        b"COPY 1",
        b"COPY x y",
        b"MOVE 1 ",
        b"UID",
        b"UID ",
        b"UID EXPUNGE",
        b"UID EXPUNGE ",
        b"UID NOOP",
        b"UID UID COPY 1 x",
        b"EXPUNGE 1",
    ],
)
def test_what_is_wrong(octets: bytes) -> None:
    """It is said, with the tag."""
    assert wrong(octets)


FLAGS = st.lists(st.from_regex(r"\A\\?[A-Za-z$][A-Za-z0-9.:-]{0,8}\Z"), unique=True, max_size=4).map(tuple)


@settings(max_examples=100, derandomize=True, deadline=None)
@given(st.sampled_from(Change), FLAGS, st.booleans(), st.none() | st.integers(0, LARGEST_64), st.booleans())
def test_changes_come_back(
    change: Change,
    flags: tuple[str, ...],
    silent: bool,
    unchanged_since: int | None,
    by_uid: bool,
) -> None:
    """Whatever is asked for."""
    modifier = "" if unchanged_since is None else f"(UNCHANGEDSINCE {unchanged_since}) "
    verb, name = "UID STORE" if by_uid else "STORE", change.value + ".SILENT" * silent

    octets = f"{verb} 2:4 {modifier}{name} ({' '.join(flags)})".encode()

    assert action(octets) == Store(SOME, by_uid, change, flags, silent, unchanged_since)


@settings(max_examples=60, derandomize=True, deadline=None)
@given(NAMES, st.booleans(), st.data())
def test_copies_come_back(name: str, move: bool, data: st.DataObject) -> None:
    """To any mailbox."""
    verb = b"MOVE" if move else b"COPY"

    assert action(verb + b" 2:4 " + data.draw(mailbox(name))) == Copy(SOME, False, name, move)
