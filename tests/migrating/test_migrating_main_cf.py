"""main.cf: references, conditions, logical lines."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from twistedmail_mta.migrating.postfix.main_cf import parse_main_cf, seconds, words

MAIN = """\
# comment
a = 1
b = $a$a
c = ${a}x
d = ${a?yes}
e = ${nothing:no}
f = ${a?{yes}:{no}}
g = ${nothing?{yes}:{no}}
h = ${{$a} == {1} ? {one} : {other}}
i = ${{$compatibility_level} < {3.7} ? {old} : {new}}
compatibility_level = 3.6
j = first,
# in between
   second

   third
k = a $$ b
l = $(a)b
myhostname = mail.example.org
m = $mydomain
a = 2
"""


def test_values() -> None:
    """References are followed when a value is used, the last word counts, and lines go on over comments."""
    config = parse_main_cf(MAIN, "main.cf", "x")

    found = {name: config.value(name) for name in "abcdefghijklm"}
    assert found == {
        "a": "2",
        "b": "22",
        "c": "2x",
        "d": "yes",
        "e": "no",
        "f": "yes",
        "g": "no",
        "h": "other",
        "i": "old",
        "j": "first, second third",
        "k": "a $ b",
        "l": "2b",
        "m": "example.org",
    }


@pytest.mark.skipif(shutil.which("postconf", path="/usr/sbin:/usr/bin") is None, reason="Postfix isn't installed")
def test_as_postconf_has_it(tmp_path: Path) -> None:
    """Postfix's own command reads the same values out of the file."""
    names = "abcdefghijkl"
    main = MAIN + "smtpd_banner = " + "".join(f"${name} " for name in names) + "\n"  # it shows what is used alone
    (tmp_path / "main.cf").write_text(main)
    (tmp_path / "master.cf").write_text("")
    said = subprocess.run(
        ["/usr/sbin/postconf", "-x", "-n", "-c", str(tmp_path)], capture_output=True, text=True, check=True, timeout=60
    ).stdout
    settings = dict(line.split(" = ", 1) for line in said.splitlines() if " = " in line)

    config = parse_main_cf(main, "main.cf", "x")

    settings.pop("config_directory", None)
    assert set(names) <= set(settings)
    assert {name: config.value(name) for name in settings} == settings


@pytest.mark.parametrize("text", ["a = $b\nb = $a", "a = ${a}", "a = ${a?", "a = ${}", "a = " + "${a?{" * 50])
def test_no_end(text: str) -> None:
    """What refers to itself, or isn't closed, is an error in words."""
    with pytest.raises(ValueError, match=r"itself|closed|understood"):
        parse_main_cf(text, "main.cf", "x").value("a")


def test_growth() -> None:
    """References that double the value at each step end it early."""
    text = "a0 = " + "x" * 1000 + "\n" + "".join(f"a{n + 1} = $a{n}$a{n}\n" for n in range(19))

    with pytest.raises(ValueError, match="too"):
        parse_main_cf(text, "main.cf", "x").value("a19")


def test_words() -> None:
    """Commas and blanks part words, braces hold them together."""
    assert words("a\r\x1f,\x0bz") == ["a", "z"]
    assert words("a, b  {c, d}e\n,f") == ["a", "b", "{c, d}", "e", "f"]


@pytest.mark.parametrize(
    ("text", "value"), [("5d", 432000), ("300s", 300), ("4", 4), ("2w", 1209600), ("x", None), ("", None)]
)
def test_seconds(text: str, value: int | None) -> None:
    """Times have Postfix's units."""
    assert seconds(text) == value
