"""The trial site, and where secrets come from."""

from __future__ import annotations

from ipaddress import ip_address
from pathlib import Path

import pytest

from twistedmail_mta.config.endpoints import parse_endpoint
from twistedmail_mta.config.secrets import credential_path, is_credential, read_secret
from twistedmail_mta.config.trial import choose_site, open_trial, trial_site, welcome


def test_trial_site_is_for_this_machine_only(tmp_path: Path) -> None:
    """Every listener is on loopback, and every route leads there."""
    site = trial_site(tmp_path)

    places = [parse_endpoint(text).arguments["interface"] for table in site.listen.values() for text in table.endpoint]
    assert all(ip_address(place).is_loopback for place in places)
    assert all(route.via.startswith("smtp://127.0.0.1:") for route in site.route)
    assert site.server.state_dir == tmp_path / "mta-state"


def test_password_is_made_once(tmp_path: Path) -> None:
    """The first start makes it, for its owner only; later ones find it."""
    state_dir = trial_site(tmp_path).server.state_dir

    first, second = open_trial(state_dir), open_trial(state_dir)

    assert (first.first_start, second.first_start) == (True, False)
    assert first.password == second.password
    assert len(first.password) >= 12
    assert state_dir.stat().st_mode & 0o777 == 0o700
    assert (state_dir / "demo-password").stat().st_mode & 0o777 == 0o600


def test_first_lines_on_the_screen(tmp_path: Path) -> None:
    """Every listener, and the password the first time only."""
    site = trial_site(tmp_path)
    first = open_trial(site.server.state_dir)

    said = welcome(site, first)
    assert all(f"127.0.0.1:{port}" in said for port in (2525, 2587, 2465, 2110, 2995, 2143, 2993))
    assert first.password in said
    again = welcome(site, open_trial(site.server.state_dir))
    assert first.password not in again
    assert str(site.server.state_dir / "demo-password") in again


def test_choice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without any file the trial site is chosen."""
    monkeypatch.setattr("twistedmail_mta.config.load.SYSTEM_FILE", tmp_path / "none")

    assert choose_site(None, {}, tmp_path).is_trial


def test_secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From a file, the environment or a credential of systemd; read anew each time."""
    (tmp_path / "relay").write_text("pass word\n")
    monkeypatch.setenv("RELAY", "other")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))

    assert read_secret(f"file:{tmp_path / 'relay'}") == "pass word"
    assert read_secret("credential:relay") == "pass word"
    assert read_secret("env:RELAY") == "other"
    assert is_credential(credential_path("relay"))
    assert not is_credential(Path("/etc/mta/key.pem"))


@pytest.mark.parametrize("source", ["env:NO_SUCH_NAME", "credential:../etc/passwd", "pass word"])
def test_no_secret(source: str) -> None:
    """What can't be had is a ValueError, never an empty password."""
    with pytest.raises(ValueError, match=r"."):
        read_secret(source)
