"""A message's life in sentences (PURE)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from twistedmail_mta.config.units import format_size
from twistedmail_mta.history.keys import start_of
from twistedmail_mta.history.query import OUTCOMES, latest_of
from twistedmail_mta.history.story import Kind, Outcome, Step, Story, Verdict
from twistedmail_mta.model import id_text, parse_id

_OF_SESSION: Final = frozenset({"connected", "greeted", "logged_in"})


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened.

    Attributes:
        at: seconds since the epoch.
        text: what, in a sentence.
    """

    at: float
    text: str


def timeline(story: Story) -> list[Event]:
    """Return what happened to a message, in order."""
    begin = [*_visit(story), *_transaction(story), *_end(story)]
    return [*begin, *(Event(each.at, _step(each)) for each in sorted(story.steps, key=lambda step: step.at))]


def summary(story: Story) -> str:
    """Return what has become of a message until now, in a word or two."""
    if story.outcome == Outcome.own and not story.steps:
        return "written here"
    outcomes = latest_of(story)
    return ", ".join(each for each in OUTCOMES if each in outcomes) or "waiting"


def _visit(story: Story) -> Iterator[Event]:
    """Yield what is known of the session: it began when its id was given."""
    if story.outcome == Outcome.own:
        about = f", about {id_text(story.about)}" if story.about else ""
        yield Event(story.at, f"This host wrote it{about}.")
        return
    if story.outcome == Outcome.unknown:
        yield Event(story.at, "It came before the history began, or that part of it is lost.")
        return
    at = _session_begin(story)
    where = f" to the listener {story.listener}" if story.listener else ""
    session = f", session {story.session}" if story.session else ""
    yield Event(at, f"{story.peer or 'A local program'} connected{where}{session}.")
    if story.helo:
        yield Event(at, f"It called itself {story.helo}.")
    if story.tls:
        yield Event(at, f"The connection is encrypted: {story.tls}.")
    if story.account:
        by = f" by {story.mechanism}" if story.mechanism else ""
        yield Event(at, f"It logged in as {story.account}{by}.")
    for verdict in story.verdicts:
        if verdict.stage in _OF_SESSION:
            yield Event(at, _verdict(verdict))


def _session_begin(story: Story) -> float:
    try:
        return min(start_of(parse_id(story.session)), story.at)
    except ValueError:
        return story.at


def _transaction(story: Story) -> Iterator[Event]:
    at = min(start_of(story.id), story.at)
    if story.sender is not None and story.outcome != Outcome.own:
        yield Event(at, f"MAIL FROM:<{story.sender}>")
    for each in story.refused:
        yield Event(at, f"Recipient <{each.recipient}> was refused: {each.reply}")
    for verdict in story.verdicts:
        if verdict.stage not in _OF_SESSION:
            yield Event(at, _verdict(verdict))
    if silent := _silent(story):
        yield Event(at, f"Plugins that had nothing to say: {silent}.")


def _silent(story: Story) -> str:
    """Return the plugins that were asked about mail that was taken, and abstained, with their stages."""
    spoke = {f"{each.plugin}@{each.stage}" for each in story.verdicts}
    silent: dict[str, list[str]] = {}
    for each in story.asked.split():
        plugin, _, stage = each.partition("@")
        if each not in spoke and (stage != "logged_in" or story.account):
            silent.setdefault(plugin, []).append(stage)
    return ", ".join(f"{plugin} ({', '.join(stages)})" for plugin, stages in silent.items())


def _verdict(verdict: Verdict) -> str:
    return f"Plugin {verdict.plugin}, at the stage {verdict.stage}: {verdict.answer}"


def _end(story: Story) -> Iterator[Event]:
    match story.outcome:
        case Outcome.accepted:
            yield from _acceptance(story)
        case Outcome.refused if story.reply:
            yield Event(story.at, f"Refused at {story.command}: {story.reply}")
        case Outcome.refused:
            yield Event(story.at, "No recipient was taken, so no message came.")
        case Outcome.abandoned:
            yield Event(story.at, "The client ended it before a whole message was here; nothing was taken.")
        case Outcome.discarded:
            yield Event(story.at, "Plugins left it no recipient: it was answered as if accepted, and dropped.")
        case Outcome.own if story.signed:
            yield Event(story.at, f"Signed with DKIM: {story.signed}.")


def _acceptance(story: Story) -> Iterator[Event]:
    if story.signed:
        yield Event(story.at, f"Signed with DKIM: {story.signed}.")
    what = f"{format_size(story.size)} for {_named(story.recipients)}"
    yield Event(story.at, f"Accepted as {id_text(story.id)} by {story.protocol}: {what}.")
    if story.tags:
        yield Event(story.at, f"Tagged {story.tags}.")
    if story.detained:
        yield Event(story.at, f"It waits for an operator: {story.detained}.")
    for each in story.filed:
        yield Event(story.at, _filed(each.recipient, each.mailbox, each.uid))


def _filed(recipient: str, mailbox: str, uid: int) -> str:
    return f"Delivered into {mailbox} of <{recipient}>{f', UID {uid}' if uid else ''}."


def _named(recipients: Sequence[str]) -> str:
    return ", ".join(f"<{each}>" if "@" in each else each for each in recipients) or "nobody"


def _step(step: Step) -> str:
    match step.kind:
        case Kind.parked:
            return f"<{step.recipient}> waits until a suspension ends."
        case Kind.told:
            return f"<{step.recipient}> is told by the report {id_text(step.extra[0])}."
        case Kind.untold:
            return "Nobody is told of the failures: the sender is null, or none was wanted."
        case Kind.filed:
            return " ".join(_filed(*each) for each in step.extra or ())
        case Kind.operator:
            act, number = step.extra
            return f"Operator: {act} ({number} recipient{'' if number == 1 else 's'})."
    return _attempt(step)


def _attempt(step: Step) -> str:
    """Return what came of an attempt, with the other's own words."""
    way = f" by way of {step.hop}" if step.hop else ""
    said = f"{step.remote}: " if step.remote else ""
    verified = f", verified by {step.proof}" if step.proof else ""
    over = f" over TLS{verified}" if step.tls else ""
    text = f"Attempt {step.attempt} for <{step.recipient}>{way}: {_RESULTS[step.kind]}{over}. {said}{step.reply}"
    forwards = f" It goes on to {_named(step.extra)}." if step.extra else ""
    return text + forwards


_RESULTS: Final = {
    Kind.delivered: "delivered",
    Kind.deferred: "not now",
    Kind.unconfirmed: "sent, but the answer was lost; it may arrive twice",
    Kind.failed: "failed for good",
}
