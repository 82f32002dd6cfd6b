"""Puts questions about mail to the running server, or to a site made for the moment where none runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, cast

import click

from twistedmail_mta.cli.reacting import waited_for
from twistedmail_mta.cli.site import Invocation
from twistedmail_mta.config.site import Site
from twistedmail_mta.control.client import ControlClient, NotRunningError, RefusedError
from twistedmail_mta.explain.question import Question

PATIENCE: Final = 120.0
"""Seconds for the running server's answer to one question; it gives up earlier."""


def answers_to(invocation: Invocation, questions: Sequence[Question]) -> list[dict[str, Any]]:
    """Return the answer to each question; what can't be asked has an `error` instead.

    Args:
        invocation: says which site.
        questions: what is asked, in order.

    Raises:
        RefusedError: a server runs and doesn't answer.
    """
    from twistedmail_mta.store.owner import act_as_owner_of  # noqa: PLC0415 - `mta --help` doesn't wait for it

    site = invocation.chosen_site().site
    if site.server.state_dir.is_dir():
        act_as_owner_of(site.server.state_dir)
    try:
        with ControlClient(site.server.state_dir, PATIENCE) as client:
            return [_asked(client, question) for question in questions]
    except NotRunningError:
        return _answered_here(site, questions)


def _asked(client: ControlClient, question: Question) -> dict[str, Any]:
    try:
        return client.call("explain", question.as_object())
    except RefusedError as error:
        return {"error": str(error)}


def _answered_here(site: Site, questions: Sequence[Question]) -> list[dict[str, Any]]:
    from twisted.logger import globalLogBeginner  # noqa: PLC0415 - only here

    from twistedmail_mta.composition.parts import IReactorSite  # noqa: PLC0415 - the whole server: only where none runs
    from twistedmail_mta.explain.stopped import explained_stopped  # noqa: PLC0415 - likewise
    from twistedmail_mta.tls.certificates import CertificateError  # noqa: PLC0415 - likewise

    globalLogBeginner.beginLoggingTo([], discardBuffer=True, redirectStandardIO=False)  # the answer says it all
    try:
        return waited_for(lambda reactor: explained_stopped(cast(IReactorSite, reactor), site, questions))
    except (CertificateError, ValueError) as error:  # what the server wouldn't start with, either
        raise click.ClickException(str(error)) from error
