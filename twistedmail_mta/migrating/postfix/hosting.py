"""Domains whose mail Postfix keeps: mydestination, virtual domains; accounts and aliases."""

from __future__ import annotations

import posixpath
import re
import shlex
from typing import Final

from twistedmail_mta.migrating.findings import Place
from twistedmail_mta.migrating.postfix.importing import Importing
from twistedmail_mta.migrating.postfix.tables import Row
from twistedmail_mta.smtp.domain import parse_domain
from twistedmail_mta.smtp.errors import AddressError

_TARGET: Final = re.compile(r'(?:"(?:[^"\\]|\\.)*"|[^\s,"])+')
_NOT_PUBLIC: Final = ("localhost", "localdomain")


def take_domains(doing: Importing) -> None:
    """Host what `mydestination` and the virtual domains name; one of the former has the addresses of the others."""
    local = _local_domains(doing)
    _take_virtual_domains(doing, "virtual_mailbox_domains", "virtual_mailbox_maps")
    _take_virtual_domains(doing, "virtual_alias_domains", "virtual_alias_maps")
    doing.primary = _primary(doing, local)
    doing.local = doing.primary if doing.primary in local else next(iter(local), None)
    for domain in local:
        if domain != doing.local:
            comment = f"{doing.comment('mydestination')}: the same local users"
            doing.draft.put(("domains", domain), "alias_of", doing.local or domain, comment)
    delimiter = doing.value("recipient_delimiter")
    for domain in doing.draft.hosted:
        if "alias_of" not in doing.draft.tables["domains", domain]:
            doing.draft.put(("domains", domain), "subaddress", delimiter, doing.comment("recipient_delimiter"))
    doing.say("mapped", "recipient_delimiter", "domains.NAME.subaddress")


def _local_domains(doing: Importing) -> list[str]:
    found: list[str] = []
    for name, place in doing.listed("mydestination", doing.words("mydestination")):
        if name.startswith("localhost") or name.endswith(_NOT_PUBLIC):
            doing.draft.say(
                "default", place, "mydestination", name, "", "mail for this host's own names goes by its domains here"
            )
            continue
        domain = doing.draft.host(name, f"{place or 'Postfix default'}: mydestination")
        if domain is None:
            doing.draft.say("unmapped", place, "mydestination", name, "", "it is no domain; leave it out, or mend it")
        else:
            doing.draft.say("mapped", place, "mydestination", name, f'domains."{domain}"')
            found.append(domain)
    doing.done.add("mydestination")
    return list(dict.fromkeys(found))


def _primary(doing: Importing, local: list[str]) -> str | None:
    """Return the domain of names without one: that of `myorigin`, if mail for it stays here."""
    origin = doing.value("myorigin")
    if origin.startswith("/"):
        try:
            origin = doing.read(origin).split("\n", 1)[0].strip()
        except OSError:
            origin = ""
    if origin:
        where = "server.hostname" if origin not in local else f'domains."{origin}"'
        doing.say(
            "mapped", "myorigin", where, "the domain of addresses that name none; clients that log in name theirs"
        )
    hosted = doing.draft.hosted
    candidates = [origin.lower(), doing.value("mydomain").lower(), *local, *hosted]
    return next((name for name in candidates if name in hosted), None)


def _take_virtual_domains(doing: Importing, name: str, maps: str) -> None:
    """Host the domains of a list; where it isn't given they are the keys of its maps that are domains."""
    given = doing.given(name)
    entries = doing.words(name) if given else doing.words(maps) if doing.given(maps) else []
    is_named = bool(given) and given != doing.value(maps)
    for entry, place in doing.listed(name if given else maps, entries):
        if not is_named and ("@" in entry or "." not in entry):
            continue
        domain = doing.draft.host(entry, f"{place}: {name}")
        if domain is None:
            doing.draft.say("unmapped", place, name, entry, "", "it is no domain; leave it out, or mend it")
        else:
            doing.draft.say("mapped", place, name, entry, f'domains."{domain}"')
    doing.done.update((name, maps))


def take_mailboxes(doing: Importing) -> None:
    """Make accounts of `virtual_mailbox_maps`, and say how their mail is brought."""
    base = doing.value("virtual_mailbox_base") or "/"
    for table in doing.words("virtual_mailbox_maps"):
        for row in doing.rows("virtual_mailbox_maps", table):
            if "@" in row.key and not row.key.startswith("@"):
                _take_mailbox(doing, row, base)
            elif row.key.startswith("@"):
                advice = (
                    "mail for anybody there goes into one mailbox: make it an account, and say domains.NAME.catch_all"
                )
                doing.draft.say("unmapped", row.place, "virtual_mailbox_maps", row.key, "", advice)
    if doing.given("virtual_mailbox_base"):
        doing.say("mapped", "virtual_mailbox_base", "mta mailbox import", "the commands at the end name the mailboxes")


