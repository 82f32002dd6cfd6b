"""Many sessions on the mailboxes of one account beside plain dictionaries that do the same, in any order of steps."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from imap_client import Answer, Literal
from imap_host import IMAPHost
from imap_responses import Fetch, Vanished
from imap_visitors import EXPUNGEISSUED, Box, Visitor
from imap_words import numbers
from mail_at_rest import run

from twistedmail_mta.imap.names import parents
from twistedmail_mta.mailbox import reading, snapshot, views
from twistedmail_mta.mailbox.store import MailboxStore
from twistedmail_mta.tasks import TaskGroup

# The number of examples; more than by default are other ones each time.
EXAMPLES = int(os.environ.get("MTA_TEST_IMAP_MODEL", "120"))
FEATURES: tuple[tuple[str, ...], ...] = ((), ("CONDSTORE",), ("QRESYNC",), ("IMAP4rev2", "QRESYNC"))
"""What each of the sessions enables."""
NAMES = ("INBOX", "INBOX", "INBOX", "Work", "Work/Old", "Junk")
FLAGS = ("\\Seen", "\\Deleted", "\\Flagged", "custom")

WHO = st.integers(0, len(FEATURES) - 1)
NAME = st.sampled_from(NAMES)
SOME_FLAGS = st.lists(st.sampled_from(FLAGS), unique=True, max_size=3)
PLACES = st.lists(st.integers(0, 7), min_size=1, max_size=4)


class IMAPMachine(RuleBasedStateMachine):
    """Steps of sessions, of another process and of time; after each every session knows what it may rely on."""

    @initialize(
        page=st.sampled_from([2, 100]),
        kept=st.sampled_from([2, 100]),
        after=st.sampled_from([2, 100]),
        flags=st.lists(SOME_FLAGS, max_size=4),
        opened=st.lists(st.sampled_from(["INBOX", "INBOX", "Work"]), min_size=len(FEATURES), max_size=len(FEATURES)),
    )
    def begin(self, page: int, kept: int, after: int, flags: list[list[str]], opened: list[str]) -> None:
        self.saved = reading.PAGE, snapshot.VANISHED_KEPT, views.SNAPSHOT_AFTER
        reading.PAGE, snapshot.VANISHED_KEPT, views.SNAPSHOT_AFTER = page, kept, after  # type: ignore[misc]
        self.host = IMAPHost()
        self.visitors = [Visitor(self.host, features, f"s{number}x") for number, features in enumerate(FEATURES)]
        self.observer = self.host.client(prefix="o")
        self.boxes: dict[str, Box] = {}
        self.validities: set[int] = set()
        self.count = 0
        self.observer.ok("CREATE Work")
        for name in ("INBOX", "Junk", "Work"):
            self.made(name)
        for who, name in enumerate(opened):
            self.append(who=who, name="INBOX", flags=["\\Deleted"] * (who % 2), count=1)
            self.select(who=who, name=name, how="SELECT")
        for each in flags:
            self.append(who=0, name="INBOX", flags=each, count=1)

    def teardown(self) -> None:
        if hasattr(self, "saved"):
            reading.PAGE, snapshot.VANISHED_KEPT, views.SNAPSHOT_AFTER = self.saved  # type: ignore[misc]

    def made(self, name: str) -> Box:
        """A mailbox is new."""
        ((_, told),) = self.observer.ok(f"STATUS {name} (UIDVALIDITY)").told("STATUS")
        assert told["UIDVALIDITY"] not in self.validities
        self.validities.add(told["UIDVALIDITY"])
        self.boxes[name] = Box(told["UIDVALIDITY"])
        return self.boxes[name]

    def visitor(self, who: int) -> Visitor:
        """Return one that can give commands."""
        visitor = self.visitors[who]
        if visitor.idle:
            visitor.end_idle()
        return visitor

    def chosen(self, visitor: Visitor, places: list[int]) -> list[tuple[int, int]]:
        """Return numbers and UIDs of messages that it knows."""
        known = list(enumerate(visitor.mirror.uids, 1))
        return sorted({known[place % len(known)] for place in places}) if known else []  # type: ignore[arg-type]

    # Mailboxes as such

    @rule(who=WHO, name=NAME, to=NAME, what=st.sampled_from(["create", "delete", "rename"]))
    def change_mailboxes(self, who: int, name: str, to: str, what: str) -> None:
        if what == "create":
            self.create(who, name)
        elif what == "delete":
            self.delete(who, name)
        else:
            self.rename(who, name, to)

    def create(self, who: int, name: str) -> None:
        visitor = self.visitor(who)
        answer = visitor.do(f"CREATE {name}")
        assert answer.ok == (name not in self.boxes)
        assert answer.ok or answer.status.code == "ALREADYEXISTS"
        if answer.ok:
            self.with_parents(name)
            self.made(name)
        visitor.settle(expunges=True)

    def with_parents(self, name: str) -> None:
        """A mailbox comes, and those above it that aren't there (RFC 9051 section 6.3.4)."""
        for above in parents(name):
            if above not in self.boxes:
                self.made(above)

    def delete(self, who: int, name: str) -> None:
        visitor, box = self.visitor(who), self.boxes.get(name)
        if visitor.box is box and box is not None:
            visitor.leave()
            visitor.client.ok("UNSELECT")
        answer = visitor.do(f"DELETE {name}")
        if box is None or name == "INBOX":
            assert answer.status.code == ("CANNOT" if name == "INBOX" else "NONEXISTENT")
        else:
            assert answer.ok, answer
            del self.boxes[name]
            for other in self.visitors:
                if other.box is box:
                    other.hear_end()
        visitor.settle(expunges=True)

    def rename(self, who: int, name: str, to: str) -> None:
        visitor = self.visitor(who)
        answer = visitor.do(f"RENAME {name} {to}")
        below = [] if name == "INBOX" else [each for each in self.boxes if each.startswith(f"{name}/")]
        taken = any(to + each.removeprefix(name) in self.boxes for each in [name, *below])
        if name not in self.boxes or taken or (to.startswith(f"{name}/") and name != "INBOX"):
            assert answer.status.condition == "NO", answer
            visitor.settle(expunges=True)
            return
        assert answer.ok, answer
        self.with_parents(to)
        if name == "INBOX":
            inbox = self.boxes[name]
            moved, new = [inbox.mails[uid] for uid in inbox.uids], self.made(to)
            inbox.remove(inbox.uids)
            new.changes += 1
            self.observer.select(to, examine=True)
            for uid, mail in zip(self.observer.learn(), moved, strict=True):
                new.arrive(uid, mail.flags, mail.size)
            self.observer.ok("UNSELECT")
        else:
            for each in [name, *below]:
                self.boxes[to + each.removeprefix(name)] = self.boxes.pop(each)
        visitor.settle(expunges=True)

    # Messages

    @rule(who=WHO, name=NAME, flags=SOME_FLAGS, count=st.integers(1, 3))
    def append(self, who: int, name: str, flags: list[str], count: int) -> None:
        visitor = self.visitor(who)
        octets = []
        parts: list[Any] = []
        for _ in range(count):
            self.count += 1
            octets.append(b"Subject: %d\r\n\r\n%s\r\n" % (self.count, b"x" * (self.count % 50)))
            parts += [f" ({' '.join(flags)}) ", Literal(octets[-1], plus=True)]
        answer = visitor.do(f"APPEND {name}", *parts)
        box = self.boxes.get(name)
        if box is None:
            assert answer.status.code == "TRYCREATE"
            visitor.do("NOOP")
            visitor.settle(expunges=True)
            return
        validity, uids = answer.codes()["APPENDUID"]
        assert validity == box.uid_validity
        box.changes += 1
        for uid, each in zip(numbers(uids), octets, strict=True):
            box.arrive(uid, flags, len(each))
        visitor.settle(expunges=True)

    @rule(
        who=WHO,
        places=PLACES,
        change=st.sampled_from(["", "+", "-"]),
        flags=SOME_FLAGS,
        silent=st.booleans(),
        by_uid=st.booleans(),
        since=st.none() | st.integers(0, 12),
    )
    def store(
        self,
        *,
        who: int,
        places: list[int],
        change: str,
        flags: list[str],
        silent: bool,
        by_uid: bool,
        since: int | None,
    ) -> None:
        visitor = self.visitor(who)
        if visitor.box is None or not (chosen := self.chosen(visitor, places)):
            return
        box, condition, modseqs = visitor.box, "", {}
        if since is not None:
            modseqs = self.modseqs_of(box)
            limits = [0, *sorted(modseqs.values())]
            limit = limits[since % len(limits)]
            condition = f"(UNCHANGEDSINCE {limit}) "
        numbers_of = [uid if by_uid else number for number, uid in chosen]
        answer = visitor.do(
            f"{'UID ' * by_uid}STORE {','.join(map(str, numbers_of))} {condition}{change}FLAGS{'.SILENT' * silent}"
            f" ({' '.join(flags)})"
        )
        if visitor.mirror.read_only:
            assert answer.status.condition == "NO"
        else:
            there = [(number, uid) for number, uid in chosen if uid in box.mails]
            failed = [(number, uid) for number, uid in there if condition and modseqs[uid] > limit]
            done = [each for each in there if each not in failed]
            self.stored(visitor, answer, done, change=change, flags=flags, silent=silent)
            told = numbers(answer.codes().get("MODIFIED", []))
            assert sorted(told) == [uid if by_uid else number for number, uid in failed]
            assert answer.ok == (by_uid or there == chosen), answer
        visitor.settle(expunges=by_uid)

    def stored(
        self,
        visitor: Visitor,
        answer: Answer,
        stored: list[tuple[int, int]],
        *,
        change: str,
        flags: list[str],
        silent: bool,
    ) -> None:
        """Flags were changed: of the messages, and of those that a client knows without being told."""
        assert visitor.box is not None
        names = frozenset(flag.lower() for flag in flags)
        uids = dict(stored)
        told = {fetch.items.get("UID", uids.get(fetch.number)) for fetch in answer.of(Fetch) if "FLAGS" in fetch.items}
        visitor.box.changes += 1
        for uid in uids.values():
            visitor.box.set_flags(uid, changed(visitor.box.mails[uid].flags, change, names))
            if silent and uid not in told:
                visitor.mirror.flags[uid] = changed(visitor.mirror.flags[uid] - {"\\recent"}, change, names)
            assert silent or uid in told

    @rule(who=WHO, places=PLACES, name=NAME, by_uid=st.booleans(), move=st.booleans())
    def copy(self, who: int, places: list[int], name: str, by_uid: bool, move: bool) -> None:
        visitor = self.visitor(who)
        if visitor.box is None or not (chosen := self.chosen(visitor, places)):
            return
        box, target = visitor.box, self.boxes.get(name)
        numbers_of = ",".join(str(uid if by_uid else number) for number, uid in chosen)
        answer = visitor.do(f"{'UID ' * by_uid}{'MOVE' if move else 'COPY'} {numbers_of} {name}")
        there = [uid for _, uid in chosen if uid in box.mails]
        if answer.ok and there:
            assert target is not None
            validity, source, copies = answer.codes()["COPYUID"]
            assert validity == target.uid_validity
            assert numbers(source) == there
            target.changes += 1
            for uid, new in zip(there, numbers(copies), strict=True):
                target.arrive(new, box.mails[uid].flags, box.mails[uid].size)
            if move:
                box.remove(there)
        elif not answer.ok:
            allowed = {"TRYCREATE"} if target is None else set[str]()
            allowed |= {EXPUNGEISSUED} if len(there) < len(chosen) and not by_uid else set[str]()
            read_only = move and visitor.mirror.read_only
            assert read_only or answer.status.code in allowed, answer
        visitor.settle(expunges=True)

    @rule(who=WHO, places=st.none() | PLACES)
    def expunge(self, who: int, places: list[int] | None) -> None:
        visitor = self.visitor(who)
        if visitor.box is None:
            return
        box = visitor.box
        chosen = self.chosen(visitor, places) if places is not None else []
        if places is not None and not chosen:
            return
        uids = ",".join(str(uid) for _, uid in chosen)
        answer = visitor.do(f"UID EXPUNGE {uids}" if chosen else "EXPUNGE")
        among = {uid for _, uid in chosen} if chosen else box.mails.keys()
        assert answer.ok != visitor.mirror.read_only
        if answer.ok:
            box.remove([uid for uid in box.uids if uid in among and "\\deleted" in box.mails[uid].flags])
        visitor.settle(expunges=True)

    # What sessions look at

    @rule(who=WHO, name=NAME, how=st.sampled_from(["SELECT", "EXAMINE", "QRESYNC", "QRESYNC"]))
    def select(self, who: int, name: str, how: str) -> None:
        visitor, box = self.visitor(who), self.boxes.get(name)
        if box is None:
            visitor.leave()
            assert visitor.client.no(f"SELECT {name}").code == "NONEXISTENT"
        elif how == "QRESYNC" and visitor.client.qresync:
            if visitor.box is not None:
                visitor.leave()
                visitor.client.ok("UNSELECT")
            if box.uid_validity in visitor.memories:
                visitor.resume(name, box)
        else:
            visitor.select(name, box, examine=how == "EXAMINE")

    @rule(who=st.integers(2, 3))
    def reopen(self, who: int) -> None:
        """A client goes away and comes back, with what it has heard."""
        visitor = self.visitor(who)
        name = next((name for name, box in self.boxes.items() if box is visitor.box), None)
        if name is not None:
            self.select(who=who, name=name, how="QRESYNC")

    @rule(who=WHO, expunges=st.booleans())
    def close(self, who: int, expunges: bool) -> None:
        visitor = self.visitor(who)
        if (box := visitor.box) is None:
            return
        read_only = visitor.mirror.read_only
        visitor.leave()
        visitor.client.ok("CLOSE" if expunges else "UNSELECT")
        if expunges and not read_only:
            visitor.memories.pop(box.uid_validity, None)
            box.remove([uid for uid in box.uids if "\\deleted" in box.mails[uid].flags])

    @rule(who=WHO, idle=st.booleans())
    def wait(self, who: int, idle: bool) -> None:
        visitor = self.visitor(who)
        if idle and visitor.box is not None:
            visitor.begin_idle()
        else:
            assert visitor.do("NOOP").ok
            visitor.settle(expunges=True)

    @rule(who=WHO, by_uid=st.booleans(), modseq=st.booleans())
    def fetch(self, who: int, by_uid: bool, modseq: bool) -> None:
        visitor = self.visitor(who)
        if visitor.box is None or not visitor.mirror.exists:
            return
        known, there = list(visitor.mirror.uids), visitor.box.mails
        more = " MODSEQ" * (modseq or visitor.client.qresync)
        answer = visitor.do(f"{'UID ' * by_uid}FETCH 1:* (UID FLAGS RFC822.SIZE{more})")
        sizes = {uid: items["RFC822.SIZE"] for uid, items in answer.by_uid().items() if "RFC822.SIZE" in items}
        assert sizes == {uid: there[uid].size for uid in known if uid in there}
        assert answer.ok == (by_uid or all(uid in there for uid in known))
        assert answer.ok or answer.status.code == EXPUNGEISSUED
        visitor.settle(expunges=by_uid)

    @rule(who=WHO, flag=st.sampled_from(["SEEN", "DELETED", "FLAGGED", "KEYWORD custom"]), seldom=st.booleans())
    def search(self, who: int, flag: str, seldom: bool) -> None:
        visitor = self.visitor(who)
        if visitor.box is None:
            return
        name = "custom" if flag.startswith("KEYWORD") else f"\\{flag.lower()}"
        known, there = list(visitor.mirror.uids), visitor.box.mails
        found = visitor.search(f"NOT {flag}" if seldom else flag)
        assert sorted(found) == [uid for uid in known if uid in there and (name in there[uid].flags) != seldom]
        visitor.settle(expunges=False)

    @rule(who=WHO, places=PLACES)
    def fetch_vanished(self, who: int, places: list[int]) -> None:
        """UID FETCH with VANISHED tells of all that went, also of what it may not know."""
        visitor = self.visitor(who)
        if visitor.box is None or not visitor.client.qresync or not visitor.box.greatest:
            return
        answer = visitor.do(f"UID FETCH 1:{visitor.box.greatest} (UID) (CHANGEDSINCE 1 VANISHED)")
        gone = {uid for each in answer.of(Vanished) if each.earlier for uid in numbers(each.uids)}
        assert not gone & visitor.box.mails.keys()
        visitor.settle(expunges=True)

    # What happens beside them

    @rule(name=NAME, places=PLACES, flags=SOME_FLAGS, what=st.sampled_from(["append", "remove", "flags"]))
    def another_process(self, name: str, places: list[int], flags: list[str], what: str) -> None:
        """Another process of this host changes a mailbox, and it is noticed."""
        if (box := self.boxes.get(name)) is None:
            return
        rest = self.host.rest
        other = MailboxStore(rest.database, rest.files, TaskGroup(), rest.clock.seconds)
        found = run(rest.store.mailbox(1, name))
        assert found is not None
        uids = sorted({box.uids[place % len(box.mails)] for place in places}) if box.mails else []
        if what == "append":
            self.count += 1
            message = rest.incoming(body=rest.body(b"%d\r\n" % self.count))
            (uid,) = run(other.append(found.id, [message]))
            box.changes += 1
            box.arrive(uid, (), len(message.header) + message.body.size)
        elif what == "remove":
            assert list(run(other.remove(found.id, uids))) == uids
            box.remove(uids)
        else:
            run(other.set_flags(found.id, uids, remove=31, add=1 * ("\\Seen" in flags)))
            box.changes += 1
            for uid in uids:
                box.set_flags(uid, box.mails[uid].flags & {"custom"} | ({"\\seen"} if "\\Seen" in flags else set()))
        rest.store.look_at_all()

    @rule()
    def restart(self) -> None:
        """The process ends and begins anew."""
        for visitor in self.visitors:
            visitor.leave()
        self.host.restart()
        self.observer = self.host.client(prefix="o")
        for visitor in self.visitors:
            visitor.connect()

    # What is true at any time

    def modseqs_of(self, box: Box) -> dict[int, int]:
        """Return the mod-sequence of each message."""
        name = next(name for name, each in self.boxes.items() if each is box)
        self.observer.select(name, examine=True)
        told = self.observer.ok("UID FETCH 1:* (MODSEQ)").by_uid() if box.mails else {}
        self.observer.ok("UNSELECT")
        return {uid: items["MODSEQ"] for uid, items in told.items()}

    @invariant()
    def those_who_idle_hear_all(self) -> None:
        for visitor in getattr(self, "visitors", ()):
            if visitor.idle:
                visitor.hear()

    @invariant()
    def mailboxes_are_as_modelled(self) -> None:
        for name, box in getattr(self, "boxes", {}).items():
            items = "MESSAGES UNSEEN DELETED SIZE UIDNEXT UIDVALIDITY HIGHESTMODSEQ"
            ((_, told),) = self.observer.ok(f"STATUS {name} ({items})").told("STATUS")
            flags = [mail.flags for mail in box.mails.values()]
            assert told["MESSAGES"] == len(flags)
            assert told["UNSEEN"] == sum("\\seen" not in each for each in flags)
            assert told["DELETED"] == sum("\\deleted" in each for each in flags)
            assert told["SIZE"] == sum(mail.size for mail in box.mails.values())
            assert told["UIDVALIDITY"] == box.uid_validity
            assert told["UIDNEXT"] > box.greatest
            self.check_modseqs(box, told["HIGHESTMODSEQ"])

    def check_modseqs(self, box: Box, highest: int) -> None:
        """Mod-sequences grow with every change, and with nothing else does a message's."""
        before, known = box.modseqs
        assert highest >= before
        modseqs = self.modseqs_of(box)
        for uid, mail in box.mails.items():
            assert modseqs[uid] <= highest
            if uid in known and known[uid][0] == mail.changed:
                assert modseqs[uid] >= known[uid][1]
            else:
                assert modseqs[uid] > before, (uid, modseqs, before)
        box.modseqs = highest, {uid: (mail.changed, modseqs[uid]) for uid, mail in box.mails.items()}


