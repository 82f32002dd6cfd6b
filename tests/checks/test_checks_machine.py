"""Disk, clock, memory, open files and IPv6: what is enough, and what isn't."""

from __future__ import annotations

import ctypes
from pathlib import Path
from typing import ClassVar

import pytest

from twistedmail_mta.checks import disk
from twistedmail_mta.checks.clock import findings_of_clock, kernel_status, status_of
from twistedmail_mta.checks.disk import findings_of_disk, of_room, of_speed, seconds_of_write
from twistedmail_mta.checks.machine import available_memory, has_ipv6, is_global, of_files, of_ipv6, of_memory
from twistedmail_mta.config.load import parse_site

GB = 1024**3
SITE = 'config_version = 1\n[server]\nhostname = "h.example"\nstate_dir = "s"\nadmin = "a@h.example"\n[limits]\n'
LISTEN = '[listen.mx]\nrole = "mx"\nendpoint = "tcp:0:interface=127.0.0.1"\n'


@pytest.mark.parametrize(
    ("free", "words"), [(GB // 10, "new mail is refused"), (GB, "has only 1.0 GB free"), (5 * GB, "")]
)
def test_room(free: int, words: str) -> None:
    """Below what new mail needs, below what is wise, and enough."""
    found = list(of_room(Path("/state"), free))

    assert [each.level for each in found] == ["warning"] * bool(words)
    assert all(words in each.text and each.mend for each in found)


@pytest.mark.parametrize(
    ("seconds", "level", "words"),
    [
        (1e-6, "warning", "in no time at all"),
        (0.0004, "note", "is safe in 0.4 ms"),
        (0.02, "note", "is safe in 20.0 ms"),
        (0.25, "warning", "is safe in 250 ms only"),
    ],
)
def test_speed(seconds: float, level: str, words: str) -> None:
    """Memory that calls itself a disk loses accepted mail; a slow disk keeps it waiting."""
    found = of_speed(Path("/state"), seconds)

    assert found.level == level
    assert words in found.text


def test_measuring(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every write is synced, a bounded number of them, and nothing stays."""
    synced: list[int] = []
    monkeypatch.setattr(disk.os, "fsync", synced.append)

    assert seconds_of_write(tmp_path) >= 0

    assert 1 <= len(synced) <= disk.MOST_WRITES
    assert list(tmp_path.iterdir()) == []


def test_state_directory_that_is_yet_to_be_made(tmp_path: Path) -> None:
    """Its parent tells the room; nothing is measured, and nothing made."""
    found = list(findings_of_disk(tmp_path / "a" / "state"))

    assert not any("is safe" in each.text for each in found)
    assert list(tmp_path.iterdir()) == []


def test_clock_before_the_program() -> None:
    """A time at which the program wasn't there yet is wrong, whatever the kernel thinks of it."""
    (found,) = findings_of_clock(1_000_000_000.0, installed=1_700_000_000.0, status=0)

    assert found.text == "the clock says 2001-09-09, and this program was installed on 2023-11-14: it is slow"
    assert "timedatectl" in found.mend


def test_clock_that_nothing_keeps_right() -> None:
    """The kernel's bit alone decides, not the others of its word (adjtimex(2))."""
    unsynchronised = list(findings_of_clock(1_700_000_001.0, installed=1_700_000_000.0, status=0x2040))
    synchronised = list(findings_of_clock(1_700_000_001.0, installed=1_700_000_000.0, status=0x2001))

    assert [each.level for each in unsynchronised] == ["warning"]
    assert synchronised == []


class Timex(ctypes.Structure):
    """The beginning of struct timex, as adjtimex(2) has it."""

    _fields_: ClassVar = [
        ("modes", ctypes.c_int),
        *((name, ctypes.c_long) for name in ("offset", "freq", "maxerror", "esterror")),
        ("status", ctypes.c_int),
    ]


def test_where_the_status_is() -> None:
    """It is read from where the kernel puts it, whatever stands around it."""
    full = bytes(Timex(modes=-1, offset=-1, freq=-1, maxerror=-1, esterror=-1, status=0x2041))

    assert status_of(ctypes.create_string_buffer(full, 256)) == 0x2041


def test_what_the_kernel_says() -> None:
    """It can be asked by everybody, and says nothing but bits that it has."""
    assert 0 <= kernel_status() < 0x10000


def test_memory() -> None:
    """What programs can have counts, not what is free."""
    assert available_memory("MemTotal: 9 kB\nMemFree: 1 kB\nMemAvailable:    2048 kB\n") == 2048 * 1024
    assert available_memory("") is None
    assert [each.level for each in of_memory(100 * 1024 * 1024)] == ["warning"]
    assert list(of_memory(GB)) == []
    assert list(of_memory(None)) == []


def test_open_files() -> None:
    """Each client is one, and the server needs some beside; no limit at all is -1."""
    site = parse_site(f"{SITE}connections = 1000\n{LISTEN}", Path("/nowhere"), "the site")

    (found,) = of_files(site, 1024)
    assert (found.level, found.path) == ("warning", "limits.connections")
    assert "1024 files, and 1000 clients need 1500" in found.text
    assert list(of_files(site, 1500)) == []
    assert list(of_files(site, -1)) == []


def test_ipv6() -> None:
    """Loopback and link-local addresses don't count."""
    here = (
        "00000000000000000000000000000001 01 80 10 80       lo\nfe800000000000000000000000000001 02 40 20 80     eth0\n"
    )
    world = "20010db8000000000000000000000001 02 40 00 80     eth0\n"

    assert not is_global(here)
    assert is_global(here + world)
    assert [each.level for each in of_ipv6(there=False)] == ["note"]
    assert list(of_ipv6(there=True)) == []


def test_interface_of_any_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel takes all but blanks for one."""
    table = tmp_path / "if_inet6"
    table.write_bytes(b"20010db8000000000000000000000001 02 40 00 80 \xfc\xff\n")
    monkeypatch.setattr("twistedmail_mta.checks.machine._INTERFACES", table)

    assert has_ipv6()
