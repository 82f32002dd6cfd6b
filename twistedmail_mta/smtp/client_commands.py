"""What a server offers, and the commands that a message is sent with there."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from twistedmail_mta.model import Envelope, Recipient, Reply

NO_EIGHT_BIT: Final = Reply(554, "5.6.3", "The message holds 8-bit text and the next hop takes 7-bit text only")
NO_SMTPUTF8: Final = Reply(553, "5.6.7", "The next hop takes no internationalized addresses or headers")
TOO_LARGE: Final = Reply(552, "5.3.4", "The message is larger than the next hop takes")
UNSPEAKABLE: Final = Reply(553, "5.1.3", "An address holds a control character")

_CONTROL = re.compile(rb"[\x00-\x1f\x7f]")
_NOT_ASCII = re.compile(r"[^\x00-\x7f]")
_NOTIFY_ORDER: Final = ("NEVER", "SUCCESS", "FAILURE", "DELAY")


@dataclass(frozen=True, slots=True)
class Extensions:
    """The service extensions of an EHLO reply; none after HELO.

    Attributes:
        keywords: each keyword in upper case, with its parameters as sent.
    """

    keywords: dict[str, str] = field(default_factory=dict)

    def __contains__(self, keyword: str) -> bool:
        """Whether an extension is offered."""
        return keyword in self.keywords

    @property
    def max_size(self) -> int | None:
        """The largest message that is taken (RFC 1870 section 4); None when not said."""
        text = self.keywords.get("SIZE", "")
        return int(text) or None if len(text) <= 20 and text.isascii() and text.isdigit() else None

    @property
    def mechanisms(self) -> frozenset[str]:
        """The SASL mechanisms offered, in upper case."""
        return frozenset(self.keywords.get("AUTH", "").upper().split())


def extensions_of(reply: Reply) -> Extensions:
    """Read an EHLO reply: its first line is a greeting, each further one an extension.

    The old form `AUTH=LOGIN` counts as `AUTH LOGIN`.
    """
    keywords: dict[str, str] = {}
    for line in reply.text.split("\n")[1:]:
        keyword, _, parameters = line.strip().partition(" ")
        if keyword.upper().startswith("AUTH="):
            keyword, parameters = "AUTH", f"{keyword[5:]} {parameters} {keywords.get('AUTH', '')}"
        keywords[keyword.upper()] = parameters
    return Extensions(keywords)


def obstacle(envelope: Envelope, size: int, extensions: Extensions) -> Reply | None:
    """Return why this server can never take the message, or None.

    Args:
        envelope: with the recipients that are meant.
        size: octets of the message.
        extensions: what the server offers.
    """
    if "SMTPUTF8" not in extensions and (envelope.smtputf8 or not _is_ascii(envelope)):
        return NO_SMTPUTF8
    if envelope.eight_bit and "8BITMIME" not in extensions:
        return NO_EIGHT_BIT
    if extensions.max_size is not None and size > extensions.max_size:
        return TOO_LARGE
    return None


def is_speakable(commands: Sequence[bytes]) -> bool:
    """Whether no command holds what would make several of it."""
    return _CONTROL.search(b" ".join(commands)) is None


def mail_command(envelope: Envelope, size: int, extensions: Extensions, *, trusted: bool) -> bytes:
    """Return the MAIL command, without its line end, with every parameter that is offered and has a value.

    Args:
        envelope: the sender and what it asked for.
        size: octets of the message.
        extensions: what the server offers.
        trusted: we logged in, so the AUTH parameter may be handed on (RFC 4954 section 5).
    """
    words = [f"MAIL FROM:<{envelope.sender}>"]
    if "SIZE" in extensions:
        words.append(f"SIZE={size}")
    if envelope.eight_bit and "8BITMIME" in extensions:
        words.append("BODY=8BITMIME")
    if says_smtputf8(envelope, extensions):
        words.append("SMTPUTF8")
    if "DSN" in extensions:
        words += [f"{name}={value}" for name, value in (("RET", envelope.ret), ("ENVID", envelope.envid)) if value]
    if trusted and envelope.auth and "AUTH" in extensions:
        words.append(f"AUTH={envelope.auth}")
    return " ".join(words).encode()


def says_smtputf8(envelope: Envelope, extensions: Extensions) -> bool:
    """Whether MAIL says SMTPUTF8 (RFC 6531 section 3.4)."""
    return "SMTPUTF8" in extensions and (envelope.smtputf8 or not _is_ascii(envelope))


def rcpt_command(recipient: Recipient, extensions: Extensions, *, smtputf8: bool) -> bytes:
    """Return the RCPT command, without its line end; NOTIFY and ORCPT go on as they came.

    RFC 3461 section 5.2.1 forbids to invent them where they weren't given.

    Args:
        recipient: who, and what was asked for.
        extensions: what the server offers.
        smtputf8: MAIL said SMTPUTF8; else an ORCPT beyond ASCII takes its
            7-bit form (RFC 6533 section 3).
    """
    command = f"RCPT TO:<{recipient.address}>"
    if "DSN" in extensions:
        if recipient.notify:
            command += " NOTIFY=" + ",".join(word for word in _NOTIFY_ORDER if word in recipient.notify)
        if recipient.orcpt:
            command += f" ORCPT={recipient.orcpt if smtputf8 else _seven_bit(recipient.orcpt)}"
    return command.encode()


def _seven_bit(orcpt: str) -> str:
    return orcpt if orcpt.isascii() else _NOT_ASCII.sub(lambda letter: f"\\x{{{ord(letter[0]):X}}}", orcpt)


def _is_ascii(envelope: Envelope) -> bool:
    return envelope.sender.is_ascii and all(recipient.address.is_ascii for recipient in envelope.recipients)
