"""What two servers tell differently of the same messages, and why: by the value of the field that both read."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from imap_answer import Body
from interop_imap_seen import Seen
from test_interop_structure import (
    BODIES,
    BOUNDARY_OWNS_LINE_END,
    BROKEN_LINE,
    ENVELOPES,
    FIRST_FIELD,
    NO_HEADER,
    WHOLE_TEXT,
)

from twistedmail_mta.model import CRLF

FIELDS = ("Date", "Subject", "From", "Sender", "Reply-To", "To", "Cc", "Bcc", "In-Reply-To", "Message-ID")
"""Of an ENVELOPE, in their order."""
_SOURCES = {
    "parameters": "Content-Type",
    "encoding": "Content-Transfer-Encoding",
    "id": "Content-ID",
    "description": "Content-Description",
    "octets": "",
    "lines": "",
}
"""Of a part in BODY, each with the field of its header that it comes from."""
Place = tuple[str, str, bytes | None]
"""Of a part: the aspect that is told of, its number, and its header."""


@dataclass(frozen=True)
class Difference:
    """What differs.

    Attributes:
        aspect: "ENVELOPE", "BODY", "BODYSTRUCTURE", "SECTION", "DECODED" or a search key.
        name: of the message.
        where: a part's number, a section, or a field.
        field: which field of what is told, for structures.
        value: of the header field that is read, as it stands there; None where there is none or it is no matter.
        ours: what our server tells.
        theirs: what the other tells.
    """

    aspect: str
    name: str
    where: str
    field: str
    value: bytes | None
    ours: Any
    theirs: Any


def raw_field(header: bytes | None, name: str) -> bytes | None:
    """Return the first such field's value as it stands in a header, without the blank before it."""
    found = re.search(rb"(?ims)^%b[ \t]*:[ ]?((?:[^\r]|\r\n[ \t])*)\r\n" % name.encode(), header or b"")
    return None if found is None else found[1]


def envelope_differences(name: str, ours: Any, theirs: Any, place: Place) -> Iterator[Difference]:
    """Yield the fields that differ."""
    aspect, where, header = place
    for field, mine, other in zip(FIELDS, ours or [None] * 10, theirs or [None] * 10, strict=True):
        if mine != other:
            source = field
            if field in ("Sender", "Reply-To") and not raw_field(header, field):
                source = "From"  # RFC 9051 section 7.5.2
            yield Difference(aspect, name, where, field, raw_field(header, source), mine, other)


def body_differences(
    name: str, sections: Mapping[str, bytes | None], ours: Body, theirs: Body, place: Place
) -> Iterator[Difference]:
    """Yield what differs of a part and of those in it, as far as their kinds are the same."""
    aspect, number, header = place
    if ours.kind != theirs.kind:
        yield Difference(aspect, name, number, "kind", raw_field(header, "Content-Type"), ours.kind, theirs.kind)
        return
    pairs = [(field, getattr(ours, field), getattr(theirs, field)) for field in _SOURCES]
    extension = zip(
        ("Location", "Language", "Disposition", "MD5"), ours.extension[::-1], theirs.extension[::-1], strict=False
    )
    for field, mine, other in [*pairs, *extension]:
        if mine != other:
            source = _SOURCES.get(field, f"Content-{field}")
            yield Difference(aspect, name, number, field, raw_field(header, source), mine, other)
    yield from _inside(name, sections, ours, theirs, place)


def _inside(
    name: str, sections: Mapping[str, bytes | None], ours: Body, theirs: Body, place: Place
) -> Iterator[Difference]:
    aspect, number, _ = place
    if len(ours.children) != len(theirs.children):
        yield Difference(aspect, name, number, "children", None, len(ours.children), len(theirs.children))
        return
    if ours.kind == "message/rfc822":
        number = number or "1"
        header = sections[f"BODY[{number}.HEADER]"]
        yield from envelope_differences(name, ours.envelope, theirs.envelope, (aspect, number, header))
        inside = number if ours.children[0].kind.startswith("multipart/") else f"{number}.1"
        yield from body_differences(name, sections, ours.children[0], theirs.children[0], (aspect, inside, header))
        return
    for index, (mine, other) in enumerate(zip(ours.children, theirs.children, strict=True), 1):
        inside = f"{number}.{index}".removeprefix(".")
        yield from body_differences(name, sections, mine, other, (aspect, inside, sections[f"BODY[{inside}.MIME]"]))


