"""FETCH: what is told of which messages."""

from __future__ import annotations

from typing import Any

import pytest
from awkward_messages import messages
from fetch_access import FetchSession, put
from imap_answer import read_body
from imap_responses import Numbered, Status, Vanished
from mail_at_rest import Rest, run

from twistedmail_mta.errors import TemporaryError
from twistedmail_mta.imap.capability import Extension
from twistedmail_mta.mail.header import split
from twistedmail_mta.mail.structure import structure
from twistedmail_mta.mailbox.flags import ANSWERED, DELETED, FLAGGED, SEEN
from twistedmail_mta.model import Reply
from twistedmail_mta.tasks import Promise

MESSAGES = dict(messages())
SIMPLE = (
    b"From: Fred Foobar <foobar@Blurdybloop.example>\r\nSubject: afternoon meeting\r\nMIME-Version: 1.0\r\n\r\nHi\r\n"
)
BUSY = TemporaryError(Reply(451, "4.3.0", "Busy"))


@pytest.fixture
def rest() -> Rest:
    return Rest()


def test_view_items(rest: Rest) -> None:
    """Flags, UIDs, mod-sequences and sizes need no look into the database."""
    put(rest, b"a: b\r\n\r\n1", b"a: b\r\n\r\n", SIMPLE, keywords=frozenset({"$Junk", "later"}))
    inbox = rest.inbox().id
    run(rest.store.set_flags(inbox, [2], add=SEEN | ANSWERED))
    run(rest.store.set_flags(inbox, [3], remove=-1))
    client = FetchSession(rest)
    rest.database.refuse = BUSY

    told = client.fetch("FETCH 1:* (FLAGS UID RFC822.SIZE MODSEQ)")

    assert [number for number, _ in told.messages] == [1, 2, 3]
    assert [set(flags) for flags in told.item("FLAGS")] == [
        {"$Junk", "later"},
        {"\\Answered", "\\Seen", "$Junk", "later"},
        set(),
    ]
    assert told.item("UID") == [1, 2, 3]
    assert told.item("RFC822.SIZE") == [9, 8, len(SIMPLE)]
    assert told.item("MODSEQ") == list(client.view.modseqs)
    assert told.status.condition == "OK"


def test_order_of_items(rest: Rest) -> None:
    """Items are told in the order in which they were asked for, on one line for each message."""
    put(rest, SIMPLE)

    told = FetchSession(rest).fetch("FETCH 1 (INTERNALDATE UID RFC822.SIZE FLAGS)")

    assert told.octets == b'* 1 FETCH (INTERNALDATE "14-Jul-2017 02:40:00 +0000" UID 1 RFC822.SIZE %d FLAGS ())\r\n' % (
        len(SIMPLE)
    )


@pytest.mark.parametrize(
    ("asked", "numbers"),
    [
        ("FETCH 2,4:5", [2, 4, 5]),
        ("FETCH 4:*", [4, 5]),
        ("FETCH *", [5]),
        ("FETCH 9:*", [5]),
        ("UID FETCH 12:14", [2, 3]),
        ("UID FETCH 14,11,99", [1, 3]),
        ("UID FETCH 30:*", [5]),
        ("UID FETCH 13", []),
        ("UID FETCH $", [2, 5]),
        ("FETCH $,1", [1, 2, 5]),
    ],
)
@pytest.mark.parametrize("items", ["FLAGS", "INTERNALDATE", "BODY.PEEK[TEXT]"])
def test_which_messages(rest: Rest, asked: str, numbers: list[int], items: str) -> None:
    """Numbers count what the client was told of, UIDs name what is there, and the rest is passed over."""
    here = [11, 12, 14, 15, 17]
    put(rest, *[b"a: b\r\n\r\n%d" % n for n in range(20)])
    run(rest.store.remove(rest.inbox().id, {*range(1, 21)}.difference(here)))
    client = FetchSession(rest)
    client.selected.saved = [12, 17]
    put(rest, b"a: b\r\n\r\n")

    told = client.fetch(f"{asked} {items}")

    assert [number for number, _ in told.messages] == numbers
    assert told.status.condition == "OK"
    if asked.startswith("UID"):
        assert told.item("UID") == [here[number - 1] for number in numbers]


