"""A POP3 session as a state machine: every command in every state."""

from __future__ import annotations

import pytest
from pop3_dialogue import MESSAGES, NAME, Dialogue, plain

from twistedmail_mta.model import Reply
from twistedmail_mta.pop3 import answers
from twistedmail_mta.pop3.events import Foreseen, Login, Quit, Retrieve
from twistedmail_mta.pop3.languages import LANGUAGES, Language
from twistedmail_mta.pop3.response import Response, encode_response, refusal
from twistedmail_mta.pop3.standing import SessionSettings

EVERYTHING = ["USER x", "PASS x", "AUTH PLAIN", "STLS", "UTF8", "CAPA", "LANG", "LANG en", "NOOP", "STAT", "RSET"]
EVERYTHING += ["LIST", "LIST 1", "UIDL", "UIDL 1", "RETR 1", "TOP 1 0", "DELE 1"]
AUTHORIZATION = {"USER x", "AUTH PLAIN", "STLS", "UTF8", "CAPA", "LANG", "LANG en"}
TRANSACTION = {"CAPA", "LANG", "LANG en", "NOOP", "STAT", "RSET", "LIST", "LIST 1", "UIDL", "UIDL 1"}
TRANSACTION |= {"RETR 1", "TOP 1 0", "DELE 1"}


@pytest.mark.parametrize("command", EVERYTHING)
def test_each_state_has_its_commands(command: str) -> None:
    """What belongs to the other state is refused, and harms nothing."""
    before, after = Dialogue(), Dialogue().logged_in()

    assert before.type(command).startswith(("+OK", "+ ") if command in AUTHORIZATION else "-ERR")
    assert after.type(command).startswith("+OK" if command in TRANSACTION else "-ERR")
    if command not in TRANSACTION:
        assert after.type("STAT") == "+OK 3 316\r\n"


@pytest.mark.parametrize("command", EVERYTHING)
def test_case_doesnt_matter(command: str) -> None:
    """People type in lower case."""
    one, other = Dialogue().logged_in(), Dialogue().logged_in()

    assert one.type(command.lower()) == other.type(command)


def test_greeting() -> None:
    """The greeting has no time stamp: there is no APOP."""
    dialogue = Dialogue()
    dialogue.session.greet()

    assert dialogue.send(b"") == "+OK mail.example.org POP3 server ready\r\n"
    assert dialogue.type("APOP x 0123").startswith("-ERR Unknown")


def test_login_by_name_and_password() -> None:
    """The name is never judged before the password; spaces belong to a password."""
    dialogue = Dialogue()

    assert dialogue.type("USER nobody@example.org").startswith("+OK")
    assert dialogue.type("PASS  two  words ") == "-ERR [AUTH] Wrong\r\n"
    assert dialogue.events[-1] == Login("nobody@example.org", b" two  words ")
    assert dialogue.type(f"USER {NAME}", "PASS open sesame") == "+OK Logged in: 3 messages, 316 octets\r\n"


def test_password_only_just_after_the_name() -> None:
    """RFC 1939 section 7: PASS comes immediately after a successful USER."""
    dialogue = Dialogue()

    assert dialogue.type("PASS open sesame").startswith("-ERR")
    assert dialogue.type(f"USER {NAME}", "CAPA", "PASS open sesame").startswith("-ERR")
    assert dialogue.type(f"USER {NAME}", "PASS wrong", "PASS open sesame").startswith("-ERR")


def test_login_without_arguments() -> None:
    """USER needs a name and PASS a password; after a refusal all begins anew."""
    dialogue = Dialogue()

    assert dialogue.type("USER") == "-ERR Syntax: USER name\r\n"
    assert dialogue.type("USER  ") == "-ERR Syntax: USER name\r\n"
    assert dialogue.type(f"USER {NAME}", "PASS") == "-ERR Syntax: PASS password\r\n"
    assert dialogue.type("PASS open sesame").startswith("-ERR Send USER")