def _take_mailbox(doing: Importing, row: Row, base: str) -> None:
    name = doing.draft.account(row.key, None, row.place, "virtual_mailbox_maps")
    if name is not None and row.value and not row.value.startswith("|"):
        path = posixpath.normpath(posixpath.join(base, row.value.lstrip("/") if base != "/" else row.value))
        doing.draft.commands.append(f"mta mailbox import {shlex.quote(name)} {shlex.quote(path)}")


def take_virtual_aliases(doing: Importing) -> None:
    """Make aliases of `virtual_alias_maps`."""
    name = "virtual_alias_maps" if doing.given("virtual_alias_maps") else "virtual_maps"
    for table in doing.words(name):
        for row in doing.rows(name, table):
            _take_virtual_alias(doing, row)


def _take_virtual_alias(doing: Importing, row: Row) -> None:
    draft, targets = doing.draft, _TARGET.findall(row.value)
    if "@" not in row.key and _as_domain(row.key) in draft.domains:
        return  # virtual(5): it only declares the domain
    local, _, domain = row.key.rpartition("@") if "@" in row.key else (row.key, "", doing.primary or "")
    hosted = _as_domain(domain)
    if hosted not in draft.hosted:
        advice = (
            f"{domain or 'its domain'} isn't kept here; a rule of the plugin rewrite for RCPT does that"
            " (docs/policies.md)"
        )
        draft.say("unmapped", row.place, "virtual_alias_maps", f"{row.key} {row.value}", "", advice)
    elif not local and len(targets) == 1 and targets[0].startswith("@"):
        _alias_domain(doing, row, str(hosted), targets[0][1:])
    else:
        draft.alias(f"{local}@{hosted}", targets, row.place, "virtual_alias_maps", doing.primary)


def _alias_domain(doing: Importing, row: Row, domain: str, meant: str) -> None:
    """Make a domain an alias of another, if nothing else is said of it."""
    draft, other = doing.draft, _as_domain(meant)
    if other not in draft.hosted or other == domain or "alias_of" in draft.tables["domains", other]:
        advice = f"{meant} isn't a domain that is kept here with addresses of its own: add aliases one by one"
        draft.say("unmapped", row.place, "virtual_alias_maps", f"{row.key} {row.value}", "", advice)
        return
    draft.tables["domains", domain].clear()
    draft.put(("domains", domain), "alias_of", other, f"{row.place}: @{domain} @{other}")
    draft.say("mapped", row.place, "virtual_alias_maps", f"{row.key} {row.value}", f'domains."{domain}".alias_of')


def _as_domain(text: str) -> str | None:
    try:
        return parse_domain(text)
    except AddressError:
        return None


def take_local_aliases(doing: Importing) -> None:
    """Make aliases of `alias_maps`, at the domain of the local users."""
    tables = doing.words("alias_maps")
    if doing.local is None:
        doing.say("default", "alias_maps", "", "no domain here has local users")
        return
    for table in tables:
        for row in doing.rows("alias_maps", table):
            key, _, value = f"{row.key} {row.value}".partition(":")
            address = f"{key.strip()}@{doing.local}"
            doing.draft.alias(address, _TARGET.findall(value), row.place, "alias_maps", doing.local)
    doing.done.update(("alias_maps", "alias_database"))


def take_local_users(doing: Importing) -> None:
    """Say what is to be done about users of the system, who have mailboxes with Postfix."""
    place: Place | None = doing.config.place("local_recipient_maps")
    if doing.local is None or doing.given("mailbox_transport") or doing.given("local_transport"):
        return
    advice = (
        f"put the people's lines of /etc/shadow into a file; mta account import FILE --domain {doing.local}"
        " keeps their"
        f" passwords; their mail: mta mailbox import NAME@{doing.local} {_user_mailbox(doing)}"
    )
    doing.draft.say("unmapped", place, "local_recipient_maps", "users of the system (/etc/passwd)", "accounts", advice)
    doing.done.add("local_recipient_maps")


def _user_mailbox(doing: Importing) -> str:
    home = doing.value("home_mailbox")
    return f"~NAME/{home}" if home else f"{doing.value('mail_spool_directory')}/NAME"


def drop_impossible(doing: Importing) -> None:
    """Take back aliases and accounts at domains that turned out to be aliases of others."""
    draft = doing.draft
    for folded, alias in list(draft.aliases.items()):
        meant = draft.tables.get(("domains", alias.domain), {}).get("alias_of")
        if meant is not None:
            del draft.aliases[folded]
            advice = f"{alias.domain} has the addresses of {meant.value}: an alias there counts for both, mta alias add"
            draft.say("unmapped", None, "virtual_alias_maps", alias.address, "", advice)
    for name in list(draft.accounts):
        meant = draft.tables.get(("domains", name.rpartition("@")[2]), {}).get("alias_of")
        if meant is not None:
            del draft.accounts[name]
            draft.say("unmapped", None, "virtual_mailbox_maps", name, "", f"add it at {meant.value}: mta account add")
