"""`mta completion`: what a shell needs to complete the commands, options and choices of `mta`."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from twistedmail_mta.cli.main import NAME

_SHELLS = ("bash", "zsh", "fish")
_VARIABLE = f"_{NAME.upper()}_COMPLETE"
"""What a shell sets to ask."""


@click.command()
@click.argument("shell", type=click.Choice(_SHELLS))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print the script that lets a shell complete `mta` commands.

    bash: mta completion bash > /etc/bash_completion.d/mta, or
    eval "$(mta completion bash)" in ~/.bashrc; zsh: the same eval in ~/.zshrc;
    fish: mta completion fish > ~/.config/fish/completions/mta.fish.
    """
    kind = get_completion_class(shell)
    assert kind is not None  # click knows all three
    click.echo(kind(context.find_root().command, {}, NAME, _VARIABLE).source())
