"""What is asked of a dry run, as a value and as JSON."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from twistedmail_mta.config.site import Site
from twistedmail_mta.networks import address_of

T = TypeVar("T")

STRANGER: Final = "198.51.100.25"
"""Where a client is that isn't said to be anywhere: an address of nobody's (RFC 5737)."""
HELO: Final = "client.invalid"
MOST_OCTETS: Final = 500_000
"""Of a message in a dry run: with a running server it goes over the control socket, on one line."""
MOST_RECIPIENTS: Final = 100

_ROLES: Final = frozenset({"mx", "submission", "lmtp", "reinject"})


class QuestionError(ValueError):
    """It can't be asked; the text says why."""


@dataclass(frozen=True, slots=True)
class Question:
    """A session, as a client would hold it.

    Attributes:
        recipients: whom RCPT names, as text between angle brackets.
        sender: whom MAIL names, likewise; empty for the null sender.
        listener: by its name; None: a submission listener for an account, else the first of role mx.
        from_ip: the client's address.
        helo: what it calls itself.
        tls: it encrypts the connection; None: if it logs in.
        account: as whom it logs in; None: it doesn't.
        size: octets that SIZE announces; None: it doesn't say.
        data: the message; None: the client goes away after RCPT.
        callout: other hosts may be asked whether they know a recipient.
        daemons: those plugins are asked, too, that say that this leaves traces.
    """

    recipients: tuple[str, ...]
    sender: str = ""
    listener: str | None = None
    from_ip: str = STRANGER
    helo: str = HELO
    tls: bool | None = None
    account: str | None = None
    size: int | None = None
    data: bytes | None = None
    callout: bool = False
    daemons: bool = False

    def __post_init__(self) -> None:
        """Refuse what no client could say.

        Raises:
            QuestionError: something of it can't be.
        """
        if not 0 < len(self.recipients) <= MOST_RECIPIENTS:
            raise QuestionError(f"a session names 1 to {MOST_RECIPIENTS} recipients")
        for text in (self.sender, self.helo, self.account or "", *self.recipients):
            if not text.isprintable() or len(text) > 1000:
                raise QuestionError(f"{text!r:.100} can't be said in a line of SMTP")
        if address_of(self.from_ip) is None:
            raise QuestionError(f"{self.from_ip!r:.100} is no IP address")
        if self.data is not None and len(self.data) > MOST_OCTETS:
            raise QuestionError(f"a message in a dry run has at most {MOST_OCTETS} octets; say its size instead")

    @property
    def encrypts(self) -> bool:
        """Whether the client encrypts the connection."""
        return self.account is not None if self.tls is None else self.tls

    def listener_in(self, site: Site) -> str:
        """Return the name of the listener that the client comes in by.

        Raises:
            QuestionError: there is none, or none where mail comes in.
        """
        incoming = {name: table for name, table in site.listen.items() if table.role in _ROLES}
        if self.listener is not None:
            if self.listener not in incoming:
                known = ", ".join(incoming) or "none"
                raise QuestionError(f"no mail comes in by a listener {self.listener!r}; there are: {known}")
            return self.listener
        role = "mx" if self.account is None else "submission"
        found = next((name for name, table in incoming.items() if table.role == role), None)
        if found is None:
            raise QuestionError(f"the site has no listener of role {role}; name another one")
        return found

    def as_object(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        named = {name: getattr(self, name) for name in _KINDS}
        named["recipients"] = list(self.recipients)
        named["data"] = None if self.data is None else base64.b64encode(self.data).decode("ascii")
        return named


_KINDS: Final[Mapping[str, type | tuple[type, ...]]] = {
    "recipients": list,
    "sender": str,
    "listener": (str, type(None)),
    "from_ip": str,
    "helo": str,
    "tls": (bool, type(None)),
    "account": (str, type(None)),
    "size": (int, type(None)),
    "data": (str, type(None)),
    "callout": bool,
    "daemons": bool,
}


def question_of(named: Mapping[str, Any]) -> Question:
    """Return the question that `as_object` wrote.

    Raises:
        QuestionError: it is none.
    """
    if unknown := named.keys() - _KINDS.keys():
        raise QuestionError(f"a session has no {', '.join(sorted(unknown))}")
    for name, value in named.items():
        if not isinstance(value, _KINDS[name]):
            raise QuestionError(f"{name} is of the wrong kind")
    recipients = named.get("recipients", [])
    if not all(isinstance(each, str) for each in recipients):
        raise QuestionError("recipients must be texts")
    text = named.get("data")
    try:
        data = None if text is None else base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise QuestionError("data must be in base64") from error
    return Question(**{**named, "recipients": tuple(recipients), "data": data})
