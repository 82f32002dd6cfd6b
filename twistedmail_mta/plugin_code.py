"""The code of plugins in folders of the site's own: imported from its text, and anew when that has changed.

Modules that were imported before live on in whatever was made of them; the
names in `sys.modules` are those of the latest.
"""

from __future__ import annotations

import ast
import importlib
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from hashlib import sha256
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path
from threading import get_ident
from types import CodeType, ModuleType

Code = frozenset[tuple[str, str]]
"""Modules with the digests of their texts."""


class _Source(SourceFileLoader):
    """Compiles a module from its text, never from a cache: one that was edited twice in a second is told apart.

    Attributes:
        digest: of the text.
        imports: the names of what it imports, as far as they can be seen.
    """

    def __init__(self, name: str, path: str, running: list[_Source]) -> None:
        super().__init__(name, path)
        self.digest = ""
        self.imports: set[str] = set()
        self._running = running

    def get_code(self, fullname: str) -> CodeType:
        """Read and compile the text."""
        text = self.get_data(self.path)
        code = self.source_to_code(text, self.path)
        self.digest = _digest(text)
        package = fullname if self.is_package(fullname) else fullname.rpartition(".")[0]
        self.imports.update(_imports(ast.parse(text), package))
        return code

    def exec_module(self, module: ModuleType) -> None:
        """Run it; what is looked for meanwhile is looked for by it."""
        self._running.append(self)
        try:
            super().exec_module(module)
        finally:
            self._running.pop()

    def is_current(self, folders: Sequence[str]) -> bool:
        """Return whether importing it from these folders would bring the same."""
        if "." not in self.name:
            spec = PathFinder.find_spec(self.name, folders)
            if spec is None or spec.origin != self.path:
                return False
        try:
            return _digest(self.get_data(self.path)) == self.digest
        except OSError:
            return False


class _Finder(MetaPathFinder):
    """Looks into folders before all others; only for the thread that made it, since others import, too."""

    def __init__(self, folders: Sequence[str]) -> None:
        self._folders = folders
        self._thread = get_ident()
        self._running: list[_Source] = []

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None = None,
        target: ModuleType | None = None,  # noqa: ARG002 - as Python has it
    ) -> ModuleSpec | None:
        """Return where a module is, if it is in one of the folders."""
        if get_ident() != self._thread:
            return None
        places = [*self._folders] if path is None else [place for place in path if self._has(place)]
        spec = PathFinder.find_spec(fullname, places) if places else None
        if spec is None or (spec.loader is None and path is None and PathFinder.find_spec(fullname) is not None):
            return None  # a folder without __init__.py is a package only where there is no other
        if self._running:
            self._running[-1].imports.add(fullname)
        if type(spec.loader) is SourceFileLoader:
            spec.loader = _Source(spec.loader.name, spec.loader.path, self._running)
        return spec

    def _has(self, place: str) -> bool:
        return any(Path(place).is_relative_to(folder) for folder in self._folders)


@contextmanager
def first_in(path: Sequence[Path]) -> Iterator[None]:
    """Look for modules in these folders first."""
    importlib.invalidate_caches()
    finder = _Finder([str(folder) for folder in path])
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)


def forget_changed(path: Sequence[Path]) -> dict[str, ModuleType]:
    """Forget all modules of such folders if one has changed, so that they are imported anew and fit together.

    Args:
        path: the folders where they are looked for now.

    Returns:
        What was forgotten, for `bring_back`.
    """
    importlib.invalidate_caches()
    folders = [str(folder) for folder in path]
    modules = _loaded()
    if all(source.is_current(folders) for source in modules.values()):
        return {}
    return {name: sys.modules.pop(name) for name in modules}


def bring_back(modules: Mapping[str, ModuleType]) -> None:
    """Let modules that were forgotten be known again, instead of what was imported since."""
    if modules:
        for name in _loaded():
            del sys.modules[name]
        sys.modules.update(modules)


def code_of(name: str) -> Code:
    """Return what a module consists of: itself, and what it imports from such folders, however far away."""
    modules = _loaded()
    reached: set[str] = set()
    waiting = [name]
    while waiting:
        for each in _with_parents(waiting.pop()):
            if each in modules and each not in reached:
                reached.add(each)
                waiting += modules[each].imports
    return frozenset((each, modules[each].digest) for each in reached)


def _loaded() -> dict[str, _Source]:
    """Return the modules that came from such folders, by name."""
    specs = [(name, getattr(module, "__spec__", None)) for name, module in list(sys.modules.items())]
    return {name: spec.loader for name, spec in specs if spec is not None and isinstance(spec.loader, _Source)}


def _digest(text: bytes) -> str:
    return sha256(text).hexdigest()


def _imports(tree: ast.AST, package: str) -> Iterator[str]:
    """Yield what may be names of modules in the import statements of a text.

    Args:
        tree: the text.
        package: what relative names begin at.
    """
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (each.name for each in node.names)
        elif isinstance(node, ast.ImportFrom):
            parts = package.split(".") if node.level else []
            above = parts[: len(parts) - node.level + 1] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            yield base
            yield from (f"{base}.{each.name}" for each in node.names)


def _with_parents(name: str) -> Iterable[str]:
    parts = name.split(".")
    return (".".join(parts[:count]) for count in range(1, len(parts) + 1))
