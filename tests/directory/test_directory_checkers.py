"""Checkers in turn: who is asked, who decides, and that trouble lets nobody in."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest
from directory_in_memory import CHEAP, PASSWORD, TIM, Directory, outcome
from hypothesis import given, settings
from hypothesis import strategies as st

from twistedmail_mta.directory.checkers import REMEMBERED_FROM_OUTSIDE, Place, Question
from twistedmail_mta.directory.passwords import PasswordHash, StoredPassword
from twistedmail_mta.directory.realm import Submitter
from twistedmail_mta.directory.replies import BAD_CREDENTIALS, CANNOT_JUDGE
from twistedmail_mta.directory.tables import change_account, find_login, set_password
from twistedmail_mta.errors import TemporaryError
from twistedmail_mta.tasks import Promise

ANN = "ann@example.net"


@dataclass
class Scripted:
    """Says what the test says; knows nobody else."""

    answers: dict[str, bool | Exception] = field(default_factory=dict)
    generation: int = 0
    remembered: float = REMEMBERED_FROM_OUTSIDE
    asked: list[Question] = field(default_factory=list)
    gate: Promise[None] | None = None

    async def check(self, question: Question) -> bool | None:
        self.asked.append(question)
        if self.gate is not None:
            await self.gate
        answer = self.answers.get(question.name)
        if isinstance(answer, Exception):
            raise answer
        return answer

    @property
    def names(self) -> list[str]:
        return [question.name for question in self.asked]


def site(*checkers: Scripted, internal: bool = True, domains: frozenset[str] = frozenset()) -> Directory:
    """Return a directory with external accounts that asks our own checker and then these."""
    directory = Directory()
    for name in (TIM, ANN):
        directory.add_external(name)
    own = [Place(directory.internal)] if internal else []
    directory.put_together(PasswordHash(CHEAP), *own, *(Place(checker, domains) for checker in checkers))
    return directory


def test_first_that_knows_decides() -> None:
    """A yes or a no ends the asking; who doesn't know passes on."""
    ignorant, no, yes = Scripted(), Scripted({TIM: False}), Scripted({TIM: True, ANN: True})
    directory = site(ignorant, no, yes)

    assert directory.log_in() == BAD_CREDENTIALS
    assert isinstance(directory.log_in(ANN), Submitter)

    assert ignorant.names == no.names == [TIM, ANN]
    assert yes.names == [ANN]


def test_own_password_comes_first() -> None:
    """An account with a password of ours is judged by it where ours is asked first, and not where it isn't asked."""
    other = Scripted({TIM: True})
    directory = site(other)
    set_password(directory.database.connection, TIM, directory.store("ours"))

    assert directory.log_in(password="theirs") == BAD_CREDENTIALS
    assert isinstance(directory.log_in(password="ours"), Submitter)
    assert other.asked == []

    directory = site(other, internal=False)
    set_password(directory.database.connection, TIM, directory.store("ours"))
    assert isinstance(directory.log_in(password="theirs"), Submitter)


def test_what_is_asked() -> None:
    """Name and password come in the form in which they are compared."""
    checker = Scripted({TIM: True})
    directory = site(checker)

    directory.log_in("Tim@EXAMPLE.org", "e\u0301\u00a0x", peer="198.51.100.7")

    (question,) = checker.asked
    assert (question.name, question.password, question.peer) == (TIM, "\u00e9 x", "198.51.100.7")
    assert "\u00e9 x" not in repr(question)


def test_only_for_its_domains() -> None:
    """Names elsewhere are not even asked about."""
    checker = Scripted({TIM: True, ANN: True})
    directory = site(checker, domains=frozenset(["example.net"]))

    assert directory.log_in(TIM) == BAD_CREDENTIALS
    assert isinstance(directory.log_in(ANN), Submitter)
    assert checker.names == [ANN]


TROUBLE: list[Exception] = [TemporaryError(CANNOT_JUDGE), ValueError("broken"), KeyError("x"), AssertionError()]