def test_numbers_beyond(rest: Rest) -> None:
    """A number that no message has is a mistake; a UID isn't, nor is a range to the last."""
    client = FetchSession(rest)
    assert client.fetch("FETCH 1:* FLAGS").status.condition == "BAD"
    assert client.fetch("UID FETCH 1:* FLAGS").status.condition == "OK"
    put(rest, SIMPLE)
    assert client.fetch("FETCH 1 FLAGS").status.condition == "BAD"  # the client wasn't told of it

    client.news()

    assert client.fetch("FETCH 1 FLAGS").item("FLAGS") == [[]]
    assert client.fetch("FETCH 1:2 FLAGS").status.condition == "BAD"
    assert client.fetch("FETCH 1:2 FLAGS").octets == b""


@pytest.mark.parametrize("items", ["FLAGS", "ENVELOPE", "BODY[]"])
@pytest.mark.parametrize("count", [7, 2500])
def test_gone(rest: Rest, items: str, count: int) -> None:
    """Messages that others removed are left out, and the client is told that some are gone (RFC 2180 section 4.1.2)."""
    put(rest, *[b"a: b\r\n\r\n%d" % n for n in range(count)])
    client = FetchSession(rest)
    run(rest.store.remove(rest.inbox().id, [1, 2, 6, count]))

    by_number, by_uid = client.fetch(f"FETCH 1:* {items}"), client.fetch(f"UID FETCH 1:* {items}")

    here = [number for number in range(1, count + 1) if number not in {1, 2, 6, count}]
    assert [number for number, _ in by_number.messages] == here == [number for number, _ in by_uid.messages]
    assert (by_number.status.condition, by_number.status.code) == ("NO", "EXPUNGEISSUED")
    assert (by_uid.status.condition, by_uid.status.code) == ("OK", "")
    assert by_uid.item("UID") == here
    assert client.fetch("FETCH 3:5 FLAGS").status.condition == "OK"


def test_removed_meanwhile(rest: Rest) -> None:
    """A message that goes between the look into the view and the read is left out too."""
    put(rest, *[b"a: b\r\n\r\n%d" % n for n in range(5)])
    client = FetchSession(rest)
    read = rest.store.described

    async def remove_and_read(*asked: Any) -> Any:
        run(rest.store.remove(rest.inbox().id, [2, 4, 5]))
        return await read(*asked)

    rest.store.described = remove_and_read  # type: ignore[method-assign]

    told = client.fetch("FETCH 1:5 ENVELOPE")

    assert [number for number, _ in told.messages] == [1, 3]
    assert told.status.code == "EXPUNGEISSUED"


def test_many_and_sparse(rest: Rest) -> None:
    """Every message once, however many and however they are picked out."""
    put(rest, *[b"a: %d\r\n\r\n%d" % (n, n) for n in range(1, 3001)])
    client = FetchSession(rest)

    for numbers in (range(1, 3001), range(1, 3001, 2), range(1, 3001, 7), [1, 3000], range(500, 1501)):
        asked = ",".join(map(str, numbers))
        for items in ("UID", "(UID BODY.PEEK[TEXT])", "(UID BODY.PEEK[HEADER.FIELDS (A)])"):
            told = client.fetch(f"FETCH {asked} {items}")
            assert [number for number, _ in told.messages] == list(numbers) == told.item("UID")
        assert told.item("BODY[HEADER.FIELDS (A)]") == [b"a: %d\r\n\r\n" % number for number in numbers]


