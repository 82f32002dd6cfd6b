"""What plugins cost a small message: run it by hand, at a quiet time; needs smtp-source.

`python tests/bench/plugin_overhead.py SCRIPTS [RUNS [MESSAGES]] [--before CHECKOUT]`, where SCRIPTS is the folder of
the comparison's scripts, of which w1_accept.py is run: messages of 4 KB, a connection each, 10 sessions, into one
mailbox.

Three sites take turns: that of a CHECKOUT from before there were stages, such as `git archive COMMIT | tar -x -C
CHECKOUT` makes; one whose stages ask nobody; and one with five plugins that act at every stage and say nothing.
Processor time counts, the servers' own, and of all runs the median: empty stages may cost 5 % of what the first needs,
and five plugins 15 %.
"""

# ruff: noqa: E402, T201 - the path comes first; it prints

from __future__ import annotations

import argparse
import shutil
import statistics
import sys
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).resolve().parents[levels]) for levels in (1, 2)]

import running_site
from beside_dovecot import DOMAIN, PASSWORD, SITE, USER, scripts

SESSIONS = 10
SIZE = 4096
WARM_UP = 200
PLUGINS = 5
MX = 'endpoint = "tcp:0:interface=127.0.0.1"\nrole = "mx"\nlimits = { connections_per_client = 20000 }\n'
PLUGIN = """\
from twistedmail_mta import stages
from zope.interface import implementer

async def nothing(self, one): ...
async def nothing_of_two(self, one, two): ...
async def nothing_of_three(self, one, two, three): ...

@implementer(*stages.POLICIES, *stages.OBSERVERS)
class Silent:
    def __init__(self, options, kit): ...

for stage in (*stages.POLICIES, *stages.OBSERVERS):
    (method,) = stage.names()
    told = len(stage[method].getSignatureInfo()["positional"])
    setattr(Silent, method, (nothing, nothing_of_two, nothing_of_three)[told - 1])
"""


class Comparison:
    """The sites, one after the other, each with an empty state."""

    def __init__(self, folder: str, messages: int, before: Path | None) -> None:
        self._lib, self._w1 = scripts(folder, "benchlib", "w1_accept")
        self._messages = messages
        self._checkouts = {"empty": running_site.CHECKOUT, "five": running_site.CHECKOUT}
        if before is not None:
            self._checkouts = {"before": before.resolve(), **self._checkouts}

    @property
    def names(self) -> list[str]:
        """What is compared."""
        return list(self._checkouts)

    def run(self, name: str) -> float:
        """Return the milliseconds of processor time that a message took."""
        running_site.CHECKOUT = self._checkouts[name]
        site = self._site(name)
        site.start()
        try:
            site.add_account(USER, PASSWORD)
            assert site.process is not None
            tree = self._lib.Tree(pid=site.process.pid)
            self._accept(site, WARM_UP, tree)
            return float(self._accept(site, self._messages, tree)["cpu s/1000"])
        finally:
            site.stop()

    def _accept(self, site: running_site.RunningSite, count: int, tree: Any) -> Any:
        port = site.ports["mx"]
        return self._w1.once("127.0.0.1", port, USER, None, SESSIONS, count, SIZE, False, tree)

    def _site(self, name: str) -> running_site.RunningSite:
        directory = Path(self._lib.BENCH) / "plugins" / name
        shutil.rmtree(directory, ignore_errors=True)
        names = [f"silent{number}" for number in range(PLUGINS)] if name == "five" else []
        asked = f"plugins = {names}\n".replace("'", '"') if names else ""
        tables = "".join(f'[plugins.{each}]\nuse = "silent_plugin:Silent"\n' for each in names)
        site = running_site.RunningSite(directory, SITE + tables, f"[listen.mx]\n{asked}{MX}")
        if names:
            (directory / "silent_plugin.py").write_text(PLUGIN)
            site.config.write_text(f'plugin_path = ["."]\n{site.config.read_text()}')
        return site


def main() -> None:
    """Compare, and print what each needed and what it costs beside the one before it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scripts")
    parser.add_argument("runs", nargs="?", type=int, default=7)
    parser.add_argument("messages", nargs="?", type=int, default=2000)
    parser.add_argument("--before", type=Path)
    options = parser.parse_args()
    comparison = Comparison(options.scripts, options.messages, options.before)
    found: dict[str, list[float]] = {name: [] for name in comparison.names}
    for _ in range(options.runs):
        for name, times in found.items():
            times.append(comparison.run(name))
            print(f"{name:8} {times[-1]:6.3f} ms", flush=True)
    first = statistics.median(next(iter(found.values())))
    print(f"\nProcessor time of a message at {DOMAIN}, median of {options.runs} runs (least, most):")
    for name, times in found.items():
        middle = statistics.median(times)
        print(f"{name:8} {middle:6.3f} ms ({min(times):.3f}, {max(times):.3f})  {100 * (middle / first - 1):+5.1f} %")


if __name__ == "__main__":
    main()
