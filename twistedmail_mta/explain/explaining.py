"""Puts a question to a site, and its whole answer together."""

from __future__ import annotations

import time
from typing import Any, Final

from twistedmail_mta.composition.parts import Parts
from twistedmail_mta.composition.rehearsing import Aims, Rehearsal
from twistedmail_mta.composition.stand_ins import Admitted
from twistedmail_mta.control.wire import MAX_LINE, encode
from twistedmail_mta.explain.addresses import MOST_STEPS, recipient_facts
from twistedmail_mta.explain.conversation import Transcript, Turn, held
from twistedmail_mta.explain.question import Question, QuestionError
from twistedmail_mta.explain.standing import account_facts, signing_keys
from twistedmail_mta.explain.ways import MOST_WAYS, way_of
from twistedmail_mta.model import NULL_PATH, Envelope, InlineBody, Message, Origin, Recipient
from twistedmail_mta.receive.addressees import Addressee, distribute
from twistedmail_mta.routes import hop_text
from twistedmail_mta.smtp.address import parse_address
from twistedmail_mta.tasks import within

MOST_OCTETS: Final = MAX_LINE // 2
"""Of an answer: a running server's has to fit into a line of the control socket."""
WITHIN: Final = 90.0
"""Seconds for one question: the DNS, and plugins, may take their time."""

TOO_MUCH: Final = "there is too much to tell at once; ask for fewer recipients"
TOO_SLOW: Final = "the dry run took too long; ask for fewer recipients, or look at the DNS"


async def explained_by(parts: Parts, question: Question) -> dict[str, Any]:
    """Return what would happen at a site; see `explained`."""
    scratch = parts.scratch()
    try:
        rehearsal = parts.rehearsal(scratch, Aims(question.daemons, question.callout))
        return await explained(rehearsal, question)
    finally:
        await scratch.close()


async def explained(rehearsal: Rehearsal, question: Question) -> dict[str, Any]:
    """Return what would happen, as JSON has it.

    Args:
        rehearsal: of the site, not begun; it is closed in the end.
        question: what is asked.

    Raises:
        QuestionError: it can't be asked of this site.
        PluginError: a plugin can't be made or started for a dry run.
        MailError: the database can't be read now.
        TimeoutError: it took too long.
    """
    try:
        name = question.listener_in(rehearsal.site)
        answer = await within(rehearsal.clock, WITHIN, _explained(rehearsal, question, name))
    finally:
        await rehearsal.close()
    if len(encode(answer)) > MOST_OCTETS:
        raise QuestionError(TOO_MUCH)
    return answer


async def _explained(rehearsal: Rehearsal, question: Question, name: str) -> dict[str, Any]:
    await rehearsal.begin()
    account = None if question.account is None else await account_facts(rehearsal, question.account)
    transcript = await held(rehearsal, question, name)
    decisive = transcript.decisive
    facts: dict[str, Any] = {
        "accepted": decisive.accepts,
        "reply": decisive.last_line,
        "session": _session(rehearsal, question, name, transcript),
        "account": account,
        "recipients": await _recipients(rehearsal, question, transcript),
        "not_asked": _not_asked(rehearsal, name),
        "callouts": {str(each): hop_text(hop) for each, hop in rehearsal.minutes.unasked.items()},
    }
    return facts | await _further(rehearsal, question, name, transcript)


def _not_asked(rehearsal: Rehearsal, name: str) -> list[str]:
    """Return the plugins that a real session would have asked, or that may say which way mail goes."""
    tables = rehearsal.site.listen
    here = {*tables[name].plugins, *rehearsal.site.relay.plugins}
    elsewhere = {plugin for table in tables.values() for plugin in table.plugins} - here
    return [plugin for plugin in rehearsal.left_out if plugin not in elsewhere]


def _session(rehearsal: Rehearsal, question: Question, name: str, transcript: Transcript) -> dict[str, Any]:
    table = rehearsal.site.listen[name]
    return {
        "listener": name,
        "role": table.role,
        "from_ip": question.from_ip,
        "tls": question.encrypts or table.tls == "implicit",
        "turns": [_turn(each) for each in transcript.turns],
    }


def _turn(turn: Turn) -> dict[str, Any]:
    asked = [
        {"plugin": each.plugin, "stage": each.stage, "about": each.about, "answer": each.answer}
        for each in turn.answers
    ]
    return {"said": turn.said, "reply": turn.reply, "accepts": turn.accepts, "plugins": asked}


async def _recipients(rehearsal: Rehearsal, question: Question, transcript: Transcript) -> list[dict[str, Any]]:
    turns = {turn.recipient: turn for turn in transcript.turns if turn.recipient is not None}
    admitted = {str(each.named): each for each in rehearsal.minutes.admitted}
    found: list[dict[str, Any]] = []
    room = MOST_OCTETS  # what doesn't fit isn't gathered first: a server has other things to do than to write it down
    for named in question.recipients:
        facts = await recipient_facts(rehearsal, named, _admitted(admitted, named))
        found.append(facts | {"reply": turns[named].last_line if named in turns else ""})
        room -= len(encode(found[-1]))
        if room < 0:
            raise QuestionError(TOO_MUCH)
    return found


def _admitted(admitted: dict[str, Admitted], named: str) -> Admitted | None:
    try:
        return admitted.get(str(parse_address(named)))
    except ValueError:
        return admitted.get(named)  # `postmaster`, without a domain


async def _further(
    rehearsal: Rehearsal, question: Question, name: str, transcript: Transcript
) -> dict[str, Any]:  # fmt: skip
    """Return what becomes of the mail from the moment when it is taken."""
    accepted = rehearsal.acceptance.accepted
    if accepted is not None:
        message, local = accepted.message, accepted.local
        delivered = () if local is None else local.deliveries
        detention = accepted.detention
        facts: dict[str, Any] = {
            "message": {
                "sender": str(message.envelope.sender),
                "size": message.size,
                "tags": dict(message.tags),
                "detained": None if detention is None else {"kind": detention.kind, "reason": detention.reason},
                "signed_by": await signing_keys(rehearsal, message) if message.origin.account is not None else [],
                "delivered": [
                    {"address": str(each.address), "mailbox": each.mailbox} for each in delivered[:MOST_STEPS]
                ],
            }
        }
    elif transcript.decisive.accepts and question.data is None:
        message, facts = _supposed(rehearsal, question, name), {"message": None}
    else:
        return {"message": None, "ways": [], "more_ways": 0}
    recipients = message.envelope.recipients
    ways = [await way_of(rehearsal, message, each) for each in recipients[:MOST_WAYS]]
    return facts | {"ways": ways, "more_ways": len(recipients) - len(ways)}


def _supposed(rehearsal: Rehearsal, question: Question, name: str) -> Message:
    """Return the message that the queue would have if its text were here, and no plugin changed it."""
    addressees = {each.meant: Addressee(Recipient(each.meant), each.expansion) for each in rehearsal.minutes.admitted}
    recipients = distribute(addressees.values()).spooled
    sender = parse_address(question.sender) if question.sender else NULL_PATH
    origin = Origin("ESMTP", question.from_ip, question.helo, _account(question), name)
    return Message(0, Envelope(sender, recipients), b"", InlineBody(b""), origin, time.time())


def _account(question: Question) -> str | None:
    return None if question.account is None else question.account.lower()
