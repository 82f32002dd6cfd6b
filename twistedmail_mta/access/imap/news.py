"""Tells a client what changed in its mailbox (RFC 9051 section 7.4, RFC 7162 section 3.2)."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from typing import Final

from twistedmail_mta.access.imap.context import Context
from twistedmail_mta.access.imap.selected import NEVER, News, Selected
from twistedmail_mta.imap.command import Command
from twistedmail_mta.imap.flag_list import SYSTEM_FLAGS, FlagLists, flag_list
from twistedmail_mta.imap.response import ok
from twistedmail_mta.imap.search import Search, Sort, Thread
from twistedmail_mta.imap.search_key import Messages
from twistedmail_mta.imap.sequences import format_set
from twistedmail_mta.imap.sieve import plan
from twistedmail_mta.mailbox.flags import FIRST_KEYWORD, LAST_KEYWORD

AT_ONCE: Final = 500
"""Lines that are made before others have their turn."""

_NUMBERS_ARE_IN_USE: Final = frozenset({"FETCH", "STORE", "SEARCH", "SORT", "THREAD"})


def may_expunge(command: Command) -> bool:
    """Return whether message numbers may change while this command is answered.

    They may not where it names messages by them, even if it asks for UIDs (RFC 9051 section 7.5.1, RFC 7162
    section 3.2.10).
    """
    action = command.action
    if isinstance(action, Search | Sort | Thread) and action.by_uid:
        return not any(isinstance(leaf, Messages) and not leaf.by_uid for leaf in plan(action.key).leaves)
    return command.verb not in _NUMBERS_ARE_IN_USE


async def tell_news(context: Context, *, expunges: bool, by_uid: bool = False) -> None:
    """Tell what changed since it was told the last time.

    Args:
        context: whom.
        expunges: message numbers may change now.
        by_uid: the command that is answered calls messages by their UIDs.
    """
    selected = context.selected
    if selected is None or not selected.has_news:
        return
    waited = selected.whole_until is not None
    news = selected.take_news(expunges=expunges, modseqs=context.session.condstore)
    whole_until = selected.told_until if waited and expunges else selected.whole_until
    _tell_removed(context, news)
    if selected.take_keywords():
        tell_keywords(context, selected)
    if news.exists is not None:
        context.session.send(b"* %d EXISTS\r\n" % news.exists)
        if not context.session.rev2:
            context.session.send(b"* %d RECENT\r\n" % news.recent)
    for start in range(0, len(news.flagged), AT_ONCE):
        numbers = news.flagged[start : start + AT_ONCE]
        context.session.send(b"".join(flag_lines(context, numbers, news.silent, by_uid=by_uid)))
        await context.connection.room()
    if whole_until is not None and context.session.qresync:
        _tell_whole(context, whole_until)


def _tell_whole(context: Context, modseq: int) -> None:
    """Tell up to where the client knows all, whatever mod-sequences it has seen (RFC 7162 section 3.2, section 6)."""
    context.session.say(ok("All until then was told", b"HIGHESTMODSEQ %d" % modseq))


def tell_keywords(context: Context, selected: Selected) -> None:
    """Tell which flags there are, and which can be set (RFC 9051 section 7.3.5)."""
    names = [name for _, name in SYSTEM_FLAGS] + list(selected.keyword_names().values())
    context.session.send(b"* FLAGS %b\r\n" % flag_list(names))
    more = ["\\*"] if len(selected.keyword_names()) <= LAST_KEYWORD - FIRST_KEYWORD else []
    permanent = flag_list(() if selected.read_only else names + more)
    context.session.say(ok("Flags that are kept", b"PERMANENTFLAGS " + permanent))


def _tell_removed(context: Context, news: News) -> None:
    if news.removed and context.session.qresync:
        context.session.send(b"* VANISHED %b\r\n" % format_set(news.removed))
    elif news.numbers:
        context.session.send(b"".join([b"* %d EXPUNGE\r\n" % number for number in news.numbers]))


def flag_lines(
    context: Context, numbers: Iterable[int], silent: Collection[int] = (), *, by_uid: bool
) -> Iterator[bytes]:
    """Yield a FETCH response for each message that is still there.

    Args:
        context: whose selected mailbox.
        numbers: of the messages.
        silent: of these, those whose mod-sequence alone is told, to those who know mod-sequences.
        by_uid: messages are called by their UIDs.
    """
    session, selected = context.session, context.opened
    view = selected.view
    lists = FlagLists(selected.keyword_names())
    tells_uid = by_uid or session.condstore or session.rev2  # RFC 7162 section 3.2.4, RFC 9051 section 7.5.2
    recent_from = NEVER if session.rev2 else selected.recent_from
    for number in numbers:
        place = selected.place(number - 1)
        if place is None or (number in silent and not session.condstore):
            continue
        uid = view.uids[place]
        items = [b"UID %d" % uid] if tells_uid else []
        if number not in silent:
            items.append(b"FLAGS " + lists.of(view.flags[place], recent=uid >= recent_from))
        if session.condstore:
            items.append(b"MODSEQ (%d)" % view.modseqs[place])
        yield b"* %d FETCH (%b)\r\n" % (number, b" ".join(items))
