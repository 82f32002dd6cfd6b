"""What log lines look like: as JSON, in the journal, and without the names of people."""

from __future__ import annotations

import io
import json
import os
import time
from pathlib import Path
from typing import Any

import pytest
from twisted.logger import LogLevel, formatEventAsClassicLogText
from twisted.python.failure import Failure

from twistedmail_mta.model import Reply
from twistedmail_mta.observe.forms import Style, form_of, is_journal
from twistedmail_mta.observe.masking import KEY_SIZE, Mask
from twistedmail_mta.store.owner import kept_secret

SECRET = bytes(range(KEY_SIZE))
MASK = Mask(SECRET)


def event(form: str | None, **fields: Any) -> dict[str, Any]:
    return {
        "log_format": form,
        "log_time": 1_700_000_000.25,
        "log_level": LogLevel.info,
        "log_namespace": "a.B",
        "event": "smtp.accepted",
    } | fields


def as_json(logged: dict[str, Any], **style: Any) -> dict[str, Any]:
    line = form_of(Style("json", **style))(logged)
    assert line.endswith("\n")
    assert line.count("\n") == 1
    read: dict[str, Any] = json.loads(line)
    assert not any(isinstance(value, dict) for value in read.values())
    return read


def failed(text: str = "why") -> Failure:
    try:
        int(text)
    except ValueError:
        return Failure(ValueError(text))
    raise AssertionError("it is a number")


def test_text_is_as_it_was() -> None:
    """The usual style is Twisted's own line."""
    logged = event("{queue_id} of <{sender}>", queue_id="0a", sender="ann@a.test")

    assert form_of(Style())(logged) == formatEventAsClassicLogText(logged)


def test_an_object() -> None:
    """Its own names, the text, and the fields as they are; parts of the sentence are left out."""
    reply = Reply(250, "2.0.0", "Ok")
    read = as_json(
        event("{queue_id} is {size}{tagged}", queue_id="0a", size=7, tagged=", tagged x", tags={"x": "1"}, reply=reply,
              tls=True, account=None, mailboxes=["a@b"], seconds=0.5)
    )  # fmt: skip

    assert read == {
        "time": "2023-11-14T22:13:20.250Z", "event": "smtp.accepted", "level": "info", "source": "a.B",
        "message": "0a is 7, tagged x", "queue_id": "0a", "size": 7, "tags.x": "1", "reply": "250 2.0.0 Ok",
        "tls": True, "account": None, "mailboxes": ["a@b"], "seconds": 0.5,
    }  # fmt: skip


def test_a_failure_as_an_object() -> None:
    """Its traceback is one field, on the one line."""
    read = as_json(event("{queue_id} broke", queue_id="0a", log_failure=failed(), log_level=LogLevel.critical))

    assert read["level"] == "critical"
    assert "ValueError: why" in read["traceback"]


class Broken:
    """Nothing can be said of it."""

    def __str__(self) -> str:
        raise ValueError


@pytest.mark.parametrize(
    "logged",
    [
        event("{missing}"),
        event("{broken}", broken=Broken()),
        event("two\nlines \x1b[31m \x7f \u2028 \ud800", text="a\nb"),
        event(None, log_failure=failed()),
        event("of the system", log_system="-", log_namespace=None, log_level=None),
        {"log_format": "bare", "log_time": 1.0},
        event("{e}", event=None, e=b"octets"),
        event("{e}", e=float("nan"), more=[float("inf")]),
    ],
)
def test_whatever_comes_is_one_object(logged: dict[str, Any]) -> None:
    """Events may be anything; a line is always one that a program can read, and never commands a terminal."""
    line = form_of(Style("json"))(logged)

    assert json.loads(line, parse_constant=pytest.fail)["message"] is not None
    assert line[:-1].isprintable()


def test_nothing_to_say() -> None:
    """As in the text, an event without text makes no line."""
    assert form_of(Style("json"))(event("")) == ""


@pytest.mark.parametrize("form", ["text", "json"])
def test_the_journal(form: Any) -> None:
    """A priority instead of the time, on every line."""
    style = Style(form, is_journal=True)
    lines = form_of(style)(event("{x} broke", x=1, log_failure=failed(), log_level=LogLevel.critical)).splitlines()

    assert all(line.startswith("<2>") for line in lines)
    assert "2023-11" not in "".join(lines)
    assert any("ValueError: why" in line for line in lines)
    for level, number in (("debug", 7), ("info", 6), ("warn", 4), ("error", 3)):
        (line,) = form_of(style)(event("text", log_level=LogLevel.lookupByName(level))).splitlines()
        assert line.startswith(f"<{number}>")
        assert line.startswith((f"<{number}>[a.B#{level}] text", f'<{number}>{{"event"'))


def test_where_the_journal_is(tmp_path: Path) -> None:
    """$JOURNAL_STREAM counts if it names what standard output is: who writes elsewhere inherits it."""
    with (tmp_path / "log").open("w") as stream:
        status = os.fstat(stream.fileno())
        here = f"{status.st_dev}:{status.st_ino}"

        assert is_journal(stream, {"JOURNAL_STREAM": here})
        assert not is_journal(stream, {"JOURNAL_STREAM": f"{here}1"})
        assert not is_journal(stream, {"JOURNAL_STREAM": "nonsense"})
        assert not is_journal(stream, {})
    assert not is_journal(io.StringIO(), {"JOURNAL_STREAM": here})


