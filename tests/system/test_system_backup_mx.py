"""Which recipients a backup MX takes: those the next hop knows, those a file lists, or any."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from mail_sink import Sink, running_sink
from running_site import RunningSite, wait_until
from typist import Typist


class Primary:
    """What the next hop is asked, and whom it refuses."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def answer(self, line: str) -> str | None:
        self.asked.append(line)
        return "550 5.1.1 who?" if line.upper().startswith("RCPT TO:<NOBODY@") else None

    def count(self, start: str) -> int:
        return sum(line.startswith(start) for line in self.asked)


@pytest.fixture
def primary() -> Primary:
    return Primary()


@pytest.fixture
def sink(primary: Primary) -> Iterator[Sink]:
    with running_sink(answer=primary.answer) as sink:
        yield sink


@pytest.fixture
def site(directory: Path, sink: Sink) -> Iterator[RunningSite]:
    """A backup MX of one domain of each kind, and of one whose next hop is down."""
    directory.mkdir()
    (directory / "known").write_text("# who there is\nann@file.test\n")
    kinds = {"callout.test": "callout", "file.test": f"file:{directory / 'known'}", "any.test": "any"}
    tables = "".join(
        f'[domains."{name}"]\nrelay_to = "smtp://127.0.0.1:{sink.port}"\nrecipients = "{kind}"\n'
        for name, kind in kinds.items()
    )
    down = '[domains."down.test"]\nrelay_to = "smtp://127.0.0.1:9"\nrecipients = "callout"\n'
    site = RunningSite(directory, tables + down).start()
    yield site
    assert site.stop() == 0
    assert "Traceback" not in site.log


def replies(site: RunningSite, *recipients: str) -> list[str]:
    """Return the first words of the answers to RCPT, without handing in a message."""
    with Typist(site.ports["mx"]) as typist:
        typist.reply()
        typist.type("EHLO client.test")
        typist.type("MAIL FROM:<carol@stranger.test>")
        return [" ".join(typist.type(f"RCPT TO:<{recipient}>").split()[:2]) for recipient in recipients]


def test_callout(site: RunningSite, primary: Primary) -> None:
    """The next hop is asked with the null sender and without a message, once for each; both answers are remembered."""
    for _ in range(2):
        assert replies(site, "ann@callout.test", "nobody@callout.test") == ["250 2.1.5", "550 5.1.1"]

    assert primary.count("RCPT TO:<ann@") == primary.count("RCPT TO:<nobody@") == 1
    assert primary.count("MAIL FROM:<>") == 2
    assert primary.count("DATA") == 0


def test_callout_to_a_host_that_is_down(site: RunningSite) -> None:
    """That is what a backup is for: mail is taken."""
    assert replies(site, "ann@down.test", "nobody@down.test") == ["250 2.1.5", "250 2.1.5"]


def test_file(site: RunningSite, directory: Path, primary: Primary) -> None:
    """Whom the file lists, and postmaster; a new list counts from SIGHUP on; nobody else is asked."""
    assert replies(site, "Ann@file.test", "bob@file.test", "postmaster@file.test") == [
        "250 2.1.5",
        "550 5.1.1",
        "250 2.1.5",
    ]

    (directory / "known").write_text("bob@file.test\n")
    site.send_signal(signal.SIGHUP)

    wait_until(lambda: replies(site, "ann@file.test", "bob@file.test") == ["550 5.1.1", "250 2.1.5"])
    assert primary.count("RCPT") == 0


def test_any(site: RunningSite, primary: Primary) -> None:
    """All are taken, and nobody is asked."""
    assert replies(site, "ann@any.test", "nobody@any.test") == ["250 2.1.5", "250 2.1.5"]
    assert primary.count("RCPT") == 0


def test_other_domains(site: RunningSite) -> None:
    """A backup MX of some is no relay for others, nor for what lies below them."""
    assert replies(site, "ann@elsewhere.test", "ann@sub.any.test", "ann%elsewhere.test@any.test") == ["550 5.7.1"] * 3
