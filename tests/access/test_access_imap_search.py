"""SEARCH: what is found, how it is told, and what "$" stands for afterwards."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from awkward_messages import HEAD, messages
from fetch_access import put
from mail_at_rest import Rest, run
from search_access import SearchSession, read

from twistedmail_mta.errors import TemporaryError
from twistedmail_mta.imap.capability import Extension
from twistedmail_mta.mailbox import searching
from twistedmail_mta.mailbox.flags import ANSWERED, DELETED, FLAGGED, SEEN
from twistedmail_mta.model import Reply

DAY = 24 * 3600
FEBRUARY = 760_060_800
"""1 February 1994, 00:00:00 UTC."""
PLAIN = b"Subject: test\r\n\r\ntext\r\n"


def message(*fields: bytes, body: bytes = b"text\r\n") -> bytes:
    return b"".join(field + b"\r\n" for field in fields) + b"\r\n" + body


def mime(kind: bytes, body: bytes, encoding: bytes = b"7bit") -> bytes:
    return message(b"MIME-Version: 1.0", b"Content-Type: " + kind, b"Content-Transfer-Encoding: " + encoding, body=body)


def opened(*mails: bytes, **options: Any) -> SearchSession:
    rest = Rest()
    put(rest, *mails)
    return SearchSession(rest, **options)


@pytest.fixture
def ten() -> SearchSession:
    """Ten messages, of sizes that differ, a day apart; flagged are 2, 4 and 7; UIDs begin with 11."""
    rest = Rest()
    uids = put(rest, *[PLAIN] * 10)
    run(rest.store.remove(rest.inbox().id, uids))
    for number in range(1, 11):
        mail = message(b"Subject: number %d" % number, body=b"x" * 100 * number + b"\r\n")
        put(rest, mail, internal_date=FEBRUARY + number * DAY - 1)
    inbox = rest.inbox().id
    run(rest.store.set_flags(inbox, [12, 14, 17], add=FLAGGED))
    run(rest.store.set_flags(inbox, [17, 18], add=SEEN | ANSWERED))
    run(rest.store.set_flags(inbox, [20], add=DELETED))
    run(rest.store.keywords(inbox, ["$Junk"]))
    return SearchSession(rest, recent_from=19)


@pytest.mark.parametrize(
    ("keys", "numbers"),
    [
        ("ALL", range(1, 11)),
        ("2,4:*", [2, *range(4, 11)]),
        ("UID 12:14", [2, 3, 4]),
        ("UID 1:5", []),
        ("UID 25:*", [10]),
        ("11,20:30", []),
        ("9:11", [9, 10]),
        ("$", []),
        ("FLAGGED", [2, 4, 7]),
        ("UNFLAGGED SEEN", [8]),
        ("OR SEEN DELETED", [7, 8, 10]),
        ("NOT 3:10", [1, 2]),
        ("NOT (FLAGGED 1:4)", [1, 3, *range(5, 11)]),
        ("KEYWORD $Junk", []),
        ("UNKEYWORD $junk 1:2", [1, 2]),
        ("KEYWORD nobody", []),
        ("RECENT", [9, 10]),
        ("OLD", range(1, 9)),
        ("NEW", [9, 10]),
        ("LARGER 823", [9, 10]),
        ("SMALLER 123", []),
        ("SMALLER 124", [1]),
        ("LARGER 4294967295", []),
        ("BEFORE 2-Feb-1994", [1]),
        ("ON 2-Feb-1994", [2]),
        ("SINCE 9-Feb-1994", [9, 10]),
        ("SENTBEFORE 1-Jan-2030", []),
        ("NOT SENTBEFORE 1-Jan-2030", range(1, 11)),
        ('SUBJECT "number 1"', [1, 10]),
        ("HEADER subject 3", [3]),
        ('HEADER Cc ""', []),
        ("BODY xx 1:3", [1, 2, 3]),
        ("OR BODY nothing SUBJECT 5", [5]),
        ("OR FLAGGED (SUBJECT 5 BODY x)", [2, 4, 5, 7]),
        ("MODSEQ 1", range(1, 11)),
    ],
)
def test_keys(ten: SearchSession, keys: str, numbers: Any) -> None:
    if keys.startswith("MODSEQ"):
        assert ten.say(f"SEARCH {keys}").splitlines()[1] == "* SEARCH 1 2 3 4 5 6 7 8 9 10 (MODSEQ 16)"
    else:
        assert ten.numbers(keys) == list(numbers)


TEXTS = [
    (message(b"Subject: =?utf-8?q?J=C3=B6rg?="), "SUBJECT jörg"),
    (message(b"Subject: =?utf-8?b?SsO2?= =?utf-8?b?cmc=?="), "SUBJECT jörg"),
    (message(b"Subject: =?utf-8?b?SsM=?=\r\n =?utf-8?b?tnJn?="), "SUBJECT jörg"),
    (message("Subject: Jörg".encode()), "SUBJECT JÖRG"),
    (message("Subject: Jörg".encode("latin-1")), "SUBJECT jÖrg"),
    (message(b"Subject: two\r\n words"), 'SUBJECT "two words"'),
    (message(b'Subject: "quoted" \\ back'), "SUBJECT back"),
    (message(b"Subject: x"), 'SUBJECT ""'),
    (message(b"From: =?iso-8859-1?q?J=F6rg?= <a@x.test>"), 'FROM "jörg <A@"'),
    (message(b"To: a@x.test,\r\n b@x.test"), "TO B@X"),
    (message(b"Cc: a@x.test", b"Cc: b@x.test"), "CC b@"),
    (message(b"Bcc: a@x.test"), "BCC a"),
    (message(b"X-Own: some thing"), 'HEADER x-own "E T"'),
    (message(b"X-Own : thing"), "HEADER X-OWN thing"),
    (message(b"X-Own:"), 'HEADER X-Own ""'),
    (message(b"Subject: x"), 'TEXT "subject: x"'),
    (message(b"Subject: x", body=b"straight\r\n"), "BODY AIGH"),
    (message(b"Subject: x", body=b"two\r\nlines\r\n"), "BODY lines"),
    (mime(b"text/plain; charset=utf-8", b"J=C3=\r\n=B6rg\r\n", b"quoted-printable"), "BODY jörg"),
    (mime(b"text/plain; charset=utf-8", b"SsO2cm\r\nc=\r\n", b"base64"), "BODY jörg"),
    (mime(b"text/plain; charset=koi8-r", "поиск".encode("koi8-r")), "BODY ПОИСК"),
    (mime(b"text/plain; charset=iso-2022-jp", "日本語".encode("iso-2022-jp")), "BODY 日本"),
    (mime(b"text/plain; charset=nonsense", "Jörg".encode()), "BODY jörg"),
    (mime(b"text/plain; charset=nonsense", "Jörg".encode("latin-1")), "BODY jörg"),
    (mime(b"multipart/mixed; boundary=b", b"--b\r\n\r\nin a part\r\n--b--\r\n"), "BODY part"),
    (mime(b"multipart/mixed; boundary=b", b"--b\r\nX-Own: mark\r\n\r\nin a part\r\n--b--\r\n"), "TEXT mark"),
    (mime(b"message/rfc822", b"Subject: inner =?utf-8?q?=C3=B6?=\r\n\r\ntext\r\n"), "TEXT ö"),
    (mime(b"message/rfc822", b"Subject: inner\r\n\r\nwithin\r\n"), "BODY within"),
    (mime(b"text/html", b"<p>paragraph</p>"), "BODY PARAGRAPH"),
    (mime(b"message/delivery-status", b"Final-Recipient: rfc822; x@y.test\r\n"), "BODY X@Y"),
    (message(b"Subject: two\r\n\twords"), 'SUBJECT "two words"'),
    (message(b"Subject: two\r\n\twords"), 'HEADER Subject "two words"'),
]
NOWHERE = [
    (message(b"Subject: Jorg"), "SUBJECT jörg"),
    (message(b"From: x@x.test"), 'SUBJECT ""'),
    (message(b"X-Other: thing"), "HEADER X-Own thing"),
    (message(b"Subject: mark"), "BODY mark"),
    (mime(b"image/png", b"bWFyaw==", b"base64"), "TEXT mark"),
    (mime(b"image/png", b"mark"), "BODY mark"),
    (mime(b"message/rfc822", b"Subject: mark\r\n\r\ntext\r\n"), "BODY mark"),
    (mime(b"multipart/mixed; boundary=b", b"--b\r\nX-Own: mark\r\n\r\nin a part\r\n--b--\r\n"), "BODY mark"),
    (mime(b"multipart/mixed; boundary=b", b"--b\r\n\r\nma\r\n--b\r\n\r\nrk\r\n--b--\r\n"), "BODY mark"),
    (mime(b"multipart/mixed; boundary=b", b"mark\r\n--b\r\n\r\nx\r\n--b--\r\nmark\r\n"), "BODY mark"),
]


@pytest.mark.parametrize("file", [False, True])
@pytest.mark.parametrize(("mail", "keys"), TEXTS)
def test_texts_that_are_there(mail: bytes, keys: str, file: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Decoded, in any case, cut by any block."""
    rest = Rest()
    put(rest, PLAIN, mail, file=file)

    for block in (1, 7, 10_000):
        monkeypatch.setattr(searching, "BLOCK", block)

        assert SearchSession(rest).numbers(quoted(keys)) == [2] if keys != 'SUBJECT ""' else [1, 2]


