"""Mailboxes against plain lists that do the same, in any order of steps."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from mail_at_rest import ANN, STRUCTURE, Rest, run

from twistedmail_mta.mailbox import copying, reading, snapshot, transfers, views
from twistedmail_mta.mailbox.accounts import remove_mail
from twistedmail_mta.mailbox.maildrop import open_maildrop
from twistedmail_mta.mailbox.problem import Problem
from twistedmail_mta.mailbox.store import MailboxStore
from twistedmail_mta.mailbox.transfers import Copied
from twistedmail_mta.model import Address, Delivered, Delivery, LocalMail, Reply, Settlement
from twistedmail_mta.tasks import TaskGroup

OK = Reply(250, "2.0.0", "Ok")
ACCOUNTS = (1, 2, 3)
NAMES = ("INBOX", "Junk", "Lists/python")
NEW_NAMES = (*NAMES, "Lists", "Lists/python/dev", "x")
KEYWORDS = st.frozensets(st.sampled_from(["a", "B", "c", "D"]), max_size=2)
PLACES = st.lists(st.tuples(st.sampled_from(ACCOUNTS), st.sampled_from(NAMES)), min_size=1, max_size=4, unique=True)
UIDS = st.lists(st.integers(1, 12), max_size=6, unique=True)
BITS = st.integers(0, 31)
CHANGE = st.tuples(BITS, BITS, KEYWORDS)
SINCE = st.none() | st.integers(0, 20)


@dataclass
class Kept:
    """What the model knows of a message in a mailbox."""

    octets: bytes
    flags: int = 0
    uidl: str | None = None
    keywords: frozenset[str] = frozenset()


@dataclass
class Box:
    """What the model knows of a mailbox."""

    id: int
    uid_validity: int
    mails: dict[int, Kept] = field(default_factory=dict)
    greatest_uid: int = 0
    modseq: int = 0
    modseqs: dict[int, int] = field(default_factory=dict)
    unheard: bool = False  # another process was the last to change it


class MailboxMachine(RuleBasedStateMachine):
    """Steps of two processes on mailboxes and on the model; after each both hold the same."""

    @initialize(page=st.sampled_from([1, 3, 100]), kept=st.sampled_from([1, 100]), after=st.sampled_from([1, 4]))
    def begin(self, page: int, kept: int, after: int) -> None:
        self.patch = pytest.MonkeyPatch()
        self.patch.setattr(reading, "PAGE", page)
        self.patch.setattr(snapshot, "VANISHED_KEPT", kept)
        self.patch.setattr(views, "SNAPSHOT_AFTER", after)
        self.patch.setattr(transfers, "COPIED_AT_ONCE", page)
        self.patch.setattr(transfers, "MOVED_AT_ONCE", page)
        self.patch.setattr(copying, "REFERRED_AT_ONCE", kept)
        self.rest = Rest(len(ACCOUNTS))
        self.boxes: dict[tuple[int, str], Box] = {}
        self.spooled: list[tuple[int, Any]] = []
        self.bodies = 0
        self.validities: set[int] = set()
        self.restart()

    def teardown(self) -> None:
        if hasattr(self, "patch"):
            self.patch.undo()

    @rule()
    def restart(self) -> None:
        self.rest.restart()
        self.other = MailboxStore(self.rest.database, self.rest.files, TaskGroup(), self.rest.clock.seconds)
        self.open = {}
        run(self.rest.store.release())

    def new_body(self, file: bool) -> Any:
        self.bodies += 1
        return self.rest.body(b"%d " % self.bodies * (1 + self.bodies % 5), file=file)

    def box(self, account: int, name: str) -> Box:
        """Return the model of a mailbox, which is there."""
        if (account, name) not in self.boxes:
            found = run(self.rest.store.mailbox(account, name))
            assert found is not None
            assert found.uid_validity not in self.validities
            self.validities.add(found.uid_validity)
            self.boxes[account, name] = Box(found.id, found.uid_validity)
        return self.boxes[account, name]

    def arrived(self, account: int, name: str, octets: bytes, **options: Any) -> None:
        box = self.box(account, name)
        uids = {uid for (uid,) in self.rest.rows("SELECT uid FROM mail WHERE mailbox = ?", box.id)}
        new = min(uids - set(box.mails))
        assert new > box.greatest_uid
        box.greatest_uid = new
        box.unheard = False
        box.mails[new] = Kept(octets, **options)

    def octets(self, message: Any, account: int) -> bytes:
        prefix = f"Return-Path: <{ANN}>\r\nDelivered-To: a{account}@example.org\r\n".encode()
        return prefix + message.header + self.octets_of(message.body)

    def octets_of(self, body: Any) -> bytes:
        return self.rest.files.octets[body.name] if hasattr(body, "name") else body.data

    @rule(places=PLACES, file=st.booleans(), spool=st.booleans())
    def accept(self, places: list[tuple[int, str]], file: bool, spool: bool) -> None:
        message = self.rest.message(*(["x@example.net"] if spool else []), body=self.new_body(file))
        run(self.rest.spool.accept(message, claim=False, local=self.local(places)))
        if spool:
            self.spooled.append((message.id, message))
        for account, name in places:
            self.arrived(account, name, self.octets(message, account))

    def local(self, places: list[tuple[int, str]]) -> LocalMail:
        deliveries = [Delivery(account, Address(f"a{account}", "example.org"), name) for account, name in places]
        return LocalMail(STRUCTURE, tuple(deliveries))

    @precondition(lambda self: self.spooled)
    @rule(places=PLACES, which=st.integers(0, 100))
    def deliver_spooled(self, places: list[tuple[int, str]], which: int) -> None:
        """A chunk, again and again: each mailbox that didn't have it from a chunk has it once more, no other."""
        message_id, message = self.spooled[which % len(self.spooled)]
        done = {
            (account, name)
            for account, name in self.rest.rows("SELECT account, mailbox FROM delivered WHERE message = ?", message_id)
        }
        for _ in range(2):
            run(self.rest.store.deliver(message, self.local(places), (message_id, 0)))
        for account, name in places:
            if (account, name) not in done:
                self.arrived(account, name, self.octets(message, account))

    @precondition(lambda self: self.spooled)
    @rule(which=st.integers(0, 100))
    def settle(self, which: int) -> None:
        """The spool is done with a message; what was delivered of it is forgotten."""
        message_id, _ = self.spooled.pop(which % len(self.spooled))
        for claim in run(self.rest.spool.claim(100, frozenset())):
            if claim.message_id == message_id:
                run(self.rest.spool.settle([Settlement(claim, Delivered(OK), self.rest.clock.seconds())], None))
            else:
                run(self.rest.spool.release_claims([claim]))
        assert not self.rest.rows("SELECT 1 FROM delivered WHERE message = ?", message_id)

    @rule(
        account=st.sampled_from(ACCOUNTS),
        name=st.sampled_from(NAMES),
        here=st.booleans(),
        flags=st.lists(BITS, min_size=1, max_size=3),
        uidl=st.booleans(),
    )
    def append(self, account: int, name: str, here: bool, flags: list[int], uidl: bool) -> None:
        store = self.rest.store if here else self.other
        mailbox = run(store.make(account, name))
        messages = [
            self.rest.incoming(body=self.new_body(False), flags=bits, uidl=f"u{self.bodies}" if uidl else None)
            for bits in flags
        ]
        uids = run(store.append(mailbox.id, messages))
        box = self.box(account, name)
        assert uids[0] > box.greatest_uid
        box.greatest_uid = uids[-1]
        box.unheard = not here
        for uid, each in zip(uids, messages, strict=True):
            box.mails[uid] = Kept(each.header + each.body.data, each.flags, each.uidl)

    @precondition(lambda self: self.boxes)
    @rule(which=st.integers(0, 100), uids=UIDS, here=st.booleans())
    def remove(self, which: int, uids: list[int], here: bool) -> None:
        box = self.some(which)
        expected = sorted(set(uids) & set(box.mails))
        assert list(run((self.rest.store if here else self.other).remove(box.id, uids))) == expected
        for uid in expected:
            del box.mails[uid]
            box.unheard = not here

    @precondition(lambda self: self.boxes)
    @rule(which=st.integers(0, 100), uids=UIDS, here=st.booleans(), change=CHANGE, since=SINCE)
    def set_flags(
        self, which: int, uids: list[int], here: bool, change: tuple[int, int, frozenset[str]], since: int | None
    ) -> None:
        remove, add, keywords = change
        box, store = self.some(which), self.rest.store if here else self.other
        bits = run(store.keywords(box.id, sorted(keywords)))
        modseqs = dict(self.rest.rows("SELECT uid, modseq FROM mail WHERE mailbox = ?", box.id))
        wanted = add | sum(1 << bits[name.lower()] for name in keywords)
        done = run(store.set_flags(box.id, uids, remove=remove, add=wanted, unchanged_since=since))
        refused = [uid for uid in sorted(set(uids) & set(box.mails)) if since is not None and modseqs[uid] > since]
        assert list(done.refused) == refused
        changed = set()
        for uid in set(uids) & set(box.mails) - set(refused):
            kept = box.mails[uid]
            before = kept.flags, kept.keywords
            kept.flags, kept.keywords = kept.flags & ~remove | add, kept.keywords | keywords
            if (kept.flags, kept.keywords) != before:
                box.unheard = not here
                changed.add(uid)
        assert {uid for each in done.changed for uid in each.uids} == changed

    @precondition(lambda self: self.boxes)
    @rule(source=st.integers(0, 100), uids=UIDS, to=st.integers(0, 100), here=st.booleans(), move=st.booleans())
    def transfer(self, source: int, uids: list[int], to: int, here: bool, move: bool) -> None:
        """COPY or MOVE, into the same mailbox, too."""
        old, new, store = self.some(source), self.some(to), self.rest.store if here else self.other
        wanted = sorted(set(uids) & set(old.mails))
        done = run((store.move if move else store.copy)(old.id, sorted(uids), new.id))
        assert isinstance(done, Copied)
        assert list(done.sources) == wanted
        assert list(done.targets) == list(range(new.greatest_uid + 1, new.greatest_uid + 1 + len(wanted)))
        for uid, copy in zip(wanted, done.targets, strict=True):
            kept = old.mails[uid]
            new.mails[copy] = replace(kept, uidl=kept.uidl if move else None)
            new.greatest_uid = copy
            new.unheard = not here
            if move:
                del old.mails[uid]
                old.unheard = not here

    @precondition(lambda self: self.boxes)
    @rule(which=st.integers(0, 100), here=st.booleans())
    def delete(self, which: int, here: bool) -> None:
        account, name = list(self.boxes)[which % len(self.boxes)]
        problem = run((self.rest.store if here else self.other).tree.delete(account, name))
        assert problem is (Problem.IS_INBOX if name == "INBOX" else None)
        if problem is None:
            self.gone(account, name, here)

    def gone(self, account: int, name: str, here: bool) -> None:
        view = self.open.pop(self.boxes.pop((account, name)).id, None)
        assert view is None or not here or view.gone

    @rule(account=st.sampled_from(ACCOUNTS), name=st.sampled_from(NEW_NAMES), here=st.booleans())
    def create(self, account: int, name: str, here: bool) -> None:
        there = self.there(account) | {"INBOX", "Junk"}
        made = run((self.rest.store if here else self.other).tree.create(account, name))
        if isinstance(made, Problem):
            assert made is Problem.EXISTS
            assert name in there or self.rest.rows(
                "SELECT 1 FROM mailbox WHERE (account, name) = (?, ?)", account, name
            )
        else:
            assert name not in self.there(account)
            self.box(account, name)

    def there(self, account: int) -> set[str]:
        return {name for number, name in self.boxes if number == account}

    @precondition(lambda self: self.boxes)
    @rule(which=st.integers(0, 100), new=st.sampled_from(NEW_NAMES), here=st.booleans())
    def rename(self, which: int, new: str, here: bool) -> None:
        """With those below; of INBOX the messages."""
        account, old = list(self.boxes)[which % len(self.boxes)]
        before = {name for (name,) in self.rest.rows("SELECT name FROM mailbox WHERE account = ?", account)}
        below = {name for name in before if f"{name}/".startswith(f"{old}/")} if old != "INBOX" else set()
        problem = run((self.rest.store if here else self.other).tree.rename(account, old, new))
        after = {name for (name,) in self.rest.rows("SELECT name FROM mailbox WHERE account = ?", account)}
        moved = {name: new + name[len(old) :] for name in below}
        if problem is not None:
            assert after == before
            assert new in before | {"INBOX"} or f"{new}/".startswith(f"{old}/") or set(moved.values()) & before
            return
        above = {new[:end] for end, letter in enumerate(new) if letter == "/"}
        assert after == before - below | set(moved.values()) | above | {new}
        if old == "INBOX":
            inbox, box = self.boxes[account, old], self.box(account, new)
            box.mails = {n: kept for n, (_, kept) in enumerate(sorted(inbox.mails.items()), 1)}
            box.greatest_uid = len(box.mails)
            box.unheard = bool(box.mails) and not here
            inbox.unheard = inbox.unheard if not inbox.mails else not here
            inbox.mails = {}
            return
        boxes = {name: self.boxes.pop((account, name)) for name in below & self.there(account)}
        self.boxes |= {(account, moved[name]): box for name, box in boxes.items()}

    @rule()
    def hear(self) -> None:
        self.rest.store.look_at_all()
        for box in self.boxes.values():
            box.unheard = False

    def some(self, which: int) -> Box:
        return list(self.boxes.values())[which % len(self.boxes)]

    @precondition(lambda self: self.boxes)
    @rule(which=st.integers(0, 100))
    def look_at(self, which: int) -> None:
        box = self.some(which)
        if box.id not in self.open:
            self.open[box.id] = run(self.rest.store.open(box.id))

    @precondition(lambda self: self.open)
    @rule(which=st.integers(0, 100))
    def leave(self, which: int) -> None:
        self.rest.store.leave(self.open.pop(list(self.open)[which % len(self.open)]))

    @rule(account=st.sampled_from(ACCOUNTS))
    def empty(self, account: int) -> None:
        run(remove_mail(self.rest.database, self.rest.files, account))
        for place in [place for place in self.boxes if place[0] == account]:
            self.open.pop(self.boxes.pop(place).id, None)

    @invariant()
    def holds_the_same(self) -> None:
        if not hasattr(self, "rest"):
            return
        self.rest.assert_sound()
        for (account, name), box in self.boxes.items():
            self.check(account, name, box)

    def check(self, account: int, name: str, box: Box) -> None:
        stored = run(self.rest.store.stored(box.id, list(box.mails)))
        found = {uid: run(self.rest.store.read(one, 0, one.size)) for uid, one in stored.items()}
        assert found == {uid: kept.octets for uid, kept in box.mails.items()}
        view = self.open.get(box.id) or run(self.rest.store.open(box.id))
        if box.id not in self.open:
            self.rest.store.leave(view)
        if box.unheard and (view.modseq,) not in self.rest.rows("SELECT modseq FROM mailbox WHERE id = ?", box.id):
            return
        self.rest.assert_view(view)
        keywords = self.rest.rows("SELECT bit, name FROM keyword WHERE mailbox = ?", box.id)
        assert {
            uid: (flags & 31, {name for bit, name in keywords if flags >> bit & 1})
            for uid, flags in zip(view.uids, view.flags, strict=True)
        } == {uid: (kept.flags, kept.keywords) for uid, kept in box.mails.items()}
        modseqs = dict(zip(view.uids, view.modseqs, strict=True))
        assert view.modseq >= max(box.modseq, *modseqs.values(), 0)
        assert all(modseqs[uid] >= box.modseqs.get(uid, 0) for uid in modseqs)
        box.modseq, box.modseqs = view.modseq, modseqs
        if name == "INBOX":
            drop = run(open_maildrop(self.rest.store, account))
            assert [(one.uid, one.size) for one in drop.messages] == [
                (uid, len(kept.octets)) for uid, kept in sorted(box.mails.items())
            ]
            expected = [kept.uidl or f"{box.uid_validity:08x}{uid:08x}" for uid, kept in sorted(box.mails.items())]
            assert [one.uidl for one in drop.messages] == list(drop.uidls) == expected


TestMailboxMachine = MailboxMachine.TestCase
TestMailboxMachine.settings = settings(max_examples=100, stateful_step_count=25, derandomize=True, deadline=None)
