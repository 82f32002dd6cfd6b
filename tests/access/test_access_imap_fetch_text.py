"""FETCH: the text of messages and parts, small and large, decoded or not."""

from __future__ import annotations

from base64 import encodebytes
from collections.abc import Iterator
from typing import Any

import pytest
from awkward_messages import messages
from fetch_access import FetchSession, put, read_answer
from hypothesis import given, settings
from mail_at_rest import Rest, run, to
from mime_trees import message_of, plain_parts, trees

from twistedmail_mta.access.imap.fetch_message import PIECE
from twistedmail_mta.errors import TemporaryError
from twistedmail_mta.imap.fetch import MAX_PART
from twistedmail_mta.imap.sections import MAX_HEADER
from twistedmail_mta.mail.header import split
from twistedmail_mta.mail.parts import Encoding, Nesting, Part
from twistedmail_mta.mail.transfer_decoding import decoded
from twistedmail_mta.mailbox.stored import Stored
from twistedmail_mta.model import Reply
from twistedmail_mta.tasks import Promise

MESSAGES = dict(messages())
BUSY = TemporaryError(Reply(451, "4.3.0", "Busy"))
TWO = (
    b"Subject: two\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\nfirst\r\n"
    b"--b\r\nContent-Type: message/rfc822\r\n\r\nFrom: x\r\nSubject: in\r\n\r\ninside\r\n"
    b"--b\r\nContent-Transfer-Encoding: base64\r\n\r\nAAECAw==\r\n"
    b"--b\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\na=3Db=\r\nc\r\n"
    b"--b\r\nContent-Transfer-Encoding: x-own\r\n\r\n???\r\n--b--\r\n"
)


@pytest.fixture
def rest() -> Rest:
    return Rest()


def item(rest: Rest, octets: bytes, wanted: str, *, file: bool = False) -> Any:
    """Return one item of a message."""
    put(rest, octets, file=file)
    client = FetchSession(rest, read_only=True)
    told = client.fetch(f"FETCH {client.selected.exists} ({wanted})")
    ((_, items),) = told.messages
    (value,) = items.values()
    return value


def numbered(tree: Part, prefix: str = "") -> Iterator[tuple[str, Part]]:
    """Yield the number of every part, and the part (RFC 9051 section 6.4.5.1)."""
    for place, part in enumerate(tree.children if tree.nesting is Nesting.MULTIPART else (tree,), 1):
        number = f"{prefix}{place}"
        yield number, part
        inside = part.children[0] if part.nesting is Nesting.MESSAGE else part
        if inside is not part or part.nesting is Nesting.MULTIPART:
            yield from numbered(inside, f"{number}.")


def section_items(octets: bytes) -> dict[str, bytes | None]:
    """Return all that can be asked of a message, and what it is; a plain reader finds it."""
    header, body = split(octets)
    tree = plain_parts(header, body)
    found: dict[str, bytes | None] = {"": octets, "HEADER": header, "TEXT": body}
    for number, part in numbered(tree):
        if len(number) > MAX_PART:
            continue
        found[number] = body[part.begin : part.end]
        found[f"{number}.MIME"] = header if part is tree else body[part.header : part.begin]
        inside = part.children[0] if part.nesting is Nesting.MESSAGE else None
        found[f"{number}.HEADER"] = None if inside is None else body[inside.header : inside.begin]
        found[f"{number}.TEXT"] = None if inside is None else body[inside.begin : inside.end]
    return found


@pytest.mark.parametrize("file", [False, True], ids=["row", "file"])
@pytest.mark.parametrize("name", MESSAGES)
def test_every_section(rest: Rest, name: str, file: bool) -> None:
    """Every section of every message, however the body is kept, with exact counts; NUL is 0x80."""
    octets = MESSAGES[name]
    put(rest, octets, file=file)
    expected = section_items(octets)
    client = FetchSession(rest)
    asked = list(expected)

    found = {}
    for start in range(0, len(asked), 50):
        piece = asked[start : start + 50]
        told = client.fetch(f"FETCH 1 ({' '.join(f'BODY.PEEK[{section}]' for section in piece)})")
        found.update({name[5:-1]: value for name, value in told.messages[0][1].items()})

    assert found == {section: value and value.replace(b"\0", b"\x80") for section, value in expected.items()}