@pytest.mark.parametrize("file", [False, True])
@pytest.mark.parametrize(("mail", "keys"), NOWHERE)
def test_texts_that_are_not_there(mail: bytes, keys: str, file: bool) -> None:
    rest = Rest()
    put(rest, mail, file=file)

    assert SearchSession(rest).numbers(quoted(keys)) == []


def quoted(keys: str) -> str:
    """Return a key whose last word is a string if it isn't ASCII."""
    name, _, text = keys.rpartition(" ")
    return keys if keys.isascii() or '"' in keys else f'{name} "{text}"'


def test_attachments_are_not_read() -> None:
    """Of a large body only what is text is read of its file."""
    rest = Rest()
    attachment = b"--b\r\nContent-Type: application/x\r\n\r\n" + b"mark" * 100_000 + b"\r\n"
    put(
        rest,
        mime(b"multipart/mixed; boundary=b", attachment + b"--b\r\n\r\nthe end\r\n--b--\r\n"),
        file=True,
    )
    reads: list[tuple[int, int]] = []
    read_file = rest.files.read

    async def counted(body: Any, offset: int, size: int) -> bytes:
        reads.append((offset, size))
        return await read_file(body, offset, size)

    rest.files.read = counted

    assert SearchSession(rest).numbers('BODY "THE END"') == [1]
    assert len(reads) == 2


