"""Messages put into threads: by subject, or by what they answer (RFC 5256 section 3)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from twistedmail_mta.imap.in_turns import STEPS, Turns, list_in_turns, sort_in_turns
from twistedmail_mta.imap.sorting import sent_at, subject_of
from twistedmail_mta.imap.thread_tree import Node, Threadable
from twistedmail_mta.mail.casemap import casemapped
from twistedmail_mta.mail.header import Header
from twistedmail_mta.mail.message_ids import first_message_id, message_ids

_ID: Final = b"message-id"
_PARENT: Final = b"in-reply-to"
_REFERENCES: Final = b"references"
_FIELDS: Final = (_ID, _PARENT, _REFERENCES)


Numbered = Iterable[tuple[int, Threadable]]
"""Messages in their order, with what the client calls them."""


def without_references(internal_date: int, envelope: bytes) -> Threadable:
    """Return what ORDEREDSUBJECT asks of a message."""
    return Threadable(sent_at(internal_date, envelope), casemapped(subject_of(envelope).text))


def with_references(internal_date: int, envelope: bytes, header: bytes) -> Threadable:
    """Return what REFERENCES asks of a message."""
    fields = Header(header).collect(_FIELDS)
    subject = subject_of(envelope)
    own = first_message_id(fields[_ID][0]) if _ID in fields else None
    references = message_ids(fields[_REFERENCES][0]) if _REFERENCES in fields else []
    if not references and _PARENT in fields:
        parent = first_message_id(fields[_PARENT][0])
        references = [] if parent is None else [parent]
    return Threadable(sent_at(internal_date, envelope), casemapped(subject.text), subject.answers, own, references)


def by_subject(messages: Numbered) -> Turns[list[Node]]:
    """Thread by ORDEREDSUBJECT: under the first message of a subject all others are siblings."""
    nodes = yield from list_in_turns(Node(number, message) for number, message in messages)
    nodes = yield from _by_date(nodes)
    threads: dict[bytes, Node] = {}
    for count, node in enumerate(nodes):
        first = threads.setdefault(node.known.subject, node)
        if first is not node:
            first.adopt(node)
        if count % STEPS == 0:
            yield
    return list(threads.values())


def by_references(messages: Numbered) -> Turns[list[Node]]:
    """Thread by REFERENCES, in the six steps that are described there."""
    nodes = yield from _linked(messages)
    roots = yield from list_in_turns(node for node in nodes if node.parent is None)
    roots = yield from _pruned(roots)
    roots = yield from _merged((yield from _by_date(roots)))
    return (yield from _all_by_date(roots))


def _linked(messages: Numbered) -> Turns[list[Node]]:
    """Step (1): link messages with what they refer to; return them, and what is missing among them."""
    known = _Known()
    steps = 0
    for number, message in messages:
        steps += known.add(number, message)
        if steps > STEPS:
            steps = 0
            yield
    return known.nodes


class _Known:
    """Messages, and places for those that are only referred to."""

    __slots__ = ("_by_id", "nodes")

    def __init__(self) -> None:
        self.nodes: list[Node] = []
        self._by_id: dict[bytes, Node] = {}

    def add(self, number: int, message: Threadable) -> int:
        """Add a message and link it; return how many steps that took."""
        node = self._own(message.id)
        node.number, node.message = number, message
        steps = 2 + len(message.references)
        last: Node | None = None
        for reference in message.references:
            named = self._named(reference)
            if last is not None and named.parent is None:
                steps += _link(last, named)
            last = named
        if node.parent is not last:
            node.leave()
            if last is not None:
                steps += _link(last, node)
        return steps

    def _own(self, id_: bytes | None) -> Node:
        """Return the place of a message: of those with the same Message-ID only the first has it."""
        node = None if id_ is None else self._named(id_)
        return self._new() if node is None or node.message is not None else node

    def _named(self, id_: bytes) -> Node:
        return self._by_id.get(id_) or self._by_id.setdefault(id_, self._new())

    def _new(self) -> Node:
        self.nodes.append(Node())
        return self.nodes[-1]


def _link(parent: Node, child: Node) -> int:
    """Make one the parent of the other unless that makes a circle; return how many steps it took to know.

    It takes none where a thread goes on at its end, or is continued upwards.
    """
    steps = 0
    above: Node | None = parent
    if child.children or parent is child:
        while above is not None and above is not child:
            above = above.parent
            steps += 1
        if above is child:
            return steps
    parent.adopt(child)
    return steps


def _lowest_first(roots: Iterable[Node]) -> Turns[Iterator[Node]]:
    """Return all messages, each behind those below it."""
    found: list[Node] = []
    waiting = list(roots)
    while waiting:
        node = waiting.pop()
        found.append(node)
        waiting.extend(node.children)
        if len(found) % STEPS == 0:
            yield
    return reversed(found)


def _pruned(roots: list[Node]) -> Turns[list[Node]]:
    """Step (3): take out what is missing, but keep it as a root where it holds several threads together."""
    for count, node in enumerate((yield from _lowest_first(roots))):
        node.children = _spliced(node.children)
        for child in node.children:
            child.parent = node
        if count % STEPS == 0:
            yield
    kept: list[Node] = []
    for count, node in enumerate(roots):
        if node.number or len(node.children) > 1:
            kept.append(node)
            continue
        for child in node.children:
            child.parent = None
            kept.append(child)
        if count % STEPS == 0:
            yield
    return kept


def _spliced(children: dict[Node, None]) -> dict[Node, None]:
    """Return the children, with those of missing ones in place of these; they aren't in order yet."""
    missing = [child for child in children if not child.number]
    if not missing:
        return children
    most = max(missing, key=lambda child: len(child.children))
    spliced = most.children
    for child in children:
        if child.number:
            spliced[child] = None
        elif child is not most:
            spliced.update(child.children)
    return spliced