@settings(max_examples=40)
@given(trees([b"text\r\n", b"\r\n", b"Aa bb", b"QUJD", b"=41=\r\n", b"\xc3\xa9", b"\0"], well_formed=True))
def test_made_messages(tree: Any) -> None:
    """Sections, decoded parts and their sizes agree with one another."""
    header, body, _ = message_of(tree)
    octets = header + body
    rest = Rest()
    put(rest, octets)
    client = FetchSession(rest, read_only=True)

    for number, part in numbered(plain_parts(header, body)):
        told = client.fetch(f"FETCH 1 (BODY[{number}] BINARY[{number}] BINARY.SIZE[{number}])")
        items = told.messages[0][1]
        text = body[part.begin : part.end]
        assert items[f"BODY[{number}]"] == text.replace(b"\0", b"\x80")
        if part.encoding is Encoding.UNKNOWN:
            assert (len(items), told.status.code) == (1, "UNKNOWN-CTE")
        else:
            assert items[f"BINARY[{number}]"] == decoded(part.encoding, text)
            assert items[f"BINARY.SIZE[{number}]"] == len(items[f"BINARY[{number}]"])
            assert (b"~{" in told.octets) == (b"\0" in items[f"BINARY[{number}]"])


@pytest.mark.parametrize("file", [False, True], ids=["row", "file"])
@pytest.mark.parametrize(
    "section", ["", "HEADER", "TEXT", "1", "2.HEADER", "2.TEXT", "2.MIME", "HEADER.FIELDS (SUBJECT)"]
)
def test_pieces_of_sections(rest: Rest, section: str, file: bool) -> None:
    """Pieces at every edge are what Python's slices are, and say where they begin."""
    put(rest, TWO, file=file)
    client = FetchSession(rest, read_only=True)
    whole = client.fetch(f"FETCH 1 BODY[{section}]").item(f"BODY[{section}]")[0]
    size = len(whole)

    for offset in (0, 1, size - 1, size, size + 1, 2**63 - 1):
        for count in (1, 2, size, size + 1, 2**63 - 1):
            told = client.fetch(f"FETCH 1 BODY[{section}]<{offset}.{count}>")
            assert told.messages[0][1] == {f"BODY[{section}]<{offset}>": whole[offset : offset + count]}


def test_what_there_is_not(rest: Rest) -> None:
    """A section that the message doesn't have is NIL, whole or a piece of it; an empty one is a string."""
    put(rest, TWO, b"Subject: none\r\n\r\n")
    client = FetchSession(rest, read_only=True)

    for section in ("6", "1.1", "2.2", "1.HEADER", "1.TEXT", "3.HEADER.FIELDS (X)", "9.MIME", "9.HEADER", "2.1.TEXT"):
        assert client.fetch(f"FETCH 1 BODY[{section}]").octets == b"* 1 FETCH (BODY[%b] NIL)\r\n" % section.encode()
        assert client.fetch(f"FETCH 1 BODY[{section}]<3.5>").item(f"BODY[{section}]<3>") == [None]
    assert client.fetch("FETCH 1 BINARY[7]").item("BINARY[7]") == [None]
    assert client.fetch("FETCH 1 BINARY.SIZE[7]").item("BINARY.SIZE[7]") == [0]
    assert client.fetch("FETCH 2 BODY[TEXT]").octets == b"* 2 FETCH (BODY[TEXT] {0}\r\n)\r\n"


def test_labels(rest: Rest) -> None:
    """Fields are named as the client wrote them, so that it finds its item again."""
    put(rest, TWO)

    told = FetchSession(rest).fetch(b'FETCH 1 BODY.PEEK[2.HEADER.FIELDS (SUBJECT "%s%d" x-y)]<0.13>')

    assert told.octets == b'* 1 FETCH (BODY[2.HEADER.FIELDS (SUBJECT "%s%d" x-y)]<0> {13}\r\nSubject: in\r\n)\r\n'


