"""IMAP commands that change messages: STORE, COPY, MOVE."""

from __future__ import annotations

import re
from typing import Any

import pytest
from imap_access import Desk
from mail_access import Client
from mail_at_rest import run

from twistedmail_mta.access.imap import copying
from twistedmail_mta.errors import TemporaryError
from twistedmail_mta.mailbox import transfers
from twistedmail_mta.store.replies import STORE_FAILED

MAIL = b"Subject: hello\r\n\r\ntext\r\n"


@pytest.fixture
def desk() -> Desk:
    made = Desk(options={"sessions_per_account": 10})
    made.put(MAIL, MAIL, MAIL, MAIL)
    made.select().type("z LOGOUT")  # nothing is recent from now on
    return made


def lines(text: str) -> list[str]:
    """Return what was said, without numbers that count changes."""
    return [re.sub(r"(MODSEQ[ (]+)\d+", r"\1n", line) for line in text.splitlines()]


def behind(desk: Desk) -> Client:
    """Return a session that wasn't told yet that messages 2 and 3 are gone."""
    client, other = desk.select(), desk.select()
    other.type("x STORE 2:3 +FLAGS.SILENT (\\Deleted)")
    assert "OK" in other.type("y EXPUNGE")
    other.type("z LOGOUT")
    return client


# EXPUNGE


def test_uid_expunge_takes_only_those_it_names(desk: Desk) -> None:
    r"""Of the messages with \Deleted (RFC 9051 section 6.4.9)."""
    client = desk.select()
    client.type("a STORE 1:3 FLAGS.SILENT (\\Deleted)")

    assert client.type("b UID EXPUNGE 2,4,99").startswith("* 2 EXPUNGE\r\nb OK")
    assert client.type("c UID EXPUNGE 5:*").startswith("c OK")  # up to 4, which is the last
    assert client.type("d FETCH 1:* UID").count("FETCH (") == 3


# STORE


def test_store_tells_the_flags(desk: Desk) -> None:
    """Of every message, also where nothing changed; others hear of what did (RFC 9051 section 6.4.6)."""
    client, other = desk.select(), desk.select()
    client.type("a STORE 2 +FLAGS.SILENT (\\Deleted)")

    assert lines(client.type("b STORE 2:4 +FLAGS (\\Deleted)")) == [
        "* 2 FETCH (FLAGS (\\Deleted))",
        "* 3 FETCH (FLAGS (\\Deleted))",
        "* 4 FETCH (FLAGS (\\Deleted))",
        "b OK STORE completed",
    ]
    assert lines(client.type("c STORE 2 FLAGS (\\Seen \\Flagged)"))[0] == "* 2 FETCH (FLAGS (\\Seen \\Flagged))"
    assert lines(client.type("d STORE 2:3 -FLAGS (\\Seen \\Deleted)"))[:2] == [
        "* 2 FETCH (FLAGS (\\Flagged))",
        "* 3 FETCH (FLAGS ())",
    ]
    assert lines(other.type("e NOOP")) == [
        "* 2 FETCH (FLAGS (\\Flagged))",
        "* 3 FETCH (FLAGS ())",
        "* 4 FETCH (FLAGS (\\Deleted))",
        "e OK NOOP completed",
    ]


def test_store_in_silence(desk: Desk) -> None:
    """Nothing is told, but mod-sequences to who knows them, where something changed (RFC 7162 section 3.2.4)."""
    client = desk.select()

    assert client.type("a STORE 1:2 +FLAGS.SILENT (\\Seen)") == "a OK STORE completed\r\n"
    assert client.type("b STORE 1:2 +FLAGS.SILENT (\\Seen)") == "b OK STORE completed\r\n"
    client.type("c ENABLE CONDSTORE")
    assert lines(client.type("d STORE 1 FLAGS.SILENT ()")) == ["* 1 FETCH (UID 1 MODSEQ (n))", "d OK STORE completed"]
    assert lines(client.type("e STORE 1 FLAGS.SILENT ()")) == ["e OK STORE completed"]
    assert lines(client.type("f STORE 1 FLAGS (\\Seen)")) == [
        "* 1 FETCH (UID 1 FLAGS (\\Seen) MODSEQ (n))",
        "f OK STORE completed",
    ]


