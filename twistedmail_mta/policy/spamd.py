"""Spam: every message is shown to SpamAssassin's daemon, and marked, filed or refused by its score."""

from __future__ import annotations

import math
import re
from typing import Annotated, Final, Literal

from pydantic import BeforeValidator, Field
from zope.interface import implementer

from twistedmail_mta.config.values import Count, MailboxName, Size, Table
from twistedmail_mta.mail.header import Header
from twistedmail_mta.model import Reply
from twistedmail_mta.plugins import Kit
from twistedmail_mta.policy.daemon import Connection, Daemon, DaemonError, Place, Places
from twistedmail_mta.policy.scanned import pass_on, printable, trace_fields, verified_name
from twistedmail_mta.policy.verdict import JUNK, PREFIX, Verdict, added, filed, tags, untold
from twistedmail_mta.stages import Answer, Arriving, Change, Client, IMessagePolicy, Quarantine

REFUSED: Final = Reply(554, "5.7.1", "Message refused, it looks like spam")

_STATUS: Final = re.compile(rb"SPAMD/[0-9.]+ ([0-9]+) (.*)")
_VERDICT: Final = re.compile(rb"(True|Yes|False|No)\s*;\s*(-?[0-9.]+)\s*/\s*(-?[0-9.]+)", re.IGNORECASE)
_TESTS: Final = re.compile(rb"tests=([\w,]*+(?:\s+[\w,]++(?!=))*+)")
_LINE_END: Final = re.compile(rb"\r?\n")
_SEPARATORS: Final = re.compile(rb"[,\s]+")
_MAX_FIELDS: Final = 30
_MAX_ANSWER: Final = 1 << 20


def _score(value: object) -> object:
    return math.inf if value == "never" else value


Score = Annotated[float, BeforeValidator(_score)]
"""A score, or "never", which none reaches."""


class SpamdOptions(Table):
    """Options of `spamd`.

    Attributes:
        server: where spamd listens; several are tried in order.
        connections: how many messages are judged at once; spamd's --max-children at most.
        max_size: octets; larger messages aren't judged.
        tag: the score from which on a message is marked as spam; None: what spamd requires.
        junk: the score from which on it is filed as spam; None: when it is marked.
        quarantine: the score from which on it is quarantined.
        refuse: the score from which on it is refused.
        mailbox: where spam is filed.
        prefix: how the names of the fields begin.
        user: whose preferences count: the recipient's, where there is only one, by address or local part;
            or nobody's.
        report: take over what fields spamd itself would add, such as its report.
    """

    server: Places = (Place("127.0.0.1", 783),)
    connections: Count = 5
    max_size: Annotated[Size, Field(gt=0)] = 1 << 20
    tag: Score | None = None
    junk: Score | None = None
    quarantine: Score = math.inf
    refuse: Score = 15.0
    mailbox: MailboxName = JUNK
    prefix: Annotated[str, Field(pattern=r"^[A-Za-z0-9-]{1,40}$")] = PREFIX
    user: Literal["address", "local", "none"] = "address"
    report: bool = False


