"""`mta alias` on a database, with no server running."""

from __future__ import annotations

import pytest
from click.testing import Result
from mta_command import Command


@pytest.fixture
def hosted(command: Command) -> Command:
    """Return a site that hosts example.org with the account ann@, and b.example as another name of it."""
    command("domain", "add", "example.org")
    command("domain", "add", "b.example", "--alias-of", "example.org")
    command("account", "add", "ann@example.org", "--external")
    return command


def words(result: Result) -> str:
    """Return what is printed of an error; those that aren't click's are printed by `main`."""
    assert result.exception is not None
    assert result.exit_code != 0
    return result.output if isinstance(result.exception, SystemExit) else str(result.exception)


def aliases(command: Command, *arguments: str) -> dict[str, list[str]]:
    return {item["address"]: item["targets"] for item in command.json("alias", "list", *arguments)}


def test_add_list_remove(hosted: Command) -> None:
    """Targets are added to those there are, and removed one by one or all together."""
    added = hosted("alias", "add", "Sales@example.org", "ANN@example.org", "Far@away.example")
    assert (added.exit_code, added.output) == (
        0,
        "Sales@example.org leads to ANN@example.org, Far@away.example.\n",
    )
    hosted("alias", "add", "Sales@example.org", "more@away.example")
    hosted("alias", "add", "@example.org", "ann@example.org")
    everything = {
        "@example.org": ["ann@example.org"],
        "Sales@example.org": ["ANN@example.org", "Far@away.example", "more@away.example"],
    }
    assert aliases(hosted) == everything
    assert "more@away.example" in hosted("alias", "list").output
    assert list(aliases(hosted, "sales@example.org")) == ["Sales@example.org"]
    assert aliases(hosted, "--domain", "b.example") == {}

    removed = hosted("alias", "remove", "Sales@example.org", "more@away.example", "Far@away.example")
    assert "doesn't lead to more@away.example, Far@away.example any more" in removed.output
    assert aliases(hosted)["Sales@example.org"] == ["ANN@example.org"]
    assert hosted("alias", "remove", "Sales@example.org").output == "Removed Sales@example.org.\n"
    assert hosted("alias", "remove", "@example.org").exit_code == 0
    assert hosted("alias", "list").output == "There are no aliases.\n"


def test_site_file(hosted: Command) -> None:
    """Aliases of a domain's file are listed and followed, too."""
    (hosted.file.parent / "aliases").write_text("sales: ann@example.org\n")
    with hosted.file.open("a") as file:
        file.write('[domains."c.example"]\naliases_file = "aliases"\n')

    assert hosted.json("alias", "list") == [
        {"address": "sales@c.example", "targets": ["ann@example.org"], "kept_in": "site file"}
    ]
    assert hosted("alias", "add", "all@example.org", "Sales@c.example").stderr == ""


def test_alias_that_is_odd(hosted: Command) -> None:
    """It is made, and the operator hears what would get no mail."""
    hosted("account", "set", "ann@example.org", "--disable")

    result = hosted("alias", "add", "sales@example.org", "gone@b.example", "ann@example.org", "far@away.example")

    assert result.exit_code == 0
    assert "sales@example.org leads to gone@b.example, which is no address here" in result.stderr
    assert "sales@example.org leads to ann@example.org, which is disabled" in result.stderr
    assert "far@away" not in result.stderr


def test_copy_in_ones_own_account(hosted: Command) -> None:
    """An alias that leads to itself, and elsewhere, isn't odd."""
    assert hosted("alias", "add", "ann@example.org", "ann@example.org", "far@away.example").stderr == ""


def test_copy_in_an_account_that_is_not_there(hosted: Command) -> None:
    """It would be lost, though the other targets get theirs."""
    added = hosted("alias", "add", "bob@example.org", "bob@example.org", "far@away.example")

    assert "bob@example.org leads to itself, and there is no account of that name" in added.stderr


def test_loop(hosted: Command) -> None:
    """Whoever would close one is refused."""
    hosted("alias", "add", "a@example.org", "b@example.org")

    assert "b@example.org leads back to itself" in words(hosted("alias", "add", "b@example.org", "a@b.example"))
    assert aliases(hosted) == {"a@example.org": ["b@example.org"]}
    assert hosted("alias", "add", "b@example.org", "a@example.org", "ann@example.org").exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["add", "sales@away.example", "x@y.example"], "away.example isn't hosted here"),
        (["add", "sales@b.example", "x@y.example"], "b.example is an alias of example.org; say sales@example.org"),
        (["add", "@b.example", "x@y.example"], "say @example.org"),
        (["add", "sales", "x@y.example"], "the domain is missing: sales"),
        (["add", "sales@example.org", "x"], "the domain is missing: x"),
        (["add", "sales@example.org", "|/bin/sh"], "is a command"),
        (["add", "sales@example.org"], "Missing argument"),
        (["remove", "sales@example.org"], "there is no alias sales@example.org"),
        (["remove", "sales@example.org", "x"], "the domain is missing: x"),
        (["list", "sales"], "the domain is missing"),
    ],
)
def test_mistakes_are_told(hosted: Command, arguments: list[str], complaint: str) -> None:
    """Nothing is changed, and the words say why."""
    assert complaint in words(hosted("alias", *arguments))
    assert aliases(hosted) == {}


def test_import(hosted: Command) -> None:
    """All aliases of a file come in, with names completed, and what is odd is told."""
    file = hosted.file.parent / "aliases"
    file.write_text("# ours\nSales: ann, far@away.example\nroot: gone\n@example.org: ann\n")

    result = hosted("alias", "import", str(file), "--domain", "example.org")

    assert (result.exit_code, result.stdout) == (0, "Imported 3 aliases.\n")
    # the catch-all takes what is for nobody, so nothing is odd
    assert result.stderr == ""
    assert aliases(hosted) == {
        "@example.org": ["ann@example.org"],
        "root@example.org": ["gone@example.org"],
        "Sales@example.org": ["ann@example.org", "far@away.example"],
    }


def test_import_of_oddities(hosted: Command) -> None:
    """Of many warnings the first are shown."""
    file = hosted.file.parent / "aliases"
    file.write_text("".join(f"a{number}: gone{number}\n" for number in range(25)) + "x: y\ny: x\n")

    result = hosted("alias", "import", str(file), "--domain", "example.org")

    assert result.exit_code == 0
    assert result.stderr.count("which is no address here") == 20
    assert "and 7 more like these" in result.stderr


def test_import_is_all_or_nothing(hosted: Command) -> None:
    """A line that can't be used, or another domain, and nothing comes in."""
    file = hosted.file.parent / "aliases"
    file.write_text("sales: ann\nroot: |cmd\n")
    assert "line 2: |cmd is a command" in words(hosted("alias", "import", str(file), "--domain", "example.org"))
    assert "line 1: the domain is missing: ann; say which with --domain" in words(hosted("alias", "import", str(file)))
    file.write_text("a@example.org ann@example.org\nb@c.example ann@example.org\n")
    assert "b@c.example: c.example isn't hosted here" in words(hosted("alias", "import", str(file)))
    assert aliases(hosted) == {}