def test_uid_store(desk: Desk) -> None:
    """UIDs are in the answers; those that aren't there are nothing."""
    client = desk.select()
    client.type("a STORE 1 +FLAGS.SILENT (\\Deleted)", "b EXPUNGE")

    assert lines(client.type("c UID STORE 1:2,99 +FLAGS (\\Seen)")) == [
        "* 1 FETCH (UID 2 FLAGS (\\Seen))",
        "c OK UID STORE completed",
    ]
    assert client.type("d UID STORE 99 +FLAGS (\\Seen)") == "d OK UID STORE completed\r\n"
    assert lines(client.type("e UID STORE 2 +FLAGS (\\Seen)"))[0] == "* 1 FETCH (UID 2 FLAGS (\\Seen))"


def test_store_unless_somebody_was_faster(desk: Desk) -> None:
    """RFC 7162 section 3.1.3: the first one enables CONDSTORE; who was refused is told by number or UID."""
    client, other = desk.select(), desk.select()
    known = int(re.findall(r"HIGHESTMODSEQ (\d+)", client.type("s SELECT INBOX"))[0])
    client.type("a STORE 1 +FLAGS.SILENT (\\Deleted)", "b EXPUNGE")
    other.type("c UID STORE 3 +FLAGS (\\Answered)")

    said = lines(client.type(f"d STORE 1:3 (UNCHANGEDSINCE {known}) +FLAGS.SILENT (\\Seen)"))

    assert said[0] == "* OK [HIGHESTMODSEQ n] The highest mod-sequence"
    assert sorted(said[1:-1]) == [
        "* 1 FETCH (UID 2 MODSEQ (n))",
        "* 2 FETCH (UID 3 FLAGS (\\Answered) MODSEQ (n))",
        "* 3 FETCH (UID 4 MODSEQ (n))",
    ]
    assert said[-1] == "d OK [MODIFIED 2] Some of these messages were changed meanwhile"
    assert lines(client.type(f"e UID STORE 2:4 (UNCHANGEDSINCE {known}) +FLAGS (\\Seen)"))[-1].startswith(
        "e OK [MODIFIED 2:4]"
    )


def test_a_conditional_store_that_changes_nothing_tells_the_mod_sequence(desk: Desk) -> None:
    """Also in silence; the mod-sequence stays as it was (RFC 7162 section 3.1.11)."""
    client = desk.select()
    client.type("a STORE 1 +FLAGS.SILENT (\\Seen)")
    known = client.type("b FETCH 1 MODSEQ").split("MODSEQ (")[1].split(")")[0]

    said = client.type(f"c STORE 1 (UNCHANGEDSINCE {known}) +FLAGS.SILENT (\\Seen)")

    assert said == f"* 1 FETCH (UID 1 MODSEQ ({known}))\r\nc OK STORE completed\r\n"
    assert client.type("d STORE 1 (UNCHANGEDSINCE 0) FLAGS ()").startswith("d OK [MODIFIED 1]")


def test_store_of_what_is_gone(desk: Desk) -> None:
    """The others are changed; by number it says so, by UID it is nothing (RFC 2180 section 4.2)."""
    client = behind(desk)

    said = lines(client.type("a STORE 1:4 +FLAGS (\\Seen)"))
    assert [said[0], said[1], said[-1]] == [
        "* 1 FETCH (FLAGS (\\Seen))",
        "* 4 FETCH (FLAGS (\\Seen))",
        "a NO [EXPUNGEISSUED] Some of these messages are gone",
    ]
    assert client.type("b STORE 1:4 (UNCHANGEDSINCE 1) FLAGS ()").splitlines()[-1].startswith("b NO [MODIFIED 1,4]")
    assert lines(client.type("c UID STORE 1:4 -FLAGS.SILENT (\\Seen)"))[-1] == "c OK UID STORE completed"


@pytest.mark.parametrize("command", ["STORE 5 FLAGS ()", "STORE 1:9 FLAGS ()", "COPY 5 Junk", "MOVE 2,7 Junk"])
def test_numbers_that_no_message_has(desk: Desk, command: str) -> None:
    client = desk.select()

    assert client.type(f"a {command}") == "a BAD There is no message of such a number\r\n"
    assert client.type("b STORE 1:* FLAGS.SILENT ()").startswith("b OK")