def test_auth_with_and_without_initial_response() -> None:
    """RFC 5034 section 4: at once, after an empty challenge, or with '='."""
    assert Dialogue().type(f"AUTH PLAIN {plain()}").startswith("+OK Logged in")
    assert Dialogue().type("auth plain") == "+ \r\n"
    assert Dialogue().type("AUTH PLAIN", plain()).startswith("+OK Logged in")
    assert Dialogue().type("AUTH PLAIN =") == "-ERR [AUTH] Wrong\r\n"
    assert Dialogue().type("AUTH LOGIN") == "+ UGFzc3dvcmQ6\r\n"


def test_auth_cancelled_or_unreadable() -> None:
    """A lone '*' ends the exchange, and so does what isn't base64; commands go on."""
    dialogue = Dialogue()

    assert dialogue.type("AUTH PLAIN", "*") == "-ERR Login cancelled\r\n"
    assert dialogue.type("AUTH PLAIN", "%%%").startswith("-ERR Bad base64")
    assert dialogue.type("AUTH PLAIN", "A" * 20000).startswith("-ERR Line too long")
    assert dialogue.type("AUTH CRAM-MD5").startswith("-ERR Unknown mechanism")
    assert dialogue.type("AUTH PLAIN a b").startswith("-ERR Syntax")
    assert dialogue.type("AUTH PLAIN", "CAPA").startswith("-ERR")  # CAPA is base64, and no login
    assert dialogue.type("CAPA").startswith("+OK")


def test_auth_alone_lists_mechanisms() -> None:
    """Clients older than CAPA ask so."""
    assert Dialogue().type("AUTH") == "+OK Ways to log in:\r\nPLAIN\r\nLOGIN\r\n.\r\n"


def test_no_password_in_clear() -> None:
    """Where none may log in nothing of it is announced, and USER says what to do."""
    dialogue, hopeless = Dialogue(mechanisms=()), Dialogue(mechanisms=(), tls_available=False)

    capabilities = dialogue.type("CAPA")
    assert "STLS" in capabilities
    assert "SASL" not in capabilities
    assert "\r\nUSER\r\n" not in capabilities
    for command in (f"USER {NAME}", "PASS x", f"AUTH PLAIN {plain()}", "AUTH"):
        assert dialogue.type(command).startswith("-ERR Passwords are not taken in clear text here: send STLS")
        assert hopeless.type(command).startswith("-ERR [SYS/PERM]")
    assert not any(isinstance(event, Login) for event in dialogue.events)


def test_capabilities() -> None:
    """RFC 2449: each line a capability; the version is for those who have logged in."""
    settings = SessionSettings("h", login_delay=60, version="9.9")
    dialogue = Dialogue(settings=settings)
    common = ["TOP", "UIDL", "RESP-CODES", "AUTH-RESP-CODE", "PIPELINING", "EXPIRE NEVER", "LOGIN-DELAY 60"]
    login = ["USER", "SASL PLAIN LOGIN", "UTF8 USER", "LANG"]

    before = dialogue.type("CAPA").split("\r\n")
    after = dialogue.logged_in().type("CAPA").split("\r\n")

    assert before[1:] == [*common, "STLS", *login, "IMPLEMENTATION twistedmail_mta", ".", ""]
    assert after[1:] == [*common, *login, "IMPLEMENTATION twistedmail_mta-9.9", ".", ""]


def test_stls_forgets_and_discards() -> None:
    """RFC 2595 section 4: what was said before, and what came behind it in clear, never happened."""
    dialogue = Dialogue()
    dialogue.type("LANG en", "UTF8", f"USER {NAME}")

    said = dialogue.send(b"STLS\r\nUSER mallory\r\nLIST\r\nUS")

    assert said == "+OK Begin TLS now\r\n"
    assert dialogue.type("PASS open sesame").startswith("-ERR Send USER")
    assert not dialogue.session.utf8
    assert "STLS" not in dialogue.type("CAPA")
    assert "SASL PLAIN\r\n" in dialogue.type("CAPA")
    assert dialogue.type("STLS") == "-ERR TLS is active already\r\n"


def test_stls_without_certificate() -> None:
    """It isn't announced, and says why it can't be."""
    dialogue = Dialogue(tls_available=False)

    assert "STLS" not in dialogue.type("CAPA")
    assert dialogue.type("STLS") == "-ERR TLS is not available\r\n"


