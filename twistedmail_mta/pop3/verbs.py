"""What each command may do in which state (RFC 1939 sections 4 to 7)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from twistedmail_mta.pop3 import answers
from twistedmail_mta.pop3.command import CommandError, parse_auth, parse_numbers
from twistedmail_mta.pop3.drop import END, Drop
from twistedmail_mta.pop3.events import Auth, Listing, Login, Quit, Retrieve, StartTLS
from twistedmail_mta.pop3.languages import LANGUAGES, find_language
from twistedmail_mta.pop3.response import Response
from twistedmail_mta.pop3.standing import Standing, capabilities

Outcome = Response | Login | Auth | StartTLS | Retrieve | Quit | tuple[Response, Listing]
Verb = Callable[[Standing, str], Outcome]


def _no_argument(argument: str) -> None:
    if argument.strip():
        raise CommandError(answers.NO_ARGUMENT)


def _authorizing(standing: Standing) -> None:
    if standing.drop is not None:
        raise CommandError(answers.LOGGED_IN_ALREADY)


def _demand_drop(standing: Standing) -> Drop:
    if standing.drop is None:
        raise CommandError(answers.LOG_IN_FIRST)
    return standing.drop


def _lines(lines: list[str]) -> Listing:
    return Listing(iter(["".join(f"{line}\r\n" for line in lines).encode() + END]))


# AUTHORIZATION


def _user(standing: Standing, argument: str) -> Outcome:
    _may_log_in(standing)
    name = argument.strip(" ")
    if not name:
        raise CommandError(answers.NEEDS_NAME)
    standing.name = name
    return answers.NAME_TAKEN


def _pass(standing: Standing, argument: str) -> Outcome:
    _may_log_in(standing)
    name, standing.name = standing.name, None
    if name is None:
        raise CommandError(answers.USER_FIRST)
    if not argument:
        raise CommandError(answers.NEEDS_PASSWORD)
    return Login(name, argument.encode())


def _auth(standing: Standing, argument: str) -> Outcome:
    _may_log_in(standing)
    if not argument.strip():
        return answers.MECHANISMS, _lines(list(standing.mechanisms))  # what older clients ask instead of CAPA
    auth = parse_auth(argument)
    if auth.mechanism not in standing.mechanisms:
        raise CommandError(answers.UNKNOWN_MECHANISM)
    return auth


def _may_log_in(standing: Standing) -> None:
    _authorizing(standing)
    if not standing.mechanisms:
        raise CommandError(answers.TLS_FIRST if standing.tls_available else answers.NO_LOGIN)


def _stls(standing: Standing, argument: str) -> Outcome:
    _authorizing(standing)
    _no_argument(argument)
    if standing.tls_active:
        raise CommandError(answers.TLS_ACTIVE)
    if not standing.tls_available:
        raise CommandError(answers.NO_TLS)
    return StartTLS()


def _utf8(standing: Standing, argument: str) -> Outcome:
    _authorizing(standing)
    _no_argument(argument)
    standing.utf8 = True
    return answers.UTF8_ON


# Both


def _capa(standing: Standing, argument: str) -> Outcome:
    _no_argument(argument)
    return answers.CAPABILITIES, _lines(capabilities(standing))


def _lang(standing: Standing, argument: str) -> Outcome:
    wanted = argument.strip()
    if not wanted:
        return answers.LANGUAGES, _lines([f"{each.tag} {each.name}".rstrip() for each in LANGUAGES])
    language = find_language(wanted)
    if language is None:
        raise CommandError(answers.UNKNOWN_LANGUAGE)
    standing.language = language
    return answers.LANGUAGE_CHOSEN


def _quit(standing: Standing, argument: str) -> Outcome:
    _no_argument(argument)
    return Quit(standing.drop.deleted() if standing.drop is not None else ())


# TRANSACTION


def _stat(standing: Standing, argument: str) -> Outcome:
    drop = _demand_drop(standing)
    _no_argument(argument)
    return answers.totals(drop.count, drop.octets)


def _list(standing: Standing, argument: str) -> Outcome:
    drop = _demand_drop(standing)
    if not argument.strip():
        return _listing(drop, drop.sizes())
    number = _existing(drop, argument)
    return answers.entry(number, drop[number].size)


def _uidl(standing: Standing, argument: str) -> Outcome:
    drop = _demand_drop(standing)
    if not argument.strip():
        return _listing(drop, drop.uidls())
    number = _existing(drop, argument)
    return answers.entry(number, drop[number].uidl)


def _listing(drop: Drop, blocks: Iterator[bytes]) -> Outcome:
    return answers.listing(drop.count, drop.octets), Listing(blocks)


def _existing(drop: Drop, argument: str) -> int:
    (number,) = parse_numbers(argument, answers.NEEDS_NUMBER)
    return _undeleted(drop, number)


def _undeleted(drop: Drop, number: int) -> int:
    """Return `number` if such a message is there and not marked as deleted."""
    if not 1 <= number <= len(drop):
        raise CommandError(answers.NO_SUCH_MESSAGE)
    if drop.is_deleted(number):
        raise CommandError(answers.DELETED_ALREADY)
    return number


def _retr(standing: Standing, argument: str) -> Outcome:
    drop = _demand_drop(standing)
    number = _existing(drop, argument)
    return Retrieve(drop[number], number, None)


def _top(standing: Standing, argument: str) -> Outcome:
    drop = _demand_drop(standing)
    number, lines = parse_numbers(argument, answers.NEEDS_NUMBER_AND_LINES, count=2)
    return Retrieve(drop[_undeleted(drop, number)], number, lines)


def _dele(standing: Standing, argument: str) -> Outcome:
    drop = _demand_drop(standing)
    number = _existing(drop, argument)
    drop.delete(number)
    return answers.deleted(number)


def _rset(standing: Standing, argument: str) -> Outcome:
    drop = _demand_drop(standing)
    _no_argument(argument)
    drop.reset()
    return answers.totals(drop.count, drop.octets)


def _noop(standing: Standing, argument: str) -> Outcome:
    _demand_drop(standing)
    _no_argument(argument)
    return answers.DONE


VERBS: Final[dict[bytes, Verb]] = {
    b"USER": _user,
    b"PASS": _pass,
    b"AUTH": _auth,
    b"STLS": _stls,
    b"UTF8": _utf8,
    b"CAPA": _capa,
    b"LANG": _lang,
    b"QUIT": _quit,
    b"STAT": _stat,
    b"LIST": _list,
    b"UIDL": _uidl,
    b"RETR": _retr,
    b"TOP": _top,
    b"DELE": _dele,
    b"RSET": _rset,
    b"NOOP": _noop,
}