def differences(ours: Seen, theirs: Seen) -> Iterator[Difference]:
    """Yield all there are."""
    for name, items in ours.items.items():
        others, sections = theirs.items[name], ours.sections[name]
        assert items["RFC822.SIZE"] == others["RFC822.SIZE"]
        top = "", sections["BODY[HEADER]"]
        yield from envelope_differences(name, items["ENVELOPE"], others["ENVELOPE"], ("ENVELOPE", *top))
        for aspect in ("BODY", "BODYSTRUCTURE"):
            yield from body_differences(name, sections, items[aspect], others[aspect], (aspect, *top))
        yield from _section_differences(
            name, sections, theirs.sections[name], parts=items["BODYSTRUCTURE"] == others["BODYSTRUCTURE"]
        )
        if items["BODYSTRUCTURE"] == others["BODYSTRUCTURE"]:
            yield from _decoded_differences(name, ours, theirs)
    for key, found in ours.found.items():
        for name in sorted(found ^ theirs.found[key]):
            yield Difference(f"SEARCH {key}", name, "", "", None, name in found, name in theirs.found[key])


def _section_differences(
    name: str, ours: Mapping[str, bytes | None], theirs: Mapping[str, bytes | None], *, parts: bool
) -> Iterator[Difference]:
    for section, octets in ours.items():
        other = theirs[section]
        if (octets or b"") != (other or b"") and (parts or not section.partition("[")[2][:1].isdigit()):
            yield Difference("SECTION", name, section, "", None, octets, other)


def _decoded_differences(name: str, ours: Seen, theirs: Seen) -> Iterator[Difference]:
    for part, told in theirs.decoded[name].items():
        if ours.decoded[name].get(part) != told:
            header = ours.sections[name].get(f"BODY[{part}.MIME]")
            value = raw_field(header, "Content-Transfer-Encoding")
            yield Difference("DECODED", name, part, "", value, ours.decoded[name].get(part), told)


# Why


class Reason(NamedTuple):
    """Why something differs: where all three expressions match, aspect and place, the name, and the message."""

    text: str
    where: str
    names: str
    message: bytes = b""


WITHOUT_MIME = "without MIME nothing is encoded (RFC 2045 section 4)"
NO_EMPTY_LINE = "a header that no empty line ends has none (RFC 9051 section 6.4.5.1)"
AS_WRITTEN = "addresses are looked for as they were written"
UNKNOWN_ENCODING = "what can't be decoded is text as it came"
STRUCTURE = "what is read as other parts is searched as other texts; see above why"
REASONS = (
    Reason("an ENVELOPE shows some 1,000 addresses", "ENVELOPE To", "extreme thousands of addresses"),
    Reason(NO_HEADER, "BODY|SECTION", "extreme one octet|whole text first"),
    Reason(BROKEN_LINE, "SECTION .*FIELDS", "header broken line"),
    Reason(BOUNDARY_OWNS_LINE_END, r"SECTION BODY\[1\]", "body (nested|multipart).*"),
    Reason(NO_EMPTY_LINE, "SECTION .*FIELDS", "whole header only|body message (empty|cut)"),
    Reason("an encoding that isn't said is none", "DECODED", "encoding ''"),
    Reason(WITHOUT_MIME, "DECODED", "header only an encoding|made .*"),
    Reason(WITHOUT_MIME, "SEARCH BODY", "made .*", rb"(?i)^Content-Transfer-Encoding: base64"),
    Reason(FIRST_FIELD, "DECODED|SEARCH CC", "header two.*"),
    Reason("what isn't quoted-printable stays as it is (RFC 2045 section 6.7)", "DECODED", "extreme quoted-printable"),
    Reason(
        "no Date is before or after any (RFC 9051 section 6.4.4)",
        "SEARCH SENTBEFORE",
        ".*",
        rb"\A(?!(?:[^\r].*\r\n)*Date:)",
    ),
    Reason(AS_WRITTEN, "SEARCH (FROM|NOT)", "address .*"),
    Reason(UNKNOWN_ENCODING, "SEARCH (BODY|TEXT|OR|NOT)", "encoding .*"),
    Reason(UNKNOWN_ENCODING, "SEARCH BODY", "made .*", rb"(?i)Content-Transfer-Encoding: (x-uuencode|\r|\"|\xc3)"),
    Reason("the language isn't the charset's (RFC 2231 section 5)", "SEARCH .*Gr", ".*", rb"utf-8\*de"),
    Reason("words in a charset that nobody knows are UTF-8", "SEARCH .*Gr", ".*", rb"nosuch"),
    Reason("a letter cut in two is one", "SEARCH .*Grüße", ".*", rb"Gr=C3\?="),
    Reason("octets that aren't UTF-8 are Windows-1252", "SEARCH .*Jörg", ".*", rb"J\xf6rg"),
)


