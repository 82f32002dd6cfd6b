"""`mta domain` on a database, with no server running."""

from __future__ import annotations

from typing import Any

import pytest
from click.testing import Result
from mta_command import CHECK, Command


def words(result: Result) -> str:
    """Return what is printed of an error; those that aren't click's are printed by `main`."""
    assert result.exception is not None
    assert result.exit_code != 0
    return result.output if isinstance(result.exception, SystemExit) else str(result.exception)


def domains(command: Command) -> dict[str, Any]:
    return {item["domain"]: item for item in command.json("domain", "list")}


def test_add_set_list_remove(command: Command) -> None:
    """A domain comes, changes and goes."""
    assert command("domain", "list").output == "There are no hosted domains.\n"
    added = command("domain", "add", "Bücher.example", "--quota", "1GB", "--catch-all", "x@away.example")
    assert (added.exit_code, added.output) == (0, "Added xn--bcher-kva.example.\n")
    assert domains(command) == {
        "xn--bcher-kva.example": {
            "domain": "xn--bcher-kva.example",
            "kept_in": "database",
            "alias_of": None,
            "accounts": 0,
            "catch_all": ["x@away.example"],
            "subaddress": "+",
            "case_sensitive": False,
            "quota": 1 << 30,
            "quota_messages": None,
            "over_quota": "defer",
        }
    }
    settings = ("--subaddress", "-", "--quota", "none", "--quota-messages", "5", "--over-quota", "reject")
    assert (
        command("domain", "set", "bücher.example", *settings, "--case-sensitive", "--catch-all", "none").exit_code == 0
    )
    found = domains(command)["xn--bcher-kva.example"]
    assert (found["subaddress"], found["quota"], found["quota_messages"]) == ("-", None, 5)
    assert (found["over_quota"], found["case_sensitive"], found["catch_all"]) == ("reject", True, [])
    assert "5 messages" in command("domain", "list").output

    command("domain", "set", "bücher.example", "--subaddress", "", "--case-insensitive", "--quota-messages", "none")
    found = domains(command)["xn--bcher-kva.example"]
    assert (found["subaddress"], found["case_sensitive"], found["quota_messages"]) == ("", False, None)

    assert command("domain", "remove", "bücher.example").output == "Removed xn--bcher-kva.example.\n"
    assert domains(command) == {}


def test_site_file_and_database(command: Command) -> None:
    """Both are listed; a domain of the site file can neither be added nor changed here."""
    with command.file.open("a") as file:
        file.write('[domains."example.org"]\ncatch_all = "x@away.example"\n')
        file.write('[domains."relayed.example"]\nrelay_to = "mx"\n')
    command("domain", "add", "b.example", "--alias-of", "example.org")
    command("account", "add", "ann@example.org", "--external")
    command("alias", "add", "@example.org", "y@away.example")

    found = domains(command)

    assert list(found) == ["b.example", "example.org"]
    assert (found["b.example"]["alias_of"], found["b.example"]["kept_in"]) == ("example.org", "database")
    assert (found["example.org"]["accounts"], found["example.org"]["kept_in"]) == (1, "site file")
    assert found["example.org"]["catch_all"] == ["x@away.example", "y@away.example"]
    for name in ("example.org", "relayed.example"):
        assert f"{name} stands in the site file already" in words(command("domain", "add", name))
        for arguments in (("set", name, "--quota", "1GB"), ("remove", name)):
            assert f"{name} stands in the site file; change it there" in words(command("domain", *arguments))


def test_domain_that_got_into_both_places(command: Command) -> None:
    """It is removed from the database, and its aliases stay with the site file's domain."""
    command("domain", "add", "example.org")
    command("domain", "add", "b.example", "--alias-of", "example.org")
    command("alias", "add", "sales@example.org", "far@away.example")
    with command.file.open("a") as file:
        file.write('[domains."example.org"]\n')
    assert command(*CHECK).exit_code == 1

    assert command("domain", "remove", "example.org").output == "Removed example.org.\n"

    assert command(*CHECK).exit_code == 0
    assert domains(command)["example.org"]["kept_in"] == "site file"
    assert [item["address"] for item in command.json("alias", "list")] == ["sales@example.org"]


def test_aliases_file_is_part_of_the_list(command: Command) -> None:
    """A catch-all may stand there, too."""
    (command.file.parent / "aliases").write_text("@example.org x@away.example\n")
    with command.file.open("a") as file:
        file.write('[domains."example.org"]\naliases_file = "aliases"\n')

    assert domains(command)["example.org"]["catch_all"] == ["x@away.example"]


