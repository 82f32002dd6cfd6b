"""The file of names and hashes: its lines, its mistakes, reading it again, and logins by it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from directory_in_memory import CHEAP, PASSWORD, TIM, Directory, now, outcome
from hypothesis import given, settings
from hypothesis import strategies as st

from twistedmail_mta.directory.accounts import account_name
from twistedmail_mta.directory.checkers import Place
from twistedmail_mta.directory.passwd_file import PasswdFile, Passwords, parse_passwords
from twistedmail_mta.directory.passwords import PasswordHash
from twistedmail_mta.directory.realm import Submitter
from twistedmail_mta.directory.replies import BAD_CREDENTIALS, CANNOT_JUDGE

ANN = "ann@example.org"


def parse(text: str, domain: str | None = None) -> Passwords:
    return parse_passwords(text.encode(), domain)


def test_lines_as_dovecot_has_them() -> None:
    """Comments, empty lines, further fields, CRLF and a missing last line end are all fine."""
    found = parse(
        "# people\n"
        "\n"
        ":ignored\n"
        "Tim@Example.org:{PLAIN}secret\n"
        "ann@example.org:{SSHA}eIaMPrPhz9GGHXPaydfNS3OhTZLYOGHz:1000:1000:Ann:/home/ann::userdb_quota=1 x=y:z\r\n"
        "bücher@bücher.example:$1$IbKT5Aa2$v6fnsC55w7pR2AA/UYBFI0::::::"
    )

    assert found == Passwords(
        {
            TIM: "{PLAIN}secret",
            ANN: "{SSHA}eIaMPrPhz9GGHXPaydfNS3OhTZLYOGHz",
            "bücher@xn--bcher-kva.example": "{CRYPT}$1$IbKT5Aa2$v6fnsC55w7pR2AA/UYBFI0",
        }
    )


def test_names_without_a_domain() -> None:
    """They belong where the site file says, as those of /etc/shadow do; else they are mistakes."""
    text = "tim:$1$IbKT5Aa2$v6fnsC55w7pR2AA/UYBFI0:19000:0:99999:7:::\nroot:*:19000:0:99999:7:::\n"

    assert parse(text, "example.org").hashes.keys() == {TIM, "root@example.org"}
    assert parse(text, "example.org").mistakes == ()
    assert parse(text).hashes == {}
    assert parse(text).mistakes == (
        "line 1: 'tim' has no domain, and the checker names none",
        "line 2: 'root' has no domain, and the checker names none",
    )


@pytest.mark.parametrize(
    ("line", "mistake"),
    [
        ("no colon at all", "has no password"),
        ("@example.org:{PLAIN}x", "address"),
        ("a b@:{PLAIN}x", "address"),
        ("tim@example.org:{PLAIN}y", "stands in line 1 already"),
        ("TIM@EXAMPLE.ORG:{PLAIN}y", "stands in line 1 already"),
        ("ann@example.org:", "the hash is empty"),
        ("ann@example.org:x", "none of crypt"),
        ("ann@example.org:{OTP}x", "OTP is unknown"),
        ("ann@example.org:{PLAIN}x::::::allow_nets=10.0.0.0/8", "allow_nets is unknown here"),
        ("ann@example.org:{PLAIN}x::::::a=b nopassword", "nopassword is unknown here"),
    ],
)
def test_a_bad_line_is_one_mistake(line: str, mistake: str) -> None:
    """It is named by its number, and the lines around it count."""
    found = parse(f"tim@example.org:{{PLAIN}}x\n{line}\nbob@example.org:{{PLAIN}}x\n")

    assert found.hashes[TIM] == "{PLAIN}x"
    assert found.hashes["bob@example.org"] == "{PLAIN}x"
    (text,) = found.mistakes
    assert text.startswith("line 2: ")
    assert mistake in text


def test_not_utf8() -> None:
    """Octets that are no text spoil their line alone."""
    found = parse_passwords(b"\xff@example.org:{PLAIN}x\ntim@example.org:{PLAIN}x\n", None)

    assert found == Passwords({TIM: "{PLAIN}x"}, ("line 1: is not UTF-8",))


@pytest.mark.parametrize("extra", ["nologin", "nologin=y", "user_disabled=yes", "expired", "allow_nets=::1"])
def test_lines_that_let_nobody_in(extra: str) -> None:
    """What keeps people out at Dovecot keeps them out here, also where its rule isn't known."""
    found = parse(f"tim@example.org:{{PLAIN}}x::::::a=b {extra}")

    assert found.hashes == {TIM: "{CRYPT}!"}


def test_denied_extras_are_none() -> None:
    """nologin=n is no nologin."""
    assert parse("tim@example.org:{PLAIN}x::::::nologin=n").hashes == {TIM: "{PLAIN}x"}


@settings(max_examples=150, deadline=None, derandomize=True)
@given(st.binary(max_size=200), st.sampled_from([None, "example.org"]))
def test_any_octets_can_be_read(octets: bytes, domain: str | None) -> None:
    """Whatever is in the file: every name is one an account can have, every mistake has a line."""
    found = parse_passwords(octets, domain)

    assert all(account_name(name) == name for name in found.hashes)
    assert all(stored.startswith("{") for stored in found.hashes.values())
    lines = octets.count(b"\n") + 1
    assert all(1 <= int(mistake.split(":")[0].removeprefix("line ")) <= lines for mistake in found.mistakes)


