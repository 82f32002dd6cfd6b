"""Values of labels: a fixed set for each, so that no peer's word ever becomes one (PURE)."""

from __future__ import annotations

from typing import Final

from twistedmail_mta.observe.figures import OTHERS

_TLS: Final = frozenset({"TLSv1.3", "TLSv1.2", "TLSv1.1", "TLSv1"})


def among(known: frozenset[str], value: object) -> str:
    """Return a value that is known; for any other that it is one."""
    return value if isinstance(value, str) and value in known else OTHERS


def version_of(tls: str) -> str:
    """Return the version of TLS of a connection.

    Args:
        tls: version and cipher; empty in clear.
    """
    return among(_TLS, tls.partition(" ")[0]) if tls else "none"
