"""What a site file lets others see or do, that most sites don't want."""

from __future__ import annotations

from collections.abc import Iterator

from twistedmail_mta.checks.finding import Finding
from twistedmail_mta.config.endpoints import parse_endpoint
from twistedmail_mta.config.problems import key_path
from twistedmail_mta.config.site import Site
from twistedmail_mta.gateways import gateways, is_container
from twistedmail_mta.networks import Network, is_in


def findings_of_exposure(site: Site) -> Iterator[Finding]:
    """Tell of logins in clear, of LMTP for strangers, and of content filters whose mail comes back to nobody."""
    yield from _plaintext(site)
    yield from _behind_gateway(site)
    yield from _open_lmtp(site)
    yield from _content_filters(site)


def _plaintext(site: Site) -> Iterator[Finding]:
    for name, listener in site.listen.items():
        if listener.plaintext_login:
            networks = ", ".join(str(network) for network in listener.plaintext_login)
            path = key_path(("listen", name, "plaintext_login"))
            text = f"passwords cross the network in clear from {networks}"
            yield Finding("warning", path, text, "take it out once nobody types sessions by hand any more")


def _behind_gateway(site: Site) -> Iterator[Finding]:
    """In a container a network that holds its gateway may hold everybody."""
    everybody = gateways() if is_container() else frozenset()
    for name, listener in site.listen.items():
        for key in ("plaintext_login", "trusted"):
            networks: tuple[Network, ...] = getattr(listener, key)
            for host in everybody:
                if is_in(host, networks):
                    text = f"holds {host}, the gateway of this container, whose address all clients may seem to have"
                    mend = "name addresses of other containers there, and not the network that they are in"
                    yield Finding("warning", key_path(("listen", name, key)), text, mend)


def _open_lmtp(site: Site) -> Iterator[Finding]:
    """LMTP is for the mail system's own hosts: policies and limits stand before it, in whatever hands mail over."""
    for name, listener in site.listen.items():
        if listener.preset.lmtp and not all(parse_endpoint(text).is_private for text in listener.endpoint):
            text = "is open to other hosts: LMTP is for the mail systems in front of this one"
            mend = "let no other reach it: bind it to loopback or a unix socket, or close the port in the firewall"
            yield Finding("warning", key_path(("listen", name, "endpoint")), text, mend)


def _content_filters(site: Site) -> Iterator[Finding]:
    """What goes to a filter has to come back, from nobody else."""
    back = {name: table for name, table in site.listen.items() if table.preset.takes_back}
    for name, table in site.plugins.items():
        if table.use == "content_filter" and not back:
            text = "sends mail to a content filter, and no listener of role reinject takes it back"
            mend = 'add [listen.back] with endpoint = "tcp:10025:interface=127.0.0.1" and role = "reinject"'
            yield Finding("warning", key_path(("plugins", name)), text, mend)
    for name, listener in back.items():
        if listener.trusted:
            networks = ", ".join(str(network) for network in listener.trusted)
            text = f"whoever connects from {networks} can send anything to anybody: no login is asked for"
            mend = "name the filter's own addresses there, and no network that anybody else is in"
            yield Finding("warning", key_path(("listen", name, "trusted")), text, mend)
