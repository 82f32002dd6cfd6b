"""Maildirs brought into mailboxes, and written from them."""

from __future__ import annotations

import gzip
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from transfer_host import Host

from twistedmail_mta.mailbox.flags import ANSWERED, DELETED, DRAFT, FLAGGED, SEEN
from twistedmail_mta.transfer import importing
from twistedmail_mta.transfer.foreign import Folder, Found, LineEnds
from twistedmail_mta.transfer.sources import source_at

TEXT = b"Subject: hello\nFrom: ann@example.org\n\nline\n"
CRLF_TEXT = TEXT.replace(b"\n", b"\r\n")


@pytest.fixture
def maildir(tmp_path: Path) -> Path:
    """Return an empty Maildir."""
    return folder(tmp_path / "Maildir")


def folder(path: Path) -> Path:
    for name in ("cur", "new", "tmp"):
        (path / name).mkdir(parents=True)
    return path


def put(path: Path, name: str, text: bytes = TEXT, *, date: int = 1_500_000_000, where: str = "cur") -> Path:
    file = path / where / name
    file.write_bytes(text)
    os.utime(file, (date, date))
    return file


def test_flags_keywords_dates_uids_and_uidls(host: Host, maildir: Path) -> None:
    """Everything that Dovecot knew of a message is known here; what it hadn't seen yet comes last."""
    put(maildir, "3.M3.h,S=5:2,DFRST", date=3)
    put(maildir, "1.M1.h:2,Pab", date=1)
    put(maildir, "2.M2.h", date=2, where="new")
    put(maildir, "4.M4.h,S=1:2,S", date=4)
    (maildir / "dovecot-uidlist").write_text("3 V77 N90 Gabc\n10 :3.M3.h,S=5\n20 :1.M1.h\n30 Pold-name :4.M4.h\n")
    (maildir / "dovecot-keywords").write_text("0 Junk\n1 work\n")

    (tally,) = host.bring(maildir)

    assert host.mail()["INBOX"] == [
        (10, DRAFT | FLAGGED | ANSWERED | SEEN | DELETED, set(), 3, f"{10:08x}{77:08x}", CRLF_TEXT),
        (20, 0, {"$Forwarded", "Junk", "work"}, 1, f"{20:08x}{77:08x}", CRLF_TEXT),
        (30, SEEN, set(), 4, "old-name", CRLF_TEXT),
        (31, 0, set(), 2, None, CRLF_TEXT),
    ]
    assert host.rows("SELECT uid_validity, uid_next, messages, octets FROM mailbox WHERE name = 'INBOX'") == [
        (77, 90, 4, 4 * len(CRLF_TEXT))
    ]
    assert (tally.found, tally.imported, tally.known, tally.present) == (4, 4, 0, 4)
    assert sum(host.progress) == 4


def test_folders_with_all_kinds_of_names(host: Host, maildir: Path) -> None:
    """Modified UTF-7, levels, the prefix that some servers put before everything; and the subscriptions."""
    for name in (".Entw&APw-rfe", ".Archive.2020", ".INBOX.Sent", ".a&AC4-b", ".broken&name", ".no-maildir/x"):
        put(folder(maildir / name), f"1.{len(name)}.h")
    (maildir / "subscriptions").write_text("V\t2\n\nEntw&APw-rfe\nINBOX\tSent\nArchive\t2020\n")

    host.bring(maildir)

    imported = {name for name, messages in host.mail().items() if messages}
    assert imported == {"Archive/2020", "Entwürfe", "Sent", "a.b", "broken&name"}
    assert {"Entwürfe", "Sent", "Archive/2020"} <= {name for (name,) in host.rows("SELECT name FROM subscription")}


def test_import_that_is_repeated_brings_only_what_is_new(host: Host, maildir: Path) -> None:
    """Flags that changed meanwhile give a file another name, and mail that was removed here stays removed."""
    put(maildir, "1.M1.h:2,")
    put(maildir, "2.M2.h:2,")
    host.bring(maildir)
    (maildir / "cur" / "1.M1.h:2,").rename(maildir / "cur" / "1.M1.h:2,S")
    host.database.write(lambda tx: tx.execute("DELETE FROM mail WHERE uid = 2") and None)
    put(maildir, "3.M3.h", where="new")

    (tally,) = host.bring(maildir)

    assert [uid for uid, *_ in host.mail()["INBOX"]] == [1, 3]
    assert (tally.found, tally.imported, tally.known, tally.present) == (3, 1, 2, 3)


