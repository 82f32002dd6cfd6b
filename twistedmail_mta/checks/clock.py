"""The clock: signatures, certificates, retries and Received fields rely on it.

Nobody else is asked: the kernel knows whether something keeps its clock right
(adjtimex(2)), and a clock that is behind the files of this program is wrong.
"""

from __future__ import annotations

import ctypes
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from twistedmail_mta.checks.finding import Finding

_UNSYNCHRONISED: Final = 0x0040
"""STA_UNSYNC of timex.h."""
_SIZE: Final = 256
"""Octets, more than struct timex has."""
_A_DAY: Final = 86400.0


def findings_of_clock(now: float, installed: float | None = None, status: int | None = None) -> Iterator[Finding]:
    """Judge the clock.

    Args:
        now: what it says, in seconds since the epoch.
        installed: when this program was installed; None to look.
        status: what the kernel says of its clock; None to ask it.
    """
    mend = "let one of systemd-timesyncd, chrony or ntpd keep it right: timedatectl set-ntp true"
    since = Path(__file__).stat().st_mtime if installed is None else installed
    known = kernel_status() if status is None else status
    if now < since - _A_DAY:
        text = f"the clock says {_date(now)}, and this program was installed on {_date(since)}: it is slow"
        yield Finding("warning", "", text, mend)
    elif known & _UNSYNCHRONISED:
        yield Finding("warning", "", "nothing keeps this system's clock right, as far as its kernel knows", mend)


def kernel_status() -> int:
    """Return the status bits of the kernel's clock; 0 where it can't be asked."""
    try:
        adjtimex = ctypes.CDLL(None).adjtimex
    except (AttributeError, OSError):
        return 0  # no Linux
    timex = ctypes.create_string_buffer(_SIZE)  # modes = 0: nothing is set
    return status_of(timex) if adjtimex(timex) >= 0 else 0


def status_of(timex: ctypes.Array[ctypes.c_char]) -> int:
    """Return the field `status` of a struct timex."""
    # int modes; long offset, freq, maxerror, esterror; int status: each long at a multiple of its size
    return ctypes.c_int.from_buffer(timex, 5 * ctypes.sizeof(ctypes.c_long)).value


def _date(at: float) -> str:
    return time.strftime("%Y-%m-%d", time.gmtime(at))
