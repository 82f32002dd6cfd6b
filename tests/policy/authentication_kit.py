"""What `authentication` is tried with: a bank that wants forgeries refused, and mail signed or sealed."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from dkim_made import rsa_key, rsa_record

from twistedmail_mta.arc.chain import Verdict, chain_of, validated
from twistedmail_mta.arc.sealing import sealed
from twistedmail_mta.dkim.body import BodyHasher, hash_of
from twistedmail_mta.dkim.fields import fields_of
from twistedmail_mta.dkim.signing import Signer, signature_fields
from twistedmail_mta.mail.header import Header, split
from twistedmail_mta.model import Answer
from twistedmail_mta.policy.authentication import Authentication
from twistedmail_mta.testing.behind import Accepted
from twistedmail_mta.testing.rig import Rig
from twistedmail_mta.testing.site import Site
from twistedmail_mta.testing.surroundings import START, Surroundings

BANK = "bank.test"
BANK_HOST = "192.0.2.10"
EVIL_HOST = "192.0.2.66"
LIST_HOST = "192.0.2.77"
TEXT = b"From: Ann <ann@bank.test>\r\nTo: bob@home.test\r\nSubject: your account\r\n\r\nHello\r\n"
AT = int(START)


def surroundings(policy: str = "p=reject") -> Surroundings:
    """A DNS with a bank, a list, and somebody evil."""
    made = Surroundings()
    for domain, host in ((BANK, BANK_HOST), ("list.test", LIST_HOST), ("evil.test", EVIL_HOST)):
        made.names.add(domain, "TXT", f"v=spf1 ip4:{host} -all".encode())
        made.names.add(f"r._domainkey.{domain}", "TXT", rsa_record())
    made.names.add(f"_dmarc.{BANK}", "TXT", f"v=DMARC1; {policy}".encode())
    made.names.add("r._domainkey.example.org", "TXT", rsa_record())
    return made


def rig(around: Surroundings | None = None, **options: Any) -> Rig:
    """The plugin, as a site file has it."""
    return Rig(Authentication, options, surroundings=around or surroundings())


def signed(text: bytes = TEXT, *domains: str) -> bytes:
    """Return a message with signatures, by default the bank's."""
    header, body = split(text)
    signers = [Signer(domain, "r", rsa_key(2048)) for domain in domains or (BANK,)]
    return signature_fields(fields_of(Header(header)), hash_of(body), signers, AT) + text


def chain_with(text: bytes, assessment: bytes, by: str = "example.org") -> bytes:
    """Return a message sealed by somebody who found what is said."""
    header, body = split(text)
    fields = fields_of(Header(header))
    sealer = Signer(by, "r", rsa_key(2048))
    return sealed(fields, hash_of(body), _verdict(text), assessment, sealer, AT) + text


def _verdict(text: bytes) -> Verdict:
    header, body = split(text)
    fields = fields_of(Header(header))
    chain = chain_of(fields)
    hasher = BodyHasher(chain.forms)
    hasher.add(body)
    keys = {name: Answer((rsa_record(),), "found", authentic=False) for name in chain.key_names}
    return validated(chain, fields, hasher.finish(), keys, AT)


def sent(  # noqa: PLR0917 - what a client can say
    rigs: Rig | Sequence[Rig],
    text: bytes = TEXT,
    host: str = EVIL_HOST,
    sender: str = "eve@evil.test",
    helo: str = "client.test",
    account: str | None = None,
) -> tuple[str, Accepted | None]:
    """Send a message; return the answer, and what was taken."""
    site = Site(*([rigs] if isinstance(rigs, Rig) else rigs))
    said = site.connect(host, account, helo).mail(sender, "bob@home.test", text=text)
    return said, next(iter(site.accepted), None)


def results(accepted: Accepted | None) -> list[str]:
    """Return what the one field says: who says so, and the statements; the beginnings of signatures left out."""
    assert accepted is not None
    (value,) = accepted.header.get_all(b"Authentication-Results")
    return re.sub(r' header\.b="?[A-Za-z0-9+/=]{8}"?', "", " ".join(value.decode().split())).split("; ")
