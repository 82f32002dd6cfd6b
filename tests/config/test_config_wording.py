"""Values as people write them in the site file."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

from twistedmail_mta.config.changes import said_by
from twistedmail_mta.config.load import parse_site, read_site
from twistedmail_mta.config.units import parse_duration, parse_size, written_duration, written_size
from twistedmail_mta.config.wording import WHOLE, as_written, kind_of

SAMPLE = Path(__file__).parents[2] / "etc" / "mta.toml"


@pytest.mark.parametrize(
    ("steps", "value", "words"),
    [
        (["limits", "idle"], 300.0, '"5m"'),
        (["limits", "message_size"], 50 << 20, '"50MB"'),
        (["listen", "mx", "limits", "message_size"], 1500, '"1500B"'),
        (["listen", "mx", "limits", "idle"], 90.0, '"90s"'),
        (["listen", "mx", "strict"], True, "true"),
        (["listen", "mx", "endpoint"], ["tcp:25"], '["tcp:25"]'),
        (["limits", "hops"], 100, "100"),
        (["queue", "retry"], [300.0, 3600.0, 0.25], '["5m", "1h", "250ms"]'),
        (["server", "admin"], {"local": "postmaster", "domain": "example.org"}, '"postmaster@example.org"'),
        (["domains", "example.org"], {"relay_to": "mx", "subaddress": "+", "quota": None}, '{ relay_to = "mx" }'),
        (["domains"], {"example.org": {}}, '{ "example.org" = {} }'),
        (["tls"], None, "nothing"),
        (["plugins", "a", "anything"], "wait", '"wait"'),
    ],
)
def test_values(steps: list[str], value: Any, words: str) -> None:
    """Times and sizes have their units again, tables leave out what is as it would be anyway."""
    assert as_written(value, kind_of(steps)) == words


@pytest.mark.parametrize("seconds", [0.001, 0.25, 1.0, 59.0, 60.0, 90.0, 3600.0, 5400.0, 86400.0, 604800.0, 1e7])
def test_times_mean_what_they_meant(seconds: float) -> None:
    """Reading one brings it back."""
    assert parse_duration(written_duration(seconds)) == seconds


@pytest.mark.parametrize("octets", [0, 1, 1023, 1024, 1500, 50 << 20, 3 << 30, 1 << 40])
def test_sizes_mean_what_they_meant(octets: int) -> None:
    """Reading one brings it back."""
    assert parse_size(written_size(octets)) == octets


def test_a_whole_file() -> None:
    """The sample, written and read again, says the same."""
    said = said_by(read_site(SAMPLE))
    text = "\n".join(
        f"{key} = {as_written(value, WHOLE.inside(key))}" for key, value in said.items() if value is not None
    )

    assert tomllib.loads(text)
    assert said_by(parse_site(text, SAMPLE.parent, "test")) == said