def test_import_that_was_interrupted_is_gone_on_with(
    host: Host, maildir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wherever it broke off, the UIDs are those of the other server, and nothing is there twice."""
    monkeypatch.setattr(importing, "BATCH", 3)
    for number in range(10):
        put(maildir, f"{number}.h:2,")
    uids = "".join(f"{number + 5} :{number}.h\n" for number in range(10))
    (maildir / "dovecot-uidlist").write_text(f"3 V9 N20\n{uids}")
    source = source_at(maildir, "INBOX", None)
    whole = source.folders[0]()

    def until_it_breaks() -> Iterator[Found]:
        for number, found in enumerate(whole.messages):
            if number == 7:
                raise KeyboardInterrupt
            yield found

    monkeypatch.setattr(importing, "LOOKED_UP_AT_ONCE", 4)
    source.folders[0] = lambda: Folder("INBOX", until_it_breaks(), 10, 9, 20)
    with pytest.raises(KeyboardInterrupt):
        host.bring_source(source)
    assert [uid for uid, *_ in host.mail()["INBOX"]] == [5, 6, 7, 8]

    (tally,) = host.bring(maildir)

    assert [uid for uid, *_ in host.mail()["INBOX"]] == list(range(5, 15))
    assert (tally.found, tally.imported, tally.known) == (10, 6, 4)


def test_uids_are_not_kept_in_a_mailbox_that_was_used(host: Host, maildir: Path) -> None:
    """Its UIDVALIDITY is known to clients, so the other server's UIDs would mean something else."""
    put(maildir, "1.h:2,")
    host.bring(maildir)
    ((validity,),) = host.rows("SELECT uid_validity FROM mailbox WHERE name = 'INBOX'")
    put(maildir, "2.h:2,")
    (maildir / "dovecot-uidlist").write_text("3 V9 N50\n40 :1.h\n41 :2.h\n")

    host.bring(maildir)

    assert [(uid, uidl) for uid, _, _, _, uidl, _ in host.mail()["INBOX"]] == [(1, None), (2, f"{41:08x}{9:08x}")]
    assert host.rows("SELECT uid_validity, uid_next FROM mailbox WHERE name = 'INBOX'") == [(validity, 3)]


def test_uid_validities_given_later_are_greater(host: Host, maildir: Path) -> None:
    """A mailbox that is made again must not have the UIDVALIDITY that was taken over (RFC 9051 section 2.3.1.1)."""
    (maildir / "dovecot-uidlist").write_text("3 V4000000000 N50\n")
    host.bring(maildir)

    host.bring(folder(maildir / ".Later"), account=2)

    validities = host.rows("SELECT uid_validity FROM mailbox WHERE name = 'INBOX' ORDER BY account")
    assert validities[0] == (4_000_000_000,)
    assert validities[1] > validities[0]


@pytest.mark.parametrize("uidlist", ["3 V4294967295 N5\n2 :1.h\n", "3 V77 N4294967295\n4294967294 :1.h\n"])
def test_uids_at_the_end_of_their_range_are_not_kept(host: Host, maildir: Path, uidlist: str) -> None:
    """None would be left for the next message or mailbox."""
    put(maildir, "1.h:2,")
    (maildir / "dovecot-uidlist").write_text(uidlist)

    host.bring(maildir)

    ((validity, uid_next),) = host.rows("SELECT uid_validity, uid_next FROM mailbox WHERE name = 'INBOX'")
    assert validity < 0xF0000000
    assert uid_next <= 0xF0000000
    assert [uid for uid, *_ in host.mail()["INBOX"]] == [1]


def test_nothing_is_read_through_links_nor_from_devices(host: Host, maildir: Path, tmp_path: Path) -> None:
    """Whoever owns a Maildir must not get hold of other files of the server's."""
    secret = tmp_path / "secret"
    secret.write_bytes(b"Subject: secret\n\n")
    (maildir / "cur" / "1.h:2,").symlink_to(secret)
    os.mkfifo(maildir / "cur" / "2.h:2,")
    put(maildir, "3.h:2,")
    elsewhere = folder(tmp_path / "elsewhere")
    put(elsewhere, "4.h:2,")
    (maildir / ".Linked").symlink_to(elsewhere)
    source = source_at(maildir, "INBOX", None)

    (tally,) = host.bring_source(source)

    assert [text for *_, text in host.mail()["INBOX"]] == [CRLF_TEXT]
    assert not tally.is_complete
    assert len(tally.problems) == 2
    assert source.left_out == [f"{maildir}/.Linked: a symbolic link"]


def test_link_that_takes_the_place_of_a_file_is_not_followed(host: Host, maildir: Path, tmp_path: Path) -> None:
    """Not even if that happens after the directory was read."""
    file = put(maildir, "1.h:2,")
    whole = source_at(maildir, "INBOX", None).folders[0]()
    secret = tmp_path / "secret"
    secret.write_bytes(b"Subject: secret\n\n")
    file.unlink()
    file.symlink_to(secret)
    source = source_at(maildir, "INBOX", None)
    source.folders[0] = lambda: whole

    (tally,) = host.bring_source(source)

    assert (tally.found, tally.present, len(tally.problems)) == (1, 0, 1)


@pytest.mark.parametrize("name", ["cur", "dovecot-uidlist", ".Folder/cur", "subscriptions"])
def test_links_within_a_maildir_are_not_followed(host: Host, maildir: Path, tmp_path: Path, name: str) -> None:
    """A directory of messages that is a link would show what lies elsewhere; so could a list."""
    put(maildir, "1.h", where="new")
    put(folder(maildir / ".Folder"), "2.h", where="new")
    elsewhere = folder(tmp_path / "elsewhere")
    put(elsewhere, "3.h:2,")
    (elsewhere / "list").write_text("3 V77 N90 Gabc\n10 :1.h\n")
    if (maildir / name).is_dir():
        (maildir / name).rmdir()
    (maildir / name).symlink_to(elsewhere / ("cur" if name.endswith("cur") else "list"))

    with pytest.raises(OSError, match=r"Not a directory|symbolic links"):
        host.bring(maildir)

    assert not [text for messages in host.mail().values() for *_, text in messages if b"3.h" in text]


def test_file_that_is_renamed_while_it_is_read_is_found(host: Host, maildir: Path) -> None:
    """The other server goes on meanwhile: new mail is seen, flags change."""
    put(maildir, "1.h", where="new")
    whole = source_at(maildir, "INBOX", None).folders[0]()
    (maildir / "new" / "1.h").rename(maildir / "cur" / "1.h:2,S")
    source = source_at(maildir, "INBOX", None)
    source.folders[0] = lambda: whole

    (tally,) = host.bring_source(source)

    assert tally.is_complete
    assert [text for *_, text in host.mail()["INBOX"]] == [CRLF_TEXT]


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        (b"Subject: x\n\n" + b"y" * 300_000 + b"\n", b"Subject: x\r\n\r\n" + b"y" * 300_000 + b"\r\n"),
        (b"Subject: x\r\n\r\nmixed\nends\r\n", b"Subject: x\r\n\r\nmixed\r\nends\r\n"),
        (b"Subject: no body", b"Subject: no body\r\n"),
        (b"no header at all\n", b"no header at all\r\n"),
        (b"", b"\r\n"),
        (b"\nempty header\n", b"\r\nempty header\r\n"),
        (gzip.compress(TEXT, mtime=0), CRLF_TEXT),
        (b"Subject: x\n\nno line end", b"Subject: x\r\n\r\nno line end"),
    ],
)
def test_texts_of_all_kinds(host: Host, maildir: Path, text: bytes, kept: bytes) -> None:
    """Line ends become CRLF, sizes are right, large bodies are files, compressed ones are unpacked."""
    put(maildir, "1.h:2,", text)

    host.bring(maildir)

    assert [text for *_, text in host.mail()["INBOX"]] == [kept]


