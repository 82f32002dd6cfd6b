"""Makes the plugins of a site as the server would, without starting them: to see whether that works."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any, NoReturn, cast

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from twistedmail_mta.checks.finding import Finding, Level
from twistedmail_mta.config.plugging import Found
from twistedmail_mta.config.problems import key_path
from twistedmail_mta.config.site import Site
from twistedmail_mta.plugin_record import Plugin
from twistedmail_mta.plugins import Kit, PluginError, table_prefix
from twistedmail_mta.policy.running import made, no_grant
from twistedmail_mta.stages import POLICIES, IRelayGrant, stages_of
from twistedmail_mta.store.owner import act_as_owner_of
from twistedmail_mta.tasks import TaskGroup


class _NotYet:
    """Stands for what a plugin may only use once it is started."""

    def __getattr__(self, name: str) -> Callable[..., NoReturn]:
        def refuse(*_: object, **__: object) -> NoReturn:
            raise RuntimeError(f"{name} is used before the plugin is started")

        if name.startswith("_"):
            raise AttributeError(name)
        return refuse


def make_all(site: Site) -> Iterator[tuple[Found, Plugin | PluginError]]:
    """Yield each plugin, or why it can't be made; acts as the owner of the state directory from here on."""
    if site.found_plugins and site.server.state_dir.exists():
        act_as_owner_of(site.server.state_dir)
    for found in site.found_plugins:
        try:
            yield found, made(found, _kit(found.name, site.server.hostname))
        except PluginError as error:
            yield found, error


def _kit(name: str, hostname: str) -> Kit:
    from twisted.internet import reactor  # noqa: PLC0415 - a plugin may look at it; it never runs

    nothing: Any = _NotYet()
    return Kit(
        name=name,
        hostname=hostname,
        clock=cast(IReactorTime, reactor),
        now=time.time,
        resolver=nothing,
        http=nothing,
        database=nothing,
        tasks=TaskGroup(),
        log=Logger(namespace=f"plugin.{name}"),
        prefix=table_prefix(name),
        _threads=nothing,
    )


def listeners_of(site: Site, name: str) -> list[str]:
    """Return the listeners that ask a plugin."""
    return [listener for listener, table in site.listen.items() if name in table.plugins]


def grants_relaying(site: Site, name: str) -> bool:
    """Return whether a plugin that can let strangers' mail be sent on may do so."""
    return name in site.relay.plugins


def _grants(site: Site, name: str, plugin: Plugin) -> Iterator[Finding]:
    """Yield where [relay] and what the plugin can do don't agree."""
    can, may = IRelayGrant.providedBy(plugin.acts), grants_relaying(site, name)
    if may and not can:
        path = key_path(("relay", "plugins", site.relay.plugins.index(name)))
        yield _finding("error", path, no_grant(name), f"take {name} out of relay.plugins")
    elif can and not may:
        text = "can let strangers' mail be sent on, and never does: relay.plugins doesn't name it"
        yield _finding(
            "warning", key_path(("plugins", name)), text, "name it there if that is wanted, else take it out"
        )


def _finding(level: Level, path: str, text: str, mend: str) -> Finding:
    return Finding(level, path, text, mend, "plugins")


def findings_of_plugins(site: Site) -> Iterator[Finding]:
    """Yield what keeps plugins from being used, and those that nobody asks."""
    relays = any(table.role == "mx" for table in site.listen.values())
    if site.relay.plugins and not relays:
        text = "are asked by nobody: only listeners of role mx ask whether to relay"
        yield _finding("warning", "relay.plugins", text, "add a listener of role mx, or take them out")
    for found, plugin in make_all(site):
        path = key_path(("plugins", found.name))
        if isinstance(plugin, PluginError):
            yield _finding(
                "error",
                path,
                str(plugin),
                "`mta plugin check` shows more; docs/policies.md has the options of what ships",
            )
            continue
        yield from _grants(site, found.name, plugin)
        if not listeners_of(site, found.name) and any(stage in POLICIES for stage in stages_of(plugin.acts)):
            yield _finding("warning", path, "is asked by no listener", "name it in the plugins of one")
