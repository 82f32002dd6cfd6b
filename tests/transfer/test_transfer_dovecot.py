"""The lists that Dovecot keeps beside the messages of a Maildir."""

from __future__ import annotations

import pytest

from twistedmail_mta.transfer.dovecot import (
    Known,
    UIDList,
    is_uidl_format,
    parse_keywords,
    parse_subscriptions,
    parse_uidlist,
    uidl_of,
    unique_name,
)

UIDLIST = """3 V1275660208 N25022 G3085f01b7f11094c501100008c4a11c1
25006 :1276528487.M364837P9451.kurkku,S=1355,W=1394:2,
25017 W2481 :1276533073.M242911P3632.kurkku:2,F
25018 W1 P0000012a4bf3 O7 :1276533074.M1P1.kurkku,S=1
"""


def test_uidlist() -> None:
    """Whatever follows the unique part of a file's name changes, and so counts for nothing."""
    assert parse_uidlist(UIDLIST) == UIDList(
        1275660208,
        25022,
        {
            "1276528487.M364837P9451.kurkku": Known(25006),
            "1276533073.M242911P3632.kurkku": Known(25017),
            "1276533074.M1P1.kurkku": Known(25018, "0000012a4bf3"),
        },
    )


@pytest.mark.parametrize("text", ["", "1 1275660208 25022\n25006 a\n", "3 N5\n1 :a\n", "3 V0 N5\n", "3 Vx\n", "\0\n"])
def test_uidlists_of_others(text: str) -> None:
    """What isn't understood tells nothing, rather than something wrong."""
    assert parse_uidlist(text) == UIDList()


def test_damaged_lines_of_a_uidlist() -> None:
    """UIDs ascend; lines that don't say one are passed over, and the next UID is above all of them."""
    text = "3 V7 N1\n5 :a\n4 :b\nx :c\n6\n9 P\x01 :d\n"

    assert parse_uidlist(text) == UIDList(7, 10, {"a": Known(5), "d": Known(9)})


@pytest.mark.parametrize(
    ("form", "uidl"),
    [
        ("%08Xu%08Xv", "0000002a4d2"),
        ("%08Xv%08Xu", "000004d20000002a"),
        ("%v.%u", "1234.42"),
        ("%v-%u", "1234-42"),
        ("%f", "file"),
        ("%Xu%%", "2a%"),
    ],
)
def test_uidl_formats(form: str, uidl: str) -> None:
    """Those that Dovecot's documentation names for the servers before it."""
    assert uidl_of(form, 42, 1234, "file") == uidl.replace("0000002a4d2", "0000002a000004d2")
    assert is_uidl_format(form)


@pytest.mark.parametrize("form", ["", "%v", "x", "%m", "%08Xu%g", "%u%"])
def test_no_uidl_formats(form: str) -> None:
    """All messages would be called the same, or we don't know the variable."""
    assert not is_uidl_format(form)


def test_uidl_that_pop3_cannot_say() -> None:
    """RFC 1939 section 7: 70 printable characters at most, and no space."""
    assert uidl_of("%f", 1, 1, "x" * 71) is None
    assert uidl_of("%f %u", 1, 1, "x") is None


def test_keywords() -> None:
    """26 letters, so 26 keywords."""
    assert parse_keywords("0 Junk\n1 $Forwarded\n25 z\n26 no\nx y\n3\n") == {"a": "Junk", "b": "$Forwarded", "z": "z"}


def test_subscriptions_of_both_versions() -> None:
    """The second separates levels by tabs."""
    assert parse_subscriptions("Sent\nArchive.2020\n") == ["Sent", "Archive/2020"]
    assert parse_subscriptions("V\t2\n\nSent\nArchive\t2020\n") == ["Sent", "Archive/2020"]


@pytest.mark.parametrize(
    "file", ["1.M2.host", "1.M2.host:2,S", "1.M2.host,S=5,W=6:2,", "1.M2.host!2,S", "1.M2.host;2,"]
)
def test_unique_names(file: str) -> None:
    """Flags and sizes come behind it, with the separators of other systems too."""
    assert unique_name(file) == "1.M2.host"
