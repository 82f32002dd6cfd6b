"""Users of the operating system; the tests that need root say so."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from twistedmail_mta.privileges import (
    PrivilegeError,
    acting_as,
    become,
    find_user,
    is_writable_for,
    running_user,
    unreadable_for,
)

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
NOBODY = "nobody"


def test_users_by_name() -> None:
    """One that isn't there is an error in words."""
    assert find_user("root").uid == 0
    with pytest.raises(PrivilegeError, match="there is no user no-such-user"):
        find_user("no-such-user")


def test_oneself_needs_no_change() -> None:
    """Becoming whom one is does nothing, whoever that is."""
    become(running_user())
    with acting_as(running_user()):
        assert os.geteuid() == running_user().uid


@as_root
def test_what_a_user_cannot_read() -> None:
    """Modes of the file and of every folder above it count."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        (closed := folder / "closed").mkdir(mode=0o700)
        paths = [folder / "open", folder / "mine", closed / "open", folder / "none"]
        for path, mode in zip(paths, (0o644, 0o600, 0o644), strict=False):
            path.touch()
            path.chmod(mode)

        assert unreadable_for(find_user(NOBODY), paths) == paths[1:]
        assert unreadable_for(running_user(), paths) == paths[3:]
        assert not is_writable_for(find_user(NOBODY), folder)
        assert os.geteuid() == 0


@as_root
def test_root_is_given_up_for_good() -> None:
    """Afterwards neither the user nor the groups can be had back."""
    script = (
        "import os; from twistedmail_mta.privileges import *; user = find_user('nobody'); become(user)\n"
        "print(os.getresuid() == (user.uid,) * 3, os.getresgid() == (user.gid,) * 3, 0 in os.getgroups())\n"
        "try: os.setuid(0)\n"
        "except PermissionError: print('gone')\n"
        "try: become(find_user('root'))\n"
        "except PrivilegeError as error: print(error)\n"
    )
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])}

    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True)

    assert done.stdout == "True True False\ngone\nonly root can become root\n"
