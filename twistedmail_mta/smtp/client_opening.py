"""The client's way into a session: greeting, EHLO, STARTTLS, EHLO again, AUTH."""

from __future__ import annotations

from base64 import b64encode
from collections import deque
from typing import Final

from twistedmail_mta.model import Reply, TLSLevel
from twistedmail_mta.sasl.client import Credentials, exchange_for
from twistedmail_mta.smtp.client_commands import Extensions, extensions_of
from twistedmail_mta.smtp.client_steps import OUT_OF_STEP, Awaited, Command, Event, host_refusal

TLS_NOT_OFFERED: Final = Reply(451, "4.7.4", "TLS is required and the host does not offer it")
NO_CLEAR_LOGIN: Final = Reply(451, "4.7.11", "The host offers no TLS, and the password is not sent in clear")
NO_MECHANISM: Final = Reply(451, "4.7.4", "The host offers no way to log in that is known here")

UNKNOWN_COMMAND: Final = (500, 502)

Step = Command | Event | Reply
"""A command to send, an event for the driver, or the reply that says why the session can't be opened."""


class Opening:
    """Decides, reply by reply, how a session is opened.

    Nothing that was said before TLS is kept after it (RFC 3207 section 4.2).

    Attributes:
        extensions: what the host offers, as its last EHLO reply said.
        encrypted: TLS is in use.
        authenticated: we logged in.
        lacks_tls: TLS was wanted, and the host doesn't offer it, or doesn't do it.
    """

    def __init__(
        self, hello: str, tls: TLSLevel, credentials: Credentials | None, *, encrypted: bool, lmtp: bool = False
    ) -> None:
        """Prepare to open a session.

        Args:
            hello: our name for EHLO.
            tls: what is demanded of STARTTLS.
            credentials: how to log in, or None; never sent in clear unless `tls` is "none".
            encrypted: TLS is in use from the first octet.
            lmtp: the server speaks LMTP.
        """
        self.extensions = Extensions()
        self.encrypted = encrypted
        self.authenticated = False
        self.lacks_tls = False
        self._hello = hello.encode("ascii", "replace")
        self._tls = tls
        self._credentials = credentials
        self._lmtp = lmtp
        self._responses: deque[bytes] = deque()

    def hello(self) -> Command:
        """Return the EHLO command; in LMTP it is LHLO, and there is no HELO (RFC 2033 section 4.1)."""
        if self._lmtp:
            return Awaited.LHLO, b"LHLO " + self._hello
        return Awaited.EHLO, b"EHLO " + self._hello

    def answered(self, awaited: Awaited, reply: Reply) -> Step:
        """Take the reply to the last command and return what comes next."""
        if awaited is Awaited.AUTH and reply.code == 334:
            return self._respond()
        if awaited is Awaited.EHLO and reply.code in UNKNOWN_COMMAND:
            return Awaited.HELO, b"HELO " + self._hello
        if awaited is Awaited.STARTTLS and not reply.accepts:
            self.lacks_tls = True
            if self._may_stay_in_clear(reply):
                return self._log_in()
        if not reply.accepts:
            return OUT_OF_STEP if reply.code < 400 else host_refusal(awaited, reply)
        return self._accepted(awaited, reply)

    def _accepted(self, awaited: Awaited, reply: Reply) -> Step:
        if awaited is Awaited.GREETING:
            return self.hello()
        if awaited is Awaited.STARTTLS:
            return Event.START_TLS
        if awaited is Awaited.AUTH:
            self.authenticated = True
            return Event.READY
        self.extensions = Extensions() if awaited is Awaited.HELO else extensions_of(reply)
        return self._secure()

    def _may_stay_in_clear(self, reply: Reply) -> bool:
        return self._tls != "required" and reply.code >= 400 and reply.code != 421

    def _secure(self) -> Step:
        if not self.encrypted and self._tls != "none":
            if "STARTTLS" in self.extensions:
                return Awaited.STARTTLS, b"STARTTLS"
            self.lacks_tls = True
            if self._tls == "required":
                return TLS_NOT_OFFERED
        return self._log_in()

    def _log_in(self) -> Step:
        if self._credentials is None:
            return Event.READY
        if not self.encrypted and self._tls != "none":
            return NO_CLEAR_LOGIN
        exchange = exchange_for(self.extensions.mechanisms, self._credentials)
        if exchange is None:
            return NO_MECHANISM
        self._responses = deque(exchange.responses)
        initial = b"" if exchange.initial is None else b" " + b64encode(exchange.initial)
        return Awaited.AUTH, b"AUTH " + exchange.mechanism.encode() + initial

    def _respond(self) -> Step:
        if not self._responses:
            return OUT_OF_STEP
        return Awaited.AUTH, b64encode(self._responses.popleft())
