"""Reads the parameters of MAIL and RCPT and checks every one (RFC 5321 section 4.1.2)."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Literal, cast

from twistedmail_mta.model import Notify, Reply
from twistedmail_mta.smtp.errors import CommandError
from twistedmail_mta.smtp.xtext import decode_unitext, decode_xtext, is_unitext, is_xtext

MAX_ENVID: Final = 100  # RFC 3461 section 5.4
MAX_ORCPT: Final = 500  # RFC 3461 section 4.2
MAX_AUTH: Final = 500  # RFC 4954 section 5

UNKNOWN_PARAMETER: Final = Reply(555, "5.5.4", "Parameter not recognized")
BAD_PARAMETER: Final = Reply(501, "5.5.4", "Bad syntax in parameters")
REPEATED_PARAMETER: Final = Reply(501, "5.5.4", "Parameter given twice")
NO_BINARYMIME: Final = Reply(555, "5.5.4", "BODY=BINARYMIME is not supported")

_PARAMETER = re.compile(r"([A-Za-z0-9][A-Za-z0-9-]*)(?:=([!-<>-~\u00a0-\U0010ffff]+))?")
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_SIZE = re.compile(r"[0-9]{1,20}")
_ADDRESS_TYPE = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]+")


@dataclass(frozen=True, slots=True)
class MailParameters:
    """What MAIL said beside the address; the fields of `Envelope` of the same names.

    Attributes:
        size: the SIZE parameter in octets (RFC 1870 section 5); None when absent.
        smtputf8: SMTPUTF8 was given (RFC 6531 section 3.4).
    """

    size: int | None = None
    eight_bit: bool = False
    smtputf8: bool = False
    ret: Literal["FULL", "HDRS"] | None = None
    envid: str | None = None
    auth: str | None = None


@dataclass(frozen=True, slots=True)
class RcptParameters:
    """What RCPT said beside the address; the fields of `Recipient` of the same names."""

    notify: frozenset[Notify] | None = None
    orcpt: str | None = None


NO_MAIL_PARAMETERS: Final = MailParameters()
NO_RCPT_PARAMETERS: Final = RcptParameters()


def parse_mail_parameters(text: str) -> MailParameters:
    """Read what follows the reverse-path.

    Raises:
        CommandError: 555 for what we don't know, 501 for what is wrong
            (RFC 5321 section 4.1.1.11).
    """
    words = _words(text)
    return MailParameters(**_read(words, _MAIL)) if words else NO_MAIL_PARAMETERS


def parse_rcpt_parameters(text: str, *, smtputf8: bool = False) -> RcptParameters:
    """Read what follows the forward-path.

    Args:
        text: the rest of the command.
        smtputf8: MAIL asked for SMTPUTF8, so ORCPT may hold UTF-8 (RFC 6533 section 3).

    Raises:
        CommandError: as for MAIL.
    """
    words = _words(text)
    if not words:
        return NO_RCPT_PARAMETERS
    parameters = RcptParameters(**_read(words, _RCPT))
    if parameters.orcpt is not None and not smtputf8 and not parameters.orcpt.isascii():
        raise CommandError(BAD_PARAMETER)
    return parameters


def mail_words(parameters: MailParameters) -> tuple[str, ...]:
    """Return the parameters of MAIL as a client would say them."""
    said = (
        ("SIZE", parameters.size),
        ("RET", parameters.ret),
        ("ENVID", parameters.envid),
        ("AUTH", parameters.auth),
    )
    words = [f"{keyword}={value}" for keyword, value in said if value is not None]
    words += ["BODY=8BITMIME"] * parameters.eight_bit + ["SMTPUTF8"] * parameters.smtputf8
    return tuple(words)


Reader = Callable[[str], object]


def _words(text: str) -> list[str]:
    """Return what spaces part: those of ASCII, for others may stand in UTF-8 values."""
    return [word for word in text.split(" ") if word]


def _read(words: list[str], known: dict[str, tuple[str, Reader]]) -> dict[str, Any]:
    """Return the values by the names of their fields; `known` maps keywords to field and reader."""
    values: dict[str, Any] = {}
    for word in words:
        keyword, value = _parse_word(word)
        if keyword not in known:
            raise CommandError(UNKNOWN_PARAMETER)
        field, read = known[keyword]
        if field in values:
            raise CommandError(REPEATED_PARAMETER)
        values[field] = read(value)
    return values


def _parse_word(word: str) -> tuple[str, str]:
    found = _PARAMETER.fullmatch(word)
    if found is None:
        raise CommandError(BAD_PARAMETER)
    return found[1].upper(), found[2] or ""


def _demand(condition: object) -> None:
    if not condition:
        raise CommandError(BAD_PARAMETER)


def _keyword(value: str) -> str:
    """Return the value in capitals; ASCII only, for some other letters have capitals in ASCII."""
    _demand(value.isascii())
    return value.upper()


def _size(value: str) -> int:
    _demand(_SIZE.fullmatch(value))
    return int(value)


def _body(value: str) -> bool:
    """Return whether 8-bit octets were announced (RFC 6152 section 3)."""
    value = _keyword(value)
    if value == "BINARYMIME":
        raise CommandError(NO_BINARYMIME)
    _demand(value in {"7BIT", "8BITMIME"})
    return value == "8BITMIME"


def _flag(value: str) -> bool:
    _demand(not value)
    return True


def _ret(value: str) -> str:
    value = _keyword(value)
    _demand(value in {"FULL", "HDRS"})
    return value


def _envid(value: str) -> str:
    _demand(value and len(value) <= MAX_ENVID and _is_printable_xtext(value))
    return value


def _auth(value: str) -> str:
    """Return the AUTH= parameter as it is (RFC 4954 section 5)."""
    _demand(value == "<>" or (value and len(value) <= MAX_AUTH and is_xtext(value)))
    return value


def _notify(value: str) -> frozenset[Notify]:
    wanted = frozenset(_keyword(value).split(","))
    _demand(wanted == {"NEVER"} or wanted <= {"SUCCESS", "FAILURE", "DELAY"})
    return cast("frozenset[Notify]", wanted)


def _orcpt(value: str) -> str:
    """Return the ORCPT parameter as it is (RFC 3461 section 4.2, RFC 6533 section 3)."""
    kind, _, address = value.partition(";")
    _demand(address and len(value) <= MAX_ORCPT and _ADDRESS_TYPE.fullmatch(kind))
    _demand(_is_printable_unitext(address) if kind.lower() == "utf-8" else _is_printable_xtext(address))
    return value


def _is_printable_unitext(value: str) -> bool:
    """Whether the address behind the encoding can stand in a field of a DSN: it holds no controls."""
    return is_unitext(value) and _CONTROLS.search(decode_unitext(value)) is None


def _is_printable_xtext(value: str) -> bool:
    """Whether the text behind the xtext is printable ASCII, as DSN fields need (RFC 3461 section 4.2)."""
    try:
        text = decode_xtext(value)
    except ValueError:
        return False
    return text.isascii() and text.isprintable()


_MAIL: Final[dict[str, tuple[str, Reader]]] = {
    "SIZE": ("size", _size),
    "BODY": ("eight_bit", _body),
    "SMTPUTF8": ("smtputf8", _flag),
    "RET": ("ret", _ret),
    "ENVID": ("envid", _envid),
    "AUTH": ("auth", _auth),
}
_RCPT: Final[dict[str, tuple[str, Reader]]] = {"NOTIFY": ("notify", _notify), "ORCPT": ("orcpt", _orcpt)}
