"""ENVELOPE, BODYSTRUCTURE, BODY and every section beside Dovecot's, for messages that readers don't agree about."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from awkward_messages import messages
from imap_answer import Body, read_body, read_envelope
from interop_imap import IMAP_SERVER, ImapMailbox, dovecot_mailbox

from twistedmail_mta.mail.body_structure import body
from twistedmail_mta.mail.header import split
from twistedmail_mta.mail.parts import Nesting, Part, find, read_parts
from twistedmail_mta.mail.structure import structure
from twistedmail_mta.model import CRLF, Structure

MESSAGES = dict(messages())

NO_HEADER = "a text that begins with no field is body, here and when it is submitted"
FIRST_FIELD = "of repeated fields the first counts everywhere here"
BLANKS = "unfolding takes line ends out and nothing else (RFC 5322 section 2.2.3)"
BROKEN_LINE = "a line that is no field goes on with the field before, here as in all that reads headers"
ENVELOPES = {
    "address 'alice@sender.test,, bob@lmtp.test,'": "nothing between two commas is nobody",
    "address 'alice@sender.test; bob@lmtp.test'": "two addresses are two",
    "address 'alice@sender.test bob@lmtp.test'": "two addresses are two",
    "address 'A <alice@sender.test> B <bob@lmtp.test>'": "two addresses are two",
    "address '<alice@sender.test'": "a bracket that nobody closed hides no domain",
    "address 'Alice <alice@sender.test, bob@lmtp.test'": "a bracket that nobody closed hides no domain",
    "address 'alice@b@sender.test'": "the domain is what follows the last at sign",
    "address '<alice@b@sender.test>'": "the domain is what follows the last at sign",
    "address '\"alice'": "a quote that nobody closed hides nothing",
    "address 'alice . b @ sender . test'": "blanks around dots are allowed (RFC 5322 section 4.4)",
    "address 'Alice [x] <alice@sender.test>'": "brackets in a name hide no address",
    "address '<mailto:alice@sender.test>'": "all that was written is shown",
    "address 'alice@sender.test <alice@sender.test>'": "all that was written is shown",
    "address 'a\\\\b@sender.test'": "all that was written is shown",
    "subject 'folded\\r\\n\\ttab \\r\\n  twice'": BLANKS,
    "subject 'tab\\there'": BLANKS,
    "header folded empty": BLANKS,
    "header two of each": FIRST_FIELD,
    "header broken line": BROKEN_LINE,
}
DEFAULT_TYPE = "a type that can't be read is text/plain (RFC 2045 section 5.2), never an empty word"
WHOLE_TEXT = "a multipart without a part shows its text as one, so that nothing is hidden"
WORD_AS_WRITTEN = "an unquoted value goes on to the next blank or semicolon"
FIRST_OF_EACH = "pieces that are there are joined"
BOUNDARY_OWNS_LINE_END = "the line end before a boundary is the boundary's (RFC 2046 section 5.1.1)"
BODIES = {
    **dict.fromkeys(
        (
            f"type {value!r}"
            for value in (
                *("", "text", "text/", "text/plain charset=utf-8", "text/plain (", "/plain", "/", ";charset=utf-8"),
                *('"text/plain"', "text/plain/x", "text plain"),
            )
        ),
        DEFAULT_TYPE,
    ),
    **dict.fromkeys(("type 'multipart'", "type 'multipart/'"), "a multipart of no kind is mixed"),
    **dict.fromkeys(
        (
            *("type 'multipart/mixed'", "boundary 'boundary=c; boundary=b'", "boundary \"boundary*=us-ascii''b\""),
            *(
                "boundary 'boundary=\" b\"'",
                "boundary 'boundary'",
                "boundary 'boundary=\"-\"'",
                "boundary 'boundary=B'",
            ),
            *(
                "body no parts",
                "body end alone",
                "body text, end",
                "body nested without parts",
                "boundary 'boundary=\"'",
            ),
        ),
        WHOLE_TEXT,
    ),
    **dict.fromkeys(
        ("boundary 'boundary='", "boundary 'boundary=\"\"'", "body nested, outer is longer"),
        "an empty boundary divides nothing (RFC 2046 section 5.1.1)",
    ),
    "boundary 'boundary=\"b \"'": "a boundary doesn't end in a blank (RFC 2046 section 5.1.1)",
    "boundary 'boundary=\"b'": "a quote that nobody closed hides nothing",
    "parameter 'name=\"a'": "a quote that nobody closed hides nothing",
    "type 'application/x; =a; b=c'": "a value without a name is left out",
    "type 'application/x;; a=b;;c=d;'": "an empty parameter ends nothing",
    "parameter 'name=a(1).pdf'": WORD_AS_WRITTEN,
    "parameter 'name=a/b?c'": WORD_AS_WRITTEN,
    "parameter 'name=a=b'": WORD_AS_WRITTEN,
    "parameter 'name*0=a; name*2=c'": FIRST_OF_EACH,
    "parameter 'name*0=a; name*0=b; name*1=c'": FIRST_OF_EACH,
    "parameter 'name*0*=utf-8\\'\\'a%20; name*1=\"b c\"'": "a piece that isn't encoded is, beside those that are",
    "encoding 'base64; x=y'": "the encoding is the first word",
    "encoding 'base 64'": "the encoding is the first word",
    "disposition ''": "a disposition that isn't said is none",
    "disposition '\"attachment\"'": "a disposition that isn't said is none",
    "disposition '; filename=a'": "parameters alone are an attachment's",
    "language ', en'": "an empty tag hides none",
    "type 'multipart/digest; boundary=b'": BOUNDARY_OWNS_LINE_END,
    "body message header only": BOUNDARY_OWNS_LINE_END,
    "body message base64": BOUNDARY_OWNS_LINE_END,
    "body message multipart": BOUNDARY_OWNS_LINE_END,
    "whole digest no empty line": BOUNDARY_OWNS_LINE_END,
    "whole text first": NO_HEADER,
}


@pytest.fixture(scope="module")
def mailbox() -> Iterator[ImapMailbox]:
    """Dovecot's mailbox with every message."""
    if not IMAP_SERVER.exists() or os.geteuid() != 0:
        pytest.skip("needs Dovecot's IMAP server, and root to give it a user")
    with tempfile.TemporaryDirectory(prefix="mta-interop-") as root:
        Path(root).chmod(0o755)
        with dovecot_mailbox(Path(root), MESSAGES.values()) as mailbox:
            yield mailbox


