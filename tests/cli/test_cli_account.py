"""`mta account` on a database, with no server running."""

from __future__ import annotations

import pytest
from click.testing import Result
from mta_command import Command

from twistedmail_mta.cli.offline import ImmediateDatabase, body_store, finished
from twistedmail_mta.directory.passwords import PasswordHash, StoredPassword
from twistedmail_mta.directory.tables import find_account, find_login
from twistedmail_mta.mailbox.appending import Incoming
from twistedmail_mta.mailbox.store import MailboxStore
from twistedmail_mta.model import InlineBody, Structure
from twistedmail_mta.store.sync import SyncDatabase
from twistedmail_mta.tasks import TaskGroup


def password_is(command: Command, name: str, password: str) -> bool:
    stored = stored_password(command, name)
    return stored is not None and PasswordHash().matches(stored.hash, password)


def stored_password(command: Command, name: str) -> StoredPassword | None:
    with SyncDatabase(command.state_dir / "mta.db") as database:
        login = database.read(lambda tx: find_login(tx, name))
    assert login is not None
    return login[1]


def test_add_list_remove(command: Command) -> None:
    """An account comes, is listed with what it may do, and goes; the state directory comes with it."""
    patterns = ("--send-as", "*@Example.ORG", "--send-as", "<>")
    added = command("account", "add", "Ann@example.org", "--password-stdin", *patterns, stdin="correct horse\n")
    assert added.exit_code == 0
    assert added.stdout.startswith("Added ann@example.org. Its domain isn't hosted here")
    assert password_is(command, "ann@example.org", "correct horse")
    assert command.state_dir.stat().st_mode & 0o777 == 0o700

    (listed,) = command.json("account", "list")
    assert listed["address"] == "ann@example.org"
    assert listed["send_as"] == ["*@example.org", "<>"]
    assert listed["enabled"] is True
    assert "ann@example.org" in command("account", "list").output

    assert command("account", "remove", "ann@example.org").exit_code == 0
    assert command.json("account", "list") == []
    assert command("account", "list").output == "There are no accounts.\n"


def test_password_is_asked_for_twice(command: Command) -> None:
    """Without --password-stdin the password is typed, and typed again."""
    result = command("account", "add", "ann@example.org", stdin="one\ntwo\nthree\nthree\n")

    assert result.exit_code == 0
    assert "do not match" in result.output
    assert password_is(command, "ann@example.org", "three")


def test_nobody_to_ask_for_a_password(command: Command) -> None:
    """Without a terminal there is another way, and no account meanwhile."""
    result = command("account", "add", "ann@example.org")

    assert "give it by --password-stdin" in result.output
    assert command.json("account", "list") == []


def test_password_and_set(command: Command) -> None:
    """A password is replaced; an account is disabled, and its patterns are replaced as a whole."""
    command("account", "add", "ann@example.org", "--password-stdin", stdin="one")

    assert command("account", "password", "ann@example.org", "--password-stdin", stdin="two").exit_code == 0
    assert password_is(command, "ann@example.org", "two")
    assert command("account", "set", "ann@example.org", "--disable", "--send-as", "bob@example.org").exit_code == 0
    (listed,) = command.json("account", "list")
    assert (listed["enabled"], listed["send_as"]) == (False, ["bob@example.org"])
    assert command("account", "set", "ann@example.org", "--enable", "--no-send-as").exit_code == 0
    (listed,) = command.json("account", "list")
    assert (listed["enabled"], listed["send_as"]) == (True, [])


@pytest.mark.parametrize(
    ("arguments", "stdin", "complaint"),
    [
        (["add", "ann"], "", "Domain missing"),
        (["add", "ann@example.org", "--password-stdin"], "", "a password has 1 to"),
        (["add", "ann@example.org", "--password-stdin", "--send-as", "*"], "x", "not a pattern"),
        (["set", "ann@example.org"], "", "Nothing to change"),
        (["set", "ann@example.org", "--send-as", "<>", "--no-send-as"], "", "contradict"),
        (["add", "ann@example.org", "--external", "--password-stdin"], "x", "contradict"),
        (["add", "ann@example.org", "--external", "--quota", "5"], "", "must be a size with its unit"),
        (["add", "ann@example.org", "--external", "--quota", "0MB"], "", "must be more than nothing"),
        (["add", "ann@example.org", "--external", "--quota-messages", "0"], "", "must be a number of messages"),
        (["password", "ann@example.org", "--password-stdin"], "x", "there is no account ann@example.org"),
        (["set", "ann@example.org", "--quota", "5MB"], "x", "there is no account ann@example.org"),
        (["remove", "ann@example.org"], "x", "there is no account ann@example.org"),
    ],
)
def test_mistakes_are_told(command: Command, arguments: list[str], stdin: str, complaint: str) -> None:
    """Nothing is changed, and the words say why."""
    result = command("account", *arguments, stdin=stdin)

    assert result.exit_code != 0
    assert complaint in (result.output if isinstance(result.exception, SystemExit) else str(result.exception))
    assert command.json("account", "list") == []


