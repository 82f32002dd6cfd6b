"""`mta metrics`: what the server has counted, as Prometheus reads it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from twistedmail_mta.cli.offline import ImmediateDatabase, finished
from twistedmail_mta.cli.site import Invocation, pass_invocation, print_json
from twistedmail_mta.control.client import tell

if TYPE_CHECKING:
    from twistedmail_mta.observe.catalogue import Reading


@click.command()
@pass_invocation
def metrics(invocation: Invocation) -> None:
    """Print what the server has counted, as Prometheus reads it.

    docs/metrics.md says what each means.  While no server runs there is only
    what files tell: the queue, the disk, certificates.
    """
    wanted = {"json": invocation.as_json}
    answer = tell(invocation.state_dir(), "metrics", wanted) or _without_server(invocation)
    if invocation.as_json:
        print_json({"metrics": answer["metrics"]})
    else:
        click.echo(answer["text"], nl=False)


def _without_server(invocation: Invocation) -> dict[str, object]:
    from twistedmail_mta.observe.exposition import json_of, text_of  # noqa: PLC0415 - a running server has made it

    readings = _readings(invocation)
    if invocation.as_json:
        return {"metrics": json_of(readings, process=False)}
    return {"text": text_of(readings, process=False).decode()}


def _readings(invocation: Invocation) -> list[Reading]:
    from twistedmail_mta.composition.measured_files import file_readings, queue_readings  # noqa: PLC0415 - likewise
    from twistedmail_mta.spool.census import take_census  # noqa: PLC0415 - likewise

    with invocation.database() as database:
        census = finished(take_census(ImmediateDatabase(database).read))
    now = time.time()
    return [*file_readings(invocation.chosen_site().site), *queue_readings(census, now, now)]
