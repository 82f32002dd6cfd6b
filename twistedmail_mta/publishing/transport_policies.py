"""What hosts that send mail here are told of its MX hosts: MTA-STS (RFC 8461)."""

from __future__ import annotations

from twistedmail_mta.errors import TemporaryError
from twistedmail_mta.mta_sts.policy import Policy, parse_policy, policy_host
from twistedmail_mta.mta_sts.record import policy_id, record_name, record_text
from twistedmail_mta.publishing.finding import Finding, listed, missing, right, unknown, wrong
from twistedmail_mta.publishing.lookup import Lookup, NotFetched
from twistedmail_mta.publishing.presence import Presence
from twistedmail_mta.publishing.record import Record


def transport_policy_records(presence: Presence, domain: str) -> list[Record]:
    """Return where a domain's policy is, and what tells of it; nothing where none is handed out."""
    policy = presence.policies.get(domain)
    return [] if policy is None else [_host_record(presence, domain), _record(domain, policy)]


async def check_transport_policy(presence: Presence, domain: str, lookup: Lookup) -> list[Finding]:
    """Fetch the policy as senders do, and compare what tells of it; with the MX hosts, too."""
    policy = presence.policies.get(domain)
    if policy is None:
        return await _check_foreign(presence, domain, lookup)
    return [
        await _check_host(presence, domain, policy, lookup),
        await _check_record(domain, policy, lookup),
        *await _check_mail_hosts(domain, policy, lookup),
    ]


def _host_record(presence: Presence, domain: str) -> Record:
    why = f"where senders fetch the policy of {domain} (MTA-STS), on port 443"
    return Record(policy_host(domain), "CNAME", f"{presence.hostname}.", why)


def _record(domain: str, policy: Policy) -> Record:
    why = (
        f"tells senders that {domain} has a policy, and by its id whenever that is another: publish it after the policy"
    )
    return Record(record_name(domain), "TXT", record_text(policy), why)


async def _check_host(presence: Presence, domain: str, policy: Policy, lookup: Lookup) -> Finding:
    record = _host_record(presence, domain)
    try:
        found = [(await lookup.addresses(record.name, family)).records for family in ("A", "AAAA")]
    except TemporaryError:
        return unknown(record)
    if not any(found):
        return missing(record)
    return await _check_text(record, domain, policy, lookup)


async def _check_text(record: Record, domain: str, policy: Policy, lookup: Lookup) -> Finding:
    try:
        fetched = parse_policy(await lookup.policy_text(domain))
    except NotFetched as error:
        return wrong(record, f"the policy can't be fetched from here: {error}")
    except ValueError as error:
        return wrong(record, f"what is fetched there is no policy: {error}")
    if fetched != policy:
        text = f"another policy is fetched there ({_told(fetched)}) than the site file's ({_told(policy)})"
        return wrong(record, f"{text}: reload the server, or let the name lead to it")
    return right(record, f"the policy is fetched there: {_told(policy)}")


def _told(policy: Policy) -> str:
    return f"{policy.mode}, for {policy.max_age} seconds, {listed(policy.patterns) or 'no host'}"


async def _check_record(domain: str, policy: Policy, lookup: Lookup) -> Finding:
    record = _record(domain, policy)
    try:
        texts = [text for text in (await lookup.texts(record.name)).records if text.startswith(b"v=STSv1")]
    except TemporaryError:
        return unknown(record)
    if not texts:
        return missing(record)
    if len(texts) > 1:
        return wrong(record, "there are several, so none counts (RFC 8461 section 3.1); leave one", [record])
    if policy_id(texts) is None:
        return wrong(record, "it can't be understood, so the policy is as good as none; publish", [record])
    if policy_id(texts) != policy_id([record.content.encode("ascii")]):
        return wrong(record, "its id is that of another policy, so senders keep that; publish", [record])
    return right(record, "it tells of the policy")


async def _check_mail_hosts(domain: str, policy: Policy, lookup: Lookup) -> list[Finding]:
    """Senders give mail to no host that isn't named, so all must be; whether they are this one is asked elsewhere."""
    asked = Record(domain, "MX", "", "")
    if policy.mode == "none":
        return []
    try:
        hosts = [each.host for each in (await lookup.mx(domain)).records if each.host]
    except TemporaryError:
        return [unknown(asked)]
    strange = [host for host in hosts if not policy.names(host)]
    text = f"the MTA-STS policy of {domain} doesn't name {listed(strange)}, so senders that know it give them nothing"
    return [wrong(asked, text)] if strange else []


async def _check_foreign(presence: Presence, domain: str, lookup: Lookup) -> list[Finding]:
    """A policy that another host hands out must name this one."""
    asked = Record(record_name(domain), "TXT", "", "")
    try:
        announced = policy_id((await lookup.texts(asked.name)).records)
    except TemporaryError:
        return [unknown(asked)]
    if announced is None:
        return []
    try:
        policy = parse_policy(await lookup.policy_text(domain))
    except (NotFetched, ValueError) as error:
        return [wrong(asked, f"it tells of a policy that can't be had: {error}")]
    if policy.mode != "none" and not policy.names(presence.hostname):
        text = f"the policy that it tells of doesn't name {presence.hostname}, so senders that know it give it nothing"
        return [wrong(asked, text)]
    return [right(asked, f"the policy that it tells of, {policy.mode}, names this host")]
