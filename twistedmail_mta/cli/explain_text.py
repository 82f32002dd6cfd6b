"""What `mta explain` prints for people: steps, each with a verdict and the reason."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from twistedmail_mta.cli.site import printable
from twistedmail_mta.config.units import format_size

_WIDTH: Final = 9
_MOST_NAMED: Final = 5
_STEPS: Final = {
    "alias": "is an alias of {leads_to}",
    "catch-all": "is caught by the catch-all, which leads to {leads_to}",
    "role": "is a role address that nobody has: {leads_to} gets its mail",
    "account": "is the account {leads_to}",
    "disabled": "is disabled",
    "unknown": "is no address here",
    "elsewhere": "is elsewhere: mail for it is sent on",
    "before": "was met before",
    "too far": "is too many aliases away",
}
_ENDS_BADLY: Final = frozenset({"disabled", "unknown", "too far"})
_OUTCOMES: Final = {"fails": "fails", "waits": "waits", "goes on": "ok"}

Object = Mapping[str, Any]


def text_of(answer: Object) -> str:
    """Return an answer as lines of text."""
    lines = [*_session(answer["session"])]
    if answer["account"] is not None:
        lines += _account(answer["account"])
    for recipient in answer["recipients"]:
        lines += _recipient(recipient)
    for address, hop in answer["callouts"].items():
        lines.append(_step("not asked", f"whether {hop} knows {address}; --callout asks"))
    if answer["message"] is not None:
        lines += _message(answer["message"])
    for way in answer["ways"]:
        lines += _way(way)
    if answer["more_ways"]:
        lines.append(f"And {answer['more_ways']} more recipients, whose ways aren't shown")
    if answer["not_asked"]:
        lines.append(f"Not asked, since that leaves traces: {', '.join(answer['not_asked'])}; --daemons asks them")
    verdict = "Would be accepted" if answer["accepted"] else "Would be refused"
    lines.append(f"{verdict}: {answer['reply'] or 'the connection is closed'}")
    return "\n".join(printable(line) for line in lines)


def _step(verdict: str, text: str, depth: int = 1) -> str:
    return f"{'  ' * depth}{verdict:{_WIDTH}} {text}"


def _session(session: Object) -> Iterator[str]:
    how = "encrypted" if session["tls"] else "in clear"
    yield f"Session at listener {session['listener']} ({session['role']}), from {session['from_ip']}, {how}"
    for turn in session["turns"]:
        first, more, _ = turn["reply"].partition("\n")
        reply = f"{first[:3]} {first[4:]}" if more else first
        said = f"{turn['said']}: " if turn["said"] else ""
        yield _step(_verdict(turn), f"{said}{reply}{' ...' if more else ''}")
        for asked in turn["plugins"]:
            about = f" of {asked['about']}" if asked["about"] else ""
            yield _step("plugin", f"{asked['plugin']} at {asked['stage']}{about}: {asked['answer'] or 'nothing'}", 2)


def _verdict(turn: Object) -> str:
    if turn["accepts"]:
        return "ok"
    if not turn["reply"]:
        return "closed"
    return "later" if turn["reply"].startswith("4") else "refused"


def _account(account: Object) -> Iterator[str]:
    yield f"Account {account['account']}"
    if not account["exists"]:
        yield _step("refused", "there is no such account")
        return
    if not account["enabled"]:
        yield _step("refused", "it is disabled")
    elif not account["may_submit"]:
        yield _step("refused", "it may not submit mail")
    others = ", ".join(account["send_as"])
    yield _step("ok", f"may send as itself{f', and as {others}' if others else ''}")
    for limit in account["limits"]:
        yield _step("ok" if limit["used"] < limit["allowed"] else "used up", _limit(limit))


def _limit(limit: Object) -> str:
    used, allowed = limit["used"], limit["allowed"]
    if limit["measure"] == "octets":
        used, allowed = format_size(int(used)), format_size(int(allowed))
    else:
        used = f"{used:g}"
    measure = limit["measure"].replace("_", " ")
    return f"{used} of {allowed} {measure} in a {limit['period']} used, as plugin {limit['plugin']} counts"


def _recipient(recipient: Object) -> Iterator[str]:
    yield f"Recipient {recipient['recipient']}"
    if not recipient["kept"]:
        domain = recipient["meant"].rpartition("@")[2]
        yield _step("", f"no mail for {domain} is kept here" if domain else "is no address that can be looked up")
        return
    if recipient["meant"] != recipient["recipient"]:
        yield _step("ok", f"means {recipient['meant']}")
    for step in recipient["steps"]:
        leads_to = _named(step["leads_to"], step["leads_to_more"])
        yield _step(
            "dead end" if step["is"] in _ENDS_BADLY else "ok",
            f"{step['address']} {_STEPS[step['is']].format(leads_to=leads_to)}",
        )
    if recipient["more_steps"]:
        yield _step("", f"and {recipient['more_steps']} more steps")
    if recipient["problem"]:
        yield _step("problem", f"the address {recipient['problem']}")
    for mailbox in recipient.get("mailboxes", ()):
        yield _step("ok", _mailbox(mailbox))
    if recipient.get("more_mailboxes"):
        yield _step("", f"and {recipient['more_mailboxes']} more mailboxes")


def _named(addresses: Sequence[str], more: int) -> str:
    shown = addresses[:_MOST_NAMED]
    more += len(addresses) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more else "")


def _mailbox(mailbox: Object) -> str:
    held = f"{mailbox['messages']} messages, {format_size(mailbox['octets'])}"
    limits = [] if mailbox["quota"] is None else [format_size(mailbox["quota"])]
    limits += [] if mailbox["quota_messages"] is None else [f"{mailbox['quota_messages']} messages"]
    return f"mailbox of {mailbox['address']}: holds {held}, of {' and '.join(limits) or 'any number'}"


def _message(message: Object) -> Iterator[str]:
    yield f"Message of {format_size(message['size'])} from <{message['sender']}>"
    if message["detained"] is not None:
        yield _step(message["detained"]["kind"], f"waits for an operator: {message['detained']['reason']}")
    for key in message["signed_by"]:
        yield _step("ok", f"signed by {key['domain']} with the {key['kind']} key {key['selector']}")
    for delivery in message["delivered"]:
        yield _step("ok", f"into {delivery['mailbox']} of {delivery['address']}")
    for name, value in message["tags"].items():
        yield _step("tag", f"{name}={value}")


def _way(way: Object) -> Iterator[str]:
    by = f", to whom an alias of {way['forwarded_by']} leads" if way["forwarded_by"] else ""
    yield f"Way of {way['recipient']}{by}"
    yield _step(_OUTCOMES.get(way["outcome"], "ok"), _route(way))
    if "lane" in way:
        yield _lane(way)
    if way.get("sender_problem"):
        yield _step("waits", f"with which sender it leaves isn't known: {way['sender_problem']}")
    elif way["forwarded_by"] and "sender" in way:
        yield _step("ok", f"leaves with the sender <{way['sender']}>")
    if way.get("sealed_by"):
        yield _step("ok", f"gets an ARC seal of {way['sealed_by']}")
    if way.get("mx"):
        yield _step("ok", "MX: " + ", ".join(f"{each['preference']} {each['host'] or '.'}" for each in way["mx"]))
    for host in way.get("hosts", ()):
        demands = f", has to show {host['demands']}" if host["demands"] else ""
        yield _step("ok", f"to {host['host']} [{host['address']}] port {host['port']}{demands}")
    if "tls" in way:
        yield _step("ok", f"TLS: {way['tls']}")


def _route(way: Object) -> str:
    if way["outcome"] == "is delivered here":
        return "the queue delivers it into mailboxes here"
    chosen, key = way["chosen_by"], way.get("key")
    why = f"chosen by {chosen}" if chosen else f"as {key} says" if key else "by MX, as no route says otherwise"
    reply = f": {way['reply']}" if way["reply"] else ""
    return f"{way['outcome']}, route {way['route'] or 'unknown'}, {why}{reply}"


def _lane(way: Object) -> str:
    if way["suspended"]:
        return _step("suspended", f"in lane {way['lane']}: an operator holds it back")
    if way.get("out_of_reach"):
        return _step(
            "waits", f"in lane {way['lane']}, which is tried again in {way['rests_for']:g} s: {way['out_of_reach']}"
        )
    pace = f", {way['concurrency']} at once" if "concurrency" in way else ""
    rest = f", rests for {way['rests_for']:g} s" if way.get("rests_for") else ""
    return _step("ok", f"in lane {way['lane']}{pace}{rest}")