@pytest.mark.parametrize("error", TROUBLE, ids=lambda error: type(error).__name__)
def test_trouble_ends_the_asking(error: Exception) -> None:
    """Who can't answer is neither a no nor passed over: 454, nobody's failure, and asked again next time."""
    broken, yes = Scripted({TIM: error}), Scripted({TIM: True, ANN: True})
    directory = site(broken, yes)

    for number in range(60):
        assert directory.log_in(password=f"guess {number}") == CANNOT_JUDGE
    assert yes.asked == []
    assert isinstance(directory.log_in(ANN), Submitter)

    broken.answers[TIM] = True
    assert isinstance(directory.log_in(password="guess 1"), Submitter)


def test_broken_checker_is_a_failure_in_the_log(events: list[dict[str, Any]]) -> None:
    """What nobody foresaw is told with its traceback, without the password."""
    directory = site(Scripted({TIM: ValueError("broken")}))

    directory.log_in(password="hunter2")

    assert [event for event in events if event.get("event") == "auth.checker.failed"]
    assert "hunter2" not in repr([{**event, "log_failure": None} for event in events])


def test_yes_without_an_account() -> None:
    """No checker makes an account."""
    directory = site(Scripted({"bob@example.org": True}))

    assert directory.log_in("bob@example.org") == BAD_CREDENTIALS


@pytest.mark.parametrize("change", [{"enabled": False}, {"protocols": ["imap"]}])
def test_yes_without_the_right(change: dict[str, Any]) -> None:
    """What an account may do is our word alone, remembered verdict or not."""
    directory = site(Scripted({TIM: True}))
    directory.log_in()
    change_account(directory.database.connection, TIM, **change)

    assert directory.log_in() == BAD_CREDENTIALS


def test_name_that_nobody_knows_costs_a_comparison() -> None:
    """With or without an account; one that somebody knows costs what that somebody takes."""
    directory = site(Scripted({TIM: False}))

    directory.log_in(ANN)
    directory.log_in("bob@example.org")
    assert directory.pool.hashes == [directory.hashes.dummy] * 2

    directory.log_in(TIM)
    assert len(directory.pool.hashes) == 2


@pytest.mark.parametrize("name", [TIM, ANN, "bob@example.org"])
def test_slow_answers_are_not_heard(name: str) -> None:
    """A no that took time is answered when a quick one is, or in a full step more."""
    for seconds, answered_at in ((0.0, 0.5), (0.3, 0.5), (0.7, 1.0), (1.2, 1.5)):
        checker = Scripted({TIM: False}, gate=Promise())
        directory = site(checker)
        task = directory.begin(name)
        directory.clock.advance(seconds)
        checker.gate.resolve(None)
        directory.clock.advance(answered_at - seconds - 0.01)
        assert not task.done
        directory.clock.advance(0.02)
        assert outcome(task) == BAD_CREDENTIALS


def test_remembered_for_a_minute() -> None:
    """Nobody tells of changes outside, so that word counts for less long than our own."""
    checker = Scripted({TIM: True})
    directory = site(checker)
    directory.log_in()
    directory.clock.advance(59)
    directory.log_in()
    assert len(checker.asked) == 1

    checker.answers[TIM] = False
    directory.clock.advance(1)
    assert directory.log_in() == BAD_CREDENTIALS


def test_new_name_is_found_after_a_minute() -> None:
    """That nobody knew a name is no longer remembered than what they would have said."""
    checker = Scripted()
    directory = site(checker)
    assert directory.log_in() == BAD_CREDENTIALS
    checker.answers[TIM] = True
    directory.clock.advance(REMEMBERED_FROM_OUTSIDE)

    assert isinstance(directory.log_in(), Submitter)


def test_remembered_no_longer_than_anybodys_word() -> None:
    """Who passed a name on may know it soon, so what the next one said counts no longer than that."""
    ignorant, lasting = Scripted(), Scripted({TIM: True}, remembered=300.0)
    directory = site(ignorant, lasting)
    directory.log_in()
    directory.clock.advance(REMEMBERED_FROM_OUTSIDE)
    ignorant.answers[TIM] = False

    assert directory.log_in() == BAD_CREDENTIALS