def test_pieces_of_answers(rest: Rest) -> None:
    """A long answer leaves in pieces of some 64 KiB, whatever it tells."""
    put(rest, *[b"Subject: x\r\n\r\n" + b"t" * 200 for _ in range(12_000)])
    client = FetchSession(rest)

    for items in ("(UID FLAGS RFC822.SIZE MODSEQ)", "ENVELOPE", "BODY.PEEK[]"):
        told = client.fetch(f"FETCH 1:* {items}")
        assert len(told.messages) == 12_000
        assert max(map(len, told.writes)) < 160 * 1024


@pytest.mark.parametrize("name", MESSAGES)
def test_awkward_messages(rest: Rest, name: str) -> None:
    """Whatever a message is like, clients can read all that is told of it."""
    octets = MESSAGES[name]
    put(rest, octets)
    sent = octets.replace(b"\0", b"\x80")
    header, text = split(sent)
    precomputed = structure(*split(octets))

    told = FetchSession(rest).fetch(
        "FETCH 1 (ENVELOPE BODYSTRUCTURE BODY BODY.PEEK[] BODY.PEEK[HEADER] BODY.PEEK[TEXT] RFC822 RFC822.HEADER"
        " RFC822.TEXT RFC822.SIZE BODY.PEEK[1] BODY.PEEK[1.MIME] BODY.PEEK[HEADER.FIELDS (From Subject)]"
        " BODY.PEEK[HEADER.FIELDS.NOT (From)] BODY.PEEK[1.HEADER] BODY.PEEK[1.1]<3.5>)"
    )

    ((number, items),) = told.messages
    assert (number, items["RFC822.SIZE"]) == (1, len(octets))
    assert items["BODY[]"] == items["RFC822"] == sent
    assert items["BODY[HEADER]"] == items["RFC822.HEADER"] == header
    assert items["BODY[TEXT]"] == items["RFC822.TEXT"] == text
    assert items["FLAGS"] == ["\\Seen"]
    assert precomputed.body in told.octets
    assert precomputed.envelope in told.octets
    assert read_body(precomputed.body).kind


def test_macros(rest: Rest) -> None:
    """FAST, ALL and FULL stand for what they always did."""
    put(rest, SIMPLE)
    client = FetchSession(rest)

    for macro, items in (
        ("FAST", ["FLAGS", "INTERNALDATE", "RFC822.SIZE"]),
        ("ALL", ["FLAGS", "INTERNALDATE", "RFC822.SIZE", "ENVELOPE"]),
        ("FULL", ["FLAGS", "INTERNALDATE", "RFC822.SIZE", "ENVELOPE", "BODY"]),
    ):
        assert [list(told) for _, told in client.fetch(f"FETCH 1 {macro}").messages] == [items]


def test_recent(rest: Rest) -> None:
    r"""\Recent is told where RFC 3501 is spoken, and not by RFC 9051."""
    put(rest, *[SIMPLE] * 4)

    old = FetchSession(rest, recent_from=3).fetch("FETCH 1:4 FLAGS")
    new = FetchSession(rest, recent_from=3, enabled=[Extension.REV2]).fetch("FETCH 1:4 FLAGS")

    assert old.item("FLAGS") == [[], [], ["\\Recent"], ["\\Recent"]]
    assert new.item("FLAGS") == [[]] * 4


# \Seen


@pytest.mark.parametrize(
    ("items", "sets"),
    [
        ("BODY[]", True),
        ("BODY[HEADER]", True),
        ("BODY[HEADER.FIELDS (Subject)]<0.3>", True),
        ("BODY[TEXT]", True),
        ("BODY[1]", True),
        ("BODY[7.7]", True),
        ("BINARY[1]", True),
        ("RFC822", True),
        ("RFC822.TEXT", True),
        ("(BODY.PEEK[] BODY[TEXT])", True),
        ("BODY.PEEK[]", False),
        ("BINARY.PEEK[1]", False),
        ("BINARY.SIZE[1]", False),
        ("RFC822.HEADER", False),
        ("BODY", False),
        ("FULL", False),
    ],
)
def test_what_sets_seen(rest: Rest, items: str, sets: bool) -> None:
    r"""Whoever fetches the text has seen the message; the same answer tells that, and nothing tells it again."""
    put(rest, SIMPLE, SIMPLE)
    run(rest.store.set_flags(rest.inbox().id, [1], add=FLAGGED))
    run(rest.store.set_flags(rest.inbox().id, [2], add=SEEN))
    client = FetchSession(rest)

    told = client.fetch(f"FETCH 1:2 {items}")

    flags = [told_items.get("FLAGS") for _, told_items in told.messages]
    if sets:
        assert flags == [["\\Seen", "\\Flagged"], None]
    elif items != "FULL":
        assert flags == [None, None]
    assert list(client.view.flags) == [FLAGGED | SEEN if sets else FLAGGED, SEEN]
    assert client.news() == []
    rest.assert_view(client.view)