def test_rfc_9051_examples(rest: Rest) -> None:
    """FETCH as in the session of RFC 9051 section 8, octet for octet where it says what is sent."""
    header = (
        b"Date: Wed, 17 Jul 1996 02:23:25 -0700 (PDT)\r\nFrom: Terry Gray <gray@cac.washington.edu>\r\n"
        b"Subject: IMAP4rev2 WG mtg summary and minutes\r\nTo: imap@cac.washington.edu\r\n"
        b"cc: minutes@CNRI.Reston.VA.US, John Klensin <KLENSIN@MIT.EDU>\r\n"
        b"Message-Id: <B27397-0100000@cac.washington.edu>\r\nMIME-Version: 1.0\r\n"
        b"Content-Type: TEXT/PLAIN; CHARSET=US-ASCII\r\n\r\n"
    )
    body = b"x" * 76 + b"\r\n"
    put(rest, header + body * 38, internal_date=837_596_665)
    client = FetchSession(rest)

    full = client.fetch("fetch 1 full")
    told = client.fetch("fetch 1 body[header]")

    assert b'INTERNALDATE "17-Jul-1996 09:44:25 +0000" RFC822.SIZE' in full.octets
    assert (
        b'ENVELOPE ("Wed, 17 Jul 1996 02:23:25 -0700 (PDT)" "IMAP4rev2 WG mtg summary and minutes" '
        b'(("Terry Gray" NIL "gray" "cac.washington.edu")) (("Terry Gray" NIL "gray" "cac.washington.edu")) '
        b'(("Terry Gray" NIL "gray" "cac.washington.edu")) ((NIL NIL "imap" "cac.washington.edu")) '
        b'((NIL NIL "minutes" "CNRI.Reston.VA.US")("John Klensin" NIL "KLENSIN" "MIT.EDU")) NIL NIL '
        b'"<B27397-0100000@cac.washington.edu>") BODY ("text" "plain" ("charset" "US-ASCII") NIL NIL "7bit" 2964 38))'
    ) in full.octets.replace(b'"TEXT" "PLAIN"', b'"text" "plain"').replace(b'"CHARSET"', b'"charset"').replace(
        b'"7BIT"', b'"7bit"'
    )
    assert told.octets == b"* 1 FETCH (BODY[HEADER] {%d}\r\n%b FLAGS (\\Seen))\r\n" % (len(header), header)


# BINARY


def test_binary(rest: Rest) -> None:
    """Parts decoded: as a literal8 where NUL is, else as a string (RFC 3516 section 4.3)."""
    put(rest, TWO)
    client = FetchSession(rest, read_only=True)

    assert client.fetch("FETCH 1 BINARY[3]").octets == b"* 1 FETCH (BINARY[3] ~{4}\r\n\0\1\2\3)\r\n"
    assert client.fetch("FETCH 1 BINARY.PEEK[3]<1.2>").octets == b"* 1 FETCH (BINARY[3]<1> {2}\r\n\1\2)\r\n"
    assert client.fetch("FETCH 1 BINARY.PEEK[3]<9.2>").octets == b"* 1 FETCH (BINARY[3]<9> {0}\r\n)\r\n"
    assert client.fetch("FETCH 1 BINARY[4]").octets == b"* 1 FETCH (BINARY[4] {4}\r\na=bc)\r\n"
    assert client.fetch("FETCH 1 BINARY[1]").octets == b"* 1 FETCH (BINARY[1] {5}\r\nfirst)\r\n"
    assert client.fetch("FETCH 1 BINARY[2.1]").octets == b"* 1 FETCH (BINARY[2.1] {6}\r\ninside)\r\n"
    assert client.fetch("FETCH 1 BINARY[]").item("BINARY[]") == [TWO]
    sizes = client.fetch("FETCH 1 (BINARY.SIZE[1] BINARY.SIZE[3] BINARY.SIZE[4] BINARY.SIZE[])")
    assert sizes.messages == [
        (1, {"BINARY.SIZE[1]": 5, "BINARY.SIZE[3]": 4, "BINARY.SIZE[4]": 4, "BINARY.SIZE[]": len(TWO)})
    ]


@pytest.mark.parametrize("wanted", ["BINARY[5]", "BINARY.PEEK[5]<1.1>", "BINARY.SIZE[5]"])
def test_unknown_encoding(rest: Rest, wanted: str) -> None:
    """What nobody can decode is refused; the rest is told (RFC 3516 section 4.3)."""
    put(rest, TWO, TWO)
    client = FetchSession(rest, read_only=True)

    alone = client.fetch(f"FETCH 1 {wanted}")
    beside = client.fetch(f"UID FETCH 1:2 (BODY.PEEK[1] {wanted} FLAGS)")

    assert (alone.status.condition, alone.status.code, alone.octets) == ("NO", "UNKNOWN-CTE", b"")
    assert beside.status.code == "UNKNOWN-CTE"
    assert beside.messages == [(n, {"UID": n, "BODY[1]": b"first", "FLAGS": []}) for n in (1, 2)]


