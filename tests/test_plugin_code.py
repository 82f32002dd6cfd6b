"""Modules of plugin_path are imported anew when they have changed, and only then; those before live on."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from threading import Thread
from types import ModuleType

import pytest

from twistedmail_mta.plugin_code import bring_back, code_of, first_in, forget_changed


@pytest.fixture(autouse=True)
def clean() -> Iterator[None]:
    """Nothing of one test is left to the next."""
    yield
    forget_changed([])


class Folder:
    """A folder of modules."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir(exist_ok=True)

    def write(self, name: str, text: str) -> None:
        file = self.path / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(text)

    def load(self, name: str, *others: Folder) -> ModuleType:
        """Read as the site file is read: what has changed is forgotten first."""
        path = [self.path, *(other.path for other in others)]
        forget_changed(path)
        with first_in(path):
            return importlib.import_module(name)


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """A folder that a site file names."""
    return Folder(tmp_path / "plugins")


def test_an_edited_module(folder: Folder) -> None:
    """The new text runs although file time and size are the same; what was made of the old one has the old."""
    folder.write("pc_one.py", "def answer(): return WORD\nWORD = 'old'\n")
    old = folder.load("pc_one")
    folder.write("pc_one.py", "def answer(): return WORD\nWORD = 'new'\n")

    new = folder.load("pc_one")

    assert (old.answer(), new.answer()) == ("old", "new")
    assert sys.modules["pc_one"] is new


def test_nothing_has_changed(folder: Folder) -> None:
    """A second reading finds the same modules, also when a file was written with the same text."""
    folder.write("pc_one.py", "import pc_two\n")
    folder.write("pc_two.py", "")
    first = folder.load("pc_one")
    folder.write("pc_two.py", "")

    assert folder.load("pc_one") is first
    assert forget_changed([folder.path]) == {}


def test_what_a_module_consists_of(folder: Folder) -> None:
    """Its code is its own and what it imports, however; a change there is a change of it, and of nobody else."""
    folder.write("pc_one.py", "def later():\n    from pc_kit import deep\n")
    folder.write("pc_two.py", "import importlib\nhelper = importlib.import_module('pc_helper')\n")
    folder.write("pc_helper.py", "value = 1\n")
    folder.write("pc_kit/__init__.py", "")
    folder.write("pc_kit/deep.py", "from . import deeper\n")
    folder.write("pc_kit/deeper.py", "value = 1\n")

    def codes() -> tuple[dict[str, str], dict[str, str]]:
        for name in ("pc_one", "pc_two", "pc_kit.deep"):
            folder.load(name)
        return dict(code_of("pc_one")), dict(code_of("pc_two"))

    one, two = codes()
    assert one.keys() == {"pc_one", "pc_kit", "pc_kit.deep", "pc_kit.deeper"}
    assert two.keys() == {"pc_two", "pc_helper"}
    folder.write("pc_helper.py", "value = 2\n")
    assert codes()[0] == one
    assert codes()[1] != two
    two = codes()[1]
    folder.write("pc_kit/deeper.py", "value = 2\n")
    assert codes()[0] != one
    assert codes()[1] == two


def test_what_was_forgotten_is_brought_back(folder: Folder) -> None:
    """After a text that can't be imported the modules of before are known again."""
    folder.write("pc_one.py", "")
    folder.write("pc_two.py", "")
    before = folder.load("pc_one"), folder.load("pc_two")
    folder.write("pc_two.py", "def broken(:")

    forgotten = forget_changed([folder.path])
    with first_in([folder.path]):
        importlib.import_module("pc_one")
        with pytest.raises(SyntaxError):
            importlib.import_module("pc_two")
    bring_back(forgotten)

    assert (sys.modules["pc_one"], sys.modules["pc_two"]) == before


def test_another_folder_comes_first(folder: Folder, tmp_path: Path) -> None:
    """A module of the same name that is found before it takes its place."""
    other = Folder(tmp_path / "other")
    folder.write("pc_one.py", "place = 'folder'\n")
    assert folder.load("pc_one", other).place == "folder"
    other.write("pc_one.py", "place = 'other'\n")

    assert other.load("pc_one", folder).place == "other"


def test_a_module_that_is_gone(folder: Folder) -> None:
    """It isn't known any more."""
    folder.write("pc_one.py", "")
    folder.load("pc_one")
    (folder.path / "pc_one.py").unlink()

    with pytest.raises(ModuleNotFoundError):
        folder.load("pc_one")


def test_other_threads_import_as_ever(folder: Folder) -> None:
    """What the rest of the program imports meanwhile isn't looked for among plugins."""
    folder.write("pc_one.py", "")
    seen: list[object] = []

    def look() -> None:
        try:
            seen.append(importlib.import_module("pc_one"))
        except ModuleNotFoundError as error:
            seen.append(error.name)

    with first_in([folder.path]):
        thread = Thread(target=look)
        thread.start()
        thread.join()

    assert seen == ["pc_one"]
    assert folder.load("pc_one").__name__ == "pc_one"


def test_folders_without_init(folder: Folder) -> None:
    """They are packages where there is no other of the name, and hide none that is installed."""
    folder.write("pc_space/one.py", "value = 1\n")
    folder.write("twisted/one.py", "")

    assert folder.load("pc_space.one").value == 1
    with pytest.raises(ModuleNotFoundError):
        folder.load("twisted.one")
    folder.write("pc_space/one.py", "value = 2\n")
    assert folder.load("pc_space.one").value == 2