def test_seen_told_once(rest: Rest) -> None:
    """Where FLAGS was asked for it is told in its place, as it is after the change."""
    put(rest, SIMPLE)

    told = FetchSession(rest).fetch("FETCH 1 (FLAGS BODY[TEXT]<0.1> UID)")

    assert told.octets == b"* 1 FETCH (FLAGS (\\Seen) BODY[TEXT]<0> {1}\r\nH UID 1)\r\n"


def test_examine(rest: Rest) -> None:
    """Nothing changes where a mailbox was opened for reading alone."""
    put(rest, SIMPLE)
    client = FetchSession(rest, read_only=True)

    told = client.fetch("FETCH 1 (BODY[] RFC822 BINARY[1])")

    assert "FLAGS" not in told.messages[0][1]
    assert list(client.view.flags) == [0]


def test_seen_with_mod_sequences(rest: Rest) -> None:
    """What changed comes with its UID and new mod-sequence where the client knows these (RFC 7162 section 3.2.4)."""
    put(rest, SIMPLE, SIMPLE)

    aware, resyncing = (FetchSession(rest, enabled=[each]) for each in (Extension.CONDSTORE, Extension.QRESYNC))
    first = aware.fetch("FETCH 1 BODY[TEXT]")
    assert aware.news() == []
    second = resyncing.fetch("FETCH 2 (BODY[TEXT] MODSEQ)")

    assert first.messages == [(1, {"BODY[TEXT]": b"Hi\r\n", "UID": 1, "FLAGS": ["\\Seen"], "MODSEQ": 3})]
    assert second.messages == [(2, {"BODY[TEXT]": b"Hi\r\n", "MODSEQ": 4, "UID": 2, "FLAGS": ["\\Seen"]})]
    assert [each.items["UID"] for each in resyncing.news()] == [1]


def test_seen_beside_others(rest: Rest) -> None:
    """What others change at the same time is still told."""
    put(rest, SIMPLE, SIMPLE)
    client = FetchSession(rest)

    client.fetch("FETCH 1:2 BODY[]")
    run(rest.store.set_flags(rest.inbox().id, [2], add=DELETED))

    (told,) = client.news()
    assert told.number == 2
    assert set(told.items["FLAGS"]) == {"\\Seen", "\\Deleted"}


def test_seen_in_slices(rest: Rest) -> None:
    r"""\Seen of many messages is set a slice at a time, each before its messages are told."""
    put(rest, *[b"a: b\r\n\r\n" + b"x" * 2000 for _ in range(1500)])
    client = FetchSession(rest)
    writes = len(rest.database.urgent)

    told = client.fetch("FETCH 1:* BODY[]")

    assert told.item("FLAGS") == [["\\Seen"]] * 1500
    assert 2 <= len(rest.database.urgent) - writes <= 10
    assert client.news() == []


def test_seen_that_cannot_be_kept(rest: Rest) -> None:
    """Mail can be read also while nothing can be written; what isn't so isn't told."""
    put(rest, SIMPLE)
    client = FetchSession(rest)

    async def refuse(*_: Any, **__: Any) -> None:
        raise BUSY

    rest.store.set_flags = refuse  # type: ignore[method-assign, assignment]

    told = client.fetch("FETCH 1 BODY[TEXT]")

    assert told.messages == [(1, {"BODY[TEXT]": b"Hi\r\n"})]
    assert told.status.condition == "OK"
    assert "couldn't be kept" in told.status.text


