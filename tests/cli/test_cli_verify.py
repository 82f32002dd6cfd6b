"""`mta verify` of a server that doesn't run: what is wrong is found, and mended where something can."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import apsw
import pytest
from kept_site import USER, in_database
from mta_command import Command

from twistedmail_mta.cli.progress import progress
from twistedmail_mta.keeping import fault
from twistedmail_mta.keeping.fault import Found
from twistedmail_mta.keeping.verifying import Verifying, repair
from twistedmail_mta.store.files import DATABASE_NAME

QUEUED = """
INSERT INTO body (id, refs, size, data) VALUES (7, 1, 1, x'00');
INSERT INTO message (id, body, size, received_at, sender_local, sender_domain, eight_bit, smtputf8, protocol, peer,
                     helo, listener, header) VALUES (7, 7, 1, 0.0, 'a', 'b.test', 0, 0, 'ESMTP', '::1', 'c', 'mx', x'');
INSERT INTO recipient (message, n, local, domain, due, since, epoch) VALUES (7, 0, 'joe', 'other.test', 0.0, 0.0, 1);
INSERT INTO detention VALUES (7, 'quarantine', 'why', 'who', 0.0, 1);
"""
MENDED = {
    "UPDATE body SET refs = refs + 1": "body.references",
    "UPDATE body SET refs = 5 WHERE id = 7": "body.references",
    "INSERT INTO body (id, refs, size, data) VALUES (1, 1, 1, x'00')": "body.references",
    "UPDATE content SET refs = 9": "content.references",
    "DELETE FROM mail WHERE uid = 2; DELETE FROM arrival WHERE uid = 2; UPDATE mailbox SET messages = 5,"
    " octets = (SELECT sum(size) FROM arrival) WHERE messages = 6": "content.references",
    "INSERT INTO released VALUES (1, 1)": "released.stray",
    "UPDATE mailbox SET messages = 77": "mailbox.counts",
    "UPDATE mailbox SET octets = 77": "mailbox.counts",
    "UPDATE mailbox SET uid_next = 2 WHERE messages > 0": "mailbox.uid",
    "UPDATE mailbox SET modseq = 1, flags_modseq = 1 WHERE messages > 0": "mailbox.modseq",
    "UPDATE mailbox SET flags_modseq = modseq + 1": "mailbox.modseq",
    "INSERT INTO snapshot VALUES ((SELECT max(id) FROM mailbox), 999, 1, x'', x'', x'', x'')": "mailbox.snapshot",
    "INSERT INTO arrival VALUES ((SELECT max(id) FROM mailbox), 99, 1, 1, 1, NULL, x'00')": "mail.stray",
    "UPDATE uid_validity SET last = 1": "mailbox.validity",
    "DELETE FROM recipient": "queue.done",
    "DELETE FROM message; DELETE FROM body WHERE id = 7": "queue.lost",
    "INSERT INTO delivered VALUES (99, 0, 1, 'INBOX')": "queue.stray",
    "INSERT INTO detention VALUES (99, 'hold', 'why', 'who', 0.0, 1)": "quarantine.stray",
    "UPDATE quarantined SET messages = 5": "quarantine.counts",
    "UPDATE received_lines SET lines = 5": "reports.counts",
}
LOST = {
    "DELETE FROM body WHERE id <> 7": "body.lost",
    "DELETE FROM content": "mail.lost",
    "UPDATE body SET size = 9 WHERE id = 7": "body.size",
    "UPDATE arrival SET size = size + 1; UPDATE mailbox SET octets = octets + messages": "mail.size",
    "DELETE FROM arrival WHERE uid = 2": "mail.bare",
    "UPDATE mail SET mailbox = 999; UPDATE arrival SET mailbox = 999": "mail.homeless",
    "DELETE FROM accounts": "database.reference",
}


def write(site: Command, sql: str) -> None:
    """Write what no program of ours would."""
    connection = apsw.Connection(str(site.state_dir / DATABASE_NAME))
    connection.execute(sql)
    connection.close()


@pytest.fixture
def queued(site: Command) -> Command:
    """Return the site with a message in quarantine, too."""
    write(site, QUEUED)
    return site


def found(site: Command, *options: str) -> dict[str, Any]:
    result = site("verify", *options, "--json")
    value: dict[str, Any] = json.loads(result.stdout)
    assert result.exit_code == (0 if value["sound"] else 1)
    assert value["sound"] == (not value["faults"])
    return value


def kinds(value: dict[str, Any]) -> set[str]:
    return {each["kind"] for each in value["faults"]}


def test_a_sound_site(queued: Command) -> None:
    """It is told what was looked at; and nothing is changed."""
    before = (queued.state_dir / DATABASE_NAME).read_bytes()

    value = found(queued)
    printed = queued("verify")

    assert value["sound"]
    assert value["looked_at"]["messages in mailboxes"] == 6
    assert value["looked_at"]["large bodies"] == 3
    assert printed.exit_code == 0
    assert printed.stdout.startswith("All is sound: 6 messages in mailboxes, ")
    assert found(queued, "--quick")["sound"]
    assert (queued.state_dir / DATABASE_NAME).read_bytes() == before


@pytest.mark.parametrize("sql", MENDED)
def test_what_can_be_mended(queued: Command, sql: str) -> None:
    """It is found and said first, changes nothing until that is wanted, and then all is sound and the mail is there."""
    write(queued, sql)
    value = found(queued)
    assert MENDED[sql] in kinds(value)
    assert all(each["repair"] for each in value["faults"])
    assert found(queued)["faults"] == value["faults"]

    mended = found(queued, "--repair")

    assert mended["sound"]
    assert mended["mended_faults"] == value["faults"]
    assert found(queued)["sound"]
    ((messages,),) = in_database(queued, "SELECT count(*) FROM mail")
    assert messages == (5 if "uid = 2" in sql else 6)
    assert queued("mailbox", "export", USER, str(queued.file.parent / "out")).exit_code == 0


@pytest.mark.parametrize("sql", LOST)
def test_what_is_lost_stays_told(queued: Command, sql: str) -> None:
    """Nothing is done about what a backup alone can bring back."""
    write(queued, sql)

    value = found(queued)
    after = found(queued, "--repair")

    assert LOST[sql] in kinds(value)
    assert not [each for each in value["faults"] if each["kind"] == LOST[sql] and each["repair"]]
    assert LOST[sql] in kinds(after)


def test_counters_are_given_up_with_their_content(queued: Command) -> None:
    """What nobody refers to any more goes, with its body, as the mail of a mailbox that was deleted does."""
    write(
        queued,
        "DELETE FROM mail WHERE uid = 2; DELETE FROM arrival WHERE uid = 2; UPDATE mailbox SET messages = 5,"
        " octets = (SELECT sum(size) FROM arrival) WHERE messages = 6",
    )
    found(queued, "--repair")

    assert in_database(queued, "SELECT count(*) FROM released WHERE refs = 1") == [(1,)]


@pytest.mark.parametrize(
    ("wrong", "table"),
    [
        ("UPDATE body SET refs = 9", "body"),
        ("INSERT INTO body (id, refs, size, data) VALUES (1, 1, 1, x'00')", "body"),
        ("UPDATE content SET refs = 9", "content"),
        ("DELETE FROM mail WHERE uid = 2; DELETE FROM arrival WHERE uid = 2", "content"),
    ],
)
def test_what_is_referred_to_meanwhile_stays(queued: Command, wrong: str, table: str) -> None:
    """A command that brings the same mail between the look and the repair isn't undone: its reference counts."""
    write(queued, wrong)
    with progress() as bar:
        seen = Verifying(queued.state_dir, bar).run()
    write(queued, f"UPDATE {table} SET refs = refs + 1")
    meanwhile = in_database(queued, f"SELECT id, refs FROM {table} ORDER BY id")

    mended = repair(queued.state_dir, Found([each for each in seen.faults if each.kind == f"{table}.references"]))

    assert mended
    assert in_database(queued, f"SELECT id, refs FROM {table} ORDER BY id") == meanwhile
    assert in_database(queued, "SELECT count(*) FROM released") == [(0,)]


