"""What is so of an account that sends: as whom it may, what is left of its limits, which keys sign."""

from __future__ import annotations

from functools import partial
from typing import Any

from twistedmail_mta.composition.rehearsing import Rehearsal
from twistedmail_mta.directory.dkim_rows import in_use, keys_of
from twistedmail_mta.mail.header import Header
from twistedmail_mta.model import Message
from twistedmail_mta.receive.signing import domains_of


async def account_facts(rehearsal: Rehearsal, name: str) -> dict[str, Any]:
    """Return what is known of an account, as JSON has it."""
    account = await rehearsal.logins.account(name)
    if account is None:
        return {"account": name, "exists": False}
    return {
        "account": account.address,
        "exists": True,
        "enabled": account.enabled,
        "may_submit": "smtp" in account.protocols,
        "send_as": list(account.send_as),
        "limits": await limits_left(rehearsal, account.address),
    }


async def limits_left(rehearsal: Rehearsal, account: str) -> list[dict[str, Any]]:
    """Return what plugins of the kind `limits` say an account has used, as they did before it sends."""
    found: list[dict[str, Any]] = []
    for each in rehearsal.site.found_plugins:
        if each.table.use == "limits":
            answer = await rehearsal.plugins.ask(each.name, {"show": account})
            found += [{"plugin": each.name, **limit} for limit in answer["limits"]]
    return found


async def signing_keys(rehearsal: Rehearsal, message: Message) -> list[dict[str, Any]]:
    """Return the keys that have signed a submission: those of the first domain that has any."""
    for domain in domains_of(Header(message.header), message.envelope.sender):
        keys = await rehearsal.database.read(partial(_keys, domain=domain))
        if keys:
            return keys
    return []


def _keys(tx: Any, domain: str) -> list[dict[str, Any]]:  # noqa: ANN401 - a transaction
    keys = in_use(keys_of(tx, domain))
    return [{"domain": key.domain, "selector": key.selector, "kind": key.kind} for key in keys if key.private]


async def can_seal(rehearsal: Rehearsal, domain: str) -> bool:
    """Return whether a domain has a key that ARC sets are made with."""
    keys = await rehearsal.database.read(partial(_keys, domain=domain))
    return any(key["kind"] == "rsa" for key in keys)
