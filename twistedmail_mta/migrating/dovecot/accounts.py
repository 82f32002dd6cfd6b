"""Who has a mailbox with Dovecot: passdb, userdb, and where the mail is."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from twistedmail_mta.config.units import parse_size
from twistedmail_mta.directory.passwd_file import parse_passwords
from twistedmail_mta.migrating.dovecot.conf import Block, Conf
from twistedmail_mta.migrating.draft import Draft, Value
from twistedmail_mta.migrating.findings import Place
from twistedmail_mta.migrating.texts import Read

_OPTION: Final = re.compile(r"([A-Za-z_]+)=(\S*)")
_VARIABLE: Final = re.compile(r"%(\{[a-z_]+\}|[LUM]*[undhu%])")
_INSTEAD: Final = {
    "sql": "print address and hash as lines of a passwd-file, SELECT CONCAT(email, ':', password), and give that to"
    " mta account import; hashes without a {SCHEME} need default_pass_scheme in front",
    "ldap": (
        'let people bind with their passwords: [[checker]] use = "ldap" (etc/mta.toml), and mta account'
        " import --external"
    ),
    "passwd": 'let the system judge: [[checker]] use = "pam"; names: mta account import --external --domain NAME FILE',
    "shadow": "put the people's lines of /etc/shadow into a file: mta account import --domain NAME FILE",
}


@dataclass(slots=True)
class Homes:
    """Where people's mail is.

    Attributes:
        location: `mail_location`.
        template: of homes, with variables.
        known: homes by account.
    """

    location: str
    template: str
    known: dict[str, str]


def take_people(conf: Conf, read: Read, draft: Draft) -> None:
    """Make accounts of passwd-files, checkers of PAM; say how mail is brought."""
    whole = conf.whole
    homes = Homes(whole.value("mail_location"), whole.value("mail_home"), {})
    realm = whole.value("auth_default_realm") or None
    files: set[str] = set()
    for block in whole.of("passdb"):
        _take_passdb(block, read, draft, realm, homes, files)
    for block in whole.of("userdb"):
        _take_userdb(block, read, draft, realm, homes, files)
    _tell_mail(whole, draft, homes)


def _options(args: str) -> tuple[dict[str, str], str]:
    """Return the options of `args`, and what is none: a file, or a service."""
    words = args.split()
    options = {found[1]: found[2] for word in words if (found := _OPTION.fullmatch(word))}
    return options, " ".join(word for word in words if not _OPTION.fullmatch(word))


def _take_passdb(block: Block, read: Read, draft: Draft, realm: str | None, homes: Homes, files: set[str]) -> None:  # noqa: PLR0913, PLR0917 - what is known by then
    driver, args = block.value("driver"), block.value("args")
    if block.value("master") == "yes" or block.value("deny") == "yes":
        kind = "master" if block.value("master") == "yes" else "deny"
        advice = "nobody logs in as somebody else here" if kind == "master" else "mta account set ADDRESS --disable"
        draft.say("unmapped", block.place, f"passdb {driver}", args, "", f"{kind} = yes: {advice}")
    elif driver == "passwd-file":
        _take_file(block, read, draft, realm, homes, files)
    elif driver == "pam":
        _take_pam(block, draft, realm)
    else:
        advice = _INSTEAD.get(driver, "passwords are judged by [[checker]]: see etc/mta.toml")
        draft.say("unmapped", block.place, f"passdb {driver}", args, "accounts", advice)


def _take_pam(block: Block, draft: Draft, realm: str | None) -> None:
    _, service = _options(block.value("args"))
    name = service if re.fullmatch(r"[A-Za-z0-9_-]+", service) else "dovecot"
    domains: list[Value] = [realm] if realm else [*draft.hosted]
    checker: dict[str, Value] = {"use": "pam", "service": name}
    if domains:
        draft.append("checker", {"use": "internal"}, "passwords set by mta account")
        draft.append("checker", checker | {"user": "local", "domains": domains}, f"{block.place}: passdb pam")
        advice = (
            "each name has to be an account: mta account add ADDRESS --external; pip install 'twistedmail-mta[pam]'"
        )
        draft.say("unmapped", block.place, "passdb pam", block.value("args"), "checker", advice)
    else:
        advice = '[[checker]] use = "pam", user = "local", domains = [...]: whose names they are isn\'t known here'
        draft.say("unmapped", block.place, "passdb pam", block.value("args"), "checker", advice)


def _take_file(block: Block, read: Read, draft: Draft, realm: str | None, homes: Homes, files: set[str]) -> None:  # noqa: PLR0913, PLR0917 - see above
    """Make accounts of a passwd-file, with their hashes, quotas and homes."""
    options, file = _options(block.value("args"))
    if file in files:
        return
    files.add(file)
    name = f"{block.kind} passwd-file"
    if "%" in file:
        advice = f"one file for each of {file}: give each to mta account import --domain NAME"
        draft.say("unmapped", block.place, name, file, "accounts", advice)
        return
    try:
        text = read(file)
    except OSError as error:
        draft.say(
            "unmapped", block.place, name, file, "accounts", f"{error}; run the import where it is: mta account import"
        )
        return
    domain = realm or (draft.hosted[0] if draft.hosted else None)
    lines = [_with_scheme(line, options.get("scheme", "CRYPT")) for line in text.split("\n")]
    _take_lines(lines, file, draft, domain, homes)
    draft.say("mapped", block.place, name, file, "accounts")


def _with_scheme(line: str, scheme: str) -> str:
    """Return a line with the scheme that its hash has there by default."""
    user, colon, rest = line.partition(":")
    return f"{user}:{{{scheme}}}{rest}" if colon and rest and rest[0] not in "{:" else line


def _take_lines(lines: list[str], file: str, draft: Draft, domain: str | None, homes: Homes) -> None:
    passwords = parse_passwords("\n".join(lines).encode("utf-8", "replace"), domain)
    for mistake in passwords.mistakes:
        line, _, words = mistake.removeprefix("line ").partition(": ")
        draft.say(
            "unmapped", Place(file, int(line)), "a line of it", "", "accounts", f"{words}; mta account add by hand"
        )
    for number, line in enumerate(lines, 1):
        fields = line.rstrip("\r").split(":")
        name = fields[0] if "@" in fields[0] else f"{fields[0]}@{domain}"
        stored = passwords.hashes.get(name.lower())
        if stored is None or len(fields) < 2 or line[:1] in "#:" or name.lower() in homes.known:
            continue
        extras = ":".join(fields[7:])
        is_closed = "user_disabled" in extras or "nologin" in extras
        draft.host(name.rpartition("@")[2], f"{file}:{number}")
        made = draft.account(name, stored, Place(file, number), "passwd-file", quota_of(extras), not is_closed)
        if made is not None:
            homes.known[made] = fields[5] if len(fields) > 5 else ""


def quota_of(text: str) -> int | None:
    """Return the octets of a quota rule such as "*:storage=1G"; None where there is none."""
    found = re.search(r"\*:(?:[^:]*:)*?(?:storage|bytes)=(\d{1,12}(?:\.\d{1,6})?)([bkmgtBKMGT]?)", text)
    if found is None:
        return None
    unit = {"": "KB" if "storage=" in found[0] else "B", "b": "B"}.get(found[2].lower(), f"{found[2].upper()}B")
    return parse_size(f"{found[1]}{unit}") or None


def _take_userdb(block: Block, read: Read, draft: Draft, realm: str | None, homes: Homes, files: set[str]) -> None:  # noqa: PLR0913, PLR0917 - see above
    driver, args = block.value("driver"), block.value("args")
    options, _ = _options(args)
    fields, _ = _options(f"{block.value('default_fields')} {block.value('override_fields')}")
    homes.template = homes.template or options.get("home", "") or fields.get("home", "")
    homes.location = fields.get("mail") or options.get("mail") or homes.location
    if driver == "passwd-file":
        _take_file(block, read, draft, realm, homes, files)
    elif driver in ("static", "prefetch"):
        draft.say(
            "mapped",
            block.place,
            f"userdb {driver}",
            args,
            "mta mailbox import",
            "mail belongs to accounts, not to users of the system",
        )
    else:
        draft.say(
            "unmapped",
            block.place,
            f"userdb {driver}",
            args,
            "accounts",
            _INSTEAD.get(driver, "add each with mta account add"),
        )


def _tell_mail(whole: Block, draft: Draft, homes: Homes) -> None:
    """Say which commands bring the mail of each account."""
    setting = whole.settings.get("mail_location")
    if not homes.location:
        return
    kind, _, rest = homes.location.partition(":")
    path, *options = rest.split(":")
    people: Iterable[tuple[str, str]] = homes.known.items() or [("ADDRESS", "")]
    for name, home in people:
        draft.commands += _commands(kind, path, options, name, home or homes.template, is_known=bool(homes.known))
    place = None if setting is None else setting.place
    advice = "UIDs, flags and subscriptions are kept; the commands at the end bring the mail, and may be repeated"
    if "LAYOUT=fs" in options or kind not in ("maildir", "mbox"):
        advice = "doveadm writes it as a Maildir first, which the commands at the end bring"
    draft.say("mapped", place, "mail_location", homes.location, "mta mailbox import", advice)


def _commands(kind: str, path: str, options: list[str], name: str, home: str, *, is_known: bool) -> list[str]:  # noqa: PLR0913 - what is known of it
    whole = filled(path, name, filled(home, name, "~"), is_known=is_known)
    quoted = whole if whole.startswith("~") or not is_known else shlex.quote(whole)
    target = name if not is_known else shlex.quote(name)
    if kind == "maildir" and "LAYOUT=fs" not in options:
        return [f"mta mailbox import {target} {quoted}"]
    if kind == "mbox":
        inbox = next((option[6:] for option in options if option.startswith("INBOX=")), "")
        found = [f"mta mailbox import {target} {filled(inbox, name, home, is_known=is_known)}"] if inbox else []
        return [*found, f"mta mailbox import {target} {quoted}"]
    local = f"/tmp/mail-{name}" if not is_known else shlex.quote(f"/var/tmp/mail-{name}")  # noqa: S108 - root's own word
    return [f"doveadm backup -u {target} maildir:{local}", f"mta mailbox import {target} {local}"]


def filled(template: str, name: str, home: str, *, is_known: bool = True) -> str:
    """Return a path with the variables of an account filled in; a name that is only meant leaves them."""
    local, _, domain = name.rpartition("@")
    values = {"u": name, "n": local, "d": domain, "h": home, "%": "%"}
    named = {"{user}": "u", "{username}": "n", "{domain}": "d", "{home}": "h"}

    def value(found: re.Match[str]) -> str:
        text = found[1]
        return values.get(named.get(text, text[-1]), found[0])

    whole = _VARIABLE.sub(value, template) if is_known else template
    return f"{home}{whole[1:]}" if whole.startswith("~/") and home else whole
