"""What a running site does when it is told so through the control socket; `control` says what each means."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import asdict
from typing import Final

from twistedmail_mta.composition.measuring import Measuring
from twistedmail_mta.composition.parts import Parts
from twistedmail_mta.composition.reloading import Turns
from twistedmail_mta.config.problems import ConfigError
from twistedmail_mta.control.server import Command, CommandError
from twistedmail_mta.control.wire import Object
from twistedmail_mta.errors import TemporaryError
from twistedmail_mta.explain.explaining import TOO_SLOW, explained_by
from twistedmail_mta.explain.question import QuestionError, question_of
from twistedmail_mta.plugin_record import Plugin
from twistedmail_mta.plugins import PluginError
from twistedmail_mta.store.schema import SchemaError, UnusableDatabase
from twistedmail_mta.tasks import Cancelled
from twistedmail_mta.tls.certificates import CertificateError

MOST_EXPLAINING: Final = 4
"""Dry runs at once."""
MOST_LANES: Final = 50
"""Domains whose lanes can be asked for at once."""


class SiteCommands:
    """The commands of one site."""

    def __init__(
        self,
        parts: Callable[[], Parts | None],
        measuring: Callable[[], Measuring | None],
        readings: Turns,
        release: str,
        started_at: float,
    ) -> None:
        """Take commands.

        Args:
            parts: of the site; None while it starts.
            measuring: knows what was counted; None likewise.
            readings: of the site file.
            release: the version of the program.
            started_at: seconds since the epoch.
        """
        self._parts = parts
        self._measuring = measuring
        self._readings = readings
        self._release = release
        self._started_at = started_at
        self._explaining = 0

    @property
    def by_name(self) -> dict[str, Command]:
        """All of them."""
        return {
            "status": self._status,
            "queue.changed": self._queue_changed,
            "queue.look": self._look_at_queue,
            "queue.lanes": self._lanes_of,
            "directory.changed": self._directory_changed,
            "mailbox.changed": self._mailbox_changed,
            "history.flush": self._flush_history,
            "site.reload": self._reload_site,
            "acme.renew": self._renew_certificates,
            "plugin.ask": self._ask_plugin,
            "plugin.counts": self._count_plugins,
            "explain": self._explain,
            "metrics": self._tell_metrics,
            "site.figures": self._tell_figures,
        }

    async def _status(self, _: Object) -> Object:
        return {"release": self._release, "process": os.getpid(), "started_at": self._started_at}

    async def _queue_changed(self, arguments: Object) -> Object:
        """Hear what the `mta` command has done to the queue, and look at it at once."""
        recipients, wanted = arguments.get("recipients"), arguments.get("wanted")
        if (
            not isinstance(recipients, list)
            or not all(map(_names_recipient, recipients))
            or not isinstance(wanted, bool)
        ):
            raise CommandError("queue.changed needs recipients and wanted")
        if (parts := self._parts()) is not None:
            parts.note_wishes([tuple(each) for each in recipients], wanted=wanted)
        return {}

    async def _directory_changed(self, _: Object) -> Object:
        """Hear that the `mta` command has changed domains, accounts or aliases; they count once it is answered."""
        if (parts := self._parts()) is not None:
            await parts.directory_changed()
        return {}

    async def _look_at_queue(self, _: Object) -> Object:
        if (parts := self._parts()) is not None:
            parts.queue.look()
        return {}

    async def _lanes_of(self, arguments: Object) -> Object:
        domains = arguments.get("domains")
        if not isinstance(domains, list) or not all(isinstance(each, str) for each in domains):
            raise CommandError("queue.lanes needs domains")
        if len(domains) > MOST_LANES:
            raise CommandError(f"queue.lanes takes {MOST_LANES} domains at once")
        parts = self._parts()
        return {"lanes": {} if parts is None else await parts.lanes_of(domains)}

    async def _mailbox_changed(self, arguments: Object) -> Object:
        mailbox, sequence = arguments.get("mailbox"), arguments.get("sequence")
        if not isinstance(mailbox, int) or not isinstance(sequence, int):
            raise CommandError("mailbox.changed needs mailbox and sequence")
        if (parts := self._parts()) is not None:
            parts.mailboxes.look(mailbox, sequence)
        return {}

    async def _flush_history(self, _: Object) -> Object:
        """Write what is known of mail until now, so that `mta trace` finds it."""
        if (parts := self._parts()) is not None:
            await parts.history.recorder.flushed()
        return {}

    async def _ask_plugin(self, arguments: Object) -> Object:
        name, question = arguments.get("plugin"), arguments.get("question")
        if not isinstance(name, str) or not isinstance(question, dict):
            raise CommandError("plugin.ask needs plugin and question")
        parts = self._parts()
        if parts is None:
            raise CommandError("the server is still starting")
        try:
            return dict(await parts.plugins.ask(name, question))
        except (PluginError, TimeoutError) as error:
            raise CommandError(str(error)) from error

    async def _count_plugins(self, _: Object) -> Object:
        parts = self._parts()
        return {"plugins": {} if parts is None else {each.name: _counts(each) for each in parts.plugins.running}}

    async def _renew_certificates(self, arguments: Object) -> Object:
        names = arguments.get("names")
        parts = self._parts()
        if parts is None:
            raise CommandError("the server is still starting")
        if not isinstance(names, list) or not set(names) <= set(parts.site.acme_names):
            raise CommandError("acme.renew needs names, of those that the server has read in [acme]")
        try:
            new_key = arguments.get("new_key") is True
            return {"attempts": [asdict(each) for each in await parts.renewals.renew(names, new_key=new_key)]}
        except (OSError, CertificateError) as error:
            raise CommandError(str(error)) from error

    async def _explain(self, arguments: Object) -> Object:
        """Say what would happen in a session; nothing does."""
        parts = self._parts()
        if parts is None:
            raise CommandError("the server is still starting")
        if self._explaining >= MOST_EXPLAINING:
            raise CommandError(f"{MOST_EXPLAINING} dry runs are under way; please try again")
        self._explaining += 1
        try:
            return await explained_by(parts, question_of(arguments))
        except TimeoutError:
            raise CommandError(TOO_SLOW) from None
        except (QuestionError, PluginError, SchemaError, UnusableDatabase) as error:
            raise CommandError(str(error)) from error
        finally:
            self._explaining -= 1

    async def _tell_metrics(self, arguments: Object) -> Object:
        measuring = self._measuring()
        if measuring is None:
            raise CommandError("the server is still starting")
        try:
            if arguments.get("json") is True:
                return {"metrics": await measuring.json()}
            return {"text": (await measuring.text()).decode()}
        except TemporaryError as error:
            raise CommandError(str(error)) from error

    async def _tell_figures(self, arguments: Object) -> Object:
        measuring = self._measuring()
        if measuring is None or self._parts() is None:
            raise CommandError("the server is still starting")
        return await self._status(arguments) | measuring.figures.told()

    async def _reload_site(self, _: Object) -> Object:
        try:
            reloaded = await self._readings.ask()
        except ConfigError as error:
            return {"reloaded": False, "problems": [{"path": each.path, "text": each.text} for each in error.problems]}
        except Cancelled:
            raise CommandError("the server stops") from None
        return {"reloaded": True} | {name: list(keys) for name, keys in asdict(reloaded).items()}


def _counts(plugin: Plugin) -> Object:
    return {
        "calls": dict(plugin.calls),
        "failures": plugin.failures,
        "grants": plugin.grants,
        "rests": plugin.rests_until > 0,
    }


def _names_recipient(value: object) -> bool:
    """Return whether it is what `queue.changed` says of a recipient: message id, place, owner's id or None."""
    if not isinstance(value, list) or len(value) != 3:
        return False
    message, place, owner = value
    return isinstance(message, int) and isinstance(place, int) and isinstance(owner, int | None)
