"""What Postfix makes of messages: other addresses, copies, rules about headers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from twistedmail_mta.directory.aliases import make_alias
from twistedmail_mta.migrating.draft import Value
from twistedmail_mta.migrating.postfix.guarding import add_rule, ask_everywhere
from twistedmail_mta.migrating.postfix.importing import Importing
from twistedmail_mta.migrating.postfix.tables import Row

_MAPS: Final[Mapping[str, list[str]]] = {
    "canonical_maps": ["senders", "recipients"],
    "sender_canonical_maps": ["senders"],
    "recipient_canonical_maps": ["recipients"],
    "smtp_generic_maps": ["senders"],
}
_COPIES: Final = {"sender_bcc_maps": "sender", "recipient_bcc_maps": "recipient"}
_CHECKS: Final = (
    "header_checks",
    "body_checks",
    "mime_header_checks",
    "nested_header_checks",
    "smtp_header_checks",
    "milter_header_checks",
)


def take_rewriting(doing: Importing) -> None:
    """Write maps for the plugin rewrite, and its rules."""
    rules: list[Value] = []
    for name, where in _MAPS.items():
        lines = [
            line
            for table in doing.words(name)
            for row in doing.rows(name, table)
            if (line := _map_line(doing, name, row)) is not None
        ]
        if lines:
            file = name.removesuffix("_maps").replace("_", "-")
            doing.draft.files[file] = "".join(f"{line}\n" for line in lines)
            rules.append({"file": file, "where": [*where]})
            doing.say(
                "mapped", name, "plugins.rewrite.rules", "of people who have logged in; strangers' mail stays as it is"
            )
    rules += _masquerades(doing)
    if rules:
        path = doing.draft.plugin("rewrite", "rewrite", "addresses that are rewritten")
        doing.draft.put(path, "rules", rules)
        for listener in doing.draft.listeners("submission"):
            doing.draft.ask(listener, "rewrite")


def _map_line(doing: Importing, name: str, row: Row) -> str | None:
    """Return a line of a map of the plugin rewrite; None when a row can't be one."""
    domain = doing.primary or doing.config.hostname
    key, value = row.key, row.value.strip()
    key = key if "@" in key else f"{key}@{domain}"
    value = value if "@" in value else f"{value}@{domain}"
    left = f"*{key}" if key.startswith("@") else key
    right = f"*{value}" if value.startswith("@") else value
    try:
        for text in (left, right):
            make_alias(text.replace("*", "x", 1), ["x@x"])
    except ValueError as error:
        advice = f"{error}; write it into the map by hand (docs/policies.md, rewrite)"
        doing.draft.say("unmapped", row.place, name, f"{row.key} {row.value}", "plugins.rewrite.rules", advice)
        return None
    return f"{left} {right}"


def _masquerades(doing: Importing) -> list[Value]:
    """Return the rules of `masquerade_domains`, whose hosts' names are left out of senders."""
    found: list[Value] = []
    domains = doing.words("masquerade_domains") if doing.given("masquerade_domains") else []
    for domain in domains:
        if domain.startswith("!") or "." not in domain:
            advice = "exceptions are written as except of a rule (docs/policies.md, rewrite)"
            place = doing.config.place("masquerade_domains")
            doing.draft.say("unmapped", place, "masquerade_domains", domain, "plugins.rewrite.rules", advice)
            continue
        rule: dict[str, Value] = {"from": f"*@*.{domain}", "to": f"*@{domain}"}
        exceptions: list[Value] = [f"{name}@*" for name in doing.words("masquerade_exceptions")]
        found.append(rule | ({"except": exceptions} if exceptions else {}))
    if found:
        doing.say("mapped", "masquerade_domains", "plugins.rewrite.rules")
        if doing.given("masquerade_exceptions"):
            doing.say("mapped", "masquerade_exceptions", "plugins.rewrite.rules")
    return found


def take_copies(doing: Importing) -> None:
    """Send copies, as `always_bcc` and the like want them."""
    address = doing.given("always_bcc")
    if address is not None:
        whole = address if "@" in address else f"{address}@{doing.primary}"
        path = doing.draft.plugin("headers", "headers", doing.comment("always_bcc"))
        doing.draft.put(path, "always_bcc", whole, doing.comment("always_bcc"))
        _allow_elsewhere(doing, whole)
        ask_everywhere(doing, "headers")
        doing.say("mapped", "always_bcc", "plugins.headers.always_bcc")
    for name, key in _COPIES.items():
        for table in doing.words(name):
            for row in doing.rows(name, table):
                pattern = f"*{row.key}" if row.key.startswith("@") else row.key
                copy = row.value if "@" in row.value else f"{row.value}@{doing.primary}"
                rule: Value = {key: [pattern if "@" in pattern else f"{pattern}@{doing.primary}"], "bcc": [copy]}
                add_rule(doing, rule, row.place)
                _allow_elsewhere(doing, copy)
                doing.draft.say("mapped", row.place, name, f"{row.key} {row.value}", "plugins.headers.rules")


def _allow_elsewhere(doing: Importing, address: str) -> None:
    """Let copies go to addresses that aren't kept here, where one is."""
    if address.rpartition("@")[2].lower() not in doing.draft.hosted:
        doing.draft.put(("plugins", "headers"), "may_send_anywhere", True, f"for copies to {address}")


def take_checks(doing: Importing) -> None:
    """Say what becomes of rules about headers and bodies."""
    for name in _CHECKS:
        for table in doing.words(name) if doing.given(name) else []:
            advice = (
                "its expressions aren't taken over: write the few that matter as rules of the plugin headers, such as"
                ' field = "Subject", matches = "lottery", refuse = "Not here" (docs/policies.md); of bodies'
                " a scanner knows more"
            )
            doing.draft.say("unmapped", doing.config.place(name), name, table, "plugins.headers.rules", advice)
