"""What LIST and LSUB are answered: the examples of the RFCs, and any hierarchy against plain definitions."""

from __future__ import annotations

import re
from collections.abc import Collection

import pytest
from hypothesis import given
from hypothesis import strategies as st
from imap_commands import action

from twistedmail_mta.imap.list_answer import Known, Told, in_order, listed, listed_subscribed
from twistedmail_mta.imap.listing import List, ListSubscribed, Return, Selection
from twistedmail_mta.imap.names import parents, read_patterns

FRUIT = Known(
    [(name, None) for name in ("INBOX", "Fruit", "Fruit/Apple", "Fruit/Banana", "Tofu", "Vegetable")]
    + [("Vegetable/Broccoli", None), ("Vegetable/Corn", None)],
    ["INBOX", "Fruit/Banana", "Fruit/Peach", "Vegetable", "Vegetable/Broccoli"],
)
"""Examples 1 to 6 of RFC 9051 section 6.3.9.8."""

FOO = [(name, None) for name in ("INBOX", "Foo", "Foo/Bar", "Foo/Baz", "Moo")]

MANY = Known(
    [
        (name, None)
        for name in ("INBOX", "foo2", "foo2/bar1", "foo2/bar2", "baz2", "baz2/bar2", "baz2/bar22", "baz2/bar222")
    ]
    + [("eps2", None), ("eps2/mamba", None), ("qux2/bar2", None)],
    ["foo2/bar1", "foo2/bar2", "baz2/bar2", "baz2/bar22", "baz2/bar222", "eps2", "eps2/mamba", "qux2/bar2"],
)

USES = Known(
    [
        *(("INBOX", None), ("ToDo", None), ("Projects", None), ("Projects/a", None), ("SentMail", "\\Sent")),
        *(("MyDrafts", "\\Drafts"), ("Trash", "\\Trash"), ("Old/Junk", "\\Junk")),
    ],
    ["SentMail", "ToDo"],
)


def answer(octets: bytes, known: Known, *, rev2: bool = True) -> set[str]:
    """Return the responses to a command, attributes in alphabetical order."""
    asked = action(octets)
    if isinstance(asked, ListSubscribed):
        told = [each for each in listed_subscribed(asked, known) if each is not None]
    else:
        assert isinstance(asked, List)
        told = [each for each in listed(asked, known, rev2=rev2) if each is not None]
    lines = [each.line(utf8=rev2).decode() for each in told]
    assert len(set(lines)) == len(lines)
    return {ordered(line) for line in lines}


def ordered(line: str) -> str:
    match = re.fullmatch(r"\* (LIST|LSUB) \((.*?)\) (.*)\r\n", line)
    assert match is not None, line
    return f"{match[1]} ({' '.join(sorted(match[2].split()))}) {match[3]}"


