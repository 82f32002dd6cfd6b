"""LIST and LSUB."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from imap_commands import NAMES, action, mailbox, wrong

from twistedmail_mta.imap.listing import LONGEST_PATTERNS, MAX_PATTERNS, List, ListSubscribed, Return, Selection
from twistedmail_mta.imap.mailboxes import StatusItem

SUBSCRIBED = frozenset({Selection.SUBSCRIBED})


@pytest.mark.parametrize(
    ("octets", "value"),
    [
        (b'LIST "" *', List("", ("*",))),
        (b'LIST "" ""', List("", ("",))),
        (b"LIST a/ %", List("a/", ("%",))),
        (b'LIST "" inbox', List("", ("INBOX",))),
        (b'LIST "" "&AOQ-%"', List("", ("ä%",))),
        (b'LIST "" {1}\r\n*', List("", ("*",))),
        (b'LIST () "" *', List("", ("*",), extended=True)),
        (b'LIST "" (INBOX Drafts "a b/%")', List("", ("INBOX", "Drafts", "a b/%"), extended=True)),
        (b'LIST "" % RETURN ()', List("", ("%",), extended=True)),
        (
            b'LIST (SUBSCRIBED RECURSIVEMATCH) "" % RETURN (CHILDREN)',
            List("", ("%",), SUBSCRIBED | {Selection.RECURSIVEMATCH}, frozenset({Return.CHILDREN}), extended=True),
        ),
        (
            b'list (remote special-use) "" % return (subscribed status (messages unseen) special-use)',
            List(
                "",
                ("%",),
                frozenset({Selection.REMOTE, Selection.SPECIAL_USE}),
                frozenset({Return.SUBSCRIBED, Return.STATUS, Return.SPECIAL_USE}),
                (StatusItem.MESSAGES, StatusItem.UNSEEN),
                extended=True,
            ),
        ),
        (b'LSUB "" *', ListSubscribed("", "*")),
        (b'LSUB "#news." "comp.mail.*"', ListSubscribed("#news.", "comp.mail.*")),
    ],
)
def test_commands(octets: bytes, value: object) -> None:
    """As the RFCs have them."""
    assert action(octets) == value


@pytest.mark.parametrize(
    "octets",
    [
        b"LIST",
        b"LIST x",
        b"LIST * *",
        b'LIST "" ()',
        b'LIST "" (a',
        b'LIST "" ((a))',
        b'LIST "" * RETURN',
        b'LIST "" * FOO ()',
        b'LIST "" * RETURN (FOO)',
        b'LIST "" * RETURN (STATUS)',
        b'LIST "" * RETURN (STATUS ())',
        b'LIST "" * RETURN (CHILDREN) x',
        b'LIST (FOO) "" *',
        b'LIST (RECURSIVEMATCH) "" *',
        b'LIST (REMOTE RECURSIVEMATCH) "" *',
        b'LIST (SUBSCRIBED)"" *',
        b'LIST "" a&b',
        b'LSUB ""',
        b'LSUB "" (a)',
        b'LSUB () "" *',
    ],
)
def test_what_is_wrong(octets: bytes) -> None:
    """It is said, with the tag."""
    assert wrong(octets)


def test_patterns_are_bounded() -> None:
    """Each is matched with each mailbox."""
    most = b" ".join([b"*"] * MAX_PATTERNS)

    assert isinstance(action(b'LIST "" (%b)' % most), List)
    assert "too long" in wrong(b'LIST "" (%b *)' % most)


def test_patterns_are_bounded_together() -> None:
    """Each letter of a name is looked for in all of them, each with the reference before it."""
    half = b"a" * (LONGEST_PATTERNS // 2 - 1)

    assert isinstance(action(b"LIST b (%b %b)" % (half, half)), List)
    assert "too long" in wrong(b"LIST b (%b %bc)" % (half, half))
    assert isinstance(action(b'LIST "" %b' % (half * 3)), List)


@settings(max_examples=100, derandomize=True, deadline=None)
@given(
    NAMES,
    st.lists(NAMES, min_size=2, max_size=3),
    st.frozensets(st.sampled_from([Selection.SUBSCRIBED, Selection.REMOTE])),
    st.frozensets(st.sampled_from([Return.CHILDREN, Return.SUBSCRIBED])),
    st.data(),
)
def test_they_come_back(
    reference: str,
    patterns: list[str],
    selection: frozenset[Selection],
    returns: frozenset[Return],
    data: st.DataObject,
) -> None:
    """Whatever is asked for."""
    forms = b" ".join(data.draw(mailbox(pattern)) for pattern in patterns)
    selected = " ".join(option.value for option in selection).encode()
    told = " ".join(option.value for option in returns).encode()

    octets = b"LIST (%b) %b (%b) RETURN (%b)" % (selected, data.draw(mailbox(reference)), forms, told)

    assert action(octets) == List(reference, tuple(patterns), selection, returns, extended=True)
