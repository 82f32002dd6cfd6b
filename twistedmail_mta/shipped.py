"""The plugins that ship, by the names under which site files use them.

Each is also an entry point in setup.cfg, so that programs which list plugins
see them; this table serves a checkout, where entry points aren't installed.  A
test keeps both equal.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

SHIPPED: Final[Mapping[str, str]] = {
    "authentication": "twistedmail_mta.policy.authentication:Authentication",
    "brake": "twistedmail_mta.policy.brake:Brake",
    "clamav": "twistedmail_mta.policy.clamav:ClamAV",
    "content_filter": "twistedmail_mta.policy.content_filter:ContentFilter",
    "dnsbl": "twistedmail_mta.policy.dnsbl:DNSBL",
    "early": "twistedmail_mta.policy.early:Early",
    "footer": "twistedmail_mta.policy.footer:Footer",
    "greylist": "twistedmail_mta.policy.greylist:Greylist",
    "headers": "twistedmail_mta.policy.headers:Headers",
    "limits": "twistedmail_mta.policy.limits:Limits",
    "milter": "twistedmail_mta.policy.milter:Milter",
    "names": "twistedmail_mta.policy.names:Names",
    "relay_networks": "twistedmail_mta.policy.relay_networks:RelayNetworks",
    "rewrite": "twistedmail_mta.policy.rewrite:Rewrite",
    "rspamd": "twistedmail_mta.policy.rspamd:Rspamd",
    "spamd": "twistedmail_mta.policy.spamd:Spamd",
    "tarpit": "twistedmail_mta.policy.tarpit:Tarpit",
}
"""Where each is: `module:class`, imported only when it is used."""
