"""Questions: what a client can say, as a value and over the control socket."""

from __future__ import annotations

from typing import Any

import pytest

from twistedmail_mta.config.load import parse_site
from twistedmail_mta.config.trial import trial_site
from twistedmail_mta.explain.question import MOST_OCTETS, Question, QuestionError, question_of


def test_there_and_back() -> None:
    """The same question, octets of a message included."""
    question = Question(
        ("a@b.test", "jö@b.test"),
        "c@d.test",
        "mx",
        "2001:db8::1",
        "x.test",
        tls=True,
        account="ann@home.test",
        size=7,
        data=b"\x00\xff",
        callout=True,
        daemons=True,
    )
    assert question_of(question.as_object()) == question
    assert question_of({"recipients": ["a@b.test"]}) == Question(("a@b.test",))


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({}, "1 to 100 recipients"),
        ({"recipients": ["a@b.test"] * 101}, "1 to 100 recipients"),
        ({"recipients": [1]}, "recipients must be texts"),
        ({"recipients": "a@b.test"}, "recipients is of the wrong kind"),
        ({"recipients": ["a@b.test\r\nDATA"]}, "can't be said in a line of SMTP"),
        ({"recipients": ["a@b.test"], "helo": "x\ny"}, "can't be said in a line of SMTP"),
        ({"recipients": ["a@b.test"], "from_ip": "x"}, "is no IP address"),
        ({"recipients": ["a@b.test"], "data": "%%"}, "must be in base64"),
        ({"recipients": ["a@b.test"], "tls": 1}, "tls is of the wrong kind"),
        ({"recipients": ["a@b.test"], "more": 1}, "a session has no more"),
    ],
)
def test_what_is_no_question(said: dict[str, Any], why: str) -> None:
    """Refused in words, whoever is at the other end of the socket."""
    with pytest.raises(QuestionError, match=why):
        question_of(said)


def test_a_large_message() -> None:
    """It has to go over the control socket in one line."""
    with pytest.raises(QuestionError, match="say its size instead"):
        Question(("a@b.test",), data=bytes(MOST_OCTETS + 1))


def test_which_listener(tmp_path: Any) -> None:
    """The first for strangers, or for logins; one that is named, if mail comes in by it."""
    site = trial_site(tmp_path)
    assert Question(("a@b.test",)).listener_in(site) == "mx"
    assert Question(("a@b.test",), account="ann@home.test").listener_in(site) == "submission"
    assert Question(("a@b.test",), listener="submissions").listener_in(site) == "submissions"
    with pytest.raises(QuestionError, match="there are: mx, submission, submissions"):
        Question(("a@b.test",), listener="imap").listener_in(site)
    bare = parse_site(
        'config_version = 1\n[server]\nhostname = "a.test"\nadmin = "b@a.test"\nstate_dir = "s"\n'
        '[listen.in]\nendpoint = "tcp:24"\nrole = "lmtp"\n',
        tmp_path,
        "it",
    )
    with pytest.raises(QuestionError, match="no listener of role mx"):
        Question(("a@b.test",)).listener_in(bare)


def test_who_encrypts() -> None:
    """Who logs in does, unless it is said otherwise."""
    assert [Question(("a@b.test",), account=account).encrypts for account in (None, "ann@home.test")] == [False, True]
    assert not Question(("a@b.test",), account="ann@home.test", tls=False).encrypts