def test_generation_ends_what_is_remembered() -> None:
    """A checker that has learnt something new is asked again, about right and wrong."""
    checker = Scripted({TIM: True, ANN: False})
    directory = site(checker)
    directory.log_in(TIM)
    directory.log_in(ANN)

    checker.generation += 1
    checker.answers = {TIM: False, ANN: True}

    assert directory.log_in(TIM) == BAD_CREDENTIALS
    assert isinstance(directory.log_in(ANN), Submitter)


def test_password_taken_away() -> None:
    """An account that becomes an external one isn't let in by its old password."""
    directory = site(Scripted())
    set_password(directory.database.connection, TIM, directory.store(PASSWORD))
    assert isinstance(directory.log_in(), Submitter)

    set_password(directory.database.connection, TIM, None)

    assert directory.log_in() == BAD_CREDENTIALS


def test_hash_of_another_server_becomes_ours() -> None:
    """The first right login stores argon2id and SCRAM's keys in its place; nothing else changes."""
    directory = site()
    set_password(directory.database.connection, TIM, StoredPassword("{PLAIN}moved", None))
    before = find_login(directory.database.connection, TIM)
    assert before is not None

    assert directory.log_in(password="wrong") == BAD_CREDENTIALS
    assert find_login(directory.database.connection, TIM) == before
    assert isinstance(directory.log_in(password="moved"), Submitter)

    after = find_login(directory.database.connection, TIM)
    assert after is not None
    account, stored = after
    assert account == before[0]
    assert stored is not None
    assert stored.hash.startswith("$argon2id$")
    assert stored.scram is not None
    directory.clock.advance(300)
    assert isinstance(directory.log_in(password="moved"), Submitter)
    assert directory.pool.calls == ["matches", "matches", "store", "matches"]


def test_password_changed_while_it_is_stored_anew() -> None:
    """The new password isn't overwritten by the old one's new hash."""
    directory = site()
    set_password(directory.database.connection, TIM, StoredPassword("{PLAIN}moved", None))
    task = directory.begin(password="x")
    directory.clock.advance(5)
    assert task.done
    directory.pool.held = []
    directory.begin(password="moved")
    (comparing,), directory.pool.held = directory.pool.held, []
    comparing.resolve(None)
    (storing,), directory.pool.held = directory.pool.held, None

    set_password(directory.database.connection, TIM, directory.store("new"))
    storing.resolve(None)

    assert directory.log_in(password="moved") == BAD_CREDENTIALS
    assert isinstance(directory.log_in(password="new"), Submitter)


ANSWERS = st.sampled_from([True, False, None, "trouble"])


@settings(max_examples=150, deadline=None, derandomize=True)
@given(st.lists(st.tuples(ANSWERS, st.booleans()), max_size=5), st.sampled_from([TIM, ANN, "bob@example.org"]))
def test_model(checkers: list[tuple[Any, bool]], name: str) -> None:
    """Whatever checkers there are: the first that is asked and doesn't pass on decides, for accounts alone."""
    directory = Directory()
    for address in (TIM, ANN):
        directory.add_external(address)
    elsewhere = frozenset(["elsewhere.example"])
    directory.put_together(
        PasswordHash(CHEAP),
        Place(Scripted()),
        *(
            Place(
                Scripted(
                    {} if answer is None else {name: TemporaryError(CANNOT_JUDGE) if answer == "trouble" else answer}
                ),
                elsewhere if is_elsewhere else frozenset(),
            )
            for answer, is_elsewhere in checkers
        ),
    )
    decisive = next((answer for answer, is_elsewhere in checkers if not is_elsewhere and answer is not None), False)

    found = directory.log_in(name)

    if decisive == "trouble":
        assert found == CANNOT_JUDGE
    elif decisive is True and name in (TIM, ANN):
        assert isinstance(found, Submitter)
    else:
        assert found == BAD_CREDENTIALS