def _values(reasons: Mapping[str, str], *kinds: str) -> dict[bytes, str]:
    """Return the reasons for values, from those for messages that have such a value and nothing else that is odd."""
    found = {}
    for name, reason in reasons.items():
        kind, _, value = name.partition(" ")
        if kind in kinds:
            found[ast.literal_eval(value).encode("latin-1")] = reason
    return found


_ADDRESSES = _values(ENVELOPES, "address")
_SUBJECTS = _values(ENVELOPES, "subject")
_TYPES = _values(BODIES, "type")
_PARAMETERS = _values(BODIES, "parameter", "boundary")
_BY_VALUE = {
    **dict.fromkeys(FIELDS, _ADDRESSES),
    "Subject": _SUBJECTS,
    "encoding": _values(BODIES, "encoding"),
    "Disposition": _values(BODIES, "disposition"),
    "Language": _values(BODIES, "language"),
}


def reason(difference: Difference, message: bytes) -> str | None:
    """Return why something differs; None when nobody knows."""
    place = f"{difference.aspect} {difference.field}{difference.where}"
    for each in REASONS:
        if (
            re.match(each.where, place)
            and re.fullmatch(each.names, difference.name)
            and re.search(each.message, message, re.MULTILINE)
        ):
            return each.text
    known = ENVELOPES if difference.aspect == "ENVELOPE" else BODIES
    return (difference.field and known.get(difference.name)) or _reason_of_field(difference)


def _reason_of_field(difference: Difference) -> str | None:
    value, field = difference.value or b"", difference.field
    if field in _BY_VALUE:
        return _BY_VALUE[field].get(value)
    if field in ("kind", "parameters"):
        if b";;" in value:
            return BODIES["type 'application/x;; a=b;;c=d;'"]
        kinds = [why for kind, why in _TYPES.items() if value == kind or value.startswith(kind + b"; ")]
        return next(iter([why for text, why in _PARAMETERS.items() if value.endswith(b"; " + text)] + kinds), None)
    if field in ("octets", "lines") and not difference.theirs:
        return WHOLE_TEXT
    line_end = {"octets": len(CRLF), "lines": 1}.get(field)
    return BOUNDARY_OWNS_LINE_END if difference.theirs - difference.ours == line_end else None


def reasons(found: Iterable[Difference], messages: Mapping[str, bytes]) -> Iterator[tuple[Difference, str | None]]:
    """Yield each difference with its reason; those of searches follow from others too."""
    differs: set[tuple[str, str]] = set()
    for difference in found:
        why = reason(difference, messages[difference.name])
        aspect, name = difference.aspect, difference.name
        differs.add((aspect, name))
        if why is None and aspect.startswith(
            ("SEARCH BODY", "SEARCH TEXT", "SEARCH OR", "SEARCH NOT", "SEARCH CHARSET")
        ):
            why = STRUCTURE if ("BODYSTRUCTURE", name) in differs else None
        if why is None and (key := re.match(r"SEARCH (FROM|TO|CC) ", aspect)):
            value = raw_field(messages[name].partition(CRLF * 2)[0] + CRLF, key[1])
            alone = f"address {(value or b'').decode('latin-1')!r}"
            why = AS_WRITTEN if (aspect.replace(key[1], "FROM", 1), alone) in differs else None
        yield difference, why
