"""`mta test`, of a site that runs and of one that doesn't."""

from __future__ import annotations

import json
from pathlib import Path

from explained_site import PASSWORD
from running_site import CHECKOUT, RunningSite

from twistedmail_mta.config import trial

TESTS = """
[defaults]
from = "eve@else.test"
from_ip = "127.0.0.1"

[[test]]
name = "no open relay"
to = "x@gmail.com"
expect = { reply = "550 5.7.1", accepted = false }

[[test]]
name = "a forward"
to = "both@example.org"
send = true
expect.reply = "250 2.0.0"
expect.aliases = ["both@example.org"]
expect.mailbox = "ann@example.org"
expect.forwards = ["joe@else.test"]
expect.rule = "mx"
expect.host = ["mx1.else.test", "mx2.else.test"]
expect.tls = "opportunistic"
expect.sender = "SRS0=*@example.org"

[[test]]
name = "greylisting"
from_ip = "127.1.1.1"
to = "ann@example.org"
expect = { reply = "450", refused_by = "grey" }
"""
WRONG = """
[[test]]
name = "a forward that isn't"
from_ip = "127.0.0.1"
to = "both@example.org"
expect = { reply = "250", forwards = ["jo@else.test"], rule = "route[0]" }

[[test]]
name = "a listener that isn't"
to = "ann@example.org"
listener = "none"
expect.accepted = true
"""


def test_a_file_of_tests(either: RunningSite) -> None:
    """All is as expected, twice: the first time has taught nobody anything."""
    file = either.directory / "tests.toml"
    file.write_text(TESTS)
    for _ in range(2):
        done = either.mta("test", str(file), check=False)
        assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert done.stdout == (
        "ok      no open relay\nok      a forward\nok      greylisting\n3 passed, 0 failed\n"
    )  # fmt: skip
    found = json.loads(either.mta("test", str(file), "--json").stdout)
    assert (found["passed"], found["failed"]) == (3, 0)
    assert [each["reply"][:3] for each in found["tests"]] == ["550", "250", "450"]


def test_what_differs_is_said(either: RunningSite) -> None:
    """What was expected, what is, and how to look closer; one that can't be asked doesn't keep others from being."""
    file = either.directory / "wrong.toml"
    file.write_text(TESTS + WRONG)
    done = either.mta("test", str(file), check=False)
    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout.splitlines()[3:] == [
        "FAILED  a forward that isn't",
        "        forwards: expected jo@else.test, but found joe@else.test",
        "        rule: expected route[0], but found mx",
        "        the reply was 250 2.1.5 Recipient OK",
        (
            "        see: mta explain session --from-ip 127.0.0.1 --helo client.invalid --from eve@else.test "
            "--to both@example.org"
        ),
        "FAILED  a listener that isn't",
        (
            "        it can't be asked: no mail comes in by a listener 'none'; there are: mx, submission, "
            "submissions, local"
        ),
        (
            "        see: mta explain session --from-ip 127.0.0.1 --helo client.invalid --listener none "
            "--from eve@else.test --to ann@example.org"
        ),
        "3 passed, 2 failed",
    ]
    found = json.loads(either.mta("test", str(file), "--json", check=False).stdout)
    assert found["tests"][3]["differences"][1] == {"key": "rule", "expected": "route[0]", "found": "mx"}
    assert "no mail comes in" in found["tests"][4]["error"]


def test_a_file_that_cannot_be_used(either: RunningSite) -> None:
    """A sentence for each mistake, and nobody is asked anything."""
    file = either.directory / "bad.toml"
    file.write_text('[[test]]\nname = "1"\nto = "a@b.test"\nexpect.reply = 550\n')
    done = either.mta("test", str(file), check=False)
    assert done.returncode == 1
    assert done.stderr.endswith("  test[0].expect.reply: must be a text, in quotes\n")


def test_the_shipped_tests_pass_at_the_trial_site(tmp_path: Path) -> None:
    """As docs/operating.md has it, on the trial site once it was started."""
    site = RunningSite(tmp_path, listeners="")
    site.config.write_text(trial.TEXT)
    site.add_account(trial.ACCOUNT, PASSWORD)
    done = site.mta("test", str(CHECKOUT / "etc" / "mta-tests.toml"), check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.endswith("\n7 passed, 0 failed\n")
