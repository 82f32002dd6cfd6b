"""Files of other servers as `mta import` reads them."""

from __future__ import annotations

from glob import glob
from pathlib import Path

from twistedmail_mta.migrating.texts import MOST


def read_text(path: str) -> str:
    """Return the text of a file; what isn't UTF-8 in it is taken for Latin-1.

    Raises:
        OSError: it can't be read, is no file, or has too much; the text says why.
    """
    try:
        with Path(path).open("rb") as file:
            octets = file.read(MOST + 1)
    except OSError as error:
        raise OSError(error.strerror or "it can't be opened") from error
    except ValueError as error:  # a NUL in the path
        raise OSError("its name can't be that of a file") from error
    if len(octets) > MOST:
        raise OSError(f"it has more than {MOST >> 20} MB")
    return decoded(octets)


def find_files(pattern: str) -> list[str]:
    """Return the files that a pattern means, in the order of their names."""
    return sorted(glob(pattern))  # noqa: PTH207 - the pattern is a whole path


def decoded(octets: bytes) -> str:
    """Return a text, in whatever of the usual encodings it is."""
    if octets.startswith((b"\xff\xfe", b"\xfe\xff")):
        return octets.decode("utf-16", "replace")
    try:
        return octets.decode("utf-8-sig")
    except UnicodeDecodeError:
        return octets.decode("latin-1")
