"""Files in mbox form brought into mailboxes, and written from them."""

from __future__ import annotations

import calendar
import mailbox
from pathlib import Path

import pytest
from transfer_host import Host

from twistedmail_mta.mailbox.flags import ANSWERED, DELETED, DRAFT, FLAGGED, SEEN
from twistedmail_mta.transfer.mbox_writer import file_name
from twistedmail_mta.transfer.sources import source_at

FROM = b"From ann@example.org Sat Jan  3 01:05:34 2015\n"
DATE = calendar.timegm((2015, 1, 3, 1, 5, 34))


def texts(host: Host, name: str = "INBOX") -> list[bytes]:
    return [text for *_, text in host.mail()[name]]


def imported(host: Host, directory: Path, content: bytes) -> list[bytes]:
    path = directory / "mail"
    path.write_bytes(content)
    (tally,) = host.bring(path)
    assert tally.is_complete
    return texts(host)


def test_messages_flags_and_uids(host: Host, tmp_path: Path) -> None:
    """What servers note in the header becomes flags, and is no part of the message any more."""
    content = (
        FROM + b"Subject: 1\nX-IMAPbase: 77 0000000020 Junk\nX-UID: 4\nStatus: RO\nX-Status: AFDT\n\none\n\n"
        + FROM + b"X-Keywords: Junk $work\nSubject: 2\nX-UID: 9\nContent-Length: 4\n\ntwo\n\n"
    )  # fmt: skip

    assert imported(host, tmp_path, content) == [b"Subject: 1\r\n\r\none\r\n", b"Subject: 2\r\n\r\ntwo\r\n"]
    assert [each[:5] for each in host.mail()["INBOX"]] == [
        (4, SEEN | ANSWERED | FLAGGED | DELETED | DRAFT, set(), DATE, f"{4:08x}{77:08x}"),
        (9, 0, {"Junk", "$work"}, DATE, f"{9:08x}{77:08x}"),
    ]
    assert host.rows("SELECT uid_validity, uid_next FROM mailbox WHERE name = 'INBOX'") == [(77, 21)]


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b">From here\n>>From there\n> From no\n", b"From here\r\n>From there\r\n> From no\r\n"),
        (b"\nFrom here on it rains\n", b"\r\nFrom here on it rains\r\n"),
        (
            b"x\nFrom ann@example.org Sat Jan  3 01:05:34 2015\n",
            b"x\r\nFrom ann@example.org Sat Jan  3 01:05:34 2015\r\n",
        ),
        (b"\n\n\n", b"\r\n\r\n\r\n"),
        (b"", b""),
    ],
)
def test_lines_that_begin_with_from(host: Host, tmp_path: Path, body: bytes, text: bytes) -> None:
    """Quoted ones lose one ">"; others begin a message only behind an empty line, and with a date."""
    content = FROM + b"Subject: 1\n\n" + body + b"\n" + FROM + b"Subject: 2\n\nend\n"

    assert imported(host, tmp_path, content) == [b"Subject: 1\r\n\r\n" + text, b"Subject: 2\r\n\r\nend\r\n"]


def test_content_length_that_is_right_is_believed(host: Host, tmp_path: Path) -> None:
    """In mboxcl2 a body isn't quoted, and may hold whole messages."""
    body = b"forwarded:\n\n" + FROM + b"Subject: inner\n\n>From x\n"
    content = FROM + b"Content-Length: %d\n\n" % len(body) + body + b"\n" + FROM + b"Subject: 2\n\nend\n\n"

    assert imported(host, tmp_path, content) == [
        b"\r\n" + body.replace(b"\n", b"\r\n"),
        b"Subject: 2\r\n\r\nend\r\n",
    ]


@pytest.mark.parametrize("length", [b"0", b"3", b"5", b"99999", b"-1", b"x", b"999999999999999999999"])
def test_content_length_that_is_wrong_is_not_believed(host: Host, tmp_path: Path, length: bytes) -> None:
    """A wrong one would swallow the next message, or cut one in two."""
    content = FROM + b"Content-Length: " + length + b"\nSubject: 1\n\nfour\n\n" + FROM + b"Subject: 2\n\nend\n"

    assert imported(host, tmp_path, content) == [b"Subject: 1\r\n\r\nfour\r\n", b"Subject: 2\r\n\r\nend\r\n"]


def test_file_with_crlf(host: Host, tmp_path: Path) -> None:
    """As some programs on Windows write it."""
    content = (FROM + b"Subject: 1\n\none\n\n" + FROM + b"Subject: 2\n\nend\n\n").replace(b"\n", b"\r\n")

    assert imported(host, tmp_path, content) == [b"Subject: 1\r\n\r\none\r\n", b"Subject: 2\r\n\r\nend\r\n"]


