"""POP3 over a connection: logins, messages, removal, and clients that misbehave."""

from __future__ import annotations

import base64

import pytest
from mail_access import BUSY, LOGIN, MAILS, NAME, PASSWORD, Client, Counter

from twistedmail_mta.access.connection import CLOSE_WITHIN, FLUSH_AFTER
from twistedmail_mta.access.pop3_conversation import ERROR_DELAY
from twistedmail_mta.access.pop3_reader import AHEAD, MOST_AHEAD, PIECE, WHOLE
from twistedmail_mta.access.visits import GRACE, Rules
from twistedmail_mta.errors import TemporaryError
from twistedmail_mta.interfaces import IMaildropAccess
from twistedmail_mta.model import Reply
from twistedmail_mta.pop3.server import ServerSession
from twistedmail_mta.tasks import Promise

SHUTTING_DOWN = "-ERR [SYS/TEMP] The server is shutting down: closing the connection\r\n"


def _long(octets: int) -> bytes:
    """A message of about that many octets, with dots where they hurt."""
    line = b".begins with a dot\r\n"
    return b"Subject: long\r\n\r\n" + line * (octets // len(line))


def _unstuffed(answer: str) -> bytes:
    """The message in the answer to RETR, as a client reads it."""
    first, _, rest = answer.encode().partition(b"\r\n")
    assert first.startswith(b"+OK")
    assert rest.endswith(b"\r\n.\r\n")
    lines = rest[:-3].split(b"\r\n")
    return b"\r\n".join(line[1:] if line.startswith(b".") else line for line in lines)


# Logging in


def test_greeting_comes_at_once() -> None:
    """The server speaks first."""
    assert Client(Counter()).said() == "+OK mail.example.org POP3 server ready\r\n"


def test_login_opens_the_maildrop() -> None:
    """The authenticator hears who asks, from where and for what."""
    counter = Counter()
    client = counter.connect()

    answer = client.type(*LOGIN)

    assert answer == f"+OK Logged in: 3 messages, {sum(map(len, MAILS))} octets\r\n"
    assert counter.gatekeeper.asked == [(NAME, "", "192.168.1.1", "pop3", False, "1", IMaildropAccess)]


def test_login_by_sasl() -> None:
    """PLAIN and LOGIN, the name given with the command or asked for."""
    name, password = (base64.b64encode(text.encode()).decode() for text in (NAME, PASSWORD))
    plain = base64.b64encode(f"boss@example.org\0{NAME}\0{PASSWORD}".encode()).decode()
    counter = Counter()

    assert counter.connect().type(f"AUTH PLAIN {plain}").startswith("+OK Logged in")
    assert counter.gatekeeper.asked[0][:2] == (NAME, "boss@example.org")
    client = counter.connect()
    assert client.type("AUTH LOGIN") == "+ VXNlcm5hbWU6\r\n"
    assert client.type(name) == "+ UGFzc3dvcmQ6\r\n"
    assert client.type(password).startswith("+OK Logged in")
    assert counter.connect().type(f"AUTH LOGIN {name}") == "+ UGFzc3dvcmQ6\r\n"


def test_no_password_in_clear_from_elsewhere() -> None:
    """Only clients in the networks named may log in without TLS; nobody judges their password."""
    counter = Counter(options={"plaintext_login": ()})

    assert counter.connect().type(*LOGIN).startswith("-ERR [SYS/PERM]")
    assert counter.gatekeeper.asked == []


def test_wrong_password_three_times() -> None:
    """RFC 3206: [AUTH]; then the connection is closed."""
    client = Counter().connect()

    assert client.type(f"USER {NAME}", "PASS x") == "-ERR [AUTH] Authentication credentials invalid\r\n"
    client.type(f"USER {NAME}", "PASS x")
    assert client.connected
    assert client.type(f"USER {NAME}", "PASS x").startswith("-ERR [AUTH] Too many failed logins")
    assert not client.connected


def test_last_login_cannot_be_judged() -> None:
    """Trouble of ours ends the session too, but nobody is told that a password was wrong."""
    counter = Counter()
    client = counter.connect()
    client.type(f"USER {NAME}", "PASS x", f"USER {NAME}", "PASS x")
    counter.gatekeeper.failure = BUSY

    assert client.type(*LOGIN) == "-ERR [SYS/TEMP] Busy\r\n"
    assert not client.connected


def test_login_cannot_be_judged_now() -> None:
    """[SYS/TEMP] tells the client not to ask its user for another password."""
    counter = Counter()
    counter.gatekeeper.failure = BUSY
    client = counter.connect()

    assert client.type(*LOGIN) == "-ERR [SYS/TEMP] Busy\r\n"
    counter.gatekeeper.failure = None
    assert client.type(*LOGIN).startswith("+OK Logged in")


@pytest.mark.parametrize("failure", [BUSY, ValueError("broken")])
def test_maildrop_cannot_be_opened(failure: Exception, log_failures: list[object]) -> None:
    """The client is told to come later, and isn't counted as present."""
    counter = Counter(rules=Rules(sessions=1, exclusive=True, delay=0))
    counter.store.failure = failure
    client = counter.connect()

    assert client.type(*LOGIN).startswith("-ERR [SYS/TEMP]")
    counter.store.failure = None
    assert client.type(*LOGIN).startswith("+OK Logged in")
    assert len(log_failures) == isinstance(failure, ValueError)


def test_commands_wait_for_a_login() -> None:
    """While a password is judged nothing else is answered, and the client isn't read from."""
    counter = Counter()
    counter.gatekeeper.gate = Promise()
    client = counter.connect()

    client.type(LOGIN[0])
    assert client.send(b"PASS secret\r\nSTAT\r\n") == ""
    assert client.transport.producerState == "paused"
    counter.gatekeeper.gate.resolve(None)

    assert client.said().startswith("+OK Logged in: 3 messages")
    assert client.transport.producerState == "producing"


def test_client_leaves_while_its_password_is_judged() -> None:
    """Nothing is opened for nobody."""
    counter = Counter()
    counter.gatekeeper.gate = Promise()
    client = counter.connect()
    client.type(*LOGIN)

    client.hang_up()
    counter.gatekeeper.gate.resolve(None)

    assert counter.store.drops == []
    assert counter.clock.getDelayedCalls() == []


# Sessions of an account


def test_too_many_sessions_of_an_account() -> None:
    """One more is refused until the most silent one has been silent for a while, and then gives way."""
    counter = Counter(rules=Rules(sessions=2, exclusive=False, delay=0))
    silent, active = counter.log_in(), counter.log_in()
    third = counter.connect()

    assert third.type(*LOGIN).startswith("-ERR [IN-USE]")
    counter.clock.advance(GRACE)
    active.type("NOOP")
    assert third.type(*LOGIN).startswith("+OK")
    assert silent.said().startswith("-ERR [IN-USE] Another session")
    assert not silent.connected
    assert active.connected


def test_exclusive_maildrop() -> None:
    """RFC 1939 section 8: the second session is refused, and let in when the first has gone."""
    counter = Counter(rules=Rules(sessions=5, exclusive=True, delay=0))
    first, second = counter.log_in(), counter.connect()

    assert second.type(*LOGIN) == "-ERR [IN-USE] Maildrop is in use by another session\r\n"
    first.hang_up()
    assert second.type(*LOGIN).startswith("+OK")


def test_quit_lets_the_next_one_in() -> None:
    """RFC 1939 section 6: the maildrop is free before the answer, even if the client's end stays open."""
    counter = Counter(rules=Rules(sessions=5, exclusive=True, delay=0))
    first, second = counter.log_in(), counter.connect()
    first.transport.lingers = True

    assert first.type("DELE 1", "QUIT").startswith("+OK")
    assert first.connected
    assert second.type(*LOGIN).startswith("+OK Logged in: 2 messages")
    assert counter.store.drops[0].closed
    first.transport.abortConnection()
    assert counter.connect().type(*LOGIN).startswith("-ERR [IN-USE]")


def test_exclusive_maildrop_of_a_dead_client() -> None:
    """A session that says nothing any more gives way, and what it marked stays."""
    counter = Counter(rules=Rules(sessions=5, exclusive=True, delay=0))
    first, second = counter.log_in(), counter.connect()
    first.type("DELE 1")

    counter.clock.advance(GRACE)

    assert second.type(*LOGIN).startswith("+OK Logged in: 3 messages")
    assert not first.connected
    assert counter.store.removals == []


def test_login_delay() -> None:
    """RFC 2449 section 6.5: who comes too soon is told so; a refusal doesn't count as a login."""
    counter = Counter(rules=Rules(sessions=5, exclusive=False, delay=60))
    counter.log_in().type("QUIT")
    client = counter.connect()

    counter.clock.advance(59)
    assert client.type(*LOGIN).startswith("-ERR [LOGIN-DELAY]")
    counter.clock.advance(1)
    assert client.type(*LOGIN).startswith("+OK")


def test_end_of_a_login_ends_its_sessions() -> None:
    """Whoever has the old password is out, and what was marked stays."""
    counter = Counter()
    client = counter.log_in()
    client.type("DELE 1")

    counter.logins.watchers[0]()

    assert client.said() == "-ERR [AUTH] The login is no longer valid: closing the connection\r\n"
    assert not client.connected
    assert counter.store.removals == []
    assert counter.logins.watchers == []


def test_login_that_ends_while_its_maildrop_is_opened() -> None:
    """A password changed in the middle of a login lets nobody in by the old one."""
    counter = Counter()
    client = counter.connect()
    counter.store.gate = Promise()
    client.type(*LOGIN)

    counter.logins.watchers[0]()
    counter.store.gate.resolve(None)

    assert client.said().startswith("-ERR [AUTH] The login is no longer valid")
    assert not client.connected
    assert counter.logins.watchers == []


def test_login_whose_maildrop_cannot_be_opened() -> None:
    """Nobody watches it any more."""
    counter = Counter()
    counter.store.failure = TemporaryError(Reply(451, "4.3.0", "broken"))
    client = counter.connect()
    assert client.type(*LOGIN).startswith("-ERR [SYS/TEMP]")
    assert counter.logins.watchers == []


# Messages


def test_messages_are_dot_stuffed_and_end_with_a_line_end() -> None:
    """RFC 1939 section 3: what is read is what is stored, with a last CRLF if there was none."""
    client = Counter().log_in()

    assert client.type("RETR 1") == f"+OK {len(MAILS[0])} octets\r\n{MAILS[0].decode()}.\r\n"
    assert client.type("RETR 2").endswith("\r\n\r\n..dot\r\n...dots\r\n..\r\nlast\r\n.\r\n")
    assert client.type("RETR 3") == "+OK 18 octets\r\nSubject: three\r\n\r\n.\r\n"


def test_top() -> None:
    """The header, the empty line and so many lines."""
    client = Counter().log_in()

    assert client.type("TOP 2 0") == "+OK Top of the message follows\r\nSubject: two\r\n\r\n.\r\n"
    assert client.type("TOP 2 1").endswith("\r\n\r\n..dot\r\n.\r\n")
    assert client.type("TOP 2 9").endswith("\r\n..\r\nlast\r\n.\r\n")


def test_utf8_in_a_header() -> None:
    """RFC 6856 section 2.1: only who said UTF8 gets it; others read the same in encoded words."""
    counter = Counter(mails=["Subject: \u00e9\r\n\r\nc\u0153ur\r\n".encode()])
    client, other = counter.connect(), counter.log_in()
    client.type("UTF8", *LOGIN)

    assert "\r\nSubject: \u00e9\r\n\r\nc\u0153ur\r\n.\r\n" in client.type("RETR 1")
    assert "\r\nSubject: =?utf-8?b?w6k=?=\r\n\r\nc\u0153ur\r\n.\r\n" in other.type("RETR 1")
    assert other.type("TOP 1 0").endswith("\r\nSubject: =?utf-8?b?w6k=?=\r\n\r\n.\r\n")


def test_session_ends_as_it_should() -> None:
    """A whole session in one delivery, as a client that pipelines sends it."""
    counter = Counter()
    client = counter.connect()

    said = client.send("\r\n".join([*LOGIN, "LIST", "RETR 1", "DELE 1", "RETR 2", "DELE 3", "QUIT", ""]).encode())

    assert said.count("+OK") == 8
    assert said.endswith("+OK Goodbye\r\n")
    assert counter.store.removals == [(10, 12)]
    assert not client.connected


def test_messages_in_turn_are_read_ahead() -> None:
    """The first of a row brings many, and so does each that none is left for."""
    counter = Counter(mails=[b"Subject: %d\r\n\r\n" % place + b"x" * 2000 + b"\r\n" for place in range(300)])
    client = counter.log_in()

    for number in range(1, 301):
        assert client.type(f"RETR {number}").startswith("+OK 2")
        client.type(f"DELE {number}")

    assert [len(uids) for uids in counter.store.fetched] == [MOST_AHEAD, MOST_AHEAD, 300 - 2 * MOST_AHEAD]


def test_one_message_is_read_alone() -> None:
    """Who begins anywhere but at the first may want no other; the second in turn brings many."""
    counter = Counter(mails=[b"Subject: %d\r\n\r\n" % place for place in range(9)])

    counter.log_in().type("RETR 4", "RETR 5")

    assert [len(uids) for uids in counter.store.fetched] == [1, 5]


def test_no_more_is_read_ahead_than_fits() -> None:
    """What is held for a client is bounded, and large messages aren't read whole."""
    mails = [b"Subject: x\r\n\r\n" + b"x" * (AHEAD // 4 - 20) + b"\r\n"] * 6
    counter = Counter(mails=[*mails, _long(2 * WHOLE), *mails])
    client = counter.log_in()

    for number in range(1, len(counter.store.mails) + 1):
        assert client.type(f"RETR {number}").startswith("+OK")

    assert [uids[0] - 10 for uids in counter.store.fetched] == [0, 4, 7, 11]
    assert len(counter.store.pieces) == 5


def test_messages_out_of_turn() -> None:
    """Each is read by itself, and right."""
    counter = Counter(mails=[b"Subject: %d\r\n\r\n" % place for place in range(9)])
    client = counter.log_in()

    for number in (9, 1, 5, 5, 6, 2, 3, 9):
        assert f"Subject: {number - 1}\r\n" in client.type(f"RETR {number}")


def _three_read() -> Client:
    """A client that has fetched three of many messages in turn, so that the answer to RETR 4 is ready."""
    client = Counter(mails=[b"Subject: %d\r\n\r\n.dot\r\n" % place for place in range(9)]).log_in()
    client.type("RETR 1", "RETR 2", "RETR 3")
    return client


@pytest.mark.parametrize("between", ["NOOP", "RETR 7", "TOP 1 0", "DELE 3", "STAT", "", "XXXX"])
def test_an_answer_made_ready_waits(between: str) -> None:
    """Whatever is asked before, RETR is answered as ever."""
    client = _three_read()
    client.type(between)

    assert client.type("RETR 4") == "+OK 20 octets\r\nSubject: 3\r\n\r\n..dot\r\n.\r\n"


def test_an_answer_made_ready_is_in_the_language_spoken() -> None:
    client = _three_read()

    client.type("LANG es")

    assert client.type("RETR 4").startswith("+OK 20 octetos\r\n")


def test_an_answer_made_ready_of_a_message_deleted_meanwhile() -> None:
    client = _three_read()

    client.type("DELE 4")

    assert client.type("RETR 4").startswith("-ERR")
    assert "Subject: 4" in client.type("RETR 5")


def test_an_answer_made_ready_isnt_that_to_top() -> None:
    assert _three_read().type("TOP 4 0") == "+OK Top of the message follows\r\nSubject: 3\r\n\r\n.\r\n"


def test_commands_behind_one_that_was_answered_at_once() -> None:
    """They are answered too, and one that isn't whole yet waits for its end."""
    client = _three_read()

    assert client.send(b"RETR 4\r\nNOOP\r\nRETR 5\r\nRE").count("+OK") == 3
    assert "Subject: 5" in client.send(b"TR 6\r\n")


def test_what_breaks_at_once_is_this_client_only(log_failures: list[object], monkeypatch: pytest.MonkeyPatch) -> None:
    """The connection ends, with a log line; the others go on."""
    client = _three_read()
    monkeypatch.setattr(ServerSession, "next_event", lambda *_: 1 // 0)

    assert client.type("RETR 4").startswith("-ERR [SYS/TEMP]")
    assert not client.connected
    assert len(log_failures) == 1


def test_large_message_in_pieces() -> None:
    """It is read and sent piece by piece, dots doubled wherever the cuts fall."""
    mail = _long(3 * PIECE + 17)
    counter = Counter(mails=[mail, b"small\r\n"])
    client = counter.log_in()

    assert _unstuffed(client.type("RETR 1")) == mail
    assert [offset for offset, _ in counter.store.pieces] == [0, PIECE, 2 * PIECE, 3 * PIECE]
    assert client.type("RETR 2").endswith("small\r\n.\r\n")
    assert (
        client.type("TOP 1 1") == "+OK Top of the message follows\r\nSubject: long\r\n\r\n..begins with a dot\r\n.\r\n"
    )


def test_client_that_doesnt_read() -> None:
    """One piece is sent, one is ready, no more is read until the client takes it."""
    counter = Counter(mails=[_long(9 * PIECE)])
    client = counter.log_in()

    client.connection.pauseProducing()
    sent = len(client.type("RETR 1"))
    assert PIECE <= sent < PIECE * 1.2
    assert len(counter.store.pieces) == 2
    assert client.type("STAT") == ""
    client.connection.resumeProducing()
    assert client.said().endswith(f"\r\n.\r\n+OK 1 {len(_long(9 * PIECE))}\r\n")


def test_client_that_never_reads() -> None:
    """It is broken off when it has taken nothing for as long as an idle one is borne."""
    counter = Counter(mails=[_long(9 * PIECE)])
    client = counter.log_in()
    client.connection.pauseProducing()
    client.type("RETR 1")

    counter.clock.advance(599)
    assert client.connected
    counter.clock.advance(1)

    assert client.transport.aborted
    assert counter.clock.getDelayedCalls() == []


def test_message_that_another_session_removed() -> None:
    """It is refused, not an error of the server's."""
    counter = Counter(mails=[MAILS[0], _long(2 * PIECE)])
    client = counter.log_in()
    counter.store.mails.clear()

    assert client.type("RETR 1") == "-ERR Message was removed by another session meanwhile\r\n"
    assert client.type("RETR 2") == "-ERR Message was removed by another session meanwhile\r\n"
    assert client.type("NOOP").startswith("+OK")


def test_message_that_vanishes_while_it_is_sent() -> None:
    """Half a message must never look like a whole one: the connection is broken off."""
    counter = Counter(mails=[_long(9 * PIECE)])
    client = counter.log_in()
    client.connection.pauseProducing()
    client.type("RETR 1")

    counter.store.mails.clear()
    client.connection.resumeProducing()

    assert client.transport.aborted
    assert not client.said().endswith("\r\n.\r\n")


def test_commands_behind_a_message_that_vanishes() -> None:
    """They are never obeyed: the client would delete what it didn't get."""
    counter = Counter(mails=[_long(9 * PIECE), MAILS[0]])
    client = counter.log_in()
    lose, client.transport.abortConnection = client.transport.abortConnection, lambda: None  # type: ignore[method-assign]
    client.connection.pauseProducing()
    client.send(b"RETR 1\r\nDELE 2\r\nQUIT\r\n")

    del counter.store.mails[10]
    client.connection.resumeProducing()
    lose()

    assert counter.store.removals == []
    assert "Goodbye" not in client.said()
    assert counter.clock.getDelayedCalls() == []


def test_message_that_cannot_be_read_now() -> None:
    """[SYS/TEMP]; the next attempt is a new one."""
    counter = Counter()
    client = counter.log_in()
    counter.store.failure = BUSY

    assert client.type("RETR 1") == "-ERR [SYS/TEMP] Busy\r\n"
    counter.store.failure = None
    assert client.type("RETR 1").startswith("+OK")


def test_long_listing() -> None:
    """Ten thousand lines, kept back while the client doesn't take them."""
    counter = Counter(mails=[b"x\r\n"] * 10_000)
    client = counter.log_in()

    client.connection.pauseProducing()
    first = client.type("UIDL")
    assert 1000 <= first.count("\r\n") < 2000
    client.connection.resumeProducing()
    lines = (first + client.said()).split("\r\n")

    assert lines[1:-2] == [f"{number} u{number + 9}" for number in range(1, 10_001)]
    assert lines[-2:] == [".", ""]


# The end


def test_nothing_is_removed_without_quit() -> None:
    """RFC 1939 section 6: a session that ends otherwise has no UPDATE state."""
    counter = Counter()
    client = counter.log_in()
    client.type("DELE 1")

    client.hang_up()

    assert counter.store.removals == []
    assert counter.store.drops[0].closed


@pytest.mark.parametrize("failure", [BUSY, ValueError("broken")])
def test_removal_that_fails(failure: Exception, log_failures: list[object]) -> None:
    """The answer to QUIT is honest, and the connection is closed nevertheless."""
    counter = Counter()
    client = counter.log_in()
    client.type("DELE 1")
    counter.store.failure = failure

    assert client.type("QUIT").startswith("-ERR [SYS/TEMP] Deleted messages could not be removed")
    assert not client.connected
    assert len(log_failures) == isinstance(failure, ValueError)


def test_removal_goes_on_when_the_client_leaves() -> None:
    """QUIT was said, so the messages are removed even if nobody hears of it."""
    counter = Counter()
    client = counter.log_in()
    client.type("DELE 2")
    counter.store.gate = Promise()
    client.type("QUIT")

    client.hang_up()
    counter.store.gate.resolve(None)

    assert counter.store.removals == [(11,)]


def test_idle_client() -> None:
    """RFC 1939 section 3: closed without a word, and without an UPDATE state."""
    counter = Counter()
    client = counter.log_in()
    client.type("DELE 1")
    counter.clock.advance(599)
    client.type("NOOP")

    counter.clock.advance(599)
    assert client.connected
    counter.clock.advance(1)

    assert not client.connected
    assert client.said() == ""
    assert counter.store.removals == []


def test_server_stops() -> None:
    """Idle sessions end at once; others finish the command they are at."""
    counter = Counter()
    idle, busy, removing = counter.log_in(), counter.log_in(), counter.log_in()
    removing.type("DELE 2")
    counter.store.gate = Promise()
    busy.type("RETR 1")
    removing.type("QUIT")

    counter.factory.finish()
    assert idle.said() == SHUTTING_DOWN
    assert not idle.connected
    counter.store.gate.resolve(None)

    assert busy.said().endswith(f"\r\n.\r\n{SHUTTING_DOWN}")
    assert removing.said() == "+OK Goodbye\r\n"
    assert counter.store.removals == [(11,)]
    assert not counter.factory.connections


@pytest.mark.parametrize(("command", "mails"), [("RETR 1", [_long(9 * PIECE)]), ("UIDL", [b"x\r\n"] * 3000)])
def test_server_stops_in_the_middle_of_an_answer(command: str, mails: list[bytes]) -> None:
    """No word is said there: it would become part of the message, or of the list."""
    counter = Counter(mails=mails)
    client = counter.log_in()
    client.connection.pauseProducing()
    client.type(command)

    counter.factory.abort()

    assert "-ERR" not in client.said()
    assert not client.connected


# Hostile clients


def test_senseless_commands_are_answered_slowly_then_not_at_all() -> None:
    """Each one past a few costs a second; then the connection is closed."""
    counter = Counter()
    client = counter.connect()

    for _ in range(3):
        assert client.type("FOO").startswith("-ERR Unknown")
    for _ in range(3):
        assert client.type("FOO") == ""
        counter.clock.advance(max(ERROR_DELAY, FLUSH_AFTER))
        assert client.said().startswith("-ERR Unknown")
    assert client.type("FOO").endswith("-ERR Too many errors: closing the connection\r\n")
    assert not client.connected


def test_flood_while_a_command_waits() -> None:
    """Who sends on although it isn't read from is told so and closed."""
    counter = Counter()
    counter.gatekeeper.gate = Promise()
    client = counter.connect()
    client.type(*LOGIN)

    for _ in range(4):
        client.connection.dataReceived(b"NOOP\r\n" * 10_000)

    assert client.said() == "-ERR Too much input: closing the connection\r\n"
    assert not client.connected


def test_too_many_connections_of_one_client() -> None:
    """They are turned away with an answer."""
    counter = Counter(terms={"connections_per_client": 1})
    first = counter.connect()

    second = Client(counter)

    assert second.said() == "-ERR [SYS/TEMP] Too many connections from your network\r\n"
    assert not second.connected
    first.hang_up()
    assert Client(counter).said().startswith("+OK")


def test_nothing_is_left_behind() -> None:
    """Timers, tasks and sessions end with the connection."""
    counter = Counter()
    client = counter.log_in()
    client.type("RETR 1", "QUIT")

    counter.clock.advance(CLOSE_WITHIN)

    assert counter.clock.getDelayedCalls() == []
    assert len(counter.tasks) == 0
    assert not counter.factory.connections
    assert counter.logins.watchers == []


def test_what_breaks_is_this_client_only(log_failures: list[object]) -> None:
    """Anything unexpected is an answer and a log line; the session goes on."""
    counter = Counter()
    client = counter.log_in()
    counter.store.failure = ValueError("broken")

    assert client.type("RETR 1") == "-ERR [SYS/TEMP] Local error, please try again later\r\n"
    counter.store.failure = None
    assert client.type("RETR 1").startswith("+OK")
    assert len(log_failures) == 1
