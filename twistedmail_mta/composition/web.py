"""The listeners that speak HTTP, each with what it answers."""

from __future__ import annotations

from twistedmail_mta.acme.answering import ChallengeTLS, HTTPAnswers
from twistedmail_mta.acme.challenges import Challenges
from twistedmail_mta.config.limits import limits_of
from twistedmail_mta.config.site import Site
from twistedmail_mta.tls.server import ServerTLS
from twistedmail_mta.web.policies import PolicyAnswers
from twistedmail_mta.web.serving import Terms


def web_terms(site: Site, name: str, tls: ServerTLS | None, challenges: Challenges) -> Terms:
    """Return what the connections of a listener have to know where HTTP is spoken.

    Args:
        site: the site file.
        name: what that calls the listener.
        tls: shows the site's certificates; None without.
        challenges: what an authority is answered.
    """
    table, most = site.listen[name], limits_of(site, name).connections_per_client
    if table.preset.hands_out_policies:
        return Terms(PolicyAnswers(site.policies), most, tls, ChallengeTLS(challenges))
    if table.tls == "implicit":
        return Terms(None, most, handshakes=ChallengeTLS(challenges))
    return Terms(HTTPAnswers(challenges), most)
