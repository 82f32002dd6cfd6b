"""Spam: every message is shown to rspamd over HTTP, and what that wants is done."""

from __future__ import annotations

import re
from collections.abc import Mapping
from hashlib import blake2b
from ipaddress import ip_address, ip_network
from typing import Annotated, Final
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field
from zope.interface import implementer

from twistedmail_mta.config.values import Duration, FilePath, MailboxName, Size, Table, Wait
from twistedmail_mta.model import Reply
from twistedmail_mta.plugins import Kit
from twistedmail_mta.policy.daemon import DaemonError
from twistedmail_mta.policy.first_tries import FirstTries
from twistedmail_mta.policy.rspamd_answer import RspamdAnswer, read_answer
from twistedmail_mta.policy.scanned import printable, verified_name
from twistedmail_mta.policy.verdict import JUNK, PREFIX, Verdict, discarded, field_value, filed, tags, untold
from twistedmail_mta.stages import (
    Answer,
    Arriving,
    Changes,
    Client,
    IMessagePolicy,
    Quarantine,
    ReplaceHeader,
)

SPAM: Final = "Message refused, it looks like spam"
LATER: Final = "Please try again later"

MARKED: Final = frozenset({"add header", "rewrite subject", "quarantine"})
"""The actions of mail that is taken, but looks like spam."""

_UNSAFE: Final = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")
_MAX_ANSWER: Final = 4 << 20
_READ_AT_ONCE: Final = 64 << 10
_NEIGHBOURS: Final = {4: 24, 6: 64}


def _url(text: object) -> str:
    parts = urlsplit(text) if isinstance(text, str) else None
    if parts is None or parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment:
        raise ValueError('must be a URL such as "http://127.0.0.1:11333"')
    return str(text).rstrip("/")


class RspamdOptions(Table):
    """Options of `rspamd`.

    Attributes:
        url: where its worker "normal" or a proxy listens.
        within: seconds for an answer; less than the plugin's `timeout`.
        max_size: octets; larger messages aren't judged.
        junk: file what it wants marked as spam.
        mailbox: where to.
        prefix: how the names of the fields begin.
        tag: add fields with the verdict.
        greylist: how long mail is put off for which rspamd recommends greylisting; "0s": not at all.
        settings: the id of settings of rspamd's that are to be used.
        password_file: holds the password of the worker, if it wants one.
    """

    url: Annotated[str, BeforeValidator(_url)] = "http://127.0.0.1:11333"
    within: Wait = 9.0
    max_size: Annotated[Size, Field(gt=0)] = 50 << 20
    junk: bool = True
    mailbox: MailboxName = JUNK
    prefix: Annotated[str, Field(pattern=r"^[A-Za-z0-9-]{1,40}$")] = PREFIX
    tag: bool = True
    greylist: Annotated[Duration, Field(ge=0)] = 300.0
    settings: Annotated[str, Field(pattern=r"^[!-~]*$")] = ""
    password_file: FilePath | None = None


@implementer(IMessagePolicy)
class Rspamd:
    """Asks rspamd with /checkv2; while it can't be asked, mail is taken as it is."""

    Options = RspamdOptions
    on_error = "abstain"
    rehearses = False  # it counts, learns and greylists

    def __init__(self, options: RspamdOptions, kit: Kit) -> None:
        self._options = options
        self._kit = kit
        self._firsts = FirstTries(options.greylist, 86400.0, kit.clock.seconds)
        self._headers = {"Settings-Id": options.settings} if options.settings else {}
        if options.password_file is not None:
            self._headers["Password"] = options.password_file.read_text(encoding="utf-8").strip()

    async def message(self, client: Client, message: Arriving) -> Answer:
        """Do what rspamd wants."""
        if message.size > self._options.max_size:
            return untold(client, self._options.prefix) if self._options.tag else None
        answer = await self._asked(client, message)
        self._kit.log.info(
            "{queue_id} has {score} of {required} points, {action}", event="rspamd.judged", queue_id=message.id,
            score=answer.score, required=answer.required, action=answer.action,
        )  # fmt: skip
        return self._refusal(client, message, answer) or self._changes(client, message, answer)

    async def _asked(self, client: Client, message: Arriving) -> RspamdAnswer:
        options, kit = self._options, self._kit
        name = await verified_name(kit.resolver, kit.clock, client.host)
        headers = {**_headers(client, message, name), "MTA-Name": kit.hostname, **self._headers}
        found = await kit.http.request(
            "POST",
            f"{options.url}/checkv2",
            headers,
            message.header.block,
            message.body,
            options.within,
            _MAX_ANSWER,
        )
        if found.status != 200:
            raise DaemonError(f"rspamd answers {found.status}: {found.body[:200]!r}")
        if len(found.body) > _READ_AT_ONCE:
            return await kit.run_in_thread(read_answer, found.body)
        return read_answer(found.body)

    def _refusal(self, client: Client, message: Arriving, answer: RspamdAnswer) -> Reply | None:
        match answer.action:
            case "reject":
                return Reply(554, "5.7.1", printable(answer.message) or SPAM)
            case "soft reject":
                return Reply(451, "4.7.1", printable(answer.message) or LATER)
            case "greylist" if self._puts_off(client, message):
                return Reply(451, "4.7.1", printable(answer.message) or LATER)
        return None

    def _puts_off(self, client: Client, message: Arriving) -> bool:
        """Return whether a recommendation is followed: for mail that comes for the first time, not for every try."""
        if not self._options.greylist or client.account is not None:
            return False
        recipients = sorted(str(each.address) for each in message.envelope.recipients)
        parts = (_neighbourhood(client.host), str(message.envelope.sender), *recipients)
        return self._firsts.puts_off(blake2b("\0".join(parts).encode("utf-8", "replace"), digest_size=16).digest())

    def _changes(self, client: Client, message: Arriving, answer: RspamdAnswer) -> Changes:
        options, action = self._options, answer.action
        changes = list(answer.changes)
        is_spam = action in MARKED
        if options.tag and not (answer.is_skipped and action == "no action"):
            changes += tags(Verdict(is_spam, answer.score, answer.required, answer.symbols), client, options.prefix)
        if action == "rewrite subject" and answer.subject:
            changes.append(ReplaceHeader("Subject", field_value(answer.subject)))
        if action == "quarantine":
            changes.append(Quarantine(printable(answer.message) or f"{answer.score:.2f} points"))
        elif action == "discard":
            changes += discarded(message)
        return (*changes, *filed(into_junk=is_spam and options.junk, mailbox=options.mailbox))


def _headers(client: Client, message: Arriving, name: str) -> Mapping[str, str]:
    """Return what rspamd is told beside the text, without what isn't known."""
    version, _, cipher = client.tls.partition(" ")
    told = {
        "IP": client.host,
        "Helo": client.helo,
        "Hostname": name or "unknown",
        "From": f"<{message.envelope.sender}>",
        "Rcpt": ", ".join(f"<{each.address}>" for each in message.envelope.recipients),
        "User": client.account or "",
        "Queue-Id": message.id,
        "TLS-Version": version,
        "TLS-Cipher": cipher,
    }
    return {key: _UNSAFE.sub("?", value) for key, value in told.items() if value}


def _neighbourhood(host: str) -> str:
    """Return the network of a client: large senders try again from another host of theirs."""
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return host
    return str(ip_network((address, _NEIGHBOURS[address.version]), strict=False))