def test_damaged_compression_is_told(host: Host, maildir: Path) -> None:
    """And no half of a message is kept."""
    put(maildir, "1.h:2,", gzip.compress(b"Subject: x\n\n" + os.urandom(5000))[:-2000])

    (tally,) = host.bring(maildir)

    assert (tally.found, tally.present, len(tally.problems)) == (1, 0, 1)
    assert not [path for path in host.bodies.root.rglob("*") if path.is_file()]


def test_line_ends_at_every_cut() -> None:
    """A CR at the end of a block may belong to a LF that comes later."""
    text = b"a\r\nb\nc\r\r\nd\re\n\r"
    for first in range(len(text) + 1):
        for second in range(first, len(text) + 1):
            ends = LineEnds()
            found = ends.add(text[:first]) + ends.add(text[first:second]) + ends.add(text[second:]) + ends.end()
            assert found == b"a\r\nb\r\nc\r\r\nd\re\r\n\r"


def test_export_brought_back_is_the_same(host: Host, maildir: Path, tmp_path: Path) -> None:
    """Texts, flags, keywords, dates, UIDs, UIDLs, names, subscriptions: of one account, in another."""
    put(maildir, "1.h:2,FSa", date=5)
    put(maildir, "2.h:2,", b"Subject: x\n\n" + b"z" * 5000 + b"\n", date=6)
    put(folder(maildir / ".Entw&APw-rfe.a&AC4-b"), "3.h:2,D")
    (maildir / "dovecot-uidlist").write_text("3 V77 N90 Gabc\n10 Px :1.h\n20 :2.h\n")
    (maildir / "dovecot-keywords").write_text("0 Junk\n")
    (maildir / "subscriptions").write_text("Entw&APw-rfe\n")
    host.bring(maildir)

    tallies = host.write(tmp_path / "written")
    again = host.write(tmp_path / "written")
    host.bring(tmp_path / "written", account=2)

    assert host.mail(2) == host.mail(1)
    assert all(tally.is_complete for tally in tallies)
    assert sum(tally.imported for tally in tallies) == 3
    assert sum(tally.imported for tally in again) == 0
    validities = "SELECT name, uid_validity, uid_next FROM mailbox WHERE account = ? AND messages ORDER BY name"
    assert host.rows(validities, 1) == host.rows(validities, 2)
    names = "SELECT name FROM subscription WHERE account = ? ORDER BY name"
    assert host.rows(names, 1) == host.rows(names, 2)