def test_listings() -> None:
    """LIST and UIDL, of all and of one."""
    dialogue = Dialogue().logged_in()

    assert dialogue.type("LIST") == "+OK 3 messages, 316 octets\r\n1 103\r\n2 105\r\n3 108\r\n.\r\n"
    assert dialogue.type("UIDL") == "+OK 3 messages, 316 octets\r\n1 u3\r\n2 u5\r\n3 u8\r\n.\r\n"
    assert dialogue.type("LIST 2") == "+OK 2 105\r\n"
    assert dialogue.type("UIDL 3 ") == "+OK 3 u8\r\n"


def test_deleted_messages_vanish() -> None:
    """They aren't listed, counted or read any more, and keep their number; RSET brings them back."""
    dialogue = Dialogue().logged_in()

    assert dialogue.type("DELE 2") == "+OK Message 2 will be deleted at QUIT\r\n"
    assert dialogue.type("STAT") == "+OK 2 211\r\n"
    assert dialogue.type("LIST") == "+OK 2 messages, 211 octets\r\n1 103\r\n3 108\r\n.\r\n"
    assert dialogue.type("UIDL") == "+OK 2 messages, 211 octets\r\n1 u3\r\n3 u8\r\n.\r\n"
    for command in ("DELE 2", "LIST 2", "UIDL 2", "RETR 2", "TOP 2 1"):
        assert dialogue.type(command).startswith("-ERR Message is marked as deleted")
    assert dialogue.type("RSET") == "+OK 3 316\r\n"
    assert dialogue.type("LIST 2") == "+OK 2 105\r\n"


@pytest.mark.parametrize("number", ["0", "4", "9999999999", "00"])
def test_no_such_message(number: str) -> None:
    """Numbers go from 1 to the last message; a wrong one is no offence."""
    dialogue = Dialogue().logged_in()

    for command in (f"DELE {number}", f"LIST {number}", f"UIDL {number}", f"RETR {number}", f"TOP {number} 1"):
        assert dialogue.type(command) == "-ERR No such message\r\n"
    assert dialogue.session.errors == 0


@pytest.mark.parametrize("argument", ["x", "-1", "+1", "1 2 3", "1e1", "\u0663", "12345678901", "0x1", "1,2"])
def test_what_is_no_number(argument: str) -> None:
    """Anything but a plain number is told so."""
    dialogue = Dialogue().logged_in()

    for verb in ("DELE", "LIST", "UIDL", "RETR", "TOP"):
        assert dialogue.type(f"{verb} {argument}").startswith(("-ERR Command needs", "-ERR Syntax"))
    assert dialogue.session.errors == 5


def test_quit_tells_what_to_remove() -> None:
    """Only QUIT after a login leads to the UPDATE state; nothing is heard after it."""
    dialogue = Dialogue().logged_in()
    dialogue.type("DELE 1", "DELE 3")

    assert dialogue.type("QUIT") == "+OK Goodbye\r\n"
    assert dialogue.events[-1] == Quit((MESSAGES[0].uid, MESSAGES[2].uid))
    assert dialogue.session.closing
    assert dialogue.type("STAT") == ""
    stranger = Dialogue()
    assert stranger.type("QUIT") == "+OK Goodbye\r\n"
    assert stranger.removed == ()


@pytest.mark.parametrize("command", ["STAT 1", "NOOP x", "RSET x", "QUIT now", "CAPA x", "STLS x", "UTF8 x"])
def test_arguments_that_dont_belong(command: str) -> None:
    """A command without argument takes none, and QUIT with one removes nothing."""
    dialogue = Dialogue() if command[:4] in ("STLS", "UTF8") else Dialogue().logged_in()

    assert dialogue.type(command) == "-ERR Command takes no argument\r\n"
    assert dialogue.removed is None


@pytest.mark.parametrize(
    "line",
    [b"", b" ", b"\x00", b"\xff\xfe", b"HELP", b"XTND XMIT", b"USER a\x00b", b"USER \xc3", b"US\xc3\x89R", b"\t"],
)
def test_what_makes_no_sense(line: bytes) -> None:
    """It is refused and counted; the session goes on."""
    dialogue = Dialogue()

    assert dialogue.send(line + b"\r\n").startswith("-ERR")
    assert dialogue.session.errors == 1
    assert dialogue.type("CAPA").startswith("+OK")


