"""Stands for a plugin in a dry run, and notes what that answers."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from zope.interface import alsoProvides

from twistedmail_mta.errors import MailError
from twistedmail_mta.model import Recipient, Reply, Via
from twistedmail_mta.plugin_record import Plugin
from twistedmail_mta.stages import GRANTS, POLICIES, ROUTING, Grant, Leaving, stages_of
from twistedmail_mta.tasks import Cancelled

_DECIDES: Final = frozenset(name for stage in (*POLICIES, *GRANTS, *ROUTING) for name in stage.names())
_MOST_TOLD: Final = 300
"""Letters of a change that are told."""


@dataclass(frozen=True, slots=True)
class Answered:
    """What a plugin answered.

    Attributes:
        plugin: what the site file calls it.
        stage: the method by which it was asked.
        about: the recipient that it was asked about; empty where it wasn't about one.
        answer: in words; empty where it had nothing to say.
    """

    plugin: str
    stage: str
    about: str
    answer: str


class Witness:
    """What acts in the place of a plugin: its answers are the plugin's."""

    def __init__(self, name: str, acts: Any, note: Callable[[Answered], None]) -> None:  # noqa: ANN401 - a plugin
        """Watch a plugin.

        Args:
            name: what the site file calls it.
            acts: the plugin.
            note: told of each answer.
        """
        self._name = name
        self._acts = acts
        self._note = note
        alsoProvides(self, *stages_of(acts))

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - the plugin's
        found = getattr(self._acts, name)
        return partial(self._ask, name, found) if name in _DECIDES else found

    async def _ask(self, stage: str, ask: Callable[..., Coroutine[Any, Any, Any]], *values: object) -> Any:  # noqa: ANN401 - its answer
        about = _about(values)
        try:
            answer = await ask(*values)
        except Cancelled:
            self._note(Answered(self._name, stage, about, "took too long"))
            raise
        except MailError as error:
            self._note(Answered(self._name, stage, about, str(error.reply)))
            raise
        except BaseException as error:
            self._note(Answered(self._name, stage, about, f"failed: {type(error).__name__}: {error}"))
            raise
        self._note(Answered(self._name, stage, about, _words(answer)))
        return answer


def watched(plugin: Plugin, note: Callable[[Answered], None]) -> Plugin:
    """Return a plugin whose answers are noted."""
    acts = Witness(plugin.name, plugin.acts, note)
    return Plugin(plugin.name, acts, plugin.timeout, plugin.abstains, plugin.may_send_anywhere)


def _about(values: Iterable[object]) -> str:
    for value in values:
        if isinstance(value, Recipient):
            return str(value.address)
        if isinstance(value, Leaving):
            return str(value.recipient)
    return ""


def _words(answer: object) -> str:
    match answer:
        case None | ():
            return ""
        case Reply():
            return str(answer)
        case Grant(reason):
            return f"may be sent on: {reason}"
        case Via(via, tls):
            return f"by way of {via}" + (f", TLS {tls}" if tls else "")
        case tuple() | list():
            return "; ".join(f"{each!r:.{_MOST_TOLD}}" for each in answer)
        case _:
            return f"{answer!r:.{_MOST_TOLD}}"
