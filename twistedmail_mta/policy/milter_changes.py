"""What filters do to messages, as changes that this server knows."""

from __future__ import annotations

from twistedmail_mta import stages
from twistedmail_mta.milter import answers
from twistedmail_mta.milter.errors import MilterError
from twistedmail_mta.milter.terms import Agreement, Step
from twistedmail_mta.model import Address
from twistedmail_mta.smtp.address import parse_forward_path, parse_reverse_path
from twistedmail_mta.smtp.errors import AddressError, CommandError
from twistedmail_mta.smtp.parameters import parse_rcpt_parameters
from twistedmail_mta.soundness import is_sound
from twistedmail_mta.stages import Change


def change_of(modification: answers.Modification, agreement: Agreement) -> Change:
    """Return the change that a filter asks for; of another body that is none by itself.

    Args:
        modification: what it asks for.
        agreement: says whether values begin behind the colon, or behind the space there.

    Raises:
        MilterError: it can't be made.
    """
    change = _change_of(modification, agreement)
    if not is_sound(change):
        raise MilterError(f"a change that would break the message: {change!r:.200}")
    return change


def _change_of(modification: answers.Modification, agreement: Agreement) -> Change:  # noqa: PLR0911 - one for each
    match modification:
        case answers.AddHeader(name, value):
            return stages.AddHeader(_name(name), _value(value, agreement), last=True)
        case answers.InsertHeader(index, name, value):
            return stages.InsertHeader(index, _name(name), _value(value, agreement))
        case answers.ChangeHeader(index, name, b""):
            return stages.RemoveHeader(_name(name), max(index, 1))
        case answers.ChangeHeader(index, name, value):
            return stages.ReplaceHeader(_name(name), _value(value, agreement), max(index, 1))
        case answers.AddRecipient(path, parameters):
            return _recipient(path, parameters)
        case answers.DeleteRecipient(path):
            return stages.RemoveRecipient(_forward(path))
        case answers.ChangeSender(path):  # its parameters are those of the client: what it asked for stays
            return stages.ChangeSender(_reverse(path))
        case answers.Quarantine(reason):
            return stages.Quarantine(_text(reason))
    raise MilterError(f"{type(modification).__name__} in the wrong place")


def _name(octets: bytes) -> str:
    return octets.decode("latin-1")


def _value(octets: bytes, agreement: Agreement) -> str:
    """Return a value as it stands in the header: its lines parted by CRLF, each but the first one begun by a space."""
    if agreement.steps & Step.LEADING_SPACE:
        octets = octets.removeprefix(b" ")
    first, *others = octets.replace(b"\r", b"").split(b"\n")
    folded = [line if line.startswith((b" ", b"\t")) else b"\t" + line for line in others if line.strip()]
    return _text(b"\r\n".join([first, *folded]))


def _text(octets: bytes) -> str:
    """Return octets as text; what isn't UTF-8 stands in it as surrogates (PEP 383)."""
    return octets.decode("utf-8", "surrogateescape")


def _recipient(path: bytes, parameters: bytes) -> stages.AddRecipient:
    try:
        said = parse_rcpt_parameters(parameters.decode(), smtputf8=True)
    except (CommandError, UnicodeDecodeError) as error:
        raise MilterError(f"parameters of a recipient that can't be read: {parameters[:100]!r}") from error
    return stages.AddRecipient(_forward(path), said.notify, said.orcpt)


def _forward(path: bytes) -> Address:
    return _address(path, reverse=False)


def _reverse(path: bytes) -> Address:
    return _address(path, reverse=True)


def _address(path: bytes, *, reverse: bool) -> Address:
    try:
        address, rest = (parse_reverse_path if reverse else parse_forward_path)(path.decode())
    except (AddressError, UnicodeDecodeError) as error:
        raise MilterError(f"an address that can't be read: {path[:100]!r}") from error
    if rest.strip():
        raise MilterError(f"more than an address: {path[:100]!r}")
    return address
