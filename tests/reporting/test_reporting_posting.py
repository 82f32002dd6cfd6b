"""Reports that are posted: until a server takes them, or a day is over."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
from log_lines import said
from reporting_lab import DAY, TODAY, Kind, Lab, posts

from twistedmail_mta.errors import HTTPError
from twistedmail_mta.reporting import rows
from twistedmail_mta.reporting.posting import AT_ONCE
from twistedmail_mta.tasks import Promise, Task

URL = "https://reports.example.net/in?key=secret"


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    """Return daily reports of which one is to be posted."""
    kind = Kind()
    kind.days = {TODAY - 1: ["a.example"]}
    kind.answers["a.example"] = posts(URL)
    lab = Lab(tmp_path, kind)
    lab.look()
    return lab


@pytest.mark.parametrize("status", [200, 201, 204])
def test_taken(lab: Lab, status: int) -> None:
    """What a server takes is posted once."""
    lab.web.answers = [status]
    lab.post()
    lab.at += DAY
    lab.post()

    assert lab.web.posted == [(URL, {"Content-Type": "application/json"}, b"{}")]


@pytest.mark.parametrize("status", [400, 403, 404, 410, 413])
def test_refused(lab: Lab, status: int) -> None:
    """What a server refuses is not posted again."""
    lab.web.answers = [status]
    lab.post()
    lab.at += DAY
    lab.post()

    assert len(lab.web.posted) == 1


@pytest.mark.parametrize("trouble", [301, 307, 408, 429, 500, 503, HTTPError("TLS failed")])
def test_tried_again(lab: Lab, trouble: object) -> None:
    """Trouble may pass; a redirection isn't followed, but may go away."""
    lab.web.answers = [trouble]
    lab.post()
    lab.at += 299
    lab.post()
    early = len(lab.web.posted)
    lab.at += 1
    lab.post()
    lab.at += DAY
    lab.post()

    assert early == 1
    assert len(lab.web.posted) == 2


def test_ends(lab: Lab) -> None:
    """A server that is never there is left alone after a day, at longer and longer intervals (section 5.5)."""
    lab.web.answers = [503] * 1000
    tried_at = []
    for _ in range(3 * 288):
        before = len(lab.web.posted)
        lab.post()
        if len(lab.web.posted) > before:
            tried_at.append(lab.at)
        lab.at += 300

    gaps = [later - earlier for earlier, later in itertools.pairwise(tried_at)]
    assert gaps == [300 * 2**n for n in range(len(gaps))]
    assert 5 < len(tried_at) < 12
    assert tried_at[-1] - tried_at[0] <= DAY


def test_slow_servers(lab: Lab) -> None:
    """Servers that don't answer hold up nobody else's reports, and no more are asked at once than there may be."""
    slow: list[Promise[int]] = [Promise() for _ in range(AT_ONCE)]
    lab.web.answers = [*slow[1:], *[200] * 40]
    due(lab, *(f"https://r{n}.example.net/" for n in range(AT_ONCE + 10)))
    looking = Task("test", lab.posting.look())
    before_all = len(lab.web.posted)

    assert before_all == AT_ONCE + 11
    assert not looking.done
    for promise in slow[1:]:
        promise.resolve(200)
    assert looking.done
    assert len({url for url, _, _ in lab.web.posted}) == len(lab.web.posted)


def test_bounded(lab: Lab) -> None:
    """However many are due, only some are posted at once."""
    lab.web.answers = [Promise() for _ in range(100)]
    due(lab, *(f"https://r{n}.example.net/" for n in range(50)))
    Task("test", lab.posting.look())

    assert len(lab.web.posted) == AT_ONCE


def test_cancelled(lab: Lab) -> None:
    """The server's end waits for no server; what was being posted is posted again later, not at once."""
    lab.web.answers = [Promise(), Promise()]
    due(lab, "https://slow.example.net/")
    looking = Task("test", lab.posting.look())
    looking.cancel()
    ended = looking.done
    lab.restart()
    lab.post()
    at_once = len(lab.web.posted)
    lab.at += 300
    lab.post()

    assert ended
    assert (at_once, len(lab.web.posted)) == (2, 4)


def test_bug(lab: Lab) -> None:
    """A server that breaks the client is logged as a bug; it keeps nobody's report, and is left alone after a day."""
    lab.web.answers = [RuntimeError("bug"), 200, *[RuntimeError("bug")] * 100]
    due(lab, "https://other.example.net/")
    with said() as lines:
        lab.post()
    for _ in range(300):
        lab.at += 300
        lab.post()

    assert lines.count("failure") == 1
    assert [url for url, _, _ in lab.web.posted].count("https://other.example.net/") == 1
    assert len(lab.web.posted) < 12
    assert lab.rows.read(lambda tx: list(tx.execute("SELECT count(*) FROM report_post"))) == [(0,)]


def due(lab: Lab, *urls: str) -> None:
    """Let more be due."""
    lab.rows.write(lambda tx: rows.add_posts(tx, posts(*urls).posts, lab.at))


def test_died_meanwhile(lab: Lab) -> None:
    """Who dies while a report is posted doesn't post it again at once: it may have been taken."""
    lab.web.answers = [KeyboardInterrupt()]
    with pytest.raises(KeyboardInterrupt):
        lab.post()
    lab.restart()
    lab.post()
    at_once = len(lab.web.posted)
    lab.at += 300
    lab.post()

    assert (at_once, len(lab.web.posted)) == (1, 2)


def test_no_url(lab: Lab) -> None:
    """A URL that can't be one is given up at once."""
    lab.web.answers = [ValueError("no URL")]
    lab.post()
    lab.at += DAY
    lab.post()

    assert len(lab.web.posted) == 1
