"""Which errors are the operator's to read, and which are bugs."""

from __future__ import annotations

from typing import Final

from twistedmail_mta.config.problems import ConfigError
from twistedmail_mta.control.client import RefusedError
from twistedmail_mta.directory.accounts import DirectoryError
from twistedmail_mta.errors import MailError
from twistedmail_mta.keeping.restoring import NotEmptyError
from twistedmail_mta.keeping.sums import DamagedError
from twistedmail_mta.keeping.target import TargetBusy
from twistedmail_mta.plugins import PluginError
from twistedmail_mta.privileges import PrivilegeError
from twistedmail_mta.store.holding import HeldError
from twistedmail_mta.store.schema import SchemaError, UnusableDatabase
from twistedmail_mta.store.snapshot import GaveUp

_FOR_OPERATORS: Final = (
    ConfigError,
    DamagedError,
    DirectoryError,
    GaveUp,
    HeldError,
    NotEmptyError,
    PluginError,
    PrivilegeError,
    RefusedError,
    SchemaError,
    TargetBusy,
    UnusableDatabase,
)
"""Errors whose text says all."""


def in_words(error: Exception) -> str | None:
    """Return what to tell an operator, or None when only a traceback helps."""
    if isinstance(error, _FOR_OPERATORS):
        return str(error)
    if isinstance(error, MailError):
        return error.reply.text
    if isinstance(error, PermissionError):
        return f"{error.filename}: {error.strerror}; run this as root, or as the user whom the server runs as"
    if isinstance(error, OSError):
        return f"{error.filename}: {error.strerror}" if error.filename else str(error)
    return None
