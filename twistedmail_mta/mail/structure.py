"""Works out once what clients ask of a kept message: ENVELOPE, BODYSTRUCTURE, where its parts lie.

While the body arrives a `BodyScanner` finds the parts; `structure_of` words
what was found.
"""

from __future__ import annotations

from twistedmail_mta.mail.body_scanner import BodyScanner
from twistedmail_mta.mail.body_structure import body_structure
from twistedmail_mta.mail.envelope import envelope
from twistedmail_mta.mail.parts import Part, pack
from twistedmail_mta.mail.scanned_body import Node, ScannedBody
from twistedmail_mta.model import Structure

__all__ = ["BodyScanner", "ScannedBody", "structure", "structure_of"]


def structure_of(header: bytes, scanned: ScannedBody) -> Structure:
    """Return what is kept of a message.

    Args:
        header: as it is kept, trace fields and all; its fields about the
            content are those that the scanner was made with.
        scanned: what that scanner found.
    """
    message = scanned.message
    return Structure(envelope(header), body_structure(message), pack(_tree(message)))


def structure(header: bytes, body: bytes) -> Structure:
    """Return what is kept of a message that is at hand as a whole.

    Args:
        header: the header block, all lines ended by CRLF.
        body: what follows it.
    """
    scanner = BodyScanner(header)
    scanner.add(body)
    return structure_of(header, scanner.finish())


def _tree(node: Node) -> Part:
    content = node.content
    children = tuple([_tree(child) for child in node.children])
    return Part(content.nesting, content.encoding, node.header, node.begin, node.end, node.lines, children)
