"""What each command means where the session stands: an event, or an answer at once.

Order and syntax are judged here (RFC 5321 section 4.1.4); whether the client
may is the driver's business.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from twistedmail_mta.model import Reply
from twistedmail_mta.smtp import answers
from twistedmail_mta.smtp.body import TOO_LARGE, BodyReader
from twistedmail_mta.smtp.command import parse_auth, parse_hello, parse_mail, parse_rcpt
from twistedmail_mta.smtp.data import LineEnds
from twistedmail_mta.smtp.errors import CommandError
from twistedmail_mta.smtp.events import Data, Event, Hello, Quit, Reset, StartTLS, Verify
from twistedmail_mta.smtp.xforward import Forwarded, parse_forward


@dataclass(frozen=True, slots=True)
class SessionSettings:
    """What a session needs to know of its listener; sizes in octets.

    Attributes:
        hostname: our name, in EHLO.
        max_size: the largest message, announced by SIZE and enforced.
        max_line: the longest line of a message, its CRLF aside.
        strict: refuse bare CR and LF in messages instead of repairing them.
        login_after_tls: AUTH will be offered once TLS is active, so a login in
            clear is told to start it.
        lmtp: LMTP is spoken (RFC 2033).
        xforward: clients may tell of the client they had the message from (`xforward`).
    """

    hostname: str
    max_size: int
    max_line: int = 1024 * 1024
    strict: bool = False
    login_after_tls: bool = False
    lmtp: bool = False
    xforward: bool = False


@dataclass(slots=True)
class Transaction:
    """The mail transaction under way (RFC 5321 section 3.3).

    Attributes:
        smtputf8: MAIL asked for SMTPUTF8.
        asked: RCPT was given.
        accepted: how many RCPT were accepted.
        body: what has come by BDAT, from the first chunk on.
    """

    smtputf8: bool
    asked: bool = False
    accepted: int = 0
    body: BodyReader | None = None


@dataclass(slots=True)
class Standing:
    """What a session has come to; `ServerSession` documents what its driver sets.

    Attributes:
        forwarded: what XFORWARD said for the next transaction.
        owed: in LMTP, how many replies a last chunk still gets although an
            earlier one was refused: one for each RCPT that was accepted.
    """

    settings: SessionSettings
    mechanisms: tuple[str, ...] = ()
    tls_available: bool = False
    tls_active: bool = False
    greeted: bool = False
    authenticated: bool = False
    transaction: Transaction | None = None
    forwarded: Forwarded | None = None
    owed: int = 0

    def forget(self) -> None:
        """Know nothing more of the client (RFC 3207 section 4.2)."""
        self.greeted = False
        self.authenticated = False
        self.drop()

    def drop(self) -> None:
        """End the transaction, if there is one."""
        self.transaction = None
        self.forwarded = None
        self.owed = 0

    def demand_recipients(self) -> Transaction:
        """Return the transaction, which has recipients.

        Raises:
            CommandError: there is none, or it has none.
        """
        transaction = self.transaction
        if transaction is None:
            raise CommandError(answers.MAIL_FIRST)
        if not transaction.accepted:
            if self.settings.lmtp:
                raise CommandError(answers.NO_LMTP_RECIPIENTS)
            raise CommandError(answers.NO_RECIPIENTS if transaction.asked else answers.RCPT_FIRST)
        return transaction

    def welcome(self, hello: Hello, text: str) -> Reply:
        """Know the client, and return the answer: our name and, to EHLO, what we offer."""
        self.greeted = True
        hostname = self.settings.hostname
        if not hello.extended:
            return Reply(250, "", f"{hostname} {text}")
        return answers.offer(
            f"{hostname} {text}",
            self.settings.max_size,
            () if self.authenticated else self.mechanisms,
            starttls=self.tls_available and not self.tls_active,
            xforward=self.settings.xforward,
        )

    def new_body(self) -> BodyReader:
        """Return what reads the body of the next message."""
        return BodyReader(
            self.settings.max_size, LineEnds(strict=self.settings.strict, max_line=self.settings.max_line)
        )


Verb = Callable[[Standing, str], Event | Reply]


def _demand(condition: object, refusal: Reply) -> None:
    if not condition:
        raise CommandError(refusal)


def _demand_hello(standing: Standing) -> None:
    _demand(standing.greeted, answers.LHLO_FIRST if standing.settings.lmtp else answers.HELLO_FIRST)


def _ehlo(standing: Standing, argument: str) -> Event:
    standing.drop()
    return Hello(parse_hello(argument), extended=True)


def _helo(standing: Standing, argument: str) -> Event:
    standing.drop()
    return Hello(parse_hello(argument), extended=False)


def _mail(standing: Standing, argument: str) -> Event:
    _demand_hello(standing)
    _demand(standing.transaction is None, answers.NESTED_MAIL)
    mail = parse_mail(argument)
    _demand((mail.parameters.size or 0) <= standing.settings.max_size, TOO_LARGE)
    return mail if standing.forwarded is None else replace(mail, forwarded=standing.forwarded)


def _xforward(standing: Standing, argument: str) -> Reply:
    _demand(standing.settings.xforward, answers.UNKNOWN_COMMAND)
    _demand_hello(standing)
    _demand(standing.transaction is None, answers.FORWARD_IN_TRANSACTION)
    standing.forwarded = parse_forward(argument, standing.forwarded)
    return answers.OK


def _rcpt(standing: Standing, argument: str) -> Event:
    transaction = standing.transaction
    if transaction is None:
        raise CommandError(answers.MAIL_FIRST)
    _demand(transaction.body is None, answers.CHUNKS_UNDER_WAY)
    rcpt = parse_rcpt(argument, smtputf8=transaction.smtputf8)
    transaction.asked = True
    return rcpt


def _data(standing: Standing, argument: str) -> Event:
    _demand(not argument, answers.NO_ARGUMENT)
    _demand(standing.demand_recipients().body is None, answers.CHUNKS_UNDER_WAY)
    return Data()


def _rset(standing: Standing, argument: str) -> Event:
    _demand(not argument, answers.NO_ARGUMENT)
    standing.drop()
    return Reset()


def _quit(_: Standing, argument: str) -> Event:
    _demand(not argument, answers.NO_ARGUMENT)
    return Quit()


def _vrfy(_: Standing, argument: str) -> Event:
    _demand(argument, answers.NEEDS_ARGUMENT)
    return Verify(argument)


def _starttls(standing: Standing, argument: str) -> Event:
    _demand(not argument, answers.NO_ARGUMENT)
    _demand(not standing.tls_active, answers.TLS_ACTIVE)
    _demand(standing.tls_available, answers.NO_TLS)
    _demand_hello(standing)
    return StartTLS()


def _auth(standing: Standing, argument: str) -> Event:
    _demand_hello(standing)
    _demand(not standing.authenticated, answers.LOGGED_IN_ALREADY)
    _demand(standing.transaction is None, answers.LOGIN_IN_TRANSACTION)
    if not standing.mechanisms:
        needs_tls = standing.settings.login_after_tls and not standing.tls_active
        raise CommandError(answers.LOGIN_NEEDS_TLS if needs_tls else answers.NO_LOGIN)
    auth = parse_auth(argument)
    _demand(auth.mechanism in standing.mechanisms, answers.UNKNOWN_MECHANISM)
    return auth


def _noop(_: Standing, __: str) -> Reply:
    return answers.OK


def _help(standing: Standing, _: str) -> Reply:
    return answers.LMTP_HELP if standing.settings.lmtp else answers.HELP


def _not_implemented(_: Standing, __: str) -> Reply:
    return answers.NOT_IMPLEMENTED


def _http(_: Standing, __: str) -> Reply:
    return answers.NOT_THE_WEB


_HTTP: Final = dict.fromkeys(
    (b"GET", b"POST", b"PUT", b"PATCH", b"HEAD", b"DELETE", b"OPTIONS", b"TRACE", b"CONNECT"), _http
)
"""What begins a request of HTTP (RFC 9110 section 9), whose header and body must not be taken for commands.