def test_domain_that_has_accounts_and_aliases(command: Command) -> None:
    """It goes after a question; accounts stay, aliases go with it."""
    command("domain", "add", "example.org")
    command("account", "add", "ann@example.org", "--external")
    command("alias", "add", "sales@example.org", "ann@example.org")

    kept = command("domain", "remove", "example.org", stdin="n\n")
    assert "1 accounts, 1 aliases" in kept.output
    assert "example.org" in domains(command)

    assert command("domain", "remove", "example.org", "--yes").exit_code == 0
    assert domains(command) == {}
    assert command.json("alias", "list") == []
    (account,) = command.json("account", "list")
    assert (account["address"], account["hosted"]) == ("ann@example.org", False)


def test_domain_aliases(command: Command) -> None:
    """They lead to a hosted domain in one step, and nothing of their own is lost by it."""
    command("domain", "add", "example.org")
    added = command("domain", "add", "b.example", "--alias-of", "Example.org")
    assert added.output == "Added b.example, with the addresses of example.org.\n"

    assert "nope.example isn't hosted here" in words(
        command("domain", "add", "c.example", "--alias-of", "nope.example")
    )
    assert "b.example is an alias itself" in words(command("domain", "add", "c.example", "--alias-of", "b.example"))
    assert "c.example isn't hosted here" in words(command("domain", "add", "c.example", "--alias-of", "c.example"))
    assert "--alias-of stands alone" in words(
        command("domain", "add", "c.example", "--alias-of", "example.org", "--quota", "1GB")
    )
    assert "b.example is an alias of example.org" in words(command("domain", "set", "b.example", "--quota", "1GB"))
    assert "b.example is an alias of example.org" in words(command("domain", "remove", "example.org", "--yes"))
    with command.file.open("a") as file:
        file.write('[domains."d.example"]\nalias_of = "c.example"\n')
    refused = command("domain", "add", "c.example", "--alias-of", "example.org")
    assert "d.example is an alias of c.example; change that first" in words(refused)
    command("domain", "add", "c.example")
    assert "d.example is an alias of c.example" in words(command("domain", "remove", "c.example"))
    command("domain", "remove", "c.example")
    command.file.write_text(
        command.file.read_text().replace("d.example", "e.example").replace("c.example", "example.org")
    )
    command("domain", "remove", "c.example")
    command("account", "add", "ann@c.example", "--external")
    assert "ann@c.example would get no mail any more" in words(
        command("domain", "add", "c.example", "--alias-of", "example.org")
    )


def test_accounts_that_would_become_subaddresses(command: Command) -> None:
    """They could send as one another, so the domain isn't added or changed in that way."""
    for name in ("ann@example.org", "ann-marie@example.org"):
        command("account", "add", name, "--external")

    complaint = "ann-marie@example.org would be a subaddress of the account ann@example.org"
    assert complaint in words(command("domain", "add", "example.org", "--subaddress", "+-"))
    assert domains(command) == {}
    command("domain", "add", "example.org")
    assert complaint in words(command("domain", "set", "example.org", "--subaddress", "-"))
    assert domains(command)["example.org"]["subaddress"] == "+"
    command("domain", "add", "dashed.example", "--subaddress", "-")
    command("account", "add", "ann@dashed.example", "--external")
    assert "subaddresses of one another" in words(command("account", "add", "ann-x@dashed.example", "--external"))
    assert command("account", "add", "ann+x@dashed.example", "--external").exit_code == 0


def test_catch_all_for_nobody(command: Command) -> None:
    """It is made all the same, with a warning."""
    result = command("domain", "add", "example.org", "--catch-all", "office")

    assert result.exit_code == 0
    assert "@example.org leads to office@example.org, which is no address here" in result.stderr
    assert domains(command)["example.org"]["catch_all"] == ["office@example.org"]


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["add", "exa mple"], "is no domain name"),
        (["add", "b.example", "--subaddress", "x"], "can't set off a subaddress"),
        (["add", "b.example", "--quota", "default"], "A domain's quota is"),
        (["add", "b.example", "--quota", "1"], "must be a size with its unit"),
        (["add", "b.example", "--catch-all", "a@b@c"], "--catch-all"),
        (["add", "example.org"], "is there already"),
        (["set", "example.org"], "Nothing to change"),
        (["set", "b.example", "--quota", "1GB"], "there is no domain b.example in the database"),
        (["remove", "b.example"], "there is no domain b.example in the database"),
    ],
)
def test_mistakes_are_told(command: Command, arguments: list[str], complaint: str) -> None:
    """Nothing is changed, and the words say why."""
    command("domain", "add", "example.org")

    assert complaint in words(command("domain", *arguments))
    assert list(domains(command)) == ["example.org"]