@pytest.mark.parametrize(
    ("known", "command", "expected"),
    [
        (FRUIT, b'LIST "" ""', ['(\\Noselect) "/" ""']),
        (FRUIT, b'LIST /usr/staff/jones ""', ['(\\Noselect) "/" ""']),
        (FRUIT, b'LIST "" ("")', []),
        (
            FRUIT,
            b'LIST () "" "*"',
            [
                *('() "/" "INBOX"', '() "/" "Fruit"', '() "/" "Fruit/Apple"', '() "/" "Fruit/Banana"'),
                *('() "/" "Tofu"', '() "/" "Vegetable"', '() "/" "Vegetable/Broccoli"', '() "/" "Vegetable/Corn"'),
            ],
        ),
        (
            FRUIT,
            b'LIST (SUBSCRIBED) "" "*"',
            [
                '(\\Subscribed) "/" "INBOX"',
                '(\\Subscribed) "/" "Fruit/Banana"',
                '(\\NonExistent \\Subscribed) "/" "Fruit/Peach"',
                '(\\Subscribed) "/" "Vegetable"',
                '(\\Subscribed) "/" "Vegetable/Broccoli"',
            ],
        ),
        (
            FRUIT,
            b'LIST () "" "%" RETURN (CHILDREN)',
            [
                '(\\HasNoChildren) "/" "INBOX"',
                '(\\HasChildren) "/" "Fruit"',
                '(\\HasNoChildren) "/" "Tofu"',
                '(\\HasChildren) "/" "Vegetable"',
            ],
        ),
        (
            FRUIT,
            b'LIST (REMOTE) "" "*" RETURN (SUBSCRIBED)',
            [
                *('(\\Subscribed) "/" "INBOX"', '() "/" "Fruit"', '() "/" "Fruit/Apple"', '() "/" "Tofu"'),
                *('(\\Subscribed) "/" "Fruit/Banana"', '(\\Subscribed) "/" "Vegetable"', '() "/" "Vegetable/Corn"'),
                '(\\Subscribed) "/" "Vegetable/Broccoli"',
            ],
        ),
        (Known(FOO, ["Foo/Baz"]), b'LIST (SUBSCRIBED) "" "*"', ['(\\Subscribed) "/" "Foo/Baz"']),
        (Known(FOO, ["Foo/Baz"]), b'LIST (SUBSCRIBED) "" "%"', []),
        (
            Known(FOO, ["Foo/Baz"]),
            b'LIST (SUBSCRIBED RECURSIVEMATCH) "" "%"',
            ['() "/" "Foo" ("CHILDINFO" ("SUBSCRIBED"))'],
        ),
        (
            Known(FOO, ["Foo/Baz", "Foo"]),
            b'LIST (SUBSCRIBED RECURSIVEMATCH) "" "%"',
            ['(\\Subscribed) "/" "Foo" ("CHILDINFO" ("SUBSCRIBED"))'],
        ),
        (
            Known([("INBOX", None), ("Moo", None)], ["Foo/Baz"]),
            b'LIST (SUBSCRIBED RECURSIVEMATCH) "" "%"',
            ['(\\NonExistent) "/" "Foo" ("CHILDINFO" ("SUBSCRIBED"))'],
        ),
        (Known(FOO, []), b'LIST (SUBSCRIBED RECURSIVEMATCH) "" "%"', []),
        (
            Known(FOO, ["Foo", "Moo"]),
            b'LIST (SUBSCRIBED RECURSIVEMATCH) "" "%" RETURN (CHILDREN)',
            ['(\\HasChildren \\Subscribed) "/" "Foo"', '(\\HasNoChildren \\Subscribed) "/" "Moo"'],
        ),
        (
            MANY,
            b'LIST (RECURSIVEMATCH SUBSCRIBED) "" "*2"',
            [
                '() "/" "foo2" ("CHILDINFO" ("SUBSCRIBED"))',
                '(\\Subscribed) "/" "foo2/bar2"',
                '(\\Subscribed) "/" "baz2/bar2"',
                '(\\Subscribed) "/" "baz2/bar22"',
                '(\\Subscribed) "/" "baz2/bar222"',
                '(\\Subscribed) "/" "eps2" ("CHILDINFO" ("SUBSCRIBED"))',
                '(\\Subscribed) "/" "qux2/bar2"',
            ],
        ),
        (Known([("foo", None)], ["foo/bar"]), b'LIST "" ("foo")', ['() "/" "foo"']),
        (
            Known([("foo", None)], ["foo/bar"]),
            b'LIST (SUBSCRIBED) "" "foo/*"',
            ['(\\NonExistent \\Subscribed) "/" "foo/bar"'],
        ),
        (
            Known([("foo", None)], ["foo/bar"]),
            b'LIST (SUBSCRIBED RECURSIVEMATCH) "" foo RETURN (CHILDREN)',
            ['(\\HasNoChildren) "/" "foo" ("CHILDINFO" ("SUBSCRIBED"))'],
        ),
        (Known([("music/rock", None)], []), b'LIST (REMOTE) "" *', ['() "/" "music/rock"']),
        (Known([("music/rock", None)], []), b'LIST () "" %', ['(\\HasChildren \\NonExistent) "/" "music"']),
        (
            Known([("music/rock", None)], []),
            b'LIST "" (% music/rock)',
            ['() "/" "music/rock"', '(\\HasChildren \\NonExistent) "/" "music"'],
        ),
        (
            USES,
            b'LIST "" "%"',
            [
                *('(\\HasNoChildren) "/" "INBOX"', '(\\HasNoChildren) "/" "ToDo"', '(\\HasChildren) "/" "Projects"'),
                *('(\\HasNoChildren \\Sent) "/" "SentMail"', '(\\Drafts \\HasNoChildren) "/" "MyDrafts"'),
                *('(\\HasNoChildren \\Trash) "/" "Trash"', '(\\HasChildren \\NonExistent) "/" "Old"'),
            ],
        ),
        (
            USES,
            b'LIST (SPECIAL-USE) "" "*"',
            [
                *('(\\Sent) "/" "SentMail"', '(\\Drafts) "/" "MyDrafts"', '(\\Trash) "/" "Trash"'),
                '(\\Junk) "/" "Old/Junk"',
            ],
        ),
        (USES, b'LIST "" "S%" RETURN (SPECIAL-USE)', ['(\\Sent) "/" "SentMail"']),
        (USES, b'LIST "" "S%" RETURN ()', ['() "/" "SentMail"']),
        (USES, b'LIST (SPECIAL-USE SUBSCRIBED) "" "*"', ['(\\Sent \\Subscribed) "/" "SentMail"']),
        (USES, b'LIST Old/ "%" RETURN (SPECIAL-USE)', ['(\\Junk) "/" "Old/Junk"']),
    ],
)
def test_list_as_in_the_examples(known: Known, command: bytes, expected: Collection[str]) -> None:
    """RFC 9051 section 6.3.9.8, RFC 6154 section 5: INBOX in capitals, and nothing is remote or marked."""
    assert answer(command, known) == {f"LIST {line}" for line in expected}


