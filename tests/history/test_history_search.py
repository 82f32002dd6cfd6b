"""Finding stories: whatever is asked for, the answer is what looking at every story would give."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest
from history_made import NOW, Noted, id_at, row

from twistedmail_mta.history import query, searching
from twistedmail_mta.history.keys import recipient_keys
from twistedmail_mta.history.query import OUTCOMES, Condition, Query
from twistedmail_mta.history.searching import Found, search
from twistedmail_mta.history.story import Kind, Outcome, packed
from twistedmail_mta.model import id_text

PEOPLE = [f"{name}@{domain}" for name in ("ann", "Bob", "eve") for domain in ("one.test", "two.test")]
CLIENTS = ["192.0.2.1", "2001:db8::1"]
STORIES = 300
SPREAD = 4 * 86400


def fill(noted: Noted, dice: Random) -> None:
    """Note mail of every kind."""
    for number in range(STORIES):
        at = NOW - dice.random() * SPREAD
        story = id_at(at, number)
        columns = {"sender": dice.choice(PEOPLE), "peer": dice.choice(CLIENTS), "message_id": f"{number}@one.test"}
        kind = dice.randrange(5)
        if kind == 0:
            columns |= {"outcome": Outcome.refused, "refused": packed([(dice.choice(PEOPLE), "550 5.1.1 no")])}
        elif kind == 1:
            columns |= {"outcome": dice.choice((Outcome.abandoned, Outcome.discarded))}
        else:
            columns |= {"recipients": "\n".join(dice.sample(PEOPLE, dice.randint(1, 3)))}
        if kind == 2:
            columns |= {"filed": packed([("cleo@home.test", "INBOX", 7)]), "account": "ann@one.test"}
        if kind == 3:
            columns |= {"detained": "hold by test: why"}
        noted.recorder.story(row(story, at, **columns))
        for step in [Kind.deferred] * dice.randrange(3) + [dice.choice((Kind.delivered, Kind.failed))] * (kind == 4):
            recipient = dice.choice(PEOPLE)
            keys = [*recipient_keys([recipient])]
            if step in (Kind.deferred, Kind.failed):
                keys += query.outcome("deferred" if step == Kind.deferred else "bounced").keys
            noted.recorder.step(story, step, recipient, *(None,) * 8, at=at + 1, keys=keys)
    noted.flush()


def asked(dice: Random) -> Query:
    """A query of some conditions."""
    made: list[Condition] = [
        query.sender(dice.choice(PEOPLE).upper()),
        query.domain(dice.choice(("one.test", "two.test", "home.test", "none.test"))),
        query.client(dice.choice(CLIENTS)),
        query.outcome(dice.choice(OUTCOMES)),
        query.message_id(f"<{dice.randrange(STORIES)}@one.test>"),
        query.account("ann@one.test"),
    ]
    since = NOW - dice.random() * SPREAD if dice.random() < 0.4 else None
    until = NOW - dice.random() * SPREAD if dice.random() < 0.4 else None
    return Query(tuple(dice.sample(made, dice.choice((0, 1, 1, 2, 2, 3)))), since=since, until=until)


def found_by(noted: Noted, wanted: Query, limit: int = 1000) -> Found:
    found = noted.read(lambda tx: search(tx, wanted, limit))
    assert found is not None
    return found


def test_every_query_against_a_look_at_all(noted: Noted) -> None:
    """400 random queries; also in pages, each going on where the last ended."""
    dice = Random(11)
    fill(noted, dice)
    everything = noted.stories()
    assert len(everything) == STORIES
    hits = 0
    for _ in range(400):
        wanted = asked(dice)
        expected = [story.id for story in everything if wanted.wants(story)]
        found = found_by(noted, wanted)
        assert [story.id for story in found.stories] == expected
        assert not found.more
        few = found_by(noted, wanted, 3)
        assert [story.id for story in few.stories] == expected[:3]
        assert few.more is (len(expected) > 3)
        hits += bool(expected)
    assert hits > 150


def test_an_address_of_whatever_kind(noted: Noted) -> None:
    """Sender, recipient, one that was refused, one that an alias led to, and one that only an attempt names."""
    at = [NOW - number for number in range(6)]
    ids = [id_at(each) for each in at]
    noted.recorder.story(row(ids[0], at[0], sender="Ann@x.test"))
    noted.recorder.story(row(ids[1], at[1], sender="", recipients="other@x.test\nann@x.test"))
    noted.recorder.story(row(ids[2], at[2], sender="", outcome=Outcome.refused, refused=packed([("ann@X.test", "no")])))
    noted.recorder.story(row(ids[3], at[3], sender="", filed=packed([("ann@x.test", "INBOX", 1)])))
    noted.recorder.story(row(ids[4], at[4], sender="joe@x.test"))
    keys = query.recipient("ann@x.test").keys
    noted.recorder.step(ids[5], Kind.delivered, "ann@x.test", *(None,) * 8, keys=keys)
    noted.flush()

    assert [story.id for story in found_by(noted, query.anything("ann@x.test")).stories] == [*ids[:4], ids[5]]


def test_what_began_before_the_history(noted: Noted) -> None:
    """Its id finds the steps that are known."""
    story = id_at(NOW)
    noted.recorder.step(story, Kind.deferred, "ann@x.test", *(None,) * 8)
    noted.flush()
    (found,) = found_by(noted, query.anything(id_text(story))).stories
    assert found.outcome == Outcome.unknown
    assert found.steps[0].recipient == "ann@x.test"


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("192.0.2.1", query.client("192.0.2.1").keys),
        ("[2001:DB8:0::1]", query.client("2001:db8::1").keys),
        ("example.org", query.domain("example.org").keys),
        ("<>", query.sender("").keys),
    ],
)
def test_what_a_word_means(text: str, keys: tuple[int, ...]) -> None:
    """The form tells."""
    (condition,) = query.anything(text).conditions
    assert condition.keys == keys


@pytest.mark.parametrize("text", ["", "word", "two words", "-"])
def test_words_that_mean_nothing(text: str) -> None:
    """They are an error, not a search that finds nothing."""
    with pytest.raises(ValueError, match="is no queue id"):
        query.anything(text)


def test_a_search_ends(noted: Noted, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that finds little among much that is nearly right says how far it has come."""
    monkeypatch.setattr(searching, "MOST_READ", 10)
    monkeypatch.setattr(searching, "CHUNK", 5)
    for number in range(30):
        at = NOW - number
        noted.recorder.story(row(id_at(at), at, sender="ann@x.test"))
    noted.flush()

    found = found_by(noted, Query((query.sender("ann@x.test"), query.outcome("delivered"))))
    assert found.stories == ()
    assert found.more
    assert NOW - 11 < found.before < NOW - 8


def test_no_history(tmp_path: Path) -> None:
    """A file that isn't there is no error of the search."""
    noted = Noted(tmp_path)
    assert noted.read(lambda tx: search(tx, Query(), 1)) is None
    noted.recorder.close()