Programs on this host can be made to send such a request anywhere, also to where this host's programs are trusted.
"""

# BDAT is the session's own: whatever its answer, octets follow it.
VERBS: Final[dict[bytes, Verb]] = {
    b"EHLO": _ehlo,
    b"HELO": _helo,
    b"MAIL": _mail,
    b"RCPT": _rcpt,
    b"DATA": _data,
    b"RSET": _rset,
    b"QUIT": _quit,
    b"VRFY": _vrfy,
    b"STARTTLS": _starttls,
    b"AUTH": _auth,
    b"NOOP": _noop,
    b"XFORWARD": _xforward,
    b"HELP": _help,
    # RFC 5321 section 3.5 and appendix F, RFC 1985
    b"EXPN": _not_implemented,
    b"TURN": _not_implemented,
    b"ETRN": _not_implemented,
    b"SEND": _not_implemented,
    b"SOML": _not_implemented,
    b"SAML": _not_implemented,
    **_HTTP,
}

LMTP_VERBS: Final[dict[bytes, Verb]] = {
    b"LHLO": _ehlo,
    **{verb: meaning for verb, meaning in VERBS.items() if verb not in {b"EHLO", b"HELO", b"AUTH"}},
}
"""LHLO takes the place of EHLO and HELO (RFC 2033 section 4.1); nobody logs in."""
