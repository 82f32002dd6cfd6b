"""What the site file says of `authentication`."""

from __future__ import annotations

import re
from typing import Annotated, Final, Literal

from pydantic import BeforeValidator

from twistedmail_mta.config.values import (
    Domain,
    DomainPatterns,
    MailboxName,
    Wait,
    domain_pattern,
    network,
    one_or_more,
)
from twistedmail_mta.networks import Network
from twistedmail_mta.policy.exempt import ExemptNetworks
from twistedmail_mta.policy.verdict import JUNK

_NAME: Final = re.compile(r"[^:/]*[^0-9.:/][^:/]*")


def _forwarder(value: object) -> Network | str:
    """Return a network, or a pattern of domains: names without any letter are networks that are written wrongly."""
    is_domain = isinstance(value, str) and _NAME.fullmatch(value) is not None
    return domain_pattern(value) if is_domain else network(value)


Forwarder = Annotated[Network | str, BeforeValidator(_forwarder)]


class AuthenticationOptions(ExemptNetworks):
    """[plugins.NAME] of `authentication`.

    Attributes:
        authserv_id: who says so in Authentication-Results; the server's name if it is None.
        reject: what becomes of mail that its author's domain wants refused.
        quarantine: what becomes of mail that it finds suspicious.
        unclear_author: what becomes of mail whose From names several domains, or can't be understood.
        spf_fail: what becomes of mail that fails SPF, if DMARC says nothing better.
        on_temperror: what becomes of mail about which the DNS doesn't let DMARC decide.
        trusted_sealers: domains whose ARC seals are believed.
        trusted_forwarders: networks and domains whose mail may fail.
        mailbox: where junk goes.
        patience: seconds for all questions about a message.
    """

    authserv_id: Domain | None = None
    reject: Literal["honour", "junk", "quarantine", "tag"] = "honour"
    quarantine: Literal["junk", "quarantine", "tag"] = "junk"
    unclear_author: Literal["refuse", "tag"] = "refuse"
    spf_fail: Literal["refuse", "tag"] = "tag"
    on_temperror: Literal["defer", "tag"] = "tag"
    trusted_sealers: DomainPatterns = ()
    trusted_forwarders: Annotated[tuple[Forwarder, ...], BeforeValidator(one_or_more)] = ()
    mailbox: MailboxName = JUNK
    patience: Wait = 10.0
