"""Delivery into Maildirs: whole, once, and nowhere else, whatever the recipient is called."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scripted_host import Bodies
from zope.interface.verify import verifyObject

from twistedmail_mta.deliver import maildir_file
from twistedmail_mta.deliver.maildir import (
    DELIVERED,
    DISK_FULL,
    FAILED,
    LOOP,
    NO_MAILBOX,
    NOT_THERE,
    OVER_QUOTA,
    MaildirAgent,
    MaildirCheck,
)
from twistedmail_mta.deliver.maildir_file import MaildirFile, fixed_part, place
from twistedmail_mta.errors import TemporaryError
from twistedmail_mta.interfaces import IDeliveryAgent, IRecipientCheck
from twistedmail_mta.model import (
    Address,
    Body,
    Deferred,
    Delivered,
    Envelope,
    Failed,
    FileBody,
    InlineBody,
    Message,
    Origin,
    Outcome,
    Recipient,
    Withdrawn,
)
from twistedmail_mta.routes import parse_via

T = TypeVar("T")

ANN, BOB = Address("Ann", "example.net"), Address("bob", "example.net")
HEADER = b"Return-Path: <old@example.org>\r\nSubject: x\r\n\r\n"
TEXT = b"one\r\ntwo\rthree\r\n"
RECEIVED_AT = 1000.5


class Pool:
    """Runs what it is given at once."""

    async def run(self, function: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        return function(*args, **kwargs)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return where Maildirs are; there is a place for those of ann and bob."""
    for name in ("ann", "bob"):
        (tmp_path / "vmail" / "example.net" / name).mkdir(parents=True)
    return tmp_path / "vmail"


def deliver(
    root: Path,
    *to: Address,
    body: Body = InlineBody(TEXT),  # noqa: B008 - frozen
    header: bytes = HEADER,
    bodies: Any = None,
    started_at: float = 0.0,
    wanted: Callable[[Recipient], bool] = lambda _: True,
) -> list[Outcome]:
    agent = MaildirAgent(Pool(), bodies, "mail.example.org", started_at)  # type: ignore[arg-type]
    recipients = tuple(Recipient(address) for address in to or (ANN,))
    message = Message(7, Envelope(Address("s", "x.org"), recipients), header, body, Origin("ESMTP"), RECEIVED_AT)
    hop = parse_via(f"maildir:{root}/{{domain}}/{{local}}/Maildir", "none")
    steps = agent.deliver(message, recipients, hop, wanted).__await__()  # type: ignore[arg-type]
    with pytest.raises(StopIteration) as end:
        next(steps)
    return list(end.value.value)


def files(root: Path, name: str = "ann") -> list[Path]:
    return sorted(path for path in (root / "example.net" / name).rglob("*") if path.is_file())


def test_provides_its_interfaces() -> None:
    """The queue and the receiving role know no more of them."""
    assert verifyObject(IDeliveryAgent, MaildirAgent(Pool(), Bodies(), "h", 0.0))  # type: ignore[arg-type]
    assert verifyObject(IRecipientCheck, MaildirCheck(Pool(), "/x"))  # type: ignore[arg-type]


def test_message_as_readers_expect_it(root: Path) -> None:
    """Return-Path and Delivered-To first, no other's Return-Path, LF line ends, a size in the name."""
    assert deliver(root, ANN, BOB) == [Delivered(DELIVERED, owed="delivered")] * 2

    (file,) = files(root)
    text = b"Return-Path: <s@x.org>\nDelivered-To: Ann@example.net\nSubject: x\n\none\ntwo\rthree\n"
    assert file.read_bytes() == text
    assert file.parent == root / "example.net" / "ann" / "Maildir" / "new"
    assert file.name.startswith("1000.M0000000000007R")
    assert file.name.endswith(f".mail.example.org,S={len(text)}")
    assert b"Delivered-To: bob@example.net" in files(root, "bob")[0].read_bytes()


