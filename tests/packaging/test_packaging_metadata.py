"""setup.cfg against what the package really holds and imports."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from configparser import ConfigParser
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "twistedmail_mta"
DISTRIBUTIONS = {
    "OpenSSL": "pyopenssl",
    "argon2": "argon2-cffi",
    "dns": "dnspython",
    "flufl": "flufl.bounce",
    "pam": "python-pam",
    "prometheus_client": "prometheus-client",
    "pydantic_core": "pydantic",
    "service_identity": "service-identity",
    "spf": "pyspf",
    "xdist": "pytest-xdist",
    "zope": "zope.interface",
}

EXTRAS = {
    "acme/authority.py": "acme",
    "directory/ldap.py": "ldap",
    "directory/ldap_connection.py": "ldap",
    "directory/pam.py": "pam",
}
"""Parts that need an extra."""


@pytest.fixture(scope="module")
def options() -> ConfigParser:
    parser = ConfigParser()
    parser.read(ROOT / "setup.cfg")
    return parser


def lines(options: ConfigParser, section: str, key: str) -> set[str]:
    return set(options[section][key].split("\n")) - {""}


def test_every_package_is_listed(options: ConfigParser) -> None:
    """A folder that setup.cfg forgets would be missing from the wheel."""
    folders = {path.parent.relative_to(ROOT) for path in PACKAGE.rglob("__init__.py")}

    listed = lines(options, "options", "packages")

    assert listed == {".".join(folder.parts) for folder in folders} | {"twisted.plugins"}


def test_every_file_is_in_a_package() -> None:
    """A folder without __init__.py would be left out, whatever setup.cfg says."""
    assert {path for path in PACKAGE.rglob("*.py") if not (path.parent / "__init__.py").exists()} == set()


def test_every_import_is_declared(options: ConfigParser) -> None:
    """What the package imports is in install_requires by its own name, and nothing else is."""
    declared = {
        line.partition(">")[0].partition("[")[0].lower() for line in lines(options, "options", "install_requires")
    }

    imported = {
        DISTRIBUTIONS.get(name, name)
        for path in PACKAGE.rglob("*.py")
        if path.relative_to(PACKAGE).as_posix() not in EXTRAS
        for name in foreign_imports(path)
    }

    assert imported == declared


def test_extras_bring_what_their_parts_import(options: ConfigParser) -> None:
    """A part that isn't for everybody imports its extra's library and nobody else does; the tests have it, too."""
    for path, extra in EXTRAS.items():
        wanted = lines(options, "options.extras_require", extra)
        declared = {line.partition(">")[0].lower() for line in wanted}

        imported = {DISTRIBUTIONS.get(name, name) for name in foreign_imports(PACKAGE / path)}

        assert imported & declared
        assert wanted <= lines(options, "options.extras_require", "test")


def test_what_the_tests_import_is_declared(options: ConfigParser) -> None:
    """README's test command must need nothing that happens to be on a developer's machine."""
    paths = list((ROOT / "tests").rglob("*.py"))
    here = {path.stem for path in paths} | {"_pytest", "Milter"}  # the latter is Debian's, and so is who imports it
    installed = lines(options, "options", "install_requires") | lines(options, "options.extras_require", "test")
    declared = {line.partition(">")[0].partition("[")[0].lower() for line in installed}

    imported = {name for path in paths for name in foreign_imports(path)} - here

    assert {DISTRIBUTIONS.get(name, name).replace("_", "-") for name in imported} <= declared


def foreign_imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module]
        for name in names:
            top = name.partition(".")[0]
            if top not in sys.stdlib_module_names and top != "twistedmail_mta":
                yield top
