"""Threads by subject and by references: the examples and rules of RFC 5256, and threads without bounds."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twistedmail_mta.imap.in_turns import STEPS, Turns, sort_in_turns
from twistedmail_mta.imap.thread_tree import Node, Threadable, thread_line
from twistedmail_mta.imap.threads import by_references, by_subject, with_references, without_references
from twistedmail_mta.mail.envelope import envelope


def finished(turns: Turns[list[Node]]) -> list[Node]:
    """Return what comes of work in turns."""
    while True:
        try:
            next(turns)
        except StopIteration as end:
            return list(end.value)


def line(nodes: list[Node]) -> str:
    return b"".join(thread_line(nodes)).decode().removeprefix("* THREAD").removesuffix("\r\n").strip()


def message(
    at: int,
    subject: str = "",
    *references: str,
    own: str | None = None,
    answers: bool = False,
) -> Threadable:
    name = None if own is None else own.encode()
    return Threadable(at, subject.encode(), answers, name, [each.encode() for each in references])


def referring(*messages: Threadable) -> str:
    return line(finished(by_references(enumerate(messages, 1))))


def test_members_and_nested_lists() -> None:
    """The example of RFC 5256 section 4, BASE.7.2.THREAD."""
    nodes = {number: Node(number, message(number)) for number in (2, 3, 6, 4, 23, 44, 7, 96)}
    for parent, child in ((3, 6), (6, 4), (4, 23), (6, 44), (44, 7), (7, 96)):
        nodes[parent].adopt(nodes[child])
    missing = Node()
    for number in (5, 8):
        missing.adopt(Node(number, message(number)))

    assert line([nodes[2], nodes[3]]) == "(2)(3 6 (4 23)(44 7 96))"
    assert line([missing]) == "((5)(8))"
    assert line([]) == ""


def test_ordered_subject() -> None:
    """Under the first of a subject all others are siblings; threads are in the order of their first messages."""
    messages = [
        message(5, "B"),
        message(3, "A"),
        message(9, "B"),
        message(4, "C"),
        message(8, "A"),
        message(7, "B"),
        message(1, ""),
        message(2, ""),
    ]

    assert line(finished(by_subject(enumerate(messages, 1)))) == "(7 8)(2 5)(4)(1 (6)(3))"


def test_references_chain() -> None:
    assert referring(message(1, own="a"), message(2, "", "a", own="b"), message(3, "", "a", "b", own="c")) == "(1 2 3)"


def test_an_answer_before_its_question() -> None:
    assert referring(message(2, "", "a", own="b"), message(1, own="a")) == "(2 1)"


def test_siblings_by_date() -> None:
    assert referring(message(1, own="a"), message(9, "", "a", own="b"), message(5, "", "a", own="c")) == "(1 (3)(2))"


def test_a_missing_message_between() -> None:
    """Step (3): its children move up."""
    assert referring(message(1, own="a"), message(2, "", "a", "missing", own="c")) == "(1 2)"


def test_a_missing_root_of_one() -> None:
    assert referring(message(1, "", "missing", own="a"), message(2, "", "a")) == "(1 2)"


def test_a_missing_root_of_several() -> None:
    """It stays, as nothing else holds them together."""
    assert referring(message(2, "", "missing", own="a"), message(1, "", "missing", own="b")) == "((2)(1))"
    assert (
        referring(message(2, "", "x", "y", own="a"), message(1, "", "x", "z", own="b"), message(3, "", "a"))
        == "((2)(1 3))"
    )


def test_a_missing_chain_without_messages() -> None:
    assert referring(message(1, "", "x", "y", "z", own="a"), message(2, own="b")) == "(1)(2)"


def test_the_same_message_id_twice() -> None:
    """Only the first has it (step 1)."""
    assert referring(message(1, own="a"), message(2, own="a"), message(3, "", "a")) == "(1 3)(2)"


def test_no_message_id() -> None:
    assert referring(message(1), message(2), message(3, "", "a")) == "(1)(2)(3)"


def test_circles() -> None:
    """No link makes a message its own ancestor."""
    assert referring(message(1, "", "b", own="a"), message(2, "", "a", own="b")) == "(2 1)"
    assert referring(message(1, "", "a", own="a")) == "(1)"
    assert referring(message(1, "", "b", "c", "b", "a", own="a"), message(2, "", "a", own="c")) == "(1 2)"


def test_own_references_count_more() -> None:
    """A truncated References field of another message gave it a parent before (step 1.B)."""
    first = message(1, "", "x", "b", own="a")

    assert referring(first, message(2, "", "y", own="b"), message(3, own="y"), message(4, own="x")) == "(3 2 1)(4)"
    assert referring(first, message(2, own="b"), message(4, own="x")) == "(2 1)(3)"


def test_same_subjects() -> None:
    """Step (5), case by case."""
    assert referring(message(1, "S"), message(2, "S", answers=True)) == "(1 2)"
    assert referring(message(1, "S", answers=True), message(2, "S")) == "(2 1)"
    assert referring(message(1, "S"), message(2, "S")) == "((1)(2))"
    assert referring(message(1, "S", answers=True), message(2, "S", answers=True)) == "((1)(2))"
    assert referring(message(1, "S"), message(2, "S"), message(3, "S", answers=True)) == "((1)(2)(3))"
    assert referring(message(1, ""), message(2, "")) == "(1)(2)"
    missing = (message(3, "S", "m", own="c"), message(2, "S", "m", own="d"))
    assert referring(message(1, "S"), *missing) == "((1)(3)(2))"
    assert referring(*missing, message(4, "S", "n"), message(5, "S", "n")) == "((2)(1)(3)(4))"
    assert referring(message(1, "T"), message(2, "S"), message(3, "T", answers=True)) == "(1 3)(2)"


def test_what_is_read_of_a_message() -> None:
    """RFC 5256 section 3: References, else the first Message-ID of In-Reply-To."""
    header = b"Message-ID: <a@x>\r\nSubject: Re: J\xc3\xb6rg\r\nDate: 21 Nov 2026 08:00:00 +0000\r\n"
    parent = b"In-Reply-To: Message of today <p@x> <q@x>\r\n"
    references = b"References: <r@x>\r\n <s@x>\r\n"

    def read(block: bytes) -> Threadable:
        return with_references(5, envelope(block), block)

    both = read(header + parent + references + b"\r\n")
    assert both == Threadable(1_795_248_000, "JO\u0308RG".encode(), True, b"a@x", [b"r@x", b"s@x"])
    assert read(header + parent + b"References: none\r\n\r\n").references == [b"p@x"]
    assert read(header + b"In-Reply-To: none\r\n\r\n").references == []
    assert read(b"Subject: x\r\n\r\n") == Threadable(5, b"X", False, None, [])
    assert without_references(5, envelope(header)) == Threadable(1_795_248_000, "JO\u0308RG".encode())


@pytest.mark.parametrize("order", ["forwards", "backwards", "mixed"])
def test_deep_threads(order: str) -> None:
    """A thread of 20,000 messages, each the answer to the one before; no recursion, no quadratic time."""
    count = 20_000
    messages = [message(at, "", *[str(each) for each in range(max(0, at - 5), at)], own=str(at)) for at in range(count)]
    places = list(range(count))
    if order == "backwards":
        places.reverse()
    elif order == "mixed":
        places = [place * 7919 % count for place in places]

    threads = finished(by_references((at + 1, messages[at]) for at in places))

    assert line(threads) == "(" + " ".join(str(number) for number in range(1, count + 1)) + ")"


def test_wide_threads() -> None:
    count = 20_000
    messages = [message(0, "S", own="root"), *(message(at, "S", "root", answers=True) for at in range(count))]

    assert referring(*messages).count("(") == count + 1
    assert line(finished(by_subject(enumerate(messages, 1)))).count("(") == count + 1


def test_long_chains_of_missing_messages() -> None:
    """Each message refers to a thousand others that nobody has."""
    messages = [message(at, "", *[f"{at // 10}-{each}" for each in range(1000)]) for at in range(100)]

    assert referring(*messages).count("((") == 10


IDS = st.sampled_from("abcdefgh")
MESSAGES = st.lists(
    st.builds(
        Threadable,
        st.integers(0, 5),
        st.sampled_from([b"", b"S", b"T"]),
        st.booleans(),
        st.none() | IDS.map(str.encode),
        st.lists(IDS.map(str.encode), max_size=4),
    ),
    max_size=8,
)


@given(MESSAGES)
@settings(max_examples=500)
def test_each_message_once(messages: list[Threadable]) -> None:
    """Whatever they refer to, all are there, once, and only roots are missing ones, of two at least."""
    for thread in (by_references, by_subject):
        roots = finished(thread(enumerate(messages, 1)))
        numbers = []
        waiting = list(roots)
        while waiting:
            node = waiting.pop()
            numbers.append(node.number)
            assert node.number or (node in roots and len(node.children) > 1)
            waiting += node.children

        assert sorted(number for number in numbers if number) == list(range(1, len(messages) + 1))
        assert line(roots).count("(") == line(roots).count(")")


@given(MESSAGES)
@settings(max_examples=300)
def test_as_the_steps_are_written(messages: list[Threadable]) -> None:
    """Links as in step (1), found by walking up for each."""
    parents = naive_parents(messages)
    roots = finished(by_references(enumerate(messages, 1)))

    found: dict[int, int] = {}
    waiting = [(node, 0) for node in roots]
    while waiting:
        node, above = waiting.pop()
        if node.number:
            found[node.number] = above
        waiting += [(child, node.number) for child in node.children]
    for number, parent in parents.items():
        if parent:
            assert found[number] == parent


def naive_parents(messages: list[Threadable]) -> dict[int, int]:
    """Return for each message the nearest ancestor that is there, 0 for none."""
    firsts: dict[bytes, int] = {}
    for number, each in enumerate(messages, 1):
        if each.id is not None:
            firsts.setdefault(each.id, number)
    names: list[object] = [
        each.id if each.id is not None and firsts[each.id] == number else number
        for number, each in enumerate(messages, 1)
    ]
    parents: dict[object, object] = {}
    for name, each in zip(names, messages, strict=True):
        for above, below in pairwise(each.references):
            if below not in parents:
                link(parents, above, below)
        parents.pop(name, None)
        if each.references:
            link(parents, each.references[-1], name)
    return {number: nearest(parents, name, names) for number, name in enumerate(names, 1)}


def link(parents: dict[object, object], above: object, below: object) -> None:
    walk: object | None = above
    while walk is not None:
        if walk == below:
            return
        walk = parents.get(walk)
    parents[below] = above


def nearest(parents: dict[object, object], name: object, names: list[object]) -> int:
    above = parents.get(name)
    while above is not None and above not in names:
        above = parents.get(above)
    return 0 if above is None else names.index(above) + 1


@given(st.lists(st.integers(0, 50), max_size=50), st.booleans())
def test_sorting_in_turns(values: list[int], reverse: bool) -> None:
    """As `sorted`, what is equal in its order, also when runs have to be merged."""
    numbered = list(enumerate(values * 100))

    found = finished(sort_in_turns(numbered, lambda pair: pair[1], reverse=reverse))  # type: ignore[arg-type]

    assert found == sorted(numbered, key=lambda pair: pair[1], reverse=reverse)
    assert len(list(sort_in_turns(numbered, lambda pair: pair[1]))) >= len(numbered) // STEPS
