"""Whose mail it is: SPF, DKIM, ARC and DMARC of what strangers bring, told in one field, and acted on."""

from __future__ import annotations

import re
from typing import ClassVar, Final

from zope.interface import implementer

from twistedmail_mta.dmarc.report import published_at
from twistedmail_mta.header_changes import value_of
from twistedmail_mta.mail.authentication_results import NAME, service_of, written
from twistedmail_mta.mail.header import Header
from twistedmail_mta.plugins import Kit
from twistedmail_mta.policy.authentication_decision import Decision, decided
from twistedmail_mta.policy.authentication_options import AuthenticationOptions
from twistedmail_mta.policy.authentication_report import case_of, is_report, is_wanted
from twistedmail_mta.policy.authenticity import Examiner, Findings
from twistedmail_mta.policy.authenticity_words import statements, tags
from twistedmail_mta.smtp.domain import parse_domain
from twistedmail_mta.smtp.errors import AddressError
from twistedmail_mta.spf.identity import Visit
from twistedmail_mta.stages import AddHeader, Answer, Arriving, Changes, Client, IMessagePolicy, RemoveHeader

MOST_FIELDS: Final = 50
"""Fields that are looked at one by one; where there are more, all go."""
_BEGIN: Final = 1000
"""Octets of a field, in which its authserv-id stands."""
_COMMENT: Final = re.compile(rb"\([^()]*+\)")
_UNSEEN: Final = re.compile(rb"[^!#-~]++")


@implementer(IMessagePolicy)
class Authentication:
    """Examines each message of a stranger once it is here.

    Whoever has logged in is known, and needs no proof; hosts in
    `exempt_networks` are ours, and so is what they say, as are those that
    speak LMTP or give back what a filter had.
    """

    Options = AuthenticationOptions
    timeout: ClassVar = 30.0

    def __init__(self, options: AuthenticationOptions, kit: Kit) -> None:
        self._options = options
        self._kit = kit
        self._service = options.authserv_id or kit.hostname.lower()
        self._examiner = Examiner(kit.resolver, kit.clock, options.patience, kit.run_in_thread)

    async def message(self, client: Client, message: Arriving) -> Answer:
        """Say whose mail it is, and do what follows."""
        if client.account is not None:
            return forged(message.header, self._service) or None
        if client.role != "mx" or self._options.exempts(client):
            return None
        visit = Visit(client.host, client.helo, self._kit.hostname, self._kit.now())
        findings = await self._examiner.findings(visit, message.envelope.sender, message.header, message.body)
        decision = decided(findings, client.host, self._options)
        self._count(client, message, findings, decision)
        if decision.refusal is not None:
            self._tell(message.id, findings, decision)
            return decision.refusal
        return self._changes(client, message, findings, decision)

    def _count(self, client: Client, message: Arriving, findings: Findings, decision: Decision) -> None:
        """Have the author's domain told of a message, if it wants to be."""
        dmarc, evaluations = findings.dmarc, self._kit.evaluations
        if evaluations is None or dmarc.record is None or not is_wanted(client.host, findings, decision):
            return
        case = case_of(client.host, message.envelope, findings, decision)
        evaluations.note(published_at(dmarc.found_at, dmarc.record), case, is_report(message.header))

    def _changes(self, client: Client, message: Arriving, findings: Findings, decision: Decision) -> Changes:
        value = written(self._service, statements(findings, client.host, decision.done))
        return (
            *forged(message.header, self._service),
            AddHeader(NAME, value),
            *tags(findings, decision.done),
            *decision.changes,
        )

    def _tell(self, queue_id: str, findings: Findings, decision: Decision) -> None:
        """Let the log say why a message is refused; of others it shows the tags."""
        found = {tag.name: tag.value for tag in tags(findings, decision.done)}
        self._kit.log.info(
            "{queue_id} is {findings}",
            event="authentication.found",
            queue_id=queue_id,
            findings=", ".join(f"{name}={value!r}" for name, value in found.items()),
            tags=found,
        )


def forged(header: Header, service: str) -> Changes:
    """Return the changes that remove what others say in our name (RFC 8601 section 5).

    Fields that don't tell who says so go, too.

    Args:
        header: as it came.
        service: our name there.
    """
    name = NAME.encode()
    if header.count(name, MOST_FIELDS + 1) > MOST_FIELDS:
        return (RemoveHeader(NAME),)
    values = dict.fromkeys(value for value in header.get_all(name) if _claims(value, service))
    return tuple(RemoveHeader(NAME, value=value_of(value)) for value in values)


def _claims(value: bytes, service: str) -> bool:
    begin = value[:_BEGIN]
    said = service_of(begin)
    return said is None or _normal(said) == service or _looks_like(begin, service)


def _looks_like(begin: bytes, service: str) -> bool:
    """Return whether a careless reader might find our name: one that leaves out what can't be seen, or comments."""
    shown = _UNSEEN.sub(b"", _COMMENT.sub(b"", begin)).lower()
    return re.match(re.escape(service.encode()) + rb"(?![a-z0-9-]|\.[a-z0-9-])", shown) is not None


def _normal(service: str) -> str:
    """Return an authserv-id as it is compared: in A-labels, without a final dot (RFC 8601 section 2.5)."""
    try:
        return parse_domain(service.removesuffix("."))
    except AddressError:
        return service