def test_keywords(desk: Desk) -> None:
    """A new one is told with the flags; to remove one that is unknown makes none."""
    client = desk.select()

    said = client.type("a STORE 1 +FLAGS ($Forwarded wOrk \\Recent2)")
    assert "* FLAGS (\\Seen \\Answered \\Flagged \\Deleted \\Draft $Forwarded wOrk)\r\n" in said
    assert "* 1 FETCH (FLAGS ($Forwarded wOrk))\r\n" in said
    assert lines(client.type("b STORE 1 -FLAGS (WORK never)")) == [
        "* 1 FETCH (FLAGS ($Forwarded))",
        "b OK STORE completed",
    ]
    assert [name for (name,) in desk.rest.rows("SELECT name FROM keyword")] == ["$Forwarded", "wOrk"]


def test_keywords_have_a_limit(desk: Desk) -> None:
    """Nothing is stored where not everything could be (RFC 5530 section 3, LIMIT)."""
    client = desk.select()

    assert client.type("a STORE 1 FLAGS.SILENT (" + " ".join(f"k{n}" for n in range(58)) + ")").endswith(
        "a OK STORE completed\r\n"
    )
    assert client.type("b STORE 2 +FLAGS (k1 one-more)") == "b NO [LIMIT] The mailbox can't have more keywords\r\n"
    assert client.type(f"c STORE 2 +FLAGS (k{'x' * 255})").startswith("c NO [LIMIT]")
    assert client.type("d STORE 2 -FLAGS (one-more)").endswith("d OK STORE completed\r\n")
    assert "FLAGS ()" in client.type("e FETCH 2 FLAGS")


@pytest.mark.parametrize("command", ["STORE 1 FLAGS (\\Seen)", "UID STORE 1 FLAGS (\\Seen)", "MOVE 1 Junk"])
def test_nothing_changes_what_is_read_only(desk: Desk, command: str) -> None:
    client = desk.log_in()
    client.type("a EXAMINE INBOX")

    assert client.type(f"b {command}") == "b NO [READ-ONLY] The mailbox was opened read-only\r\n"
    assert client.type("c COPY 1 Junk").startswith("c OK [COPYUID ")


# COPY and MOVE


def test_copy(desk: Desk) -> None:
    """RFC 4315 section 3: which UIDs the copies have; the session of the target is told."""
    client, other = desk.select(), desk.log_in()
    other.type("s SELECT Junk")
    validity = run(desk.rest.store.make(1, "Junk")).uid_validity
    client.type("a STORE 2 +FLAGS.SILENT (\\Seen work)")

    assert client.type("b COPY 1:2,4 Junk") == f"b OK [COPYUID {validity} 1:2,4 1:3] COPY completed\r\n"
    assert client.type("c UID COPY 2,77 junk").startswith("c NO [TRYCREATE]")
    assert client.type("d UID COPY 2,77 Junk") == f"d OK [COPYUID {validity} 2 4] UID COPY completed\r\n"
    assert client.type("e UID COPY 77 Junk") == "e OK UID COPY completed\r\n"

    said = other.type("f NOOP")
    assert "* 4 EXISTS\r\n" in said
    assert "* 2 FETCH (FLAGS (\\Seen work \\Recent))" in other.type("g FETCH 2 FLAGS")