NESTED = {"body nested", "body nested same boundary", "body nested prefix", "body multipart base64"}
"""What a boundary owns of the line end behind an inner multipart shows in the octets of that alone."""
NUMBERED = [pytest.param(number, name, id=name) for number, name in enumerate(MESSAGES, 1)]
every_message = pytest.mark.parametrize(("number", "name"), NUMBERED)
every_like_message = pytest.mark.parametrize(("number", "name"), [each for each in NUMBERED if each.id not in BODIES])


@every_message
def test_envelope(mailbox: ImapMailbox, number: int, name: str) -> None:
    """ENVELOPE is Dovecot's but for what is told above, which does differ."""
    theirs = read_envelope(mailbox.item(number, "ENVELOPE"))
    ours = read_envelope(ours_of(name).envelope)

    assert (theirs != ours) == (name in ENVELOPES), (theirs, ours)


@every_message
def test_body_structure(mailbox: ImapMailbox, number: int, name: str) -> None:
    """BODYSTRUCTURE and BODY are Dovecot's but for what is told above, which does differ; so is the size."""
    for item, extended in (("BODYSTRUCTURE", True), ("BODY", False)):
        answer = ours_of(name).body if extended else body(ours_of(name).body)
        theirs = read_body(mailbox.item(number, item), extended=extended)
        ours = read_body(answer, extended=extended)
        only_extension = name.startswith(("disposition", "language"))
        assert (theirs != ours) == (name in BODIES and (extended or not only_extension)), (theirs, ours)
    assert int(mailbox.item(number, "RFC822.SIZE")) == len(MESSAGES[name])


@every_like_message
def test_sections(mailbox: ImapMailbox, number: int, name: str) -> None:
    """Each part that both know has the number, the header and the octets that it has there."""
    header, text = split(MESSAGES[name])
    header = header.replace(b"\0", b"\x80")  # a literal can't hold it
    tree = read_parts(ours_of(name).parts)

    for section in numbers(tree):
        part = find(tree, section)
        assert part is not None
        line_end = CRLF if name in NESTED and part.nesting is Nesting.MULTIPART else b""
        assert mailbox.section(number, section) == text[part.begin : part.end] + line_end
        if part is not tree:
            assert mailbox.section(number, f"{section}.MIME") == text[part.header : part.begin]
        if part.message is not None:
            inside = part.message
            assert mailbox.section(number, f"{section}.HEADER") == text[inside.header : inside.begin]
            assert mailbox.section(number, f"{section}.TEXT") == text[inside.begin : inside.end]
        assert mailbox.section(number, f"{section}.{len(part.children) + 1}.7") == b""
        assert find(tree, f"{section}.{len(part.children) + 1}.7") is None
    assert mailbox.section(number, "TEXT") == text[tree.begin : tree.end]
    assert mailbox.section(number, "HEADER") == header


def numbers(tree: Part, prefix: str = "") -> Iterator[str]:
    """Yield the number of every part (RFC 9051 section 6.4.5.1)."""
    parts = tree.children if tree.nesting is Nesting.MULTIPART else (tree,)
    for place, part in enumerate(parts, 1):
        yield f"{prefix}{place}"
        inside: Any = part.message or (part if part.nesting is Nesting.MULTIPART else None)
        if inside is not None:
            yield from numbers(inside, f"{prefix}{place}.")


def ours_of(name: str) -> Structure:
    return structure(*split(MESSAGES[name]))


def test_differences_are_of_messages() -> None:
    """No difference is told of a message that isn't there."""
    assert ENVELOPES.keys() | BODIES.keys() <= MESSAGES.keys()
    assert isinstance(read_body(ours_of("body message").body), Body)
