"""Shells complete commands, options and choices."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from mta_command import Command

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("typed", "found"),
    [
        (["quar"], {"quarantine"}),
        (["queue", "su"], {"summary", "suspend", "suspended"}),
        (["queue", "summary", "--b"], {"--by"}),
        (["queue", "summary", "--by", "l"], {"lane"}),
        (["--c"], {"--config"}),
        (["nothing"], set[str]()),
    ],
)
def test_bash(tmp_path: Path, typed: list[str], found: set[str]) -> None:
    """The script does it in a real bash, with the command that it calls."""
    command = tmp_path / "mta"
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -m twistedmail_mta.cli.main "$@"\n')
    command.chmod(0o755)
    script = f"""
        eval "$(mta completion bash)"
        COMP_WORDS=(mta {" ".join(typed)}); COMP_CWORD={len(typed)}
        _mta_completion mta "${{COMP_WORDS[COMP_CWORD]}}"
        printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    environment = os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}

    done = subprocess.run(
        ["bash", "-c", script], env=environment, capture_output=True, text=True, check=True, timeout=60
    )

    assert set(done.stdout.split()) == found
    assert not done.stderr


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_other_shells(command: Command, shell: str) -> None:
    """Their scripts are there; where the shell is, it finds no fault with them."""
    script = command("completion", shell)

    assert script.exit_code == 0
    assert "_MTA_COMPLETE" in script.output
    if program := shutil.which(shell):
        subprocess.run([program, "-n"], input=script.output, text=True, check=True, timeout=60)


def test_another_shell(command: Command) -> None:
    """It is said which there are."""
    result = command("completion", "tcsh")

    assert result.exit_code == 2
    assert "'bash', 'zsh', 'fish'" in result.output
