"""The server's SASL exchanges: PLAIN, LOGIN, and the stepper around them."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twistedmail_mta.errors import PermanentError, TemporaryError
from twistedmail_mta.model import Reply
from twistedmail_mta.sasl.server import MAX_RESPONSE, MECHANISMS, ServerExchange, start
from twistedmail_mta.sasl.steps import (
    MALFORMED,
    RESPONSE_TOO_LONG,
    UNKNOWN_MECHANISM,
    Challenge,
    Refused,
    Success,
)
from twistedmail_mta.tasks import Promise, Task

TIM = b"\0tim\0tanstaaftanstaaf"
GRANTED = Success("avatar of tim")


def now(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """Run a coroutine that waits for nothing."""
    try:
        coroutine.send(None)
    except StopIteration as end:
        return end.value
    raise AssertionError("it waits")


def run(mechanism: str, verifier: Any, *responses: bytes | None) -> list[Any]:
    """Return the step that follows each response."""
    exchange = start(mechanism, verifier)
    return [now(exchange.step(response)) for response in responses]


def test_every_offered_mechanism_starts(verifier: Any) -> None:
    """What EHLO names is there, in any case (RFC 4954 section 4)."""
    for name in (*MECHANISMS, *map(str.lower, MECHANISMS)):
        assert isinstance(start(name, verifier), ServerExchange)


@pytest.mark.parametrize("name", ["", "PLAI", "PLAIN ", "SCRAM-SHA-256", "CRAM-MD5", "pla\u0131n"])
def test_unknown_mechanism(verifier: Any, name: str) -> None:
    """What isn't offered is 504 5.5.4."""
    with pytest.raises(PermanentError) as caught:
        start(name, verifier)

    assert caught.value.reply == UNKNOWN_MECHANISM


def test_plain_with_initial_response(verifier: Any) -> None:
    """The usual way: one message, one answer (RFC 4616 section 4)."""
    assert run("PLAIN", verifier, TIM) == [GRANTED]
    assert verifier.asked == [("tim", "", b"tanstaaftanstaaf")]


def test_plain_without_initial_response(verifier: Any) -> None:
    """The server asks with an empty challenge first."""
    assert run("PLAIN", verifier, None, TIM) == [Challenge(b""), GRANTED]


def test_plain_hands_on_the_authorization_identity(verifier: Any) -> None:
    """Whom the client wants to act for is judged with the rest."""
    assert run("PLAIN", verifier, b"ursel" + TIM) == [Success("avatar of ursel")]
    assert verifier.asked == [("tim", "ursel", b"tanstaaftanstaaf")]


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"\0",
        b"tim",
        b"tim\0tanstaaftanstaaf",
        b"\0tim\0tanstaaf\0",
        b"\0tim\0tan\0staaf",
        b"\0\0\0",
        b"\xff\0tim\0x",
        b"\0t\xffm\0x",
        b"\0tim\0\xff",
        b"\0tim\0\xed\xa0\x80",
        b"\0tim\0\xc0\x80",
    ],
)
def test_plain_malformed(verifier: Any, message: bytes) -> None:
    """Wrong NULs and wrong UTF-8 (a surrogate, a NUL in two octets) are 501 5.5.2, and nobody is asked."""
    assert run("PLAIN", verifier, message) == [Refused(MALFORMED)]
    assert verifier.asked == []


@pytest.mark.parametrize("message", [b"\0\0", b"\0\0secret", b"\0tim\0"])
def test_plain_empty_parts_are_wrong_not_malformed(verifier: Any, message: bytes) -> None:
    """Somebody who leaves a field empty learns that the login is wrong, not that the client is broken."""
    (step,) = run("PLAIN", verifier, message)

    assert isinstance(step, Refused)
    assert step.reply.code == 535


def test_plain_takes_255_octets_each() -> None:
    """RFC 4616 section 2: parts of up to 255 octets are accepted."""
    asked = []

    class Anybody:
        async def password(self, *claim: Any) -> str:
            asked.append(claim)
            return "in"

    part = "ä" * 127 + "x"
    assert run("PLAIN", Anybody(), b"\0".join([part.encode()] * 3)) == [Success("in")]
    assert asked == [(part, part, part.encode())]


def test_login_prompts(verifier: Any) -> None:
    """The prompts are those that clients compare with."""
    assert run("LOGIN", verifier, None, b"tim", b"tanstaaftanstaaf") == [
        Challenge(b"Username:"),
        Challenge(b"Password:"),
        GRANTED,
    ]


