"""Sessions that are held twice: for real, and as a dry run."""

from __future__ import annotations

import base64
import json
import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from explained_site import ANN, BOB, PASSWORD
from running_site import RunningSite, environment
from typist import Typist

from twistedmail_mta.control.client import ControlClient
from twistedmail_mta.explain.question import Question


@dataclass(frozen=True)
class Situation:
    """A session."""

    to: tuple[str, ...]
    sender: str = "eve@else.test"
    listener: str = "mx"
    ip: str = "127.0.0.1"
    helo: str = "client.test"
    account: str | None = None
    tls: bool = False
    text: str | None = None
    size: int | None = None

    @property
    def question(self) -> Question:
        data = None if self.text is None else self.text.encode()
        return Question(
            self.to, self.sender, self.listener, self.ip, self.helo, self.tls, self.account, self.size, data
        )  # fmt: skip


def message(subject: str = "hello", body: str = "text", author: str = ANN) -> str:
    return f"From: {author}\r\nSubject: {subject}\r\n\r\n{body}\r\n"


SUBMITTED: dict[str, Any] = {"listener": "submission", "account": ANN, "sender": ANN}

SITUATIONS = [
    Situation((ANN,)),
    Situation((ANN,), text=message()),
    Situation((ANN, "nobody@example.org", "joe@else.test")),
    Situation(("joe@else.test",)),
    Situation(("user%else.test@example.org",)),
    Situation(("both@example.org",), text=message()),
    Situation(("loop@example.org",)),
    Situation(("gone@example.org",)),
    Situation((BOB,)),
    Situation(("postmaster",)),
    Situation(("postmaster@example.org",)),
    Situation(("x@any.test",)),
    Situation(("joe@else.test",), ip="127.8.8.8"),
    Situation((ANN,), ip="127.9.9.9"),
    Situation((ANN,), ip="127.1.1.1"),
    Situation((ANN,), helo="bad.test"),
    Situation((ANN,), sender="later@else.test"),
    Situation(("hermit@any.test",)),
    Situation(("broken@any.test",)),
    Situation((ANN,), text=message(subject="bad")),
    Situation((ANN,), text=message(body="a virus")),
    Situation((ANN,), text=message(body="an offer")),
    Situation((ANN,), text=message().replace("\r\n\r\n", "\r\n" + "Received: x\r\n" * 200 + "\r\n", 1)),
    Situation((ANN,), size=1 << 40),
    Situation((ANN,), tls=True),
    Situation((ANN,), sender="no address"),
    Situation((ANN,), sender="", text=message()),
    Situation((ANN,), account=ANN, tls=True),
    Situation((ANN,), listener="submission"),
    Situation(("joe@else.test",), **SUBMITTED, text=message()),
    Situation(("joe@else.test",), **SUBMITTED, tls=True, text=message()),
    Situation(("joe@else.test",), **(SUBMITTED | {"listener": "submissions"}), text=message()),
    Situation(("joe@else.test",), **(SUBMITTED | {"account": BOB}), tls=True),
    Situation(("joe@else.test",), **(SUBMITTED | {"account": "none@example.org"}), tls=True),
    Situation(("joe@else.test",), **(SUBMITTED | {"sender": "eve@example.org"}), tls=True),
    Situation(("joe@else.test",), **SUBMITTED, tls=True, text=message(author="eve@example.org")),
    Situation(("joe@else.test",), **SUBMITTED, tls=True, text=message()),
    Situation(("joe@else.test",), **SUBMITTED, tls=True, text=message()),
    Situation((ANN, "both@example.org"), listener="local", text=message()),
    Situation(("x@any.test",), listener="local"),
]


def held(site: RunningSite, situation: Situation) -> list[str]:
    """Hold the session for real, as a client that goes on until it is refused; return the replies."""
    replies: list[str] = []
    with Typist(site.ports[situation.listener], source=situation.ip) as typist:
        if situation.listener == "submissions":
            typist.start_tls()

        def goes(line: str | None) -> bool:
            replies.append(typist.reply() if line is None else typist.type(line))
            return replies[-1][:1] in ("2", "3")

        hello = f"{'LHLO' if situation.listener == 'local' else 'EHLO'} {situation.helo}"
        lines: list[str | None] = [None, hello]
        if situation.tls and situation.listener != "submissions":
            lines += ["STARTTLS", hello]
        if situation.account is not None:
            plain = base64.b64encode(f"\0{situation.account}\0{PASSWORD}".encode()).decode()
            lines.append(f"AUTH PLAIN {plain}")
        size = "" if situation.size is None else f" SIZE={situation.size}"
        lines.append(f"MAIL FROM:<{situation.sender}>{size}")
        for line in lines:
            if not goes(line):
                return replies
            if line == "STARTTLS":
                typist.start_tls()
        taken = sum(goes(f"RCPT TO:<{each}>") for each in situation.to)
        if taken and situation.text is not None and goes("DATA"):
            typist.send(situation.text.encode() + b".\r\n")
            replies += [typist.reply() for _ in range(taken if situation.listener == "local" else 1)]
    return replies


def asked(site: RunningSite, question: Question) -> dict[str, Any]:
    """Ask the running server."""
    with ControlClient(site.state, 60) as client:
        return client.call("explain", question.as_object())


ASK = """
import json, sys
from twistedmail_mta.cli.explain_asking import answers_to
from twistedmail_mta.cli.site import Invocation
from twistedmail_mta.explain.question import question_of

questions = [question_of(each) for each in json.load(sys.stdin)]
print(json.dumps(answers_to(Invocation(sys.argv[1], as_json=True), questions)))
"""


def asked_stopped(site: RunningSite, questions: Sequence[Question]) -> list[dict[str, Any]]:
    """Ask a site that doesn't run, as the command does, but all at once: the reactor starts once in a process."""
    done = subprocess.run(
        [sys.executable, "-c", ASK, str(site.config)],
        input=json.dumps([each.as_object() for each in questions]),
        env=environment(),
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    answers: list[dict[str, Any]] = json.loads(done.stdout)
    return answers


def plain(replies: Sequence[str]) -> list[str]:
    """Return replies without what no two sessions share: ids, and the time of day."""
    times = [re.sub(r"in \d+ minutes?, at \d\d:\d\d", "in N minutes, at T", each) for each in replies]
    return [re.sub(r"queued as \S+", "queued as ID", each) for each in times]


def replies_of(answer: dict[str, Any]) -> list[str]:
    return [turn["reply"] for turn in answer["session"]["turns"]]