QUOTED, IRISH = MASK.word('"ann b"'), MASK.word("o'brien")
ANN = f"{MASK.word('ann')}@a.test"


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("from <ann@a.test> to ANN@a.test", f"from <{ANN}> to {ANN}"),
        ("550 5.1.1 <ann@a.test>: unknown (ann@a.test)", f"550 5.1.1 <{ANN}>: unknown ({ANN})"),
        ("['ann@a.test', \"ann@a.test\"]", f"['{ANN}', \"{ANN}\"]"),
        ("rfc822;ann@a.test, mailto:ann@a.test", f"rfc822;{ANN}, mailto:{ANN}"),
        ('"ann b"@a.test', f"{QUOTED}@a.test"),
        ("o'brien@a.test", f"{IRISH}@a.test"),
        ("ünï@a.test", f"{MASK.word('ünï')}@a.test"),
        ("ann+shop=x.test@a.test", f"{MASK.word('ann+shop=x.test')}@a.test"),
        ("ann@[192.0.2.1]", f"{MASK.word('ann')}@[192.0.2.1]"),
        ("see https://x.test/?to=ann%40a.test&x", f"see https://x.test/?to={MASK.word('ann')}%40a.test&x"),
        ("a@ b, @c, no address", "a@ b, @c, no address"),
    ],
)  # fmt: skip
def test_local_parts(text: str, masked: str) -> None:
    """They are found wherever they stand, each replaced by its word; nothing else is."""
    assert MASK.text(text) == masked


def test_words_need_the_secret() -> None:
    """The same address has another word under another secret, and always the same under one."""
    assert Mask(SECRET).word("ann") == MASK.word("Ann")
    assert Mask(bytes(KEY_SIZE)).word("ann") != MASK.word("ann")
    assert MASK.word("ann") != MASK.word("bob")


@pytest.mark.parametrize(
    "hostile", ["a" * 1_000_000, '"' * 200_000, "a'" * 300_000 + "@", "a%40" * 200_000, "@" * 500_000]
)
def test_hostile_texts_take_no_time(hostile: str) -> None:
    """Linear in the length, whatever a peer says."""
    began = time.process_time()
    MASK.text(hostile + "@x")

    assert time.process_time() - began < 2.0


@pytest.mark.parametrize("form", ["text", "json"])
def test_events_without_names(form: Any) -> None:
    """Fields, what remote hosts said, lists, tracebacks and bare logins: no local part is left; all else is."""
    logged = event(
        "{queue_id} of <{sender}>, login {account}, {user!r}: {reply}", queue_id="0a", sender="ann@a.test",
        account="annlogin", user="annlogin", reply=Reply(550, "5.1.1", "no ann@a.test here"), code=550,
        mailboxes=["ann@a.test"], log_failure=failed("about ann@a.test"),
    )  # fmt: skip

    line = form_of(Style(form, SECRET))(logged)

    assert "ann" not in line
    assert line.count(ANN) >= 3
    assert MASK.word("annlogin") in line
    assert "0a of" in line
    assert "550 5.1.1 no" in line


@pytest.mark.parametrize("form", ["text", "json"])
@pytest.mark.parametrize(
    ("reply", "masked"),
    [
        ("550 5.1.1 User Ann unknown", f"550 5.1.1 User {MASK.word('ann')} unknown"),
        ("550 no 'ann' here, ann@a.test", f"550 no '{MASK.word('ann')}' here, {ANN}"),
        ("550 Hannah and ann_b aren't meant", "550 Hannah and ann_b aren't meant"),
        ("452 joe.ann@a.test is full", f"452 {MASK.word('joe.ann')}@a.test is full"),
    ],
)
def test_recipients_that_are_quoted_without_their_domain(form: Any, reply: str, masked: str) -> None:
    """Other hosts' answers, and paths of Maildirs, may have the local part by itself."""
    logged = event(
        "{recipient} {maildir}: {reply}", recipient="ann@a.test", maildir="/var/vmail/a.test/ann", reply=reply
    )

    line = form_of(Style(form, SECRET))(logged)

    assert f"{ANN} /var/vmail/a.test/{MASK.word('ann')}: {masked}" in line
    assert "/ann" not in line


@pytest.mark.parametrize("form", ["text", "json"])
def test_recipients_may_be_anything(form: Any) -> None:
    """Characters that patterns know mean themselves; one without a local part hides nothing."""
    for recipient in ("a.*@a.test", "@a.test", "postmaster", "(+@a.test", "\\@a.test"):
        line = form_of(Style(form, SECRET))(event("{recipient}: {reply}", recipient=recipient, reply="250 abc OK"))
        assert "250 abc OK" in line


def test_the_secret_is_kept(tmp_path: Path) -> None:
    """It is made once, for the owner alone; what is no secret is told, with what to do."""
    path = tmp_path / "log.secret"
    first = kept_secret(path, KEY_SIZE)

    assert kept_secret(path, KEY_SIZE) == first
    assert len(first) == KEY_SIZE
    assert path.stat().st_mode & 0o777 == 0o600
    path.write_bytes(b"short")
    with pytest.raises(OSError, match="delete it"):
        kept_secret(path, KEY_SIZE)
