"""The plugins of docs/plugins.md and etc/plugins, with the tests and the site files shown beside them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest

from twistedmail_mta.config.load import parse_site
from twistedmail_mta.plugins import Kit
from twistedmail_mta.stages import GRANTS, OBSERVERS, POLICIES, ROUTING, Change, IMailPolicy
from twistedmail_mta.testing.rig import Rig
from twistedmail_mta.testing.values import client, mail_from

ROOT = Path(__file__).parents[1]
GUIDE = (ROOT / "docs" / "plugins.md").read_text()
EXAMPLES = dict(re.findall(r"<!-- example: (\w+) -->\n(.*?)(?=<!-- example|\Z)", GUIDE, re.DOTALL))
SITE = """\
config_version = 1
{top}
[server]
hostname = "mail.example.org"
state_dir = "/var/lib/mta"
admin = "postmaster@example.org"
[tls]
certificate = "cert.pem"
key = "key.pem"
{tables}
"""


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with all files that the guide shows."""
    folder = tmp_path_factory.mktemp("examples")
    for block in blocks(GUIDE, "python"):
        name, _, text = block.partition("\n")
        (folder / name.removeprefix("# ")).write_text(text)
    return folder


def test_six_examples(written: Path) -> None:
    """Each has a plugin, its test, and what the site file says."""
    assert len(EXAMPLES) >= 6
    for name, text in EXAMPLES.items():
        assert {f"{name}.py", f"test_{name}.py"} <= {path.name for path in written.iterdir()}
        assert len(blocks(text, "python")) == 2
        assert len(blocks(text, "toml")) == 1


def test_their_tests(written: Path) -> None:
    """As an author would run them."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    options = ["-q", "-p", "no:cacheprovider", f"--rootdir={written}", "-c", os.devnull]

    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options, str(written)],
        cwd=written, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert done.returncode == 0, done.stdout + done.stderr
    assert int(re.findall(r"(\d+) passed", done.stdout)[0]) >= 10


@pytest.mark.parametrize("name", EXAMPLES)
def test_their_site_files(written: Path, name: str) -> None:
    """What the guide says of each plugin is what it reads."""
    (text,) = blocks(EXAMPLES[name], "toml")
    tables = re.sub(r"^plugin_path.*\n", "", text)

    site = parse_site(SITE.format(top=f'plugin_path = ["{written}"]', tables=tables), written, "example")

    (found,) = site.found_plugins
    assert found.table.use.startswith(f"{name}:")
    asked = [table.plugins or site.relay.plugins for table in site.listen.values()]
    assert list(filter(None, asked)) == [(found.name,)]


def test_the_guide_names_everything() -> None:
    """All stages with their methods, all changes, and all of the kit."""
    for stage in (*POLICIES, *GRANTS, *ROUTING, *OBSERVERS):
        (method,) = stage.names()
        assert f"| `{stage.__name__}` | `{method}{stage[method].getSignatureString()}` |" in GUIDE
    for change in get_args(Change):
        assert f"| `{change.__name__}({next(iter(change.__dataclass_fields__))}" in GUIDE
    kit = GUIDE.partition("## The kit")[2].partition("## Tables")[0]
    for attribute in Kit.__dataclass_fields__:
        assert attribute.startswith("_") or f"`{attribute}" in kit


# etc/plugins


@pytest.fixture
def listed(tmp_path: Path) -> tuple[Rig, Path]:
    """The sample, with a file of senders."""
    file = tmp_path / "senders"
    file.write_text("# nobody wants these\neve@evil.test\nSpam.test  # with all below\n\n")
    rig = Rig("sender_list:SenderList", {"file": "senders"}, path=[ROOT / "etc" / "plugins"], folder=tmp_path)
    return rig, file


def refused(rig: Rig, sender: str, account: str | None = None) -> bool:
    return rig.ask(IMailPolicy, client(account=account), mail_from(sender)) is not None


def test_the_sample(listed: tuple[Rig, Path]) -> None:
    """Addresses, and domains with all below them; not for who has logged in."""
    rig, _ = listed

    assert all(refused(rig, each) for each in ("eve@evil.test", "Eve@evil.test", "a@spam.test", "a@b.spam.test"))
    assert not any(refused(rig, each) for each in ("", "ann@evil.test", "a@notspam.test", "a@test"))
    assert not refused(rig, "eve@evil.test", account="ann@home.test")


def test_the_samples_file_changes(listed: tuple[Rig, Path]) -> None:
    """It is read again; one that can't be leaves all as it was."""
    rig, file = listed
    file.write_text("new.test\n")
    os.utime(file, (1, 1))
    assert refused(rig, "eve@evil.test")
    rig.clock.advance(60)
    assert (refused(rig, "eve@evil.test"), refused(rig, "a@new.test")) == (False, True)

    file.unlink()
    rig.clock.advance(60)

    assert refused(rig, "a@new.test")
    assert rig.log.said[0] == "1 senders are refused"
    assert rig.log.said[1].startswith("the list stays as it was: ")


def test_the_sample_without_its_file(tmp_path: Path) -> None:
    """The server doesn't start then."""
    with pytest.raises(FileNotFoundError):
        Rig("sender_list:SenderList", {"file": "none"}, path=[ROOT / "etc" / "plugins"], folder=tmp_path)


def test_the_sample_says_how_it_is_used(tmp_path: Path) -> None:
    """Its docstring is a part of a site file."""
    docstring = (ROOT / "etc" / "plugins" / "sender_list.py").read_text().split('"""')[1]
    lines = [line.strip() for line in docstring.splitlines() if line.startswith("    ")]
    text = "\n".join(lines).replace("[listen.mx]", '[listen.mx]\nrole = "mx"\nendpoint = "tcp:25"')
    top, _, tables = text.partition("[plugins")

    site = parse_site(
        SITE.format(top=top.replace("/etc/mta/plugins", str(ROOT / "etc" / "plugins")), tables=f"[plugins{tables}"),
        tmp_path, "sample",
    )  # fmt: skip

    assert site.found_plugins[0].name == "senders"
