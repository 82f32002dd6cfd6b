"""SORT and THREAD on mailboxes in memory."""

from __future__ import annotations

from typing import Any

import pytest
from awkward_messages import messages
from fetch_access import put
from mail_at_rest import Rest, run
from search_access import SearchSession

from twistedmail_mta.imap.capability import Extension
from twistedmail_mta.mailbox import gathering

MAILS = (
    (b"Carl <carl@x.test>", b"b@x.test", b"Re: Zebra", b"3 Nov 2026 10:00:00 +0000", 20, 500),
    (b"anna@x.test", b"team: c@x.test;", b"apple", b"2 Nov 2026 10:00:00 +0000", 30, 400),
    (b"Bert <Bert@x.test>", b"a@x.test", b"[list] Zebra", b"3 Nov 2026 09:00:00 -0200", 10, 300),
    (b"=?utf-8?q?=C3=84?= <dora@x.test>", b"", b"=?utf-8?q?=C3=A4hre?=", b"nonsense", 40, 200),
    (b"", b"a@x.test", b"", b"1 Nov 2026 10:00:00 +0000", 50, 100),
)


@pytest.fixture
def session() -> SearchSession:
    """Five messages, whose internal dates are in November 2026 too."""
    rest = Rest()
    for author, recipient, subject, date, day, size in MAILS:
        fields = ((b"From", author), (b"To", recipient), (b"Subject", subject), (b"Date", date))
        header = b"".join(b"%b: %b\r\n" % field for field in fields if field[1])
        put(rest, header + b"\r\n" + b"x" * size, internal_date=1_793_000_000 + day * 86_400)
    return SearchSession(rest)


@pytest.mark.parametrize(
    ("criteria", "numbers"),
    [
        ("ARRIVAL", "3 1 2 4 5"),
        ("REVERSE ARRIVAL", "5 4 2 1 3"),
        ("DATE", "5 2 1 3 4"),
        ("REVERSE DATE", "4 3 1 2 5"),
        ("SIZE", "5 4 3 2 1"),
        ("REVERSE SIZE", "1 2 3 4 5"),
        ("FROM", "5 2 3 1 4"),
        ("REVERSE FROM", "4 1 3 2 5"),
        ("TO", "4 3 5 1 2"),
        ("CC", "1 2 3 4 5"),
        ("REVERSE CC", "1 2 3 4 5"),
        ("SUBJECT", "5 2 4 1 3"),
        ("SUBJECT REVERSE DATE", "5 2 4 3 1"),
        ("REVERSE SUBJECT DATE", "1 3 4 2 5"),
        ("TO REVERSE SIZE", "4 3 5 1 2"),
    ],
)
def test_sort(session: SearchSession, criteria: str, numbers: str) -> None:
    """RFC 5256 section 3: "REVERSE" turns only its own criterion; equals stay in the order of the mailbox."""
    assert session.say(f"SORT ({criteria}) UTF-8 ALL") == f"* SORT {numbers}\r\na OK SORT completed\r\n"


def test_sort_finds_first(session: SearchSession) -> None:
    run(session.rest.store.remove(session.selected.mailbox.id, [1]))

    assert session.say("UID SORT (SUBJECT) UTF-8 LARGER 100").startswith("* SORT 5 2 4 3\r\n")
    assert session.say('SORT (SUBJECT) US-ASCII TEXT "not in mailbox"') == "* SORT\r\na OK SORT completed\r\n"
    assert session.say("SORT (SUBJECT) KOI8-R ALL").startswith("a NO [BADCHARSET (US-ASCII UTF-8)]")
    assert session.say("THREAD REFERENCES KOI8-R ALL").startswith("a NO [BADCHARSET (US-ASCII UTF-8)]")


def test_sort_with_mod_sequences(session: SearchSession) -> None:
    """RFC 7162 section 7, sort-data."""
    session.session.enable(Extension.CONDSTORE)

    assert session.say("SORT (REVERSE SIZE) UTF-8 MODSEQ 5").startswith("* SORT 4 5 (MODSEQ 6)\r\n")
    assert session.say("SORT (REVERSE SIZE) UTF-8 MODSEQ 7").startswith("* SORT\r\n")


def test_thread(session: SearchSession) -> None:
    assert session.say("THREAD ORDEREDSUBJECT UTF-8 ALL") == "* THREAD (5)(2)(1 3)(4)\r\na OK THREAD completed\r\n"
    assert session.say("THREAD REFERENCES UTF-8 ALL") == "* THREAD (5)(2)(3 1)(4)\r\na OK THREAD completed\r\n"
    assert session.say("UID THREAD REFERENCES UTF-8 2:3").startswith("* THREAD (2)(3)\r\n")
    assert session.say('THREAD ORDEREDSUBJECT US-ASCII TEXT "gewp"') == "* THREAD\r\na OK THREAD completed\r\n"


def test_thread_by_references() -> None:
    """The header is read as it is kept, in slices."""
    rest = Rest()
    for number in range(30):
        fields = b"Message-ID: <%d@x.test>\r\nReferences: <%d@x.test>\r\n\r\n" % (number, number - 10)
        put(rest, fields, internal_date=number)
    chains = [" ".join(str(number + 10 * place + 1) for place in range(3)) for number in range(10)]

    assert SearchSession(rest).say("THREAD REFERENCES UTF-8 ALL").startswith(f"* THREAD ({')('.join(chains)})\r\n")


def test_slices(session: SearchSession, monkeypatch: pytest.MonkeyPatch) -> None:
    """However little is read at once, and whatever is gone by then."""
    commands = ("SORT (SUBJECT DATE) UTF-8 ALL", "THREAD REFERENCES UTF-8 ALL", "UID SORT (FROM) UTF-8 NOT 3")
    expected = [session.say(command) for command in commands]

    for name, value in (("ROWS", 1), ("ROWS", 2), ("OCTETS", 0)):
        monkeypatch.setattr(gathering, name, value)
        assert [session.say(command) for command in commands] == expected

    for table in ("mail", "arrival"):
        session.rest.rows(f"DELETE FROM {table} WHERE uid IN (1, 5)")
    assert session.say("SORT (ARRIVAL) UTF-8 ALL").startswith("* SORT 3 2 4\r\n")
    assert session.say("THREAD REFERENCES UTF-8 ALL").startswith("* THREAD (2)(3)(4)\r\n")


def test_awkward_messages_never_fail() -> None:
    rest = Rest()
    count = len(put(rest, *[mail for _, mail in messages()]))
    session: Any = SearchSession(rest)

    for command in (
        "SORT (FROM TO CC SUBJECT DATE) UTF-8 ALL",
        "THREAD REFERENCES UTF-8 ALL",
        "THREAD ORDEREDSUBJECT UTF-8 ALL",
    ):
        answer = session.say(command)
        numbers = answer.partition("\r\n")[0].translate(str.maketrans("()", "  ")).split()[2:]
        assert sorted(map(int, numbers)) == list(range(1, count + 1))
