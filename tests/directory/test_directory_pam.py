"""PAM: what its results mean, and the system's own libpam asked with real service files."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event
from typing import Any

import pytest
import pytest_twisted
from twisted.internet.task import Clock

from twistedmail_mta.config.checking import PAMTable
from twistedmail_mta.directory import pam as pam_module
from twistedmail_mta.directory.checkers import Question
from twistedmail_mta.directory.pam import PAMChecker
from twistedmail_mta.directory.replies import CANNOT_JUDGE
from twistedmail_mta.directory.throttle import LoginThrottle
from twistedmail_mta.errors import TemporaryError
from twistedmail_mta.tasks import Task

SERVICES = Path("/etc/pam.d")
TIM = "tim@example.org"


def checker(authenticate: Any = None, **keys: Any) -> PAMChecker:
    from twisted.internet import reactor  # noqa: PLC0415 - not at import

    table = PAMTable.model_validate({"use": "pam", **keys})
    return PAMChecker(reactor, table, LoginThrottle(Clock()), authenticate)


async def ask(checker: PAMChecker, password: str = "correct horse", name: str = TIM) -> bool | None:
    return await checker.check(Question(name, password, "192.0.2.1"))


@pytest_twisted.ensureDeferred
async def test_what_pam_is_asked() -> None:
    """It gets the whole address, or what stands before the @, and the password as it is."""
    asked: list[tuple[str, str, str]] = []

    def authenticate(*question: str) -> tuple[int, str]:
        asked.append(question)
        return 0, ""

    assert await ask(checker(authenticate), "pässwörd") is True
    assert await ask(checker(authenticate, user="local", domains=["example.org"], service="mail")) is True

    assert asked == [(TIM, "pässwörd", "mta"), ("tim", "correct horse", "mail")]


@pytest.mark.parametrize("result", range(32))
@pytest_twisted.ensureDeferred
async def test_results(result: int) -> None:
    """Success lets in, an unknown user is passed on, a refusal is a no; all else is trouble, never a no."""
    asking = ask(checker(lambda *_: (result, "because")))

    if result in {0, 6, 7, 8, 10, 11, 12, 13, 27}:
        assert await asking is {0: True, 10: None}.get(result, False)
    else:
        with pytest.raises(TemporaryError) as caught:
            await asking
        assert caught.value.reply == CANNOT_JUDGE


@pytest_twisted.ensureDeferred
async def test_modules_that_hang(monkeypatch: pytest.MonkeyPatch, events: list[dict[str, Any]]) -> None:
    """Whoever waits is told in time; further questions are put off at once, and asked again when it works."""
    monkeypatch.setattr(pam_module, "BACKLOG", 1)
    gate = Event()
    slow = checker(lambda *_: (gate.wait(20) and 0, ""), timeout="50ms", connections=1)

    tasks = [Task("ask", ask(slow)) for _ in range(3)]
    for task in tasks:
        with pytest.raises(TemporaryError):
            await task
    assert "no answer within 0.05 seconds" in [
        event["reason"] for event in events if event.get("event") == "auth.pam.failed"
    ]

    gate.set()
    slow._threads.stop()


@pytest_twisted.ensureDeferred
async def test_lasting_trouble_is_told_now_and_then(events: list[dict[str, Any]]) -> None:
    """A service that is broken for all doesn't fill the log; another reason is told at once."""
    results = iter([(9, "no daemon")] * 5 + [(28, "no module")])
    broken = checker(lambda *_: next(results))

    for _ in range(6):
        with pytest.raises(TemporaryError):
            await ask(broken)

    told = [event["reason"] for event in events if event.get("event") == "auth.pam.failed"]
    assert told == ["no daemon", "no module"]


SCRIPT = """\
#!/bin/sh
word=$(tr -d '\\0')
[ "$PAM_USER" = tim@example.org ] && [ "$word" = "pässwörd x" ]
"""


@pytest.fixture
def service() -> Iterator[Callable[[str], str]]:
    """Return what makes a service of the system's PAM and names it; it is gone after the test."""
    if os.geteuid() != 0:
        pytest.skip("only root can make a service of PAM")
    made: list[Path] = []

    def make(rules: str) -> str:
        name = f"mta-test-{secrets.token_hex(4)}"
        made.append(SERVICES / name)
        made[-1].write_text(rules)
        return name

    SERVICES.mkdir(exist_ok=True)
    yield make
    for path in made:
        path.unlink()


@pytest_twisted.ensureDeferred
async def test_system_pam_gets_the_password(service: Callable[[str], str], tmp_path: Path) -> None:
    """Name and password reach a module of the real libpam, and its word counts."""
    script = tmp_path / "check"
    script.write_text(SCRIPT)
    script.chmod(0o755)
    real = checker(
        service=service(
            f"auth [success=1 default=ignore] pam_exec.so expose_authtok quiet {script}\n"
            "auth requisite pam_deny.so\n"
            "auth required pam_permit.so\n"
            "account required pam_permit.so\n"
        )
    )

    assert await ask(real, "pässwörd x") is True
    assert await ask(real, "pässwörd") is False
    assert await ask(real, "pässwörd x", "ann@example.org") is False
    real._threads.stop()


@pytest.mark.parametrize(
    ("auth", "account", "verdict"),
    [
        ("pam_permit.so", "pam_permit.so", True),
        ("pam_deny.so", "pam_permit.so", False),
        ("pam_permit.so", "pam_deny.so", False),
        ("pam_unix.so nodelay", "pam_permit.so", None),
        ("pam_no_such_module.so", "pam_permit.so", "trouble"),
    ],
)
@pytest_twisted.ensureDeferred
async def test_system_pam(service: Callable[[str], str], auth: str, account: str, verdict: Any) -> None:
    """Authentication and account management both have a say; nobody gets in by a broken service."""
    real = checker(service=service(f"auth required {auth}\naccount required {account}\n"))

    try:
        found: Any = await ask(real)
    except TemporaryError:
        found = "trouble"

    assert found == verdict
    real._threads.stop()


@pytest_twisted.ensureDeferred
async def test_many_at_once(service: Callable[[str], str]) -> None:
    """Several threads ask the real libpam at the same time."""
    real = checker(service=service("auth required pam_permit.so\naccount required pam_permit.so\n"))

    tasks = [Task("ask", ask(real, f"password {number}")) for number in range(20)]

    assert [await task for task in tasks] == [True] * 20
    real._threads.stop()