@pytest.mark.parametrize(
    ("date", "day"),
    [
        (b"Sat, 21 Nov 2026 23:59:59 -1100", "21-Nov-2026"),
        (b"Sat, 21 Nov 2026 00:00:01 +1100", "21-Nov-2026"),
        (b"21 Nov 26 08:00", "21-Nov-2026"),
        (b"Sat,21-November-2026", "21-Nov-2026"),
        (b"(a comment) 1 Feb 1994 08:00:00 EST", "1-Feb-1994"),
    ],
)
def test_dates_sent(date: bytes, day: str) -> None:
    """The day is that which was written, whatever the zone."""
    session = opened(message(b"Date: " + date), message(b"Date: 31 Feb 2026"), message(b"Date: nonsense"))

    assert session.numbers(f"SENTON {day}") == [1]
    assert session.numbers(f"SENTSINCE {day}") == [1]
    assert session.numbers(f"SENTBEFORE {day}") == []
    assert session.numbers("SENTSINCE 1-Jan-1900") == [1]
    assert session.numbers("SENTBEFORE 1-Jan-2100") == [1]


def test_awkward_messages_never_fail() -> None:
    """Whatever mail holds, it is an answer that comes."""
    rest = Rest()
    mails = [mail for _, mail in messages()]
    put(rest, *mails)
    put(rest, *mails, file=True)
    session = SearchSession(rest)

    for keys in (
        *(
            "TEXT nowhere",
            'BODY "ö"',
            'TEXT ""',
            "FROM x",
            "TO bob",
            "SUBJECT o",
            "SENTSINCE 1-Jan-2000",
            'TEXT "日本"',
        ),
        *('HEADER Content-Type "x"', 'HEADER "" x', 'HEADER "a:b" x', "OR NOT BODY first SUBJECT x"),
    ):
        assert session.say(f"SEARCH {keys}").endswith("a OK SEARCH completed\r\n")


