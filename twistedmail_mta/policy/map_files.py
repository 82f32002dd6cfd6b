"""Maps of addresses that stand in files, and are read again when these change."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Final

from twistedmail_mta.errors import TemporaryError
from twistedmail_mta.model import Address
from twistedmail_mta.plugins import Kit
from twistedmail_mta.policy.address_map import MAX_FILE, AddressMap, parse_map
from twistedmail_mta.tasks import sleep

_Signature = tuple[int, int, int, int]
_GONE: Final = (0, 0, 0, 0)


class MapFiles:
    """The maps of one plugin."""

    def __init__(self, files: Iterable[Path], kit: Kit) -> None:
        """Read all of them; blocks, so before the server serves.

        Args:
            files: where they are.
            kit: of the plugin.

        Raises:
            ValueError: one can't be read, or has mistakes; the text names the file and the lines.
        """
        self._kit = kit
        self._maps: dict[Path, AddressMap] = {}
        self._seen: dict[Path, _Signature] = {}
        mistakes: list[str] = []
        for file in dict.fromkeys(files):
            try:
                self._seen[file], parsed = _signature(file), _parsed(file)
            except OSError as error:
                mistakes.append(_told(file, error))
                continue
            if isinstance(parsed, ValueError):
                mistakes.append(_told(file, parsed))
            else:
                self._maps[file] = parsed
        if mistakes:
            raise ValueError("; ".join(mistakes))

    def new(self, file: Path, address: Address) -> Address | None:
        """Return what an address becomes by one of them; None if that doesn't know it."""
        return self._maps[file].new(address)

    async def keep_up(self, every: float) -> None:
        """Look at the files for ever; one that can't be read, or has mistakes, changes nothing.

        Args:
            every: seconds between two looks.
        """
        while True:
            await sleep(self._kit.clock, every)
            for file in self._maps:
                await self._look(file)

    async def _look(self, file: Path) -> None:
        run = self._kit.run_in_thread
        try:
            if (seen := await run(_signature, file)) == self._seen[file]:
                return
            changed = await run(_parsed, file)
        except TemporaryError:
            return  # no thread is free; the next look finds the same
        except OSError as error:
            self._refuse(file, _GONE, error)
        else:
            self._take(file, seen, changed)

    def _take(self, file: Path, seen: _Signature, changed: AddressMap | ValueError) -> None:
        if isinstance(changed, ValueError):
            self._refuse(file, seen, changed)
            return
        self._seen[file], self._maps[file] = seen, changed
        self._kit.log.info("{file} read again: {count} lines", event="rewrite.read", file=str(file), count=len(changed))

    def _refuse(self, file: Path, seen: _Signature, error: Exception) -> None:
        """Leave what was read before in use; say so once."""
        if self._seen[file] != seen:
            self._seen[file] = seen
            self._kit.log.warn(
                "what was read before stays in use: {reason}", event="rewrite.unread", reason=_told(file, error)
            )


def _told(file: Path, error: Exception) -> str:
    return f"{file}: {getattr(error, 'strerror', None) or error}"


def _parsed(file: Path) -> AddressMap | ValueError:
    """Return what a file holds, or its mistakes; blocks.

    Raises:
        OSError: it can't be read.
    """
    with file.open("rb") as stream:
        octets = stream.read(MAX_FILE + 1)
    try:
        return parse_map(octets)
    except ValueError as error:
        return error


def _signature(file: Path) -> _Signature:
    """Return what changes when the file does; taken before it is read, so that no change is missed."""
    status = file.stat()
    return status.st_mtime_ns, status.st_ctime_ns, status.st_size, status.st_ino
