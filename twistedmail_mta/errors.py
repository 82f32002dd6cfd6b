"""What crosses a seam when there is no recipient to attach an outcome to."""

from __future__ import annotations

from twistedmail_mta.model import Reply


class MailError(Exception):
    """A refusal that carries the reply to give.  Raise one of its two kinds.

    Attributes:
        reply: what a client is told, or a recipient's outcome is made of.
    """

    def __init__(self, reply: Reply) -> None:
        super().__init__(str(reply))
        self.reply = reply


class TemporaryError(MailError):
    """It may work later: the reply is a 4xx."""


class PermanentError(MailError):
    """It will not work: the reply is a 5xx."""


class HTTPError(Exception):
    """A web service gave no answer that can be used; the text says why."""


class UntrustedServerError(HTTPError):
    """TLS with a web service failed, mostly since its certificate isn't its own."""
