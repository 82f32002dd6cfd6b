"""What the server session says by itself: syntax, order, and what it offers."""

from __future__ import annotations

from typing import Final

from twistedmail_mta.model import Reply
from twistedmail_mta.smtp.xforward import ATTRIBUTES

OK: Final = Reply(250, "2.0.0", "OK")
RESET: Final = Reply(250, "2.0.0", "Reset")
HELP: Final = Reply(
    214,
    "2.0.0",
    "Commands: EHLO HELO STARTTLS AUTH MAIL RCPT DATA BDAT RSET NOOP VRFY HELP QUIT\n"
    "A message: EHLO your.host.name, MAIL FROM:<you@example.org>, RCPT TO:<them@example.com>, DATA,\n"
    "the header, an empty line, the text, and a line with nothing but a dot",
)
LMTP_HELP: Final = Reply(
    214,
    "2.0.0",
    "This is LMTP. Commands: LHLO STARTTLS MAIL RCPT DATA BDAT RSET NOOP VRFY HELP QUIT\n"
    "The message is answered once for each recipient that was accepted",
)

UNKNOWN_COMMAND: Final = Reply(500, "5.5.1", "Command not recognized; try HELP")
NOT_IMPLEMENTED: Final = Reply(502, "5.5.1", "Command not implemented")
COMMAND_TOO_LONG: Final = Reply(500, "5.5.2", "Line too long")
RESPONSE_TOO_LONG: Final = Reply(500, "5.5.6", "Authentication exchange line is too long")
NOT_THE_WEB: Final = Reply(421, "4.7.0", "This is a mail server and HTTP isn't spoken, closing the connection")
NO_ARGUMENT: Final = Reply(501, "5.5.4", "Command takes no argument")
NEEDS_ARGUMENT: Final = Reply(501, "5.5.4", "Command needs an argument")

HELLO_FIRST: Final = Reply(503, "5.5.1", "Send EHLO or HELO first")
LHLO_FIRST: Final = Reply(503, "5.5.1", "Send LHLO first")
MAIL_FIRST: Final = Reply(503, "5.5.1", "Send MAIL first")
RCPT_FIRST: Final = Reply(503, "5.5.1", "Send RCPT first")
NESTED_MAIL: Final = Reply(503, "5.5.1", "A mail transaction is under way already; go on with it, or send RSET first")
CHUNKS_UNDER_WAY: Final = Reply(503, "5.5.1", "BDAT is under way")
NO_RECIPIENTS: Final = Reply(554, "5.5.1", "No valid recipients: send RCPT with an address that is accepted")
NO_LMTP_RECIPIENTS: Final = Reply(503, "5.5.1", "No valid recipients")
FAR_TOO_LARGE: Final = Reply(421, "4.3.0", "Message far too large, closing the connection")
BARE_LF_TYPED: Final = Reply(
    550,
    "5.6.11",
    "A dot between bare LFs ends no message: send CR LF at the end of lines,\n"
    "as `nc -C` and `openssl s_client -crlf` do; closing the connection",
)

NO_TLS: Final = Reply(502, "5.5.1", "TLS is not available")
TLS_ACTIVE: Final = Reply(503, "5.5.1", "TLS is active already")
TLS_INJECTION: Final = Reply(554, "5.5.0", "Input after STARTTLS refused, closing the connection")

NO_LOGIN: Final = Reply(502, "5.5.1", "Authentication is not available on this port")
LOGIN_NEEDS_TLS: Final = Reply(
    538, "5.7.11", "Encryption required for requested authentication mechanism: send STARTTLS first"
)
LOGGED_IN_ALREADY: Final = Reply(503, "5.5.1", "Already authenticated")
FORWARD_IN_TRANSACTION: Final = Reply(503, "5.5.1", "XFORWARD is not permitted during a mail transaction")
LOGIN_IN_TRANSACTION: Final = Reply(503, "5.5.1", "AUTH is not permitted during a mail transaction; send RSET first")
UNKNOWN_MECHANISM: Final = Reply(
    504, "5.5.4", "Unrecognized authentication mechanism; the answer to EHLO lists those offered"
)


def offer(
    first_line: str, max_size: int, mechanisms: tuple[str, ...], *, starttls: bool, xforward: bool = False
) -> Reply:
    """Return the answer to EHLO (RFC 5321 section 4.1.1.1)."""
    lines = [first_line, "PIPELINING", f"SIZE {max_size}", "8BITMIME", "ENHANCEDSTATUSCODES"]
    if starttls:
        lines.append("STARTTLS")
    if mechanisms:
        lines.append(" ".join(("AUTH", *mechanisms)))
    if xforward:
        lines.append(" ".join(("XFORWARD", *ATTRIBUTES)))
    lines += ["SMTPUTF8", "DSN", "CHUNKING", "HELP"]
    return Reply(250, "", "\n".join(lines))