@implementer(IMessagePolicy)
class Spamd:
    """Asks spamd with SYMBOLS, or HEADERS; while it can't be asked, mail is taken as it is."""

    Options = SpamdOptions
    on_error = "abstain"
    rehearses = False  # it may learn from what it is asked

    def __init__(self, options: SpamdOptions, kit: Kit) -> None:
        self._options = options
        self._daemon = Daemon(options.server, options.connections, kit)
        self._kit = kit

    async def message(self, client: Client, message: Arriving) -> Answer:
        """Mark, file, quarantine or refuse a message by its score."""
        options = self._options
        if message.size > options.max_size:
            return untold(client, options.prefix)
        judged, text = await self._judged(client, message)
        required = judged.required if options.tag is None else options.tag
        is_spam = judged.is_spam if options.tag is None else judged.score >= options.tag
        verdict = Verdict(is_spam, judged.score, required, judged.tests)
        self._kit.log.info(
            "{queue_id} has {score} of {required} points", event="spamd.judged", queue_id=message.id,
            score=verdict.score, required=required,
        )  # fmt: skip
        if verdict.score >= options.refuse:
            return REFUSED
        into_junk = is_spam if options.junk is None else verdict.score >= options.junk
        told = (*tags(verdict, client, options.prefix), *_reported(text, options.prefix))
        if verdict.score >= options.quarantine:
            told = (*told, Quarantine(f"{verdict.score:.2f} points"))
        return (*told, *filed(into_junk=into_junk, mailbox=options.mailbox))

    async def _judged(self, client: Client, message: Arriving) -> tuple[Verdict, bytes]:
        """Return the verdict, and the header as spamd would have it, if it was asked for that."""
        kit = self._kit
        name = await verified_name(kit.resolver, kit.clock, client.host)
        above = trace_fields(client, message, kit, name)
        async with self._daemon.connection() as connection:
            await connection.write(self._question(message, len(above)))
            await pass_on(message, connection.write, above)
            return await _answer(connection, wants_header=self._options.report)

    def _question(self, message: Arriving, more: int) -> bytes:
        """Return what stands above the message; `more` octets are added to that."""
        lines = ["HEADERS SPAMC/1.5" if self._options.report else "SYMBOLS SPAMC/1.5"]
        lines.append(f"Content-length: {message.size + more}")
        if user := self._user(message):
            lines.append(f"User: {user}")
        return "".join(f"{line}\r\n" for line in [*lines, ""]).encode()

    def _user(self, message: Arriving) -> str:
        recipients = message.envelope.recipients
        if self._options.user == "none" or len(recipients) != 1:
            return ""
        address = recipients[0].address
        return printable(str(address) if self._options.user == "address" else address.local)


async def _answer(connection: Connection, *, wants_header: bool) -> tuple[Verdict, bytes]:
    """Read what spamd answers.

    Raises:
        DaemonError: it is an error, or no answer.
    """
    status = _STATUS.match(await connection.read_line())
    if status is None or int(status[1]) != 0:
        raise DaemonError(f"spamd answers {status[2]!r:.200}" if status is not None else "it isn't spamd")
    fields: dict[bytes, bytes] = {}
    for _ in range(_MAX_FIELDS):
        line = await connection.read_line()
        if not line:
            break
        name, _, value = line.partition(b":")
        fields[name.strip().lower()] = value.strip()
    found, size = _VERDICT.match(fields.get(b"spam", b"")), fields.get(b"content-length", b"")
    if found is None or not size.isdigit() or int(size) > _MAX_ANSWER:
        raise DaemonError("spamd answers without a verdict")
    text = await connection.read(int(size))
    header = _LINE_END.sub(b"\r\n", text) if wants_header else b""
    names = _SEPARATORS.split(_tests(header) if wants_header else text)
    tests = [name.decode("ascii", "replace") for name in names if name]
    is_spam = found[1].lower() in {b"true", b"yes"}
    return Verdict(is_spam, _number(found[2]), _number(found[3]), tests), header


def _number(text: bytes) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise DaemonError(f"spamd answers with the score {text!r:.40}") from error


def _tests(header: bytes) -> bytes:
    """Return the names of the rules, as the status field lists them."""
    found = _TESTS.search(Header(header).get(b"X-Spam-Status") or b"")
    return found[1] if found is not None and found[1] != b"none" else b""


def _reported(text: bytes, prefix: str) -> tuple[Change, ...]:
    """Return the changes that add spamd's own fields, but for those which tell the verdict already."""
    changes: list[Change] = []
    header = Header(text)
    for name in ("Level", "Report", "Checker-Version"):
        value = header.get(b"X-Spam-" + name.encode())
        if value is not None:
            changes += added(f"{prefix}-{name}", value.decode("utf-8", "replace"))
    return tuple(changes)
