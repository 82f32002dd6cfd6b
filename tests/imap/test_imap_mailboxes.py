"""SELECT, CREATE, STATUS, quotas and their like."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from imap_commands import NAMES, action, mailbox, wrong

from twistedmail_mta.imap.mailboxes import (
    Create,
    Delete,
    GetQuota,
    GetQuotaRoot,
    Rename,
    Resync,
    Select,
    SetQuota,
    Status,
    StatusItem,
    Subscribe,
)
from twistedmail_mta.imap.sequences import parse_set


@pytest.mark.parametrize(
    ("octets", "value"),
    [
        (b"SELECT inbox", Select("INBOX", read_only=False)),
        (b"EXAMINE blurdybloop", Select("blurdybloop", read_only=True)),
        (b"SELECT x (condstore)", Select("x", read_only=False, condstore=True)),
        (
            b"SELECT x (QRESYNC (67890007 20050715194045000))",
            Select("x", False, resync=Resync(67890007, 20050715194045000)),
        ),
        (
            b"SELECT x (QRESYNC (1 2 41,43:211) CONDSTORE)",
            Select("x", False, True, Resync(1, 2, parse_set(b"41,43:211"))),
        ),
        (
            b"SELECT x (QRESYNC (1 2 1:29997 (5000,7500 15000,22500)))",
            Select(
                "x",
                False,
                False,
                Resync(1, 2, parse_set(b"1:29997"), parse_set(b"5000,7500"), parse_set(b"15000,22500")),
            ),
        ),
        (
            b"SELECT x (QRESYNC (1 2 (1 3)))",
            Select("x", False, False, Resync(1, 2, None, parse_set(b"1"), parse_set(b"3"))),
        ),
        (b"CREATE owatagusiam/", Create("owatagusiam")),
        (b"CREATE owatagusiam/blurdybloop", Create("owatagusiam/blurdybloop")),
        (b"CREATE MySent (USE (\\Drafts \\Sent))", Create("MySent", ("\\Drafts", "\\Sent"))),
        (b"CREATE MySent (USE ())", Create("MySent")),
        (b"DELETE foo", Delete("foo")),
        (b"RENAME inbox {3}\r\nold", Rename("INBOX", "old")),
        (b"SUBSCRIBE x", Subscribe("x", subscribed=True)),
        (b"UNSUBSCRIBE x", Subscribe("x", subscribed=False)),
        (b"STATUS x (UIDNEXT messages UIDNEXT)", Status("x", (StatusItem.UIDNEXT, StatusItem.MESSAGES))),
        (b'GETQUOTA ""', GetQuota(b"")),
        (b"GETQUOTAROOT inbox", GetQuotaRoot("INBOX")),
        (b'SETQUOTA "" (STORAGE 512 message 9)', SetQuota(b"", (("STORAGE", 512), ("MESSAGE", 9)))),
        (b"SETQUOTA x ()", SetQuota(b"x", ())),
    ],
)
def test_commands(octets: bytes, value: object) -> None:
    """As the RFCs have them."""
    assert action(octets) == value


@pytest.mark.parametrize("item", list(StatusItem))
def test_items_of_status(item: StatusItem) -> None:
    """Each that there is."""
    assert action(b"STATUS x (%b)" % item.value.encode()) == Status("x", (item,))


@pytest.mark.parametrize(
    "octets",
    [
        b"SELECT",
        b"SELECT ",
        b"SELECT x y",
        b"SELECT x ()",
        b"SELECT x (BLURDYBLOOP)",
        b"SELECT x (QRESYNC)",
        b"SELECT x (QRESYNC ())",
        b"SELECT x (QRESYNC (1))",
        b"SELECT x (QRESYNC (0 1))",
        b"SELECT x (QRESYNC (1 0))",
        b"SELECT x (QRESYNC (1 2 1:*))",
        b"SELECT x (QRESYNC (1 2 $))",
        b"SELECT x (QRESYNC (1 2 1 ))",
        b"SELECT x (QRESYNC (1 2 (1)))",
        b"SELECT x (QRESYNC (1 9223372036854775808))",
        b"CREATE",
        b"CREATE x (FOO)",
        b"CREATE x (USE)",
        b"CREATE x (USE (\\Sent)",
        b"CREATE a&b",
        b"DELETE",
        b"RENAME x",
        b"SUBSCRIBE",
        b"STATUS x",
        b"STATUS x ()",
        b"STATUS x (FOO)",
        b"STATUS x MESSAGES",
        b"GETQUOTA",
        b"SETQUOTA x",
        b"SETQUOTA x (STORAGE)",
        b"SETQUOTA x (STORAGE -1)",
    ],
)
def test_what_is_wrong(octets: bytes) -> None:
    """It is said, with the tag."""
    assert wrong(octets)


@settings(max_examples=100, derandomize=True, deadline=None)
@given(NAMES, NAMES, st.data())
def test_names_come_back(name: str, to: str, data: st.DataObject) -> None:
    """Written in any way."""
    forms = data.draw(mailbox(name)), data.draw(mailbox(to))

    assert action(b"RENAME %b %b" % forms) == Rename(name, to)
    assert action(b"STATUS %b (SIZE)" % forms[0]) == Status(name, (StatusItem.SIZE,))