def files_of(site: Command) -> list[Path]:
    return sorted(path for path in (site.state_dir / "bodies").rglob("*") if path.is_file())


def test_files_of_bodies(site: Command) -> None:
    """One that is missing, one that was cut, one that can't be read as a file: each is named."""
    missing, cut, odd = files_of(site)
    missing.unlink()
    cut.write_bytes(b"short")
    odd.unlink()
    odd.mkdir()

    texts = {Path(each["subject"]).name: each["text"] for each in found(site)["faults"]}
    quick = {Path(each["subject"]).name: each["text"] for each in found(site, "--quick")["faults"]}

    assert texts[missing.name] == "No such file or directory"
    assert texts[cut.name].startswith("has 5 octets, not ")
    assert texts[odd.name].endswith("is no regular file")
    assert quick == texts


def test_files_that_no_row_names(site: Command) -> None:
    """Those that are old go with --repair; young ones are left alone, for their rows may be on the way."""
    folder = files_of(site)[0].parent
    old, young = folder / "000000000000ff-aaaaaaaa", folder / "000000000000ff-bbbbbbbb"
    for path in (old, young):
        path.write_bytes(b"x")
    os.utime(old, (time.time() - 4000, time.time() - 4000))

    value = found(site)

    assert [(each["kind"], Path(each["subject"]).name) for each in value["faults"]] == [("file.orphan", old.name)]
    assert found(site, "--repair")["sound"]
    assert (old.exists(), young.exists()) == (False, True)


def test_a_broken_database(site: Command) -> None:
    """What SQLite finds is told, and nothing is concluded from rows that it can't be sure of."""
    path = site.state_dir / DATABASE_NAME
    write(site, "PRAGMA wal_checkpoint(TRUNCATE)")
    octets = bytearray(path.read_bytes())
    pages = len(octets) // 4096
    octets[(pages // 2) * 4096 : (pages // 2 + 1) * 4096] = bytes(4096)
    path.write_bytes(octets)

    value = found(site)

    assert kinds(value) == {"database.broken"}
    assert value["notes"] == ["rows and bodies weren't looked at: what a broken database says can't be relied on"]


def test_a_broken_history_is_no_broken_site(site: Command) -> None:
    """It is told that it may go."""
    (site.state_dir / "history.db").write_bytes(b"nothing of use" * 1000)

    value = found(site)

    assert kinds(value) == {"history.broken"}
    assert value["faults"][0]["text"].endswith("it may be deleted while the server is stopped")


def test_very_many_faults_are_counted(queued: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some are named; memory is bounded."""
    monkeypatch.setattr(fault, "KEPT", 2)
    write(queued, "UPDATE content SET refs = 9")

    value = found(queued)

    assert len(value["faults"]) == 2
    assert value["counts"] == {"content.references": 6}
    assert "In all: 6 of content.references." not in queued("verify").stdout
    assert "remedy: say 1 [content.references]" in queued("verify").stdout


def test_before_there_is_a_database(command: Command) -> None:
    """It says so, and makes none."""
    result = command("verify")

    assert result.exit_code == 1
    assert "there is nothing to look at yet" in result.stderr
    assert not (command.state_dir / DATABASE_NAME).exists()