names = st.from_regex(r"[a-z]{1,4}", fullmatch=True)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.dictionaries(names, st.text("abcXYZ012./ é", min_size=1, max_size=10).filter(str.strip), max_size=8))
def test_what_is_written_is_read(people: dict[str, str]) -> None:
    """Names and hashes come back as they were written."""
    text = "".join(f"{name}:{{PLAIN}}{word}:1:1\n" for name, word in people.items())

    found = parse(text, "example.org")

    assert found == Passwords({f"{name}@example.org": f"{{PLAIN}}{word}" for name, word in people.items()})


class Site:
    """A directory whose passwords stand in a file; the accounts of tim and ann have none of ours."""

    def __init__(self, path: Path, *, first: bool = False) -> None:
        self.path = path
        self.directory = Directory()
        for name in (TIM, ANN):
            self.directory.add_external(name)
        self.file = PasswdFile(path, None, self.directory.comparisons)
        self.directory.put_together(PasswordHash(CHEAP), Place(self.directory.internal), Place(self.file))

    def log_in(self, password: str, name: str = TIM) -> Any:
        return self.directory.log_in(name, password)

    def rewrite(self, text: str) -> frozenset[str]:
        self.path.write_text(text)
        return now(self.file.reload())


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """Return a site whose file knows tim."""
    path = tmp_path / "passwd"
    path.write_text(f"{TIM}:{{PLAIN}}{PASSWORD}\n")
    return Site(path)


def test_login_by_the_file(site: Site) -> None:
    """The right password gets in, a wrong one doesn't, and each is compared once."""
    assert isinstance(site.log_in(PASSWORD), Submitter)
    assert isinstance(site.log_in(PASSWORD), Submitter)
    assert site.log_in("wrong") == BAD_CREDENTIALS
    assert site.directory.pool.calls == ["matches", "matches"]


def test_name_without_an_account(site: Site) -> None:
    """The file only judges passwords: without an account nobody gets in."""
    site.rewrite("bob@example.org:{PLAIN}x\n")

    assert site.log_in("x", "bob@example.org") == BAD_CREDENTIALS


def test_name_that_is_not_in_the_file(site: Site) -> None:
    """It costs the work of any other name and is refused like it."""
    assert site.log_in("x", ANN) == BAD_CREDENTIALS
    assert site.directory.pool.hashes == [site.directory.hashes.dummy]


def test_changed_file_counts_after_reading_it_again(site: Site) -> None:
    """Remembered verdicts end with the file they came from."""
    assert isinstance(site.log_in(PASSWORD), Submitter)
    assert site.log_in("new") == BAD_CREDENTIALS

    assert site.rewrite(f"{TIM}:{{PLAIN}}new\n{ANN}:{{PLAIN}}x\n") == {TIM}

    assert site.log_in(PASSWORD) == BAD_CREDENTIALS
    assert isinstance(site.log_in("new"), Submitter)


def test_vanished_line(site: Site) -> None:
    """Whoever is not in the file any more is named, and is out."""
    site.log_in(PASSWORD)

    assert site.rewrite("") == {TIM}

    assert site.log_in(PASSWORD) == BAD_CREDENTIALS


def test_same_file_again(site: Site) -> None:
    """A signal that changes nothing makes nobody be compared again."""
    site.log_in(PASSWORD)

    assert site.rewrite(f"# a comment\n{TIM}:{{PLAIN}}{PASSWORD}\n") == frozenset()

    site.log_in(PASSWORD)
    assert site.directory.pool.calls.count("matches") == 1


def test_file_that_is_gone(site: Site, events: list[dict[str, Any]]) -> None:
    """What was read before stays, and the log tells."""
    site.path.unlink()

    assert now(site.file.reload()) == frozenset()

    assert isinstance(site.log_in(PASSWORD), Submitter)
    assert [event for event in events if event.get("event") == "auth.reload.failed"]


def test_file_that_never_was(tmp_path: Path) -> None:
    """The start is refused: nobody could log in."""
    with pytest.raises(OSError):
        PasswdFile(tmp_path / "none", None, Directory().comparisons)


def test_bad_hash_is_temporary_and_told(site: Site, events: list[dict[str, Any]]) -> None:
    """Whose line is damaged gets 454; mistakes are told when the file is read, without the hash."""
    site.rewrite(f"{TIM}:{{OTP}}1234\n")

    assert site.log_in(PASSWORD) == CANNOT_JUDGE
    (event,) = [event for event in events if event.get("event") == "auth.line.bad"]
    assert event["mistake"] == "line 1: the scheme OTP is unknown"


def test_many_mistakes_are_counted(site: Site, events: list[dict[str, Any]]) -> None:
    """A file of another kind doesn't flood the log."""
    site.rewrite("junk\n" * 1000)

    told = [event for event in events if event.get("event") == "auth.line.bad"]
    assert len(told) == 21
    assert told[-1]["more"] == 980


def test_file_read_again_while_it_is_compared(site: Site) -> None:
    """The old password doesn't slip in beside the change, nor is it called wrong: it is asked for again."""
    site.directory.pool.held = []
    task = site.directory.begin(TIM, PASSWORD)
    held, site.directory.pool.held = site.directory.pool.held, None
    site.rewrite(f"{TIM}:{{PLAIN}}new\n")
    for gate in held:
        gate.resolve(None)

    assert outcome(task) == CANNOT_JUDGE
    assert site.log_in(PASSWORD) == BAD_CREDENTIALS
