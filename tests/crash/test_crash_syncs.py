"""The system calls themselves: everything is synced before the result is handed over (strace)."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import os, sys
from pathlib import Path
sys.path[:0] = sys.argv[2:]
from hand_reactor import HandReactor
from twistedmail_mta.store.bodies import BodyStore
from twistedmail_mta.store.database import Database
from twistedmail_mta.store.files import DatabaseFiles
from twistedmail_mta.store.schema import Migration
from twistedmail_mta.tasks import WorkerPool

site, hand = Path(sys.argv[1]), HandReactor()
schema = (Migration(1, "0001.sql", "CREATE TABLE mail (file TEXT)"),)
database = Database(hand, DatabaseFiles(site / "mta.db", 0, 4096, schema))
pool = WorkerPool(hand, "io", 2, 10)
bodies = BodyStore(pool, site / "bodies")

async def accept():
    writer = bodies.writer()
    for _ in range(5):
        if writer.add(bytes(100_000)):
            await writer.flush()
    body = await writer.finish()
    await database.write(lambda tx: list(tx.execute("INSERT INTO mail VALUES (?)", (body.name,))))

os.write(1, b"begun")
hand.wait(accept())
os.write(1, b"acknowledged")
hand.wait(database.close())
pool.stop()
"""


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
def test_all_syncs_return_before_the_acknowledgement(tmp_path: Path) -> None:
    """Row, large file, its directory and that one's parent: each sync has returned when the caller goes on."""
    tests, tree = (str(Path(__file__).parents[level]) for level in (1, 2))
    trace = tmp_path / "trace"
    strace = ["strace", "-f", "-y", "-o", str(trace), "-e", "trace=fsync,fdatasync,write,pwrite64"]
    site = tmp_path / "site"
    site.mkdir()
    done = subprocess.run(
        [*strace, sys.executable, "-c", PROGRAM, str(site), tests, tree], capture_output=True, timeout=100, check=False
    )
    assert done.stdout == b"begunacknowledged", done.stderr

    returned = syncs_returned(trace.read_text(), between=("begun", "acknowledged"))

    assert f"{site}/mta.db-wal" in returned
    (hour,) = (site / "bodies").iterdir()
    (body,) = hour.iterdir()
    order = [returned.index(str(path)) for path in (site / "bodies", body, hour, site / "mta.db-wal")]
    assert order == sorted(order)


def syncs_returned(trace: str, between: tuple[str, str]) -> list[str]:
    """Return the paths of the syncs that returned with success between two marks, in order."""
    returned: list[str] = []
    unfinished: dict[str, str] = {}
    for line in trace.splitlines():
        process = line.split(maxsplit=1)[0]
        if f'"{between[0]}"' in line:
            returned.clear()
        elif f'"{between[1]}"' in line:
            return returned
        elif begun := re.search(r"f(?:data)?sync\(\d+<(.*)> <unfinished", line):
            unfinished[process] = begun[1]
        elif re.search(r"<\.\.\. f(?:data)?sync resumed>.*= 0$", line):
            returned.append(unfinished.pop(process))
        elif whole := re.search(r"f(?:data)?sync\(\d+<(.*)>\) += 0$", line):
            returned.append(whole[1])
    raise AssertionError("the trace has no end mark")
