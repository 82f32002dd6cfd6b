"""The client session under every cut of the stream, and under noise."""

from __future__ import annotations

import pytest
from client_talk import CHUNKS, GREETING, PIPELINING, PLAIN_EHLO, Talk, envelope_to, talk
from hypothesis import given, settings
from hypothesis import strategies as st

from twistedmail_mta.model import Outcome

STARTTLS_EHLO = b"250-mx\r\n250-STARTTLS\r\n250 DSN\r\n"


def lines(*replies: bytes) -> list[bytes]:
    return [b"%s\r\n" % reply.replace(b"/", b"\r\n") for reply in replies]


DIALOGUES = [
    [GREETING, PIPELINING, *lines(b"250 a/250 b/550-5.1.1 no/550 5.1.1 eve/354 c", b"250 2.0.0 d/221 bye")],
    [GREETING, PLAIN_EHLO, *lines(b"250 a", b"250 b", b"452 4.5.3 c", b"354 d", b"250 e", b"250 f", b"250 g")],
    [GREETING, STARTTLS_EHLO, b"220 go\r\n", PIPELINING, *lines(b"250 a/450 b/450 c/354 d", b"554 e")],
    [GREETING, b"502 no\r\n", PLAIN_EHLO, b"421 bye\r\n"],
    [GREETING, CHUNKS, *lines(b"250 a/250 b/452 4.5.3 c", b"250 d", b"250 e/250 f", b"554 g/221 bye")],
]
LMTP_DIALOGUES = [
    [GREETING, PIPELINING, *lines(b"250 a/250 b/250 c/354 d", b"250-2.0.0 bob/250 2.0.0 bob/452 4.2.2 eve/221 bye")],
    [GREETING, CHUNKS, *lines(b"250 a/250 b/250 c", b"550 5.2.1 bob/250 2.0.0 eve/221 bye")],
]


def transcript(session: Talk) -> tuple[bytes, list[object], list[list[Outcome]], list[Outcome]]:
    return session.said, list(session.events), session.outcomes, list(session.session.outcomes)


def played(pieces: list[bytes], *, lmtp: bool = False) -> Talk:
    session = talk(envelope_to("bob", "eve"), last=True, lmtp=lmtp)
    for piece in pieces:
        session.hear(piece)
    return session


@pytest.mark.parametrize("lmtp", [False, True])
def test_every_cut_gives_the_same_dialogue(lmtp: bool) -> None:
    """How TCP cuts the server's octets changes neither what is said nor what comes of it."""
    for dialogue in LMTP_DIALOGUES if lmtp else DIALOGUES:
        expected = transcript(played(dialogue, lmtp=lmtp))
        for turn, reply in enumerate(dialogue):
            for cut in range(1, len(reply)):
                pieces = [*dialogue[:turn], reply[:cut], reply[cut:], *dialogue[turn + 1 :]]
                assert transcript(played(pieces, lmtp=lmtp)) == expected
        assert transcript(played([bytes([octet]) for reply in dialogue for octet in reply], lmtp=lmtp)) == expected


REPLY = st.sampled_from(
    [
        *lines(b"220 x", b"250 x", b"250-x", b"354 x", b"421 x", b"450 x", b"452 4.5.3 x", b"334 "),
        *lines(b"550 5.1.1 x", b"552 x", b"235 x", b""),
        b"x",
        PIPELINING,
        GREETING,
        STARTTLS_EHLO,
    ]
)


@settings(derandomize=True, max_examples=600)
@given(
    st.lists(st.one_of(REPLY, st.binary(max_size=6)), max_size=16),
    st.sampled_from([(), (GREETING, PIPELINING), (GREETING, CHUNKS)]),
    st.booleans(),
)
def test_noise_never_raises(pieces: list[bytes], prefix: tuple[bytes, ...], lmtp: bool) -> None:
    """Whatever a server says: no exception, and an outcome for every recipient of a transaction."""
    session = played([*prefix, *pieces], lmtp=lmtp)
    session.session.lost()

    for outcomes in (*session.outcomes, session.session.outcomes):
        assert len(outcomes) in (0, 2)
    assert session.session.bytes_to_send() == b""
