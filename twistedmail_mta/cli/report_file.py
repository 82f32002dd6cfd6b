"""Files with reports, in whatever form people have them."""

from __future__ import annotations

from typing import BinaryIO, Final

from twistedmail_mta.cli.circumstances import message_in
from twistedmail_mta.reported.documents import Document, document_in_file, documents_in_mail, is_document

MOST: Final = 64 << 20
"""Octets of a file that is read."""


def read_documents(file: BinaryIO) -> list[Document]:
    """Return what of a file should be a report: the file itself, or what a mail in it carries."""
    octets = file.read(MOST + 1)
    if len(octets) > MOST:
        return [Document(file.name, None, f"it has more than {MOST} octets")]
    if is_document(octets):
        return [document_in_file(file.name, octets)]
    mail = message_in(octets)
    found = documents_in_mail(mail.header.block, mail.body)
    return found or [Document(file.name, None, "it is neither a report nor a mail with one")]