def test_messages_that_are_gone() -> None:
    """One that another session expunged is found by nothing, told or not."""
    session = opened(*[PLAIN] * 4)
    run(session.rest.store.remove(session.selected.mailbox.id, [2]))

    for keys in ("ALL", "UNSEEN", "NOT SUBJECT nowhere", "BODY text", "UID 1:4", "NOT BODY nowhere"):
        assert session.numbers(keys) == [1, 3, 4]


def test_messages_that_go_meanwhile() -> None:
    """The view still has one whose rows are gone."""
    session = opened(*[PLAIN] * 4)
    for table in ("mail", "arrival"):
        session.rest.rows(f"DELETE FROM {table} WHERE uid IN (2, 4)")

    for keys in ("NOT SUBJECT nowhere", "BODY text", "SINCE 1-Jan-1970", "NOT SENTON 1-Jan-1970", "NOT BODY nowhere"):
        assert session.numbers(keys) == [1, 3]


def test_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    """However few rows and octets are read at once, the answers are the same."""
    mails = [message(b"Subject: number %d" % number, body=b"text %d\r\n" % number) for number in range(30)]
    session = opened(*mails)
    run(session.rest.store.remove(session.selected.mailbox.id, [5, 6, 30]))
    keys = ("SUBJECT 1 BODY 2", "NOT BODY 2", "OR SUBJECT 2 NOT TEXT 1", "HEADER Subject 7", "SENTON 1-Jan-1970")
    expected = [session.numbers(each) for each in keys]
    monkeypatch.setattr(searching, "ROWS", 1)

    for rows in (1, 3, 7):
        for octets in (0, 50, 500):
            monkeypatch.setattr(searching, "LEAST_ROWS", rows)
            monkeypatch.setattr(searching, "OCTETS", octets)

            assert [session.numbers(each) for each in keys] == expected


# How it is told


@pytest.mark.parametrize(
    ("command", "line"),
    [
        ("SEARCH FLAGGED", "* SEARCH 2 4 7"),
        ("UID SEARCH FLAGGED", "* SEARCH 12 14 17"),
        ("SEARCH KEYWORD nobody", "* SEARCH"),
        ("SEARCH RETURN () FLAGGED", '* ESEARCH (TAG "a") ALL 2,4,7'),
        ("SEARCH RETURN (MIN COUNT) FLAGGED", '* ESEARCH (TAG "a") MIN 2 COUNT 3'),
        ("SEARCH RETURN (MIN) UNSEEN", '* ESEARCH (TAG "a") MIN 1'),
        ("UID SEARCH RETURN (MIN MAX) 1:5000", '* ESEARCH (TAG "a") UID MIN 11 MAX 20'),
        ("SEARCH RETURN (COUNT) DELETED", '* ESEARCH (TAG "a") COUNT 1'),
        ("SEARCH RETURN (ALL MIN MAX) KEYWORD nobody", '* ESEARCH (TAG "a")'),
        ("SEARCH RETURN (COUNT) KEYWORD nobody", '* ESEARCH (TAG "a") COUNT 0'),
        ("UID SEARCH RETURN (ALL) 1:4,6:10", '* ESEARCH (TAG "a") UID ALL 11:14,16:20'),
        ("SEARCH MODSEQ 15", "* SEARCH 7 8 10 (MODSEQ 16)"),
        ("SEARCH MODSEQ 99", "* SEARCH"),
        ("SEARCH OR NOT MODSEQ 15 KEYWORD nobody", "* SEARCH 1 2 3 4 5 6 9 (MODSEQ 14)"),
        ("SEARCH RETURN (MIN) MODSEQ 15", '* ESEARCH (TAG "a") MIN 7 MODSEQ 15'),
        ("SEARCH RETURN (MAX) MODSEQ 15 1:8", '* ESEARCH (TAG "a") MAX 8 MODSEQ 15'),
        ("SEARCH RETURN (MIN MAX) MODSEQ 15", '* ESEARCH (TAG "a") MIN 7 MAX 10 MODSEQ 16'),
        ("SEARCH RETURN (MIN COUNT) MODSEQ 15", '* ESEARCH (TAG "a") MIN 7 COUNT 3 MODSEQ 16'),
        ("SEARCH RETURN (ALL) MODSEQ 99", '* ESEARCH (TAG "a")'),
    ],
)
def test_answers(ten: SearchSession, command: str, line: str) -> None:
    """RFC 3501 section 7.2.5, RFC 4731 section 3, RFC 7162 section 3.1.5."""
    verb = "UID SEARCH" if command.startswith("UID") else "SEARCH"
    if "MODSEQ" in command:
        ten.session.enable(Extension.CONDSTORE)

    assert ten.say(command) == f"{line}\r\na OK {verb} completed\r\n"


