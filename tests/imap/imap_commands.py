"""What tests of commands share: a command read from octets, strings written in every way."""

from __future__ import annotations

from hypothesis import strategies as st

from twistedmail_mta.imap.command import Action, Command, Wrong, read_command
from twistedmail_mta.imap.names import encode_name
from twistedmail_mta.imap.reader import CommandReader, Complete, Continue


def given_as(octets: bytes) -> Command | Wrong:
    """Return what a line with its literals asks for."""
    reader = CommandReader()
    reader.receive(octets + b"\r\n")
    event = reader.next_event()
    while isinstance(event, Continue):
        event = reader.next_event()
    assert isinstance(event, Complete)
    return read_command(event.parts)


def action(octets: bytes) -> Action:
    """Return what a command without its tag asks for."""
    command = given_as(b"t " + octets)
    assert isinstance(command, Command), command
    assert command.tag == b"t"
    return command.action


def wrong(octets: bytes) -> str:
    """Return what is said of a command without its tag that is wrong."""
    found = given_as(b"t " + octets)
    assert isinstance(found, Wrong), found
    assert found.tag == b"t"
    assert found.text.isascii()
    assert found.text.isprintable()
    return found.text


def every_form(octets: bytes) -> list[bytes]:
    """Return an astring in all forms in which a client may write it."""
    forms = [b"{%d}\r\n" % len(octets) + octets, b"{%d+}\r\n" % len(octets) + octets]
    if not set(octets) & set(b"\r\n"):
        forms.append(b'"' + octets.replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"')
    if octets.isalnum():
        forms.append(octets)
    return forms


def astring(octets: bytes) -> st.SearchStrategy[bytes]:
    """Draw one of its forms."""
    return st.sampled_from(every_form(octets))


def mailbox(name: str) -> st.SearchStrategy[bytes]:
    """Draw one of the forms of a mailbox's name."""
    return astring(encode_name(name, utf8=False))


NAMES = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=12).filter(
    lambda name: not name.upper().startswith("INBOX") and not name.endswith("/")
)
STRINGS = st.binary(max_size=12).map(lambda octets: octets.replace(b"\0", b""))
