"""Domains, accounts, aliases and lists of hMailServer."""

from __future__ import annotations

import re
from typing import Final

from twistedmail_mta.config.hosting import SEPARATORS
from twistedmail_mta.config.units import written_size
from twistedmail_mta.migrating.draft import Draft, Value
from twistedmail_mta.migrating.hmailserver.rows import Row, Tables

_PLAIN, _BLOWFISH, _MD5, _SHA256 = range(4)
"""How `accountpwencryption` says a password is kept."""
_MODES: Final = {1: "members", 2: "one sender"}
_ANNOUNCED: Final = "a rule of the plugin headers with recipient, strangers and refuse limits it (docs/policies.md)"


def take_domains(tables: Tables, draft: Draft) -> dict[str, str]:
    """Host the domains that are active; return their names by id."""
    names: dict[str, str] = {}
    for row in tables.of("domains"):
        name = row.text("domainname")
        if not row.is_on("domainactive"):
            advice = (
                "it isn't active, so it is left out with its accounts and aliases: [domains] by hand, if it is wanted"
            )
            draft.say("unmapped", row.place, "hm_domains", name, "domains", advice)
            continue
        domain = draft.host(name, f"{row.place}: hm_domains")
        if domain is None:
            draft.say("unmapped", row.place, "hm_domains", name, "domains", "it is no domain; leave it out, or mend it")
            continue
        names[row.text("domainid")] = domain
        _take_domain(row, domain, draft)
        draft.say("mapped", row.place, "hm_domains", name, f'domains."{domain}"')
    for row in tables.of("domain_aliases"):
        _take_domain_alias(row, names, draft)
    return names


def _take_domain(row: Row, domain: str, draft: Draft) -> None:
    path = ("domains", domain)
    sign = row.text("domainplusaddressingchar") or "+"
    uses = row.is_on("domainuseplusaddressing") and all(letter in SEPARATORS for letter in sign)
    draft.put(path, "subaddress", sign if uses else "", f"{row.place}: plus addressing")
    catch_all = row.text("domainpostmaster")
    if catch_all:
        draft.put(
            path, "catch_all", catch_all if "@" in catch_all else f"{catch_all}@{domain}", f"{row.place}: postmaster"
        )
    megabytes = row.number("domainmaxaccountsize")
    if megabytes > 0:
        draft.put(path, "quota", written_size(megabytes << 20), f"{row.place}: domainmaxaccountsize")
    for column, words in (
        ("domainmaxsize", "a domain as a whole has no quota: each account has one, domains.NAME.quota"),
        ("domainmaxmessagesize", "a domain has no size of messages of its own: limits.message_size holds for all"),
    ):
        if row.number(column) > 0:
            draft.say("unmapped", row.place, f"{domain}: {column}", row.text(column), "", words)
    if row.text("domaindkimselector"):
        advice = f"new keys sign instead: mta dkim create {domain}, publish them, and keep the old record for a week"
        draft.say(
            "unmapped", row.place, f"{domain}: domaindkimselector", row.text("domaindkimselector"), "dkim", advice
        )
    _take_signature(row, domain, draft)


def _take_signature(row: Row, domain: str, draft: Draft) -> None:
    """Put a domain's signature behind its mail, as the plugin footer does."""
    text, html = row.text("domainsignatureplaintext"), row.text("domainsignaturehtml")
    if not row.is_on("domainenablesignature") or not (text or html):
        return
    known = draft.tables.get(("plugins", "signatures"), {}).get("domains")
    footer: dict[str, Value] = {"text": text.replace("\r\n", "\n") or re.sub(r"<[^>]*>", "", html)}
    if html:
        footer["html"] = html
    path = draft.plugin("signatures", "footer", f"{row.place}: domainsignatureplaintext")
    domains = known.value if known is not None and isinstance(known.value, dict) else {}
    draft.put(path, "domains", {**domains, domain: footer})
    if not row.is_on("domainaddsignaturestoreplies"):
        draft.put(path, "replies", False, f"{row.place}: domainaddsignaturestoreplies")
    if not row.is_on("domainaddsignaturestolocalemail"):
        inside = draft.table(path)["inside"].value if "inside" in draft.table(path) else []
        draft.put(path, "inside", [*(inside if isinstance(inside, list) else []), f"*@{domain}"])
    draft.say("mapped", row.place, f"{domain}: domainsignatureplaintext", "", "plugins.signatures")


def _take_domain_alias(row: Row, names: dict[str, str], draft: Draft) -> None:
    meant = names.get(row.text("dadomainid"))
    alias = row.text("daalias")
    domain = draft.host(alias, f"{row.place}: hm_domain_aliases") if meant is not None else None
    if domain is None or meant is None or domain in names.values():
        advice = "the domain it stands for isn't here, or it is none: domains.NAME.alias_of"
        draft.say("unmapped", row.place, "hm_domain_aliases", alias, "domains", advice)
        return
    draft.put(("domains", domain), "alias_of", meant, f"{row.place}: hm_domain_aliases")
    draft.say("mapped", row.place, "hm_domain_aliases", alias, f'domains."{domain}".alias_of')


