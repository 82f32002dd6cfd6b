"""LOGIN, AUTHENTICATE, ENABLE, ID."""

from __future__ import annotations

from base64 import b64encode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from imap_commands import STRINGS, action, astring, wrong

from twistedmail_mta.imap.login import MAX_FIELDS, Authenticate, Enable, Identify, Login


@pytest.mark.parametrize(
    ("octets", "value"),
    [
        (b"LOGIN SMITH SESAME", Login(b"SMITH", b"SESAME")),
        (b"login a@b.example {3+}\r\na c", Login(b"a@b.example", b"a c")),
        (b"AUTHENTICATE plain", Authenticate("PLAIN", None)),
        (b"AUTHENTICATE SCRAM-SHA-256-PLUS biws", Authenticate("SCRAM-SHA-256-PLUS", b"n,,")),
        (b"AUTHENTICATE EXTERNAL =", Authenticate("EXTERNAL", b"")),
        (b"ENABLE condstore X-GOOD-IDEA UTF8=ACCEPT", Enable(("CONDSTORE", "X-GOOD-IDEA", "UTF8=ACCEPT"))),
        (b"ID NIL", Identify(())),
        (b"ID ()", Identify(())),
        (b'ID ("name" "x" "os" NIL)', Identify(((b"name", b"x"), (b"os", None)))),
        (b'ID ( "name" "x" "os" NIL )', Identify(((b"name", b"x"), (b"os", None)))),
        (b"ID ( )", Identify(())),
    ],
)
def test_commands(octets: bytes, value: object) -> None:
    """As the RFCs have them."""
    assert action(octets) == value


@pytest.mark.parametrize(
    "octets",
    [
        b"LOGIN",
        b"LOGIN a",
        b"LOGIN a ",
        b"LOGIN a b c",
        b"LOGIN  a b",
        b"LOGIN (a) b",
        b"AUTHENTICATE",
        b"AUTHENTICATE PLAIN ",
        b"AUTHENTICATE PLAIN ==",
        b"AUTHENTICATE PLAIN biw",
        b"AUTHENTICATE PLAIN =AAA",
        b"ENABLE",
        b"ENABLE ",
        b"ENABLE a  b",
        b"ID",
        b'ID ("name")',
        b'ID ("name" "x""os" NIL)',
        b'ID ("name" "x"',
        b"ID (name x)",
        b'ID "x"',
    ],
)
def test_what_is_wrong(octets: bytes) -> None:
    """It is said, with the tag."""
    assert wrong(octets)


def test_fields_are_bounded() -> None:
    """A client that tells more of itself than it may is heard so far."""
    found = action(b"ID (" + b" ".join([b'"a" "b"'] * 50) + b")")

    assert isinstance(found, Identify)
    assert len(found.fields) == MAX_FIELDS


@settings(max_examples=100, derandomize=True, deadline=None)
@given(STRINGS, STRINGS, st.data())
def test_logins_come_back(name: bytes, password: bytes, data: st.DataObject) -> None:
    """Written in any way."""
    forms = data.draw(astring(name)), data.draw(astring(password))

    assert action(b"LOGIN %b %b" % forms) == Login(name, password)
    assert action(b"AUTHENTICATE X " + (b64encode(password) or b"=")) == Authenticate("X", password)