@pytest.mark.parametrize("encoding", ["base64", "quoted-printable", "8bit"])
@pytest.mark.parametrize("nul_at", [None, 0, 200_000, -1])
def test_large_binary(rest: Rest, encoding: str, nul_at: int | None) -> None:
    """A large part is decoded block by block; its size, and whether NUL is in it, are known before."""
    content = bytearray(b"0123456789abcde\r\n" * 30_000)
    if nul_at is not None:
        content[nul_at] = 0
    data = bytes(content)
    encoded = {
        "base64": lambda: encodebytes(data).replace(b"\n", b"\r\n"),
        "quoted-printable": lambda: data.replace(b"\0", b"=00").replace(b"9a", b"=\r\n9a"),
        "8bit": lambda: data,
    }[encoding]()
    octets = b"MIME-Version: 1.0\r\nContent-Transfer-Encoding: %b\r\n\r\n" % encoding.encode() + encoded
    put(rest, octets, file=True)
    client = FetchSession(rest, read_only=True)

    told = client.fetch("FETCH 1 BINARY[1]")

    mark = b"~" if nul_at is not None else b""
    assert told.octets == b"* 1 FETCH (BINARY[1] %b{%d}\r\n%b)\r\n" % (mark, len(data), data)
    assert max(map(len, told.writes)) <= 2 * PIECE
    assert client.fetch("FETCH 1 BINARY.SIZE[1]").item("BINARY.SIZE[1]") == [len(data)]
    for offset, count in ((0, 10), (199_990, 20), (199_990, 10), (len(data) - 5, 10), (len(data), 1), (0, 2**62)):
        told = client.fetch(f"FETCH 1 BINARY[1]<{offset}.{count}>")
        piece = data[offset : offset + count]
        mark = b"~" if b"\0" in piece else b""
        assert told.octets == b"* 1 FETCH (BINARY[1]<%d> %b{%d}\r\n%b)\r\n" % (offset, mark, len(piece), piece)


# Large bodies


def test_large_body_in_pieces(rest: Rest) -> None:
    """A large message is read and written piece by piece, each after the client has taken the one before."""
    body = bytes(range(1, 256)) * 10_000
    reads: list[tuple[int, int]] = []
    put(rest, b"Subject: large\r\n\r\n" + body, file=True)
    client = FetchSession(rest, read_only=True)
    read = rest.store.read

    async def counted(stored: Stored, offset: int, size: int) -> bytes:
        reads.append((offset, size))
        return await read(stored, offset, size)

    rest.store.read = counted  # type: ignore[method-assign]
    client.wire.gate = gate = Promise[None]()

    steps = client.begin("FETCH 1 (UID BODY[])").__await__()
    next(steps)
    before = list(reads)
    client.wire.gate = None
    gate.resolve(None)
    with pytest.raises(StopIteration):
        steps.send(None)
    client.wire.flush()

    assert before == [(0, PIECE)]
    assert all(size <= PIECE for _, size in reads)
    assert max(map(len, client.wire.writes)) <= PIECE + 100
    octets = b"".join(client.wire.writes)
    whole = b"Subject: large\r\n\r\n" + body
    assert octets == b"* 1 FETCH (UID 1 BODY[] {%d}\r\n%b)\r\n" % (len(whole), whole)


def test_many_items_of_one_message(rest: Rest) -> None:
    """A line of many large items is written as it is made."""
    octets = b"a: b\r\n\r\n" + b"x" * 200_000
    put(rest, octets)
    client = FetchSession(rest, read_only=True)

    told = client.fetch(f"FETCH 1 ({' '.join(f'BODY[]<{n}.300000>' for n in range(100))} UID)")

    assert max(map(len, told.writes)) < 2 * len(octets)
    (items,) = (items for _, items in told.messages)
    assert [len(items[f"BODY[]<{n}>"]) for n in range(100)] == [len(octets) - n for n in range(100)]
    assert items["UID"] == 1


def test_header_of_large_part(rest: Rest) -> None:
    """Fields are chosen of a header in a file too."""
    fields = b"".join(b"X-%d: y\r\n" % n for n in range(5000))
    inside = fields + b"Subject: last\r\n\r\ntext"
    assert len(fields) < MAX_HEADER
    octets = b"Content-Type: message/rfc822\r\n\r\n" + inside

    assert item(rest, octets, "BODY[1.HEADER.FIELDS (SUBJECT)]", file=True) == b"Subject: last\r\n\r\n"
    assert item(rest, octets, "BODY[1.HEADER.FIELDS.NOT (SUBJECT)]", file=True) == fields + b"\r\n"
    assert item(rest, octets, "BODY[1.HEADER]", file=True) == fields + b"Subject: last\r\n\r\n"


