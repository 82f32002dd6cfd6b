"""The listeners that speak HTTP, each with what it answers."""

from __future__ import annotations

from twistedmail_mta.acme.answering import ChallengeTLS, HTTPAnswers
from twistedmail_mta.acme.challenges import Challenges
from twistedmail_mta.config.limits import limits_of
from twistedmail_mta.config.site import Site
from twistedmail_mta.networks import LOOPBACK, Network, is_in
from twistedmail_mta.tls.server import ServerTLS
from twistedmail_mta.web.policies import PolicyAnswers
from twistedmail_mta.web.serving import Answer, Terms


def web_terms(site: Site, name: str, tls: ServerTLS | None, challenges: Challenges, metrics: Answer) -> Terms:
    """Return what the connections of a listener have to know where HTTP is spoken.

    Args:
        site: the site file.
        name: what that calls the listener.
        tls: shows the site's certificates; None without.
        challenges: what an authority is answered.
        metrics: answers who reads metrics.
    """
    table, most = site.listen[name], limits_of(site, name).connections_per_client
    if table.preset.tells_metrics:
        trusted = table.trusted or LOOPBACK
        return Terms(
            metrics, most, tls if table.tls == "implicit" else None, may_connect=lambda host: _is_in(host, trusted)
        )
    if table.preset.hands_out_policies:
        return Terms(PolicyAnswers(site.policies), most, tls, ChallengeTLS(challenges))
    if table.tls == "implicit":
        return Terms(None, most, handshakes=ChallengeTLS(challenges))
    return Terms(HTTPAnswers(challenges), most)


def _is_in(host: str, trusted: tuple[Network, ...]) -> bool:
    """Return whether a client may read metrics; one at a unix socket has no address, and was let in by its mode."""
    return not host or is_in(host, trusted)
