"""`mta headers`: on a screen of whatever width, in a pipe, as JSON; without a site file."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from running_site import environment

from twistedmail_mta.cli.headers_text import bar, delay_text
from twistedmail_mta.cli.main import mta

MESSAGE = """\
Authentication-Results: mx.example.org; spf=pass smtp.mailfrom=ann@example.com; dkim=pass header.d=example.com
Received: from mail.example.com (mail.example.com. [192.0.2.1])
        by mx.example.org with ESMTPS id x1
        (version=TLS1_3 cipher=TLS_AES_128_GCM_SHA256 bits=128/128);
        Mon, 30 Nov 2026 03:05:05 -0800 (PST)
Received: from [10.0.0.5] (helo=lap\x1btop)
\tby mail.example.com with esmtpsa (Exim 4.96) id 1; Mon, 30 Nov 2026 12:05:09 +0100
From: Ann <ann@example.com>
Subject: Hello
Date: Mon, 30 Nov 2026 12:04:00 +0100

text
"""


def headers(text: str | bytes, *options: str) -> Result:
    octets = text.encode() if isinstance(text, str) else text
    return CliRunner().invoke(mta, ["headers", "-", *options], input=octets)


def test_in_a_pipe() -> None:
    """A line for each hop, however long; what is wrong and what was found below."""
    result = headers(MESSAGE)
    assert result.exit_code == 0
    lines = result.output.splitlines()
    (first,) = [line for line in lines if line.lstrip().startswith("1 ")]
    assert "1 min 9 s" in first
    assert "lap\ufffdtop [10.0.0.5]" in first
    assert first.rstrip().endswith("esmtpsa, Exim 4.96")
    (second,) = [line for line in lines if line.lstrip().startswith("2 ")]
    assert "-4 s" in second
    assert second.rstrip().endswith("ESMTPS, TLS 1.3 TLS_AES_128_GCM_SHA256")
    assert "  hop 2, mx.example.org: 4 s before mail.example.com had it" in result.output
    assert "  mx.example.org: spf=pass smtp.mailfrom=ann@example.com; dkim=pass header.d=example.com" in result.output
    assert "\x1b" not in result.output


def test_json() -> None:
    """For programs: numbers, and names as RFC 8601 has them."""
    told = json.loads(headers(MESSAGE, "--json").stdout)
    assert [hop["delay"] for hop in told["hops"]] == [69, -4]
    assert told["hops"][1]["tls"] == "TLS 1.3 TLS_AES_128_GCM_SHA256"
    assert told["hops"][1]["clock"].startswith("4 s before")
    assert told["total"] == 65
    (said,) = told["authentication"]
    assert [(each["method"], each["result"]) for each in said["results"]] == [("spf", "pass"), ("dkim", "pass")]
    assert said["results"][0]["properties"] == {"smtp.mailfrom": "ann@example.com"}


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace(b"\n", b"\r\n"),
        lambda text: b"From ann@example.com Mon Nov 30 11:00:00 2026\n" + text,
        lambda text: b"\xef\xbb\xbf\n\n  " + text,
        lambda text: text.partition(b"\n\n")[0],
        lambda text: text + b"x" * (8 << 20),
    ],
    ids=["CRLF", "mbox", "pasted", "header alone", "large"],
)
def test_however_it_is_kept(change: object) -> None:
    """Line ends, an mbox's line, blanks of the clipboard, no body, a large one: the same is told."""
    plain, changed = headers(MESSAGE), headers(change(MESSAGE.encode()))  # type: ignore[operator]
    assert changed.output == plain.output


@pytest.mark.parametrize("text", ["", "\n", "hello\nworld\n", "\x00\x01\x02"])
def test_what_is_no_message(text: str) -> None:
    """Said in words, with a status."""
    result = headers(text)
    assert result.exit_code == 1
    assert "this is no message" in result.output


def test_without_hops() -> None:
    """A message that was never sent."""
    result = headers("Subject: x\n\n")
    assert result.exit_code == 0
    assert "It has no Received field" in result.output


@pytest.mark.parametrize("width", [30, 60, 80, 140])
def test_on_a_screen(tmp_path: Path, width: int) -> None:
    """No line is longer than the screen is wide, and everything is there."""
    (tmp_path / "mail.eml").write_text(MESSAGE)
    main, side = pty.openpty()
    subprocess.run(
        [sys.executable, "-m", "twistedmail_mta.cli.main", "headers", "mail.eml"],
        cwd=tmp_path, env=environment() | {"COLUMNS": str(width), "PYTHONIOENCODING": "utf-8", "NO_COLOR": "1"},
        stdin=side, stdout=side, stderr=side, check=True,
    )  # fmt: skip
    os.close(side)
    said = b""
    try:
        while block := os.read(main, 65536):
            said += block
    except OSError:
        pass  # the end of a terminal
    os.close(main)
    text = said.decode().replace("\x1b[1m", "").replace("\x1b[0m", "")
    assert max(map(len, text.splitlines())) <= width
    assert "mail.example.com" in text
    assert "\u2588" in text


def test_delays_in_words() -> None:
    """The two largest units."""
    words = [delay_text(seconds) for seconds in (None, 0, 3, -90, 3600, 3661, 90061, 600)]
    assert words == ["?", "0 s", "3 s", "-1 min 30 s", "1 h", "1 h 1 min", "1 d 1 h", "10 min"]


def test_bars() -> None:
    """As long as the delay beside the longest; even the shortest is seen, and nothing has none."""
    assert [len(bar(seconds, 100)) for seconds in (None, -5, 0, 1, 50, 100)] == [0, 0, 0, 1, 8, 16]


def test_json_commands_no_terminal() -> None:
    """What a stranger wrote stays what it was, but no octet of it reaches a screen that would be obeyed there."""
    evil = "\x1b[2J\x9b2J\x7f\u202e\u2066"
    output = headers(f"Received: from a by {evil}; Mon, 30 Nov 2026 12:05:09 +0100\nSubject: {evil}\n", "--json").stdout

    assert output.rstrip("\n").isprintable()
    assert json.loads(output)["fields"]["Subject"] == evil
