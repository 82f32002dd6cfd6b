"""Files of tests: what can be said in them, and what is said of mistakes."""

from __future__ import annotations

from pathlib import Path

import pytest

from twistedmail_mta.explain.question import Question
from twistedmail_mta.explain.situations import SituationsError, read_situations

SHIPPED = Path(__file__).resolve().parents[2] / "etc" / "mta-tests.toml"


def read(folder: Path, text: str) -> list[Question]:
    file = folder / "tests.toml"
    file.write_text(text)
    return [question for _, question in read_situations(file)]


def test_the_shipped_one() -> None:
    """It is read, and each of its tests shows something of its own."""
    situations = read_situations(SHIPPED)
    names = [table.name for table, _ in situations]
    assert len(names) == len(set(names)) == 7
    assert situations[0][1] == Question(("x@gmail.com",), "someone@example.net")


def test_all_that_can_be_said(tmp_path: Path) -> None:
    """The client, the envelope, and a message from a file beside, with the line ends of the wire."""
    (tmp_path / "mail.eml").write_bytes(b"Subject: x\n\ntext\n")
    (question,) = read(
        tmp_path,
        '[[test]]\nname = "all"\nfrom_ip = "203.0.113.7"\nhelo = "a.test"\ntls = true\naccount = "ann@home.test"\n'
        'listener = "submission"\nfrom = "ann@home.test"\nto = ["a@b.test", "c@d.test"]\nsize = 5\ndata = "mail.eml"\n'
        "expect.accepted = true\n",
    )
    assert question == Question(
        ("a@b.test", "c@d.test"),
        "ann@home.test",
        "submission",
        "203.0.113.7",
        "a.test",
        tls=True,
        account="ann@home.test",
        size=5,
        data=b"Subject: x\r\n\r\ntext\r\n",
    )


def test_defaults(tmp_path: Path) -> None:
    """They count where a test doesn't say, and what is false or empty there is said, too."""
    first, second = read(
        tmp_path,
        '[defaults]\nfrom = "eve@else.test"\ntls = true\n'
        '[[test]]\nname = "1"\nto = "a@b.test"\nexpect.accepted = true\n'
        '[[test]]\nname = "2"\nto = "a@b.test"\nfrom = ""\ntls = false\nexpect.accepted = true\n',
    )
    assert (first.sender, first.tls) == ("eve@else.test", True)
    assert (second.sender, second.tls) == ("", False)


def test_a_plain_message(tmp_path: Path) -> None:
    """For whom the envelope is what matters: nothing is missing in it."""
    (question,) = read(
        tmp_path, '[[test]]\nname = "1"\nto = "a@b.test"\nfrom = "c@d.test"\nsend = true\nexpect.accepted = true\n'
    )
    assert question.data is not None
    lines = question.data.decode().split("\r\n")
    assert [line.partition(":")[0] for line in lines[:5]] == ["Date", "From", "To", "Message-ID", "Subject"]
    assert "From: <c@d.test>" in lines


TEST = '[[test]]\nname = "1"\nto = "a@b.test"\n'


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "test: is missing"),
        ("test = []", "test: must not be empty"),
        ("[[test", "is no TOML"),
        (TEST, "test[0].expect: is missing"),
        (TEST + "expect = {}", "test[0].expect: must expect something"),
        (TEST + 'expect.repply = "250"', "test[0].expect.repply"),
        (TEST + 'expect.accepted = "yes"', "test[0].expect.accepted: must be true or false"),
        (TEST + 'expect.outcome = "flies"', "test[0].expect.outcome"),
        (TEST + 'expect.accepted = true\nfrom_ip = "nowhere"', "test[0]: 'nowhere' is no IP address"),
        (TEST + 'expect.accepted = true\ndata = "none.eml"', "test[0].data: "),
        ('[[test]]\nto = "a@b.test"\nexpect.accepted = true', "test[0].name: is missing"),
    ],
)
def test_mistakes_are_named(tmp_path: Path, text: str, said: str) -> None:
    """With the file, and the path of the key."""
    with pytest.raises(SituationsError) as caught:
        read(tmp_path, text)
    assert str(caught.value).startswith(f"{tmp_path / 'tests.toml'}: these tests can't be used:\n")
    assert said in str(caught.value)


def test_all_mistakes_at_once(tmp_path: Path) -> None:
    """Whoever writes a file doesn't want to be sent back for each."""
    with pytest.raises(SituationsError) as caught:
        read(tmp_path, TEST + "expect.accepted = 1\n" + TEST + "expect.reply = 2\n")
    assert str(caught.value).count("\n") == 2


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    """Said in words."""
    with pytest.raises(SituationsError, match="can't be read: No such file"):
        read_situations(tmp_path / "none.toml")
