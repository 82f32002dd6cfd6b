"""Where the copies of a message go: whoever it is for gets one, and nobody two."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from reception import mailboxes

from twistedmail_mta.model import Address, Expansion, Notify, Recipient
from twistedmail_mta.receive.addressees import MOST_AT_ONCE, Addressee, Distribution, distribute, looping_among

FOREIGN = [Address(name, "else.test") for name in "abc"]
NOTIFIES: list[frozenset[Notify] | None] = [None, frozenset({"NEVER"}), frozenset({"SUCCESS"}), frozenset({"FAILURE"})]
ACCOUNTS = st.lists(st.integers(1, 5), unique=True, max_size=4) | st.just([*range(1, MOST_AT_ONCE + 2)])
EXPANSIONS = st.builds(
    lambda accounts, forwards: Expansion(mailboxes(*accounts), tuple(forwards)),
    ACCOUNTS,
    st.lists(st.sampled_from(FOREIGN), unique=True, max_size=2),
)


def addressee(name: str, notify: frozenset[Notify] | None, expansion: Expansion | None) -> Addressee:
    address = Address(name, "home.test") if expansion else Address(name, "else.test")
    return Addressee(Recipient(address, notify), expansion)


ADDRESSEES = st.lists(
    st.builds(addressee, st.sampled_from("abcdef"), st.sampled_from(NOTIFIES), EXPANSIONS | st.none()),
    min_size=1,
    max_size=6,
    unique_by=lambda each: each.recipient.address,
)


def reached(distribution: Distribution, addressees: list[Addressee]) -> tuple[list[int], list[Address]]:
    """Which accounts and which foreign addresses get it in the end, the queue's expansions included."""
    expansions = {each.recipient.address: each.expansion for each in addressees}
    accounts = [each.account for each in distribution.deliveries]
    foreign: list[Address] = []
    by_queue: dict[int, None] = {}
    for recipient in distribution.spooled:
        expansion = expansions.get(recipient.address)
        if expansion is None:
            foreign.append(recipient.address)
        else:
            by_queue |= dict.fromkeys(each.account for each in expansion.deliveries)
            foreign.extend(expansion.forwards)
    return [*accounts, *by_queue], foreign


@settings(max_examples=100, derandomize=True)
@given(ADDRESSEES)
def test_everybody_gets_one_copy(addressees: list[Addressee]) -> None:
    """Mailboxes exactly one, whether the acceptance or the queue fills them; addresses elsewhere at least one."""
    distribution = distribute(addressees)
    accounts, foreign = reached(distribution, addressees)
    wanted = {each.account for one in addressees if one.expansion for each in one.expansion.deliveries}
    elsewhere = {one.recipient.address for one in addressees if one.expansion is None}
    elsewhere |= {address for one in addressees if one.expansion for address in one.expansion.forwards}

    assert sorted(accounts) == sorted(wanted)
    assert set(foreign) == elsewhere
    assert len({recipient.address for recipient in distribution.spooled}) == len(distribution.spooled)
    assert len(distribution.deliveries) <= MOST_AT_ONCE
    if distribution.deliveries:
        assert len(foreign) == len(elsewhere)
        assert not any("SUCCESS" in (one.recipient.notify or ()) for one in addressees if one.expansion)


@settings(max_examples=60, derandomize=True)
@given(ADDRESSEES, st.sets(st.integers(1, 5)))
def test_looping_recipients_are_left_to_the_queue(addressees: list[Addressee], before: set[int]) -> None:
    """None of their mailboxes is filled by the acceptance, unless another recipient leads there."""
    header = b"".join(b"Delivered-To: U%d@HOME.test\r\n" % account for account in before) + b"\r\n"
    looping = looping_among(addressees, header)
    distribution = distribute(addressees, looping)

    others = {
        each.account
        for one in addressees
        if one.expansion and one.recipient.address not in looping
        for each in one.expansion.deliveries
    }
    assert not others & before
    assert {each.account for each in distribution.deliveries} <= others
    assert looping <= {recipient.address for recipient in distribution.spooled}