@pytest.mark.parametrize(
    "line",
    [
        b"From - Sat Jan 03 01:05:34 2015",
        b"From ann Sat Jan  3 01:05:34 UTC 2015",
        b"From ann Sat Jan  3 01:05:34 +0000 2015",
        b"From a b c Sat Jan  3 01:05:34 2015 remote",
        b"From ann@x  Sat Jan  3 01:05:34 2015",
    ],
)
def test_from_lines_of_many_programs(host: Host, tmp_path: Path, line: bytes) -> None:
    """The date is what they have in common."""
    imported(host, tmp_path, line + b"\nSubject: 1\n\none\n\n" + line + b"\nSubject: 2\n\ntwo\n")

    assert [date for _, _, _, date, _, _ in host.mail()["INBOX"]] == [DATE, DATE]


def test_import_that_is_repeated_brings_only_what_is_new(host: Host, tmp_path: Path) -> None:
    """Changed flags, and messages before it that were removed, don't make it another; equal ones are counted."""
    first = FROM + b"Subject: 1\nStatus: O\n\none\n\n"
    second = FROM + b"Subject: 2\n\ntwo\n\n"
    imported(host, tmp_path, first + second + second)

    found = imported(host, tmp_path, second + first.replace(b"Status: O", b"Status: RO") + second + second)

    assert [text[9:10] for text in found] == [b"1", b"2", b"2", b"2"]


def test_message_that_servers_keep_for_themselves_is_left_out(host: Host, tmp_path: Path) -> None:
    """It holds nothing but their own notes, of which the UIDVALIDITY counts."""
    own = FROM + b"Subject: DON'T DELETE THIS MESSAGE -- FOLDER INTERNAL DATA\nX-IMAP: 77 0000000005\n\nx\n\n"

    assert imported(host, tmp_path, own + FROM + b"Subject: 1\nX-UID: 3\n\none\n") == [b"Subject: 1\r\n\r\none\r\n"]
    assert host.rows("SELECT uid_validity, uid_next FROM mailbox WHERE name = 'INBOX'") == [(77, 6)]


def test_directory_of_files(host: Host, tmp_path: Path) -> None:
    """Each is a mailbox; what is none is told, and links aren't followed."""
    root = tmp_path / "mail"
    (root / "Archive").mkdir(parents=True)
    (root / "Archive" / "2020.mbox").write_bytes(FROM + b"Subject: 1\n\none\n")
    (root / "Sent").write_bytes(FROM + b"Subject: 2\n\ntwo\n")
    (root / "empty").write_bytes(b"")
    (root / ".hidden").write_bytes(FROM)
    (root / "link").symlink_to(root / "Sent")
    source = source_at(root, "INBOX", None)

    host.bring_source(source)

    assert texts(host, "Archive/2020") == [b"Subject: 1\r\n\r\none\r\n"]
    assert texts(host, "Sent") == [b"Subject: 2\r\n\r\ntwo\r\n"]
    assert source.left_out == [f"{root}/link: not a regular file"]


@pytest.mark.parametrize("content", [b"hello", b"From nobody\n\n", b"\n" + FROM])
def test_what_is_no_mbox(tmp_path: Path, content: bytes) -> None:
    """Told before anything is brought."""
    path = tmp_path / "mail"
    path.write_bytes(content)

    with pytest.raises(ValueError, match="no mbox"):
        source_at(path, "INBOX", None).folders[0]()


BODIES = (
    b"From the start\r\n>From quoted\r\n\r\nFrom ann@example.org Sat Jan  3 01:05:34 2015\r\n",
    b"",
    b"\r\n\r\n",
    b"x" * 700_000 + b"\r\nFrom far\r\n",
)


def test_export_brought_back_is_the_same(host: Host, tmp_path: Path) -> None:
    """Text, flags, keywords, dates, UIDs."""
    source = FROM + b"X-IMAPbase: 77 0000000020\nX-UID: 4\nStatus: RO\nX-Status: AFDT\nX-Keywords: Junk\n\n"
    rest = [source] + [FROM + b"Subject: x\n\n" for _ in BODIES[1:]]
    quoted = [body.replace(b"\r\n", b"\n").replace(b"From ", b">From ") for body in BODIES]
    (tmp_path / "mail").write_bytes(b"".join(head + body + b"\n" for head, body in zip(rest, quoted, strict=True)))
    host.bring(tmp_path / "mail", uidl=None)

    host.write(tmp_path / "written", mbox=True)
    for path in sorted((tmp_path / "written").rglob("*.mbox")):
        host.bring(path, account=2, into=path.stem, uidl=None)

    assert host.mail(2)["INBOX"] == host.mail(1)["INBOX"]
    assert len(host.mail(2)["INBOX"]) == len(BODIES)
    python = mailbox.mbox(tmp_path / "written" / "INBOX.mbox", create=False)
    assert len(python) == len(BODIES)


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("Archive/2020", "Archive/2020.mbox"),
        ("../../etc", "%2E./%2E./etc.mbox"),
        (".hidden", "%2Ehidden.mbox"),
        ("50% off", "50%25 off.mbox"),
        ("Entwürfe", "Entwürfe.mbox"),
    ],
)
def test_names_of_files(name: str, file: str) -> None:
    """No name leads out of the directory."""
    assert file_name(name) == file
