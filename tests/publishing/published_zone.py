"""A DNS made of the text of zone files, read by dnspython, and a site to publish."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import dns.rdatatype
import dns.zone
from chain_made import Made, made
from dkim_made import ed25519_key, rsa_key

from twistedmail_mta.dane.records import TLSA
from twistedmail_mta.dkim.making import public_octets, record_text
from twistedmail_mta.errors import TemporaryError
from twistedmail_mta.model import Answer, MXRecord, Reply
from twistedmail_mta.mta_sts.policy import policy_text
from twistedmail_mta.networks import reverse_name
from twistedmail_mta.publishing.finding import Finding
from twistedmail_mta.publishing.lookup import NotFetched, SRVRecord
from twistedmail_mta.publishing.presence import Certificate, Host, Presence, Service
from twistedmail_mta.publishing.zone import check_all, zone_lines


@dataclass(frozen=True)
class Key:
    """A DKIM key, as rows of the database are."""

    selector: str
    kind: Any
    public: bytes
    state: str = "signing"
    domain: str = "example.org"

    @property
    def name(self) -> str:
        return f"{self.selector}._domainkey.{self.domain}"

    @property
    def record(self) -> str:
        return record_text(self.kind, self.public)


RSA = Key("2026a", "rsa", public_octets(rsa_key(2048)))
ED25519 = Key("2026a-ed25519", "ed25519", public_octets(ed25519_key()))

AUTHORITY = made("Authority", is_authority=True)
SHOWN = made("mail.example.org", AUTHORITY, names=["mail.example.org"])
NEXT = made("mail.example.org", AUTHORITY, names=["mail.example.org"])

SITE = Presence(
    hosts=(
        Host("mail.example.org", ("192.0.2.1", "2001:db8::1"), ("2001:db8::1",)),
        Host("out.example.org", ("192.0.2.2", "192.0.2.3"), ("192.0.2.2", "192.0.2.3")),
    ),
    domains=("example.org",),
    services=(
        Service("_submissions._tcp", 465, 0, "submission with TLS from the start"),
        Service("_imaps._tcp", 993, 0, "IMAP with TLS from the start"),
    ),
    certificates=(Certificate("mail.example.org", (SHOWN.der, AUTHORITY.der), is_signed=True),),
    keys=(RSA, ED25519),
    known_from="those of server.addresses",
)


@dataclass
class World:
    """Answers as the DNS would; what is in `silent` gets no answer.

    Attributes:
        records: texts by name and type.
        policies: what is fetched from policy hosts, by domain.
    """

    records: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    silent: set[tuple[str, str]] = field(default_factory=set)
    policies: dict[str, bytes] = field(default_factory=dict)

    def load(self, text: str) -> None:
        """Add the records of a zone file."""
        zone = dns.zone.from_text(text, origin=".", relativize=False, check_origin=False)
        for name, rdataset in zone.iterate_rdatasets():
            key = (name.to_text(omit_final_dot=True).lower(), dns.rdatatype.to_text(rdataset.rdtype))
            self.records[key] = [each.to_text() for each in rdataset]

    def without(self, *keys: tuple[str, str]) -> World:
        return World(
            {key: texts for key, texts in self.records.items() if key not in keys}, set(self.silent), self.policies
        )

    def with_(self, name: str, rdtype: str, *texts: str) -> World:
        return World({**self.records, (name, rdtype): list(texts)}, set(self.silent), self.policies)

    def _rdata(self, name: str, rdtype: str) -> list[Any]:
        if (name, rdtype) in self.silent:
            raise TemporaryError(Reply(451, "4.4.3", "silence"))
        if rdtype != "CNAME" and (name, "CNAME") in self.records:
            return self._rdata(self.records[name, "CNAME"][0].rstrip("."), rdtype)
        texts = self.records.get((name, rdtype), [])
        return [dns.rdata.from_text("IN", rdtype, text) for text in texts]

    def _answer(self, name: str, rdtype: str, value: Any) -> Answer[Any]:
        records = tuple(value(each) for each in self._rdata(name, rdtype))
        return Answer(records, "found" if records else "missing", authentic=False)

    async def mx(self, domain: str) -> Answer[MXRecord]:
        return self._answer(domain, "MX", lambda each: MXRecord(each.preference, spelled(each.exchange)))

    async def addresses(self, host: str, family: str) -> Answer[str]:
        return self._answer(host, family, lambda each: each.address)

    async def host_names(self, address: str) -> Answer[str]:
        return self._answer(reverse_name(address), "PTR", lambda each: spelled(each.target))

    async def texts(self, name: str) -> Answer[bytes]:
        return self._answer(name, "TXT", lambda each: b"".join(each.strings))

    async def cname(self, name: str) -> Answer[str]:
        return self._answer(name, "CNAME", lambda each: spelled(each.target))

    async def services(self, name: str) -> Answer[SRVRecord]:
        return self._answer(
            name, "SRV", lambda each: SRVRecord(each.priority, each.weight, each.port, spelled(each.target))
        )

    async def policy_text(self, domain: str) -> bytes:
        if domain not in self.policies:
            raise NotFetched("the answer is 404")
        return self.policies[domain]

    async def tlsa(self, name: str) -> Answer[TLSA]:
        return self._answer(name, "TLSA", lambda each: TLSA(each.usage, each.selector, each.mtype, each.cert))


def spelled(name: Any) -> str:
    return name.to_text(omit_final_dot=True).lower().removesuffix(".")


def printed(presence: Presence) -> str:
    """Return what the command prints."""
    return "\n".join(zone_lines(presence)) + "\n"


def published(presence: Presence = SITE) -> World:
    """Return a DNS with all that is printed, and with the names of addresses, which are comments."""
    world = World(policies={domain: policy_text(each) for domain, each in presence.policies.items()})
    text = printed(presence)
    pointers = [line.removeprefix("; ") for line in text.split("\n") if " IN PTR " in line]
    world.load("\n".join([text, *pointers, ""]))
    return world


def findings(world: World, presence: Presence = SITE) -> list[Finding]:
    """Return all that is found which isn't right."""
    coroutine = check_all(presence, world)
    try:
        coroutine.send(None)
    except StopIteration as end:
        return [each for each in end.value if each.state != "right"]
    raise AssertionError("it waits for something")


def tlsa(certificate: Made, usage: int, selector: int = 1, matching: int = 1) -> str:
    """Return the text of a record that means a certificate."""
    return f"{usage} {selector} {matching} {certificate.record(usage, selector, matching).data.hex()}"


def unsigned(presence: Presence = SITE) -> Presence:
    return replace(presence, certificates=tuple(replace(each, is_signed=False) for each in presence.certificates))