def add(command: Command, *arguments: str) -> None:
    result = command("account", "add", *arguments, "--external")
    assert result.exit_code == 0, result.output


def test_account_of_a_hosted_domain(command: Command) -> None:
    """Nothing needs to be said of it; at a domain alias nobody would ever be found."""
    command("domain", "add", "example.org")
    command("domain", "add", "b.example", "--alias-of", "example.org")

    assert command("account", "add", "ann@Example.org", "--external").output == "Added ann@example.org.\n"
    refused = command("account", "add", "tim@b.example", "--external")
    assert refused.exit_code == 1
    assert "b.example is an alias of example.org; add tim@example.org" in refused_text(refused)


def refused_text(result: Result) -> str:
    """Return what `main` would print of an error."""
    assert result.exception is not None
    return str(result.exception) if not isinstance(result.exception, SystemExit) else result.output


def test_external_account(command: Command) -> None:
    """No password of it is kept here, until one is set; and it can be given up again."""
    add(command, "ann@example.org")
    assert stored_password(command, "ann@example.org") is None
    assert command.json("account", "show", "ann@example.org")["external"] is True

    command("account", "password", "ann@example.org", "--password-stdin", stdin="two")
    assert password_is(command, "ann@example.org", "two")
    assert command("account", "password", "ann@example.org", "--external").exit_code == 0
    assert stored_password(command, "ann@example.org") is None


def test_quotas(command: Command) -> None:
    """Those of an account come before its domain's; "none" lifts them, "default" goes back."""
    command("domain", "add", "example.org", "--quota", "1GB", "--quota-messages", "10", "--over-quota", "reject")
    add(command, "ann@example.org", "--quota", "5MB")

    def limits() -> tuple[int | None, int | None, str]:
        shown = command.json("account", "show", "ann@example.org")
        return shown["quota"], shown["quota_messages"], shown["over_quota"]

    assert limits() == (5 << 20, 10, "reject")
    command("account", "set", "ann@example.org", "--quota", "default", "--quota-messages", "none")
    assert limits() == (1 << 30, None, "reject")
    command("account", "set", "ann@example.org", "--quota", "none", "--quota-messages", "7")
    assert limits() == (None, 7, "reject")
    (listed,) = command.json("account", "list")
    assert listed["quota_messages"] == 7
    assert "7 messages; what is more is refused for good" in command("account", "show", "ann@example.org").output


def test_protocols(command: Command) -> None:
    """An account may log in to everything, or to what is named; naming some replaces those it had."""
    add(command, "ann@example.org")
    add(command, "tim@example.org", "--protocol", "pop3", "--protocol", "smtp")

    def protocols(name: str) -> list[str]:
        found: list[str] = command.json("account", "show", name)["protocols"]
        return found

    assert protocols("ann@example.org") == ["imap", "pop3", "smtp"]
    assert protocols("tim@example.org") == ["pop3", "smtp"]
    command("account", "set", "tim@example.org", "--protocol", "smtp")
    assert protocols("tim@example.org") == ["smtp"]
    command("account", "set", "tim@example.org", "--quota", "none")
    assert protocols("tim@example.org") == ["smtp"]


def test_show(command: Command) -> None:
    """One account, with the aliases that lead to it, by whatever name of its domain."""
    command("domain", "add", "example.org")
    command("domain", "add", "b.example", "--alias-of", "example.org")
    add(command, "ann@example.org")
    command("alias", "add", "sales@example.org", "Ann@b.example")
    command("alias", "add", "ann@example.org", "ann@example.org", "far@away.example")
    command("account", "set", "ann@example.org", "--disable")

    shown = command.json("account", "show", "ANN@example.org")

    assert shown["aliases"] == ["ann@example.org", "sales@example.org"]
    assert (shown["enabled"], shown["hosted"], shown["messages"], shown["octets"]) == (False, True, 0, 0)
    assert "takes no mail" in command("account", "show", "ann@example.org").output
    assert "there is no account tom@example.org" in refused_text(command("account", "show", "tom@example.org"))