def test_login_name_as_initial_response(verifier: Any) -> None:
    """Some clients save a round trip, though the server should speak first."""
    assert run("LOGIN", verifier, b"tim", b"tanstaaftanstaaf") == [Challenge(b"Password:"), GRANTED]


def test_login_empty_initial_response(verifier: Any) -> None:
    """`=` says as little as none: the name is asked for."""
    assert run("LOGIN", verifier, b"", b"tim", b"tanstaaftanstaaf")[-1] == GRANTED


def test_login_empty_name_and_password(verifier: Any) -> None:
    """Empty answers move on, and are wrong in the end."""
    steps = run("LOGIN", verifier, None, b"", b"")

    assert isinstance(steps[-1], Refused)
    assert verifier.asked == [("", "", b"")]


@pytest.mark.parametrize("responses", [(b"\xff",), (None, b"a\0b"), (None, b"tim", b"\xff"), (b"tim", b"x\0")])
def test_login_malformed(verifier: Any, responses: tuple[bytes | None, ...]) -> None:
    """What isn't text ends the exchange at once."""
    assert run("LOGIN", verifier, *responses)[-1] == Refused(MALFORMED)
    assert verifier.asked == []


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_a_response_has_a_bound(verifier: Any, mechanism: str) -> None:
    """More than a line of 12,288 octets can hold is not even looked at."""
    assert run(mechanism, verifier, b"x" * (MAX_RESPONSE + 1)) == [Refused(RESPONSE_TOO_LONG)]
    assert run(mechanism, verifier, b"x" * MAX_RESPONSE) != [Refused(RESPONSE_TOO_LONG)]


def test_the_refusal_is_the_verifiers() -> None:
    """Temporary or not, the client gets the reply that came with it."""
    busy = Reply(454, "4.7.0", "Busy")

    class Busy:
        async def password(self, *claim: Any) -> str:
            raise TemporaryError(busy)

    assert run("PLAIN", Busy(), TIM) == [Refused(busy)]


@pytest.mark.parametrize("last", [TIM, b"malformed"])
def test_no_step_after_the_end(verifier: Any, last: bytes) -> None:
    """An exchange that is over can't be asked again, so no second guess rides on it."""
    exchange = start("PLAIN", verifier)
    now(exchange.step(last))

    with pytest.raises(RuntimeError):
        now(exchange.step(TIM))


def test_a_verdict_may_take_its_time() -> None:
    """A step waits for its verdict; a client that goes away cancels it."""
    verdict: Promise[str] = Promise()

    class Slow:
        async def password(self, *claim: Any) -> str:
            return await verdict

    left, stayed = (Task("step", start("PLAIN", Slow()).step(TIM)) for _ in range(2))
    left.cancel()
    assert left.done
    assert not stayed.done

    verdict.resolve("in")
    assert now(_result(stayed)) == Success("in")


async def _result(task: Task[Any]) -> Any:
    return await task


@settings(max_examples=300, deadline=None, derandomize=True)
@given(
    st.sampled_from(MECHANISMS),
    st.lists(st.one_of(st.none(), st.binary(max_size=40), st.text(max_size=20).map(str.encode)), max_size=6),
)
def test_any_dialogue_ends_well(mechanism: str, responses: list[bytes | None]) -> None:
    """Whatever is sent, a step is one of the three, and the dialogue is over within three responses."""

    class Nobody:
        async def password(self, authcid: str, authzid: str, password: bytes) -> str:
            assert isinstance(authcid, str)
            assert isinstance(authzid, str)
            assert "\0" not in authcid + authzid + password.decode("utf-8")
            raise PermanentError(MALFORMED)

    exchange = start(mechanism, Nobody())
    for count, response in enumerate(responses, 1):
        step = now(exchange.step(response))
        assert isinstance(step, Challenge | Refused)
        if isinstance(step, Refused):
            break
        assert count < 3 or response is None


@settings(max_examples=200, deadline=None, derandomize=True)
@given(*[st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=30)] * 3)
def test_plain_hands_on_exactly_what_was_sent(authzid: str, authcid: str, password: str) -> None:
    """Every message of the grammar comes out as its three parts."""
    asked = []

    class Anybody:
        async def password(self, *claim: Any) -> str:
            asked.append(claim)
            return "in"

    message = f"{authzid}\0{authcid}\0{password}".encode()
    assert run("PLAIN", Anybody(), message) == [Success("in")]
    assert asked == [(authcid, authzid, password.encode())]
