"""`mta explain`: what is wrong with a question is said before anything is made ready for it."""

from __future__ import annotations

import pytest
from mta_command import Command


@pytest.mark.parametrize(
    "question",
    [
        ["send", "--to", "\udcff@example.org"],
        ["send", "--to", "ann@example.org", "--from", "\udcff@example.org"],
        ["send", "--to", "ann\r\n@example.org"],
        ["rcpt", "\udcff@example.org"],
        ["session", "--to", "ann@example.org", "--helo", "a\x1b[2J"],
    ],
)
def test_what_no_client_could_say(command: Command, question: list[str]) -> None:
    """Octets of the command line that are no text, and line ends: an error in words."""
    result = command("explain", *question)

    assert result.exit_code == 1
    assert "can't be said in a line of SMTP" in result.output
