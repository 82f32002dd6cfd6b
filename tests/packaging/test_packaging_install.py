"""The wheel, built and installed in a clean environment, and the checkout as it is."""

from __future__ import annotations

import os
import shutil
import site
import subprocess
import sys
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = ("setup.cfg", "pyproject.toml", "README.md", "LICENSE")
TWISTD = "from twisted.scripts.twistd import run; run()"


def run(folder: Path, *command: object, **environment: str) -> str:
    """Run a program that sees nothing of this checkout but what it is told."""
    inherited = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "MTA_CONFIG")}
    done = subprocess.run(
        [str(part) for part in command],
        cwd=folder,
        env=inherited | environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh environment with the wheel; its dependencies are those of this one, so that no network is needed."""
    folder = tmp_path_factory.mktemp("packaging")
    wheel = built_wheel(folder)
    venv.create(folder / "venv", with_pip=False, symlinks=True)
    python = folder / "venv" / "bin" / "python"
    (packages,) = (folder / "venv" / "lib").glob("python*/site-packages")
    (packages / "dependencies.pth").write_text("\n".join(site.getsitepackages()))
    run(folder, sys.executable, "-m", "pip", "-q", "--python", python, "install", "--no-index", "--no-deps",
        "--force-reinstall", wheel)  # fmt: skip
    return folder


def built_wheel(folder: Path) -> Path:
    source = folder / "source"
    for tree in ("twistedmail_mta", "plugins"):
        shutil.copytree(ROOT / tree, source / tree, ignore=shutil.ignore_patterns("__pycache__", "dropin.cache"))
    for name in SOURCES:
        if (ROOT / name).exists():
            shutil.copy(ROOT / name, source)
    options = ("--no-build-isolation", "--no-deps", "--no-index", "--wheel-dir", folder)
    run(source, sys.executable, "-m", "pip", "-q", "wheel", *options, ".")
    (wheel,) = folder.glob("*.whl")
    return wheel


def test_twistd_knows_the_installed_plugin(installed: Path) -> None:
    """`twistd --help` lists mta, and `twistd mta --help` its options."""
    python = installed / "venv" / "bin" / "python"

    assert "\n    mta " in run(installed, python, "-c", TWISTD, "--help")
    assert "--config=" in run(installed, python, "-c", TWISTD, "mta", "--help")


def test_installed_command(installed: Path) -> None:
    """`mta` is there, with its commands, its version and the migrations it needs."""
    mta = installed / "venv" / "bin" / "mta"

    listed = run(installed, mta, "--help")
    assert all(f"\n  {command} " in listed for command in ("account", "check", "queue"))
    assert run(installed, mta, "--version").startswith("mta, version ")
    assert "no trial site" not in run(installed, mta, "check")


def test_installed_package_is_the_wheels(installed: Path) -> None:
    """What was tried above is the installed copy, data files included."""
    python = installed / "venv" / "bin" / "python"
    script = (
        "import twistedmail_mta; from twistedmail_mta.store.schema import shipped_migrations;"
        "print(twistedmail_mta.__file__, len(shipped_migrations()))"
    )

    file, count = run(installed, python, "-c", script).split()

    assert Path(file).is_relative_to(installed / "venv")
    assert int(count) == len(list((ROOT / "twistedmail_mta" / "store" / "migrations").glob("*.sql")))


def test_installed_plugins(installed: Path) -> None:
    """Whoever looks for plugins sees those that ship, and the test kit is there for new ones."""
    python = installed / "venv" / "bin" / "python"
    script = (
        "from importlib.metadata import entry_points; import twistedmail_mta.testing.site;"
        "from twistedmail_mta.plugins import GROUP; from twistedmail_mta.shipped import SHIPPED;"
        "assert {point.name: point.value for point in entry_points(group=GROUP)} == SHIPPED; print('equal')"
    )

    assert run(installed, python, "-c", script) == "equal\n"


def test_twistd_knows_the_checkout(tmp_path: Path) -> None:
    """With the checkout and its plugins on PYTHONPATH nothing needs to be installed."""
    path = os.pathsep.join((str(ROOT / "plugins"), str(ROOT)))

    assert "\n    mta " in run(tmp_path, sys.executable, "-c", TWISTD, "--help", PYTHONPATH=path)


def test_plugin_imports_next_to_nothing(tmp_path: Path) -> None:
    """twistd imports it before it has chosen a reactor, and for every other plugin's user too."""
    script = (
        "import sys; from twisted.plugins import twistedmail_mta_plugin;"
        "print(sorted(name for name in sys.modules if name == 'twisted.internet.reactor'"
        " or name.split('.')[0] in ('twistedmail_mta', 'pydantic', 'OpenSSL', 'apsw')))"
    )

    loaded = run(tmp_path, sys.executable, "-c", script, PYTHONPATH=str(ROOT / "plugins"))

    assert loaded.strip() == "[]"