@pytest.mark.parametrize("made", range(5))
def test_maildir_that_another_thread_is_making(root: Path, made: int) -> None:
    """Of its directories any number may be there; the first message isn't put off for that."""
    maildir = root / "example.net" / "ann" / "Maildir"
    for path in (maildir, maildir / "tmp", maildir / "new", maildir / "cur")[:made]:
        path.mkdir()

    assert deliver(root) == [Delivered(DELIVERED, owed="delivered")]


def test_large_message(root: Path) -> None:
    """It is written in blocks; a CR and its LF may be cut apart."""
    bodies = Bodies(line=b"x" * 62 + b"\r\n")
    size = 64 * 20_000 + 1

    assert deliver(root, body=FileBody("name", size), bodies=bodies) == [Delivered(DELIVERED, owed="delivered")]

    (file,) = files(root)
    assert file.read_bytes().partition(b"\n\n")[2] == (b"x" * 62 + b"\n") * 20_000 + b"x"
    assert len(bodies.lengths) > 3


def test_message_that_is_there_is_not_delivered_again(root: Path) -> None:
    """A process that died may have delivered it; its reader may have moved it and changed its flags since."""
    deliver(root)
    (file,) = files(root)
    moved = file.parents[1] / "cur" / f"{file.name},W=9:2,S"
    file.rename(moved)

    assert deliver(root, started_at=RECEIVED_AT) == [Delivered(DELIVERED, owed="delivered")]

    assert files(root) == [moved]


def test_delivery_that_ended_half_way_is_begun_anew(root: Path) -> None:
    """What it left in tmp is in nobody's way."""
    deliver(root)
    (file,) = files(root)
    file.rename(file.parents[1] / "tmp" / file.name.partition(",")[0])

    deliver(root)

    assert files(root) == [file]


@pytest.mark.parametrize(
    ("code", "reply"),
    [(errno.ENOSPC, DISK_FULL), (errno.EDQUOT, OVER_QUOTA), (errno.EIO, FAILED), (errno.ENOENT, NOT_THERE)],
)
@pytest.mark.parametrize("step", ["add", "finish"])
def test_trouble_defers_and_leaves_nothing(
    root: Path, monkeypatch: pytest.MonkeyPatch, code: int, reply: Any, step: str
) -> None:
    """Each recipient by itself, with a reason that names no path."""

    def fail(self: MaildirFile, *_: bytes) -> None:
        if "/ann/" in str(self._maildir):
            raise OSError(code, os.strerror(code))
        original(self, *_)

    original = getattr(MaildirFile, step)
    monkeypatch.setattr(MaildirFile, step, fail)

    assert deliver(root, ANN, BOB) == [Deferred(reply), Delivered(DELIVERED, owed="delivered")]

    assert not files(root)
    assert len(files(root, "bob")) == 1