def test_imap4rev2_is_told_sets(ten: SearchSession) -> None:
    """RFC 9051 section 6.4.4: SEARCH responses are for IMAP4rev1."""
    ten.session.enable(Extension.REV2)

    assert ten.say("SEARCH FLAGGED").startswith('* ESEARCH (TAG "a") ALL 2,4,7\r\n')
    assert ten.say("UID SEARCH KEYWORD nobody").startswith('* ESEARCH (TAG "a") UID\r\n')


def test_modseq_enables_condstore(ten: SearchSession) -> None:
    """RFC 7162 section 3.1: the client is told the mailbox's once."""
    first, second = ten.say("SEARCH MODSEQ 99"), ten.say("SEARCH MODSEQ 99")

    assert first.startswith("* OK [HIGHESTMODSEQ 16] ")
    assert second == "* SEARCH\r\na OK SEARCH completed\r\n"


def test_uids_with_gaps() -> None:
    """A set of UIDs holds none of a message that isn't there (RFC 9051 section 7.3.4)."""
    session = opened(*[PLAIN] * 9)
    run(session.rest.store.remove(session.selected.mailbox.id, [2, 3, 7]))
    session = SearchSession(session.rest)

    assert "UID ALL 1,4:6,8:9\r\n" in session.say("UID SEARCH RETURN (ALL) ALL")
    assert "UID ALL 1,4,8:9\r\n" in session.say("UID SEARCH RETURN (ALL) NOT UID 5:6")


def test_an_empty_mailbox() -> None:
    session = SearchSession(Rest())

    assert session.say("SEARCH ALL") == "* SEARCH\r\na OK SEARCH completed\r\n"
    assert session.numbers("NOT TEXT x") == []


def test_an_unknown_charset(ten: SearchSession) -> None:
    assert ten.say("SEARCH CHARSET KOI8-R TEXT x").startswith("a NO [BADCHARSET (US-ASCII UTF-8)]")


# What is kept


@pytest.mark.parametrize(
    ("results", "answer", "saved"),
    [
        ("ALL", " ALL 2,10:15,21", []),
        ("SAVE", None, [2, *range(10, 16), 21]),
        ("ALL SAVE", " ALL 2,10:15,21", [2, *range(10, 16), 21]),
        ("SAVE MIN", " MIN 2", [2]),
        ("SAVE MAX", " MAX 21", [21]),
        ("MAX SAVE MIN", " MIN 2 MAX 21", [2, 21]),
        ("MAX SAVE MIN COUNT", " MIN 2 MAX 21 COUNT 8", [2, *range(10, 16), 21]),
        ("ALL SAVE MIN", " MIN 2 ALL 2,10:15,21", [2, *range(10, 16), 21]),
    ],
)
def test_saved_results(results: str, answer: str | None, saved: list[int]) -> None:
    """Example 10 of RFC 5182 section 2.4."""
    session = opened(*[PLAIN] * 21)

    told = session.say(f"SEARCH RETURN ({results}) 2,10:15,21")

    assert told == ("" if answer is None else f'* ESEARCH (TAG "a"){answer}\r\n') + "a OK SEARCH completed\r\n"
    assert list(session.selected.saved) == saved
    assert session.numbers("$") == saved