def test_seen_but_not_told(rest: Rest) -> None:
    """Where the text couldn't be sent, that it was seen is still told."""
    put(rest, b"a: b\r\n\r\n" + b"x" * 1_000_000, file=True)
    rest.files.octets = dict.fromkeys(rest.files.octets, b"")
    client = FetchSession(rest)

    with pytest.raises(TemporaryError):
        client.fetch("FETCH 1 BODY[]")

    (told,) = client.news()
    assert told.items["FLAGS"] == ["\\Seen"]


# Mod-sequences


def test_changed_since(rest: Rest) -> None:
    """Only what was changed after is told, with its mod-sequence (RFC 7162 section 3.1.4.1)."""
    put(rest, *[SIMPLE] * 3000)
    inbox = rest.inbox().id
    client = FetchSession(rest)
    since = client.view.modseq
    run(rest.store.set_flags(inbox, [2, 2900], add=SEEN))
    run(rest.store.set_flags(inbox, [2], add=FLAGGED))
    client.news()

    told = client.fetch(f"FETCH 1:* FLAGS (CHANGEDSINCE {since})")

    assert told.messages == [
        (2, {"FLAGS": ["\\Seen", "\\Flagged"], "MODSEQ": since + 2}),
        (2900, {"FLAGS": ["\\Seen"], "MODSEQ": since + 1}),
    ]
    assert client.fetch(f"UID FETCH 1:100 ENVELOPE (CHANGEDSINCE {since})").item("UID") == [2]
    assert client.fetch(f"FETCH 1:* FLAGS (CHANGEDSINCE {since + 2})").messages == []


@pytest.mark.parametrize("command", ["FETCH 1 MODSEQ", "FETCH 1 FLAGS (CHANGEDSINCE 1)"])
def test_condstore_is_enabled(rest: Rest, command: str) -> None:
    """Who asks for mod-sequences is told them from then on, that of the mailbox at once (RFC 7162 section 3.1)."""
    put(rest, SIMPLE)
    client = FetchSession(rest)

    first, second = client.fetch(command), client.fetch(command)

    highest = [each for each in first.responses if isinstance(each, Status)]
    assert [(each.code, each.argument) for each in highest] == [("HIGHESTMODSEQ", 2)]
    assert client.session.condstore
    assert not [each for each in second.responses if isinstance(each, Status)]
    run(rest.store.set_flags(rest.inbox().id, [1], add=SEEN))
    assert client.news()[0].items["MODSEQ"] == 3


def test_vanished(rest: Rest) -> None:
    """Messages that went are told by UID, before those that changed, and only those that were asked for."""
    put(rest, *[SIMPLE] * 20)
    inbox = rest.inbox().id
    since = FetchSession(rest).view.modseq
    run(rest.store.remove(inbox, [3, 4, 5, 9]))
    run(rest.store.remove(inbox, [15, 20]))
    run(rest.store.set_flags(inbox, [6], add=SEEN))
    client = FetchSession(rest, enabled=[Extension.QRESYNC])

    told = client.fetch(f"UID FETCH 4:16 FLAGS (CHANGEDSINCE {since} VANISHED)")
    later = client.fetch(f"UID FETCH 1:* FLAGS (CHANGEDSINCE {since + 1} VANISHED)")

    assert next(type(each) for each in told.responses) is Vanished
    assert told.vanished == [Vanished(earlier=True, uids=[(4, 5), (9, 9), (15, 15)])]
    assert told.item("UID") == [6]
    assert later.vanished == [Vanished(earlier=True, uids=[(15, 15), (20, 20)])]
    assert client.fetch(f"UID FETCH 1:* FLAGS (CHANGEDSINCE {since + 3} VANISHED)").responses == []


