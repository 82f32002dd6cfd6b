"""Whether what a plugin answered is an answer: values of the right kind, and changes that can be made.

Annotations bind nobody, so an answer may hold anything: what isn't found here
would break a session, or be kept in the queue, or do nothing where mail was to
be removed.
"""

from __future__ import annotations

import re
from typing import Final, TypeGuard, get_args

from zope.interface import Interface

from twistedmail_mta.mail.mailbox_names import mailbox_name
from twistedmail_mta.model import Address, Notify, Reply, TLSLevel, Via
from twistedmail_mta.routes import FILTER, chosen_hop
from twistedmail_mta.stages import (
    GRANTS,
    OBSERVERS,
    AddHeader,
    AddRecipient,
    Change,
    ChangeHeader,
    ChangeRecipient,
    ChangeSender,
    Decision,
    FileInto,
    Grant,
    HeaderChange,
    Hold,
    IMessagePolicy,
    InsertHeader,
    IRoutePolicy,
    Quarantine,
    RecipientChange,
    RemoveHeader,
    RemoveRecipient,
    ReplaceBody,
    ReplaceHeader,
    SetNextHop,
    Tag,
)
from twistedmail_mta.tags import is_tag

_ANSWERS: Final = frozenset({*range(200, 300), *range(400, 600)})
_STATUS: Final = re.compile(r"[!-~]*")

_NAME: Final = re.compile(r"[!-9;-~]{1,200}")
_VALUE: Final = re.compile(r"(?:[^\x00\r\n\ud800-\udc7f\udd00-\udfff]++|\r\n[ \t]++(?=[^ \t\r\n]))*+")
"""Possessive, since a peer's value may be long: a megabyte takes 2 ms, a letter at a time 100."""
_OCTETS: Final = re.compile(r"[^\ud800-\udc7f\udd00-\udfff]*+")
_INDICES: Final = range(1 << 31)
_OCCURRENCES: Final = range(1, 1 << 31)

_ADDRESS: Final = re.compile(r"[^\x00-\x1f\x7f\ud800-\udfff]*")
_ORCPT: Final = re.compile(r"[^\x00-\x20\x7f\ud800-\udfff]+")
_NOTIFY: Final = frozenset(get_args(Notify))

_REASON: Final = re.compile("[ -~]{1,200}")


def fits(stage: type[Interface], answer: object) -> bool:
    """Return whether a plugin may answer so at a stage; those who only take note may answer anything."""
    if answer is None:
        return True
    if stage in GRANTS:
        return is_grant(answer) or is_refusal(answer)
    if stage is IRoutePolicy and isinstance(answer, Via):
        return leads_somewhere(answer) and not answer.via.startswith(FILTER)  # a filter is chosen before: see `routes`
    if stage is IMessagePolicy and isinstance(answer, tuple):
        return all(map(is_sound, answer))
    return is_reply(answer) or stage in OBSERVERS


def is_reply(answer: object) -> TypeGuard[Reply]:
    """Return whether it is a reply of 2xx, 4xx or 5xx that can be told; `encode_reply` cares for its letters."""
    if not isinstance(answer, Reply):
        return False
    is_known = isinstance(answer.code, int) and answer.code in _ANSWERS
    return is_known and _is_text(answer.status, _STATUS) and isinstance(answer.text, str)


def is_refusal(answer: object) -> TypeGuard[Reply]:
    """Return whether it is a reply of 4xx or 5xx."""
    return is_reply(answer) and not answer.accepts


def is_grant(answer: object) -> TypeGuard[Grant]:
    """Return whether an answer lets mail be sent on: a `Grant`, and one that says why."""
    return isinstance(answer, Grant) and _is_text(answer.reason, _REASON)


def leads_somewhere(via: Via) -> bool:
    """Return whether it is a next hop that mail can be sent to."""
    if not isinstance(via.via, str) or via.tls not in {None, *get_args(TLSLevel)}:
        return False
    try:
        chosen_hop(via)
    except ValueError:
        return False
    return True


def is_sound(change: object) -> TypeGuard[Change]:
    """Return whether it is a change that can be made.

    No header field can become two, or end the header; what is chosen or noted is what there may be.
    """
    match change:
        case AddHeader() | InsertHeader() | RemoveHeader() | ReplaceHeader() | ChangeHeader():
            return _is_header_change(change)
        case AddRecipient() | RemoveRecipient() | ChangeRecipient():
            return _is_recipient_change(change)
        case FileInto() | SetNextHop() | Tag() | Hold() | Quarantine():
            return _is_decision(change)
        case ChangeSender(sender):
            return _is_address(sender)
        case ReplaceBody(body):
            return isinstance(getattr(body, "size", None), int) and callable(getattr(body, "read", None))
    return False


def _is_header_change(change: HeaderChange) -> bool:
    match change:
        case AddHeader(name, value):
            return _is_field(name, value)
        case InsertHeader(index, name, value):
            return _is_field(name, value) and isinstance(index, int) and index in _INDICES
        case RemoveHeader(name, occurrence, None):
            return _is_field(name) and (occurrence is None or _is_occurrence(occurrence))
        case RemoveHeader(name, occurrence, value):
            return _is_field(name) and occurrence is None and _is_text(value, _OCTETS)
        case ReplaceHeader(name, value, occurrence):
            return _is_field(name, value) and (occurrence is None or _is_occurrence(occurrence))
        case ChangeHeader(name, old, new, occurrence):
            return _is_field(name, new) and isinstance(old, str) and _is_occurrence(occurrence)


def _is_recipient_change(change: RecipientChange) -> bool:
    match change:
        case AddRecipient(address, notify, orcpt):
            return _is_recipient(address) and _is_notify(notify) and (orcpt is None or _is_text(orcpt, _ORCPT))
        case RemoveRecipient(address):
            return isinstance(address, Address)
        case ChangeRecipient(old, new):
            return isinstance(old, Address) and _is_recipient(new)


def _is_decision(decision: Decision) -> bool:
    match decision:
        case FileInto(mailbox, recipient):
            return _is_one_or_all(recipient) and _is_mailbox(mailbox)
        case SetNextHop(via, tls, recipient):
            return _is_one_or_all(recipient) and leads_somewhere(Via(via, tls))
        case Tag(name, value):
            return is_tag(name, value)
        case Hold(reason):
            return isinstance(reason, str)
        case Quarantine(reason, mailbox_of):
            return isinstance(reason, str) and (mailbox_of is None or _is_recipient(mailbox_of))


def _is_mailbox(name: object) -> bool:
    if not isinstance(name, str):
        return False
    try:
        mailbox_name(name)
    except ValueError:
        return False
    return True


def _is_field(name: object, value: object = "") -> bool:
    return _is_text(name, _NAME) and _is_text(value, _VALUE)


def _is_occurrence(number: object) -> bool:
    return isinstance(number, int) and number in _OCCURRENCES


def _is_recipient(address: object) -> bool:
    return _is_address(address) and address != Address("", "")


def _is_one_or_all(recipient: object) -> bool:
    return recipient is None or isinstance(recipient, Address)


def _is_address(address: object) -> bool:
    return isinstance(address, Address) and _is_text(address.local, _ADDRESS) and _is_text(address.domain, _ADDRESS)


def _is_notify(notify: object) -> bool:
    return notify is None or (isinstance(notify, frozenset) and notify <= _NOTIFY)


def _is_text(text: object, form: re.Pattern[str]) -> bool:
    return isinstance(text, str) and form.fullmatch(text) is not None