def test_saved_results_in_searches(ten: SearchSession) -> None:
    """RFC 5182 section 2.2, examples 3 and 4: "$" is numbers or UIDs, as it fits, and part of other sets."""
    ten.say("UID SEARCH RETURN (SAVE) FLAGGED")

    assert ten.say("UID SEARCH UID $ SMALLER 600").startswith("* SEARCH 12 14\r\n")
    assert ten.say("UID SEARCH $ SMALLER 600").startswith("* SEARCH 12 14\r\n")
    assert ten.numbers("OR $ 1,9:3000") == [1, 2, 4, 7, 9, 10]
    assert ten.numbers("NOT $") == [1, 3, 5, 6, 8, 9, 10]


def test_failures_save_nothing(ten: SearchSession) -> None:
    """RFC 5182 section 2.1: a search that would have saved leaves nothing when it fails; others change nothing."""
    ten.say("SEARCH RETURN (SAVE) FLAGGED")
    ten.say("SEARCH CHARSET KOI8-R TEXT x")
    ten.say("SEARCH RETURN (COUNT) CHARSET KOI8-R TEXT x")
    ten.rest.database.refuse = TemporaryError(Reply(451, "4.3.0", "Busy"))
    with pytest.raises(TemporaryError):
        run(ten.begin(read("SEARCH TEXT x")))

    assert list(ten.selected.saved) == [12, 14, 17]

    with pytest.raises(TemporaryError):
        run(ten.begin(read("SEARCH RETURN (SAVE) TEXT x")))

    assert list(ten.selected.saved) == []


def test_an_unknown_charset_saves_nothing(ten: SearchSession) -> None:
    """RFC 5182 section 2.2, example 5."""
    ten.say("SEARCH RETURN (SAVE) FLAGGED")
    ten.say("SEARCH RETURN (SAVE) CHARSET KOI8-R TEXT x")

    assert list(ten.selected.saved) == []


def test_long_answers_are_sent_in_pieces() -> None:
    """As the client takes them."""
    rest = Rest()
    inbox = rest.inbox().id
    rest.rows(
        """WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 2 FROM n WHERE i < 19999)
        INSERT INTO mail SELECT ?, i, 2, 0, 1 FROM n""",
        inbox,
    )
    rest.rows("INSERT INTO arrival SELECT mailbox, uid, 1, 0, 0, NULL, x'' FROM mail")
    rest.rows("UPDATE mailbox SET uid_next = 20000, modseq = 2 WHERE id = ?", inbox)
    session = SearchSession(rest)

    for command, expected in (
        ("UID SEARCH ALL", " ".join(str(uid) for uid in range(1, 20_000, 2))),
        ("UID SEARCH RETURN (ALL) ALL", ",".join(str(uid) for uid in range(1, 20_000, 2))),
    ):
        octets, count = written(session, session.begin(read(command)))

        assert expected in octets
        assert count > 2


def written(session: SearchSession, answer: Awaitable[Any]) -> tuple[str, int]:
    run(answer)
    session.wire.flush()
    writes, session.wire.writes = session.wire.writes, []
    return b"".join(writes).decode(), len(writes)


def test_keys_of_one_message_are_asked_cheapest_first() -> None:
    """What a flag or a subject decides needs no body."""
    session = opened(*[PLAIN] * 5)
    asked: list[Callable[..., Any]] = []
    read_rows = session.rest.database.read

    async def counted(function: Callable[..., Any]) -> Any:
        asked.append(function)
        return await read_rows(function)

    session.rest.database.read = counted

    assert session.numbers("BODY text SEEN") == []
    assert not asked
    assert session.numbers("BODY text SUBJECT nowhere") == []
    assert len(asked) == 1
    assert session.numbers("OR SUBJECT test BODY text") == [1, 2, 3, 4, 5]
    assert len(asked) == 2


def test_head_of_awkward_messages() -> None:
    """What comes with every message of that collection is found in each but one that has no header."""
    rest = Rest()
    collection = dict(messages())
    put(rest, *collection.values())
    names = list(collection)

    found = SearchSession(rest).numbers("TO bob@lmtp.test")

    assert {names[number - 1] for number in found} >= {
        name for name, mail in collection.items() if mail.startswith(HEAD)
    }