def test_uids_of_many_copies_are_one_set(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """However they were counted together."""
    monkeypatch.setattr(copying, "WORDED_AT_ONCE", 2)
    client = desk.select()
    client.type("a COPY 1:* INBOX", "b UID STORE 6 +FLAGS.SILENT (\\Deleted)", "c EXPUNGE")

    said = client.type("d COPY 1:* Junk")
    while "d OK" not in said:
        desk.rest.clock.advance(0)
        said += client.said()

    assert " 1:5,7:8 1:7] COPY completed" in said


def test_copy_to_the_same_mailbox(desk: Desk) -> None:
    client = desk.select()

    said = client.type("a COPY 4 INBOX")

    assert said.startswith("* 5 EXISTS\r\n* 1 RECENT\r\na OK [COPYUID ")
    assert said.endswith(" 4 5] COPY completed\r\n")


def test_move(desk: Desk) -> None:
    """Where they are is told before that they left (RFC 6851 section 4.3)."""
    client, other = desk.select(), desk.select()
    validity = run(desk.rest.store.make(1, "Junk")).uid_validity

    assert client.type("a MOVE 1,3 Junk") == (
        f"* OK [COPYUID {validity} 1,3 1:2] These were moved\r\n* 3 EXPUNGE\r\n* 1 EXPUNGE\r\na OK MOVE completed\r\n"
    )
    assert other.type("b NOOP") == "* 3 EXPUNGE\r\n* 1 EXPUNGE\r\nb OK NOOP completed\r\n"
    client.type("c ENABLE QRESYNC")
    assert lines(client.type("d UID MOVE 1:3 Junk")) == [
        f"* OK [COPYUID {validity} 2 3] These were moved",
        "* VANISHED 2",
        "d OK [HIGHESTMODSEQ n] UID MOVE completed",
    ]
    assert lines(client.type("e UID MOVE 99 Junk")) == ["e OK [HIGHESTMODSEQ n] UID MOVE completed"]


def test_move_to_the_end_of_the_same_mailbox(desk: Desk) -> None:
    said = desk.select().type("a MOVE 2 INBOX")

    assert " 2 5] These were moved\r\n* 2 EXPUNGE\r\n* 4 EXISTS\r\n" in said


def test_where_there_is_no_mailbox(desk: Desk) -> None:
    """TRYCREATE where CREATE may help."""
    client = desk.select()

    for command in ("COPY 1 new", "MOVE 1 new", "UID COPY 99 new", "UID MOVE 1 new"):
        assert client.type(f"a {command}") == "a NO [TRYCREATE] There is no such mailbox\r\n"
        assert client.type(f"b {command}//x").startswith("b NO [CANNOT]")


def test_what_is_gone_is_not_copied_but_the_rest_is_moved(desk: Desk) -> None:
    """A copy is all or nothing (RFC 2180 section 4.4); of a move COPYUID tells what was moved."""
    client = behind(desk)

    assert client.type("a COPY 1:4 Junk").splitlines()[-1] == "a NO [EXPUNGEISSUED] Some of these messages are gone"
    assert " 1,4 1:2] UID COPY" in client.type("b UID COPY 1:4 Junk")
    client = behind_again(desk)
    assert "NO [EXPUNGEISSUED]" in client.type("c MOVE 2 Junk")
    client = behind_again(desk)
    assert " 1 3] These were moved\r\n" in client.type("d MOVE 1:2 Junk")


def behind_again(desk: Desk) -> Client:
    """Return a session that wasn't told yet that message 2 of 3 is gone."""
    desk.put(MAIL)
    client, other = desk.select(), desk.select()
    other.type("x STORE 2 +FLAGS.SILENT (\\Deleted)", "y EXPUNGE", "z LOGOUT")
    return client


def test_copies_need_room_and_moves_need_none(desk: Desk) -> None:
    """RFC 9208 section 4.3.1, RFC 6851 section 4.1."""
    client = desk.select()
    desk.quotas.full = True

    assert client.type("a COPY 1 Junk").startswith("a NO [OVERQUOTA]")
    assert client.type("b MOVE 1 Junk").endswith("b OK MOVE completed\r\n")


def test_a_move_that_fails_in_the_middle_tells_what_was_moved(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transfers, "MOVED_AT_ONCE", 1)
    client, real = desk.select(), desk.rest.database.write
    writes = 0

    async def write(function: Any, urgent: bool = False, size: int = 0) -> Any:
        nonlocal writes
        writes += 1
        if writes == 3:
            raise TemporaryError(STORE_FAILED)
        return await real(function, urgent, size)

    desk.rest.database.write = write  # type: ignore[method-assign]

    said = client.type("a MOVE 1:4 Junk").splitlines()

    assert said[0].endswith(" 1:2 1:2] These were moved")
    assert said[1:3] == ["* 2 EXPUNGE", "* 1 EXPUNGE"]
    assert said[3].startswith("a NO [UNAVAILABLE]")


def test_many_at_once(desk: Desk) -> None:
    """Whatever there is to tell is told in pieces."""
    inbox = run(desk.rest.store.make(1, "INBOX"))
    run(desk.rest.store.append(inbox.id, [desk.rest.incoming() for _ in range(1200)]))
    client = desk.select()
    client.type("a STORE 1:* +FLAGS.SILENT (\\Seen)")

    said = client.type("b STORE 1:* +FLAGS (\\Seen)")
    while "b OK" not in said:
        desk.rest.clock.advance(0)
        said += client.said()

    assert said.count("FETCH (FLAGS (\\Seen") == 1204
