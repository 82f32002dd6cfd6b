"""`mta plugin`: the plugins of a site; and a new one to begin with."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from importlib.util import find_spec
from keyword import iskeyword
from pathlib import Path
from typing import Any

import click

from twistedmail_mta.checks.finding import as_object, errors_of
from twistedmail_mta.cli.making import findings_of_plugins, grants_relaying, listeners_of, make_all
from twistedmail_mta.cli.plugin_template import FILES
from twistedmail_mta.cli.site import Invocation, pass_invocation, print_json, print_table
from twistedmail_mta.config.plugging import Found
from twistedmail_mta.config.site import Site
from twistedmail_mta.control.client import RefusedError, tell
from twistedmail_mta.plugin_record import Plugin
from twistedmail_mta.plugins import PluginError
from twistedmail_mta.stages import IRelayGrant, stages_of


@click.group()
def plugin() -> None:
    """Look at the plugins of the site, or begin a new one."""


@plugin.command("list")
@pass_invocation
def list_(invocation: Invocation) -> None:
    """List the plugins of the site file, in its order, and at which stages they act.

    Stages have the names of the methods that are called, as in the log. While the
    server runs, it is told how often each was asked, and has failed.
    """
    site = invocation.chosen_site().site
    items = list(_items(site, _counts(site)))
    if invocation.as_json:
        print_json(items)
        return
    rows = [
        [
            item["name"],
            item["use"],
            " ".join(item["stages"]) + _word(item["relay"]) or "(can't be made)",
            " ".join(item["listeners"]),
            f"{item['timeout']:g}s",
            item["on_error"],
            *_count_words(item["counts"]),
        ]
        for item in items
    ]
    heads = ["NAME", "USE", "STAGES", "LISTENERS", ">TIMEOUT", "ON ERROR", ">ASKED", ">FAILED"]
    print_table(heads, rows, "The site file has no plugins.")


def _counts(site: Site) -> Mapping[str, Any]:
    """Return what the running server has counted, by plugin; nothing where none runs, or doesn't say so to us."""
    with suppress(RefusedError):
        counted = tell(site.server.state_dir, "plugin.counts")
        if counted is not None:
            return dict(counted["plugins"])
    return {}


def _count_words(counts: Mapping[str, Any] | None) -> tuple[str, str]:
    if counts is None:
        return "-", "-"
    rests = " (rests)" if counts["rests"] else ""
    return str(sum(counts["calls"].values())), f"{counts['failures']}{rests}"


def _items(site: Site, counts: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for found, made in make_all(site):
        yield {
            "name": found.name,
            "use": found.table.use,
            "stages": _stages(made),
            "listeners": listeners_of(site, found.name),
            "timeout": found.kind.timeout if found.table.timeout is None else found.table.timeout,
            "on_error": _on_error(found),
            "may_send_anywhere": found.table.may_send_anywhere,
            "relay": _relay(site, found.name, made),
            "counts": counts.get(found.name),
        }


def _relay(site: Site, name: str, made: Plugin | PluginError) -> bool | None:
    """Return whether it may let strangers' mail be sent on; None for one that can't."""
    if isinstance(made, PluginError) or not IRelayGrant.providedBy(made.acts):
        return None
    return grants_relaying(site, name)


def _word(relay: bool | None) -> str:
    return " (not asked: not in relay.plugins)" if relay is False else ""


def _stages(made: Plugin | PluginError) -> list[str]:
    """Return the methods that are called; none of one that can't be made."""
    if isinstance(made, PluginError):
        return []
    return [method for stage in stages_of(made.acts) for method in stage.names()]


def _on_error(found: Found) -> str:
    return found.table.on_error or ("abstain" if found.kind.abstains else "refuse")


@plugin.command()
@pass_invocation
def check(invocation: Invocation) -> None:
    """Make each plugin as the server would, without starting it.

    Exit status 0: all can be made (there may be warnings); 1: one can't, or the
    site file can't be read.
    """
    chosen = invocation.chosen_site()
    findings = list(findings_of_plugins(chosen.site))
    refused = bool(errors_of(findings))
    if invocation.as_json:
        items = list(map(as_object, findings))
        print_json({"file": chosen.source and str(chosen.source), "ok": not refused, "findings": items})
    else:
        for finding in findings:
            click.echo(str(finding))
        click.echo(_verdict(len(chosen.site.found_plugins), refused=refused))
    sys.exit(1 if refused else 0)


def _verdict(count: int, *, refused: bool) -> str:
    if not count:
        return "The site file has no plugins."
    number = "The plugin" if count == 1 else f"All {count} plugins"
    return "The server won't start with these plugins." if refused else f"{number} can be used."


def _name(_: click.Context, __: click.Parameter, value: str) -> str:
    if not (value.isascii() and value.isidentifier() and value == value.lower()) or iskeyword(value):
        raise click.BadParameter("must be letters, digits and _, as the name of a module")
    if find_spec(value) is not None:
        raise click.BadParameter(f"Python has a module {value} already; choose another name")
    return value


@plugin.command()
@click.argument("name", metavar="NAME", callback=_name)
@click.option(
    "--folder",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    default=".",
    help="Where to write; the working directory.",
)
def new(name: str, folder: Path) -> None:
    """Write a plugin to begin with, NAME.py, and its test, test_NAME.py."""
    words = {"NAME": name, "CLASS": "".join(part.capitalize() for part in name.split("_"))}
    texts = {folder / _filled(file, words): _filled(text, words) for file, text in FILES.items()}
    for path in texts:
        if path.exists():
            raise click.ClickException(f"{path} exists already")
    for path, text in texts.items():
        path.write_text(text)
    for path in texts:
        click.echo(f"Wrote {path}.")
    click.echo(f"""
Try it:              pytest {list(texts)[1]}
In the site file:    plugin_path = ["{folder.resolve()}"]     # at the top
                     [plugins.{name}]
                     use = "{name}:{words["CLASS"]}"
and on a listener:   plugins = ["{name}"]""")


def _filled(text: str, words: dict[str, str]) -> str:
    for place, word in words.items():
        text = text.replace(f"@{place}@", word)
    return text