def test_alias_that_takes_the_mail_of_an_account(command: Command) -> None:
    """Whoever adds the account hears of it."""
    command("domain", "add", "example.org")
    command("alias", "add", "ann@example.org", "far@away.example")

    result = command("account", "add", "ann@example.org", "--external")

    assert result.exit_code == 0
    assert "mail to ann@example.org goes where its alias leads, and not to the account" in result.stderr
    kept = command("alias", "add", "ann@example.org", "Ann@example.org")
    assert kept.stderr == ""
    removed = command("alias", "remove", "ann@example.org", "Ann@example.org")
    assert removed.exit_code == 0
    assert "not to the account" in command("alias", "add", "Ann@example.org", "more@away.example").stderr


def put_mail(command: Command, name: str, number: int) -> None:
    """Put messages into an account's mailbox."""
    with SyncDatabase(command.state_dir / "mta.db") as database:
        account = database.read(lambda tx: find_account(tx, name))
        assert account is not None
        bodies = body_store(command.state_dir)
        store = MailboxStore(ImmediateDatabase(database), bodies, TaskGroup(), lambda: 1.0)
        inbox = finished(store.make(account.id, "INBOX"))
        structure = Structure(b"()", b"()", b"")
        messages = [Incoming(n + 1, b"A: b\r\n\r\n", InlineBody(b"x"), structure, 1) for n in range(number)]
        finished(store.append(inbox.id, messages))


def test_account_goes_with_its_mail(command: Command) -> None:
    """After a question, since that can't be undone; whoever leads aliases to it hears of those."""
    command("domain", "add", "example.org")
    add(command, "ann@example.org")
    command("alias", "add", "sales@example.org", "ann@example.org")
    put_mail(command, "ann@example.org", 3)
    assert command.json("account", "show", "ann@example.org")["messages"] == 3

    kept = command("account", "remove", "ann@example.org", stdin="n\n")
    assert kept.exit_code == 1
    assert "ann@example.org has 3 messages, " in kept.output
    assert command.json("account", "show", "ann@example.org")["enabled"] is True

    gone = command("account", "remove", "ann@example.org", "--yes")
    assert (gone.exit_code, gone.stdout) == (0, "Removed ann@example.org.\n")
    assert "the alias sales@example.org still leads to ann@example.org" in gone.stderr
    assert command.json("account", "list") == []
    with SyncDatabase(command.state_dir / "mta.db") as database:
        for table in ("mail", "mailbox", "content", "body"):
            assert database.read(lambda tx, table=table: list(tx.execute(f"SELECT 1 FROM {table}"))) == []


PASSWD = """\
ann:{PLAIN}secret:::::/home/ann:
bob@away.example:{SHA256}K7gNU3sdo+OL0wNhqoVWhr3g6s1xYv72ol/pe/Unols=
carl:{NOPE}x
ann+x:{PLAIN}y
"""


def test_import(command: Command) -> None:
    """Names and hashes are taken over; what can't be is told, and the rest is imported."""
    file = command.file.parent / "passwd"
    file.write_text(PASSWD)
    command("domain", "add", "example.org")
    add(command, "bob@away.example")

    result = command("account", "import", str(file), "--domain", "example.org")

    assert result.exit_code == 1
    assert result.stdout == "Imported 2 accounts. 1 were there already.\n"
    assert "line 3: the scheme NOPE is unknown" in result.stderr
    assert "ann+x@example.org not imported" in result.stderr
    assert stored_password(command, "ann@example.org") == StoredPassword("{PLAIN}secret", None)
    assert stored_password(command, "carl@example.org") is None
    assert stored_password(command, "bob@away.example") is None


def test_import_of_names(command: Command) -> None:
    """With --external a checker judges, so it doesn't matter what it compares."""
    file = command.file.parent / "passwd"
    file.write_text("ann:{NOPE}x\nbob:{PLAIN}y\n")

    result = command("account", "import", str(file), "--domain", "example.org", "--external")

    assert (result.exit_code, result.output) == (0, "Imported 2 accounts.\n")
    assert [item["external"] for item in command.json("account", "list")] == [True, True]
    again = command.json("account", "import", str(file), "--domain", "example.org", "--external")
    assert again == {"imported": 0, "there": 2, "warnings": []}
