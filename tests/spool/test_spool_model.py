"""The spool against a plain dict that does the same, in any order of steps."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from spool_in_memory import LATER, NEVER, OK, Site, message, new_site, run

from twistedmail_mta.model import (
    NULL_PATH,
    Address,
    Claim,
    Deferred,
    Delivered,
    Detention,
    Failed,
    FileBody,
    InlineBody,
    Message,
    Outcome,
    Recipient,
    Report,
    Settlement,
    Suspended,
    Via,
    Withdrawn,
    id_text,
)
from twistedmail_mta.spool.operator_change import Action
from twistedmail_mta.spool.operator_selection import Selection
from twistedmail_mta.spool.spool import REPORT_PATIENCE, Spool
from twistedmail_mta.spool.tenure import LEASE

Key = tuple[int, int]

DOMAINS = ("a.example", "b.example", "c.example")
FORWARDS = tuple(Recipient(Address("f", domain), forwarded_by="here.example") for domain in DOMAINS[:2])
MAILBOXES = (None, "Junk")
VIAS = (None, Via("smtp://127.0.0.1:10024"), Via("mx", "required"))
OUTCOMES: dict[str, Outcome] = {
    "delivered": Delivered(OK),
    "forwarded": Delivered(OK, forwards=FORWARDS),
    "deferred": Deferred(LATER),
    "failed": Failed(NEVER),
    "withdrawn": Withdrawn(),
}


@dataclass
class Row:
    """What the model knows of a recipient."""

    recipient: Recipient
    due: float
    since: float
    state: Literal["waiting", "held", "quarantined", "suspended", "failed"] = "waiting"
    claim: Claim | None = None
    wish: str | None = None
    rerouted: bool = False
    attempts: int = 0
    held_at: float = 0.0
    failed_at: float = 0.0

    @property
    def domain(self) -> str:
        return self.recipient.address.domain


class SpoolMachine(RuleBasedStateMachine):
    """Steps of queue and operator on both; after each they hold the same."""

    def __init__(self) -> None:
        super().__init__()
        self.site: Site = new_site()
        self.site.database.twice = True
        self.spool: Spool = self.site.start()
        self.rows: dict[Key, Row] = {}
        self.files: dict[int, str] = {}
        self.downtime = 0.0

    @property
    def now(self) -> float:
        return self.site.clock.seconds()

    @property
    def running(self) -> float:
        return self.now - self.downtime

    def leased(self, about: int) -> bool:
        return any(row.claim is not None for key, row in self.rows.items() if key[0] == about)

    def failures(self, about: int) -> dict[int, float]:
        return {n: row.failed_at for (m, n), row in self.rows.items() if m == about and row.state == "failed"}

    @rule(
        domains=st.lists(st.sampled_from(DOMAINS), min_size=1, max_size=4),
        claim=st.booleans(),
        file=st.booleans(),
        via=st.sampled_from(VIAS),
        mailbox=st.sampled_from(MAILBOXES),
    )
    def accept(self, domains: list[str], claim: bool, file: bool, via: Via | None, mailbox: str | None) -> None:
        sent = self.new_message(domains, file=file, via=via, mailbox=mailbox)
        claims = run(self.spool.accept(sent, claim))
        assert len(claims) == (len(domains) if claim else 0)
        for n, recipient in enumerate(sent.envelope.recipients):
            self.rows[sent.id, n] = Row(recipient, self.now, self.running, claim=claims[n] if claim else None)

    def new_message(self, domains: list[str], *, file: bool, via: Via | None, mailbox: str | None) -> Message:
        body = FileBody(f"file-{len(self.files)}-{self.now}-{self.spool.new_id()}", 9) if file else InlineBody(b"x")
        sent = message(self.spool, *(f"u@{domain}" for domain in domains), body=body)
        recipients = tuple(replace(each, via=via, mailbox=mailbox) for each in sent.envelope.recipients)
        if isinstance(body, FileBody):
            self.files[sent.id] = body.name
        return replace(sent, envelope=replace(sent.envelope, recipients=recipients))

    @rule(
        domains=st.lists(st.sampled_from(DOMAINS), min_size=1, max_size=3),
        kind=st.sampled_from(["hold", "quarantine"]),
        file=st.booleans(),
        mailbox=st.sampled_from(MAILBOXES),
    )
    def detain(self, domains: list[str], kind: Literal["hold", "quarantine"], file: bool, mailbox: str | None) -> None:
        sent = self.new_message(domains, file=file, via=VIAS[file], mailbox=mailbox)
        assert run(self.spool.accept(sent, claim=False, detention=Detention(kind, "odd", "rules"))) == ()
        state: Literal["held", "quarantined"] = "held" if kind == "hold" else "quarantined"
        for n, recipient in enumerate(sent.envelope.recipients):
            self.rows[sent.id, n] = Row(recipient, self.now, self.running, state, held_at=self.running)

    def in_quarantine(self) -> list[int]:
        return sorted({key[0] for key, row in self.rows.items() if row.state == "quarantined"})

    @precondition(lambda self: self.in_quarantine())
    @rule(data=st.data(), how=st.sampled_from(["release", "redirect", "delete"]))
    def decide(self, data: st.DataObject, how: str) -> None:
        about = data.draw(st.sampled_from(self.in_quarantine()))
        keys = [key for key in self.rows if key[0] == about]
        assert run(self.site.quarantine.page(Selection(domain=self.rows[keys[0]].domain)))[0].count(about) == 1
        if how == "delete":
            assert run(self.site.quarantine.delete([about])) == 1
        else:
            assert run(self.site.quarantine.release([about], FORWARDS[0].address if how == "redirect" else None)) == 1
        if how == "release":
            for key in keys:
                self.rows[key] = Row(self.rows[key].recipient, self.now, self.running)
            return
        for key in keys:
            del self.rows[key]
        if how == "redirect":
            self.rows[about, 0] = Row(Recipient(FORWARDS[0].address, frozenset({"NEVER"})), self.now, self.running)

    @rule(keep=st.sampled_from([0.0, 1.0, 60.0]))
    def expire(self, keep: float) -> None:
        old = [key for key, row in self.rows.items() if row.state == "quarantined" and row.due <= self.now - keep]
        assert run(self.site.quarantine.expire(keep)) == len({about for about, _ in old})
        for key in old:
            del self.rows[key]

    @rule(limit=st.integers(1, 5), exclude=st.sets(st.sampled_from(DOMAINS), max_size=2))
    def claim(self, limit: int, exclude: set[str]) -> None:
        free = [
            key
            for key, row in self.rows.items()
            if row.state == "waiting" and row.claim is None and row.due <= self.now and row.domain not in exclude
        ]
        claims = run(self.spool.claim(limit, frozenset(exclude)))

        keys = [(claim.message_id, claim.index) for claim in claims]
        assert len(keys) == min(limit, len(free))
        assert set(keys) <= set(free)
        self.check_order(keys, free, (limit + 1) // 2)
        for key, claim in zip(keys, claims, strict=True):
            row = self.rows[key]
            assert claim.recipient == row.recipient
            assert claim.attempts == row.attempts
            assert abs(claim.age - (self.running - row.since)) < 1e-3
            row.claim = claim

    def check_order(self, keys: list[Key], free: list[Key], half: int) -> None:
        """The oldest due first, but up to half of them those never tried."""
        fresh, tried = ([key for key in free if (self.rows[key].attempts == 0) is new] for new in (True, False))
        taken = {
            kind: sorted(self.rows[key].due for key in set(keys) & set(group))
            for kind, group in (("fresh", fresh), ("tried", tried))
        }
        left = {
            kind: min((self.rows[key].due for key in set(group) - set(keys)), default=self.now)
            for kind, group in (("fresh", fresh), ("tried", tried))
        }
        assert len(taken["fresh"]) >= min(half, len(fresh))
        assert all(due <= left["fresh"] for due in taken["fresh"])
        assert all(due <= min(left.values()) for due in taken["tried"])
        assert all(due <= left["tried"] for due in taken["fresh"][half:])

    @precondition(lambda self: any(row.claim for row in self.rows.values()))
    @rule(data=st.data(), report=st.booleans())
    def settle(self, data: st.DataObject, report: bool) -> None:
        about = data.draw(st.sampled_from(sorted({key[0] for key, row in self.rows.items() if row.claim})))
        keys = sorted(key for key, row in self.rows.items() if key[0] == about and row.claim)
        chosen = data.draw(st.lists(st.sampled_from(keys), min_size=1, unique=True))
        settlements, ended = [], []
        for key in chosen:
            name = data.draw(st.sampled_from(sorted(OUTCOMES)))
            claim = self.rows[key].claim
            assert claim is not None
            due = self.now + data.draw(st.sampled_from([0.0, 5.0, 100.0])) if name == "deferred" else None
            settlements.append(Settlement(claim, OUTCOMES[name], self.now, due))
            ended.append((isinstance(OUTCOMES[name], Delivered), key, name, due))
        self.end_all(ended, about, settlements)
        told = frozenset(self.failures(about)) or frozenset({0}) if report else frozenset()
        answer = run(self.spool.settle(settlements, self.report(about, told) if report else None))
        assert answer == (self.reported(about, told) if report else True)

    def end_all(self, ended: list[tuple[bool, Key, str, float | None]], about: int, by: list[Settlement]) -> None:
        """Forwards get their places when what was delivered is gone, and before wishes are done."""
        for is_delivered, *what in ended:
            if is_delivered:
                self.end(*what)
        for settlement in by:
            self.forward(about, settlement.outcome)
        for is_delivered, *what in ended:
            if not is_delivered:
                self.end(*what)

    def end(self, key: Key, outcome: str, due: float | None) -> None:
        row = self.rows[key]
        wish, row.claim, row.wish, row.rerouted = row.wish, None, None, False
        if outcome in {"delivered", "forwarded"} or wish == "delete":
            del self.rows[key]
            return
        if wish == "bounce":
            row.state = "failed"
            return
        row.attempts += outcome != "withdrawn"
        row.due = row.due if due is None else due
        if wish == "hold":
            row.state, row.held_at = "held", self.running
        elif outcome == "failed":
            row.state, row.failed_at = "failed", self.now

    def forward(self, about: int, outcome: Outcome) -> None:
        for recipient in outcome.forwards if isinstance(outcome, Delivered) else ():
            place = max((n for message_id, n in self.rows if message_id == about), default=-1) + 1
            self.rows[about, place] = Row(recipient, self.now, self.running)

    def report(self, about: int, failed: frozenset[int]) -> Report:
        self.bounce = message(self.spool, "ann@a.example", sender=NULL_PATH)
        return Report(about, failed, self.bounce)

    def reported(self, about: int, told: frozenset[int]) -> bool:
        failures = self.failures(about)
        if failures.keys() != told:
            return False
        if self.leased(about) and min(failures.values()) > self.now - REPORT_PATIENCE:
            return False
        for n in told:
            del self.rows[about, n]
        self.rows[self.bounce.id, 0] = Row(self.bounce.envelope.recipients[0], self.now, self.running)
        return True

    @rule()
    def report_what_is_due(self) -> None:
        due = run(self.spool.reports_due(self.now - REPORT_PATIENCE))
        abouts = {key[0] for key, row in self.rows.items() if row.state == "failed"}
        assert sorted(due) == sorted(
            about
            for about in abouts
            if not self.leased(about) or min(self.failures(about).values()) < self.now - REPORT_PATIENCE
        )
        for about in due:
            told = frozenset(failure.index for failure in run(self.spool.unreported(about)))
            assert run(self.spool.settle([], self.report(about, told)))
            assert self.reported(about, told)

    @precondition(lambda self: any(row.claim for row in self.rows.values()))
    @rule(data=st.data())
    def release(self, data: st.DataObject) -> None:
        keys = sorted(key for key, row in self.rows.items() if row.claim)
        chosen = data.draw(st.lists(st.sampled_from(keys), min_size=1, unique=True))
        claims = [self.rows[key].claim for key in chosen]
        for key in chosen:
            self.end(key, "withdrawn", None)
        run(self.spool.release_claims([claim for claim in claims if claim is not None]))

    @rule(action=st.sampled_from(["retry", "hold", "release", "delete", "bounce"]), domain=st.sampled_from(DOMAINS))
    def operate(self, action: Action, domain: str) -> None:
        done = 0
        for key, row in list(self.rows.items()):
            if row.domain == domain:
                done += self.operate_on(action, key, row)
        assert run(self.site.control.change(action, Selection(domain=domain))) == done

    def operate_on(self, action: Action, key: Key, row: Row) -> bool:  # noqa: C901 - a case for each action
        match action:
            case _ if row.state == "quarantined":
                return False
            case "retry" if row.state == "waiting" and row.claim is None:
                row.due = min(row.due, self.now)
            case "hold" if row.state == "waiting" and row.claim is None:
                row.state, row.held_at = "held", self.running
            case "hold" if row.state == "waiting":
                row.wish = "hold"
            case "hold" if row.state == "suspended":
                row.state = "held"
            case "bounce" if row.claim is not None:
                row.wish, row.failed_at = "bounce", self.now
            case "bounce" if row.state != "failed":
                row.state, row.failed_at = "failed", self.now
            case "release" if row.state == "held":
                row.state, row.since = "waiting", row.since + self.running - row.held_at
            case "release" if row.wish == "hold":
                row.wish, row.rerouted = None, False
            case "delete" if row.claim is None:
                del self.rows[key]
            case "delete":
                row.wish = "delete"
            case _:
                return False
        return True

    @rule(domain=st.sampled_from(DOMAINS), wait=st.sampled_from([-10.0, 0.0, 5.0, 500.0]))
    def postpone(self, domain: str, wait: float) -> None:
        rows = [row for row in self.rows.values() if (row.domain, row.state, row.claim) == (domain, "waiting", None)]
        for row in rows:
            row.due = self.now + wait
        assert run(self.site.control.postpone(self.now + wait, Selection(domain=domain))) == len(rows)

    @rule(domain=st.sampled_from(DOMAINS), via=st.sampled_from(VIAS))
    def reroute(self, domain: str, via: Via | None) -> None:
        rows = [
            row for row in self.rows.values() if row.domain == domain and row.state not in {"failed", "quarantined"}
        ]
        for row in rows:
            row.recipient = replace(row.recipient, via=via and replace(via, tls=via.tls or "opportunistic"))
            row.rerouted = row.claim is not None
            row.due = row.due if row.claim else min(row.due, self.now)
            if row.state == "suspended":
                row.state, row.since = "waiting", row.since + self.running - row.held_at
        said = (None, "opportunistic") if via is None else (via.via, via.tls or "opportunistic")
        assert run(self.site.control.reroute(*said, Selection(domain=domain))) == len(rows)

    @rule(domain=st.sampled_from(DOMAINS))
    def suspend(self, domain: str) -> None:
        waiting = [row for row in self.rows.values() if row.domain == domain and not row.claim]
        for row in waiting:
            if row.state == "waiting":
                row.state, row.held_at = "suspended", self.running
        expected = sum(row.state == "suspended" for row in waiting)
        assert run(self.site.control.suspend(Suspended("domain", domain))) == expected

    @rule(domain=st.sampled_from(DOMAINS))
    def resume(self, domain: str) -> None:
        is_suspended = domain in {each.what.name for each in run(self.spool.suspensions())}
        parked = [row for row in self.rows.values() if row.domain == domain and row.state == "suspended"]
        for row in parked:
            row.state, row.since = "waiting", row.since + self.running - row.held_at
        expected = len(parked) if is_suspended else None
        assert run(self.site.control.resume(Suspended("domain", domain))) == expected

    @precondition(lambda self: any(row.claim for row in self.rows.values()))
    @rule()
    def park(self) -> None:
        for suspension in run(self.spool.suspensions()):
            rows = {key: row for key, row in self.rows.items() if row.claim and row.domain == suspension.what.name}
            claims = [row.claim for row in rows.values() if row.claim]
            for key, row in rows.items():
                if row.wish is None:
                    row.state, row.held_at, row.claim, row.rerouted = "suspended", self.running, None, False
                else:
                    self.end(key, "withdrawn", None)
            run(self.spool.park(claims, suspension.id))

    @rule(seconds=st.sampled_from([1.0, 30.0, 90.0]))
    def wait(self, seconds: float) -> None:
        self.site.clock.advance(seconds)
        run(self.spool.renew())

    @rule(down=st.sampled_from([0.0, 10.0, 2 * LEASE]))
    def crash(self, down: float) -> None:
        run(self.spool.renew())
        self.site.clock.advance(down)
        self.downtime += down
        self.spool = self.site.start()
        for key, row in list(self.rows.items()):
            if row.claim is not None:
                self.end(key, "withdrawn", None)
        run(self.site.sweep.give_back_claims())

    @invariant()
    def holds_the_same(self) -> None:
        self.site.assert_sound()
        shown, _ = run(self.site.control.messages(Selection(), limit=10_000))
        assert [one.id for one in shown] == [id_text(about) for about in sorted({key[0] for key in self.rows})]
        states = [recipient.state for one in shown for recipient in one.recipients]
        assert states == ["active" if row.claim else row.state for _, row in sorted(self.rows.items())]
        free = [row.due for row in self.rows.values() if row.state == "waiting" and row.claim is None]
        assert run(self.spool.next_due()) == min(free, default=None)
        here = {about for about, _ in self.rows}
        gone = sorted(name for about, name in self.files.items() if about not in here)
        assert sorted(self.site.files.removed) == gone
        for row in self.rows.values():
            assert row.claim is None or self.spool.wanted(row.claim) == (row.wish is None and not row.rerouted)


TestSpoolMachine = SpoolMachine.TestCase
TestSpoolMachine.settings = settings(max_examples=150, stateful_step_count=30, derandomize=True, deadline=None)