def take_accounts(tables: Tables, names: dict[str, str], draft: Draft) -> None:
    """Make the accounts, with their passwords, quotas and forwards."""
    for row in tables.of("accounts"):
        address = row.text("accountaddress")
        if row.text("accountdomainid") not in names:
            draft.say("unmapped", row.place, "hm_accounts", address, "accounts", "its domain is left out, and so is it")
            continue
        megabytes = row.number("accountmaxsize")
        stored, problem = _password(row)
        quota = megabytes << 20 if megabytes > 0 else None
        name = draft.account(address, stored, row.place, "hm_accounts", quota, row.is_on("accountactive"))
        if name is None:
            continue
        if problem:
            draft.say(
                "unmapped",
                row.place,
                f"{name}: password",
                "",
                f"the account {name}",
                f"{problem}: mta account password {name}",
            )
        _take_forward(row, name, draft)
        _tell_of_account(row, name, draft)


def _password(row: Row) -> tuple[str | None, str]:  # noqa: PLR0911 - a form of passwords each
    """Return a password as it is kept here, and why there is none."""
    text, kind = row.text("accountpassword"), row.number("accountpwencryption")
    if row.is_on("accountisad"):
        return (
            None,
            'Active Directory judges it there: [[checker]] use = "ldap" (etc/mta.toml), or a password of its own',
        )
    if not text:
        return None, "it has none"
    if kind == _BLOWFISH:
        return None, "it is encrypted with Blowfish, which isn't undone here; set a new one"
    if kind == _MD5 and re.fullmatch(r"[0-9A-Fa-f]{32}", text):
        return f"{{PLAIN-MD5}}{text.lower()}", ""
    if kind == _SHA256 and re.fullmatch(r"[0-9A-Fa-f]{70}", text):
        return f"{{HMAILSERVER}}{text.lower()}", ""
    if kind == _PLAIN:
        return f"{{PLAIN}}{text}", ""
    return None, "it is kept in a form that isn't known; set a new one"


def _take_forward(row: Row, name: str, draft: Draft) -> None:
    target = row.text("accountforwardaddress")
    if row.is_on("accountforwardenabled") and target:
        keeps = row.is_on("accountforwardkeeporiginal")
        draft.alias(name, [target, *([name] if keeps else [])], row.place, f"{name}: forward")


def _tell_of_account(row: Row, name: str, draft: Draft) -> None:
    for column, words in (
        ("accountvacationmessageon", "nobody is answered while somebody is away"),
        ("accountenablesignature", f'footer with sender = "{name}" puts a text behind its mail (docs/policies.md)'),
    ):
        if row.is_on(column):
            draft.say("unmapped", row.place, f"{name}: {column}", "1", "", words)
    if row.number("accountadminlevel") > 0:
        advice = "who may use the mta command is who may read the state directory"
        draft.say("unmapped", row.place, f"{name}: accountadminlevel", row.text("accountadminlevel"), "", advice)


def take_aliases(tables: Tables, names: dict[str, str], draft: Draft) -> None:
    """Make the aliases, and of distribution lists what is left of them."""
    for row in tables.of("aliases"):
        name, target = row.text("aliasname"), row.text("aliasvalue")
        if not row.is_on("aliasactive") or row.text("aliasdomainid") not in names:
            advice = "it isn't active, or its domain is left out: mta alias add, if it is wanted"
            draft.say("unmapped", row.place, "hm_aliases", name, "aliases", advice)
        else:
            domain = names[row.text("aliasdomainid")]
            whole = name if "@" in name else f"{name}@{domain}"
            draft.alias(whole, re.split(r"[,;\s]+", target), row.place, "hm_aliases", domain)
    for row in tables.of("distributionlists"):
        _take_list(row, tables, names, draft)


def _take_list(row: Row, tables: Tables, names: dict[str, str], draft: Draft) -> None:
    name = row.text("distributionlistaddress")
    if not row.is_on("distributionlistenabled") or row.text("distributionlistdomainid") not in names:
        advice = "it isn't active, or its domain is left out: mta alias add, if it is wanted"
        draft.say("unmapped", row.place, "hm_distributionlists", name, "aliases", advice)
        return
    members = [
        each.text("distributionlistrecipientaddress")
        for each in tables.where(
            "distributionlistsrecipients", "distributionlistrecipientlistid", row.text("distributionlistid")
        )
    ]
    if not members:
        draft.say(
            "unmapped", row.place, "hm_distributionlists", name, "aliases", "it has no members, and an alias needs some"
        )
        return
    draft.alias(name, members, row.place, "hm_distributionlists")
    mode = row.number("distributionlistmode")
    if mode in _MODES or row.is_on("distributionlistrequireauth"):
        who = _MODES.get(mode, "those who logged in")
        draft.say(
            "unmapped",
            row.place,
            f"{name}: distributionlistmode",
            str(mode),
            "",
            f"anybody can write to it, not {who} alone: {_ANNOUNCED}",
        )
