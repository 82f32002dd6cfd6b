"""Reports that are posted: until a server takes them, or a day is over."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
from reporting_lab import DAY, TODAY, Kind, Lab, posts

from twistedmail_mta.errors import HTTPError

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
