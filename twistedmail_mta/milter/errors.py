"""What can be wrong with what a filter says."""

from __future__ import annotations


class MilterError(Exception):
    """The filter doesn't speak the protocol, or not as it was agreed on: the connection is of no use any more."""


class TooLarge(Exception):
    """A string that no packet can hold."""
