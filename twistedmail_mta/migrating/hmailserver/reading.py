"""An import of hMailServer from beginning to end."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from twistedmail_mta.migrating.draft import Draft
from twistedmail_mta.migrating.hmailserver.hosting import take_accounts, take_aliases, take_domains
from twistedmail_mta.migrating.hmailserver.rows import Tables
from twistedmail_mta.migrating.hmailserver.settings import ask, take_ports, take_routes, take_settings
from twistedmail_mta.migrating.hmailserver.sql import parse_sql
from twistedmail_mta.migrating.hmailserver.xml import parse_xml

_NAMED: Final = (
    (
        "rules",
        "rulename",
        "rules about headers are those of the plugin headers (docs/policies.md); write what matters there",
    ),
    (
        "fetchaccounts",
        "faaccountname",
        "mail isn't fetched from elsewhere: let the other server forward it, or run getmail",
    ),
    ("surblservers", "surblhost", "links in bodies aren't looked up: a scanner does that (docs/policies.md)"),
    ("incoming_relays", "relayname", "name it in trusted_forwarders of the plugin authentication"),
    ("whitelist", "whitedescription", "see exempt_networks of the plugins that judge strangers"),
    ("greylisting_whiteaddresses", "whiteipaddress", "see exempt_networks of the plugin greylist"),
    ("groups", "groupname", "there are no groups: mailboxes aren't shared"),
)
_RANGES: Final = ("Internet", "My computer")
_MAIL: Final = (
    "# Mail isn't in the dump. While both servers run, copy it by IMAP, each account by itself (mbsync, offlineimap):",
    "# flags and folders are kept; people's programs see the mail as new to them, since its UIDs change.",
)


def read_hmailserver(files: Sequence[tuple[str, str]], draft: Draft) -> str | None:
    """Take over an hMailServer; return the name of the host, if it is said.

    Args:
        files: names and texts of dumps and backups.
        draft: gets everything.

    Raises:
        ValueError: one of them is neither a dump nor a backup.
    """
    tables = Tables()
    for name, text in files:
        if text.lstrip().startswith("<"):
            parse_xml(text, name, tables)
        elif not parse_sql(text, name, tables):
            raise ValueError(f"{name} has no table of hMailServer (hm_...), and is no hMailServerBackup.xml")
    if not tables.of("domains"):
        raise ValueError("no domain is in it: let the dump have hm_domains, or the backup its domains")
    take_ports(tables, draft)
    names = take_domains(tables, draft)
    take_accounts(tables, names, draft)
    take_aliases(tables, names, draft)
    take_routes(tables, draft)
    hostname = take_settings(tables, draft)
    if ("plugins", "signatures") in draft.tables:
        ask(draft, "signatures", "submission")
    _tell_of_certificates(tables, draft)
    _tell_of_the_rest(tables, draft)
    draft.commands += _MAIL
    return hostname


def _tell_of_certificates(tables: Tables, draft: Draft) -> None:
    for row in tables.of("sslcertificates"):
        advice = "copy both files here, as PEM, and name them in [tls] or [tls.names]; or let [acme] get one"
        value = f"{row.text('sslcertificatefile')}, {row.text('sslprivatekeyfile')}"
        draft.say("unmapped", row.place, "hm_sslcertificates", value, "tls", advice)


def _tell_of_the_rest(tables: Tables, draft: Draft) -> None:
    """Tell of what has no place here, each by its name."""
    for table, column, advice in _NAMED:
        for row in tables.of(table):
            if table == "surblservers" and not row.is_on("surblactive"):
                continue
            draft.say("unmapped", row.place, f"hm_{table}", row.text(column), "", advice)
    for row in tables.of("securityranges"):
        name = row.text("rangename")
        if name in _RANGES:
            advice = "strangers send to domains here alone, people log in"
            draft.say("default", row.place, "hm_securityranges", name, "", advice)
        else:
            advice = "networks that may send without a login: the plugin relay_networks (docs/policies.md)"
            draft.say("unmapped", row.place, "hm_securityranges", name, "relay.plugins", advice)