def changed(flags: frozenset[str], change: str, names: frozenset[str]) -> frozenset[str]:
    """Return flags after STORE."""
    return flags | names if change == "+" else flags - names if change == "-" else names


TestIMAPMachine = IMAPMachine.TestCase
TestIMAPMachine.settings = settings(
    max_examples=EXAMPLES, stateful_step_count=40, derandomize=EXAMPLES <= 120, deadline=None
)


@pytest.fixture
def machine() -> Iterator[IMAPMachine]:
    """Four sessions on an INBOX of four messages, of which the second and the fourth are to be deleted."""
    machine = IMAPMachine()
    machine.begin(page=100, kept=100, after=100, flags=[], opened=["INBOX"] * len(FEATURES))
    yield machine
    machine.teardown()


def test_vanished_before_what_was_seen(machine: IMAPMachine) -> None:
    """Who saw mod-sequences above that of a message which went unheard hears of it when it comes back."""
    for who in range(len(FEATURES)):
        machine.wait(who=who, idle=False)
    machine.expunge(who=0, places=None)
    machine.store(who=0, places=[0], change="+", flags=["\\Flagged"], silent=False, by_uid=False, since=None)

    for who in (2, 3):
        machine.fetch(who=who, by_uid=False, modseq=True)
        machine.reopen(who=who)


def test_flags_of_others_before_silent_ones(machine: IMAPMachine) -> None:
    """Who sets flags silently hears of those that somebody else has set just before."""
    for silent_ones in (0, 1):
        machine.wait(who=silent_ones, idle=False)
        machine.store(who=2, places=[0], change="+", flags=["\\Flagged"], silent=False, by_uid=False, since=None)
        machine.store(who=silent_ones, places=[0], change="+", flags=["\\Seen"], silent=True, by_uid=False, since=None)
        machine.wait(who=silent_ones, idle=False)


def test_vanished_and_arrived_unheard(machine: IMAPMachine) -> None:
    """VANISHED (EARLIER) names nothing that came, heard of or not."""
    machine.another_process(name="INBOX", places=[0], flags=[], what="append")
    machine.another_process(name="INBOX", places=[0, 2], flags=[], what="remove")

    machine.fetch_vanished(who=2, places=[0])