NEWS = Known([("#news/comp/mail/mime", None)], ["#news/comp/mail/mime", "#news/comp/mail/misc", "#news/comp/x"])


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        (b'LSUB "" ""', ['(\\Noselect) "/" ""']),
        (b'LSUB "#news/" "comp/mail/*"', ['() "/" "#news/comp/mail/mime"', '(\\Noselect) "/" "#news/comp/mail/misc"']),
        (b'LSUB "#news/" "comp/%"', ['(\\Noselect) "/" "#news/comp/mail"', '(\\Noselect) "/" "#news/comp/x"']),
        (b'LSUB "" "%"', ['(\\Noselect) "/" "#news"']),
        (b'LSUB "" "%/x"', []),
    ],
)
def test_lsub_as_in_the_examples(command: bytes, expected: Collection[str]) -> None:
    r"""RFC 3501 section 6.3.9: of what is below a level "%" tells the level; what isn't there is \Noselect."""
    assert answer(command, NEWS) == {f"LSUB {line}" for line in expected}


def test_older_clients_are_told_in_their_words() -> None:
    r"""Names in modified UTF-7, and \Noselect for what they don't know as \NonExistent."""
    known = Known([("Entwürfe/a & b", None), ('q"\\', None)], [])

    assert answer(b'LIST "" *', known, rev2=False) == {
        'LIST (\\HasNoChildren) "/" "Entw&APw-rfe/a &- b"',
        'LIST (\\HasNoChildren) "/" "q\\"\\\\"',
    }
    assert answer(b'LIST "" E%', known, rev2=False) == {
        'LIST (\\HasChildren \\NonExistent \\Noselect) "/" "Entw&APw-rfe"'
    }
    assert answer(b'LIST "" *', known) == {
        'LIST (\\HasNoChildren) "/" "Entwürfe/a & b"',
        'LIST (\\HasNoChildren) "/" "q\\"\\\\"',
    }


def test_status_is_told_of_what_can_be_opened_and_was_selected() -> None:
    """RFC 5819 section 3: neither of what is only above, nor of what isn't there."""
    known = Known([("INBOX", None), ("foo", None), ("foo/a", None), ("bar/b", None)], ["INBOX", "foo/a", "gone"])

    def with_status(octets: bytes) -> list[str]:
        asked = action(octets)
        assert isinstance(asked, List)
        return [told.name for told in listed(asked, known) if told is not None and told.has_status]

    assert with_status(b'LIST "" % RETURN (STATUS (MESSAGES UNSEEN))') == ["INBOX", "foo"]
    assert with_status(b'LIST (SUBSCRIBED RECURSIVEMATCH) "" % RETURN (STATUS (MESSAGES))') == ["INBOX"]
    assert Told("LIST", "x", ("\\HasChildren",)).unselectable().attributes == ("\\Noselect", "\\HasChildren")