def test_long_lines() -> None:
    """A command over the limit is refused once, however long, and what follows is heard."""
    dialogue = Dialogue()

    assert dialogue.send(b"USER " + b"x" * 3000 + b"\r\n") == "-ERR Line too long\r\n"
    for _ in range(30):
        assert dialogue.send(b"x" * 10000) == ""
    assert dialogue.send(b"\r\nCAPA\r\n").startswith("-ERR Line too long\r\n+OK What")


def test_bare_line_feeds_and_telnet() -> None:
    """Typed by nc, lines end with LF; telnet says something first."""
    dialogue = Dialogue()

    assert dialogue.send(b"\xff\xfd\x01USER ann@example.org\nPASS open sesame\nSTAT\n").endswith("+OK 3 316\r\n")


def test_utf8_names() -> None:
    """RFC 6856 section 2.2: UTF-8 in USER and PASS, before UTF8 and without it."""
    dialogue = Dialogue()

    dialogue.type("USER j\u00fcrgen@example.org", "PASS gr\u00fc\u00dfe")

    assert dialogue.events[-1] == Login("j\u00fcrgen@example.org", "gr\u00fc\u00dfe".encode())
    assert not dialogue.session.utf8
    assert dialogue.type("UTF8").startswith("+OK")
    assert dialogue.session.utf8


def test_languages() -> None:
    """RFC 6856 section 3: listed, chosen by range, refused without effect."""
    dialogue = Dialogue()

    assert (
        dialogue.type("LANG")
        == "+OK Languages:\r\n" + "".join(f"{each.tag} {each.name}".rstrip() + "\r\n" for each in LANGUAGES) + ".\r\n"
    )
    assert dialogue.type("LANG EN-gb") == "+OK en English it is\r\n"
    assert dialogue.type("LANG *") == "+OK en English it is\r\n"
    assert dialogue.type("LANG i-default") == "+OK i-default English it is\r\n"
    assert dialogue.type("LANG xx").startswith("-ERR Language is not known")
    assert dialogue.logged_in().type("LANG en") == "+OK en English it is\r\n"


def _said() -> set[str]:
    """Every text of the session's own; numbers alone need no language."""
    constants = [value for value in vars(answers).values() if isinstance(value, Response)]
    made = [
        answers.greeting("x"),
        answers.logged_in(1, 2),
        answers.listing(1, 2),
        answers.follows(1),
        answers.deleted(1),
    ]
    return {response.text for response in (*constants, *made)}


@pytest.mark.parametrize("language", LANGUAGES[2:], ids=lambda language: language.tag)
def test_languages_are_complete(language: Language) -> None:
    """Each says everything, with the same values in it, on a line that isn't too long."""
    texts = language.texts

    assert _said() | {"Authentication credentials invalid"} == set(texts)
    for english, text in texts.items():
        assert english.count("{}") == text.count("{}")
        assert len(encode_response(Response(ok=False, text=english, code="SYS/TEMP"), texts)) < 512


def test_a_session_in_another_language() -> None:
    """From the answer to LANG on; codes, numbers and commands stay what they are."""
    dialogue = Dialogue()

    assert dialogue.type("LANG de-AT") == "+OK de Ab jetzt auf Deutsch\r\n"
    assert dialogue.type("NOOP").startswith("-ERR Zuerst anmelden: USER")
    assert dialogue.logged_in().type("RETR 7") == "-ERR Diese Nachricht gibt es nicht\r\n"
    assert dialogue.type("STAT") == "+OK 3 316\r\n"
    assert dialogue.type("LANG xx").startswith("-ERR Diese Sprache")
    assert dialogue.type("LANG fr") == "+OK fr D\u00e9sormais en fran\u00e7ais\r\n"