def _merged(roots: list[Node]) -> Turns[list[Node]]:
    """Step (5): put threads of the same subject together."""
    table: dict[bytes, Node] = {}
    for count, node in enumerate(roots):
        subject = node.known.subject
        if subject and _leads(node, table.get(subject)):
            table[subject] = node
        if count % STEPS == 0:
            yield
    found = dict.fromkeys(roots)
    for count, node in enumerate(roots):
        first = table.get(node.known.subject)
        if first is not None and first is not node:
            _merge(node, first, found, table)
        if count % STEPS == 0:
            yield
    return list(found)


def _leads(node: Node, other: Node | None) -> bool:
    """Return whether a thread stands for its subject rather than the one found before."""
    if other is None:
        return True
    if other.message is None:
        return False
    return node.message is None or (other.message.answers and not node.message.answers)


def _merge(node: Node, first: Node, roots: dict[Node, None], table: dict[bytes, Node]) -> None:
    """Merge a thread with the one that stands for its subject."""
    del roots[node]
    if first.message is None:
        for child in list(node.children) if node.message is None else [node]:
            first.adopt(child)
    elif node.known.answers and not first.message.answers:
        first.adopt(node)
    else:
        missing = Node()
        table[first.known.subject] = missing
        missing.adopt(first)
        missing.adopt(node)
        del roots[first]
        roots[missing] = None


def _by_date(nodes: Sequence[Node]) -> Turns[list[Node]]:
    """Sort messages, or threads, by date, then by number; those below missing ones before them."""
    for count, node in enumerate(nodes):
        if count % STEPS == 0:
            yield
        if node.message is None and len(node.children) > 1:
            node.children = dict.fromkeys((yield from sort_in_turns(list(node.children), _date)))
    return (yield from sort_in_turns(nodes, _date))


def _date(node: Node) -> tuple[int, int]:
    first = node
    while not first.number:
        first = next(iter(first.children))
    return first.known.sent, first.number


def _all_by_date(roots: list[Node]) -> Turns[list[Node]]:
    """Step (6): sort all siblings, the lowest first."""
    for count, node in enumerate((yield from _lowest_first(roots))):
        if len(node.children) > 1:
            node.children = dict.fromkeys((yield from sort_in_turns(list(node.children), _date)))
        if count % STEPS == 0:
            yield
    return (yield from sort_in_turns(roots, _date))
