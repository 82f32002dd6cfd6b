"""A disk that really is full (a small tmpfs): refusals, urgent writes on the ballast, and the way back."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import json, os, sys
from pathlib import Path
sys.path[:0] = sys.argv[2:]
from hand_reactor import HandReactor
from twistedmail_mta.errors import TemporaryError
from twistedmail_mta.store.bodies import BodyStore
from twistedmail_mta.store.database import Database
from twistedmail_mta.store.files import DatabaseFiles
from twistedmail_mta.store.schema import Migration
from twistedmail_mta.tasks import WorkerPool

site, hand = Path(sys.argv[1]), HandReactor()
schema = (Migration(1, "0001.sql", "CREATE TABLE mail (id INTEGER PRIMARY KEY, body BLOB)"),)
database = Database(hand, DatabaseFiles(site / "mta.db", 1024 * 1024, 2 * 1024 * 1024, schema))
pool = WorkerPool(hand, "io", 2, 10)
bodies = BodyStore(pool, site / "bodies")
facts = {}

def insert(transaction):
    transaction.execute("INSERT INTO mail (body) VALUES (randomblob(20000))")

def count(transaction):
    return list(transaction.execute("SELECT count(*) FROM mail"))[0][0]

def is_whole(transaction):
    return list(transaction.execute("PRAGMA integrity_check"))[0][0]

# The disk fills up under the server; nothing looks at it in between.
database._space.look = lambda: None
kept = 0
try:
    while True:
        hand.wait(database.write(insert))
        kept += 1
except TemporaryError as error:
    facts["write"] = str(error.reply)
facts["no row lost or added"] = hand.wait(database.read(count)) == kept > 50
facts["refusal"] = str(database.refusal())

async def body():
    writer = bodies.writer()
    for _ in range(20):
        if writer.add(os.urandom(100_000)):
            await writer.flush()
    return await writer.finish()

try:
    hand.wait(body())
except TemporaryError as error:
    facts["body"] = str(error.reply)
hand.wait(bodies.close())
facts["bodies left"] = [path.name for path in (site / "bodies").rglob("*") if path.is_file()]

# Deletions get through: on the ballast, if the WAL needs it.
for number in range(1, kept + 1, 10):
    hand.wait(database.write(
        lambda t: list(t.execute("DELETE FROM mail WHERE id BETWEEN ? AND ?", (number, number + 9))), urgent=True))
facts["deleted"] = hand.wait(database.read(count)) == 0
facts["ballast used"] = not (site / "ballast").exists()

# What was deleted goes back to the disk, the ballast is restored, and mail is taken again.
del database._space.look
while database.refusal() is not None:
    hand.wait(database.read(count))
hand.wait(database.write(insert))
facts["ballast back"] = (site / "ballast").stat().st_size == 2 * 1024 * 1024
facts["whole"] = hand.wait(database.read(is_whole))
hand.wait(database.close())
pool.stop()
print(json.dumps(facts))
"""


def can_mount() -> bool:
    """Whether this user may mount a tmpfs of its own."""
    command = ["unshare", "-m", "mount", "-t", "tmpfs", "none", "/mnt"]
    return (
        shutil.which("unshare") is not None
        and subprocess.run(command, capture_output=True, check=False).returncode == 0
    )


@pytest.mark.skipif(not can_mount(), reason="a tmpfs can't be mounted here")
def test_a_full_disk(tmp_path: Path) -> None:
    """452 for what has no room, nothing half kept, deletions get through, and the server recovers by itself."""
    tests, tree = (str(Path(__file__).parents[level]) for level in (1, 2))
    mount = f'mount -t tmpfs -o size=8m,mode=700 none {tmp_path} && exec "$@"'
    program = [sys.executable, "-c", PROGRAM, str(tmp_path), tests, tree]
    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", mount, "sh", *program], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {
        "write": "452 4.3.1 Insufficient system storage",
        "no row lost or added": True,
        "refusal": "452 4.3.1 Insufficient system storage",
        "body": "452 4.3.1 Insufficient system storage",
        "bodies left": [],
        "deleted": True,
        "ballast used": True,
        "ballast back": True,
        "whole": "ok",
    }
