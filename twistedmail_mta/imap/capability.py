"""What we say we can (RFC 9051 section 6.1.1)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final

_ALWAYS: Final = (b"IMAP4rev1", b"IMAP4rev2", b"LITERAL+", b"SASL-IR", b"ENABLE", b"ID")

_AFTER_LOGIN: Final = (
    *(b"IDLE", b"NAMESPACE", b"UIDPLUS", b"MOVE", b"UNSELECT", b"CHILDREN", b"LIST-EXTENDED", b"LIST-STATUS"),
    *(b"SPECIAL-USE", b"CREATE-SPECIAL-USE", b"STATUS=SIZE", b"ESEARCH", b"SEARCHRES", b"SORT"),
    *(b"THREAD=ORDEREDSUBJECT", b"THREAD=REFERENCES", b"CONDSTORE", b"QRESYNC", b"BINARY", b"MULTIAPPEND"),
    *(b"UTF8=ACCEPT", b"QUOTA", b"QUOTA=RES-STORAGE", b"QUOTA=RES-MESSAGE"),
)


@dataclass(frozen=True, slots=True)
class Standing:
    """What decides which capabilities a session has.

    Attributes:
        logged_in: the login is over.
        tls_offered: STARTTLS is possible now.
        mechanisms: that a client may log in by now; none where it may not log in at all.
        append_limit: octets of the largest message (RFC 7889).
    """

    logged_in: bool
    tls_offered: bool
    mechanisms: Sequence[str]
    append_limit: int


def capabilities(standing: Standing) -> bytes:
    """Return the capabilities, as CAPABILITY and the response code of that name list them."""
    if standing.logged_in:
        return b" ".join((*_ALWAYS, *_AFTER_LOGIN, b"APPENDLIMIT=%d" % standing.append_limit))
    here = [*_ALWAYS]
    if standing.tls_offered:
        here.append(b"STARTTLS")
    here += [b"AUTH=" + name.encode() for name in standing.mechanisms] or [b"LOGINDISABLED"]
    return b" ".join(here)


class Extension(Enum):
    """What has to be enabled before it is used (RFC 9051 section 6.3.1, RFC 6855, RFC 7162)."""

    REV2 = "IMAP4REV2"
    UTF8 = "UTF8=ACCEPT"
    CONDSTORE = "CONDSTORE"
    QRESYNC = "QRESYNC"


_SPELLED: Final = {
    Extension.REV2: b"IMAP4rev2",
    Extension.UTF8: b"UTF8=ACCEPT",
    Extension.CONDSTORE: b"CONDSTORE",
    Extension.QRESYNC: b"QRESYNC",
}


def known_extensions(names: Sequence[str]) -> list[Extension]:
    """Return those that can be enabled, each once; others are passed over (RFC 9051 section 6.3.1)."""
    values = {extension.value for extension in Extension}
    return [Extension(name) for name in dict.fromkeys(names) if name in values]


def enabled_line(extensions: Sequence[Extension]) -> bytes:
    """Return the response that tells what was enabled (RFC 9051 section 7.2.1)."""
    return b"* ENABLED" + b"".join(b" " + _SPELLED[extension] for extension in extensions) + b"\r\n"