def test_vanished_but_not_told(rest: Rest) -> None:
    """A message that the client still counts is told when its number goes, and not before."""
    put(rest, *[SIMPLE] * 5)
    inbox = rest.inbox().id
    run(rest.store.remove(inbox, [2]))
    client = FetchSession(rest, enabled=[Extension.QRESYNC])
    run(rest.store.remove(inbox, [4]))

    told = client.fetch("UID FETCH 1:* FLAGS (CHANGEDSINCE 1 VANISHED)")

    assert told.vanished == [Vanished(earlier=True, uids=[(2, 2)])]
    assert client.news(expunges=True) == [Vanished(earlier=False, uids=[(4, 4)])]


def test_vanished_is_forgotten(rest: Rest) -> None:
    """Who was away too long is told of every UID without a message (RFC 7162 section 3.2.6)."""
    put(rest, *[SIMPLE] * 6)
    inbox = rest.inbox().id
    run(rest.store.remove(inbox, [2, 6]))
    rest.database.connection.execute("UPDATE mailbox SET forgotten = 100")
    client = FetchSession(rest, enabled=[Extension.QRESYNC])

    told = client.fetch("UID FETCH 2:500 FLAGS (CHANGEDSINCE 1 VANISHED)")

    assert told.vanished == [Vanished(earlier=True, uids=[(2, 2), (6, 6)])]


def test_vanished_and_not_told_of_arrivals(rest: Rest) -> None:
    """A message that came meanwhile hasn't vanished, told or not, whatever else did."""
    put(rest, *[SIMPLE] * 3)
    inbox = rest.inbox().id
    client = FetchSession(rest, enabled=[Extension.QRESYNC])
    put(rest, SIMPLE, SIMPLE)
    run(rest.store.remove(inbox, [1, 5]))
    rest.database.connection.execute("UPDATE mailbox SET forgotten = 100")

    told = client.fetch("UID FETCH 1:* FLAGS (CHANGEDSINCE 1 VANISHED)")

    assert told.vanished == [Vanished(earlier=True, uids=[(5, 5)])]
    assert Vanished(earlier=False, uids=[(1, 1)]) in client.news(expunges=True)


def test_vanished_needs_qresync(rest: Rest) -> None:
    """Without QRESYNC the modifier is a mistake."""
    put(rest, SIMPLE)
    client = FetchSession(rest, enabled=[Extension.CONDSTORE])

    assert client.fetch("UID FETCH 1 FLAGS (CHANGEDSINCE 1 VANISHED)").status.condition == "BAD"
    assert client.news() == []


# What goes wrong, and others


def test_database_fails(rest: Rest) -> None:
    """What can't be read is refused as a whole, and nothing half is said."""
    put(rest, SIMPLE)
    client = FetchSession(rest)
    rest.database.refuse = BUSY

    with pytest.raises(TemporaryError):
        client.fetch("FETCH 1 ENVELOPE")

    assert client.session.bytes_to_send() == b""
    assert client.wire.aborted is None


def test_slow_client(rest: Rest) -> None:
    """While a client takes nothing, nothing more is made for it."""
    put(rest, *[SIMPLE] * 10_000)
    client = FetchSession(rest)
    client.wire.gate = gate = Promise[None]()

    steps = client.begin("FETCH 1:* (FLAGS UID)").__await__()
    next(steps)

    assert sum(map(len, client.wire.writes)) < 128 * 1024
    assert client.session.queued == 0
    client.wire.gate = None
    gate.resolve(None)


def test_new_messages_wait(rest: Rest) -> None:
    """A message that came meanwhile isn't told before the client knows of it."""
    put(rest, SIMPLE)
    client = FetchSession(rest)
    put(rest, SIMPLE)

    assert [number for number, _ in client.fetch("UID FETCH 1:* FLAGS").messages] == [1]
    assert Numbered("EXISTS", 2) in client.news()