@pytest.mark.parametrize("fails_at", [0, 1, 3])
def test_file_fails(rest: Rest, fails_at: int) -> None:
    """Before anything of a message was sent a failure is an answer; after that only the connection can end."""
    put(rest, b"a: b\r\n\r\nsmall", b"a: b\r\n\r\n")
    put(rest, b"a: b\r\n\r\n" + b"x" * 1_000_000, file=True)
    client = FetchSession(rest, read_only=True)
    read, reads = rest.store.read, iter(range(100))

    async def failing(stored: Stored, offset: int, size: int) -> bytes:
        if next(reads) == fails_at:
            raise BUSY
        return await read(stored, offset, size)

    rest.store.read = failing  # type: ignore[method-assign]

    with pytest.raises(TemporaryError):
        client.fetch("FETCH 1:3 BODY[]")

    client.wire.flush()
    octets = b"".join(client.wire.writes)
    if fails_at:
        assert client.wire.aborted is not None
    else:
        assert client.wire.aborted is None
        assert len(read_answer(octets)) == 2
    assert octets.startswith(b"* 1 FETCH (BODY[] {13}\r\n")


def test_file_is_too_short(rest: Rest) -> None:
    """A file that lost its end doesn't make a literal that is too short."""
    put(rest, b"a: b\r\n\r\n" + b"x" * 1_000_000, file=True)
    client = FetchSession(rest, read_only=True)
    (name,) = rest.files.octets
    rest.files.octets[name] = b"x" * 500_000

    with pytest.raises(TemporaryError):
        client.fetch("FETCH 1 BODY[]")

    assert client.wire.aborted is not None


@pytest.mark.parametrize("command", ["FETCH", "UID FETCH"])
def test_file_is_gone_with_its_message(rest: Rest, command: str) -> None:
    """A message that is removed after its row was read is left out like others that are gone."""
    put(rest, b"a: b\r\n\r\n1")
    put(rest, b"a: b\r\n\r\n" + b"x" * 1_000_000, file=True)
    put(rest, b"a: b\r\n\r\n3")
    client = FetchSession(rest, read_only=True)

    async def removed(*_: Any) -> bytes:
        run(rest.store.remove(rest.inbox().id, [2]))
        raise BUSY

    rest.store.read = removed  # type: ignore[method-assign]

    told = client.fetch(f"{command} 1:3 (BODY[TEXT] FLAGS)")

    assert [number for number, _ in told.messages] == [1, 3]
    assert told.item("BODY[TEXT]") == [b"1", b"3"]
    assert told.status.code == ("" if command.startswith("UID") else "EXPUNGEISSUED")


def test_other_sections_of_a_file(rest: Rest) -> None:
    """What isn't in the file is told without reading it."""
    put(rest, b"a: b\r\n\r\n" + b"x" * 1_000_000, file=True)
    rest.files.octets.clear()
    client = FetchSession(rest, read_only=True)

    assert client.fetch("FETCH 1 (BODY[HEADER] BODY[]<0.8> BODY[TEXT]<1000000.1>)").messages == [
        (1, {"BODY[HEADER]": b"a: b\r\n\r\n", "BODY[]<0>": b"a: b\r\n\r\n", "BODY[TEXT]<1000000>": b""})
    ]


def test_prefix(rest: Rest) -> None:
    """The lines of final delivery are the begin of what clients see, and places of parts don't count them."""
    rest.accept(to(1), header=b"Subject: x\r\n\r\n", body=rest.body(b"Hello\r\n"))
    client = FetchSession(rest, read_only=True)
    prefix = b"Return-Path: <ann@example.org>\r\nDelivered-To: user1@example.org\r\n"

    told = client.fetch("FETCH 1 (RFC822.SIZE BODY[] BODY[HEADER] BODY[TEXT] BODY[HEADER.FIELDS (DELIVERED-TO)])")

    assert told.messages == [
        (
            1,
            {
                "RFC822.SIZE": len(prefix) + 21,
                "BODY[]": prefix + b"Subject: x\r\n\r\nHello\r\n",
                "BODY[HEADER]": prefix + b"Subject: x\r\n\r\n",
                "BODY[TEXT]": b"Hello\r\n",
                "BODY[HEADER.FIELDS (DELIVERED-TO)]": b"Delivered-To: user1@example.org\r\n\r\n",
            },
        )
    ]
