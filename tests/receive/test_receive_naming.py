"""Recipients that plugins change: known by their old names, and lost only when all who claim a copy are removed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twistedmail_mta.model import Address, Notify, Recipient
from twistedmail_mta.receive.addressees import Addressee
from twistedmail_mta.receive.naming import Named

A, B, C, D = (Address(letter, "x.test") for letter in "abcd")


def named(*recipients: Recipient) -> Named:
    return Named({each.address: Addressee(each, None) for each in recipients})


def test_wishes_about_reports_go_along() -> None:
    """NOTIFY stays; ORCPT says what RCPT did, or whom it named (RFC 3461 section 4.2)."""
    never: frozenset[Notify] = frozenset({"NEVER"})
    recipients = named(Recipient(A, never, "rfc822;first@y.test"), Recipient(Address("+b", "x.test"), None))

    recipients.move(A, C, None)
    recipients.move(Address("+b", "x.test"), D, None)

    moved = [each.recipient for each in recipients.addressees.values()]
    assert moved == [Recipient(C, never, "rfc822;first@y.test"), Recipient(D, None, "rfc822;+2Bb@x.test")]


@pytest.mark.parametrize(
    ("there", "comes", "expected"),
    [
        (None, None, None),
        ({"NEVER"}, {"NEVER"}, {"NEVER"}),
        ({"NEVER"}, None, {"FAILURE", "DELAY"}),
        (None, {"SUCCESS"}, {"SUCCESS", "FAILURE", "DELAY"}),
        ({"SUCCESS"}, {"NEVER"}, {"SUCCESS"}),
    ],
)
def test_two_that_become_one(
    there: set[Notify] | None, comes: set[Notify] | None, expected: set[Notify] | None
) -> None:
    """One copy; its sender hears of whatever either was to tell."""
    recipients = named(*(Recipient(who, said and frozenset(said)) for who, said in ((A, there), (B, comes))))

    recipients.move(B, A, None)

    assert [each.recipient for each in recipients.addressees.values()] == [
        Recipient(A, expected and frozenset(expected))
    ]


def test_a_copy_that_another_claims_stays() -> None:
    """Removing one of two that have become one leaves the other's copy; also where that was there before."""
    recipients = named(Recipient(A), Recipient(B), Recipient(C))
    recipients.move(A, C, None)
    recipients.move(B, C, None)

    for who, left in ((C, [C]), (A, [C]), (A, [C]), (B, [])):
        recipients.remove(who)
        assert list(recipients.addressees) == left


def test_a_swap() -> None:
    """Each is meant by its old name, although the other has that one now."""
    recipients = named(Recipient(A), Recipient(B))
    recipients.move(A, B, None)
    recipients.move(B, A, None)

    assert (recipients.now(A), recipients.now(B)) == (B, A)
    assert recipients.remove(A)
    assert list(recipients.addressees) == [A]


def test_one_copy_for_somebody_else() -> None:
    """Nobody else gets one any more, by whatever name."""
    recipients = named(Recipient(A), Recipient(B))
    recipients.move(A, C, None)

    recipients.divert(Recipient(D), None)

    assert recipients.addressees == {D: Addressee(Recipient(D), None)}
    assert (recipients.now(A), recipients.standing(A), recipients.remove(B)) == (A, None, False)


STEP = st.tuples(
    st.sampled_from(["move", "remove", "add"]), st.sampled_from([A, B, C, D]), st.sampled_from([A, B, C, D])
)


@given(st.lists(STEP, max_size=12))
def test_nobody_is_lost(steps: list[tuple[str, Address, Address]]) -> None:
    """Against a plain list of who goes where: exactly those places have a copy."""
    recipients, model = named(Recipient(A), Recipient(B)), {A: A, B: B}
    unnamed: set[Address] = set()
    for kind, who, to in steps:
        if kind == "add":
            if who not in {*model.values(), *unnamed}:
                (unnamed.add(who) if who in model else model.update({who: who}))
            recipients.add(Recipient(who), None)
        elif kind == "remove":
            assert recipients.remove(who) == (model.pop(who, None) is not None)
        elif (standing := recipients.standing(who)) is not None and standing.address != to:
            recipients.move(who, to, None)
            model[who] = to

    assert set(recipients.addressees) == {*model.values(), *unnamed}
    assert all(recipients.now(who) == to for who, to in model.items())
    assert all(each.recipient.address == address for address, each in recipients.addressees.items())
