"""What ends a check before a mechanism decides (RFC 7208 section 2.6.6 and section 2.6.7)."""

from __future__ import annotations


class SPFError(Exception):
    """A check that ends without an answer; the text says why.  Raise one of its two kinds."""


class PermError(SPFError):
    """The records are wrong, or ask for too much: their owner has to mend them."""


class TempError(SPFError):
    """The DNS didn't answer: it may work later."""