def test_texts_of_a_language() -> None:
    """A text is said in the language that has it, its values and code kept; controls forge nothing."""
    french = Language("fr", "fran\u00e7ais", {"No such message": "Message inconnu: \u00e9", "{} {}": "{1} {0}"})

    assert encode_response(answers.NO_SUCH_MESSAGE, french.texts).decode() == "-ERR Message inconnu: \u00e9\r\n"
    assert encode_response(answers.totals(1, 2), french.texts) == b"+OK 2 1\r\n"
    assert encode_response(answers.IN_USE, french.texts).startswith(b"-ERR [IN-USE] Maildrop")
    forged = Response(ok=False, text="{}", values=("a\r\n+OK {0}",))
    assert encode_response(forged, {}) == b"-ERR a??+OK {0}\r\n"
    assert len(encode_response(Response(ok=True, text="\u00e9" * 400), {})) <= 512


@pytest.mark.parametrize(
    ("reply", "code"),
    [
        (Reply(535, "5.7.8", "x"), "AUTH"),
        (Reply(454, "4.7.0", "x"), "SYS/TEMP"),
        (Reply(451, "4.3.0", "x"), "SYS/TEMP"),
        (Reply(501, "5.5.2", "x"), ""),
    ],
)
def test_refusals_of_other_parts(reply: Reply, code: str) -> None:
    """RFC 3206: whether to ask the user for another password, or to try again."""
    assert refusal(reply).code == code


def test_pipelining() -> None:
    """A whole session in one delivery is answered in order (RFC 2449 section 6.6)."""
    dialogue = Dialogue()

    said = dialogue.send(
        b"USER ann@example.org\r\nPASS open sesame\r\nSTAT\r\nRETR 1\r\nDELE 1\r\nSTAT\r\nQUIT\r\nNOOP\r\n"
    )

    assert said.count("+OK") == 7
    assert said.endswith("\r\n.text\r\n.\r\n+OK Message 1 will be deleted at QUIT\r\n+OK 2 213\r\n+OK Goodbye\r\n")
    assert dialogue.removed == (3,)


FORESEEN = b"+OK foreseen\r\n\r\n.\r\n"


def _foreseeing() -> Dialogue:
    """A session that was told the answer to RETR 2."""
    dialogue = Dialogue().logged_in()
    dialogue.session.foresee(2, FORESEEN)
    return dialogue


@pytest.mark.parametrize("before", ["", "DELE 1", "DELE 3"])
def test_what_was_foreseen_is_answered(before: str) -> None:
    """Once; then RETR is an event again."""
    dialogue = _foreseeing()
    if before:
        dialogue.type(before)

    assert dialogue.type("RETR 2") == FORESEEN.decode()
    assert dialogue.events[-1] == Foreseen(2)
    assert dialogue.type("RETR 2").startswith("+OK 105 octets")
    assert isinstance(dialogue.events[-1], Retrieve)


@pytest.mark.parametrize("before", ["NOOP", "LANG es", "RETR 1", "STAT", "UIDL", "XXXX", "RSET"])
def test_what_was_foreseen_is_forgotten(before: str) -> None:
    dialogue = _foreseeing()
    dialogue.type(before)

    assert "foreseen" not in dialogue.type("RETR 2")
    assert isinstance(dialogue.events[-1], Retrieve)


@pytest.mark.parametrize(
    "octets", [b"RETR 2\r\nNOOP\r\n", b"retr 2\r\n", b"RETR 2\n", b"RETR 02\r\n", b"TOP 2 0\r\n", b"NOOP\r\nRETR 2\r\n"]
)
def test_what_is_said_in_another_way_is_read(octets: bytes) -> None:
    dialogue = _foreseeing()

    assert "foreseen" not in dialogue.send(octets)
    assert any(isinstance(event, Retrieve) for event in dialogue.events)


def test_what_was_foreseen_may_come_in_pieces() -> None:
    dialogue = _foreseeing()

    assert dialogue.send(b"RETR") == ""
    assert dialogue.send(b" 2\r\n") == FORESEEN.decode()


def test_what_was_foreseen_and_is_deleted() -> None:
    dialogue = _foreseeing()
    dialogue.type("DELE 2")

    assert dialogue.type("RETR 2").startswith("-ERR")