NAMES = st.lists(
    st.lists(st.sampled_from(["a", "b", "a b", "c"]), min_size=1, max_size=4).map("/".join), max_size=8, unique=True
)
PATTERNS = st.lists(st.text("ab/*%", max_size=5), min_size=1, max_size=2).map(tuple)
SELECTION = st.sampled_from(
    [
        frozenset(chosen)
        for chosen in (
            [],
            [Selection.REMOTE],
            [Selection.SUBSCRIBED],
            [Selection.SPECIAL_USE],
            [Selection.SUBSCRIBED, Selection.SPECIAL_USE],
            [Selection.SUBSCRIBED, Selection.RECURSIVEMATCH],
            [Selection.SUBSCRIBED, Selection.RECURSIVEMATCH, Selection.SPECIAL_USE],
        )
    ]
)


@given(NAMES, NAMES, PATTERNS, SELECTION)
def test_any_hierarchy(
    mailboxes: list[str], subscriptions: list[str], patterns: tuple[str, ...], selection: frozenset[Selection]
) -> None:
    """What is told by the plain definitions, once each; all attributes are right."""
    uses = {name: "\\Junk" if "b" in name else None for name in mailboxes}
    known = Known(uses.items(), subscriptions)
    returns = frozenset({Return.CHILDREN, Return.SUBSCRIBED, Return.SPECIAL_USE})
    asked = List("", patterns, selection, returns, extended=True)

    told = [each for each in listed(asked, known) if each is not None]

    expected = naive(patterns, selection, uses, set(subscriptions))
    assert {each.name: each.child_selected for each in told} == expected
    assert len(told) == len(expected)
    for each in told:
        attributes = {
            "\\Subscribed": each.name in subscriptions,
            "\\NonExistent": each.name not in uses,
            "\\HasChildren": any(name.startswith(each.name + "/") for name in uses),
            "\\HasNoChildren": not any(name.startswith(each.name + "/") for name in uses),
            "\\Junk": uses.get(each.name) is not None,
        }
        assert set(each.attributes) == {name for name, is_so in attributes.items() if is_so}


def naive(
    patterns: tuple[str, ...], selection: frozenset[Selection], uses: dict[str, str | None], subscriptions: set[str]
) -> dict[str, bool]:
    """Return which names are told, and of which CHILDINFO."""
    fitting = set(uses) if Selection.SUBSCRIBED not in selection else subscriptions
    if Selection.SPECIAL_USE in selection:
        fitting = {name for name in fitting if uses.get(name) is not None}
    matching = {name for name in fitting if any(read_patterns((text,)).matches(name) for text in patterns if text)}
    found = dict.fromkeys(matching, False)
    if not selection - {Selection.REMOTE}:
        levels = {level for name in uses for level in parents(name)}
        ends = [read_patterns((text,)) for text in patterns if text.endswith("%")]
        return found | {level: False for level in levels if any(pattern.matches(level) for pattern in ends)}
    if Selection.RECURSIVEMATCH in selection:
        found = {name: any(other.startswith(name + "/") for other in fitting) for name in matching}
        for level in {level for name in fitting - matching for level in parents(name)}:
            if any(read_patterns((text,)).matches(level) for text in patterns if text):
                found[level] = True
    return found


@given(NAMES, NAMES, st.text("ab/*%", min_size=1, max_size=5))
def test_any_subscriptions(mailboxes: list[str], subscriptions: list[str], pattern: str) -> None:
    known = Known([(name, None) for name in mailboxes], subscriptions)

    told = [each for each in listed_subscribed(ListSubscribed("", pattern), known) if each is not None]

    matches = read_patterns((pattern,)).matches
    expected = {name: name in mailboxes for name in subscriptions if matches(name)}
    levels = {level for name in subscriptions for level in parents(name)} if pattern.endswith("%") else set()
    expected |= {level: False for level in levels - set(subscriptions) if matches(level)}
    assert {each.name: each.attributes != ("\\Noselect",) for each in told} == expected
    assert len(told) == len(expected)


@given(st.lists(st.text("ab/ ", min_size=1, max_size=6), max_size=10), st.text("abI/*%", max_size=8))
def test_levels_above_are_those_that_match(names: list[str], pattern: str) -> None:
    for name in [*names, *(f"INBOX/{name}" for name in names)]:
        found = [name[:end] for end in read_patterns((pattern,)).matching_parents(name)]
        assert found == [level for level in parents(name) if read_patterns((pattern,)).matches(level)]


@given(NAMES)
def test_the_order_is_that_of_a_tree(names: list[str]) -> None:
    order = in_order(set(names))
    for place, name in enumerate(order):
        below = [other for other in order if other.startswith(name + "/")]
        assert order[place + 1 : place + 1 + len(below)] == below
