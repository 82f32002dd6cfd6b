"""A site that doesn't run, made for questions alone: no port is bound, and nothing is written."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from twistedmail_mta.composition.parts import IReactorSite, Parts
from twistedmail_mta.config.endpoints import parse_endpoint
from twistedmail_mta.config.site import Site
from twistedmail_mta.explain.explaining import TOO_SLOW, explained_by
from twistedmail_mta.explain.question import Question, QuestionError
from twistedmail_mta.networks import address_of
from twistedmail_mta.store.files import DATABASE_NAME
from twistedmail_mta.store.scratch import Scratch


async def explained_stopped(
    reactor: IReactorSite, site: Site, questions: Iterable[Question]
) -> list[dict[str, Any]]:  # fmt: skip
    """Return what would happen for each question; see `explained`.  What can't be asked has an `error` instead.

    Args:
        reactor: drives it.
        site: what the site file says.
        questions: what is asked, one after another.

    Raises:
        DirectoryError: a domain stands in the site file and in the database.
        PluginError: a plugin can't be made, or can't start.
        SchemaError: the database isn't of this release.
        OSError: a file that the site file names can't be read.
        ValueError: it can't be understood.
    """
    scratch = Scratch(reactor, site.server.state_dir / DATABASE_NAME)
    parts = Parts(reactor, site, set(_own_addresses(site)), scratch)
    try:
        await parts.prepare()
        return [await _explained(parts, question) for question in questions]
    finally:
        await parts.close()


async def _explained(parts: Parts, question: Question) -> dict[str, Any]:
    try:
        return await explained_by(parts, question)
    except QuestionError as error:
        return {"error": str(error)}
    except TimeoutError:
        return {"error": TOO_SLOW}


def _own_addresses(site: Site) -> Iterator[str]:
    """Yield where the site would listen, as far as it says."""
    for table in site.listen.values():
        for text in table.endpoint:
            interface = parse_endpoint(text).arguments.get("interface", "")
            address = address_of(interface)
            if address is not None and not address.is_unspecified:
                yield interface
