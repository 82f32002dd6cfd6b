"""Values in the text of a new site file."""

from __future__ import annotations

import tomllib

import pytest

from twistedmail_mta.migrating.site_text import toml_value


@pytest.mark.parametrize(
    "text", ["plain ünï", 'a"b\\c', "tab\tline\r\n", "\x1b[2J\x7f", "\x9b2J", "\u202etxt", "\U000e0041"]
)
def test_values_command_no_terminal(text: str) -> None:
    """Whatever another server's files hold: a dry run prints it, and it is read as it was."""
    written = toml_value(text)

    assert written.isprintable()
    assert tomllib.loads(f"value = {written}") == {"value": text}