def test_message_that_may_not_be_on_disk_is_taken_back(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It will be delivered again, so it must not stay."""
    deliver(root, BOB)
    (root / "example.net" / "ann" / "Maildir").mkdir()
    for name in ("tmp", "new", "cur"):
        (root / "example.net" / "ann" / "Maildir" / name).mkdir()

    def fail(_: int) -> None:
        raise OSError(errno.EIO, "I/O error")

    monkeypatch.setattr(maildir_file, "_sync", fail)

    assert deliver(root) == [Deferred(FAILED)]
    assert not files(root)


@pytest.mark.parametrize("name", ["tmp", "new", "cur"])
def test_links_in_a_maildir_are_not_followed(root: Path, tmp_path: Path, name: str) -> None:
    """Its owner could have mail written wherever we may write."""
    maildir, elsewhere = root / "example.net" / "ann" / "Maildir", tmp_path / "elsewhere"
    elsewhere.mkdir()
    deliver(root)
    files(root)[0].unlink()
    (maildir / name).rmdir()
    (maildir / name).symlink_to(elsewhere)

    assert deliver(root) == [Deferred(FAILED)]
    assert not list(elsewhere.iterdir())


def test_no_descriptor_stays_open(root: Path) -> None:
    """Neither of what was delivered, nor of what couldn't be, nor of what was there."""
    before = len(list(Path("/proc/self/fd").iterdir()))

    deliver(root, ANN, Address("carl", "example.net"))
    deliver(root, started_at=RECEIVED_AT)
    deliver(root, BOB, body=FileBody("name", 300_000), bodies=Bodies())
    deliver(root, BOB, body=FileBody("name", 300_000), bodies=Bodies(), started_at=RECEIVED_AT)

    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_body_that_cannot_be_read_defers(root: Path) -> None:
    """Nothing of the message is seen."""

    class Broken(Bodies):
        async def read(self, body: Body, offset: int, size: int) -> bytes:
            raise TemporaryError(FAILED)

    assert deliver(root, body=FileBody("name", 100), bodies=Broken()) == [Deferred(FAILED)]
    assert not files(root)


def test_missing_place_defers(root: Path) -> None:
    """A file system that isn't mounted must not make all mail bounce."""
    assert deliver(root, Address("carl", "example.net")) == [Deferred(NOT_THERE)]


def test_unwanted_recipient_and_loop(root: Path) -> None:
    """An operator holds one; the other had the message before (RFC 9228 section 4)."""
    looped = b"Delivered-To: bob@example.net\r\n" + HEADER

    outcomes = deliver(root, ANN, BOB, header=looped, wanted=lambda recipient: recipient.address != ANN)

    assert outcomes == [Withdrawn(), Failed(LOOP)]


def test_permissions_are_those_of_the_place(root: Path) -> None:
    """Whoever reads the Maildir is another user, of the directory's group."""
    (root / "example.net" / "ann").chmod(0o2770)

    deliver(root)

    maildir = root / "example.net" / "ann" / "Maildir"
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (maildir, maildir / "new", files(root)[0])}
    assert list(modes.values()) == [0o2770, 0o2770, 0o660]


HOSTILE = [
    "../bob", "..", ".", ".hidden", "a/b", "/etc", "a\0b", "a\nb", "", "x" * 300, "\u00e9" * 150, "a\x7f",
]  # fmt: skip


@pytest.mark.parametrize("local", HOSTILE)
def test_hostile_names_lead_nowhere(root: Path, local: str) -> None:
    """Refused for good, and nothing is made."""
    assert deliver(root, Address(local, "example.net")) == [Failed(NO_MAILBOX)]
    assert not [path for path in root.parent.rglob("*") if path.is_file()]


@given(st.text(max_size=30), st.text(max_size=30))
def test_no_name_leads_out_of_its_level(local: str, domain: str) -> None:
    """Whatever a name holds, it is one level of the path."""
    found = place("/vmail/{domain}/{local}/Maildir", Address(local, domain))

    assert found is None or (len(found.parts) == 5 and found.parts[:2] == ("/", "vmail") and ".." not in found.parts)
    assert found is None or Path(os.path.normpath(found)) == found


def test_fixed_part() -> None:
    """What has to be there before anybody is refused."""
    assert fixed_part("/var/vmail/{domain}/{local}/Maildir") == Path("/var/vmail")
    assert fixed_part("/var/vmail/x-{domain}/Maildir") == Path("/var/vmail")
    assert fixed_part("/{local}") == Path("/")
    assert fixed_part("/var/spam/Maildir") == Path("/var/spam")


def verify(template: str, address: Address) -> Any:
    steps = MaildirCheck(Pool(), template).verify(address).__await__()  # type: ignore[arg-type]
    with pytest.raises(StopIteration) as end:
        next(steps)
    return end.value.value


def test_recipients_are_known_by_their_place(root: Path, tmp_path: Path) -> None:
    """Whoever has none is refused; but nobody for good while there is nothing at all."""
    template = f"{root}/{{domain}}/{{local}}/Maildir"

    assert verify(template, ANN) is None
    assert verify(template, Address("carl", "example.net")) == NO_MAILBOX
    assert verify(template, Address("../ann", "example.net")) == NO_MAILBOX
    (tmp_path / "empty").mkdir()
    assert verify(f"{tmp_path}/empty/{{local}}/Maildir", ANN) == NOT_THERE
    assert verify(f"{tmp_path}/missing/{{local}}/Maildir", ANN) == NOT_THERE
