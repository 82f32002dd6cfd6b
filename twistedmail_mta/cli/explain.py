"""`mta explain`: what would happen to a mail, step by step, and why; nothing does."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar

import click

from twistedmail_mta.cli.explain_asking import answers_to
from twistedmail_mta.cli.explain_text import text_of
from twistedmail_mta.cli.site import Invocation, pass_invocation, print_json
from twistedmail_mta.explain.question import HELO, STRANGER, Question, QuestionError

F = TypeVar("F", bound=Callable[..., Any])

_NOTHING: Final = "Nothing was sent or accepted: this is a dry run."


def _options(*options: Callable[[F], F]) -> Callable[[F], F]:
    """Return one decorator for several options, shown in their order."""

    def add(function: F) -> F:
        for option in reversed(options):
            function = option(function)
        return function

    return add


_to = click.option("--to", "recipients", metavar="ADDRESS", multiple=True, required=True, help="To whom; repeatable.")
_sender = click.option("--from", "sender", metavar="ADDRESS", default="", help="From whom; else the null sender.")
_account = click.option("--account", metavar="ACCOUNT", help="Log in as that, without its password.")
_size = click.option("--size", type=click.IntRange(0), metavar="OCTETS", help="Announce a size.")
_client = _options(
    click.option("--from-ip", metavar="IP", default=STRANGER, show_default=True, help="Where the client is."),
    click.option("--helo", metavar="NAME", default=HELO, show_default=True, help="What it calls itself."),
    click.option("--listener", metavar="NAME", help="By which it comes in."),
)
_data = click.option(
    "--data", type=click.Path(exists=True, dir_okay=False, path_type=Path), metavar="FILE", help="The message."
)
_asks = _options(
    click.option("--callout", is_flag=True, help="Ask other hosts whether they know a recipient."),
    click.option("--daemons", is_flag=True, help="Ask plugins, too, whose daemons may learn from being asked."),
)


@click.group()
def explain() -> None:
    """Say what would happen to a mail, step by step, and why.

    The running server is asked, with all it knows at the moment; where none
    runs, the site is made ready for the question alone.  Nothing is accepted,
    sent, counted or learned, and no other mail server is called; the DNS is.
    The exit status is 0 if the mail would be accepted, and 1 if not.
    """


@explain.command()
@click.argument("address")
@_sender
@_account
@_size
@_client
@_asks
@pass_invocation
def rcpt(invocation: Invocation, /, address: str, **said: Any) -> None:  # noqa: ANN401 - the options
    """Say whether mail to ADDRESS would be taken, and where it would go."""
    _explain(invocation, {**said, "recipients": (address,)}, None)


@explain.command()
@_sender
@_to
@_account
@_size
@_data
@_client
@_asks
@pass_invocation
def send(invocation: Invocation, /, data: Path | None, **said: Any) -> None:  # noqa: ANN401 - the options
    """Say what would become of a message: a plain one, or that in --data.

    With --account a login submits it, else a stranger brings it.
    """
    from twistedmail_mta.explain.plain import plain_message  # noqa: PLC0415 - only here

    question = _question(said)  # what can't be said can't be written into a message, either
    octets = plain_message(question.sender, question.recipients, time.time()) if data is None else octets_of(data)
    _explain(invocation, said, octets)


@explain.command()
@_client
@click.option("--tls/--no-tls", default=None, help="Encrypt the connection; the default is: with --account only.")
@_account
@_sender
@_to
@_size
@_data
@_asks
@pass_invocation
def session(invocation: Invocation, /, data: Path | None, **said: Any) -> None:  # noqa: ANN401 - the options
    """Hold a whole session and show it; without --data it ends after RCPT."""
    _explain(invocation, said, None if data is None else octets_of(data))


def octets_of(file: Path) -> bytes:
    """Return a message in a file, with the line ends of the wire."""
    octets = file.read_bytes()
    return octets if b"\r\n" in octets else octets.replace(b"\n", b"\r\n")


def _explain(invocation: Invocation, said: dict[str, Any], data: bytes | None) -> None:
    (answer,) = answers_to(invocation, [_question(said, data)])
    if "error" in answer:
        raise click.ClickException(answer["error"])
    if invocation.as_json:
        print_json(answer)
    else:
        click.echo(text_of(answer))
        click.echo(_NOTHING)
    if not answer["accepted"]:
        raise SystemExit(1)


def _question(said: dict[str, Any], data: bytes | None = None) -> Question:
    try:
        return Question(**said, data=data)
    except QuestionError as error:
        raise click.ClickException(str(error)) from error
